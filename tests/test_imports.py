"""Who may import whom (the contracts in pyproject.toml), and what an import may load."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "gradio", "matplotlib", "transformers", "ultralytics", "cv2", "numpy")


def contracts(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    return subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=900)


def loaded_by(statement: str) -> set[str]:
    """Top-level packages in memory after a statement in a new interpreter."""
    program = f"import json, sys; {statement}; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_contracts_hold() -> None:
    done = contracts(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("types.py", "import torch", "know no tensor"),
        ("render/views.py", "from csp.methods import METHODS", "Tiers"),
        ("models/clip.py", "from csp.methods import METHODS", "Tiers"),
        ("session.py", "import gradio", "Only the page knows Gradio"),
        ("flops.py", "from csp.render import palette", "do not know each other"),
        ("decoder.py", "import matplotlib", "draws nothing"),
    ],
)
def test_a_contract_can_break(tmp_path: Path, module: str, line: str, contract: str) -> None:
    shutil.copytree(ROOT / "csp", tmp_path / "csp", ignore=shutil.ignore_patterns("__pycache__", "*.pyi"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    file = tmp_path / "csp" / module
    file.write_text(file.read_text(encoding="utf-8") + f"\n{line}\n", encoding="utf-8")
    done = contracts(tmp_path)
    assert done.returncode == 1, done.stdout
    assert re.search(rf"{contract}.*BROKEN", done.stdout), done.stdout


def test_every_module_has_a_tier() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    tiers = next(contract for contract in settings["contracts"] if contract["name"] == "Tiers")["layers"]
    placed = set(re.findall(r"[\w.]+", " ".join(tiers)))
    homeless = []
    for file in sorted((ROOT / "csp").rglob("*.py")):
        name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        ancestors = {name, *(name.rsplit(".", i)[0] for i in range(1, name.count(".") + 1))}
        # A package that only gathers has no tier of its own where its modules have theirs.
        gathers = any(tier.startswith(f"{name}.") for tier in placed)
        if not ancestors & placed and not gathers:
            homeless.append(name)
    assert not homeless, f"give {', '.join(homeless)} a tier in pyproject.toml"


def test_import_csp_loads_nothing_heavy() -> None:
    assert not loaded_by("import csp") & set(HEAVY)


def test_the_probe_sees_what_is_loaded() -> None:
    assert "torch" in loaded_by("import csp; csp.CSP")


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("csp.types", {"numpy"}),
        ("csp.flops", {"numpy"}),
        ("csp.park.scenes", {"numpy", "cv2"}),
        ("csp.park.language", {"numpy", "cv2"}),
        ("csp.render.views", {"numpy"}),
        ("csp.figures", {"numpy", "cv2", "matplotlib"}),
        ("csp.ui", set()),
        ("csp.ui.page", {"numpy", "cv2", "matplotlib", "gradio"}),
    ],
)
def test_what_stays_without_torch(module: str, allowed: set[str]) -> None:
    assert loaded_by(f"import {module}") & set(HEAVY) <= allowed


def test_the_app_knows_sessions_and_pages_only() -> None:
    tree = ast.parse((ROOT / "app.py").read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    ours = {name for name in names if name.partition(".")[0] not in sys.stdlib_module_names | {"__future__"}}
    assert ours <= {"csp", "csp.session", "csp.ui"}, ours


def test_importing_leaves_the_process_alone() -> None:
    """What a user imports sets no variable and no log handler; what the libraries do by themselves happens first."""
    libraries = "import cv2, segment_anything, tokenizers; from transformers import CLIPVisionModel, LlamaModel"
    ours = "csp.checkpoints, csp.session, csp.figures, csp.segment, csp.ui, csp.park.scenes, csp.park.language"
    state = "(dict(os.environ), list(logging.root.handlers), Image.open)"
    program = (
        f"import logging, os; from PIL import Image; {libraries}; before = {state}; "
        f"import {ours}; assert before == {state}, {state}"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
