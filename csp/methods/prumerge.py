"""PruMerge and PruMerge+ (ICCV 2025): image tokens are merged into few before the projector, by [CLS]
attention.

Read off 42Shawn/LLaVA-PruMerge at 097c041. The score is the [CLS] row of softmax(q k^T / sqrt(C)) in the
tower's last layer, as one head of full width over all 1 + N tokens. Kept patches are outliers of that score
(above Q3 + iqr (Q3 - Q1)) or a fixed number; each takes up its nearest other patches by cosine of keys,
weighted by their raw score (the authors' division is commented out); one more token sums what was not kept.
PruMerge+ adds patches at a regular stride. Order in the decoder: by falling score, then the strided ones, the
extra token last, positions counted anew. Not copied: one ratio shared by a batch, PruMerge+ that fails on 256
patches, on no outliers and on ratios above 1/3, and writes patches twice in its non-adaptive form.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from csp.decoder import Choice, Stage, View
from csp.methods.base import check_knobs, check_N, in_counts, knob
from csp.methods.merge import mix
from csp.methods.rows import PLACES
from csp.tokens import Positions, by_score


@dataclass(frozen=True)
class PruMerge:
    """``n`` merged tokens and one for the rest, in all layers; ``n`` = 0 takes the outliers of the
    picture's own scores.
    """

    n: int = knob(74, "patches kept and merged into; 0: the outliers of the picture", 0, "N")
    iqr: float = knob(1.5, "how far above the quartiles an outlier lies, where n is 0", 0.0, 100.0)
    neighbours: int = knob(32, "nearest patches that each kept one takes up", 0, "N")
    positions: str = knob("official", "rotary positions: counted anew, or original and in order", choices=PLACES)

    name: ClassVar[str] = "prumerge"
    label: ClassVar[str] = "PruMerge"
    paper: ClassVar[str] = "PruMerge, arXiv 2403.15388"
    budget: ClassVar[str] = "n"

    def __post_init__(self) -> None:
        check_knobs(self)

    @in_counts
    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        n = check_N("n", self.n, N, 0)
        check_N("neighbours", self.neighbours, N - 1, 0)
        return (Stage("merged", L, n + 1 if n else None, self._merge, _positions(self)),)

    def amounts(self, N: int) -> range:
        return range(1, N + 1)

    def spend(self, amount: int) -> PruMerge:
        return replace(self, n=amount)

    def _merge(self, view: View) -> Choice:
        score = view.vision.cls_attention("last", over="all").float().cpu()
        n = self.n or outliers(score, self.iqr)
        return merge(view, score, by_score(score)[:n], self)


@dataclass(frozen=True)
class PruMergePlus:
    """PruMerge with patches at a regular stride added: ``total`` tokens in all layers; 0 takes what the
    picture gives.
    """

    total: int = knob(95, "tokens in all, the extra one included; 0: outliers and stride by the picture", 0, "N")
    iqr: float = knob(1.5, "how far above the quartiles an outlier lies, where total is 0", 0.0, 100.0)
    neighbours: int = knob(32, "nearest patches that each kept one takes up", 0, "N")
    positions: str = knob("official", "rotary positions: counted anew, or original and in order", choices=PLACES)

    name: ClassVar[str] = "prumerge+"
    label: ClassVar[str] = "PruMerge+"
    paper: ClassVar[str] = "PruMerge, arXiv 2403.15388"
    budget: ClassVar[str] = "total"

    def __post_init__(self) -> None:
        check_knobs(self)

    @in_counts
    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        total = check_N("total", self.total, N, 0)
        if total == 1:
            raise ValueError(f"total must be 0 or in 2..{N} (a patch and the extra token), got 1")
        check_N("neighbours", self.neighbours, N - 1, 0)
        return (Stage("merged", L, total or None, self._merge, _positions(self)),)

    def amounts(self, N: int) -> range:
        return range(2, N + 1)

    def spend(self, amount: int) -> PruMergePlus:
        return replace(self, total=amount)

    def _merge(self, view: View) -> Choice:
        score = view.vision.cls_attention("last", over="all").float().cpu()
        kept = self._fixed(score) if self.total else self._adaptive(score)
        return merge(view, score, kept, self)

    def _adaptive(self, score: Tensor) -> Tensor:
        """The outliers by falling score, then every stride-th patch that is not among them, as the authors
        do.
        """
        best = by_score(score)[: outliers(score, self.iqr)]
        if not len(best):
            return best
        return torch.cat([best, strided(len(score), max(1, int(int(len(score) / len(best)) / 3)), best)])

    def _fixed(self, score: Tensor) -> Tensor:
        """A quarter or so by score (22 of 95), the rest from the widest stride that yields enough, thinned
        evenly.
        """
        room = self.total - 1
        ranking = by_score(score)
        best = ranking[: max(1, self.total * 22 // 95)][:room]
        wanted = room - len(best)
        strides = range(len(score) // max(1, wanted), 0, -1)
        even = next((e for stride in strides if len(e := strided(len(score), stride, best)) >= wanted), ranking[:0])
        picked = even[(torch.arange(wanted) * len(even)) // max(1, wanted)] if len(even) else even
        kept = torch.cat([best, picked])
        rest = ranking[~torch.isin(ranking, kept)]
        return torch.cat([kept, rest[: room - len(kept)]])


def outliers(score: Tensor, iqr: float = 1.5) -> int:
    """How many scores lie above Q3 + iqr (Q3 - Q1), percentiles by linear interpolation."""
    q1, q3 = torch.quantile(score, 0.25), torch.quantile(score, 0.75)
    return int((score > q3 + iqr * (q3 - q1)).sum())


def strided(N: int, stride: int, without: Tensor) -> Tensor:
    """Every stride-th of N patches, the last one never, those in ``without`` left out, ascending."""
    every = torch.arange(0, N - 1, stride)
    return every[~torch.isin(every, without)]


def merge(view: View, score: Tensor, kept: Tensor, method: PruMerge | PruMergePlus) -> Choice:
    """Kept patches with their neighbours taken up, in the order given, and one token for all others."""
    vision = view.vision
    N = len(score)
    keys = normalize(vision.k_last[1:].float(), dim=-1).cpu()
    cosine = (keys[kept] @ keys.T).scatter(1, kept[:, None], -torch.inf)
    near = torch.sort(cosine, dim=1, descending=True, stable=True).indices[:, : method.neighbours]
    weights = torch.zeros(len(kept) + 1, N)
    weights[:-1].scatter_(1, near, score[near])
    weights[torch.arange(len(kept)), kept] = 1.0
    rest = torch.ones(N, dtype=torch.bool)
    rest[kept] = False
    weights[-1, rest] = score[rest]
    # The extra token has no centre: it stands at the last image slot.
    image = mix(view, weights, torch.cat([kept, torch.tensor([N - 1])]))
    return Choice(image.sort() if method.positions == "original" else image, score, "CLS")


def _positions(method: PruMerge | PruMergePlus) -> Positions:
    return "renumber" if method.positions == "official" else "keep"
