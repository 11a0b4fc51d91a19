"""A run as the token viewer's script reads it: a head of plain data, and one deflated block of arrays.

Everything that the viewer draws is in here, so that no layer, view or token needs the server again. Numbers
travel as float16, chosen so that their first three digits are those of the trace.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from csp.reference import Dense
from csp.render import views, words
from csp.render.canvas import Canvas, canvas
from csp.trace import Tile
from csp.types import Box, Layout, Reference, Result, StageRecord, Trace
from csp.ui.payload import data_uri

SIDE = 640
"""Longest side, in pixels, of the picture and of the masks that travel."""
LOGITS = 128
"""Longest side of the logits that travel: coarser ones as they are, finer ones averaged."""
FINE = 32
"""Steps of one logit that travel: a threshold slider moves by tenths."""
ABSENT = -1
STATES = ("representative", "dormant", "restored", "survivor", "pruned")
HEADS = 20_000
"""Numbers of single heads that travel at most: 32 heads over 576 tokens and a little more."""


@dataclass
class Block:
    """Arrays one behind the other, deflated; `index` says where each lies: name -> [type, shape, first byte]."""

    index: dict[str, list[Any]] = field(default_factory=dict)
    parts: list[bytes] = field(default_factory=list)
    size: int = 0

    def numbers(self, name: str, values: NDArray[Any]) -> None:
        """Append measured numbers as float16, scaled so that the largest just fits: small shares keep their digits."""
        finite = np.abs(values[np.isfinite(values)])
        top = float(finite.max()) if finite.size else 0.0
        scale = 2.0 ** np.floor(np.log2(32768 / top)) if top > 0 else 1.0
        self.add(name, digits16(values, scale), scale)

    def add(self, name: str, array: NDArray[Any], scale: float = 1.0) -> None:
        """Append an array; two-byte types go as all low bytes, then all high bytes, which deflates better."""
        array = np.ascontiguousarray(array)
        width = array.dtype.itemsize
        kind = {"float16": "f2", "int16": "i2", "uint8": "u1"}[array.dtype.name]
        data = array.view(np.uint8).reshape(-1, width).T.tobytes()
        self.index[name] = [kind, list(array.shape), self.size, scale]
        self.parts.append(data)
        self.size += len(data)

    def encoded(self) -> str:
        """The deflated block in base64."""
        return base64.b64encode(zlib.compress(b"".join(self.parts), 6)).decode("ascii")


def saved(result: Result) -> dict[str, Any]:
    """A run that was kept with all that it is looked at beside, or with as much of it as there is."""
    known = result.reference or Reference()
    return payload(result, known.dense, known.truth, cls=known.cls, objects=known.instances)


def payload(
    result: Result,
    dense: Result | Dense | None = None,
    truth: NDArray[np.bool_] | None = None,
    *,
    cls: NDArray[np.floating] | None = None,
    objects: NDArray[np.bool_] | None = None,
    picture: bool = True,
) -> dict[str, Any]:
    """A run for the viewer, ready for JSON.

    dense: the dense run of the same picture and query. truth: bool [H, W]. cls: float [N], the vision
    tower's [CLS] attention (Eq. 3). objects: bool [K, h, w] over the whole picture. What is not known is
    left out, and the viewer says so. picture: whether the picture travels as well.
    """
    trace = result.trace
    block = Block()
    _stages(block, trace)
    block.numbers("A_SEG", _present(trace))
    block.numbers("A_text", trace.A_text)
    if trace.rank_layer is not None and trace.rank_layer in trace.heads:
        rows = np.asarray(trace.heads[trace.rank_layer], np.float32)
        if rows.size <= HEADS:
            block.numbers("heads", np.nan_to_num(rows))
    if cls is not None:
        block.numbers("cls", np.asarray(cls))
    if objects is not None:
        block.add("instance", instance_of(objects, trace.layout, result.request.image.shape[:2]))
    whole, size, pane = _canvas(result)
    masks = {"mask": result.mask, "dense": None if dense is None else dense.mask, "truth": truth}
    for name, mask in masks.items():
        if mask is not None:
            block.add(name, np.packbits(whole.paste(_small(mask, pane).astype(np.uint8), thumbnail=False)))
    logits = coarse(result.logits)
    block.add("logits", (np.clip(logits, -999, 999) * FINE).round().astype(np.float16) / np.float16(FINE))
    return {
        **_head(result, dense, truth),
        "size": list(size),
        **(_tiled(result, size, pane) if result.trace.layout.tiles else {}),
        "arrays": block.index,
        "block": block.encoded(),
        "picture": data_uri(whole.paste(_picture(result.request.image, pane)), 88) if picture else "",
    }


def _canvas(result: Result) -> tuple[Canvas, tuple[int, int], tuple[int, int]]:
    """What the board shows, the thumbnail beside the picture: its place, and its size and the picture's as they travel."""
    height, width = result.request.image.shape[:2]
    whole, pane = canvas(result.trace.layout, height, width), view_size((height, width))
    if whole.apart is None:
        return whole, pane, pane
    factor = pane[1] / width
    return whole, (round(whole.size[0] * factor), round(whole.size[1] * factor)), pane


