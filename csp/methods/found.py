"""A plan that was searched for, from the file that ``csp.search`` writes: a preset as the paper's are, measured here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from csp.checks import read_json
from csp.methods import build, find
from csp.methods.presets import Preset

FOUND = 0
"""`Preset.table` of a plan that no table prints."""
_MOST = 2**22


def read_preset(path: str | Path) -> Preset:
    """The method and knobs of a ``preset.json``. Raises ValueError for a file that is none, or names what there is not."""
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"there is no {file}: give the preset.json that csp.search wrote")
    told = read_json(file.read_text(encoding="utf-8"), str(file), _MOST)
    if not isinstance(told, dict) or not isinstance(told.get("method"), str) or not isinstance(told.get("knobs"), dict):
        raise ValueError(f"{file} names no method and knobs: give the preset.json that csp.search wrote")
    settings: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in told["knobs"].items()}
    build(find(told["method"], str(file)), settings)
    front = told.get("front")
    line = front[0] if isinstance(front, list) and front and isinstance(front[0], dict) else {}
    N_avg, GFLOPs = line.get("N_avg"), line.get("GFLOPs")
    return Preset(
        FOUND, "", told["method"], f"found by search ({file.parent.name})", settings,
        float(N_avg) if isinstance(N_avg, int | float) else 0.0, float(GFLOPs) / 1000 if isinstance(GFLOPs, int | float) else 0.0,
    )  # fmt: skip
