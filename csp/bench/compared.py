"""Whether an answer of the page is the one that was made beforehand: number for number, or to rounding where it says that it
was made in one batch with others.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from csp.batches import SHARED

TIMED = ("ms", "server", "link", "bill", "stamp", "notes")
"""What differs from run to run, or is made by the board alone; of notes those of batches."""
WORDED = ("alt",)
"""Words made of numbers: rounding may turn a digit."""
PIXELS = 0.002
"""Of a mask that rounding may turn: those whose logit is 0 but for it."""
CLOSE = 0.01
TYPES: dict[str, np.dtype[Any]] = {"f2": np.dtype("<f2"), "i2": np.dtype("<i2"), "u1": np.dtype("u1")}


class Expected:
    """The right answer to a question that is asked in one way ("board", "file", "endpoint")."""

    def __init__(self, how: str, told: Mapping[str, Any]):
        self.how, self.told = how, _kept(how, told)
        self.digest = _digest(self.told)

    def wrong(self, told: Mapping[str, Any], exact: bool = True) -> str:
        """What is wrong with an answer, in words; "" for nothing. ``exact``: made with as many threads as the right one."""
        kept = _kept(self.how, told)
        if _digest(kept) == self.digest:
            return ""
        # Of a file nobody can see how it was made.
        if exact and self.how != "file" and not shared(told):
            return "another answer than expected"
        place = differs(kept, self.told)
        return f"more than rounding apart at {place}" if place else ""


def shared(told: Mapping[str, Any]) -> bool:
    """Whether an answer says that its run, or the dense one beside it, was made in one batch with others."""
    notes = told["run"]["notes"] if "run" in told else told.get("notes", ())
    return any(SHARED in words for words in notes)


def differs(a: Any, b: Any, place: str = "") -> str:
    """Where two answers differ by more than rounding; "" for nowhere."""
    if isinstance(a, Mapping) and isinstance(b, Mapping) and a.keys() == b.keys():
        return next((found for name in a if name not in WORDED and (found := differs(a[name], b[name], f"{place}.{name}"))), "")
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        return next((found for i, (x, y) in enumerate(zip(a, b, strict=True)) if (found := differs(x, y, f"{place}.{i}"))), "")
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return "" if _alike(a, b) else place
    if isinstance(a, int | float) and isinstance(b, int | float) and not isinstance(a, bool):
        return "" if math.isclose(a, b, rel_tol=CLOSE, abs_tol=CLOSE) else place
    return "" if a == b else place


def _alike(a: NDArray[Any], b: NDArray[Any]) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if a.dtype == bool:
        return float((a != b).mean()) <= PIXELS
    if a.dtype.kind == "f":
        # Attention is a thousandth of what a logit is: what is small is held against the array's own largest.
        top = float(np.nanmax(np.abs(b), initial=0.0))
        return bool(np.allclose(a, b, CLOSE, CLOSE * top / 10, equal_nan=True))
    return bool(np.array_equal(a, b))


def _kept(how: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """What must be equal in two answers."""
    if how == "file":
        mask = cv2.imdecode(np.frombuffer(base64.b64decode(told["data"]), np.uint8), cv2.IMREAD_GRAYSCALE)
        return {"mask": np.asarray(mask) > 0}
    if how == "endpoint":
        return {name: value for name, value in told["run"].items() if name not in TIMED} | {"mask": told["mask"]}
    return {name: value for name, value in told.items() if name not in (*TIMED, "block", "arrays")} | {"block": arrays(told)}


def arrays(told: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The arrays of a packet by their names, as `csp.ui.viewer.packing` packs them; masks as bool."""
    data = np.frombuffer(zlib.decompress(base64.b64decode(told["block"])), np.uint8)
    out: dict[str, NDArray[Any]] = {}
    for name, (kind, shape, first, scale) in told["arrays"].items():
        width = TYPES[kind].itemsize
        count = math.prod(shape)
        flat: NDArray[Any] = np.ascontiguousarray(data[first : first + count * width].reshape(width, count).T).view(TYPES[kind])
        flat = flat.ravel()
        if name in ("mask", "dense", "truth"):
            out[name] = np.unpackbits(flat).astype(bool)
        else:
            out[name] = flat.reshape(shape) if kind != "f2" else flat.reshape(shape).astype(np.float32) / np.float32(scale)
    return out


def _digest(kept: Any) -> str:
    """A value in a few letters."""

    def plain(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            return f"{value.dtype} {value.shape} {hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
        raise TypeError(f"{type(value).__name__} is no part of an answer")

    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=plain).encode()).hexdigest()
