"""VisionZip (CVPR 2025): [CLS], the patches it looks at, and a few averages of the rest, before the
projector.

Read off dvlab-research/VisionZip at 3151f6d. Dominant patches: largest [CLS] attention in the layer that
produced the features, summed over heads. The rest in order: every step-th is a target, all others join the
target whose head-averaged keys are most alike; a contextual token is its target plus the mean of its members,
not halved. [CLS] goes through the projector too, which it never did in training. Order: [CLS], patches
ascending, contextual; positions counted anew. Not copied: attention classes patched for the whole process, 24
layers assumed, undefined names for lists of images. The floored step leaves the end of the rest
under-represented; that is the method.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize

from csp.decoder import Choice, Stage, View
from csp.methods.base import check_knobs, check_N, in_counts, knob
from csp.methods.merge import mix
from csp.methods.rows import PLACES
from csp.tokens import top


@dataclass(frozen=True)
class VisionZip:
    """``dominant`` tokens, [CLS] among them, and ``contextual`` averages, in all layers."""

    dominant: int = knob(68, "tokens kept as they are, [CLS] included where it is kept", 1, "N")
    contextual: int = knob(12, "averages of what is left", 0, "N")
    cls: Literal["keep", "drop"] = knob("keep", "whether [CLS] becomes an image token", choices=("keep", "drop"))
    positions: str = knob("official", "rotary positions: counted anew, or original and in order", choices=PLACES)

    name: ClassVar[str] = "visionzip"
    label: ClassVar[str] = "VisionZip"
    paper: ClassVar[str] = "VisionZip, arXiv 2412.04467"
    budget: ClassVar[str] = "dominant"

    def __post_init__(self) -> None:
        check_knobs(self)

    @in_counts
    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        patches = self.dominant - (self.cls == "keep")
        check_N("dominant", patches, N, 0)
        check_N("dominant + contextual", patches + self.contextual, N)
        positions: Literal["keep", "renumber"] = "renumber" if self.positions == "official" else "keep"
        return (Stage("zipped", L, self.dominant + self.contextual, self._zip, positions),)

    def amounts(self, N: int) -> range:
        return range(2, N + 1)

    def spend(self, amount: int) -> VisionZip:
        """``amount`` tokens in all, 5 of 32 contextual: the authors' own ratio."""
        contextual = amount * 5 // 32
        return replace(self, dominant=amount - contextual, contextual=contextual)

    def _zip(self, view: View) -> Choice:
        vision = view.vision
        N = view.layout.N
        score = vision.cls_attention("prev", heads=True, over="all").sum(dim=0).float().cpu()
        kept = top(score, self.dominant - (self.cls == "keep"))
        rest = torch.ones(N, dtype=torch.bool)
        rest[kept] = False
        metric = vision.k_prev[1:].float().unflatten(-1, (vision.num_heads, -1)).mean(dim=1).cpu()
        targets, weights = contextual_weights(torch.nonzero(rest).flatten(), metric, self.contextual)
        weights = torch.cat([torch.eye(N)[kept], weights])
        centres = torch.cat([kept, targets])
        states = vision.states
        features = weights.to(states) @ states[1:]
        if self.cls == "keep":
            # [CLS] stands for no patch and takes the last image slot where positions are original.
            features = torch.cat([states[:1], features])
            weights = torch.cat([torch.zeros(1, N), weights])
            centres = torch.cat([torch.tensor([N - 1]), centres])
        image = mix(view, weights, centres, features)
        return Choice(image.sort() if self.positions == "original" else image, score, "CLS")


def contextual_weights(rest: Tensor, metric: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Targets int64 [n] among the patches ``rest``, ascending, and how much of every patch each takes up, [n,
    N].

    ``metric`` [N, c] says by cosine which target a patch joins.
    """
    weights = torch.zeros(n, len(metric))
    if n == 0:
        return rest[:0], weights
    at = torch.arange(n) * max(1, len(rest) // n)
    targets = rest[at]
    others = rest[~torch.isin(torch.arange(len(rest)), at)]
    unit = normalize(metric, dim=-1)
    joins = (unit[others] @ unit[targets].T).argmax(dim=1)
    counts = torch.bincount(joins, minlength=n)
    weights[joins, others] = 1.0 / counts[joins]
    weights[torch.arange(n), targets] = 1.0
    return targets, weights