def _tiled(result: Result, size: tuple[int, int], pane: tuple[int, int]) -> dict[str, Any]:
    """The picture's own size on the board; of each tile its left, top, right and bottom there, its rows and columns, and
    whether it is the thumbnail. Nothing on the board is unseen.
    """
    height, width = result.request.image.shape[:2]
    layout = result.trace.layout
    sx, sy = pane[1] / width, pane[0] / height
    out = []
    for tile, (x, y, scale) in zip(layout.tiles, canvas(layout, height, width).panes, strict=True):
        x0, y0, x1, y1 = tile.crop
        edges = ((x + scale * x0) * sx, (y + scale * y0) * sy, (x + scale * x1) * sx, (y + scale * y1) * sy)
        out.append([*(round(edge, 3) for edge in edges), *tile.grid, int(tile.thumbnail)])
    return {"pane": list(pane), "views": out, "crop": [0, 0, size[1], size[0]]}


def _head(result: Result, dense: Result | Dense | None, truth: NDArray[np.bool_] | None) -> dict[str, Any]:
    trace, request, layout = result.trace, result.request, result.trace.layout
    sy, sx = (v / p for v, p in zip(view_size(request.image.shape[:2]), request.image.shape[:2], strict=True))
    crop = Box(layout.crop.x0 * sx, layout.crop.y0 * sy, layout.crop.x1 * sx, layout.crop.y1 * sy)
    return {
        "title": words.method(result),
        "query": request.query.strip(),
        "method": request.method,
        "knobs": {k: v for k, v in request.knobs.items() if isinstance(v, int | float | str)},
        "seed": request.seed,
        "model": request.model,
        "L": len(trace.n_per_layer),
        "N": layout.N,
        "grid": list(layout.grid),
        "crop": [round(edge, 3) for edge in crop],
        "text": {
            "N_sys": layout.N_sys,
            "N_usr": layout.N_usr,
            "N_out": layout.N_out,
            "I_rank": list(layout.I_rank),
        },
        "words": list(result.words),
        "stages": [_stage(result, record) for record in trace.stages],
        "ms": {name: round(float(value), 2) for name, value in result.ms.items()},
        "n_avg": trace.n_avg,
        "rank_layer": trace.rank_layer,
        "forced": {k: {o: list(p) for o, p in orders.items()} for k, orders in trace.forced.items()},
        "bill": {"this": _bill(result), "dense": None if dense is None else _bill(dense)},
        "iou": {
            "dense": None if dense is None else views.iou(result.mask, dense.mask),
            "truth": None if truth is None else views.iou(result.mask, truth),
            "dense_truth": None if dense is None or truth is None else views.iou(dense.mask, truth),
        },
        "sam": {"input": list(result.sam_input), "size": result.sam_size},
        "alt": words.alt_mask(result, None if dense is None else dense.mask, truth),
        "notes": list(result.notes),
    }


def _stage(result: Result, record: StageRecord) -> dict[str, Any]:
    kind = views.kind(result.trace, record)
    last = record.layers[-1:]
    return {
        "name": record.name,
        "title": words.stage_title(record, kind),
        "kind": kind,
        "first": record.first_layer,
        "L": record.L,
        "n": record.n,
        "score": record.score_name if record.score is not None else "",
        "instances": record.instances,
        "alt": words.alt_attention(result, last) if kind == "all" else words.alt_stage(result, record),
    }


def _bill(result: Result | Dense) -> dict[str, float]:
    thinking = sum(float(result.ms.get(part, 0.0)) for part in ("select", "decoder"))
    return {"n_avg": result.cost.n_avg, "flops": float(result.cost.total_flops), "ms": round(thinking, 2)}


def _stages(block: Block, trace: Trace) -> None:
    """Per stage: state and age of every patch on entry, the row that stands for it, its weight, its score; and
    the rows' own patches and position ids.
    """
    stages = trace.stages
    block.add(
        "state", np.array([[STATES.index(s) for s in views.states(trace, r)] for r in stages], np.uint8)
    )
    block.add("age", ages(trace))
    block.add("owner", np.array([owners(record) for record in stages], np.int16))
    block.add("weight", np.array([record.source.sum(axis=0) for record in stages], np.float16))
    block.add("centre", np.concatenate([views.centres(trace, record) for record in stages]).astype(np.int16))
    block.add("ids", np.concatenate([record.position_ids for record in stages]).astype(np.int16))
    for i, record in enumerate(stages):
        if record.score is not None:
            block.numbers(f"score.{i}", record.score)


