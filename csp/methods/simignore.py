"""Simignore (AAAI 2025): image tokens that resemble no word are ignored.

Read off FanshuoZeng/Simignore at 0690739. Image and text embeddings are compared by cosine before the
decoder; all pairs are sorted and walked from ``i_index`` in strides of ``step`` until enough images are
found. From 0 by 1 that is the largest cosine of each image. The authors mask the others, which for all other
rows equals dropping them with positions kept, and put FastV on top (k2 = 452, K = 5, R = 144 at 7B).
LVLM_CSP's comparison has FastV's budget: K layers on everything, then R tokens (here by likeness to the
words). Their walk may start at pair 1, which loses the best pair, and the shipped stride of 2 skips every
other one: tuned constants, not our default. ``query="seg"`` is ours: likeness of states, both as they enter layer K (the
*embedding* of the row that predicts [SEG] is a constant word's and ranks alike for every query). Not copied: image offsets
35 and 36 in two files, sampled indices that nothing reads, a decoder that fails for R >= N/2.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from csp.decoder import Choice, Stage, View
from csp.methods.base import check_knobs, check_L, check_N, everything, in_counts, knob, ranked
from csp.methods.rows import LAST_ROWS, PLACES, last_token
from csp.tokens import top


@dataclass(frozen=True)
class Simignore:
    """K layers on everything (or, with ``k2``, on the k2 likest tokens), the rest on R. K = 0 cuts before
    the decoder.
    """

    K: int = knob(2, "layers that run before the cut to R; 0 cuts before the decoder", 0, "L")
    R: int = knob(64, "image tokens after the cut", 1, "N")
    k2: int = knob(0, "image tokens that enter the decoder, the likest to the words; 0: all", 0, "N")
    rank: Literal["likeness", "attention"] = knob(
        "likeness",
        "what ranks at the cut: likeness to the words, or attention as FastV",
        choices=("likeness", "attention"),
    )
    text: Literal["user", "bos"] = knob(
        "user",
        "words to compare with: the user's, or BOS and the user's (the 7B script)",
        choices=("user", "bos"),
    )
    step: int = knob(1, "stride of the walk through pairs of image and word, best first", 1, 64)
    i_index: int = knob(0, "pair at which the walk begins", 0, 64)
    query: str = knob(
        "official", "what ranks: the words (attention: the last row or the prompt's), the answer's mean, [SEG]", choices=LAST_ROWS
    )
    positions: str = knob("official", "rotary positions; Simignore keeps the original ones itself", choices=PLACES)

    name: ClassVar[str] = "simignore"
    label: ClassVar[str] = "Simignore"
    paper: ClassVar[str] = "Simignore, arXiv 2412.10442"
    budget: ClassVar[str] = "R"

    def __post_init__(self) -> None:
        check_knobs(self)

    @in_counts
    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        K = check_L("K", self.K, L)
        k2 = check_N("k2", self.k2, N, 0) or N
        R = check_N("R", self.R, N)
        if self.k2 and k2 < R:
            raise ValueError(f"R must be in 1..{k2} (k2 tokens enter the decoder), got {R}")
        if K == 0 and (self.k2 or self.rank == "attention"):
            raise ValueError("K must be at least 1 with k2 or rank='attention' (no layer has run that could rank), got 0")
        if K == 0 and self.query == "seg":
            raise ValueError("K must be at least 1 with query='seg' (before the first layer [SEG]'s row knows no query), got 0")
        first = Stage("alike", K, k2, partial(self._alike, k2)) if self.k2 else Stage("full", K, N, everything)
        return tuple(stage for stage in (first, Stage("kept", L - K, R, self._keep)) if stage.L)

    def amounts(self, N: int) -> range:
        return range(1, (self.k2 or N) + 1)

    def spend(self, amount: int) -> Simignore:
        return replace(self, R=amount)

    def _alike(self, n: int, view: View, query: str = "official") -> Choice:
        similarity = self._similarity(view, query)
        rows = walk(similarity, n, self.step, self.i_index).sort().values
        return ranked(view, view.now.image.take(rows), similarity.amax(dim=1), "likeness")

    def _keep(self, view: View) -> Choice:
        if self.rank == "likeness":
            return self._alike(self.R, view, self.query)
        heads = view.attention(last_token(view.layout, self.query, self.name)).mean(dim=1)
        score = heads.mean(dim=0)
        return ranked(view, view.now.image.take(top(score, self.R)), score, "attention", heads, view.layer - 1)

    def _similarity(self, view: View, query: str) -> Tensor:
        """Cosines [n, t] of the present image tokens with the words, both as they entered the decoder; with [SEG]'s rows both
        as they enter the coming layer.
        """
        layout, start = view.layout, view.start
        if query == "seg":
            now = view.now
            image, words = now.image.hidden[0], now.hidden[0, now.rows(layout.I_rank).to(now.hidden.device)]
        else:
            image = start.image.hidden[0, (view.now.image.slots - layout.N_sys).to(start.hidden.device)]
            slots = (*((0,) if self.text == "bos" else ()), *range(layout.usr.start, layout.usr.stop))
            words = start.hidden[0, start.rows(slots).to(start.hidden.device)]
        return (normalize(image.float(), dim=-1) @ normalize(words.float(), dim=-1).T).cpu()


def walk(similarity: Tensor, n: int, step: int = 1, i_index: int = 0) -> Tensor:
    """The first ``n`` distinct images [n] on a walk through all pairs of ``similarity`` [images, words], best
    first.

    Raises ValueError where the walk meets fewer.
    """
    pairs = torch.sort(similarity.flatten(), descending=True, stable=True).indices[i_index::step]
    found = list(dict.fromkeys((pairs // similarity.shape[1]).tolist()))
    if len(found) < n:
        raise ValueError(f"a walk from pair {i_index} by {step} meets {len(found)} image tokens, {n} are asked for; shorten step")
    return torch.tensor(found[:n])
