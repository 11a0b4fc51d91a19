"""The smaller picture: no token is dropped, fewer are made. The control for everything that drops tokens.

The vision tower sees the same part of the picture at fewer pixels, so that its grid has about T cells; its table of places
is interpolated (CLIP's own code in transformers), projector and decoder are unchanged, and SAM sees what it always sees.
The tower gets cheaper too, which no dropping method's does: the decoder's bill leaves that out. Grids are square or one
column wider, as near T as they come: 73 gives 8 x 9 = 72.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from csp.decoder import Choice, Stage, View
from csp.methods.base import check_knobs, check_N, in_counts, knob
from csp.methods.rows import PLACES, numbering
from csp.tokens import ImageTokens


@dataclass(frozen=True)
class SmallerPicture:
    """About ``T`` image tokens in all layers, of a picture that small."""

    T: int = knob(73, "image tokens to make, as near as a grid comes", 1, "N")
    positions: str = knob("official", "rotary positions: counted through, or of the patch at each cell's middle", choices=PLACES)

    name: ClassVar[str] = "smaller"
    label: ClassVar[str] = "Smaller picture"
    paper: ClassVar[str] = ""
    budget: ClassVar[str] = "T"

    def __post_init__(self) -> None:
        check_knobs(self)

    @in_counts
    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        rows, cols = cells(check_N("T", self.T, N), N)
        return (Stage("smaller", L, rows * cols, partial(self._make, rows, cols), numbering(self.positions)),)

    def amounts(self, N: int) -> range:
        return range(1, N + 1)

    def spend(self, amount: int) -> SmallerPicture:
        return replace(self, T=amount)

    def _make(self, rows: int, cols: int, view: View) -> Choice:
        vision, grid = view.vision, view.layout.grid
        if vision.smaller is None:
            raise ValueError("a smaller picture needs a vision tower that takes one, which this model has not; choose another")
        if rows * cols == view.layout.N:
            return Choice(view.start.image)
        hidden = view.project(vision.smaller(rows, cols)).to(view.start.hidden)[None]
        source = torch.kron(shown(rows, grid[0]), shown(cols, grid[1]))
        middle = torch.cartesian_prod(middles(rows, grid[0]), middles(cols, grid[1]))
        slots = view.layout.N_sys + middle[:, 0] * grid[1] + middle[:, 1]
        note = f"the vision tower made {rows} x {cols} tokens: its own saving is not in the decoder's bill"
        return Choice(ImageTokens(hidden, slots, slots, source), notes=(note,))


def cells(T: int, N: int) -> tuple[int, int]:
    """Rows and columns of the grid nearest to T cells, of at most N: square, or one column more. Of two, the smaller."""
    side = int(N**0.5)
    grids = [(n, m) for n in range(1, side + 1) for m in (n, n + 1) if m <= side]
    return min(grids, key=lambda grid: (abs(grid[0] * grid[1] - T), grid[0] * grid[1]))


def shown(n: int, patches: int) -> Tensor:
    """How much of each of ``patches`` in a row each of n cells shows, float32 [n, patches], rows summing to 1."""
    edges, ends = torch.arange(patches), (torch.arange(n + 1) * patches / n)
    low = torch.maximum(ends[:-1, None], edges[None])
    high = torch.minimum(ends[1:, None], edges[None] + 1)
    return (high - low).clamp_min(0) * n / patches


def middles(n: int, patches: int) -> Tensor:
    """The patch at the middle of each of n cells in a row of ``patches``, int64."""
    return ((2 * torch.arange(n) + 1) * patches) // (2 * n)
