"""One run as the page shows it: panels, maps per layer, the bill, notes; plain data, ready for JSON.

Reads `csp.types` and `csp.render` only. Pictures travel inside as data URIs, so that no visitor's run lies
in a shared file.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from csp.render import overlays, palette, views, words
from csp.render.frame import Frame
from csp.types import Result
from csp.ui import bill

SIDE = 448
SMALL = 132
Payload = dict[str, Any]


@dataclass(frozen=True)
class Look:
    """How a run is drawn: heat opacity 0..1, scale and colour map, head ("mean" or a number), logit
    threshold of the mask.
    """

    opacity: float = 0.85
    scale: str = "sqrt"
    cmap: str = palette.HEAT
    head: str = "mean"
    threshold: float = 0.0


def data_uri(image: NDArray[np.uint8], quality: int = 92) -> str:
    """A picture uint8 [h, w, 3] or [h, w] as a JPEG inside a URI; colours at full resolution, or thin rings
    would smear.
    """
    options = [
        cv2.IMWRITE_JPEG_QUALITY,
        quality,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    ]
    ok, data = cv2.imencode(".jpg", image[..., ::-1] if image.ndim == 3 else image, options)
    assert ok, image.shape
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def mask_at(result: Result, threshold: float) -> NDArray[np.bool_]:
    """The union mask, bool [H, W], at a logit threshold; 0 is the model's own."""
    return result.mask if threshold == 0 else np.asarray((result.full_logits() > threshold).any(axis=0))


def payload(
    result: Result,
    dense: Result | None = None,
    truth: NDArray[np.bool_] | None = None,
    look: Look | None = None,
) -> Payload:
    """A run with what it is compared to: the dense run of the same picture and query, and the true mask
    bool [H, W] where known.
    """
    look = look or Look()
    mask = mask_at(result, look.threshold)
    theirs = None if dense is None else mask_at(dense, look.threshold)
    return {
        "title": words.method(result),
        "query": result.request.query,
        "panels": [*_panels(result, look), _mask_panel(result, mask, theirs, truth)],
        "layers": _layers(result, look),
        "steps": bill.steps(result),
        "bill": bill.bill(result, dense),
        "scores": bill.scores(mask, theirs, truth),
        "notes": notes(result, mask),
        "legend": _legend(result, theirs is not None, truth is not None),
        "status": _status(result),
        "ms": {name: round(float(value), 2) for name, value in result.ms.items()},
    }


def _status(result: Result) -> str:
    request = result.request
    took = " + ".join(
        f"{part} {bill.milliseconds(float(value))}" for part, value in result.ms.items() if value >= 0.05
    )
    return f"\u201c{request.query.strip()}\u201d \u00b7 {words.method(result)} \u00b7 seed {request.seed} \u00b7 {took}"


def _legend(result: Result, dense: bool, truth: bool) -> list[Payload]:
    """The states and lines that this run's pictures use, with the look that tells each without its colour."""
    trace = result.trace
    present: set[str] = set()
    for record in trace.stages:
        if views.kind(trace, record) != "all":
            present |= set(views.states(trace, record).tolist())
    looks = {"representative": "ring", "dormant": "dots", "survivor": "ring", "pruned": "dark"}
    entries = [
        {
            "label": palette.STATES[name].label,
            "color": palette.hex_of(palette.STATES[name].color),
            "look": look,
        }
        for name, look in looks.items()
        if name in present
    ]
    lines = [
        (palette.MASK, "solid", True),
        (palette.DENSE, "dashed", dense),
        (palette.TRUTH, "dotted", truth),
    ]
    return entries + [
        {"label": line.label, "color": palette.hex_of(line.color), "look": look}
        for line, look, known in lines
        if known
    ]


def _panel(name: str, title: str, image: NDArray[np.uint8], caption: str, alt: str) -> Payload:
    return {
        "id": name,
        "title": title,
        "src": data_uri(image),
        "caption": caption.replace("\n", ", "),
        "alt": alt,
    }


def _panels(result: Result, look: Look) -> list[Payload]:
    """What the tower saw, then every stage: the tokens of one that selects or keeps, the attention of one
    that sees all.
    """
    trace = result.trace
    cropped = bool(Frame.of(result.request.image, trace.layout, 64).unseen.any())
    grid = words.grid(trace.layout)
    caption = f"{grid} patches" + (", hatched: outside its crop" if cropped else "")
    alt = f"The picture under a grid of {grid} patches" + (
        ", the hatched border is not seen by the vision tower." if cropped else "."
    )
    out = [_panel("seen", "What the tower saw", overlays.seen(result, SIDE), caption, alt)]
    for i, record in enumerate(trace.stages):
        kind = views.kind(trace, record)
        title = words.stage_title(record, kind)
        name = record.name if record.name in palette.STAGE_COLORS else f"stage-{i}"
        if kind == "all":
            image, alt = (
                _heat(result, record.layers, look, SIDE, mark=5),
                words.alt_attention(result, record.layers),
            )
            title = f"{title}: attention of [SEG]"
        else:
            image = overlays.tokens(
                result, record, SIDE, ranks=record.n if record.score is not None and kind == "kept" else 0
            )
            alt = words.alt_stage(result, record)
        out.append(_panel(name, title, image, words.stage_caption(result, record), alt))
    return out