def owners(record: StageRecord) -> NDArray[np.int64]:
    """Row of the stage that stands for each patch, the heaviest where several do, int [N]; -1 without one."""
    if not record.n:
        return np.full(record.source.shape[1], ABSENT)
    return np.where(record.source.max(axis=0) > 0, record.source.argmax(axis=0), ABSENT)


def ages(trace: Trace) -> NDArray[np.uint8]:
    """Layers that each patch's embedding has been through on entry to each stage, uint8 [stages, N].

    A patch that took part in the stage before keeps its age. One that comes back returns as it entered the
    decoder (Eq. 7), and one without a token waits at the age that it would return with: 0.
    """
    out = np.zeros((len(trace.stages), trace.layout.N), np.int64)
    for i, before in enumerate(trace.stages[:-1]):
        was = views.covered(before, trace.layout.N)
        here = views.covered(trace.stages[i + 1], trace.layout.N)
        out[i + 1] = np.where(was & here, out[i] + before.L, 0)
    return out.astype(np.uint8)


def _present(trace: Trace) -> NDArray[np.float32]:
    """A_SEG of the patches that some token stands for, layer by layer, patches ascending."""
    layers = [trace.A_SEG[r.first_layer : r.first_layer + r.L][:, r.patches].ravel() for r in trace.stages]
    return np.concatenate(layers)


def digits16(values: NDArray[Any], scale: float = 1.0) -> NDArray[np.float16]:
    """Numbers times `scale` (a power of two) as float16, NaN kept, the first three digits of each what they were.

    The nearest float16 may lie beyond a rounding edge of the third digit; its neighbour on the number's own
    side never does, because float16 is finer than three digits. That holds from 2^-14 / scale upwards.
    """
    exact = np.abs(np.asarray(values, np.float64))
    near = (exact * scale).astype(np.float16)
    wide = near.astype(np.float64)
    # Numbers of three digits are at least a thousandth apart; less is rounding of the comparison itself.
    off = np.isfinite(exact) & ~np.isclose(_three(wide / scale), _three(exact), rtol=1e-4, atol=0)
    back = np.where(wide > exact * scale, np.float16(0), np.float16(np.inf))
    return np.copysign(np.where(off, np.nextafter(near, back), near), np.asarray(values).astype(np.float16))


def _three(values: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(divide="ignore", invalid="ignore"):
        unit = 10.0 ** (np.floor(np.log10(values)) - 2)
        return np.where(values > 0, np.rint(values / unit) * unit, values)


def instance_of(objects: NDArray[np.bool_], layout: Layout, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Instance that covers at least half of each patch, the one that covers most, from 1; 0 for none. uint8 [N].

    objects: bool [K, h, w] over the whole picture of `size` (H, W).
    """
    return np.concatenate([_instance_in(objects, tile, size) for tile in layout.views])


def _instance_in(objects: NDArray[np.bool_], tile: Tile, size: tuple[int, int]) -> NDArray[np.uint8]:
    h, w = objects.shape[1:]
    crop, (rows, cols), _ = tile
    y0, y1 = (round(min(max(edge * h / size[0], 0), h)) for edge in (crop.y0, crop.y1))
    x0, x1 = (round(min(max(edge * w / size[1], 0), w)) for edge in (crop.x0, crop.x1))
    inside = np.ascontiguousarray(objects[:255, y0:y1, x0:x1], np.uint8) * 255
    if not inside.size:
        return np.zeros(tile.N, np.uint8)
    share = np.stack([cv2.resize(one, (cols, rows), interpolation=cv2.INTER_AREA).ravel() for one in inside])
    return np.where(share.max(axis=0) >= 128, share.argmax(axis=0) + 1, 0).astype(np.uint8)


def view_size(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width at which a picture of `size` travels: its own, or less where a side exceeds SIDE."""
    factor = min(1.0, SIDE / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def coarse(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logits [K, h, w] as one map of at most LOGITS a side: the highest of the masks, averaged over blocks."""
    union = logits.max(axis=0) if len(logits) else np.full((1, 1), -1e4, np.float32)
    step = -(-max(union.shape) // LOGITS)
    if step == 1 or union.shape[0] % step or union.shape[1] % step:
        return union
    h, w = union.shape[0] // step, union.shape[1] // step
    return union.reshape(h, step, w, step).mean(axis=(1, 3))


def _picture(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    small = cv2.resize(np.ascontiguousarray(image), size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def _small(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    if mask.shape == size:
        return mask
    grey = cv2.resize(mask.astype(np.uint8) * 255, size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(grey >= 128)
