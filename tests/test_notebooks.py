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
    assert {file.stem for file in NOTEBOOKS} == {
        "quickstart",
        "clusterings",
        "layer_by_layer",
        "the_bill",
        "add_a_method",
        "figure5",
        "drive_the_app",
    }


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


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_notebook_explains_itself_and_reads_the_model_once(file: Path) -> None:
    cells = nbformat.read(file, as_version=4).cells
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    assert sum(cell.cell_type == "markdown" for cell in cells) >= len(code) / 2
    assert max(map(len, (line for source in code for line in source.splitlines()))) <= 130
    assert "\n".join(code).count("csp.load(") <= 1
