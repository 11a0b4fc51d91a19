"""CSP's ways to pick the tokens of the clustering stage (section 3.1, Eq. 2-5).

A selector is a function of the view and Nc that returns a `Picked`: patches ascending, a score where it ranked. What
stands behind its ``*`` are settings of its own, annotated with their bounds: they become knobs of CSP. A new selector is
a function and a word in ``SELECTORS``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import torch
from torch import Tensor

from csp.decoder import View
from csp.knobs import Knob, bounds, of_function
from csp.tokens import top
from csp.trace import Layout, Tile


@dataclass(frozen=True, eq=False)
class Picked:
    """The set S as patches, int64 [|S|] ascending; see `csp.decoder.Choice` for the rest."""

    S: Tensor
    score: Tensor | None = None
    score_name: str = ""
    instances: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Selector:
    """A function that selects, and what is known of it beforehand.

    ``draws`` says whether it draws lots, so that one seed says little; ``exact`` whether it always returns Nc patches;
    ``instances`` whether it needs those of the picture.
    """

    function: Callable[..., Picked]
    draws: bool = False
    exact: bool = True
    instances: bool = False

    @cached_property
    def knobs(self) -> tuple[Knob, ...]:
        """Its own settings."""
        return of_function(self.function)

    def __call__(self, view: View, Nc: int, **settings: Any) -> Picked:
        """S for this view, with the settings of its own that are given."""
        return self.function(view, Nc, **settings)


Rule = Annotated[Literal["eq2", "even"], bounds("Uniform: the paper's Eq. 2, or even over both axes", choices=("eq2", "even"))]
Heads = Annotated[
    Literal["full", "heads"], bounds("CLS: one head of full width (Eq. 3), or the mean over heads", choices=("full", "heads"))
]
Surely = Annotated[float, bounds("Seg-First: least confidence of an instance", 0.05, 0.95)]


def random(view: View, Nc: int) -> Picked:
    """Nc patches without replacement, from the run's seed."""
    return Picked(torch.randperm(view.layout.N, generator=view.rng)[:Nc].sort().values)


