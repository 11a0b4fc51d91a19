"""A decoder as a stack of layers: what the loop and its ways of running rows need of a language model.

Nothing here knows how layers are made; `csp.models` answers these protocols.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

KV = tuple[Tensor, Tensor]
"""Rotated keys, and values, of one layer: each [B, key heads, n, head_dim]."""


@dataclass(frozen=True, eq=False)
class Ran:
    """What one sequence became in a stage.

    ``hidden`` [B, n, d] leaves the stage's last layer, ``entering`` [B, n, d] entered it; ``rows`` float32 [L, n] are the
    recorded attention rows of every layer, mean over heads, ``heads`` float32 [L, H, n] the same head by head; None where
    they were not asked for.
    """

    hidden: Tensor
    entering: Tensor
    rows: Tensor | None
    heads: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Extended:
    """What `CachingLayers.extend` returns: as `Ran`, for the m new rows of each sample.

    ``rows`` float32 [B, L, r, P + m] are the recorded attention rows, mean over heads, ``heads`` [B, L, H, r, P + m] the
    same head by head; ``past`` are keys and values of all P + m rows, layer by layer, empty where they were not to be kept.
    """

    hidden: Tensor
    entering: Tensor
    rows: Tensor | None
    past: tuple[KV, ...]
    heads: Tensor | None = None


class DecoderLayers(Protocol):
    """Layers that run rows from the first on."""

    @property
    def num_layers(self) -> int: ...

    def run(
        self,
        first: int,
        L: int,
        hidden: Tensor,
        position_ids: Tensor,
        record: Tensor | None = None,
        heads: bool = False,
    ) -> Ran:
        """Run layers first..first+L-1, causally, on ``hidden`` [B, n, d] with rotary ``position_ids`` int64
        [n].

        ``record`` int64 [r] asks for the attention of these rows at every layer: softmax over the whole
        visible row in fp32, mean over heads and over the r rows, from the keys that the layers computed
        anyway; ``heads`` for each head's as well.
        """
        ...

    def attention(
        self,
        layer: int,
        hidden: Tensor,
        position_ids: Tensor,
        rows: Tensor,
        rope: bool = True,
        columns: slice | None = None,
    ) -> Tensor:
        """Attention float32 [H, r, n] that ``rows`` int64 [r] pay when ``layer`` is entered by ``hidden`` [1,
        n, d].

        Causal, fp32 softmax, over the keys of ``columns`` only (all n by default); ``rope=False`` leaves
        positions out of it.
        """
        ...

    def values(self, layer: int, hidden: Tensor) -> Tensor:
        """Value states [H, n, head_dim] of ``layer`` (key heads, not repeated) when ``hidden`` [1, n, d] enters it."""
        ...

    def rotary(self, layer: int, hidden: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Rotary cosines and sines, each [n, head_dim or less], of ``layer`` at ``position_ids`` int64 [n]; ``hidden`` names
        dtype and device.
        """
        ...

    def norm(self, hidden: Tensor) -> Tensor:
        """The final norm, [B, n, d] to [B, n, d]."""
        ...


class CachingLayers(DecoderLayers, Protocol):
    """Layers that keep keys and values, so that rows can follow others which ran before: a picture shared by several
    queries (`csp.shared`), answers written token by token (`csp.generation`).
    """

    def extend(
        self,
        first: int,
        L: int,
        hidden: Tensor,
        position_ids: Tensor,
        past: Sequence[KV] = (),
        record: Tensor | None = None,
        keep: bool = True,
        heads: bool = False,
    ) -> Extended:
        """Run layers first..first+L-1 on ``hidden`` [B, m, d] with rotary ``position_ids`` int64 [1 or B, m].

        Every row sees all P rows of ``past`` (one pair a layer, of one sample or of B) and, causally, the new
        ones: rows of padding at a sample's end change nothing before them. ``record`` int64 [1 or B, r] asks
        for the attention of these new rows, ``heads`` for each head's as well; ``keep=False`` lets keys and values go.
        """
        ...
