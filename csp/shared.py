"""Several queries on one picture, run together: what stands before the text is run once.

Image tokens precede the words and attention is causal, so their states do not depend on a query. Stage by
stage, the rows at the front of every query's sequence that are in the same state (all of E_sys | E_img while
the queries choose alike, E_sys at least) run once, as a `Prefix`; what is left of each query follows in one
batch. Prefixes can be kept for queries to come. Which rows are shared is seen from their states, never assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from csp.caching import KV, CachingLayers
from csp.decoder import (
    Decoded,
    Entered,
    Ran,
    Stage,
    Stopwatch,
    View,
    covering,
    enter,
    notes_of,
    trace_of,
)
from csp.forcing import check_force
from csp.tokens import TokenSequence, VisionFeatures
from csp.types import Force


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


@dataclass
class _Query:
    """One query on its way through the stages."""

    start: TokenSequence
    rng: torch.Generator
    now: TokenSequence
    entering: Tensor | None = None
    ran: list[tuple[Entered, Tensor | None]] = field(default_factory=list)


@torch.no_grad()
def decode_together(
    layers: CachingLayers,
    starts: Sequence[TokenSequence],
    plan: Sequence[Stage],
    vision: VisionFeatures | None = None,
    *,
    seed: int = 0,
    force: Force | None = None,
    record: bool = True,
    kept: Sequence[Prefix] = (),
) -> tuple[list[Decoded], tuple[Prefix, ...]]:
    """`csp.decoder.decode` for several sequences on one picture, and the prefixes of the stages.

    Gives each query what `decode` would, to rounding: choices are each query's own, from the same seed.
    ``kept`` are the prefixes of an earlier call with this plan, one a stage; as far as the sequences begin with
    their rows, these are not run again. ``ms`` is each query's share of the time.
    """
    plan = covering(plan, layers.num_layers)
    if not starts:
        return [], tuple(kept)
    force = check_force(force, [stage.name for stage in plan], starts[0].layout.N)
    queries = [_Query(start, torch.Generator("cpu").manual_seed(seed), start) for start in starts]
    watch = Stopwatch(starts[0].hidden.device)
    prefixes: list[Prefix] = []
    done = 0
    for at, stage in enumerate(plan):
        entered = []
        for query in queries:
            view = View(layers, query.start, query.now, done, query.entering, vision, query.rng)
            entered.append(enter(stage, view, force))
        nows = [e.sequence for e in entered]
        watch.lap("select")
        prefix = _prefix(layers, done, stage.L, nows, kept[at] if at < len(kept) else None)
        prefixes.append(prefix)
        outs = _follow(layers, done, stage.L, nows, prefix, record)
        for query, e, out in zip(queries, entered, outs, strict=True):
            query.ran.append((e, out.rows))
            query.now, query.entering = e.sequence.with_hidden(out.hidden), out.entering
        done += stage.L
        watch.lap("decoder")
    states = [layers.norm(q.now.hidden[:, q.now.rows(q.now.layout.I_seg).to(q.now.hidden.device)])[0] for q in queries]
    watch.lap("decoder")
    ms = {part: total / len(queries) for part, total in watch.ms.items()}
    return [
        Decoded(state, q.now, trace_of(q.now.layout, q.ran), notes_of(q.ran), dict(ms))
        for q, state in zip(queries, states, strict=True)
    ], tuple(prefixes)


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
    layers: CachingLayers, first: int, L: int, nows: Sequence[TokenSequence], prefix: Prefix, record: bool
) -> list[Ran]:
    """L layers on what follows the prefix in each sequence, padded at its end into one batch."""
    P = prefix.P
    ids = pad_sequence([now.position_ids[P:] for now in nows], batch_first=True)
    hidden = pad_sequence([now.hidden[0, P:] for now in nows], batch_first=True)
    own = [now.rows(now.layout.I_rank) - P for now in nows]
    rows = pad_sequence(own, batch_first=True) if record and max(map(len, own)) else None
    out = layers.extend(first, L, hidden, ids, prefix.past, rows, keep=False)
    ran = []
    for b, (now, ranking) in enumerate(zip(nows, own, strict=True)):
        m = now.n - P
        seen = None
        if out.rows is not None and len(ranking):
            seen = out.rows[b, :, : len(ranking), : now.n].mean(dim=1)
        ran.append(
            Ran(
                torch.cat([prefix.hidden, out.hidden[b : b + 1, :m]], dim=1),
                torch.cat([prefix.entering, out.entering[b : b + 1, :m]], dim=1),
                seen,
            )
        )
    return ran
