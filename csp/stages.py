"""What a method is made of: a list of `Stage`, each of which sees a `View` on entry and answers with a `Choice`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from csp.layers import DecoderLayers
from csp.tokens import ImageTokens, Positions, TokenSequence, VisionFeatures
from csp.types import Layout


@dataclass(frozen=True, eq=False)
class Choice:
    """A stage's answer on entry: the image tokens to go on with, and why.

    ``score`` [N] is what was ranked (NaN: not ranked), ``heads`` [H, N] the same for each head at layer
    ``rank_layer``, both by patch. ``instances`` counts objects (Seg-First), ``notes`` tell of fallbacks
    taken.
    """

    image: ImageTokens
    score: Tensor | None = None
    score_name: str = ""
    rank_layer: int | None = None
    heads: Tensor | None = None
    instances: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """``L`` layers on ``N`` image tokens, which ``enter`` chooses once, before the first of them. ``N``
    None: the image decides. The layers of a stage to ``skip`` are not run at all: what
    came before goes to the final norm as it is, so that it must be the last and have no image token. ``forget`` are layers,
    already run, in whose memory what this stage drops is lost as well to an answer yet to be written.
    """

    name: str
    L: int
    N: int | None
    enter: Callable[[View], Choice]
    positions: Positions = "keep"
    skip: bool = False
    forget: range = range(0)


def planned(plan: Sequence[Stage]) -> tuple[int | None, ...]:
    """Image tokens of every layer, known before one has run; None where the image decides."""
    return tuple(stage.N for stage in plan for _ in range(stage.L))


class View:
    """All that a method sees when a stage begins: read-only."""

    def __init__(
        self,
        layers: DecoderLayers,
        start: TokenSequence,
        now: TokenSequence,
        layer: int,
        entering: Tensor | None,
        vision: VisionFeatures | None,
        rng: torch.Generator,
    ) -> None:
        self.start = start
        self.now = now
        self.layer = layer
        self.rng = rng
        self._layers = layers
        self._entering = entering
        self._vision = vision

    @property
    def layout(self) -> Layout:
        return self.start.layout

    @property
    def vision(self) -> VisionFeatures:
        """The vision tower's features; ValueError where the caller gave none."""
        if self._vision is None:
            raise ValueError("this method reads the vision tower, but decode() was given no vision features; pass vision=...")
        return self._vision

    def attention(
        self,
        rows: Iterable[int],
        layer: Literal["last", "next"] = "last",
        rope: bool = True,
        over: Literal["all", "image"] = "all",
    ) -> Tensor:
        """Attention float32 [H, r, n] from text tokens, named by slot, to the n present image tokens.

        ``last``: in the layer that has just run; ``next``: with the coming layer's weights on the present
        states. The softmax runs over everything that the row sees, or over image tokens alone
        (``over="image"``).
        """
        index, hidden = (self.layer - 1, self._entered()) if layer == "last" else (self.layer, self.now.hidden)
        at = self.now.image_rows
        columns = at if over == "image" else None
        map_ = self._layers.attention(index, hidden, self.now.position_ids, self.now.rows(rows), rope, columns)
        return map_ if over == "image" else map_[..., at]

    def values(self) -> Tensor:
        """Value states [H, n, head_dim] of every present row, key heads, in the layer that has just run."""
        return self._layers.values(self.layer - 1, self._entered())

    def rotary(self) -> tuple[Tensor, Tensor]:
        """Rotary cosines and sines, each [n, head_dim or less], of the layer that has just run, at the places of the n
        present image tokens.
        """
        return self._layers.rotary(self.layer - 1, self.now.hidden, self.now.image.position_ids)

    def _entered(self) -> Tensor:
        """What entered the layer that has just run, [1, n, d]."""
        if self._entering is None:
            raise ValueError("no layer has run that could rank; rank by the next layer, or let a stage of one layer run first")
        return self._entering

    def project(self, features: Tensor) -> Tensor:
        """Features [..., C] of the vision tower in the decoder's space [..., d]."""
        return self.vision.project(features)
