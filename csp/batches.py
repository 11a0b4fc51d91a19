"""Who waits with the same question but for its words: one batch answers them all.

A turn at the model taken by one of them answers the others that wait by then, up to a bound. Each still waits for a turn of their
own, and finds the answer kept.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

SHARED = "answered in one batch with"


def note(others: int) -> str:
    """What a result of a batch says of its times."""
    asked = "1 other query" if others == 1 else f"{others} other queries"
    return f"{SHARED} {asked} on this picture: its milliseconds are a share of the batch's"


class Batches:
    """Queries that wait, by what all of a batch have in common."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # In the order of coming; whoever asks the same as another stands here twice.
        self._waiting: dict[str, list[str]] = {}

    @contextmanager
    def waiting(self, common: str, query: str) -> Iterator[None]:
        """Be known to wait with a query; ``common`` "": for oneself alone."""
        if not common:
            yield
            return
        with self._lock:
            self._waiting.setdefault(common, []).append(query)
        try:
            yield
        finally:
            with self._lock:
                self._waiting[common].remove(query)
                if not self._waiting[common]:
                    del self._waiting[common]

    def others(self, common: str, query: str, most: int) -> list[str]:
        """Other queries that wait beside this one, each once, those that came first, at most ``most``."""
        with self._lock:
            found = dict.fromkeys(each for each in self._waiting.get(common, ()) if each != query)
        return list(found)[:most]
