"""One query under many seeds: what the lot decides, as a strip of masks and an interval. No Gradio.

Where a method draws no lot every seed gives the same run: two are compared, and the rest is spared.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from csp import images
from csp.metrics import DRAWS, Statistic
from csp.render import lots as draw, views
from csp.turns import Refused
from csp.types import Request, Result
from csp.ui import tables
from csp.ui.handlers import Asked, Handlers
from csp.ui.payload import Payload
from csp.ui.viewer import packing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIDE = 160
"""Longest side, in pixels, of the masks that travel."""
COLUMNS = ("setting", "seed", "iou_dense", "iou_truth", "N_avg", "mask_share")


def rows(handlers: Handlers, asked: Asked) -> list[tuple[str, Request]]:
    """The settings to draw lots for, with their labels: the present one, and where it clusters every clustering."""
    request = asked.request
    if "cluster" not in request.knobs:
        return [(handlers.methods[request.method].label, request)]
    return [(name, replace(request, knobs={**request.knobs, "cluster": name})) for name in handlers.choices("cluster")]


def lines(handlers: Handlers, asked: Asked, count: int) -> Iterator[Payload]:
    """Lines: a run a seed, each row's mean with its interval when it is done."""
    session = handlers.session
    dense = session.dense(asked.request)
    for i, (_, request) in enumerate(rows(handlers, asked)):
        scores: list[float] = []
        first: Result | None = None
        lots = True
        for seed in range(count):
            try:
                result = session.run(replace(request, seed=seed))
            except Refused:
                raise
            except ValueError as error:
                yield {"row": {"row": i, "reason": str(error)}}
                break
            if first is None:
                first = result
            elif seed == 1 and alike(first, result):
                lots = False
                break
            near = None if asked.truth is None else views.iou(result.mask, asked.truth)
            agree = views.iou(result.mask, dense.mask)
            scores.append(agree if near is None else near)
            made = {"row": i, "seed": seed, "method": request.method, "knobs": dict(request.knobs), "mask": bits(result.mask)}
            numbers = {"iou_dense": agree, "iou_truth": near, "n_avg": result.trace.n_avg, "area": float(result.mask.mean())}
            yield {"seed": made | {name: None if value is None else round(value, 4) for name, value in numbers.items()}}
        if scores:
            yield {"row": {"row": i, "lots": lots, **interval(scores)}}


def alike(a: Result, b: Result) -> bool:
    """Whether two runs took the same tokens in every stage."""
    return len(a.trace.stages) == len(b.trace.stages) and all(
        x.source.shape == y.source.shape and np.array_equal(x.source, y.source)
        for x, y in zip(a.trace.stages, b.trace.stages, strict=True)
    )


def interval(scores: Sequence[float]) -> Payload:
    """Mean over seeds with its 95 % interval (percentiles of a bootstrap over seeds), and the spread of single seeds."""
    values = np.asarray(scores, np.float64)
    lot = np.random.default_rng(0)
    means = values[lot.integers(0, len(values), (DRAWS, len(values)))].mean(axis=1)
    found = Statistic(np.concatenate([[values.mean()], means]), len(values)).estimate
    return {**found.as_dict(), "least": round(float(values.min()), 4), "most": round(float(values.max()), 4)}


def size_of(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width at which the masks of a picture of this size travel."""
    factor = min(1.0, SIDE / max(size))
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def bits(mask: NDArray[np.bool_]) -> str:
    """A mask made small, a bit a pixel, deflated, in base64."""
    grey = cv2.resize(mask.astype(np.uint8) * 255, size_of(mask.shape)[::-1], interpolation=cv2.INTER_AREA)
    return base64.b64encode(zlib.compress(np.packbits(grey >= 128).tobytes(), 6)).decode("ascii")


def ground(result: Result, truth: NDArray[np.bool_] | None) -> Payload:
    """The picture with the dense mask and the true one, once for all seeds."""
    return packing.payload(result, truth=truth)


def table(told_lines: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> list[list[Any]]:
    """The seeds of a page's lines as rows of a table, its head first."""
    out: list[list[Any]] = [list(COLUMNS)]
    for line in told_lines:
        data = line.get("seed")
        if not isinstance(data, dict):
            continue
        row = tables.number(data, "row")
        label = labels[int(row)] if row is not None and 0 <= row < len(labels) else ""
        seed = tables.number(data, "seed")
        numbers = [tables.number(data, name) for name in ("iou_dense", "iou_truth", "n_avg", "area")]
        out.append([label, None if seed is None else int(seed), *numbers])
    return out


def figure(told_lines: Sequence[Mapping[str, Any]], begin: Mapping[str, Any], labels: Sequence[str]) -> Figure:
    """The seeds of a page's lines drawn. Raises ValueError for lines that no sweep has made."""
    from csp import __version__

    ground = begin.get("ground")
    sent = ground.get("picture") if isinstance(ground, dict) else None
    if not isinstance(sent, str) or not sent.startswith("data:image/"):
        raise ValueError("the sweep has no picture: press Sweep again")
    picture = images.read(base64.b64decode(sent.partition(",")[2]))
    picture = np.asarray(cv2.resize(picture, size_of(picture.shape[:2])[::-1], interpolation=cv2.INTER_AREA), np.uint8)
    key = "iou_truth" if begin.get("truth") is True else "iou_dense"
    rows = []
    for i, label in enumerate(labels):
        runs = [line["seed"] for line in told_lines if isinstance(line.get("seed"), dict) and line["seed"].get("row") == i]
        ends = (line["row"] for line in told_lines if isinstance(line.get("row"), dict) and line["row"].get("row") == i)
        done: dict[str, Any] = next(ends, {})
        known = [tables.number(done, name) for name in ("low", "value", "high")]
        low, mean, high = known
        interval = (low, mean, high) if low is not None and mean is not None and high is not None else None
        scores = [tables.number(run, key) or 0.0 for run in runs]
        masks = [_mask(run.get("mask"), picture.shape[:2]) for run in runs]
        numbers = [int(tables.number(run, "seed") or 0) for run in runs]
        rows.append(draw.Lots(label, numbers, scores, masks, interval if done.get("lots") is True else None))
    which = "true" if key == "iou_truth" else "dense"
    title = f"\u201c{tables.text(begin, 'query')}\u201d, {tables.text(begin, 'setting')}, seed by seed"
    footer = f"Bars: 95 % interval of the mean over seeds. Model {tables.text(begin, 'model')}; csp {__version__}."
    return draw.lots(rows, picture, f"IoU with the {which} mask", title, footer)


def _mask(sent: Any, size: tuple[int, int]) -> NDArray[np.bool_]:
    """What `bits` made small, of this height and width. Raises ValueError for anything else."""
    n = size[0] * size[1]
    try:
        packed = zlib.decompressobj().decompress(base64.b64decode(sent if isinstance(sent, str) else ""), SIDE * SIDE)
    except (ValueError, zlib.error) as error:
        raise ValueError("a mask of the sweep cannot be read: press Sweep again") from error
    if len(packed) != -(-n // 8):
        raise ValueError("a mask of the sweep has another size than its picture: press Sweep again")
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=n).reshape(size).astype(bool)
