"""No reduction: every layer sees every image token. The reference of every comparison, "dense" in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from csp.decoder import Stage
from csp.methods.base import everything


@dataclass(frozen=True)
class Full:
    """All N image tokens in all L layers; equal to ``LlamaModel.forward`` bit for bit."""

    name: ClassVar[str] = "full"
    label: ClassVar[str] = "Dense"
    paper: ClassVar[str] = ""

    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        return (Stage("full", L, N, everything),)
