"""A training run measured by the clock: progress in 0..1, warm-up and cosine, a log line and a checkpoint now and then."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor, nn


class Clock:
    def __init__(self, minutes: float, peak: float, log: Path, every: float = 20.0) -> None:
        self.start = time.monotonic()
        self.minutes, self.peak, self.every = minutes, peak, every
        self.log, self.step, self.said, self.saved = log, 0, self.start, self.start
        self.sums: dict[str, float] = defaultdict(float)
        self.counts: dict[str, int] = defaultdict(int)
        log.parent.mkdir(parents=True, exist_ok=True)

    @property
    def progress(self) -> float:
        return min(1.0, (time.monotonic() - self.start) / 60 / self.minutes)

    def rate(self) -> float:
        """Learning rate now: 100 steps of warm-up, then a cosine to 2 % of the peak at the end of the time."""
        return (
            self.peak
            * min(1.0, (self.step + 1) / 100)
            * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * self.progress)))
        )

    def tick(
        self, optimiser: torch.optim.Optimizer, loss: Tensor, parameters: Iterable[nn.Parameter], clip: float = 1.0
    ) -> None:
        for group in optimiser.param_groups:
            group["lr"] = self.rate() * group.get("share", 1.0)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(list(parameters), clip)
        optimiser.step()
        self.step += 1

    def note(self, **values: float) -> None:
        for name, value in values.items():
            self.sums[name] += value
            self.counts[name] += 1
        now = time.monotonic()
        if now - self.said >= self.every:
            self.said = now
            means = "  ".join(f"{n} {self.sums[n] / self.counts[n]:.3f}" for n in self.sums)
            line = f"{(now - self.start) / 60:6.1f} min  step {self.step:6d}  {means}"
            with self.log.open("a") as file:
                file.write(line + "\n")
            self.sums.clear()
            self.counts.clear()

    def due(self, seconds: float = 60.0) -> bool:
        """True once every `seconds`: time for a checkpoint."""
        now = time.monotonic()
        if now - self.saved < seconds:
            return False
        self.saved = now
        return True
