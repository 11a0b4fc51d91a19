"""LVLM_CSP: clustering, scattering, pruning (sections 3.1-3.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, Literal

import torch

from csp.clusters import SELECTORS, Selector, settings
from csp.decoder import Choice, Stage, View, planned
from csp.knobs import check_knobs, knob, with_knobs
from csp.methods.base import check_L, check_N, in_counts, ranked
from csp.methods.rows import answer_rows, whole_answer
from csp.tokens import restore, top
from csp.trace import Layout


@dataclass(frozen=True)
@with_knobs(settings(), after="cluster")
class CSP:
    """Lc layers reason coarsely on Nc tokens, Ls layers finely on all N, the rest on the Np that [SEG]
    attends to most.

    What single selectors take (`csp.clusters`) are knobs as well: ``uniform``, ``cls``, ``conf``. Positions are kept
    throughout (Eq. 6). Lc = 0 means no clustering stage; Ls = 0 ranks among the clustered
    tokens; Lc + Ls = L means no pruning.
    """

    Lc: int = knob(8, "layers of the clustering stage", 0, "L")
    Nc: int = knob(64, "image tokens in the clustering stage", 1, "N")
    Ls: int = knob(6, "layers of the scattering stage, all image tokens", 0, "L")
    Np: int = knob(16, "image tokens that survive into the pruning stage", 1, "N")
    cluster: str = knob("uniform", "how the clustering stage picks its tokens", choices=SELECTORS)
    row: Literal["seg", "token", "prompt", "answer", "last", "lot"] = knob(
        "seg",
        "whose attention ranks: the row that is read for [SEG] (Eq. 8), [SEG]'s own, the prompt's last, the answer's mean, the "
        "last; or a lot, with nobody asked",
        choices=("seg", "token", "prompt", "answer", "last", "lot"),
    )
    layer: Literal["last", "next"] = knob(
        "last",
        "the layer that ranks: the last scattering layer, or the first pruning layer",
        choices=("last", "next"),
    )

    name: ClassVar[str] = "csp"
    label: ClassVar[str] = "LVLM_CSP"
    paper: ClassVar[str] = "LVLM_CSP, arXiv 2504.10854"
    budget: ClassVar[str] = "Nc"

    def __post_init__(self) -> None:
        check_knobs(self)

    @in_counts
    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        Lc, Ls = check_L("Lc", self.Lc, L), check_L("Ls", self.Ls, L)
        Lp = L - Lc - Ls
        if Lp < 0:
            raise ValueError(f"Lc + Ls must be at most {L} (the decoder has {L} layers), got {Lc} + {Ls}")
        if Lc + Ls == 0:
            raise ValueError("Lc + Ls must be at least 1 (no layer would have run that could rank), got 0 + 0")
        Nc = check_N("Nc", self.Nc, N) if Lc else N
        Np = check_N("Np", self.Np, N) if Lp else N
        counted: int | None = Nc if not Lc or self.selector.exact else None
        if Ls:
            survivors: int | None = Np
        else:
            survivors = None if counted is None else min(Np, counted)
        stages = (
            Stage("clustering", Lc, counted, partial(self._cluster, Nc)),
            Stage("scattering", Ls, N, _scatter),
            Stage("pruning", Lp, survivors, self._prune),
        )
        return tuple(stage for stage in stages if stage.L)

    @property
    def selector(self) -> Selector:
        """How the clustering stage picks."""
        return SELECTORS[self.cluster]

    @property
    def draws(self) -> bool:
        """Whether its tokens are drawn by lot, so that one seed says little."""
        return self.row == "lot" or (self.Lc > 0 and self.selector.draws)

    def expected(self, N: int, L: int) -> tuple[int | None, ...]:
        """Image tokens of every layer as the paper counts them, Nc where Seg-First finds what it finds."""
        return planned(replace(self, cluster="uniform").plan(N, L))

    def amounts(self, N: int) -> range:
        return range(1, N + 1)

    def spend(self, amount: int) -> CSP:
        return replace(self, Nc=amount)

    def _cluster(self, Nc: int, view: View) -> Choice:
        """Eq. 2-5, positions as they were (Eq. 6)."""
        selector = self.selector
        picked = selector(view, Nc, **{knob.name: getattr(self, knob.name) for knob in selector.knobs})
        return Choice(
            view.start.image.take(picked.S),
            picked.score,
            picked.score_name,
            instances=picked.instances,
            notes=picked.notes,
        )

    def _prune(self, view: View) -> Choice:
        """Eq. 8: the Np present tokens that the ranking row attends to most, heads averaged."""
        image = view.now.image
        if self.row == "lot":
            drawn = torch.randperm(image.n, generator=view.rng)[: self.Np].sort().values
            return Choice(image.take(drawn))
        heads = view.attention(self._ranking(view.layout), self.layer).mean(dim=1)
        score = heads.mean(dim=0)
        kept = image.take(top(score, self.Np))
        return ranked(view, kept, score, "A_SEG", heads, view.layer - 1 if self.layer == "last" else view.layer)

    def _ranking(self, layout: Layout) -> tuple[int, ...]:
        """Slots of the rows that rank. Raises ValueError for rows of an answer that is not there."""
        who = f"csp with row={self.row!r}"
        if self.row == "answer":
            return answer_rows(layout, who)
        if self.row == "last":
            whole_answer(layout, who)
            return (layout.T - 1,)
        if self.row == "prompt":
            return (layout.usr.stop - 1,)
        if self.row == "token" and layout.seg_row == "before":
            # The token that the read-out row predicts stands right behind it.
            answer_rows(layout, who)
            return tuple(slot + 1 for slot in layout.I_seg)
        return layout.I_rank


def _scatter(view: View) -> Choice:
    """Eq. 7: everything back at its own place, tokens outside S as they entered the decoder."""
    return Choice(restore(view.start.image, view.now.image))
