"""What docs/performance.md asks a reader to type exists, and what it quotes is the paper's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from csp.bench.__main__ import parser
from csp.methods import PRESETS

TEXT = (Path(__file__).parents[1] / "docs" / "performance.md").read_text(encoding="utf-8")
# In code blocks after a $, lines continued with a backslash; in running text between backquotes.
COMMANDS = [
    match.replace("\\\n", " ")
    for pattern in (r"^\$ (python -m csp\.bench(?:.*\\\n)*.*)$", r"`(python -m csp\.bench [^`]+)`")
    for match in re.findall(pattern, TEXT, re.MULTILINE)
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_understood(command: str) -> None:
    assert parser().parse_args(shlex.split(command)[3:])


def test_every_kind_of_engine_measurement_is_there() -> None:
    asked = {shlex.split(command)[3] for command in COMMANDS}
    assert {"decoder", "trace", "memory", "queries"} <= asked


def test_table_6_is_the_papers() -> None:
    rows = [line.split("|")[1:-1] for line in TEXT.splitlines() if re.match(r"\| (dense|\d\d %) \|", line)]
    assert len(rows) == 7
    for ratio, row in zip((0, 65, 70, 75, 80, 85, 90), rows, strict=True):
        for i, shape in enumerate(("7B-224", "7B-336", "13B-224")):
            dense, preset = PRESETS[f"table6/{shape}/0"], PRESETS[f"table6/{shape}/{ratio}"]
            tokens, ms, speedup, efficiency = (float(cell) for cell in row[1 + 4 * i : 5 + 4 * i])
            assert (tokens, ms) == (preset.n_avg, preset.ms)
            assert speedup == pytest.approx(dense.ms / preset.ms, abs=0.005)
            assert efficiency == pytest.approx(speedup / (dense.tflops / preset.tflops), abs=0.01)
