"""What the browser draws of a run beside its arrays: pictures as URIs, words, and which things of the scene the mask lies on."""

from __future__ import annotations

import base64
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from csp.types import Result

Payload = dict[str, Any]


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


def notes(result: Result) -> list[str]:
    """What a visitor should know about this run, and what to do about it."""
    out = [note for note in result.notes if not note.startswith("the mask is empty")]
    if not result.mask.any():
        top = float(result.logits.max()) if result.logits.size else 0.0
        out.append(
            f"The mask is empty: no pixel's logit passes the threshold (the highest is {top:.1f}). "
            "Ask for something in the picture, or lower the threshold."
        )
    elif result.mask.mean() > 0.95:
        out.append("The mask covers nearly the whole picture: raise the threshold, or ask for one thing.")
    return out


def lands(mask: NDArray[np.bool_], things: NDArray[np.integer] | None, names: tuple[str, ...]) -> str | None:
    """The thing that most of a mask, bool [H, W], lies on, by a map of things, integer [H, W] with 0 for none; None where it is
    none's, or nothing is known.
    """
    if things is None or not names or not mask.any():
        return None
    counts = np.bincount(things[mask], minlength=len(names) + 1)
    best = int(counts[1:].argmax()) + 1
    return names[best - 1] if counts[best] * 2 >= counts.sum() else None


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
