"""From one data set's rows to what a table needs of each run, gone through once and kept as plain columns of numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from csp.evaluation.runs import DENSE, Row
from csp.metrics import Bootstrap, Statistic, iou, mean_of, scores


@dataclass(eq=False)
class _Columns:
    """One run's rows: the pictures by number, intersections and unions, and the sums of a bill."""

    picture: list[int] = field(default_factory=list)
    query: list[int] = field(default_factory=list)
    inside: list[int] = field(default_factory=list)
    union: list[int] = field(default_factory=list)
    n_avg: float = 0.0
    flops: float = 0.0
    ms: list[float] = field(default_factory=list)


class Tally:
    """Scores of every run on one data set, all on the same resamples of its pictures."""

    def __init__(self, rows: Iterable[Row], seed: int = 0) -> None:
        self.pictures: dict[str, int] = {}
        self._runs: dict[str, _Columns] = {}
        for row in rows:
            number = self.pictures.setdefault(row["scene"], len(self.pictures))
            run = self._runs.setdefault(row["run"], _Columns())
            run.picture.append(number)
            run.query.append(row["query"])
            run.inside.append(row["I"])
            run.union.append(row["U"])
            run.n_avg += row["n_avg"]
            run.flops += row["flops"]
            run.ms.append(row["ms"].get("decoder", 0.0) + row["ms"].get("select", 0.0))
        if not self.pictures:
            raise ValueError("there is nothing to score: no query of a picture that could be read has a truth")
        self._names = list(self.pictures)
        self._bootstrap = Bootstrap(self._names, seed)

    @property
    def runs(self) -> tuple[str, ...]:
        return tuple(self._runs)

    def gIoU(self, runs: Iterable[str]) -> Statistic:
        """Mean IoU over samples; over several runs (seeds), the mean of theirs."""
        return mean_of([self._ratio(name, self._iou(name)) for name in runs])

    def cIoU(self, runs: Iterable[str]) -> Statistic:
        return mean_of([self._ratio(name, self._runs[name].inside, self._runs[name].union) for name in runs])

    def change(self, runs: Iterable[str]) -> Statistic:
        """gIoU less the dense run's, paired on the same pictures."""
        return self.gIoU(runs) - self.gIoU([DENSE])

    def official(self, runs: Iterable[str]) -> tuple[float, float]:
        """gIoU and cIoU as LISA's validate() has them, the mean over seeds."""
        found = [scores(self._runs[name].inside, self._runs[name].union) for name in runs]
        return float(np.mean([s.gIoU for s in found])), float(np.mean([s.cIoU for s in found]))

    def bill(self, runs: Iterable[str]) -> Mapping[str, float]:
        """Mean image tokens a layer, decoder TFLOPs, and the median milliseconds in the decoder while tables were made."""
        chosen = [self._runs[name] for name in runs]
        n = sum(len(run.picture) for run in chosen)
        return {
            "n": n // len(chosen),
            "N_avg": sum(run.n_avg for run in chosen) / n,
            "TFLOPs": sum(run.flops for run in chosen) / n / 1e12,
            "ms": median(ms for run in chosen for ms in run.ms),
        }

    def extremes(self, run: str, count: int = 2) -> list[tuple[str, int, float]]:
        """(picture, query, change of IoU against dense): where a run loses most, and where it gains most or loses least."""
        dense = dict(zip(self._keys(DENSE), self._iou(DENSE), strict=True))
        changes = [(value - dense[key], key) for key, value in zip(self._keys(run), self._iou(run), strict=True)]
        changes.sort(key=lambda change: change[0])
        chosen = changes[:count] + changes[max(count, len(changes) - count) :]
        return [(self._names[picture], query, float(change)) for change, (picture, query) in chosen]

    def _keys(self, run: str) -> list[tuple[int, int]]:
        return list(zip(self._runs[run].picture, self._runs[run].query, strict=True))

    def _iou(self, run: str) -> Any:
        return iou(self._runs[run].inside, self._runs[run].union)

    def _ratio(self, run: str, above: Any, below: Any = None) -> Statistic:
        return self._bootstrap.ratio([self._names[number] for number in self._runs[run].picture], above, below)
