"""The README is true today: its table, its commands, its files, its code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from tiny_decoder import N as TINY_N, run

from csp.decoder import Stage
from csp.methods import METHODS, knobs

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
N, L = 256, 32


def blocks(language: str, under: str) -> list[str]:
    """Fenced blocks of a language in the section with this heading."""
    section = re.search(rf"^#+ {under}\n(.*?)(?=^#+ |\Z)", _without_code_headings(TEXT), re.M | re.S)
    assert section, under
    return [block.replace("\0", "#") for block in re.findall(rf"```{language}\n(.*?)```", section.group(1), re.S)]


def _without_code_headings(text: str) -> str:
    """A comment that opens a line of code is no heading."""
    return re.sub(r"```.*?```", lambda fence: fence.group().replace("\n#", "\n\0"), text, flags=re.S)


def in_words(plan: tuple[Stage, ...]) -> str:
    return " → ".join(f"{stage.name} {stage.L}×{'?' if stage.N is None else stage.N}" for stage in plan)


def link(paper: str) -> str:
    return re.sub(r"^(.*), arXiv (\S+)$", r"[\1](https://arxiv.org/abs/\2)", paper)


def method_table() -> str:
    """The table of README.md, a row a method."""
    rows = ["| `method=` | | stages | knobs | paper |", "|---|---|---|---|---|"]
    for name, method in METHODS.items():
        settings = " ".join(f"`{knob.name}`" for knob in knobs(method))
        rows.append(f"| `{name}` | {method.label} | {in_words(method().plan(N, L))} | {settings} | {link(method.paper)} |")
    return "\n".join(rows)


def test_the_method_table_is_the_registry() -> None:
    written = re.search(r"<!-- methods:.*?-->\n(.*?)<!-- /methods -->", TEXT, re.S)
    assert written
    assert written.group(1).strip() == method_table(), f"README.md should say:\n{method_table()}"


def test_every_file_named_exists() -> None:
    links = [target for target in re.findall(r"\]\(([^)#]+)\)", TEXT) if not target.startswith("http")]
    named = re.findall(r"`((?:csp|tests|assets|notebooks|docs)/[\w./-]*)`", TEXT)
    tree = next(block for block in blocks("", "How it works") if "app.py" in block)
    listed = [word for line in tree.splitlines() for word in line[:20].split() + re.findall(r"park/training", line)]
    files = [*links, *named, *(f"csp/{word}" if word == "park/training" else word for word in listed)]
    missing = [file for file in files if not (ROOT / file).exists()]
    assert len(files) > 15
    assert not missing


def test_every_package_is_in_the_tree() -> None:
    tree = next(block for block in blocks("", "How it works") if "app.py" in block)
    packages = {file.parent.name for file in (ROOT / "csp").glob("*/__init__.py")}
    assert not {name for name in packages if f"csp/{name}/" not in tree}


@pytest.mark.parametrize("heading", ["Run", "Test"])
def test_one_line_commands(heading: str) -> None:
    """A virtual environment, the requirements, the program: what each line names is here."""
    (block,) = blocks("bash", heading)
    (line,) = block.strip().splitlines()
    words = shlex.split(line.replace("&&", " "))
    assert words[:3] == ["python3", "-m", "venv"]
    assert (ROOT / words[words.index("-r") + 1]).is_file()
    assert words[-1] == "pytest" or (ROOT / words[-1]).is_file()


@pytest.mark.parametrize("command", re.findall(r"^\| `python (-m csp\.[\w.]+|app\.py)", TEXT, re.M))
def test_programs_explain_themselves(command: str) -> None:
    done = subprocess.run(
        [sys.executable, *command.split(), "--help"], cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


def test_ten_lines_run_as_shown(tmp_path: Path) -> None:
    (block,) = blocks("python", "Use")
    assert len(block.strip().splitlines()) <= 14
    program = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{block}"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    assert {file.name for file in tmp_path.iterdir()} == {"stages.svg", "run.npz"}


def test_adding_a_method_works_as_shown() -> None:
    (block,) = blocks("python", "Add a method")
    module = ModuleType("last_layers")
    imports = (
        "from dataclasses import dataclass\nfrom typing import ClassVar\n"
        "from csp.decoder import Choice, Stage\nfrom csp.methods.base import everything, knob\n"
    )
    sys.modules[module.__name__] = module
    try:
        exec(imports + block, module.__dict__)
    finally:
        del sys.modules[module.__name__]
    method = module.LastLayers
    assert in_words(method().plan(N, L)) == "seeing 16×256 → blind 16×0"
    assert in_words(method(K=32).plan(N, L)) == "seeing 32×256"
    assert run(method(K=3)).trace.n_per_layer == (3 * (TINY_N,)) + (5 * (0,))


def test_the_space_header() -> None:
    """Keys that a Space reads; the versions fit the requirements."""
    header = dict(line.split(": ", 1) for line in TEXT.split("---\n")[1].splitlines())
    assert header["sdk"] == "gradio"
    assert (ROOT / header["app_file"]).is_file()
    assert len(header["short_description"]) <= 60
    wanted = re.search(r"^gradio>=([\d.]+),<(\d+)", (ROOT / "requirements.txt").read_text(), re.M)
    assert wanted
    version = tuple(int(part) for part in header["sdk_version"].split("."))
    assert tuple(int(part) for part in wanted.group(1).split(".")) <= version < (int(wanted.group(2)),)
