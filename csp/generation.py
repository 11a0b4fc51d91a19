"""Answers that the model writes itself: a staged prefill into a cache of keys and values, then greedy decoding.

Every layer keeps the tokens of its own stage, with the rotary positions they ran with; a written token
attends, layer by layer, to what that layer saw of the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from csp.decoder import Record, ranking_rows
from csp.layers import KV, CachingLayers, Ran
from csp.tokens import TokenSequence


class Memory:
    """A `csp.decoder.Runner` that keeps keys and values of what it ran, so that `step` can go on from it.

    One object serves one sequence. ``ran`` is what every stage ran on.
    """

    def __init__(self, layers: CachingLayers) -> None:
        self.layers = layers
        self.ran: list[TokenSequence] = []
        self._past: dict[int, tuple[KV, ...]] = {}
        self._next: dict[int, int] = {}
        self._kept: dict[int, list[Tensor | None]] = {}

    def run(self, first: int, L: int, nows: Sequence[TokenSequence], record: Record) -> list[Ran]:
        """A stage of the prompt."""
        (now,) = nows
        ids, ranking = now.position_ids, ranking_rows(now, record)
        rows = None if ranking is None else ranking[None]
        out = self.layers.extend(first, L, now.hidden, ids[None], (), rows, heads=record == "heads")
        self._past[first], self._next[first] = out.past, int(ids[-1]) + 1
        self.ran.append(now)
        seen = None if out.rows is None else out.rows.mean(dim=(0, 2))
        heads = None if out.heads is None else out.heads.mean(dim=(0, 3))
        return [Ran(out.hidden, out.entering, seen, heads)]

    def forget(self, layers: range, nows: Sequence[TokenSequence]) -> None:
        """See `csp.decoder.Forgetful`: the rotary positions of what stays are as they were."""
        (now,) = nows
        first, before = list(self._past)[-1], self.ran[-1]
        stays = torch.nonzero(torch.isin(before.slots, now.slots)).flatten()
        kept = [stays if first + at in layers else None for at in range(len(self._past[first]))]
        self._past[first] = tuple(
            pair if rows is None else (pair[0][:, :, rows.to(pair[0].device)], pair[1][:, :, rows.to(pair[1].device)])
            for pair, rows in zip(self._past[first], kept, strict=True)
        )
        self._kept[first] = kept

    @property
    def lengths(self) -> tuple[int, ...]:
        """Rows in the memory of every layer that ran."""
        return tuple(keys.shape[2] for past in self._past.values() for keys, _ in past)

    def step(self, hidden: Tensor, rows: list[Tensor] | None = None) -> Tensor:
        """One more token [1, 1, d] through all layers, at the next position of each stage; [1, 1, d] before the
        final norm. ``rows`` is given what it attends to in each stage, float32 [L, n] over the n rows that the stage ran on.
        """
        own = None if rows is None else torch.zeros(1, 1, dtype=torch.long)
        for (first, past), now in zip(list(self._past.items()), self.ran, strict=True):
            ids = torch.tensor([[self._next[first]]])
            kept = self._kept.get(first, [None] * len(past))
            grown: list[KV] = []
            seen = []
            # Layers whose memory is as long run together; others may have forgotten.
            for _, group in groupby(range(len(past)), key=lambda at: kept[at] is None):
                at = list(group)
                out = self.layers.extend(first + at[0], len(at), hidden, ids, past[at[0] : at[-1] + 1], own)
                hidden = out.hidden
                grown += out.past
                if out.rows is not None:
                    seen.append(_spread(out.rows[0, :, 0].cpu(), kept[at[0]], now.n))
            self._past[first] = tuple(grown)
            self._next[first] += 1
            if rows is not None and seen:
                rows.append(torch.cat(seen))
        return hidden


def _spread(rows: Tensor, kept: Tensor | None, n: int) -> Tensor:
    """Attention [L, m] over what a stage kept, and what was written since, as [L, n] over all that it ran on."""
    if kept is None:
        return rows[:, :n]
    return rows.new_zeros(len(rows), n).index_copy(1, kept, rows[:, : len(kept)])


@dataclass(frozen=True, eq=False)
class Written:
    """Token ``ids`` in the order written. ``states`` [len(ids) + more, d] are final states after the norm: row i
    predicted ids[i], row i + 1 is that of ids[i] itself, where it was run. ``rows`` are those of the tokens that were
    watched, stage by stage as of `Memory.step`.
    """

    ids: tuple[int, ...]
    states: Tensor
    rows: tuple[list[Tensor], ...] = ()

    @property
    def n_run(self) -> int:
        """How many of the written tokens entered the decoder: the last has no need to."""
        return len(self.states) - 1


@torch.no_grad()
def write(
    memory: Memory,
    last: Tensor,
    embed: Callable[[Tensor], Tensor],
    lm_head: Callable[[Tensor], Tensor],
    most: int,
    stop: Collection[int] | Callable[[Sequence[int]], bool] = (),
    run_last: Collection[int] = (),
    watch: Collection[int] = (),
) -> Written:
    """Greedy decoding after a prefill that left ``last`` [1, d] (before the final norm) at the prompt's end.

    At each step the likeliest token follows, the lowest id of equals, until one of ``stop``, or what ``stop`` says is an
    end, or ``most`` tokens are written. A last token in ``run_last`` is run as well, so that its own state can be read;
    what tokens in ``watch`` attend to is recorded.
    """
    ended = stop if callable(stop) else lambda ids: ids[-1] in stop
    states = [memory.layers.norm(last[None])[0]]
    ids: list[int] = []
    rows: list[list[Tensor]] = []

    def run(token: int) -> None:
        hidden = embed(torch.tensor([[token]], device=last.device))
        if token in watch:
            rows.append([])
        states.append(memory.layers.norm(memory.step(hidden, rows[-1] if token in watch else None))[0])

    while len(ids) < most and not (ids and ended(ids)):
        if ids:
            run(ids[-1])
        ids.append(int(lm_head(states[-1]).float().argmax(dim=-1)))
    if ids and ids[-1] in run_last:
        run(ids[-1])
    return Written(tuple(ids), torch.cat(states), tuple(rows))
