"""Controls that take something away for good: the layers after K, the image after K, everything that is not a thing.

What these keep tells what the others cannot claim: an answer that stands after K layers needs no ranking, a picture that is
no longer looked at was read before, and things alone need no background.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from csp.clusters import found_in
from csp.decoder import Choice, Stage, View
from csp.knobs import check_knobs, knob
from csp.methods.base import check_L, everything


def _nothing(view: View) -> Choice:
    return Choice(view.now.image.take([]))


@dataclass(frozen=True)
class Exit:
    """K layers on everything, and the answer read there: through the final norm, no later layer run."""

    K: int = knob(14, "layers that run before the answer is read", 1, "L")

    name: ClassVar[str] = "exit"
    label: ClassVar[str] = "Exit after layer K"
    paper: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_knobs(self)

    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        K = check_L("K", self.K, L, 1)
        stages = (Stage("full", K, N, everything), Stage("not run", L - K, 0, _nothing, skip=True))
        return tuple(stage for stage in stages if stage.L)


@dataclass(frozen=True)
class Blind:
    """K layers on everything, then no image token: the words go on with what they have read."""

    K: int = knob(14, "layers that run on all image tokens", 1, "L")

    name: ClassVar[str] = "blind"
    label: ClassVar[str] = "No image token after layer K"
    paper: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_knobs(self)

    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        K = check_L("K", self.K, L, 1)
        stages = (Stage("full", K, N, everything), Stage("no image", L - K, 0, _nothing))
        return tuple(stage for stage in stages if stage.L)


@dataclass(frozen=True)
class Things:
    """In all layers the tokens of instances alone, no background: those that one covers by half, and the best-covered one of
    each that covers none so far. Needs a detector, as Seg-First does.
    """

    conf: float = knob(0.25, "least confidence of an instance", 0.05, 0.95)

    name: ClassVar[str] = "things"
    label: ClassVar[str] = "Instance tokens only"
    paper: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_knobs(self)

    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        return (Stage("things", L, None, self._keep),)

    def _keep(self, view: View) -> Choice:
        found, own = found_in(view, self.conf)
        kept = torch.unique(torch.cat([torch.zeros(0, dtype=torch.long), *own]))
        notes = () if found else ("No instance was found: no image token at all.",)
        return Choice(view.start.image.take(kept), instances=found, notes=notes)
