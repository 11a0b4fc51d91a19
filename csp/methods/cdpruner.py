"""CDPruner (NeurIPS 2025): tokens that are relevant to the question and unlike each other, before the decoder.

Read off Theia-4869/CDPruner at 9541616. Relevance r is minus the cosine of a patch with the question in CLIP's common
space, stretched to 0..1: patches of what is named resemble the words *less* there. The kernel r_i cos(P_i, P_j) r_j on the
projected tokens is walked by greedy MAP of a determinantal point process. Questions beyond CLIP's 77 tokens are cut into
segments and r is their mean. Kept in the image's order, positions counted anew. Not copied: smallest and largest relevance
taken over a batch, the weight theta of the paper that stands in a comment only, no number of tokens beyond the rank of the
features (here the lowest free indices follow), no question at all or questions of unequal length that fail.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from csp.decoder import Choice, Stage, View
from csp.methods.base import check_knobs, check_N, in_counts, knob
from csp.methods.common import MEETING, SPACES, TEXTS, common_space
from csp.methods.rows import PLACES, numbering

LEAST = 1e-6


@dataclass(frozen=True)
class CDPruner:
    """``T`` tokens by relevance and diversity at once, in all layers."""

    T: int = knob(73, "image tokens kept", 1, "N")
    relevance: Literal["inverted", "direct", "none"] = knob(
        "inverted",
        "inverted: unlike the words, as published; direct: like them; none: diversity alone",
        choices=("inverted", "direct", "none"),
    )
    text: str = knob("question", "words to compare with: the whole question, or the query alone", choices=TEXTS)
    space: str = knob("clip", MEETING, choices=SPACES, wordless="words")
    positions: str = knob("official", "rotary positions: counted anew, or original", choices=PLACES)

    name: ClassVar[str] = "cdpruner"
    label: ClassVar[str] = "CDPruner"
    paper: ClassVar[str] = "CDPruner, arXiv 2506.10967"
    budget: ClassVar[str] = "T"

    def __post_init__(self) -> None:
        check_knobs(self)

    @in_counts
    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        return (Stage("relevant", L, check_N("T", self.T, N), self._keep, numbering(self.positions)),)

    def amounts(self, N: int) -> range:
        return range(1, N + 1)

    def spend(self, amount: int) -> CDPruner:
        return replace(self, T=amount)

    def _keep(self, view: View) -> Choice:
        image = view.start.image
        if self.relevance == "none":
            r = torch.ones(image.n)
        else:
            patches, texts = common_space(view, self.name, self.space, self.text, long="split")
            r = relevance(patches, texts)
            r = r if self.relevance == "inverted" else r.max() + r.min() - r
        order, _ = greedy_map(kernel(image.hidden[0], r), self.T)
        return Choice(image.take(order.sort().values), r, "relevance")


def relevance(patches: Tensor, texts: Tensor) -> Tensor:
    """r float32 [N] from ``patches`` [N, P] and ``texts`` [M, P] in one space: minus their cosine, mean over texts, from about
    0 to about 1. Patches that are all alike are all as relevant.
    """
    unit, words = (normalize(t.detach().float().cpu(), dim=-1) for t in (patches, texts))
    mean = -(unit @ words.T).mean(dim=1)
    spread = mean.max() - mean.min()
    return (mean - mean.min() + LEAST) / spread if spread > 0 else torch.ones_like(mean)


def kernel(features: Tensor, r: Tensor) -> Tensor:
    """r_i cos_ij r_j, float32 [N, N]; a token is exactly like itself, so that equals stay equal."""
    unit = normalize(features.detach().float().cpu(), dim=-1)
    return r[:, None] * (unit @ unit.T).fill_diagonal_(1.0) * r[None, :]


def greedy_map(K: Tensor, T: int) -> tuple[Tensor, Tensor]:
    """T tokens in the order chosen, and the gain of each: the largest remaining diagonal of the kernel ``K`` [N, N], one
    Cholesky row after the other. A smaller T is a prefix of a larger one. Beyond the rank of K nothing is left to gain:
    the lowest free indices follow.
    """
    N = len(K)
    gains, rows = K.diagonal().clone(), torch.zeros(T, N)
    chosen: list[int] = []
    won: list[Tensor] = []
    for t in range(T):
        best = int(gains.argmax())
        gain = gains[best].clone()
        if not gain > 0:
            break
        row = (K[best] - rows[:t, best] @ rows[:t]) / gain.sqrt()
        rows[t] = row
        gains = gains - row**2
        chosen.append(best)
        won.append(gain)
        gains[chosen] = -torch.inf
    free = [i for i in range(N) if i not in set(chosen)][: T - len(chosen)]
    return torch.tensor(chosen + free), torch.cat([torch.stack(won), torch.zeros(len(free))])
