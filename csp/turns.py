"""Taking turns at the model: one run at a time, visitors in rotation, and nobody waits behind a queue without end.

A measured time is then a run's own, and of a class of thirty each gets an answer in turn, however much one of them asks. Long
work (a comparison, a sweep) takes a turn for each of its runs, lets single runs of others go first, and is let in itself after
a bounded number of them. Whoever left the page frees their place.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

MOST_WAITING = 64
MOST_EACH = 16
"""Waiting runs of one visitor."""
MOST_OVERTAKEN = 8
"""Single runs that may go before one of longer work."""
LOOK = 0.25
"""Seconds after which a waiting run looks whether its visitor is still there."""
NOBODY = ""


class Refused(ValueError):
    """A run that was not let in, in words for whoever asked for it."""


class Gone(Refused):
    """A run whose visitor has left."""


@dataclass(eq=False)
class Visitor:
    """Who asks: a name that holds for a visit, whether they are still there, whether they are at long work."""

    name: str = NOBODY
    gone: Callable[[], bool] = lambda: False
    long: bool = False


_VISITOR: ContextVar[Visitor | None] = ContextVar("csp_visitor", default=None)
_ANYONE = Visitor()


def visitor() -> Visitor:
    """Who asks in this context; one without a name where nobody was told."""
    return _VISITOR.get() or _ANYONE


@contextmanager
def visiting(who: Visitor) -> Iterator[None]:
    """Have what runs within be asked by ``who``."""
    token = _VISITOR.set(who)
    try:
        yield
    finally:
        _VISITOR.reset(token)


@contextmanager
def long_work() -> Iterator[None]:
    """Have the runs within let single runs of others go first."""
    who = visitor()
    with visiting(Visitor(who.name, who.gone, long=True)):
        yield


class Place(NamedTuple):
    """Where a visitor's next run stands: runs before it, the one at the model included, and the seconds that they may take."""

    ahead: int
    seconds: float


@dataclass(eq=False)
class _Ticket:
    who: Visitor
    overtaken: int = 0
    called: threading.Event = field(default_factory=threading.Event)

    @property
    def line(self) -> tuple[str, bool]:
        return self.who.name, self.who.long


class Turns:
    """A fair lock. A thread that has its turn may take it again within."""

    def __init__(self, most: int = MOST_WAITING, each: int = MOST_EACH):
        self.most, self.each = most, each
        self._moved = threading.Lock()
        # Visitors in the order in which they will be served, their long work apart; each with its runs in the order of coming.
        self._lines: OrderedDict[tuple[str, bool], deque[_Ticket]] = OrderedDict()
        self._at: _Ticket | None = None
        self._holder: int | None = None
        self._closed = ""
        self._ended = time.monotonic()
        self._mean = 0.0

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for the turn and hold it. Raises Refused where too many wait already, or nobody is let in any more."""
        me = threading.get_ident()
        if self._holder == me:
            yield
            return
        self._wait(self._queued())
        self._holder, began = me, time.monotonic()
        try:
            yield
        finally:
            with self._moved:
                self._holder, self._ended = None, time.monotonic()
                spent = self._ended - began
                self._mean = spent if not self._mean else 0.8 * self._mean + 0.2 * spent
                self._call()

    @property
    def waiting(self) -> int:
        """How many hold or wait for a turn."""
        with self._moved:
            return self._count()

    def place(self, name: str) -> Place | None:
        """Where the first waiting run of a visitor stands, a single one before long work; None where none waits."""
        with self._moved:
            key = next((key for key in ((name, False), (name, True)) if key in self._lines), None)
            if key is None:
                return None
            before = list(self._lines)[: list(self._lines).index(key)]
            ahead = (self._at is not None) + sum(long == key[1] for _, long in before)
            if key[1]:
                singles = sum(len(line) for (_, long), line in self._lines.items() if not long)
                ahead += min(singles, MOST_OVERTAKEN - self._lines[key][0].overtaken)
            return Place(ahead, round(ahead * self._mean, 1))

    def quiet(self) -> float:
        """Seconds since the last turn ended; 0 while one is held or waited for."""
        return 0.0 if self.waiting else time.monotonic() - self._ended

    def close(self, words: str) -> None:
        """Let nobody in any more: those who wait are refused with these words, the run at the model goes on."""
        with self._moved:
            self._closed = words
            for line in self._lines.values():
                for ticket in line:
                    ticket.called.set()

    def _count(self) -> int:
        return (self._at is not None) + sum(map(len, self._lines.values()))

    def _queued(self) -> _Ticket:
        ticket = _Ticket(visitor())
        with self._moved:
            if self._closed:
                raise Refused(self._closed)
            count, own = self._count(), len(self._lines.get(ticket.line, ()))
            if count > self.most:
                raise Refused(f"{count} runs are waiting already, at most {self.most} may: try again in a moment")
            if ticket.who.name and own >= self.each:
                raise Refused(f"{own} runs of yours are waiting already, at most {self.each} may: wait for their answers")
            self._lines.setdefault(ticket.line, deque()).append(ticket)
            if self._at is None:
                self._call()
        return ticket

    def _wait(self, ticket: _Ticket) -> None:
        while not ticket.called.wait(LOOK):
            if ticket.who.gone():
                break
        with self._moved:
            if self._at is ticket:
                if not self._closed and not ticket.who.gone():
                    return
                self._call()
            else:
                self._leave(ticket)
        raise Refused(self._closed) if self._closed else Gone("the visitor has left: their run was not made")

    def _call(self) -> None:
        """Give the turn to whom it is due, and put their visitor last."""
        self._at = None
        heads = [line[0] for line in self._lines.values()]
        if not heads:
            return
        late = (ticket for ticket in heads if ticket.who.long and ticket.overtaken >= MOST_OVERTAKEN)
        single = (ticket for ticket in heads if not ticket.who.long)
        due = next(late, None) or next(single, None) or heads[0]
        if not due.who.long:
            for ticket in heads:
                ticket.overtaken += ticket.who.long
        self._leave(due)
        self._at = due
        due.called.set()

    def _leave(self, ticket: _Ticket) -> None:
        line = self._lines.get(ticket.line)
        if line and ticket in line:
            line.remove(ticket)
            if line:
                self._lines.move_to_end(ticket.line)
            else:
                del self._lines[ticket.line]
