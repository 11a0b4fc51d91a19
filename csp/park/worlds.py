"""The park's worlds by number: a model's config.json says which it was trained on (`csp.world`; 1 if it does not)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from csp.park import language, scenes
from csp.park.upcoming import language as upcoming_language, scenes as upcoming_scenes

WORLDS = (1, 2)


def scene(world: int, seed: int, split: str) -> Any:
    """Scene number `seed` of a world. Raises ValueError for a world that there is not."""
    if world not in WORLDS:
        raise ValueError(f"world must be one of {', '.join(map(str, WORLDS))}, got {world}")
    return (scenes if world == 1 else upcoming_scenes).scene(seed, split)


def asked(world: int, drawn: Any, each: int | Mapping[str, int] = 1) -> list[Any]:
    """Queries about a scene of that world: family, text, targets, held, meaning."""
    if world == 1:
        return list(language.queries(drawn, each=each))
    park = upcoming_language.Park(drawn.seed, drawn.split, drawn.objects, drawn.marks)
    return list(upcoming_language.queries(park, each=each))


def of_folder(folder: Path) -> int:
    """The world of the model in `folder`; 1 where there is no telling."""
    file = folder / "config.json"
    if not file.is_file():
        return 1
    told = json.loads(file.read_text(encoding="utf-8")).get("csp")
    return int(told.get("world", 1)) if isinstance(told, dict) else 1
