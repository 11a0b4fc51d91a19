"""What holds of any polygon, run length, ignored region and order."""

from __future__ import annotations

from itertools import groupby

import numpy as np
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from csp.data import masks
from csp.metrics import official, scores

SIZE = (17, 23)
MASKS = arrays(np.bool_, SIZE)
POINT = st.floats(-9, 40, allow_nan=False, width=32)
POLYGON = st.lists(POINT, min_size=6, max_size=16).filter(lambda p: len(p) % 2 == 0)
TRUTHS = arrays(np.uint8, (3, 5, 6), elements=st.sampled_from([0, 1, 2, 3, 255]))
LOGITS = arrays(np.float32, (3, 5, 6), elements=st.sampled_from([-1.0, 0.0, 1e-6, 2.0]))


def run_lengths(mask: np.ndarray) -> list[int]:
    runs = [(value, len(list(some))) for value, some in groupby(mask.ravel(order="F"))]
    return [0, *(n for _, n in runs)] if runs[0][0] else [n for _, n in runs]


@given(MASKS)
def test_run_lengths_are_read_column_by_column(mask: np.ndarray) -> None:
    found = masks.coco({"size": list(SIZE), "counts": run_lengths(mask)}, SIZE, "it")
    np.testing.assert_array_equal(found, mask)


@given(st.lists(POLYGON, min_size=1, max_size=3))
def test_parts_add_up_and_their_union_is_where_any_is(polygons: list[list[float]]) -> None:
    alone = [masks.coco([polygon], SIZE, "it") for polygon in polygons]
    found = masks.coco(polygons, SIZE, "it")
    np.testing.assert_array_equal(found, sum(alone))
    np.testing.assert_array_equal(masks.settled(found, "union"), np.any(alone, axis=0))
    np.testing.assert_array_equal(masks.coco(polygons[0], SIZE, "it"), alone[0])  # flat


@given(st.lists(st.lists(st.tuples(POINT, POINT), min_size=1, max_size=6), max_size=4), st.randoms())
def test_shapes_of_different_areas_may_come_in_any_order(outlines: list, random: object) -> None:
    shapes = [{"label": ("target", "Ignore me")[i % 2], "points": points} for i, points in enumerate(outlines)]
    areas = [int((masks.reasonseg([shape], SIZE, "it") > 0).sum()) for shape in shapes]
    found = masks.reasonseg(shapes, SIZE, "it")
    assert set(np.unique(found)) <= {0, 1, 255}
    if len(set(areas)) == len(areas):
        mixed = list(shapes)
        random.shuffle(mixed)  # type: ignore[attr-defined]
        np.testing.assert_array_equal(masks.reasonseg(mixed, SIZE, "it"), found)
    if areas:
        smallest = int(np.argmin(areas))
        if areas.count(areas[smallest]) == 1:
            alone = masks.reasonseg([shapes[smallest]], SIZE, "it")
            np.testing.assert_array_equal(found[alone > 0], alone[alone > 0])


@given(LOGITS, TRUTHS)
def test_the_metric_is_the_histogram_that_lisa_counts(logits: np.ndarray, truth: np.ndarray) -> None:
    inside, union = official(logits, truth)
    for k in range(3):
        pred = (logits[k] > 0).astype(int)
        pred[truth[k] == 255] = 255
        met = int((pred[pred == truth[k]] == 1).sum())
        assert (inside[k], union[k]) == (met, int((pred == 1).sum()) + int((truth[k] == 1).sum()) - met)


@given(LOGITS, TRUTHS)
def test_what_is_ignored_changes_nothing(logits: np.ndarray, truth: np.ndarray) -> None:
    turned = np.where(truth == 255, -logits - 1, logits)
    for a, b in zip(official(logits, truth), official(turned, truth), strict=True):
        np.testing.assert_array_equal(a, b)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=20), st.randoms())
def test_scores_depend_on_no_order(pairs: list[tuple[int, int]], random: object) -> None:
    pairs = [(min(pair), max(pair)) for pair in pairs]
    found = scores(*zip(*pairs, strict=True))
    random.shuffle(pairs)  # type: ignore[attr-defined]
    again = scores(*zip(*pairs, strict=True))
    assert np.allclose(found, again) and 0 <= found.gIoU <= 1 and 0 <= found.cIoU <= 1
