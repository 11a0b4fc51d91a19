"""A case, how it is judged, and what a campaign of them found."""

from __future__ import annotations

import re
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from csp.bench.hostility.values import KEPT, Lot
from csp.bench.hostility.watch import Meter

PATIENCE = 60
"""Seconds after which a case hangs."""
SLOW, LEAST = 10, 2.0
"""A case may cost this many times the ordinary one; below so many processor seconds nothing is called slow."""
MOST_BYTES = 900 * 2**20
"""What a case may need beside what was there: a picture of 40 megapixels as several copies."""
LONG = 700
"""Characters that a refusal may have."""
BARE = re.compile(
    r"Traceback|object at 0x|<class |\bat 0x|^[A-Za-z]*(Error|Exception)\b|not subscriptable|has no attribute|"
    r"unsupported operand|unhashable|positional argument|not callable|NoneType|must be real number|referenced before"
)
"""What Python says to programmers and nobody should be told."""


@dataclass(frozen=True)
class Case:
    """One input. ``act`` hands it in: empty where it was answered and the answer is right, or the words of the refusal; whatever
    it raises is a finding. ``like`` names the ordinary case that its cost is held against.
    """

    words: str
    act: Callable[[], str]
    like: str = ""


class Wrong(Exception):
    """A finding, in words."""


class Kind(Protocol):
    """Inputs of one kind, and the process that they burden."""

    name: str

    def ordinary(self) -> Sequence[Case]:
        """Sound inputs, which must be answered; what they cost is the measure of the others."""
        ...

    def case(self, lot: Lot) -> Case:
        """An input drawn from ``lot``."""
        ...

    def process(self) -> int:
        """The number of the process that does the work."""
        ...

    def told(self) -> list[str]:
        """What was heard since it was last asked: tracebacks in a log, doors that were touched."""
        ...


@dataclass
class Tally:
    """What became of the cases of a kind."""

    kind: str
    answered: int = 0
    refused: int = 0
    findings: list[str] = field(default_factory=list)
    most_seconds: float = 0.0
    most_bytes: int = 0

    @property
    def cases(self) -> int:
        return self.answered + self.refused + len(self.findings)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        counts = {"cases": self.cases, "answered": self.answered, "refused": self.refused, "findings": self.findings}
        return {"kind": self.kind, **counts, "most_seconds": round(self.most_seconds, 2), "most_MB": self.most_bytes >> 20}


def lot_of(seed: int, kind: str, number: int) -> Lot:
    """The generator of a case: its seed, kind and number alone decide it."""
    return np.random.default_rng([seed, number, *kind.encode()])


def judged(words: str) -> None:
    """Raise Wrong for a refusal that is no answer in words."""
    if len(words) > LONG:
        raise Wrong(f"refused in {len(words):,} characters: {words[:160]}")
    if BARE.search(words):
        raise Wrong(f"refused in Python's words: {words[:200]}")
    if len(words.split()) < 3:
        raise Wrong(f"refused in hardly any words: {words!r}")
    if KEPT in words:
        raise Wrong("told what stands in a file that nobody sent")


@contextmanager
def alarm() -> Iterator[None]:
    """Raise Wrong in the main thread where the work inside hangs."""

    def ring(*_: object) -> None:
        raise Wrong(f"did not end within {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run(kind: Kind, seed: int, numbers: Sequence[int], tell: Callable[[str], None] = lambda _: None) -> Tally:
    """Hand in the cases of a kind with these numbers. Raises ValueError where an ordinary one is not answered."""
    tally, usual = Tally(kind.name), {}
    for case in kind.ordinary():
        meter = Meter(kind.process())
        case.act()
        before = meter.seconds()
        try:
            with alarm():
                words = case.act()
        except Exception as error:
            raise ValueError(f"an ordinary case of {kind.name}, {case.words}, failed: {error!r}") from error
        if words:
            raise ValueError(f"an ordinary case of {kind.name}, {case.words}, was refused: {words}")
        usual[case.like] = meter.seconds() - before
    kind.told()
    for number in numbers:
        case = kind.case(lot_of(seed, kind.name, number))
        what = _handed_in(kind, case, max(LEAST, SLOW * usual.get(case.like, 0.0)), tally)
        if what:
            tally.findings.append(f"{kind.name}:{number} {case.words}: {what}")
            tell(tally.findings[-1])
    return tally


def _handed_in(kind: Kind, case: Case, most_seconds: float, tally: Tally) -> str:
    meter = Meter(kind.process())
    meter.forget()
    began, there = meter.seconds(), meter.resident()
    try:
        with alarm():
            words = case.act()
        if words:
            judged(words)
    except Wrong as wrong:
        return str(wrong)
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:160]} ({at.filename.rpartition('/')[2]}:{at.lineno})"
    finally:
        heard = kind.told()
    if heard:
        return "; ".join(heard)[:600]
    spent, grown = meter.seconds() - began, meter.peak() - there
    tally.most_seconds, tally.most_bytes = max(tally.most_seconds, spent), max(tally.most_bytes, grown)
    if spent > most_seconds:
        return f"took {spent:.1f} processor seconds, at most {most_seconds:.1f} are ordinary"
    if grown > MOST_BYTES:
        return f"needed {grown >> 20} MB"
    if words:
        tally.refused += 1
    else:
        tally.answered += 1
    return ""
