"""CSP's four ways to pick the tokens of the clustering stage (section 3.1, Eq. 2-5).

A selector gets the view, Nc and the method's own settings and returns a `Picked`: patches ascending, a score
where it ranked. A new selector is a function and a word in ``SELECTORS``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from csp.decoder import View
from csp.tokens import top


@dataclass(frozen=True, eq=False)
class Picked:
    """The set S as patches, int64 [|S|] ascending; see `csp.decoder.Choice` for the rest."""

    S: Tensor
    score: Tensor | None = None
    score_name: str = ""
    instances: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """Options of single selectors: ``uniform`` of Uniform (and of Seg-First without instances), ``cls`` of
    CLS, ``conf`` of Seg-First.
    """

    uniform: Literal["eq2", "even"] = "eq2"
    cls: Literal["full", "heads"] = "full"
    conf: float = 0.25


def random(view: View, Nc: int, settings: Settings) -> Picked:
    """Nc patches without replacement, from the run's seed."""
    return Picked(torch.randperm(view.layout.N, generator=view.rng)[:Nc].sort().values)


def uniform(view: View, Nc: int, settings: Settings) -> Picked:
    """Every floor(N / Nc)-th patch as Eq. 2 has it, or points spread evenly over both axes of the grid.

    Eq. 2 counts along rows and is not even in space: Nc = 16 on a 16 x 16 grid takes column 0 alone.
    """
    if settings.uniform == "eq2":
        return Picked(torch.arange(Nc) * (view.layout.N // Nc))
    return Picked(even_grid(*view.layout.grid, Nc))


def cls(view: View, Nc: int, settings: Settings) -> Picked:
    """Eq. 3: the Nc patches to which the vision tower's [CLS] pays most attention in its last layer.

    One head of full width over the keys of patches, or the mean over the tower's own heads (``cls="heads"``).
    """
    score = view.vision.cls_attention("last", heads=settings.cls == "heads")
    score = score.mean(dim=0) if settings.cls == "heads" else score
    return Picked(top(score, Nc), score, "CLS")


def seg_first(view: View, Nc: int, settings: Settings) -> Picked:
    """Eq. 4-5: from every instance a share of Nc by its area, at least one token, drawn from its own tokens.

    A token belongs to an instance that covers at least half of it; an instance without one gets its
    best-covered token. Shares are rounded down, capped at the instance's tokens, and drawn without
    replacement; S is the union, so |S| is rarely Nc and is not topped up. Without instances surer than
    ``conf``: Uniform, and a note.
    """
    coverage = view.vision.coverage
    if coverage is None:
        raise ValueError("cluster='seg-first' needs instances, but no detector ran; give the model one or choose another cluster")
    coverage = coverage.float().cpu()
    if view.vision.confidence is not None:
        coverage = coverage[view.vision.confidence.cpu() >= settings.conf]
    # An instance outside the tower's crop has no token at all.
    coverage = coverage[coverage.sum(dim=1) > 0]
    if not len(coverage):
        picked = uniform(view, Nc, settings)
        return Picked(picked.S, instances=0, notes=("Seg-First found no instance: Uniform instead.",))
    areas = coverage.double().sum(dim=1)
    chosen: set[int] = set()
    for covered, area in zip(coverage, areas, strict=True):
        own = torch.nonzero(covered >= 0.5).flatten()
        if not len(own):
            own = covered.argmax()[None]
        share = max(1, math.floor(float(Nc * area / areas.sum())))
        # An instance of fewer tokens than its share gives all it has.
        drawn = torch.randperm(len(own), generator=view.rng)[:share]
        chosen.update(own[drawn].tolist())
    return Picked(torch.tensor(sorted(chosen)), instances=len(coverage))


def even_grid(rows: int, cols: int, n: int) -> Tensor:
    """Exactly ``n`` patches of a rows x cols grid, spread evenly over both axes, int64 ascending.

    As many lines as keep the spacing along and across equal, n dealt out to them, each line's points centred.
    """
    lines = min(rows, max(1, round(math.sqrt(n * rows / cols))))
    lines = max(lines, math.ceil(n / cols))
    picked = []
    for line in range(lines):
        row = (2 * line + 1) * rows // (2 * lines)
        points = (line + 1) * n // lines - line * n // lines
        picked += [row * cols + (2 * point + 1) * cols // (2 * points) for point in range(points)]
    return torch.tensor(picked)


Selector = Callable[[View, int, Settings], Picked]
SELECTORS: dict[str, Selector] = {"random": random, "uniform": uniform, "cls": cls, "seg-first": seg_first}
CLUSTERS = tuple(SELECTORS)
