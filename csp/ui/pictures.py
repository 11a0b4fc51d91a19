"""Pictures that visitors send: read no larger than anything here needs, the last few kept, their own size remembered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from csp import images
from csp.types import Result

LONGEST = 2048
"""Pixels of the longer side: twice SAM's square, and more than any vision tower's tiles make together."""
KEPT = 6


@dataclass(frozen=True, eq=False)
class Sent:
    """A picture as it was read, uint8 RGB [H, W, 3], and the height and width that it came with."""

    image: NDArray[np.uint8]
    size: tuple[int, int]

    def noted(self, result: Result) -> Result:
        """The result, with a note where its picture was made smaller."""
        height, width = self.image.shape[:2]
        if self.size == (height, width):
            return result
        note = (
            f"the picture has {self.size[1]}x{self.size[0]} pixels and was read at {width}x{height}: "
            "a mask as a file has the picture's own size"
        )
        return replace(result, notes=(*result.notes, note))

    def enlarged(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask at the picture's own size, bool [H, W]."""
        if mask.shape == self.size:
            return mask
        grey = cv2.resize(mask.astype(np.uint8) * 255, self.size[::-1], interpolation=cv2.INTER_LINEAR)
        return np.asarray(grey >= 128)


class Pictures:
    """Reads what `csp.images.read` takes. A slider asks about the same upload many times a second: the last few are kept."""

    def __init__(self) -> None:
        self._kept: dict[str, Sent] = {}
        self._lock = Lock()

    def __call__(self, sent: Any) -> Sent:
        """The picture. Raises ValueError for what is none."""
        if not isinstance(sent, str | bytes):
            return _read(sent)
        key = sent if isinstance(sent, str) else blake2b(sent, digest_size=16).hexdigest()
        with self._lock:
            found = self._kept.get(key)
        found = found or _read(sent)
        with self._lock:
            self._kept[key] = self._kept.pop(key, found)
            while len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
        return found


def _read(sent: Any) -> Sent:
    image = images.read(sent, LONGEST)
    return Sent(image, images.size_of(sent) if max(image.shape[:2]) == LONGEST else image.shape[:2])
