"""The program: files written, one clear line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from csp.segment import main, method_of, parser
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
