"""Notebooks run from top to bottom in a new kernel, and are kept without outputs."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SECONDS = 60


def test_there_are_notebooks() -> None:
    assert "quickstart" in [file.stem for file in NOTEBOOKS]


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_notebook_runs(file: Path) -> None:
    notebook = nbformat.read(file, as_version=4)
    begun = os.times()
    NotebookClient(
        notebook, timeout=10 * SECONDS, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    # Processor time, so that a busy machine makes nothing fail; the kernel is a child that has ended.
    ended = os.times()
    used = ended.children_user - begun.children_user + ended.children_system - begun.children_system
    assert 0 < used < SECONDS
    assert any(cell.get("outputs") for cell in notebook.cells)


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_notebook_is_kept_without_outputs(file: Path) -> None:
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
