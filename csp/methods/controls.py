"""Negative controls: a rival's schedule with tokens that nobody ranked. A method that does not beat them
has learnt nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import ClassVar, Literal

import torch
from torch import Tensor

from csp.clusters import even_patches
from csp.decoder import Choice, Stage, View, planned
from csp.methods.base import Method, check_increasing, check_knobs, check_N, everything, in_counts, knob
from csp.tokens import ImageTokens, restore


@dataclass(frozen=True)
class Control:
    """All tokens up to the first of ``layers``, then the numbers in ``tokens``, kept blindly.

    ``random`` draws them from the run's seed; ``even`` spreads them over the grid; ``last-rows`` takes the
    end of the image, which early attention with rotary positions tends to favour. Positions are kept.
    """

    layers: tuple[int, ...] = knob((2,), "layers that have run when the number of tokens changes", 0, "L")
    tokens: tuple[int, ...] = knob((64,), "image tokens from there on", 1, "N")
    keep: Literal["random", "even", "last-rows"] = knob("random", "which tokens stay", choices=("random", "even", "last-rows"))

    name: ClassVar[str] = "control"
    label: ClassVar[str] = "Control"
    paper: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_knobs(self)
        if len(self.layers) != len(self.tokens):
            raise ValueError(f"tokens must have a number for each of layers {self.layers}, got {self.tokens}")

    @property
    def draws(self) -> bool:
        """Whether its tokens are drawn by lot, so that one seed says little."""
        return self.keep == "random"

    @classmethod
    def like(cls, method: Method, N: int, L: int, keep: Literal["random", "even", "last-rows"] = "random") -> Control:
        """The control for ``method`` at its own schedule. Raises ValueError where the image decides that."""
        counts = planned(method.plan(N, L))
        if None in counts:
            raise ValueError(f"{method.name} leaves its number of tokens to the image; give the control layers and tokens")
        starts = [next(group)[0] for _, group in groupby(enumerate(counts), key=lambda pair: pair[1])]
        if counts[0] == N and len(starts) > 1:
            starts = starts[1:]
        return cls(tuple(starts), tuple(counts[start] or 0 for start in starts), keep)

    @in_counts
    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        first, *later = self.layers
        check_increasing("layers", tuple(later), L - 1) if first == 0 else check_increasing("layers", self.layers, L)
        stages = [Stage("full", first, N, everything)]
        for s, (start, stop, n) in enumerate(zip(self.layers, (*later, L), self.tokens, strict=True)):
            check_N("tokens", n, N)
            stages.append(Stage(f"kept-{s + 1}", stop - start, n, partial(self._keep, n)))
        return tuple(stage for stage in stages if stage.L)

    def _keep(self, n: int, view: View) -> Choice:
        """``n`` of the present tokens; of all, the absent ones as they entered, where that is more than
        there are.
        """
        image = view.now.image if n <= view.now.n_image else restore(view.start.image, view.now.image)
        return Choice(image.take(self._rows(image, n, view)))

    def _rows(self, image: ImageTokens, n: int, view: View) -> Tensor:
        if self.keep == "random":
            return torch.randperm(image.n, generator=view.rng)[:n].sort().values
        if self.keep == "last-rows":
            return torch.arange(image.n - n, image.n)
        if image.n == view.layout.N:
            return even_patches(view.layout, n)
        return (2 * torch.arange(n) + 1) * image.n // (2 * n)
