"""Figure 5 from the page's runs: which runs it makes, and what it refuses in words."""

from __future__ import annotations

import base64

import pytest
from fake_session import FakeSession

from csp.ui.board import Board
from csp.ui.handlers import Handlers
from csp.ui.widgets import received


@pytest.fixture
def board() -> Board:
    return Board(Handlers(FakeSession()), received)


@pytest.fixture
def row(board) -> dict:
    query = board.handlers.album.suggestions(3)[0].text
    return {"query": query, "source": "scene:3", "method": "csp", "knobs": board.handlers.defaults(), "seed": 0}


def test_a_figure_of_two_rows_runs_what_its_columns_need(board, row):
    other = {**row, "source": "scene:4", "query": "the bench"}
    chosen = {"rows": [row, other], "clusters": ["random", "uniform"], "survivors": [4, 16], "dense": True, "format": "svg"}
    out = board.called("figure", chosen)
    assert (out["name"], out["type"]) == ("csp-figure5.svg", "image/svg+xml")
    svg = base64.b64decode(out["data"]).decode()
    assert "Random" in svg and "Uniform" in svg and "Np = 4" in svg and "Np = 16" in svg and "Seg-First" not in svg
    ran = [(r.query, r.method, r.knobs.get("cluster"), r.knobs.get("Np")) for r in board.handlers.session.requests]
    assert {q for q, *_ in ran} == {row["query"], "the bench"}
    mine = [one[1:] for one in ran if one[0] == "the bench"]
    assert sorted(mine, key=str) == sorted(
        [("csp", "uniform", 16), ("csp", "random", 16), ("csp", "uniform", 4), ("full", None, None)], key=str
    )


@pytest.mark.parametrize(("kind", "magic"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("png", b"\x89PNG")])
def test_three_formats(board, row, kind, magic):
    out = board.called("figure", {"rows": [row], "clusters": [], "survivors": [], "format": kind, "width": "single"})
    assert base64.b64decode(out["data"]).startswith(magic)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"rows": []}, "choose 1 to 6 runs"),
        ({"rows": None}, "rows must be the settings of runs"),
        ({"rows": ["x"]}, "rows must be the settings of runs"),
        ({"rows": [{}] * 9}, "choose 1 to 6 runs"),
        ({"rows": [{"query": " "}]}, "the query is empty"),
        ({"format": "exe"}, "format must be one of svg, pdf, png"),
        ({"width": 3}, "width must be one of"),
        ({"clusters": ["magic"]}, "cluster must be one of"),
        ({"clusters": "uniform"}, "clusters must be a list"),
        ({"survivors": [0]}, "Np must be in 1..256"),
        ({"survivors": ["x"]}, "Np must be"),
        ({"survivors": [1, 2, 3, 4, 5, 6, 7]}, "at most 6 columns of survivors"),
    ],
)
def test_what_will_not_do_is_said(board, row, change, says):
    out = board.called("figure", {"rows": [row], "clusters": [], "survivors": [], "format": "svg", **change})
    assert says in out["error"]


def test_rows_that_are_no_rows_are_named(board, row):
    other = board.called("figure", {"rows": [{**row, "method": "fastv", "knobs": {"K": 2, "R": 64}}]})
    assert "run 1 is by FastV: Figure 5 shows LVLM_CSP" in other["error"]
    assert "run 2 asks the same of the same picture" in board.called("figure", {"rows": [row, row]})["error"]
