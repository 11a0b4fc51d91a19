"""The head of the training whose hold-out scores best, looked at a few times on the way: as LISA keeps its best epoch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from csp.tuning.train import Tuner

LOOKS = 4
LOOKED, BEST = "looks.json", "best.safetensors"


def looks_at(updates: int, times: int = LOOKS) -> list[int]:
    """After which updates the hold-out is scored: evenly spread, the last one included."""
    return sorted({max(1, round(updates * k / times)) for k in range(1, times + 1)})


def best_of(tuner: Tuner, held: Sequence[int], tell: Callable[[int, int, float], None]) -> dict[str, Any]:
    """Run all updates and leave the model with the weights of the best look; returns {"update", "loss", "gIoU", "looks"}.

    Resumable: looks that were taken before are not taken again.
    """
    from safetensors.torch import load_file, save_file

    told, kept = tuner.folder / LOOKED, tuner.folder / BEST
    looks: list[list[float]] = json.loads(told.read_text(encoding="utf-8")) if told.is_file() else []
    for at in looks_at(tuner.recipe.updates)[len(looks) :]:
        tuner.run(tell, until=at)
        loss, gIoU, _ = tuner.evaluate(held)
        looks.append([at, loss, gIoU])
        if gIoU >= max(look[2] for look in looks):
            _whole(kept, lambda draft: save_file({n: p.detach().cpu().contiguous() for n, p in tuner.named.items()}, draft))
        _whole(told, lambda draft: draft.write_text(json.dumps(looks), encoding="utf-8"))
    weights = load_file(kept)
    with torch.no_grad():
        for name, p in tuner.named.items():
            p.copy_(weights[name])
    # The later of two that score alike is the one that was kept.
    update, loss, gIoU = max(looks, key=lambda look: (look[2], look[0]))
    return {"update": int(update), "loss": loss, "gIoU": gIoU, "looks": looks}


def _whole(path: Path, write: Callable[[Path], Any]) -> None:
    """A file that is there whole or not at all."""
    draft = path.with_suffix(".part")
    write(draft)
    draft.replace(path)
