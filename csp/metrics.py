"""How well masks agree, and how sure one may be of a mean over pictures.

gIoU is the mean IoU of single queries, an empty prediction for an empty target counting 1; cIoU is the sum of
intersections over the sum of unions. LVLM_CSP's "mIoU" is gIoU. Intervals are percentiles of a bootstrap that
draws whole pictures, since queries about one picture are not independent; two statistics on the same draws
give the interval of their difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 2000
LEVEL = 0.95


def overlap(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> tuple[int, int]:
    """Pixels in the intersection and in the union of two bool [H, W]. Raises ValueError where their sizes
    differ.
    """
    if mask.shape != truth.shape:
        raise ValueError(
            f"a mask of {list(mask.shape)} cannot be compared with a truth of {list(truth.shape)}"
        )
    return int(np.count_nonzero(mask & truth)), int(np.count_nonzero(mask | truth))


def iou(intersection: ArrayLike, union: ArrayLike) -> NDArray[np.float64]:
    """Intersection over union, element by element; 1 where both masks are empty."""
    intersection, union = np.asarray(intersection, np.float64), np.asarray(union, np.float64)
    return np.where(union > 0, intersection / np.maximum(union, 1), 1.0)


@dataclass(frozen=True)
class Estimate:
    """A statistic over ``n`` queries with its 95 % interval; NaN where there was nothing to count."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "-"
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"

    def as_dict(self) -> dict[str, float | int | None]:
        """For JSON, which knows no NaN."""
        numbers = {name: getattr(self, name) for name in ("value", "low", "high")}
        return {**{k: None if np.isnan(v) else round(float(v), 6) for k, v in numbers.items()}, "n": self.n}


@dataclass(frozen=True, eq=False)
class Statistic:
    """One number and what it became in every resample: float64 [1 + draws], the number itself first."""

    values: NDArray[np.float64]
    n: int

    def __sub__(self, other: Statistic) -> Statistic:
        return Statistic(self.values - other.values, min(self.n, other.n))

    @property
    def value(self) -> float:
        return float(self.values[0])

    @property
    def estimate(self) -> Estimate:
        drawn = self.values[1:][~np.isnan(self.values[1:])]
        if np.isnan(self.value) or not len(drawn):
            return Estimate(self.value, float("nan"), float("nan"), self.n)
        low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Estimate(self.value, float(low), float(high), self.n)


def mean_of(statistics: Sequence[Statistic]) -> Statistic:
    """The plain mean of several statistics on the same draws, those without a value left out."""
    known = [s for s in statistics if not np.isnan(s.value)]
    if not known:
        return Statistic(np.full_like(statistics[0].values, np.nan) if statistics else np.full(2, np.nan), 0)
    values = np.stack([s.values for s in known])
    # A resample may miss a small group altogether.
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        means = np.where(there, values, 0).sum(axis=0) / there.sum(axis=0)
    return Statistic(means, sum(s.n for s in known))


class Bootstrap:
    """Resamples of pictures, the same for every statistic taken of it.

    ``pictures`` are the distinct names of all pictures; the draws depend on their number and on ``seed``
    alone.
    """

    def __init__(self, pictures: Sequence[str], seed: int = 0, draws: int = DRAWS) -> None:
        self._index = {name: i for i, name in enumerate(dict.fromkeys(pictures))}
        if not self._index:
            raise ValueError("there is nothing to resample: no picture was evaluated")
        n = len(self._index)
        g = np.random.default_rng(seed)
        counts = g.multinomial(n, np.full(n, 1 / n), size=draws)
        # The first row is the sample as it is.
        self._weights = np.vstack([np.ones(n), counts]).astype(np.float64)

    def ratio(self, pictures: Sequence[str], above: ArrayLike, below: ArrayLike | None = None) -> Statistic:
        """Sum of ``above`` over sum of ``below`` (1 each: their mean), a value per query, each query in its
        picture.
        """
        above = np.asarray(above, np.float64)
        below = np.ones(len(above)) if below is None else np.asarray(below, np.float64)
        at = [self._index[name] for name in pictures]
        size = len(self._index)
        numerator = self._weights @ np.bincount(at, above, size) if at else np.zeros(len(self._weights))
        denominator = self._weights @ np.bincount(at, below, size) if at else np.zeros(len(self._weights))
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.where(denominator > 0, numerator / denominator, np.nan)
        return Statistic(values, len(above))
