"""The program: files written, one clear line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from csp.flags import method_of
from csp.segment import main, parser
from csp.types import Result

KNOBS = ["--Lc", "1", "--Nc", "16", "--Ls", "1", "--Np", "4"]


@pytest.fixture
def photo(picture: np.ndarray, tmp_path: Path) -> str:
    Image.fromarray(picture).save(tmp_path / "picture.png")
    return str(tmp_path / "picture.png")


def test_a_run_writes_its_files(
    park_folder: Path, photo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new/out"
    code = main(
        [
            photo,
            "the red zebra",
            "--model",
            str(park_folder),
            "--cluster",
            "seg-first",
            *KNOBS,
            "--out",
            str(out),
            "--device",
            "cpu",
            "--seed",
            "4",
        ]
    )
    printed = capsys.readouterr()
    assert code == 0 and not printed.err
    assert "note: unknown to this model" in printed.out and "of 64 image tokens on average" in printed.out
    assert sorted(p.name for p in out.iterdir()) == [
        "mask.png",
        "run.json",
        "run.npz",
        "stages.png",
        "stages.svg",
    ]

    result = Result.open(out / "run.npz")
    np.testing.assert_array_equal(np.asarray(Image.open(out / "mask.png")), result.mask)
    told = json.loads((out / "run.json").read_text())
    assert (
        told["request"]["knobs"]["Np"] == 4
        and told["request"]["seed"] == 4
        and told["request"]["query"] == "the red zebra"
    )
    assert (out / "stages.svg").read_text().lstrip().startswith("<?xml")
    assert Image.open(out / "stages.png").size[0] > 1000


LISA = Path(__file__).parent / "data/lisa"


def test_a_model_that_writes(photo: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tower, sizes = str(LISA / "clip-vit-tiny-patch14"), str(LISA / "sam_config.json")
    parts = ["--model", str(LISA / "lisa-tiny"), "--clip", tower, "--sam", sizes, "--device", "cpu", "--dtype", "float32"]
    asked = ["--method", "full", "--seg-mode", "generated", "--max-new-tokens", "3", "--template", "chat"]
    code = main([photo, "the tree", *parts, *asked, "--out", str(tmp_path)])
    printed = capsys.readouterr()
    assert code == 0 and not printed.err
    result = Result.open(tmp_path / "run.npz")
    assert result.text and f"answer: {result.text}\n" in printed.out
    # Three tokens hold no [SEG] here: every file is written all the same.
    assert "'the tree': no mask" in printed.out and "note: the answer has no [SEG]" in printed.out
    assert json.loads((tmp_path / "run.json").read_text())["text"] == result.text
    assert not np.asarray(Image.open(tmp_path / "mask.png")).any()
    # Its six layers are too few for the defaults: those that nobody gave are in proportion.
    for given in ([], ["--Nc", "9"], ["--method", "pyramiddrop", "--lam", "0.25"]):
        assert main([photo, "the tree", *parts, *given, "--out", str(tmp_path)]) == 0
        run = Result.open(tmp_path / "run.npz")
        assert run.request.knobs["Nc"] == (9 if given else 64) if "--method" not in given else run.request.knobs["lam"] == 0.25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: picture, query"),
        (["{photo}"], "required: query"),
        (["{photo}", "q", "--backend", "fast"], "backend must be one of plain, onednn, compiled, got 'fast'"),
        (["nowhere.png", "a dog"], "no picture file 'nowhere.png'"),
        (["{photo}", "  "], "1 to 512 characters"),
        (["{photo}", "a dog", "--Nc", "many"], "Nc must be an integer, got 'many'"),
        (["{photo}", "a dog", "--Nc", "300"], "Nc must be in 1..64 (the image has 64 tokens), got 300"),
        (["{photo}", "a dog", "--Nc", "nan"], "Nc must be an integer"),
        (["{photo}", "a dog", "--Np", "-3"], "Np must be"),
        (["{photo}", "a dog", "--seed", "x"], "seed must be an integer, got 'x'"),
        (["{photo}", "a dog", "--method", "magic"], "--method must be one of full, csp"),
        (["{photo}", "a dog", "--method", "full", "--Nc", "3"], "full has no knob 'Nc'"),
        (["{photo}", "a dog", "--cluster", "best"], "cluster must be one of random"),
        (["{photo}", "a dog", "--colour", "red"], "unrecognized arguments: --colour red"),
        (["{photo}", "a dog", "--device", "gpu"], "device must be auto"),
        (["{photo}", "a dog", "--answer", "half"], "answer must be"),
        (["{photo}", "a dog", "--seg-mode", "generated"], "park has no lm_head, so that it cannot write an answer"),
        (["{photo}", "a dog", "--max-new-tokens", "some"], "max-new-tokens must be an integer, got 'some'"),
    ],
)
def test_wrong_requests_get_one_line(
    park_folder: Path,
    photo: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    given = [a.format(photo=photo) for a in arguments]
    knobs = [] if "--method" in given else KNOBS[:2] + KNOBS[4:6]
    code = main(
        [
            *given,
            *knobs,
            *([] if len(given) < 2 else ["--model", str(park_folder), "--out", str(tmp_path / "o")]),
        ]
    )
    printed = capsys.readouterr()
    assert code == 2 and not printed.out
    assert printed.err.startswith("segment: ") and printed.err.count("\n") == 1 and message in printed.err
    assert not (tmp_path / "o").exists()


def test_every_knob_of_every_method_is_a_flag() -> None:
    from csp.methods import METHODS, knobs

    flags = parser().format_help()
    for method in METHODS.values():
        for knob in knobs(method):
            assert f"--{knob.name} " in flags
            text = ",".join(map(str, knob.default)) if isinstance(knob.default, tuple) else str(knob.default)
            assert getattr(method_of(method.name, {knob.name: text}), knob.name) == knob.default


def test_help_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0 and "python -m csp.segment" in capsys.readouterr().out


def test_a_scene_of_the_park_a_preset_and_the_plan_of_a_head(
    park_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import csp
    from csp import tuned
    from csp.methods.found import read_preset

    preset = tmp_path / "preset.json"
    line = {"N_avg": 25.0, "GFLOPs": 0.1}
    preset.write_text(json.dumps({"method": "csp", "knobs": {"Lc": 1, "Nc": 9, "Ls": 1, "Np": 4}, "front": [line]}))
    assert read_preset(preset).n_avg == 25
    asked = ["park:7", "the green book", "--model", str(park_folder), "--device", "cpu", "--out", str(tmp_path / "out")]
    assert main([*asked, "--preset", str(preset), "--Np", "5"]) == 0
    run = Result.open(tmp_path / "out/run.npz")
    assert (run.request.knobs["Nc"], run.request.knobs["Np"]) == (9, 5)
    np.testing.assert_array_equal(run.request.image, csp.park.scene(7, split="test").image)

    model = csp.load(park_folder, device="cpu")
    card = {"base": tuned.fingerprint(model), "method": "csp", "knobs": {"Lc": 1, "Nc": 9, "Ls": 1, "Np": 4}}
    tuned.save(tmp_path / "head", model, "decoder", card)
    head = ["--head", str(tmp_path / "head")]
    assert main([*asked, *head]) == 0 and Result.open(tmp_path / "out/run.npz").request.knobs["Np"] == 4
    assert main([*asked, *head, "--preset", str(preset)]) == 0
    capsys.readouterr()
    other = ["--preset", str(preset), "--Np", "5"]
    assert main([*asked, *head, *other]) == 2
    assert "was tuned under CSP(Lc=1, Nc=9, Ls=1, Np=4" in (said := capsys.readouterr().err) and "--any-plan" in said
    assert main([*asked, *head, *other, "--any-plan"]) == 0
    preset.write_text('{"method": "csp"}')
    for wrong, says in ((preset, "names no method and knobs"), (tmp_path / "none.json", "give the preset.json that csp")):
        assert main([*asked, "--preset", str(wrong)]) == 2
        assert says in capsys.readouterr().err
