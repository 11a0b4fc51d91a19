"""A method that somebody adds: all image tokens for K layers, then every other one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch

from csp.decoder import Choice, Stage, View
from csp.knobs import check_knobs, knob
from csp.methods.base import check_L, check_N, everything


@dataclass(frozen=True)
class Toy:
    """K layers on everything, the rest on the first R image tokens of the picture."""

    K: int = knob(4, "layers that see everything", 1, "L")
    R: int = knob(40, "image tokens after them", 1, "N")
    seeds: int = knob(3, "a name that a program has for an option of its own", 1, 9)
    from_: str = knob("top", "which end stays", choices=("top", "bottom"))

    name: ClassVar[str] = "toy"
    label: ClassVar[str] = "A toy"
    paper: ClassVar[str] = ""
    budget: ClassVar[str] = "R"

    def __post_init__(self) -> None:
        check_knobs(self)

    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        K, R = check_L("K", self.K, L, 1), check_N("R", self.R, N)
        stages = (Stage("full", K, N, everything), Stage("kept", L - K, R, self._keep))
        return tuple(stage for stage in stages if stage.L)

    def amounts(self, N: int) -> range:
        return range(1, N + 1)

    def spend(self, amount: int) -> Toy:
        return replace(self, R=amount)

    def _keep(self, view: View) -> Choice:
        rows = torch.arange(view.now.n_image)
        return Choice(view.now.image.take(rows[: self.R] if self.from_ == "top" else rows[-self.R :]))
