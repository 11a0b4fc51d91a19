"""A least-recently-used store bounded in bytes, safe between threads: pictures are encoded once and decided
upon many times.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from threading import Lock
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")


def picture_key(image: np.ndarray) -> str:
    """A key of a picture's content, uint8 [H, W, 3]: equal pixels, equal key."""
    return hashlib.blake2b(
        np.ascontiguousarray(image).data, digest_size=16, key=str(image.shape).encode()
    ).hexdigest()


class ByteCache(Generic[T]):
    """Values by key until their sizes exceed `limit` bytes; the one not asked for longest goes first."""

    def __init__(self, limit: int):
        self.limit = limit
        self.bytes = 0
        self._lock = Lock()
        self._items: OrderedDict[str, tuple[T, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: str) -> T | None:
        with self._lock:
            if key not in self._items:
                return None
            self._items.move_to_end(key)
            return self._items[key][0]

    def put(self, key: str, value: T, size: int) -> None:
        """Store a value of `size` bytes; one that alone exceeds the limit is not kept."""
        with self._lock:
            if key in self._items:
                self.bytes -= self._items.pop(key)[1]
            if size > self.limit:
                return
            self._items[key] = (value, size)
            self.bytes += size
            while self.bytes > self.limit:
                self.bytes -= self._items.popitem(last=False)[1][1]

    def clear(self) -> None:
        with self._lock:
            self._items.clear()
            self.bytes = 0
