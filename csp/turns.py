"""Taking turns at the model: one at a time, in the order of coming, and nobody waits behind a queue without end.

A measured time is then a run's own, and of a class of thirty each gets an answer in turn.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

MOST_WAITING = 32


class Turns:
    """A fair lock: whoever came first is next. A thread that has its turn may take it again within."""

    def __init__(self, most: int = MOST_WAITING):
        self.most = most
        self._line: deque[object] = deque()
        self._moved = threading.Condition()
        self._holder: int | None = None
        self._ended = time.monotonic()

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for the turn and hold it. Raises ValueError where too many wait already."""
        me = threading.get_ident()
        if self._holder == me:
            yield
            return
        ticket = object()
        with self._moved:
            if len(self._line) > self.most:
                raise ValueError(f"{len(self._line)} runs are waiting already, at most {self.most} may: try again in a moment")
            self._line.append(ticket)
            self._moved.wait_for(lambda: self._line[0] is ticket)
            self._holder = me
        try:
            yield
        finally:
            with self._moved:
                self._holder = None
                self._ended = time.monotonic()
                self._line.popleft()
                self._moved.notify_all()

    @property
    def waiting(self) -> int:
        """How many hold or wait for a turn."""
        return len(self._line)

    def quiet(self) -> float:
        """Seconds since the last turn ended; 0 while one is held or waited for."""
        return 0.0 if self._line else time.monotonic() - self._ended
