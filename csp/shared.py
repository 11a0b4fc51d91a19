"""Several sequences run together: what stands at the front of all of them is run once.

Image tokens precede the words and attention is causal, so their states do not depend on a query. Stage by
stage, the rows at the front of every sequence that are in the same state (all of E_sys | E_img while
the queries choose alike, E_sys at least) run once, as a `Prefix`; what is left of each query follows in one
batch. Prefixes can be kept for queries to come. Which rows are shared is seen from their states, never assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from csp.decoder import Record
from csp.layers import KV, CachingLayers, Ran
from csp.tokens import TokenSequence


@dataclass(frozen=True, eq=False)
class Prefix:
    """The P rows that a stage's batch has in common: ``entered`` [1, P, d] the stage, ``entering`` its last
    layer, and ``hidden`` left it; ``past`` are their keys and values, layer by layer from layer ``first`` on.
    """

    first: int
    position_ids: Tensor
    entered: Tensor
    entering: Tensor
    hidden: Tensor
    past: tuple[KV, ...]

    @property
    def P(self) -> int:
        return len(self.position_ids)

    @property
    def nbytes(self) -> int:
        states = (self.entered, self.entering, self.hidden)
        return sum(t.nbytes for t in states) + sum(k.nbytes + v.nbytes for k, v in self.past)

    def cut(self, P: int) -> Prefix:
        """The first P rows, in memory of their own: causal attention never told them of the others."""
        if P == self.P:
            return self
        entered, entering, hidden = (t[:, :P].clone() for t in (self.entered, self.entering, self.hidden))
        past = tuple((k[:, :, :P].clone(), v[:, :, :P].clone()) for k, v in self.past)
        return Prefix(self.first, self.position_ids[:P], entered, entering, hidden, past)


class Together:
    """A `csp.decoder.Runner` for sequences that have rows in common: gives each what `Alone` would, to rounding.

    ``kept`` are the prefixes of an earlier call with the same plan, one a stage; as far as the sequences begin with their
    rows, these are not run again. One object serves one call of the loop; ``prefixes`` are then those of its own stages.
    """

    def __init__(self, layers: CachingLayers, kept: Sequence[Prefix] = ()) -> None:
        self.layers = layers
        self.prefixes: tuple[Prefix, ...] = ()
        self._kept = kept

    def run(self, first: int, L: int, nows: Sequence[TokenSequence], record: Record) -> list[Ran]:
        """What they share once, what follows it in one batch."""
        stage = len(self.prefixes)
        prefix = _prefix(self.layers, first, L, nows, self._kept[stage] if stage < len(self._kept) else None)
        self.prefixes += (prefix,)
        return _follow(self.layers, first, L, nows, prefix, record)


def leading(nows: Sequence[TokenSequence], kept: Prefix | None = None) -> int:
    """How many rows stand at the front of all sequences, and of ``kept``, at the same positions and in the same
    states. Text after the image is never counted: it is what sets queries apart.
    """
    first = nows[0]
    others = [(now.position_ids, now.hidden) for now in nows[1:]]
    if kept is not None:
        others.append((kept.position_ids, kept.entered))
    P = min(now.image_rows.stop for now in nows)
    for position_ids, hidden in others:
        P = min(P, hidden.shape[1])
        same = (position_ids[:P] == first.position_ids[:P]).to(hidden.device)
        same = same & (hidden[0, :P] == first.hidden[0, :P]).all(dim=-1)
        P = int(same.cumprod(dim=0).sum())
    return P


def _prefix(layers: CachingLayers, first: int, L: int, nows: Sequence[TokenSequence], kept: Prefix | None) -> Prefix:
    """The rows that ``nows`` have in common through L layers: run, or cut from what was ``kept``."""
    if kept is not None and (kept.first, len(kept.past)) == (first, L):
        shared = leading(nows, kept)
        if shared >= nows[0].layout.N_sys:
            return kept.cut(shared)
    P = leading(nows)
    position_ids, hidden = nows[0].position_ids[:P], nows[0].hidden[:, :P].clone()
    out = layers.extend(first, L, hidden, position_ids[None])
    return Prefix(first, position_ids, hidden, out.entering, out.hidden, out.past)


def _follow(
    layers: CachingLayers, first: int, L: int, nows: Sequence[TokenSequence], prefix: Prefix, record: Record
) -> list[Ran]:
    """L layers on what follows the prefix in each sequence, padded at its end into one batch."""
    P = prefix.P
    ids = pad_sequence([now.position_ids[P:] for now in nows], batch_first=True)
    hidden = pad_sequence([now.hidden[0, P:] for now in nows], batch_first=True)
    own = [now.rows(now.layout.I_rank) - P for now in nows]
    rows = pad_sequence(own, batch_first=True) if record and any(len(each) for each in own) else None
    out = layers.extend(first, L, hidden, ids, prefix.past, rows, keep=False, heads=record == "heads")
    ran = []
    for b, (now, ranking) in enumerate(zip(nows, own, strict=True)):
        m = now.n - P
        r = len(ranking)
        seen = out.rows[b, :, :r, : now.n].mean(dim=1) if out.rows is not None and r else None
        heads = out.heads[b, :, :, :r, : now.n].mean(dim=2) if out.heads is not None and r else None
        ran.append(
            Ran(
                torch.cat([prefix.hidden, out.hidden[b : b + 1, :m]], dim=1),
                torch.cat([prefix.entering, out.entering[b : b + 1, :m]], dim=1),
                seen,
                heads,
            )
        )
    return ran
