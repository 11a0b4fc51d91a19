"""The promise, taken at its word: a method is one file and one word, a selector a function and a word, a head an object.

They are added to a copy of the project as somebody would add them, and meet there suites, flags, figures, page, links, HTTP,
agents and the README's table.
"""

from __future__ import annotations

import difflib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOY = ROOT / "tests" / "data" / "toy"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with a toy method and a toy selector."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "csp", folder / "csp", ignore=shutil.ignore_patterns("__pycache__", "*.pyi"))
    shutil.copytree(ROOT / "docs", folder / "docs")
    (folder / "assets").symlink_to(ROOT / "assets")
    shutil.copy(TOY / "method.py", folder / "csp" / "methods" / "toy.py")
    words = {
        "csp/methods/__init__.py": [('"feather",', '"feather", "toy",')],
        "csp/clusters.py": [
            ("def seg_first(", (TOY / "selector.txt").read_text(encoding="utf-8") + "def seg_first("),
            ('    "cls": Selector(cls),\n', '    "cls": Selector(cls),\n    "strided": Selector(strided),\n'),
        ],
    }
    for name, edits in words.items():
        text = (folder / name).read_text(encoding="utf-8")
        for old, new in edits:
            assert text.count(old) == 1, (name, old)
            text = text.replace(old, new)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_nothing_else_was_edited(copy: Path) -> None:
    """A method: one file and one line. A selector: its function and one line."""
    edited = {}
    for file in (copy / "csp").rglob("*.py"):
        ours = ROOT / file.relative_to(copy)
        before = ours.read_text(encoding="utf-8").splitlines() if ours.exists() else None
        after = file.read_text(encoding="utf-8").splitlines()
        if before is None:
            edited[file.relative_to(copy).as_posix()] = "new"
        elif before != after:
            edited[file.relative_to(copy).as_posix()] = sum(line.startswith("+ ") for line in difflib.ndiff(before, after))
    function = len((TOY / "selector.txt").read_text(encoding="utf-8").splitlines())
    assert edited == {"csp/methods/toy.py": "new", "csp/methods/__init__.py": 1, "csp/clusters.py": function + 1}


def test_everything_follows(copy: Path, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    program = f"import runpy, sys; sys.path.insert(0, {str(copy)!r}); runpy.run_path({str(TOY / 'visit.py')!r})"
    command = [sys.executable, "-c", program, str(tmp_path), str(ROOT / "tests")]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert Path(told["from"]).is_relative_to(copy), "the copy is what ran"
    assert "LVLM_CSP" in told["table1"] and "A toy" not in told["table1"]
    assert "toy: N_avg" in told["evaluate"]
    assert told["row"] == "| `toy` | A toy | full 4×256 → kept 28×40 | `K` `R` `seeds` `from_` |  |"
    assert told["clusters"] == ["random", "uniform", "cls", "strided", "seg-first"]
