"""A day of visits: what the server keeps of them does not grow with their number."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from serving import page

import csp.ui
from csp.bench.visitor import Visitor

KEPT = 12
VISITS = 2 * KEPT


def test_visitors_who_left_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert csp.ui.SESSIONS <= 100
    monkeypatch.setattr(csp.ui, "SESSIONS", KEPT)
    with page(tmp_path) as (url, session):
        first = Visitor(url)
        first.open()

        def visits(begin: int) -> int:
            for i in range(begin, begin + VISITS):
                visitor = Visitor(url)
                visitor.board = first.board
                asked = {"query": f"visit {i}", "source": f"scene:{i}", "method": "csp", "knobs": {}, "seed": 0}
                told = visitor.call("run", asked)
                assert told["query"] == f"visit {i}"
                visitor.close()
            session.requests.clear()
            gc.collect()
            return len(gc.get_objects())

        visits(0)
        settled = visits(1000)
        again = visits(2000)
    assert again < 1.01 * settled, f"{again - settled} objects more after {VISITS} visits"
