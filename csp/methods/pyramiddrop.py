"""PyramidDrop (CVPR 2025): a share of the image tokens goes at each of a few layers.

Read off Cooperx521/PyramidDrop at 6444f30. The last token of the instruction ranks with the norm and weights
of the NEXT layer on the present states; stage s keeps int(N * lam^s) of the original N; positions count anew
from 0 after every drop. Not copied: a list of ratios mutated at each call, a causal mask of the old length
after a drop (padding), eager attention handed a mask of the wrong shape.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from csp.decoder import Choice, Stage, View
from csp.methods.base import check_increasing, check_knobs, everything, knob, ranked
from csp.methods.rows import PLACES, QUERIES, prompt_end
from csp.tokens import Positions, top


@dataclass(frozen=True)
class PyramidDrop:
    """After each of ``layers`` (counts of layers that have run) a share ``lam`` of the tokens stays."""

    layers: tuple[int, ...] = knob((5, 10, 15, 20), "layers that have run when tokens are dropped", 1, "L")
    lam: float = knob(0.5, "share of the tokens that stays at each drop", 0.001, 1.0)
    query: str = knob("official", "rows that rank: the last token of the prompt, or [SEG]", choices=QUERIES)
    positions: str = knob("official", "rotary positions: counted anew after each drop, or original", choices=PLACES)

    name: ClassVar[str] = "pyramiddrop"
    label: ClassVar[str] = "PyramidDrop"
    paper: ClassVar[str] = "PyramidDrop, arXiv 2410.17247"
    budget: ClassVar[str] = "lam"

    def __post_init__(self) -> None:
        check_knobs(self)

    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        check_increasing("layers", self.layers, L)
        ends = (*self.layers, L)
        positions: Positions = "renumber" if self.positions == "official" else "keep"
        stages = [Stage("full", ends[0], N, everything)]
        for s in range(1, len(ends)):
            n = max(1, int(N * self.lam**s))
            stages.append(Stage(f"pyramid-{s}", ends[s] - ends[s - 1], n, partial(self._drop, n), positions))
        return tuple(stage for stage in stages if stage.L)

    def amounts(self, N: int) -> range:
        return range(1, 1001)

    def spend(self, amount: int) -> PyramidDrop:
        return replace(self, lam=amount / 1000)

    def _drop(self, n: int, view: View) -> Choice:
        heads = view.attention(prompt_end(view.layout, self.query), "next").mean(dim=1)
        score = heads.mean(dim=0)
        return ranked(view, view.now.image.take(top(score, n)), score, "attention", heads, view.layer)
