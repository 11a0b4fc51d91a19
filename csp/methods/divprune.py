"""DivPrune (CVPR 2025): the tokens that are least like each other, before the decoder.

Written from the rule as the paper and facts about its code give it; that code (vbdi/divprune at 799e2d9) is CC BY-NC 4.0
and none of it is here. On the projected tokens, distance 1 - cosine: first the token whose nearest neighbour is farthest,
then again and again the one whose nearest chosen token is farthest. Kept in the image's order, positions counted anew.
Not copied: chosen tokens that can come again where others equal them, an image taken to start at row 35, one sample's
choice for a whole batch. ``xy`` is ours: places in the picture joined to the features, so that the same walk is a
k-centre cover of the picture as well (the idea of EVTP-IV, arXiv 2508.11886, whose code is not public).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize

from csp.decoder import Choice, Stage, View
from csp.methods.base import check_knobs, check_N, in_counts, knob
from csp.methods.rows import PLACES, numbering
from csp.tokens import by_score
from csp.trace import Layout


@dataclass(frozen=True)
class DivPrune:
    """``T`` tokens far from each other, in all layers."""

    T: int = knob(73, "image tokens kept", 1, "N")
    xy: float = knob(0.0, "weight of a token's place beside its features; 0 is DivPrune, above it k-centre", 0.0, 100.0)
    positions: str = knob("official", "rotary positions: counted anew, or original", choices=PLACES)

    name: ClassVar[str] = "divprune"
    label: ClassVar[str] = "DivPrune"
    paper: ClassVar[str] = "DivPrune, arXiv 2503.02175"
    budget: ClassVar[str] = "T"

    def __post_init__(self) -> None:
        check_knobs(self)

    @in_counts
    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        return (Stage("diverse", L, check_N("T", self.T, N), self._keep, numbering(self.positions)),)

    def amounts(self, N: int) -> range:
        return range(1, N + 1)

    def spend(self, amount: int) -> DivPrune:
        return replace(self, T=amount)

    def _keep(self, view: View) -> Choice:
        image = view.start.image
        order, nearest = farthest(distances(image.hidden[0], places(view.layout) if self.xy else None, self.xy), self.T)
        # How far each was from those chosen before it; the others were never ranked against one another.
        score = torch.full((view.layout.N,), torch.nan).scatter(0, order, nearest)
        return Choice(image.take(order.sort().values), score, "distance")


def share(ratio: float, N: int) -> int:
    """Tokens that the authors' ``ratio`` keeps of N: rounded half to even, 16.5 to 16."""
    return round(ratio * N)


def places(layout: Layout) -> Tensor:
    """Middles of the patches, float32 [N, 2], in shares of what the vision tower saw: the whole is 1 high and 1 wide."""
    boxes, crop = torch.tensor([layout.patch_box(patch) for patch in range(layout.N)]), layout.crop
    x, y = boxes[:, [0, 2]].mean(dim=1) - crop.x0, boxes[:, [1, 3]].mean(dim=1) - crop.y0
    return torch.stack([y / (crop.y1 - crop.y0), x / (crop.x1 - crop.x0)], dim=1)


def distances(features: Tensor, places: Tensor | None = None, xy: float = 0.0) -> Tensor:
    """1 - cosine of every two of the ``features`` [N, d], float32 [N, N].

    ``xy`` > 0 adds half the squared distance of their ``places`` [N, 2], times xy squared: together half the squared
    distance of unit features with xy times their places joined to them.
    """
    unit = normalize(features.detach().float().cpu(), dim=-1)
    distance = 1 - unit @ unit.T
    if xy and places is not None:
        distance = distance + xy**2 * torch.cdist(places, places, compute_mode="donot_use_mm_for_euclid_dist") ** 2 / 2
    return distance


def farthest(distance: Tensor, T: int) -> tuple[Tensor, Tensor]:
    """Greedy max-min over ``distance`` [N, N]: T tokens in the order chosen, and how far each was from those before it (the
    first: from its nearest neighbour). A smaller T is a prefix of a larger one; equals fall to the lower index.
    """
    apart = distance.clone().fill_diagonal_(torch.inf).amin(dim=0) if len(distance) > 1 else torch.zeros(1)
    chosen = [int(by_score(apart)[0])]
    gaps = [apart[chosen[0]]]
    nearest = distance[chosen[0]].clone()
    for _ in range(T - 1):
        # What is chosen never comes again, whatever copies there are of it.
        nearest[chosen[-1]] = -torch.inf
        chosen.append(int(nearest.argmax()))
        gaps.append(nearest[chosen[-1]].clone())
        nearest = torch.minimum(nearest, distance[chosen[-1]])
    return torch.tensor(chosen), torch.stack(gaps)
