"""How well masks agree, and how sure one may be of a mean over pictures.

gIoU is the mean IoU of single queries, an empty prediction for an empty target counting 1; cIoU is the sum of
intersections over the sum of unions. LVLM_CSP's "mIoU" is gIoU. Intervals are percentiles of a bootstrap that
draws whole pictures, since queries about one picture are not independent; two statistics on the same draws
give the interval of their difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 2000
IGNORE = 255
"""Value of a truth's pixels that are not scored."""
LEVEL = 0.95


def overlap(mask: NDArray[np.bool_], truth: NDArray[np.bool_] | NDArray[np.uint8]) -> tuple[int, int]:
    """Pixels in the intersection and in the union of a mask bool [H, W] and a truth [H, W]: 1 is the target, 255 is not
    scored, and any other value belongs to neither class, so that it counts only where the mask has it.

    Raises ValueError where their sizes differ.
    """
    if mask.shape != truth.shape:
        raise ValueError(
            f"a mask of {list(mask.shape)} cannot be compared with a truth of {list(truth.shape)}"
        )
    found, target = mask & (truth != IGNORE), truth == 1
    inside = int(np.count_nonzero(found & target))
    return inside, int(np.count_nonzero(found)) + int(np.count_nonzero(target)) - inside


class Scores(NamedTuple):
    """What LISA's ``validate()`` prints."""

    gIoU: float
    cIoU: float


def official(logits: ArrayLike, truth: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Intersections and unions of class 1 as LISA's validation counts them, int64 [K] each.

    ``logits`` [K, H, W]: above 0 is the target, 0 itself is not; ``truth`` [K, H, W] as in `overlap`. Where there are
    more of one than of the other, the rest is left out, as LISA's ``zip`` does. Raises ValueError for other shapes.
    """
    found, wanted = np.asarray(logits) > 0, np.asarray(truth)
    if found.ndim != 3 or wanted.ndim != 3 or found.shape[1:] != wanted.shape[1:]:
        raise ValueError(f"logits and truth must be [K, H, W] of one size, got {list(found.shape)} and {list(wanted.shape)}")
    pairs = np.array([overlap(mask, one) for mask, one in zip(found, wanted, strict=False)], np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def scores(intersections: ArrayLike, unions: ArrayLike) -> Scores:
    """gIoU and cIoU over all masks, with the small terms that LISA's ``validate()`` adds to its denominators."""
    inside, union = np.asarray(intersections, np.float64), np.asarray(unions, np.float64)
    if inside.shape != union.shape or inside.ndim != 1:
        shapes = f"{list(inside.shape)} and {list(union.shape)}"
        raise ValueError(f"intersections and unions must be lists of one length, got {shapes}")
    single = inside / (union + 1e-5) + (union == 0)
    return Scores(float(single.sum() / (len(single) + 1e-5)), float(inside.sum() / (union.sum() + 1e-10)))


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
