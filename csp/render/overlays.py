"""Pictures of one run: each function takes a `Result` and returns uint8 RGB [h, w, 3], its longer side
`side` pixels.

All read only the result; colours come from `palette`, places from `frame`, states and order from `views`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage, ImageDraw, ImageFont

from csp.render import palette, views
from csp.render.frame import Frame, Image
from csp.types import Result, StageRecord

SIDE = 512
NUMBER = 0.62
"""Height of a rank's digits as a share of the patch."""


def seen(result: Result, side: int = SIDE) -> Image:
    """What the vision tower saw: the patch grid inside the crop, hatching outside it."""
    frame = _frame(result, side)
    out = _unseen(frame, frame.picture.copy())
    lines = np.zeros(frame.size, bool)
    corners, first = [], 0
    for tile in frame.layout.views:
        box = frame.boxes[first : first + tile.N]
        (x0, y0), (x1, y1) = box[:, :2].min(axis=0), box[:, 2:].max(axis=0)
        lines[y0:y1, [x for x in np.unique(box[:, 0])[1:] if x < x1]] = True
        lines[[y for y in np.unique(box[:, 1])[1:] if y < y1], x0:x1] = True
        corners.append(((int(x0), int(y0)), (int(x1) - 1, int(y1) - 1)))
        first += tile.N
    out = _blend(out, (255, 255, 255), lines * 0.38)
    for corner in corners:
        cv2.rectangle(out, *corner, palette.CROP.color, max(1, side // 256))
    return _named(frame, out)


def tokens(result: Result, stage: str | StageRecord, side: int = SIDE, ranks: int = 0) -> Image:
    """Which patches take part in a stage: ringed those that do, veiled those that wait, darkened those that
    are gone.

    stage: a record of the trace, or its name (ValueError when it did not run). ranks: how many of the
    highest scores to number. Merged tokens ring their centre; the patches folded into them stay clear.
    """
    trace = result.trace
    record = _record(result, stage)
    frame = _frame(result, side)
    state = views.states(trace, record)
    out = frame.picture.copy()
    for name in ("dormant", "pruned"):
        out = _veil(frame, out, state == name, palette.STATES[name])
    out = _unseen(frame, out)
    centre = views.centres(trace, record)
    for name in ("restored", "representative", "survivor"):
        look = palette.STATES[name]
        if name == "representative" and views.kind(trace, record) == "all":
            look = palette.RESTORED
        out = _rings(frame, out, [p for p in centre if p >= 0 and state[p] == name], look)
    if ranks:
        first = views.ranking(trace, record)[:ranks]
        out = _numbers(frame, out, [(patch, str(i + 1)) for i, patch in enumerate(first)])
    return _named(frame, out)


def heat(
    result: Result,
    values: NDArray[np.floating],
    side: int = SIDE,
    *,
    scale: str = "sqrt",
    cmap: str = palette.HEAT,
    opacity: float = 0.85,
    mark: int = 0,
    smooth: bool = False,
) -> Image:
    """A number per patch as colour over the greyed picture.

    values: float [N], NaN where the patch took no part (drawn as dormant). scale: one of `views.SCALES`.
    opacity 0..1. mark: how many of the largest values to ring and number. smooth: interpolate between
    patches; off, because a patch has one number.
    """
    frame = _frame(result, side)
    if np.shape(values) != (result.trace.layout.N,):
        raise ValueError(
            f"values must be [N] = [{result.trace.layout.N}], got {list(np.shape(values))}; pass one row"
        )
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity must be in 0..1, got {opacity}")
    unit = views.scaled(values, scale)
    level = frame.spread(np.nan_to_num(unit), 0.0).astype(np.float32)
    if smooth:
        level = np.asarray(cv2.GaussianBlur(level, (0, 0), max(frame.cell / 2.5, 0.5)))
    grey = cv2.cvtColor(cv2.cvtColor(frame.picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    colour = palette.colormap(cmap)[(level * 255 + 0.5).astype(np.uint8)]
    # Weak attention lets the picture through, strong attention covers it: the eye keeps its bearings.
    alpha = frame.spread(np.isfinite(unit), False) * (opacity * (0.15 + 0.85 * level))
    out = _mix(np.asarray(grey, np.uint8), colour, alpha)
    out = _veil(frame, out, ~np.isfinite(unit), palette.DORMANT)
    out = _unseen(frame, out)
    if mark:
        order = np.argsort(np.where(np.isfinite(values), -values, np.inf), kind="stable")
        top = [int(p) for p in order[:mark] if np.isfinite(values[p])]
        out = _rings(frame, out, top, palette.State("largest", (255, 255, 255), ring=0.10))
        out = _numbers(frame, out, [(patch, str(i + 1)) for i, patch in enumerate(top)])
    return _named(frame, out)


def attention(result: Result, layers: Iterable[int] | None = None, side: int = SIDE, **style: Any) -> Image:
    """The [SEG] row over the patches (Eq. 8), mean of the layers given; by default those of
    `views.focus_layers`. style: as `heat`.
    """
    trace = result.trace
    return heat(
        result, views.attention(trace, views.focus_layers(trace) if layers is None else layers), side, **style
    )


def mask(
    result: Result,
    side: int = SIDE,
    *,
    dense: NDArray[np.bool_] | None = None,
    truth: NDArray[np.bool_] | None = None,
    own: NDArray[np.bool_] | None = None,
    fill: bool = True,
) -> Image:
    """The mask, filled and outlined, with the dense model's outline dashed and the true one dotted where
    they are given, bool [H, W].

    own: draw this mask in place of `result.mask` (another threshold).
    """
    frame = _frame(result, side, apart=False)
    ours = frame.mask(result.mask if own is None else own)
    out = frame.picture.copy()
    if fill:
        grey = np.asarray(cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)
        out = _blend(_mix(out, grey, ~ours * 0.8), (0, 0, 0), ~ours * 0.25)
        out = _blend(out, palette.MASK.color, ours * palette.MASK_ALPHA)
    out = _outline(out, ours, palette.MASK)
    for other, line in ((dense, palette.DENSE), (truth, palette.TRUTH)):
        if other is not None:
            _same_size(result, other, line.label)
            out = _outline(out, frame.mask(other), line)
    return out


def difference(result: Result, dense: NDArray[np.bool_], side: int = SIDE) -> Image:
    """Where the mask and the dense mask (bool [H, W]) disagree: only ours in the mask's colour, hatched
    only theirs, shared in white.
    """
    _same_size(result, dense, "dense mask")
    frame = _frame(result, side, apart=False)
    ours, theirs = frame.mask(result.mask), frame.mask(dense)
    grey = cv2.cvtColor(cv2.cvtColor(frame.picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    out = _blend(np.asarray(grey, np.uint8), (0, 0, 0), np.full(frame.size, 0.45))
    out = _blend(out, (255, 255, 255), (ours & theirs) * 0.5)
    out = _blend(out, palette.MASK.color, (ours & ~theirs) * 0.85)
    out = _blend(out, palette.DENSE.color, (theirs & ~ours) * 0.6)
    return _blend(out, palette.DENSE.color, (theirs & ~ours & _hatching(frame)) * 1.0)


def mask_png(result: Result) -> Image:
    """The union mask as a picture of the input's own size, uint8 [H, W], 0 or 255."""
    return result.mask.astype(np.uint8) * 255


def _frame(result: Result, side: int, apart: bool = True) -> Frame:
    return Frame.of(result.request.image, result.trace.layout, side, apart)


def _named(frame: Frame, out: Image) -> Image:
    """Write beside the thumbnail what it is."""
    box = frame.canvas.apart
    if box is None:
        return out
    x0, y0, x1, y1 = (edge * scale for edge, scale in zip(box, frame.scale * 2, strict=True))
    size = max(9, round(max(frame.size) / 26))
    page = PILImage.fromarray(out)
    below = x0 == 0
    at, anchor = ((x1 + size / 2, y0), "la") if below else ((x0, y1 + size / 3), "la")
    ImageDraw.Draw(page).text(at, "thumbnail", fill=(70, 70, 70), font=ImageFont.load_default(size), anchor=anchor)
    return np.asarray(page)


def _record(result: Result, stage: str | StageRecord) -> StageRecord:
    if isinstance(stage, StageRecord):
        return stage
    record = result.trace.stage(stage)
    if record is None:
        ran = ", ".join(s.name for s in result.trace.stages)
        raise ValueError(f"stage {stage!r} did not run; this run has {ran}")
    return record


def _same_size(result: Result, other: NDArray[np.bool_], label: str) -> None:
    if other.shape != result.request.image.shape[:2]:
        size = list(result.request.image.shape[:2])
        raise ValueError(
            f"{label} must have the picture's size {size}, got {list(other.shape)}; resize it first"
        )


def _mix(under: Image, over: Image, alpha: NDArray) -> Image:
    """over on under, alpha [h, w] in 0..1."""
    weight = np.rint(np.asarray(alpha, np.float32) * 256).astype(np.int32)[..., None]
    return ((under.astype(np.int32) * (256 - weight) + over.astype(np.int32) * weight) >> 8).astype(np.uint8)


def _blend(under: Image, color: palette.RGB, alpha: NDArray) -> Image:
    return _mix(under, np.broadcast_to(np.asarray(color, np.uint8), under.shape), alpha)


def _hatching(frame: Frame) -> NDArray[np.bool_]:
    """Lines at 45 degrees over the whole frame."""
    h, w = frame.size
    period = max(6, round(max(h, w) / 48))
    return (np.add.outer(np.arange(h), np.arange(w)) % period) < max(1, period // 5)


def _unseen(frame: Frame, out: Image) -> Image:
    """Hatch what the vision tower never saw."""
    outside = frame.unseen
    if not outside.any():
        return out
    look = palette.UNSEEN
    out = _blend(out, look.veil, outside * look.veil_alpha)
    return _blend(out, (225, 225, 225), (outside & _hatching(frame)) * 0.55)


def _veil(frame: Frame, out: Image, patches: NDArray[np.bool_], look: palette.State) -> Image:
    """Lay a state's veil, and its dots, over the patches marked in bool [N]."""
    if not patches.any():
        return out
    out = _blend(out, look.veil, frame.spread(patches, False) * look.veil_alpha)
    if look.texture == "dots":
        radius = max(1, round(frame.cell * 0.07))
        for patch in np.flatnonzero(patches):
            x0, y0, x1, y1 = frame.box(patch)
            if x1 - x0 > 3 * radius and y1 - y0 > 3 * radius:
                cv2.circle(out, ((x0 + x1) // 2, (y0 + y1) // 2), radius, (235, 235, 235), -1, cv2.LINE_AA)
    return out


def _rings(frame: Frame, out: Image, patches: Sequence[int | np.integer], look: palette.State) -> Image:
    """A ring inside each patch, its colour edged in white so that it stands on any ground."""
    if not look.ring:
        return out
    out = np.ascontiguousarray(out)
    width = max(1, round(frame.cell * look.ring))
    for patch in patches:
        x0, y0, x1, y1 = frame.box(patch)
        if x1 <= x0 or y1 <= y0:
            continue
        inner = out[y0 + width : y1 - width, x0 + width : x1 - width].copy()
        out[y0:y1, x0:x1] = look.color
        if inner.size:
            out[y0 + width : y1 - width, x0 + width : x1 - width] = inner
            if width > 2:
                edge = (x0 + width - 1, y0 + width - 1), (x1 - width, y1 - width)
                cv2.rectangle(out, *edge, (255, 255, 255), 1)
    return out


def _numbers(frame: Frame, out: Image, labels: Sequence[tuple[int, str]]) -> Image:
    """Text in the middle of patches, white with a dark edge."""
    size = max(9, round(frame.cell * NUMBER))
    canvas = PILImage.fromarray(out)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(size)
    for patch, text in labels:
        x0, y0, x1, y1 = frame.box(patch)
        at = ((x0 + x1) / 2, (y0 + y1) / 2)
        draw.text(
            at,
            text,
            fill=(255, 255, 255),
            font=font,
            anchor="mm",
            stroke_width=max(1, size // 7),
            stroke_fill=(20, 20, 20),
        )
    return np.asarray(canvas)


def _outline(out: Image, region: NDArray[np.bool_], line: palette.Line) -> Image:
    """Trace the edge of a region, bool [h, w]. A solid line is edged in black; a broken one, which may lie on
    it, is thinner and is not.
    """
    contours, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    width = max(1, round(max(region.shape) / 220))
    out = np.ascontiguousarray(out)
    if not line.dash:
        cv2.polylines(out, contours, True, (15, 15, 15), 2 * width + 1, cv2.LINE_AA)
        cv2.polylines(out, contours, True, line.color, 2 * width - 1, cv2.LINE_AA)
        return out
    on, off = (max(1, round(d * width / 2)) for d in line.dash)
    for contour in contours:
        for start in range(0, len(contour), on + off):
            cv2.polylines(out, [contour[start : start + on]], False, line.color, width, cv2.LINE_AA)
    return out
