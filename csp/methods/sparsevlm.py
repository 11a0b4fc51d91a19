"""SparseVLM (ICML 2025): words that look at the picture rate its tokens; some of the dropped ones come back
as averages.

Read off Gumpest/SparseVLMs at 26a5f48 (the 1.5 algorithm). Raters: words whose mean over image tokens of
softmax(V E^T), on input embeddings, lies above the average. After layers ``layers`` (0-based) that layer's
own attention, mean over heads and raters, keeps the best of ``keep``; of the m dropped the best int(0.3 m) +
1 are clustered (density peaks, k nearest) into int((int(0.3 m) + 1) / 10) + 1 averages that follow the kept
tokens. Positions are counted anew. Where densities tie, the authors' random noise decides; here the earlier
candidate counts as the denser. Not copied: one sample, the full attention map in every layer, a NaN when no
word rates (then all do), a token count that books the pruning layer after its pruning (issues 29, 33, 35):
plans here count what layers process.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Literal

import torch
from torch import Tensor

from csp.decoder import Choice, Stage, View
from csp.methods.base import check_increasing, check_knobs, check_N, everything, in_counts, knob, ranked
from csp.methods.merge import shares
from csp.methods.rows import PLACES, QUERIES, whole_answer
from csp.tokens import ImageTokens, Positions, by_score


@dataclass(frozen=True)
class SparseVLM:
    """After each of ``layers`` the best of ``keep`` stay; with ``recycle`` averages of others join them."""

    layers: tuple[int, ...] = knob((2, 6, 15), "0-based layers whose attention rates and after which tokens go", 0, "L")
    keep: tuple[int, ...] = knob((100, 67, 37), "image tokens kept at each", 1, "N")
    recycle: Literal["yes", "no"] = knob("yes", "whether averages of dropped tokens join", choices=("yes", "no"))
    raters: Literal["user", "all"] = knob(
        "user", "who may rate: the user's words, or all text after the image", choices=("user", "all")
    )
    query: str = knob("official", "rows that rate: raters, or [SEG]", choices=QUERIES)
    positions: str = knob("official", "rotary positions: counted anew, or original and in order", choices=PLACES)

    name: ClassVar[str] = "sparsevlm"
    label: ClassVar[str] = "SparseVLM"
    paper: ClassVar[str] = "SparseVLM, arXiv 2410.04417"
    budget: ClassVar[str] = "keep"

    def __post_init__(self) -> None:
        check_knobs(self)
        if len(self.layers) != len(self.keep):
            raise ValueError(f"keep must have a number for each of layers {self.layers}, got {self.keep}")

    @in_counts
    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        starts = tuple(layer + 1 for layer in self.layers)
        check_increasing("layers + 1", starts, L)
        positions: Positions = "renumber" if self.positions == "official" else "keep"
        stages = [Stage("full", starts[0], N, everything)]
        n = N
        for s, (keep, first, last) in enumerate(zip(self.keep, starts, (*starts[1:], L), strict=True)):
            k, c = kept_and_clusters(n, check_N("keep", keep, N), self.recycle == "yes")
            n = k + c
            stages.append(Stage(f"sparse-{s + 1}", last - first, n, partial(self._drop, k, c), positions))
        return tuple(stage for stage in stages if stage.L)

    def amounts(self, N: int) -> range:
        return range(1, N + 1)

    def spend(self, amount: int) -> SparseVLM:
        """``amount`` at the first drop, the others in the proportion that they have now."""
        keep = tuple(max(1, round(amount * k / self.keep[0])) for k in self.keep)
        return replace(self, keep=keep)

    def _drop(self, k: int, c: int, view: View) -> Choice:
        heads = view.attention(self._rows(view)).mean(dim=1)
        score = heads.mean(dim=0)
        order = by_score(score)
        image = view.now.image
        kept = image.take(order[:k].sort().values)
        if c:
            candidates = order[k : k + candidate_count(len(order) - k)]
            kept = kept.append(recycled(image.take(candidates), c))
        if self.positions == "original":
            kept = kept.sort()
        return ranked(view, kept, score, "attention of raters", heads, view.layer - 1)

    def _rows(self, view: View) -> tuple[int, ...]:
        layout = view.layout
        if self.query == "seg":
            return layout.I_rank
        if self.raters == "all":
            whole_answer(layout, "sparsevlm with raters='all'")
        stop = layout.usr.stop if self.raters == "user" else layout.T
        slots = torch.arange(layout.usr.start, stop)
        start = view.start
        words = start.hidden[0, start.rows(slots).to(start.hidden.device)]
        return tuple(slots[find_raters(start.image.hidden[0], words)].tolist())


def find_raters(image: Tensor, words: Tensor) -> Tensor:
    """Which words [T, d] get more than their share of the softmax that image tokens [N, d] spread over
    them: int64, ascending.
    """
    share = (image.float() @ words.float().T).softmax(dim=1).mean(dim=0).cpu()
    raters = torch.nonzero(share > share.mean()).flatten()
    return raters if len(raters) else torch.arange(len(share))


def candidate_count(dropped: int) -> int:
    """How many of the dropped tokens are clustered."""
    return int(dropped * 0.3) + 1


def kept_and_clusters(n: int, keep: int, recycle: bool) -> tuple[int, int]:
    """Of ``n`` tokens: how many stay as they are, and how many averages join them. Keeping all n drops
    nothing.
    """
    k = min(keep, n)
    return k, int(candidate_count(n - k) / 10) + 1 if recycle and k < n else 0


def recycled(candidates: ImageTokens, c: int) -> ImageTokens:
    """``c`` averages of candidates that came in falling order of score, the best centre first."""
    states = candidates.hidden[0]
    M = candidates.n
    centres, assign = density_peaks(states.float().cpu(), c, 1 - torch.arange(M) / M)
    members = torch.nn.functional.one_hot(assign, c).T.float()
    weights = members / (members.sum(dim=1, keepdim=True) + 1e-6)
    hidden = (weights.to(states) @ states)[None]
    at = candidates.take(centres)
    return ImageTokens(hidden, at.position_ids, at.slots, shares(weights @ candidates.source))


def density_peaks(x: Tensor, c: int, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Centres int64 [c], best first, and the cluster of each of the points ``x`` [M, d], int64 [M].

    Density is exp(-mean squared distance) to the c nearest points, itself included, plus ``noise`` [M] in
    millionths; a centre is dense and far from anything denser; distances are divided by sqrt(d).
    """
    distance = torch.cdist(x[None], x[None])[0] / x.shape[1] ** 0.5
    nearest = distance.topk(c, dim=1, largest=False).values
    density = (-(nearest**2).mean(dim=1)).exp() + noise * 1e-6
    denser = density[None, :] > density[:, None]
    far = torch.where(denser, distance, distance.max()).amin(dim=1)
    centres = by_score(far * density)[:c]
    assign = distance[centres].argmin(dim=0)
    assign[centres] = torch.arange(c)
    return centres, assign
