"""Fair times on a machine that does other things too: jobs take turns in random order, and ratios are taken within a round."""

from __future__ import annotations

import os
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

CLOCKS = ("wall", "cpu")


class Spread(NamedTuple):
    """A median with the least and the most of what it is the median of."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """The median of ``values`` and what they lie between. Raises ValueError for none."""
    if not values:
        raise ValueError("a median needs at least one value")
    return Spread(statistics.median(values), min(values), max(values))


def ratios(over: Sequence[float], under: Sequence[float]) -> Spread:
    """``over`` by ``under``, round by round: what slows a whole round down cancels out."""
    return spread([a / b for a, b in zip(over, under, strict=True)])


@dataclass(frozen=True)
class Rounds:
    """How to take turns: at least one round, at most ``rounds``, and none begun after ``seconds`` of wall time.

    ``clock`` "wall" is what a user waits for; "cpu" counts this process's own processor time over all its threads, so
    that other programs' turns on a shared machine do not count. ``synchronize`` drains a device's queue first.
    """

    rounds: int = 5
    seconds: float = 240.0
    clock: Literal["wall", "cpu"] = "wall"
    seed: int = 0
    synchronize: Callable[[], None] = lambda: None

    def time(self, jobs: Mapping[str, Callable[[], Any]], warm: Sequence[str] | None = None) -> dict[str, list[float]]:
        """Seconds of every job, a value a round. Before that ``warm`` (default: all) run once, uncounted."""
        began, rng = time.perf_counter(), random.Random(self.seed)
        for name in jobs if warm is None else warm:
            jobs[name]()
        times: dict[str, list[float]] = {name: [] for name in jobs}
        order = list(jobs)
        for turn in range(self.rounds):
            if turn and time.perf_counter() - began > self.seconds:
                break
            rng.shuffle(order)
            for name in order:
                times[name].append(self._once(jobs[name]))
        return times

    def _once(self, job: Callable[[], Any]) -> float:
        now = time.perf_counter if self.clock == "wall" else time.process_time
        self.synchronize()
        start = now()
        job()
        self.synchronize()
        return now() - start


def p95(values: Sequence[float]) -> float:
    """The 95th percentile, one of the values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]


def machine() -> str:
    """Where this was measured: processor, cores, Python, and torch with its threads and GPU if it was loaded."""
    parts = [f"{platform.machine()} ({_processor()})", f"{os.cpu_count()} cores", f"Python {platform.python_version()}"]
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        parts += [f"torch {torch.__version__}", f"{torch.get_num_threads()} threads"]
        if torch.cuda.is_available():
            parts.append(torch.cuda.get_device_name())
    return ", ".join(parts)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.system())
