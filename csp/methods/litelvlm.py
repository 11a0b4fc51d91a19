"""LiteLVLM (ICML 2026): the patches least like the words, before the projector; made for pixel grounding.

Read off sejong-rcv/LiteLVLM at 5896153. In CLIP's common space patches of what is named are *less* like the words than
others, so each of M texts keeps its T // M lowest products (nothing normalised); their union is filled up with context:
[CLS]'s attention in the tower's last layer, queries and keys of full width normalised, times the length of a patch's
values. The logits lie within one part in sqrt(C), so that the rank is mostly the values' length. Order in the decoder:
context by falling score, then the others ascending; positions counted anew. With one text, as here, the lowest products
alone make up T and no context is used. Not copied: one sample, questions cut silently at 77 tokens, 575 written into the
read-out of the authors' generation. Their decoder, GLaMM's, was never run here.
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
from csp.tokens import by_score


@dataclass(frozen=True)
class LiteLVLM:
    """``T`` patches by likeness to the words, the least alike first, in all layers."""

    T: int = knob(73, "image tokens kept", 1, "N")
    like: Literal["lowest", "highest"] = knob(
        "lowest", "which likeness to the words stays: the lowest, as published, or the highest", choices=("lowest", "highest")
    )
    text: str = knob("question", "words to compare with: the whole question, or the query alone", choices=TEXTS)
    space: str = knob("clip", MEETING, choices=SPACES, wordless="words")
    positions: str = knob("official", "rotary positions: counted anew, or original and in order", choices=PLACES)

    name: ClassVar[str] = "litelvlm"
    label: ClassVar[str] = "LiteLVLM"
    paper: ClassVar[str] = "LiteLVLM, arXiv 2605.13178"
    budget: ClassVar[str] = "T"

    def __post_init__(self) -> None:
        check_knobs(self)

    @in_counts
    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        return (Stage("grounded", L, check_N("T", self.T, N), self._keep, numbering(self.positions)),)

    def amounts(self, N: int) -> range:
        return range(1, N + 1)

    def spend(self, amount: int) -> LiteLVLM:
        return replace(self, T=amount)

    def _keep(self, view: View) -> Choice:
        patches, texts = common_space(view, self.name, self.space, self.text, long="cut")
        similarity = (texts.float() @ patches.float().T).cpu()
        vision = view.vision
        if vision.v_last is None:
            raise ValueError("litelvlm reads the last layer of a CLIP tower, which this model has not; choose another method")
        context = context_scores(vision.q_last, vision.k_last[1:], vision.v_last[1:])
        order = select(similarity if self.like == "lowest" else -similarity, context, self.T)
        image = view.start.image.take(order)
        return Choice(image.sort() if self.positions == "original" else image, similarity.mean(dim=0), "likeness")


def context_scores(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """float32 [N]: how much of a patch's values [N, C] the attention of [CLS] ``q`` [C] over its keys [N, C] takes up."""
    q, k, v = (t.detach().float().cpu() for t in (q, k, v))
    logits = normalize(k, dim=-1) @ normalize(q, dim=-1) * q.shape[-1] ** -0.5
    return (logits.softmax(dim=-1)[:, None] * v).norm(dim=-1)


def select(similarity: Tensor, context: Tensor, T: int) -> Tensor:
    """T patches, int64 in the order handed on: context by falling score, then the lowest of each row of ``similarity``
    [M, N], ascending. Equals fall to the lower index.
    """
    each = T // len(similarity)
    lowest = torch.zeros(similarity.shape[1], dtype=torch.bool)
    for row in similarity:
        lowest[by_score(-row)[:each]] = True
    union = torch.nonzero(lowest).flatten()
    ranking = by_score(context)
    return torch.cat([ranking[~lowest[ranking]][: T - len(union)], union])
