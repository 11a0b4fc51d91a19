"""Answers that the model writes itself: a staged prefill into a cache of keys and values, then greedy decoding.

Every layer keeps the tokens of its own stage, with the rotary positions they ran with; a written token
attends, layer by layer, to what that layer saw of the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor

from csp.caching import KV, CachingLayers
from csp.decoder import Ran


class Remembering:
    """`csp.decoder.DecoderLayers` that keep keys and values of what `run` ran, so that `step` can go on from it.

    One object serves one sequence.
    """

    def __init__(self, layers: CachingLayers) -> None:
        self._layers = layers
        self._past: dict[int, tuple[KV, ...]] = {}
        self._next: dict[int, int] = {}
        self.attention, self.norm = layers.attention, layers.norm

    @property
    def num_layers(self) -> int:
        return self._layers.num_layers

    def run(self, first: int, L: int, hidden: Tensor, position_ids: Tensor, record: Tensor | None = None) -> Ran:
        """A stage of the prompt; see `csp.decoder.DecoderLayers`."""
        rows = None if record is None else record[None]
        out = self._layers.extend(first, L, hidden, position_ids[None], (), rows)
        self._past[first], self._next[first] = out.past, int(position_ids[-1]) + 1
        return Ran(out.hidden, out.entering, None if out.rows is None else out.rows.mean(dim=(0, 2)))

    def step(self, hidden: Tensor) -> Tensor:
        """One more token [1, 1, d] through all layers, at the next position of each stage; [1, 1, d] before the
        final norm.
        """
        for first, past in self._past.items():
            ids = torch.tensor([[self._next[first]]])
            out = self._layers.extend(first, len(past), hidden, ids, past)
            hidden, self._past[first] = out.hidden, out.past
            self._next[first] += 1
        return hidden


@dataclass(frozen=True, eq=False)
class Written:
    """Token ``ids`` in the order written. ``states`` [len(ids) + more, d] are final states after the norm: row i
    predicted ids[i], row i + 1 is that of ids[i] itself, where it was run.
    """

    ids: tuple[int, ...]
    states: Tensor

    @property
    def n_run(self) -> int:
        """How many of the written tokens entered the decoder: the last has no need to."""
        return len(self.states) - 1


@torch.no_grad()
def write(
    memory: Remembering,
    last: Tensor,
    embed: Callable[[Tensor], Tensor],
    lm_head: Callable[[Tensor], Tensor],
    most: int,
    stop: Collection[int] = (),
    run_last: Collection[int] = (),
) -> Written:
    """Greedy decoding after a prefill that left ``last`` [1, d] (before the final norm) at the prompt's end.

    At each step the likeliest token follows, the lowest id of equals, until one of ``stop`` or ``most`` tokens are
    written. A last token in ``run_last`` is run as well, so that its own state can be read.
    """
    states = [memory.norm(last[None])[0]]
    ids: list[int] = []
    while len(ids) < most and not (ids and ids[-1] in stop):
        if ids:
            states.append(_after(memory, embed, ids[-1], last))
        ids.append(int(lm_head(states[-1]).float().argmax(dim=-1)))
    if ids and ids[-1] in run_last:
        states.append(_after(memory, embed, ids[-1], last))
    return Written(tuple(ids), torch.cat(states))


def _after(memory: Remembering, embed: Callable[[Tensor], Tensor], token: int, like: Tensor) -> Tensor:
    """The state [1, d] after the final norm of one more token."""
    hidden = embed(torch.tensor([[token]], device=like.device))
    return memory.norm(memory.step(hidden))[0]
