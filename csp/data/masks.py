"""Polygons and run lengths to masks, pixel by pixel as the official readers draw them.

COCO's rules come from pycocotools; ReasonSeg's from OpenCV's ``polylines`` and ``fillPoly``, of which the latter changed
in OpenCV 4.11: reports name the version.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csp.data.items import Overlap
from csp.images import MAX_PIXELS
from csp.metrics import IGNORE

Mask = NDArray[np.uint8]
FURTHEST = 1e6
"""How far from the picture's corner a point may lie: the drawn outline costs time and memory with its length."""


def check_size(height: Any, width: Any, where: str) -> tuple[int, int]:
    """(height, width) of a picture that a file tells the size of."""
    for value in (height, width):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{where}: height and width must be whole numbers from 1, got {height!r:.40} and {width!r:.40}")
    if height * width > MAX_PIXELS:
        raise ValueError(f"{where}: {width} x {height} is more than {MAX_PIXELS // 10**6} megapixels")
    return height, width


def coco(segmentation: Any, size: tuple[int, int], where: str) -> NDArray[np.int64]:
    """How many parts of a COCO segmentation cover each pixel, int64 [H, W].

    ``segmentation`` is a list of polygons, a single flat polygon, a run-length dict (counts as a list or compressed), a
    list of those, or empty. Raises ValueError for what is none of them.
    """
    from pycocotools import mask

    if not isinstance(segmentation, list | dict):
        raise ValueError(f"{where}: a segmentation is a list of polygons or a run-length dict, got {segmentation!r:.60}")
    if not segmentation:
        return np.zeros(size, np.int64)
    parts = [segmentation] if isinstance(segmentation, dict) or not isinstance(segmentation[0], list | dict) else segmentation
    try:
        if isinstance(parts[0], dict):
            codes = [_run_lengths(part, size, where) for part in parts]
        else:
            for part in parts:
                _check_points(part, where)
            codes = mask.frPyObjects(parts, *size)
        return np.asarray(mask.decode(codes).astype(np.int64).sum(axis=2))
    except ValueError as error:
        raise error if str(error).startswith(where) else ValueError(f"{where}: {error}") from error
    except Exception as error:  # pycocotools raises TypeError for two points, which it takes for a box, and bare Exceptions
        raise ValueError(f"{where}: not a polygon of three points or more ({str(error)[:80]})") from error


def _run_lengths(part: Any, size: tuple[int, int], where: str) -> dict[str, Any]:
    from pycocotools import mask

    if not isinstance(part, dict) or "counts" not in part:
        raise ValueError(f"{where}: run lengths need counts, got {part!r:.60}")
    if list(part.get("size", size)) != list(size):
        raise ValueError(f"{where}: run lengths of {part['size']!r:.40} in a picture of {list(size)}")
    counts = part["counts"]
    if isinstance(counts, str | bytes):
        return {"size": list(size), "counts": counts.encode() if isinstance(counts, str) else counts}
    whole = isinstance(counts, list) and all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in counts)
    if not whole or sum(counts) != size[0] * size[1]:
        raise ValueError(f"{where}: run lengths must be whole numbers that sum to {size[0] * size[1]}")
    return dict(mask.frPyObjects({"size": list(size), "counts": counts}, *size))


def _check_points(part: Any, where: str) -> None:
    try:
        points = np.asarray(part, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: a polygon is a list of numbers, got {part!r:.60}") from error
    if not (np.abs(points) <= FURTHEST).all():
        raise ValueError(f"{where}: a polygon has a point that is no number or beyond {FURTHEST:.0f} pixels")


def settled(parts: NDArray[np.int64], overlap: Overlap) -> Mask:
    """Counts of parts as a truth: as they are, or their union."""
    return (parts > 0).astype(np.uint8) if overlap == "union" else parts.astype(np.uint8)


def reasonseg(shapes: Sequence[Any], size: tuple[int, int], where: str) -> Mask:
    """ReasonSeg's polygons, uint8 [H, W]: the largest first, 1 for a target and 255 for what is not scored."""
    import cv2

    drawn: list[tuple[int, NDArray[np.int32], int]] = []
    for shape in shapes:
        label, points = _shape(shape, where)
        if label == "flag":
            continue
        alone = np.zeros(size, np.uint8)
        _paint(cv2, alone, points, 1)
        drawn.append((int(np.count_nonzero(alone)), points, IGNORE if "ignore" in label else 1))
    found = np.zeros(size, np.uint8)
    order = np.argsort([area for area, _, _ in drawn], kind="stable")[::-1]
    for at in order:
        _paint(cv2, found, drawn[at][1], drawn[at][2])
    return found


def _paint(cv2: Any, mask: Mask, points: NDArray[np.int32], value: int) -> None:
    cv2.polylines(mask, points[None], True, value, 1)
    cv2.fillPoly(mask, points[None], value)


def _shape(shape: Any, where: str) -> tuple[str, NDArray[np.int32]]:
    if not isinstance(shape, Mapping) or not isinstance(shape.get("label"), str) or "points" not in shape:
        raise ValueError(f"{where}: a shape needs a label and points, got {shape!r:.60}")
    label = shape["label"].lower()
    if label == "flag":
        return label, np.zeros((0, 2), np.int32)
    try:
        points = np.asarray(shape["points"], np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: points must be pairs of numbers, got {shape['points']!r:.60}") from error
    if points.ndim != 2 or points.shape[1] != 2 or not len(points) or not (np.abs(points) <= FURTHEST).all():
        raise ValueError(f"{where}: points must be pairs of numbers within {FURTHEST:.0f} pixels, got {shape['points']!r:.60}")
    # Cut toward zero, as LISA does: not rounded.
    return label, points.astype(np.int32)
