"""Kept indices of anybody's method on a picture, drawn as survivors are drawn here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from csp import images
from csp.checks import check_integer
from csp.render import overlays
from csp.types import Box, Cost, Layout, Request, Result, StageRecord, Trace

if TYPE_CHECKING:
    from PIL import Image

Crop = Literal["whole", "center"] | Sequence[float]


def show_kept(
    picture: Any, kept: Any, grid: int | tuple[int, int], *, score: Any = None, crop: Crop = "whole", side: int = 512
) -> Image.Image:
    """A picture with its kept image tokens ringed and the others darkened, as a PIL image.

    picture: whatever `csp.images.read` takes. kept: indices of the patches in row-major order, or a bool per patch; a list, an
    array or a tensor. grid: (rows, columns) of the patches, or their number on each side. score: a number per patch; the
    nine highest of those kept are numbered. crop: the part of the picture that the grid covers: "whole", "center" (the
    largest centred square) or (x0, y0, x1, y1) in pixels. side: pixels of the longer side.

    Raises ValueError for an index that the grid does not have, saying how many there are.
    """
    image = images.read(picture)
    rows, cols = (grid, grid) if isinstance(grid, int) else grid
    N = check_integer("rows", rows, 1, 512) * check_integer("columns", cols, 1, 512)
    check_integer("side", side, 16, 8192)
    layout = Layout(0, N, 1, 0, (rows, cols), _crop(crop, image), (N,))
    patches, scores = _patches(kept, N, rows, cols), None if score is None else _scores(score, N)
    everything = _stage("all", 0, np.arange(N), N)
    left = _stage("kept", 1, patches, N, scores)
    run = _run(image, layout, everything, left)
    from PIL import Image

    return Image.fromarray(overlays.tokens(run, left, side, ranks=0 if scores is None else 9))


def _array(value: Any) -> NDArray[Any]:
    """A list, an array or a tensor wherever it lies, as an array of one axis."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value).ravel()


def _patches(kept: Any, N: int, rows: int, cols: int) -> NDArray[np.int64]:
    given = _array(kept)
    if given.dtype == bool:
        if len(given) != N:
            raise ValueError(f"kept must have a bool for each of {N} patches ({rows} x {cols}), got {len(given)}")
        return np.flatnonzero(given)
    if len(given) and not np.issubdtype(given.dtype, np.integer):
        raise ValueError(f"kept must be indices of patches or a bool per patch, got {given.dtype} numbers")
    for index in given:
        check_integer("kept", int(index), 0, N - 1, f"{rows} x {cols} patches; leave out what stands before the image tokens")
    return np.unique(given).astype(np.int64)


def _scores(score: Any, N: int) -> NDArray[np.float32]:
    given = _array(score).astype(np.float32)
    if len(given) != N:
        raise ValueError(f"score must have a number for each of {N} patches, got {len(given)}")
    return given


def _crop(crop: Crop, image: NDArray[np.uint8]) -> Box:
    height, width = image.shape[:2]
    if isinstance(crop, str):
        if crop not in ("whole", "center"):
            raise ValueError(f"crop must be whole, center or (x0, y0, x1, y1), got {crop!r}")
        inner = (min(height, width),) * 2 if crop == "center" else (height, width)
        top, left = (height - inner[0]) / 2, (width - inner[1]) / 2
        return Box(left, top, left + inner[1], top + inner[0])
    if len(crop) != 4 or not (crop[0] < crop[2] and crop[1] < crop[3]):
        raise ValueError(f"crop must be whole, center or (x0, y0, x1, y1) with x0 < x1 and y0 < y1, got {crop!r}")
    return Box(*map(float, crop))


def _stage(name: str, layer: int, patches: NDArray[Any], N: int, score: NDArray[np.float32] | None = None) -> StageRecord:
    return StageRecord(name, layer, 1, np.eye(N, dtype=np.float32)[patches], patches, patches, score)


def _run(image: NDArray[np.uint8], layout: Layout, *stages: StageRecord) -> Result:
    """What the overlays read: a run of these stages, without masks."""
    counts = tuple(stage.n for stage in stages)
    unseen = np.full((len(stages), layout.N), np.nan, np.float32)
    trace = Trace(layout, stages, unseen, unseen[:, :1], None, {}, counts, float(np.mean(counts)))
    empty = np.zeros((0, 1, 1), np.float32)
    request = Request(image, "kept", "kept")
    return Result(request, empty, empty[:, 0, 0], empty[:, 0], trace, Cost(counts, trace.n_avg, 0, 0, 0.0), image.shape[:2], 1)
