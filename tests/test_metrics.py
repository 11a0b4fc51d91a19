"""Scores and their intervals, against values counted by hand and the bootstrap written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays

from csp.metrics import Bootstrap, Estimate, Statistic, iou, mean_of, overlap

MASKS = arrays(np.bool_, (5, 4))


def test_iou_of_two_empty_masks_is_one_and_of_one_empty_mask_zero() -> None:
    assert iou([0, 0, 3], [0, 7, 4]).tolist() == [1.0, 0.0, 0.75]


@given(MASKS, MASKS)
def test_overlap_counts_pixels(mask: np.ndarray, truth: np.ndarray) -> None:
    pairs = list(zip(mask.ravel(), truth.ravel(), strict=True))
    assert overlap(mask, truth) == (sum(a and b for a, b in pairs), sum(a or b for a, b in pairs))


def test_overlap_refuses_masks_of_two_sizes() -> None:
    with pytest.raises(ValueError, match=r"\[5, 4\].*\[4, 5\]"):
        overlap(np.zeros((5, 4), bool), np.zeros((4, 5), bool))


def test_gIoU_weighs_queries_alike_and_cIoU_pixels() -> None:
    bootstrap = Bootstrap(["a", "b"])
    scenes, inside, union = ["a", "b", "b"], [1, 30, 0], [2, 40, 0]
    assert bootstrap.ratio(scenes, iou(inside, union)).value == pytest.approx((0.5 + 0.75 + 1) / 3)
    assert bootstrap.ratio(scenes, inside, union).value == pytest.approx(31 / 42)


def test_resamples_draw_whole_pictures() -> None:
    scenes = ["a", "a", "a", "b", "c"]
    values = np.array([1.0, 1.0, 1.0, 0.0, 0.0])
    drawn = Bootstrap(["a", "b", "c"], seed=3, draws=500).ratio(scenes, values).values[1:]
    # a drawn k times of three gives 3k / (3k + 3 - k), and nothing else
    possible = [3 * k / (3 * k + 3 - k) for k in range(4)]
    assert {round(v, 9) for v in drawn} == {round(v, 9) for v in possible}


def test_an_interval_narrows_as_the_square_root_of_the_pictures() -> None:
    g = np.random.default_rng(0)

    def width(n: int) -> float:
        names = [str(i) for i in range(n)]
        estimate = Bootstrap(names).ratio(names, g.normal(size=n)).estimate
        return estimate.high - estimate.low

    assert width(100) == pytest.approx(2 * 1.96 / 10, rel=0.3)
    assert width(1600) == pytest.approx(2 * 1.96 / 40, rel=0.3)


def test_a_paired_difference_knows_what_both_share() -> None:
    names = [str(i) for i in range(300)]
    hard = np.random.default_rng(1).uniform(size=300)
    bootstrap = Bootstrap(names)
    alone = bootstrap.ratio(names, hard)
    drop = bootstrap.ratio(names, hard - 0.1) - alone
    assert drop.value == pytest.approx(-0.1)
    assert drop.estimate.high - drop.estimate.low < 1e-9 < alone.estimate.high - alone.estimate.low


def test_resamples_depend_on_the_seed_alone() -> None:
    first, again, other = (Bootstrap(["x", "y", "z"], seed).ratio(["x", "y"], [0.2, 0.9]).values for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_groups_without_a_value_are_left_out_of_a_mean() -> None:
    bootstrap = Bootstrap(["x", "y"])
    mean = mean_of([bootstrap.ratio(["x"], [0.4]), bootstrap.ratio([], []), bootstrap.ratio(["y"], [0.8])])
    assert mean.value == pytest.approx(0.6)
    assert np.isnan(mean_of([bootstrap.ratio([], [])]).value)
    # A resample that draws x alone knows y's mean from no picture: its mean is x's.
    assert set(np.round(mean.values, 9)) <= {0.4, 0.6, 0.8}


def test_nothing_to_count_is_told_as_such() -> None:
    nothing = Statistic(np.full(3, np.nan), 0).estimate
    assert str(nothing) == "-"
    assert nothing.as_dict() == {"value": None, "low": None, "high": None, "n": 0}
    assert str(Estimate(0.51234, 0.4, 0.6, 9)) == "0.512 [0.400, 0.600]"
    with pytest.raises(ValueError, match="no picture"):
        Bootstrap([])


def test_an_interval_leaves_out_five_draws_in_a_hundred() -> None:
    drawn = np.random.default_rng(0).permutation(np.arange(10_001.0))
    estimate = Statistic(np.concatenate([[5000.0], drawn]), 9).estimate
    assert (estimate.low, estimate.high) == pytest.approx((250.0, 9750.0))