def _heat(
    result: Result, layers: Sequence[int] | range, look: Look, side: int, mark: int = 0
) -> NDArray[np.uint8]:
    """The [SEG] row of these layers; of one head where the view asks for one and the trace holds it."""
    trace = result.trace
    style: dict[str, Any] = {"scale": look.scale, "cmap": look.cmap, "opacity": look.opacity, "mark": mark}
    ranked = trace.rank_layer
    if look.head != "mean" and ranked is not None and ranked in layers and ranked in trace.heads:
        rows = np.asarray(trace.heads[ranked], np.float32)
        head = int(look.head)
        if not 0 <= head < len(rows):
            raise ValueError(f"head must be mean or in 0..{len(rows) - 1}, got {look.head}")
        return overlays.heat(result, rows[head], side, **style)
    return overlays.heat(result, views.attention(trace, layers), side, **style)


def _layers(result: Result, look: Look) -> Payload:
    """A small map for every layer of the stage whose attention the page shows."""
    layers = views.focus_layers(result.trace)
    maps = [
        {
            "label": str(layer + 1),
            "src": data_uri(_heat(result, [layer], look, SMALL), 88),
            "alt": words.alt_attention(result, [layer]),
        }
        for layer in layers
    ]
    ranked = result.trace.rank_layer
    head = (
        ""
        if look.head == "mean"
        else f", head {look.head} in layer {ranked + 1}"
        if ranked is not None
        else ""
    )
    span = words.layer_span(result.trace.stage_at(layers[0]))
    return {"title": f"A_SEG, {words.row_read(result)}, in {span}{head}", "maps": maps}


def _mask_panel(
    result: Result, mask: NDArray[np.bool_], dense: NDArray[np.bool_] | None, truth: NDArray[np.bool_] | None
) -> Payload:
    image = overlays.mask(result, SIDE, own=mask, dense=dense, truth=truth)
    lines = [
        f"{look}: {name}"
        for known, name, look in ((dense, "dense", "dashed"), (truth, "true", "dotted"))
        if known is not None
    ]
    share = f"{100 * mask.mean():.1f} %" if mask.any() else "empty mask"
    caption = ", ".join([share, *lines])
    return _panel("mask", "Mask", image, caption, words.alt_mask(result, dense, truth, own=mask))


def notes(result: Result, mask: NDArray[np.bool_]) -> list[str]:
    """What a visitor should know about this run, and what to do about it."""
    out = [note for note in result.notes if not note.startswith("the mask is empty")]
    if not mask.any():
        top = float(result.logits.max()) if result.logits.size else 0.0
        out.append(
            f"The mask is empty: no pixel's logit passes the threshold (the highest is {top:.1f}). "
            "Ask for something in the picture, or lower the threshold."
        )
    elif mask.mean() > 0.95:
        out.append("The mask covers nearly the whole picture: raise the threshold, or ask for one thing.")
    return out


def four(results: Sequence[tuple[str, Result]], objects: NDArray[np.bool_] | None) -> list[Payload]:
    """The first stage of each selector's run, (name, result), with |S| and the objects that hold one of its
    tokens.
    """
    out = []
    for name, result in results:
        record = result.trace.stages[0]
        caption = f"|S| = {record.n} of {result.trace.layout.N}"
        if objects is not None and len(objects):
            caption += f", {objects_hit(result, objects)} of {len(objects)} objects"
        out.append(
            _panel(
                name, name, overlays.tokens(result, record, SIDE), caption, words.alt_stage(result, record)
            )
        )
    return out


def objects_hit(result: Result, objects: NDArray[np.bool_]) -> int:
    """How many objects, bool [K, h, w] over the whole picture, some patch of the first stage touches."""
    h, w = objects.shape[1:]
    H, W = result.request.image.shape[:2]
    touched = np.zeros((h, w), bool)
    for patch in result.trace.stages[0].patches:
        box = result.trace.layout.patch_box(int(patch))
        y0, y1 = int(np.floor(box.y0 * h / H)), int(np.ceil(box.y1 * h / H))
        x0, x1 = int(np.floor(box.x0 * w / W)), int(np.ceil(box.x1 * w / W))
        touched[max(y0, 0) : y1, max(x0, 0) : x1] = True
    return sum(bool((mask & touched).any()) for mask in objects)
