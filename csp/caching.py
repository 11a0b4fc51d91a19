"""Layers that keep keys and values, so that rows can follow others which ran before.

Two things are built on them: answers written token by token (`csp.generation`) and a picture shared by several
queries (`csp.shared`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from csp.decoder import DecoderLayers

KV = tuple[Tensor, Tensor]
"""Rotated keys, and values, of one layer: each [B, key heads, n, head_dim]."""


@dataclass(frozen=True, eq=False)
class Extended:
    """What `CachingLayers.extend` returns: as `csp.decoder.Ran`, for the m new rows of each sample.

    ``rows`` float32 [B, L, r, P + m] are the recorded attention rows, mean over heads; ``past`` are keys and
    values of all P + m rows, layer by layer, empty where they were not to be kept.
    """

    hidden: Tensor
    entering: Tensor
    rows: Tensor | None
    past: tuple[KV, ...]


class CachingLayers(DecoderLayers, Protocol):
    """A decoder whose layers can be run on rows that follow others."""

    def extend(
        self,
        first: int,
        L: int,
        hidden: Tensor,
        position_ids: Tensor,
        past: Sequence[KV] = (),
        record: Tensor | None = None,
        keep: bool = True,
    ) -> Extended:
        """Run layers first..first+L-1 on ``hidden`` [B, m, d] with rotary ``position_ids`` int64 [1 or B, m].

        Every row sees all P rows of ``past`` (one pair a layer, of one sample or of B) and, causally, the new
        ones: rows of padding at a sample's end change nothing before them. ``record`` int64 [1 or B, r] asks
        for the attention of these new rows; ``keep=False`` lets keys and values go.
        """
        ...
