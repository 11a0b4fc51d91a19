"""The repository keeps its own rules: lint, types, small files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [ROOT / "app.py", *sorted((ROOT / "csp").rglob("*.py"))]
MOST_LINES = 400


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=1800
    )


def test_ruff_has_nothing_to_say() -> None:
    done = run("ruff", "check", "--no-cache", "--output-format", "concise")
    assert done.returncode == 0, done.stdout


def test_mypy_has_nothing_to_say(tmp_path: Path) -> None:
    done = run("mypy", "--cache-dir", str(tmp_path))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_owns_one_thing(file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST_LINES


def test_no_method_is_named_outside_methods() -> None:
    """What differs between methods is in their plans: nobody else asks which one runs."""
    asked = re.compile(r"^\s*(if|elif|while)\b.*\bmethod(\.name)?\s*(==|!=)\s*[\"']")
    own = ROOT / "csp" / "methods"
    found = [
        f"{file.relative_to(ROOT)}:{i}: {line.strip()}"
        for file in SOURCES
        if own not in file.parents
        for i, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if asked.search(line)
    ]
    assert not found
