"""A slice of training measured by the clock: progress in 0..1, its learning rate, a log line and a checkpoint now and then.

Training is made of slices that go on from each other's checkpoints, however many there will be: a slice warms up, stays at its
peak and comes down over its last fifth, so that every slice ends with weights worth keeping. What all slices together took is
kept beside the weights.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor, nn

from csp.park.training.optimiser import Optimiser


class Clock:
    def __init__(self, minutes: float, peak: float, log: Path, every: float = 20.0) -> None:
        self.start = time.monotonic()
        self.minutes, self.peak, self.every = minutes, peak, every
        self.log, self.step, self.said, self.saved = log, 0, self.start, self.start
        self.processor = time.process_time()
        self.totals = log.with_suffix(".json")
        self.before = (
            json.loads(self.totals.read_text()) if self.totals.exists() else {"steps": 0, "cpu_minutes": 0.0, "slices": 0}
        )
        self.sums: dict[str, float] = defaultdict(float)
        self.counts: dict[str, int] = defaultdict(int)
        log.parent.mkdir(parents=True, exist_ok=True)

    @property
    def progress(self) -> float:
        return min(1.0, (time.monotonic() - self.start) / 60 / self.minutes)

    def rate(self) -> float:
        """Learning rate now: 100 steps of warm-up, the peak, and down to 3 % of it over the last fifth."""
        return self.peak * min(1.0, (self.step + 1) / 100) * max(0.03, min(1.0, (1 - self.progress) / 0.2))

    def tick(self, optimiser: Optimiser, loss: Tensor, parameters: Iterable[nn.Parameter], clip: float = 1.0) -> None:
        for group in optimiser.param_groups:
            group["lr"] = self.rate() * group.get("share", 1.0)
        optimiser.zero_grad()
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
            line = f"{self.cpu_minutes:6.1f} min  step {self.steps:6d}  {means}"
            with self.log.open("a") as file:
                file.write(line + "\n")
            left = max(0.0, self.minutes - (now - self.start) / 60)
            print(f"{self.progress:4.0%}, {left:.0f} min left  {line}", flush=True)
            self.sums.clear()
            self.counts.clear()

    @property
    def steps(self) -> int:
        """Of all slices so far."""
        return int(self.before["steps"]) + self.step

    @property
    def cpu_minutes(self) -> float:
        """Processor time of all slices so far, this one included."""
        return float(self.before["cpu_minutes"]) + (time.process_time() - self.processor) / 60

    def keep(self) -> None:
        """Write down what training took so far."""
        found = {"steps": self.steps, "cpu_minutes": round(self.cpu_minutes, 2), "slices": int(self.before["slices"]) + 1}
        self.totals.write_text(json.dumps(found))

    def due(self, seconds: float = 60.0) -> bool:
        """True once every `seconds`: time for a checkpoint."""
        now = time.monotonic()
        if now - self.saved < seconds:
            return False
        self.saved = now
        return True
