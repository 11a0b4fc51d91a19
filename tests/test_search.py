"""The search for a plan: only plans that fit, halved on pictures of their own, judged on others, resumable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from csp.methods import CSP, expected_n_avg
from csp.search import main, plans


def test_only_plans_that_fit_are_tried() -> None:
    def fits(method: CSP) -> bool:
        return 20 <= expected_n_avg(method, 64, 4) <= 24

    found = list(plans(CSP, 64, 4, fits))
    assert len(found) > 5 and len({repr(m) for m in found}) == len(found)
    assert all(20 <= expected_n_avg(m, 64, 4) <= 24 for m in found)


def test_a_search_ends_with_a_preset_and_goes_on_where_it_was(
    park_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found"
    asked = ["--model", str(park_folder), "--device", "cpu", "--tokens", "24", "--plans", "4", "--pictures", "2", "--test", "2"]
    assert main([*asked, "--out", str(out)]) == 0
    found = json.loads((out / "preset.json").read_text())
    sizes = [(r["pictures"], len(r["plans"])) for r in found["rounds"]]
    assert sizes[0] == (2, 4) and sizes[1][0] == 6 and sizes[1][1] < 4
    assert all(0.85 * 24 <= line["N_avg"] <= 24 for line in found["front"]) and found["fit"] > 4
    assert [line["knobs"] for line in found["front"] if line["chosen"]] == [found["knobs"]]
    assert found["knobs"] == found["rounds"][-1]["plans"][0]["knobs"]  # chosen before test pictures were seen
    assert f"{found['test pictures']} test" in (out / "front.svg").read_text()
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/results.jsonl")}
    first = (out / "test/results.jsonl").read_text()
    assert main([*asked, "--out", str(out)]) == 0 and len(before) == 3
    assert (out / "test/results.jsonl").read_text() == first
    # By time alone all plans fit, and those that measured slower are left out.
    timed = [*asked[:4], "--ms", "1e6", "--plans", "2", *asked[8:], "--out", str(tmp_path / "timed")]
    assert main(timed) == 0 and json.loads((tmp_path / "timed/preset.json").read_text())["fit"] > found["fit"]
    capsys.readouterr()
    assert main(["--model", str(park_folder), "--tokens", "0.1"]) == 2
    assert main(["--model", str(park_folder)]) == 2
    said = capsys.readouterr().err
    assert "no plan of csp spends 85 to 100 %" in said and "a budget is needed" in said
