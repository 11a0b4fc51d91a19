"""A GPU lent by the call: one call for each thing a visitor asks, none while the page is built, nothing elsewhere."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_session import FakeSession

from csp.ui import build, gpu_is_lent
from csp.ui.handlers import Handlers
from csp.ui.zero import HANDLERS, LONG, lend, on_gpu

ROOT = Path(__file__).parents[1]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A ZeroGPU that lends at once: what goes in and out is pickled, as its forked worker does."""
    made: list[str] = []

    def GPU(task: Callable[..., Any], duration: int) -> Callable[..., Any]:
        def lent(*args: Any, **kwargs: Any) -> Any:
            made.append(f"{task.__name__} {duration}")
            args, kwargs = pickle.loads(pickle.dumps((args, kwargs)))
            return pickle.loads(pickle.dumps(task(*args, **kwargs)))

        return lent

    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=GPU))
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    return made


def test_a_run_is_one_lent_call(calls: list[str]) -> None:
    handlers = Handlers(FakeSession())  # type: ignore[arg-type]
    lend(handlers)
    controls = {"query": "the red ball", "source": "scene:3", "method": "csp", **handlers.defaults()}
    out = handlers.run(**controls)
    assert "error" not in out and calls == ["run 30"]
    assert "nothing to compare" not in str(handlers.compare_clusters(**controls)) and calls[1:] == ["compare_clusters 30"]
    assert handlers.export("mask.png", **controls)["name"] == "csp-mask.png" and len(calls) == 3


def test_results_survive_the_way_back(calls: list[str]) -> None:
    handlers = Handlers(FakeSession())  # type: ignore[arg-type]
    request = handlers.ask({"query": "the red ball", "source": "scene:3", **handlers.defaults()}).request
    result = on_gpu(handlers.session.run)(request)
    assert result.mask.any() and calls == ["run 30"]


def test_nothing_runs_while_the_page_is_built(calls: list[str]) -> None:
    session = FakeSession()
    assert gpu_is_lent()
    demo = build(session)  # type: ignore[arg-type]
    assert session.requests == [] and calls == []
    (first,) = (block for block in demo.blocks.values() if getattr(block, "elem_id", None) == "csp-viewer")
    assert "this Space lends its GPU by the call" in first.value


def test_elsewhere_a_call_is_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = Handlers(FakeSession())  # type: ignore[arg-type]
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace())  # installed, but this is no ZeroGPU
    lend(handlers)
    assert on_gpu(len, LONG) is len and not gpu_is_lent() and not set(HANDLERS) & set(vars(handlers))
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setitem(sys.modules, "spaces", None)  # not installed
    assert on_gpu(len) is len


def test_spaces_is_imported_in_one_place() -> None:
    named = [file.name for file in (ROOT / "csp").rglob("*.py") if '"spaces"' in file.read_text(encoding="utf-8")]
    assert sorted(named) == ["space.py", "zero.py"]  # space.py reads the name among the requirements


def test_hardware_without_a_gpu_shows_park(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from csp.session import runnable

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert runnable("xinlai/LISA-7B-v1") == "park" == runnable("park")
    assert runnable("ByteDance/Sa2VA-1B") == "ByteDance/Sa2VA-1B"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert runnable("xinlai/LISA-7B-v1") == "xinlai/LISA-7B-v1"


def test_the_app_says_what_it_takes() -> None:
    done = subprocess.run([sys.executable, "app.py", "--help"], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0
    assert all(flag in done.stdout for flag in ("--model", "--dtype", "--quantize", "--offload-sam", "--port"))
