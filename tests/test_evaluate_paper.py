"""``--suite paper`` on tiny sets in the true formats: tables, intervals, the paper's numbers, and one report."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from conftest import write_park_folder

import csp
from csp.evaluate import main
from csp.evaluation import experiments
from csp.evaluation.experiments import in_print, runs_for, tables
from csp.evaluation.runs import DENSE
from csp.evaluation.tally import Tally
from csp.methods import PRESETS

ROOT = Path(__file__).parent / "data/sets"
PAPER = json.loads((Path(__file__).parent / "data/paper/tables.json").read_text())


def test_what_is_in_print_is_the_papers_own() -> None:
    assert in_print("table1/7B-224/csp", "reasonseg:test") == 46.5 and in_print("table1/7B-224/full", "rio:uncommon") == 36.9
    for number in (1, 2, 3, 4, 5):
        told = PAPER[f"table{number}"]
        there = sorted(row for key, row in experiments.printed()["miou"].items() if key.startswith(f"table{number}/"))
        assert there == sorted(row["miou"] for row in told["rows"])
        assert len(experiments.printed()["columns"][f"table{number}"]) == len(told["columns"])
    assert set(experiments.printed()["miou"]) <= set(PRESETS)
    assert {c for cs in experiments.printed()["columns"].values() for c in cs} <= set(csp.data.names())
    assert in_print("table6/7B-224/70", "refcoco:val") is None


def test_tables_have_the_papers_rows_and_controls() -> None:
    one, four = tables(256, 32, (1, 4), (0, 1))
    labels = [row.label for row in one.rows]
    assert labels[0] == "Dense" and len(set(labels)) == len(labels)
    assert {row.key for row in one.rows} >= {f"table1/7B-224/{m}" for m in ("full", "csp", "fastv", "feather")}
    assert any("random tokens" in label for label in labels) and any("even grid" in label for label in labels)
    assert any("smaller picture" in label for label in labels) and "FastV, own positions" in labels
    # Table 1's setting is also Table 4's: it runs once.
    names = [run.name for run in runs_for((one, four), "refcoco+:val")]
    assert len(set(names)) == len(names) and names.count("csp()") <= 1
    assert set(four.columns) < set(one.columns)
    assert {t.number for t in tables(256, 32, None, (0,))} == {1, 4, 5, 6}
    assert {t.number for t in tables(576, 32, None, (0,))} == {2, 6}
    with pytest.raises(ValueError, match=r"no such table is made for 64 image tokens.*--method"):
        tables(64, 4, (1,), (0,))
    with pytest.raises(ValueError, match="--tables must be among 1 to 6, got 9"):
        tables(256, 32, (9,), (0,))


def row(scene: str, run: str = DENSE, inside: int = 5, **more: Any) -> dict[str, Any]:
    told = {"query": 0, "U": 10, "seed": 0, "n_avg": 256.0, "flops": 10**12, "ms": {"decoder": 2.0}}
    return {"scene": scene, "run": run, "I": inside, **told, **more}


def test_a_tally_agrees_with_the_official_scores() -> None:
    rows = [row("a"), row("a", query=1, inside=10), row("b", inside=0, U=0), row("a", "x", 4), row("b", "x", 0, U=7)]
    tally = Tally([*rows, row("a", "x", 10, query=1)])
    assert tally.gIoU([DENSE]).value == pytest.approx((0.5 + 1 + 1) / 3)
    assert tally.official([DENSE]) == pytest.approx((2.5 / 3, 15 / 20), abs=1e-5)
    assert tally.change(["x"]).value == pytest.approx((0.4 + 1 + 0) / 3 - 2.5 / 3)
    assert tally.extremes("x", 1) == [("b", 0, -1.0), ("a", 1, 0.0)]
    assert tally.bill(["x"]) == {"n": 3, "N_avg": 256.0, "TFLOPs": 1.0, "ms": 2.0}


def test_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_park_folder(tmp_path / "model", layers=32, image_size=224, yolo=False)
    out = tmp_path / "out"
    asked = ["--model", str(folder), "--device", "cpu", "--suite", "paper", "--data-root", str(ROOT), "--tables", "5"]
    asked += ["--limit", "1", "--out", str(out)]
    monkeypatch.setattr(experiments, "CONTROLS", {})
    keys = [k for k in PRESETS if not k.startswith("table5/") or k.endswith(("6-8/4", "8-6/16"))]
    monkeypatch.setattr(experiments, "PRESETS", {k: PRESETS[k] for k in keys})
    assert main(asked) == 0
    printed = capsys.readouterr().out
    assert "Table 5" in printed and "(59.1)" in printed and "report.html" in printed
    told = json.loads((out / "report.json").read_text())
    cell = told["tables"][0]["rows"][1]["cells"]["refcoco+:val"]
    assert cell["paper"] == 59.1 and cell["gIoU"]["low"] <= cell["gIoU"]["value"] <= cell["gIoU"]["high"]
    assert cell["validate"]["gIoU"] == pytest.approx(cell["gIoU"]["value"], abs=1e-4)
    assert told["data"]["refcoco+:val"]["listings"] and told["versions"]["torch"] and told["weights"]
    assert {"T_LVLM", "T_total"} <= set(told["whole way"][0]) and told["whole way"][0]["T_total"] > told["whole way"][0]["T_LVLM"]
    lines = list(csv.DictReader((out / "rows.csv").open()))
    files = [json.loads(line) for f in out.glob("*/results.jsonl") for line in f.read_text().splitlines()[1:]]
    assert len(lines) == len(files) and {line["data set"] for line in lines} == set(told["tables"][0]["columns"])
    page = (out / "report.html").read_text()
    assert all(told[key] in page.split("Provenance")[1] for key in ("code", "weights"))
    assert "<table>" in page and "data:image/jpeg;base64," in page and "an inference" in page
    assert "http" not in page.split("Provenance")[0]
    assert main(asked) == 0  # nothing is run again
    assert main([*asked[:-5], "--tables", "2", "--out", str(out)]) == 2
