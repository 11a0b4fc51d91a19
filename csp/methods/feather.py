"""FEATHER (ICCV 2025): attention without rotary positions plus a grid of tokens, in two drops.

Read off markendo/FEATHER at c2a09b2. The query's rows look at image keys alone, without RoPE: with it early
layers favour the last rows of the image. Drop 1 keeps the best int(N (1-r)) and every ``stride``-th row and
column; drop 2 the best int(n1 (1-r)^2) of those n1, the grid unprotected, both in floating point as the
authors compute them. Positions and order are kept. The authors' code may keep no token at drop 2; here one
stays. Not copied: exactly two stages asserted, one sample, a square grid assumed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from csp.decoder import Choice, Stage, View
from csp.methods.base import check_increasing, check_knobs, everything, knob, ranked
from csp.methods.rows import ASKED, LAST_ROWS, PLACES, last_token
from csp.tokens import top


@dataclass(frozen=True)
class Feather:
    """Layers ``k`` (counts of layers that have run) thin the image out, first by ``r`` beside a grid, then
    by ``r`` twice over.
    """

    k: tuple[int, ...] = knob((8, 16), "layers that have run at the two drops", 1, "L")
    r: float = knob(0.8, "share of the tokens that the first drop removes, the grid aside", 0.0, 1.0)
    stride: int = knob(3, "every how many rows and columns a token is spared at the first drop", 1, 64)
    query: str = knob("official", ASKED, choices=LAST_ROWS)
    positions: str = knob("official", "rotary positions; FEATHER keeps the original ones itself", choices=PLACES)

    name: ClassVar[str] = "feather"
    label: ClassVar[str] = "FEATHER"
    paper: ClassVar[str] = "FEATHER, arXiv 2412.13180"
    budget: ClassVar[str] = "r"
    asks_last: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_knobs(self)
        if len(self.k) != 2:
            raise ValueError(f"k must name two layers, such as (8, 16), got {self.k}")

    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        check_increasing("k", self.k, L)
        first, second = self.k
        # How many of the best lie on the grid anyway is the picture's affair.
        counts = (N, N) if self.r == 0 else (None, None)
        stages = (
            Stage("full", first, N, everything),
            Stage("thin-1", second - first, counts[0], self._first),
            Stage("thin-2", L - second, counts[1], self._second),
        )
        return tuple(stage for stage in stages if stage.L)

    def expected(self, N: int, L: int) -> tuple[float, ...]:
        """Image tokens of every layer if the best tokens lie on the grid no more often than others; the
        grid is taken as square.
        """
        first, second = self.k
        t, side = int(N * (1 - self.r)), round(N**0.5)
        U = (-(-side // self.stride)) ** 2
        n1 = round(t + U - U * t / N)
        n2 = max(1, int(n1 * ((1 - self.r) * (1 - self.r))))
        return (N,) * first + (n1,) * (second - first) + (n2,) * (L - second)

    def amounts(self, N: int) -> range:
        return range(1001)

    def spend(self, amount: int) -> Feather:
        return replace(self, r=round(1 - amount / 1000, 3))

    def _first(self, view: View) -> Choice:
        spared = torch.cat([self._strided(*tile.grid) for tile in view.layout.views])
        return self._best(
            view,
            int(view.layout.N * (1 - self.r)),
            spared[view.now.slots[view.now.image_rows] - view.layout.N_sys],
        )

    def _strided(self, rows: int, cols: int) -> torch.Tensor:
        """Every ``stride``-th patch of both axes, bool [rows * cols]."""
        row, col = torch.arange(rows), torch.arange(cols)
        return ((row % self.stride == 0)[:, None] & (col % self.stride == 0)).flatten()

    def _second(self, view: View) -> Choice:
        return self._best(view, max(1, int(view.now.n_image * ((1 - self.r) * (1 - self.r)))))

    def _best(self, view: View, n: int, spared: torch.Tensor | None = None) -> Choice:
        """The ``n`` best of the present tokens, and those ``spared`` (bool, a row per token)."""
        rows = last_token(view.layout, self.query, self.name)
        heads = view.attention(rows, "last", rope=False, over="image").mean(dim=1)
        score = heads.mean(dim=0)
        kept = torch.zeros(view.now.n_image, dtype=torch.bool) if spared is None else spared.clone()
        kept[top(score, n)] = True
        image = view.now.image.take(torch.nonzero(kept).flatten())
        return ranked(view, image, score, "attention without RoPE", heads, view.layer - 1)