def uniform(view: View, Nc: int, *, uniform: Rule = "eq2") -> Picked:
    """Every floor(N / Nc)-th patch as Eq. 2 has it, or points spread evenly over both axes of the grid; of a picture in tiles,
    an equal share of Nc in each.

    Eq. 2 counts along rows and is not even in space: Nc = 16 on a 16 x 16 grid takes column 0 alone.
    """
    if uniform == "even":
        return Picked(even_patches(view.layout, Nc))
    return Picked(_dealt(view.layout, Nc, lambda tile, n: torch.arange(n) * (tile.N // n)))


def cls(view: View, Nc: int, *, cls: Heads = "full") -> Picked:
    """Eq. 3: the Nc patches to which the vision tower's [CLS] pays most attention in its last layer.

    One head of full width over the keys of patches, or the mean over the tower's own heads (``cls="heads"``).
    """
    score = view.vision.cls_attention("last", heads=cls == "heads")
    score = score.mean(dim=0) if cls == "heads" else score
    return Picked(top(score, Nc), score, "CLS")


def seg_first(view: View, Nc: int, *, conf: Surely = 0.25, uniform: Rule = "eq2") -> Picked:
    """Eq. 4-5: from every instance a share of Nc by its area, at least one token, drawn from its own tokens.

    A token belongs to an instance that covers at least half of it; an instance without one gets its
    best-covered token. Shares are rounded down, capped at the instance's tokens, and drawn without
    replacement; S is the union, so |S| is rarely Nc and is not topped up. Of a picture in tiles, what an instance
    covers in each is one of its own. Without instances surer than ``conf``: Uniform, and a note.
    """
    coverage = _coverage(view, conf)
    if not len(coverage):
        picked = SELECTORS["uniform"](view, Nc, uniform=uniform)
        return Picked(picked.S, instances=0, notes=("Seg-First found no instance: Uniform instead.",))
    found = len(coverage)
    coverage = _in_tiles(view.layout, coverage)
    areas = coverage.double().sum(dim=1)
    chosen: set[int] = set()
    for covered, area in zip(coverage, areas, strict=True):
        own = _own(covered)
        share = max(1, math.floor(float(Nc * area / areas.sum())))
        # An instance of fewer tokens than its share gives all it has.
        drawn = torch.randperm(len(own), generator=view.rng)[:share]
        chosen.update(own[drawn].tolist())
    return Picked(torch.tensor(sorted(chosen)), instances=found)


def found_in(view: View, conf: float) -> tuple[int, list[Tensor]]:
    """How many instances are surer than ``conf``, and the tokens of each, int64; of a picture in tiles, of each in each."""
    coverage = _coverage(view, conf)
    return len(coverage), [_own(covered) for covered in _in_tiles(view.layout, coverage)]


def _coverage(view: View, conf: float) -> Tensor:
    """Share of every token that each instance surer than ``conf`` covers, float32 [K, N]; those without a token left out.

    Raises ValueError where no detector was asked, saying what to do.
    """
    coverage = view.vision.coverage
    if coverage is None:
        raise ValueError(
            "cluster='seg-first' needs instances, but this model has no detector: pip install ultralytics for the YOLO that a "
            "model brings, load it with instances= an RF-DETR or GroundingDINO folder, or choose another cluster"
        )
    coverage = coverage.float().cpu()
    if view.vision.confidence is not None:
        coverage = coverage[view.vision.confidence.cpu() >= conf]
    # An instance outside the tower's crop has no token at all.
    return coverage[coverage.sum(dim=1) > 0]


def _own(covered: Tensor) -> Tensor:
    """The tokens of one instance: those that it covers by half, else its best-covered one."""
    own = torch.nonzero(covered >= 0.5).flatten()
    return own if len(own) else covered.argmax()[None]


def even_patches(layout: Layout, n: int) -> Tensor:
    """Exactly ``n`` patches of a picture, an equal share in each of its views, spread evenly over both axes there."""
    return _dealt(layout, n, lambda tile, share: even_grid(*tile.grid, share))


def _dealt(layout: Layout, n: int, pick: Callable[[Tile, int], Tensor]) -> Tensor:
    """``n`` dealt out to the views of a picture, and in each the patches that ``pick`` takes of its own."""
    views, first, picked = layout.views, 0, []
    for i, tile in enumerate(views):
        share = (i + 1) * n // len(views) - i * n // len(views)
        if share:
            picked.append(first + pick(tile, share))
        first += tile.N
    return torch.cat(picked)


def _in_tiles(layout: Layout, coverage: Tensor) -> Tensor:
    """Coverage [K, N] with a row for each instance in each view where it covers anything."""
    if len(layout.views) == 1:
        return coverage
    rows, first = [], 0
    for tile in layout.views:
        part = torch.zeros_like(coverage)
        part[:, first : first + tile.N] = coverage[:, first : first + tile.N]
        rows.append(part[part.sum(dim=1) > 0])
        first += tile.N
    return torch.cat(rows)


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


SELECTORS: dict[str, Selector] = {
    "random": Selector(random, draws=True),
    "uniform": Selector(uniform),
    "cls": Selector(cls),
    "seg-first": Selector(seg_first, draws=True, exact=False, instances=True),
}
CLUSTERS = tuple(SELECTORS)


def settings() -> tuple[Knob, ...]:
    """The own settings of all selectors. One that several take stands once, and means the same to all of them."""
    found: dict[str, Knob] = {}
    for name, selector in SELECTORS.items():
        for knob in selector.knobs:
            if found.setdefault(knob.name, knob) != knob:
                raise TypeError(f"{name} and another selector both take {knob.name}, with other bounds: give one another name")
    return tuple(found.values())
