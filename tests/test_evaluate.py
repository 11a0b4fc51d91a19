"""The program: what it prints and writes, what it refuses, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_park_folder
from PIL import Image

from csp.evaluate import main
from csp.evaluation import ablations
from csp.evaluation.provenance import fingerprint


def run(folder: Path, *arguments: str) -> int:
    return main(["--model", str(folder), "--device", "cpu", *arguments])


def test_ablations_instances_and_gates_in_one_call(
    park_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "new/told.json"
    asked = ["--scenes", "2", "--family", "ref", "--ablate", "--instances", "--json", str(told)]
    assert run(park_folder, *asked) == 0
    printed = capsys.readouterr().out
    assert "| overall" in printed and "(b) another picture" in printed and "recall of objects" in printed
    # A model of random weights fails: of two scenes only --gate says so.
    assert "FAIL" not in printed and run(park_folder, *asked, "--gate") == 1
    assert "FAIL  dense gIoU overall" in capsys.readouterr().out

    found = json.loads(told.read_text())
    assert found["weights"] == fingerprint([park_folder]) and found["samples"]["seeds"] == [0, 1]
    assert set(found["scores"]) == {
        "dense",
        *(r["name"] for r in found["runs"] if r["name"].startswith("(")),
    }
    assert found["look"]["share on target by layer, dense"][0]["n"] == 2
    assert found["instances"]["confidence"] == 0.25 and found["gates"][0]["bound"] == ">= 0.60"
    for key in ("code", "versions", "machine", "command", "finished", "seconds"):
        assert found[key]


def test_a_method_stands_beside_dense(
    park_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    knobs = ["--Lc", "1", "--Nc", "9", "--Ls", "1", "--Np", "4"]
    told = tmp_path / "told.json"
    out = ["--out", str(tmp_path / "rows"), "--json", str(told)]
    assert run(park_folder, "--scenes", "1", "--method", "csp", *knobs, *out) == 0
    printed = capsys.readouterr().out
    assert "csp: N_avg 20.2" in printed and "IoU with dense" in printed
    scores = json.loads(told.read_text())["scores"]
    assert scores["csp"]["N_avg"] == (9 + 64 + 4 + 4) / 4 and "change against dense" in scores["csp"]
    rows = [json.loads(line) for line in (tmp_path / "rows/results.jsonl").read_text().splitlines()]
    assert rows[0]["header"]["runs"][1]["knobs"]["Nc"] == 9 and len(rows) == 1 + 2 * 6


def test_absent_alone_is_scored_by_empty_masks(
    park_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "told.json"
    assert run(park_folder, "--scenes", "1", "--family", "absent", "--json", str(told)) == 0
    assert "empty masks where nothing fits: 0.000" in capsys.readouterr().out
    scores = json.loads(told.read_text())["scores"]["dense"]
    assert scores["gIoU"]["overall"]["value"] is None
    assert scores["share of empty masks where nothing fits"]["n"] == 1


def test_a_folder_of_triples(park_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in "ab":
        Image.fromarray(np.full((30, 40, 3), 90, np.uint8)).save(tmp_path / f"{name}.png")
    Image.fromarray(np.eye(30, 40, dtype=bool)).save(tmp_path / "mask.png")
    lines = [{"image": f"{name}.png", "query": "the red ball", "mask": "mask.png"} for name in "ab"]
    (tmp_path / "samples.jsonl").write_text("\n".join(map(json.dumps, lines)))
    assert run(park_folder, "--data", str(tmp_path), "--ablate") == 0
    printed = capsys.readouterr().out
    assert "2 queries" in printed and "| all " in printed and "held out" not in printed
    # Gates are about the park; another picture is there, another query's words are not.
    assert "(b) another picture" in printed and "(c)" not in printed and "FAIL" not in printed
    assert run(park_folder, "--data", str(tmp_path), "--instances") == 2
    assert "--data park" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scenes", "0"], "--scenes must be 1 or more, got 0"),
        (["--jobs", "0"], "--jobs must be 1 or more"),
        (["--family", "refs"], "family must be one of ref"),
        (["--split", "exam"], "split must be one of train"),
        (["--method", "prune"], "--method must be one of full, csp"),
        (["--method", "csp", "--Lc", "many"], "Lc must be an integer"),
        (["--method", "csp", "--Lc", "99"], "Lc"),
        (["--data", "nowhere"], "'nowhere' is no data set and no folder: give one of refcoco"),
        (["--suite", "table6"], "256 image tokens and 32 layers, this model has 64 and 4"),
        (["--suite", "table9"], "invalid choice"),
        (["--suite", "table1", "--family", "absent"], "another --family than absent"),
        (["--suite", "table1", "--data", str(Path(__file__).parent / "data/own")], "is no data set and no folder"),
        (["--frames", "3"], "--help lists the options"),
    ],
)
def test_bad_requests_end_in_one_line(
    park_folder: Path, tmp_path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(park_folder, "--docs", str(tmp_path), *arguments) == 2
    error = capsys.readouterr().err
    assert said in error.replace("\n", " ") and error.count("evaluate: ") == 1
    assert not list(tmp_path.iterdir())


def test_a_suite_writes_its_table_and_goes_on_from_its_rows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_park_folder(tmp_path / "paper-sized", layers=32, image_size=224, yolo=False)
    monkeypatch.chdir(tmp_path)
    asked = ["--suite", "table6", "--scenes", "1", "--family", "ref"]
    assert run(folder, *asked) == 0
    page = (tmp_path / "docs/results.md").read_text()
    assert "## Table 6: six pruning ratios" in page and "| 90 % " in page and "-8.1 |" in page
    told: dict[str, Any] = json.loads((tmp_path / "docs/results/table6.json").read_text())
    assert [line["N_avg"] for line in told["lines"]] == [256, 86.5, 78, 66.25, 51.5, 39.5, 29.125]
    assert (tmp_path / "docs/results/table6.svg").read_text().startswith("<?xml")
    assert json.loads((tmp_path / "docs/results/frozen.json").read_text())["weights"] == fingerprint([folder])

    rows = tmp_path / "out/evaluation/table6/results.jsonl"
    before = rows.read_text()
    assert run(folder, *asked) == 0 and rows.read_text() == before

    # Other weights: refused by name, then with a reason, which goes to the log.
    (folder / "sam_config.json").write_text((folder / "sam_config.json").read_text() + "\n")
    capsys.readouterr()
    assert run(folder, *asked) == 2 and "--refreeze" in capsys.readouterr().err
    assert run(folder, *asked, "--refreeze", "It looks now.", "--out", "again") == 0
    assert "It looks now." in (tmp_path / "docs/log.md").read_text()


def test_the_fingerprint_covers_every_part(tmp_path: Path) -> None:
    (tmp_path / "clip").mkdir()
    names = ("model.safetensors", "config.json", "clip/model.safetensors", "README.md", "card.json")
    for name in names:
        (tmp_path / name).write_text(name)
    found = {fingerprint([tmp_path])}
    for name in names[:3]:
        (tmp_path / name).write_text("other")
        found.add(fingerprint([tmp_path]))
    assert len(found) == 4
    for name in names[3:]:
        (tmp_path / name).write_text("a report about the model is not the model")
    assert fingerprint([tmp_path]) in found


def test_the_bounds_of_the_gates_are_the_projects() -> None:
    assert (ablations.HALF, ablations.SETTING.Lc + ablations.SETTING.Ls) == (0.5, 14)
