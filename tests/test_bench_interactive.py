"""The page's benchmarks: how a move is split, and what they say of a machine that cannot run them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from csp.bench import all_methods, interactive, start, viewer
from csp.bench.__main__ import main


def test_parts_add_up_to_the_total():
    server = {
        "began": 1040.0,
        "handler": 100.0,
        "vision": 2,
        "select": 3,
        "decoder": 50,
        "mask": 10,
        "dense": 1,
    }
    move = interactive.split(1000.0, server, arrived=1160.0, painted=1190.0)
    assert move["total"] == 190
    assert sum(move[part] for part in interactive.PARTS) == pytest.approx(move["total"])
    assert (
        move["send and queue"] == 40 and move["pack"] == 34 and move["receive"] == 20 and move["paint"] == 30
    )


def test_the_report_has_medians():
    moves = [dict.fromkeys((*interactive.PARTS, "total"), float(i)) for i in (1, 2, 9)]
    report = interactive.report({"moves": moves, "slider": "Nc"})
    assert "Nc moved 3 times" in report
    assert report.splitlines()[-1].split() == ["total", "2.0", "9.0"]


def test_what_is_missing_is_said(capsys):
    assert main(["interactive", "--chromium", "/no/chromium"]) == 2
    assert "apt-get install -y chromium" in capsys.readouterr().err
    assert main(["interactive", "--moves", "0"]) == 2
    assert "--moves must be at least 1" in capsys.readouterr().err
    assert main(["viewer", "--tokens", "500"]) == 2
    assert "--tokens must be a square number" in capsys.readouterr().err
    assert main(["start", "--rounds", "0"]) == 2
    assert "--rounds must be at least 1" in capsys.readouterr().err
    assert main(["compare", "--rounds", "0"]) == 2
    assert "--rounds must be at least 1" in capsys.readouterr().err
    assert main(["interactive", "--slider", "Lp"]) == 2
    assert "Lp" in capsys.readouterr().err


def test_reports_of_starts_and_comparisons():
    starts = [{"server answers": t, "first result": t + 1} for t in (7.0, 9.0, 8.0)]
    assert start.report({"starts": starts}).splitlines()[-1].split() == ["first", "result", "9.00", "[8.00,", "10.00]"]
    scenes = [{"rows": 10, "first row": 0.2, "last row": 2.5, "timed runs too": 7.25}]
    report = all_methods.report({"scenes": scenes})
    assert report.startswith("10 methods compared on 1 scenes")
    assert report.splitlines()[-1].split() == ["timed", "runs", "too", "7.25", "[7.25,", "7.25]"]


def test_an_app_that_dies_is_no_start():
    app = subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
    with app, pytest.raises(ValueError, match=r"app\.py ended with status 3"):
        start.wait("http://127.0.0.1:9/", app)


def test_the_viewers_report_has_medians_by_view():
    report = viewer.report({"ms": {"state": [1.0, 2.0, 9.0], "arrival": [30.0]}, "tokens": 576})
    assert [line.split()[-2:] for line in report.splitlines()[2:]] == [["2.0", "9.0"], ["30.0", "30.0"]]
    assert "run arrives" in report


def test_the_made_up_run_is_one():
    run = viewer.made_up(24, 0)
    assert run.trace.n_avg == pytest.approx((8 * 144 + 6 * 576 + 18 * 16) / 32)
    assert run.mask.shape == (448, 448) and 0 < run.mask.mean() < 1
