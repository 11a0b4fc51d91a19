"""IVC-Prune (ICLR 2026): what the words point at, and the positions at which rotary tables come closest to real numbers.

Read off FireRedTeam/IVC-Prune at 03afd9c, the form for Llama. Before layer k the values of layer k - 1, not its queries and
keys, say what is alike: softmax of v v^T / sqrt(head width) over *all* rows, not causal, mean over heads. Question rows
(from the second after the image to the end) name seeds, seeds and question together the foreground; beside them stay the
positions whose rotary cosines and sines are largest in the mean (implicit visual coordinates), which depend on nothing but
the place of the image. Positions are kept. Seeds weigh little: three rows next to all of the question. The answer is among
the question rows when it is given; ``rows="prompt"`` leaves it out, as when the model writes. The authors also cut the keys
and values of layers 1 to k - 1 to what was kept, not of layer 0: a written answer then sees less of the picture. Not
copied: one sample's choice for a batch, a map of n^2 computed and thrown away, the image's place set by hand.

``T`` is ours: shares scaled down where T is less than they make, and foreground up to T.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from csp.decoder import Choice, Stage, View
from csp.methods.base import check_knobs, check_L, check_N, everything, in_counts, knob, ranked
from csp.methods.rows import PLACES
from csp.tokens import by_score


@dataclass(frozen=True)
class IVCPrune:
    """k layers on everything, the rest on foreground and coordinate tokens: by the authors' shares, or ``T`` of them."""

    k: int = knob(16, "layers that run on all image tokens", 1, "L")
    T: int = knob(0, "image tokens kept after them; 0: what the shares make", 0, "N")
    seeds: float = knob(0.01, "share of the tokens that the question rows name first, at least one", 0.0, 1.0)
    foreground: float = knob(0.2, "share that seeds and question rows name together", 0.0, 1.0)
    coordinates: float = knob(0.05, "share kept for the largest mean rotary cosine, and as much for the sine", 0.0, 1.0)
    rows: Literal["official", "prompt", "seg"] = knob(
        "official",
        "question rows: to the end of the sequence, to the end of the prompt, or [SEG]'s row",
        choices=("official", "prompt", "seg"),
    )
    cache: Literal["official", "whole"] = knob(
        "official",
        "a written answer's view of the first k layers: what was kept, the first layer whole, or everything",
        choices=("official", "whole"),
    )
    positions: str = knob("official", "rotary positions; IVC-Prune keeps the original ones itself", choices=PLACES)

    name: ClassVar[str] = "ivcprune"
    label: ClassVar[str] = "IVC-Prune"
    paper: ClassVar[str] = "IVC-Prune, arXiv 2602.03060"
    budget: ClassVar[str] = "T"

    def __post_init__(self) -> None:
        check_knobs(self)

    @in_counts
    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        k = check_L("k", self.k, L, 1)
        T = check_N("T", self.T, N, 0)
        memory = range(1, k) if self.cache == "official" else range(0)
        stages = (Stage("full", k, N, everything), Stage("coordinates", L - k, T or None, self._keep, forget=memory))
        return tuple(stage for stage in stages if stage.L)

    def expected(self, N: int, L: int) -> tuple[int, ...]:
        """Image tokens of every layer if foreground is found among the coordinate tokens no more often than elsewhere."""
        _, foreground, each = self._counts(N)
        n = self.T or round(foreground + 2 * each * (1 - foreground / N))
        return (N,) * self.k + (n,) * (L - self.k)

    def amounts(self, N: int) -> range:
        return range(1, N + 1)

    def spend(self, amount: int) -> IVCPrune:
        return replace(self, T=amount)

    def _counts(self, N: int) -> tuple[int, int, int]:
        """Seeds, foreground and coordinate tokens (twice) of N, rounded half to even; scaled down where T asks for fewer."""
        whole = (self.foreground + 2 * self.coordinates) * N
        scale = min(1.0, self.T / whole) if self.T and whole else 1.0
        seeds, foreground, each = (round(part * N * scale) for part in (self.seeds, self.foreground, self.coordinates))
        return max(1, seeds), foreground, each

    def _keep(self, view: View) -> Choice:
        N = view.layout.N
        seeds, foreground, each = self._counts(N)
        image = view.now.image_rows
        values = view.values()
        question = view.now.rows(self._question(view))
        named = alike(values, question)[:, image].mean(dim=0)
        first = by_score(named)[:seeds]
        anchors = torch.cat([image.start + first, question])
        score = alike(values, anchors)[:, image].mean(dim=0)
        ranking = by_score(score)
        cos, sin = (by_score(table.float().mean(dim=-1).cpu())[:each] for table in view.rotary())
        ranks = [*first.tolist(), *(i for pair in zip(cos.tolist(), sin.tolist(), strict=True) for i in pair)]
        ranks += ranking[: N if self.T else foreground].tolist()
        kept = list(dict.fromkeys(ranks))[: self.T or None]
        return ranked(view, view.now.image.take(sorted(kept)), score, "likeness of values", layer=view.layer - 1)

    def _question(self, view: View) -> range | tuple[int, ...]:
        """Slots that ask. The authors skip two rows after the image; a question that short keeps them."""
        layout = view.layout
        if self.rows == "seg":
            return layout.I_rank
        stop = layout.usr.stop if self.rows == "prompt" else layout.T
        return range(min(layout.usr.start + 2, stop - 1), stop)


def alike(values: Tensor, rows: Tensor) -> Tensor:
    """How alike the ``values`` [H, n, c] of ``rows`` int64 [r] are to everyone's: float32 [r, n], softmax over all n, mean
    over heads. Not causal.
    """
    logits = values[:, rows.to(values.device)] @ values.transpose(1, 2) * values.shape[-1] ** -0.5
    return logits.softmax(dim=-1, dtype=torch.float32).mean(dim=0).cpu()
