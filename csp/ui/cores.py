"""How many processors this process may use: those it is bound to, and no more than its container's share of time.

torch counts the first and not the second: in a container that may use two of 64, 64 threads wait for each other.
"""

from __future__ import annotations

import ctypes
import gc
import os
from contextlib import suppress
from math import ceil
from pathlib import Path, PurePosixPath

from csp.checks import check_integer

CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")
# glibc's malloc.h
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8


def bound() -> int:
    """Processors that the system lets this process run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def granted(root: Path = CGROUPS, own: Path = OWN) -> int | None:
    """Processors' worth of time that control groups grant (version 1 or 2), rounded up; None where nothing limits it."""
    limits = [limit for folder in _folders(root, own) for limit in (_second(folder), _first(folder)) if limit is not None]
    return max(1, ceil(min(limits))) if limits else None


def fitted() -> int | None:
    """Threads for torch where it would begin more than this process is granted; None where its own count will do."""
    share = granted()
    return share if share is not None and share < bound() else None


def settle(told: int | None = None) -> None:
    """Have torch begin with as many threads as ``told``, else as are fitted; to be called before it is imported, which reads
    the variable. Raises ValueError for a number that will not do.
    """
    if told is not None:
        os.environ["OMP_NUM_THREADS"] = str(check_integer("--threads", told, 1, 512))
    elif share := fitted():
        os.environ.setdefault("OMP_NUM_THREADS", str(share))
    steady_heap()


def steady_heap(arenas: int = 2, apart: int = 2 * 2**20, spare: int = 64 * 2**20) -> None:
    """Have the C library keep the memory of all threads in few places: one for each of a hundred threads keeps what it was
    given at its fullest. Arrays of ``apart`` bytes and more are kept by themselves and go back once freed: left alone the
    library soon counts them among the small ones, and they lie between things that stay. ``spare`` freed bytes wait for the
    next run. Only glibc can be told; elsewhere nothing happens. To be called before threads begin.
    """
    for choice, value in ((_ARENA_MAX, arenas), (_MMAP_THRESHOLD, apart), (_TRIM_THRESHOLD, spare)):
        _tell_glibc("mallopt", choice, value)


def give_back() -> None:
    """Let go of what only holds itself, as a visitor's ended calls do, with their pictures; then have the C library hand the
    system what lies free between things that are kept: after many arrays of all sizes have come and gone it holds on to much
    of it. Some 10 ms for the second; only glibc has it.
    """
    gc.collect()
    _tell_glibc("malloc_trim", 0)


def _tell_glibc(function: str, *numbers: int) -> None:
    # Other C libraries lack the function, and on Windows there is none by no name (TypeError).
    with suppress(OSError, AttributeError, TypeError):
        getattr(ctypes.CDLL(None), function)(*numbers)


def _folders(root: Path, own: Path) -> list[Path]:
    """The groups that this process is in, up to the root: each of them may limit it."""
    found = [root, root / "cpu"]
    for line in _words(own).splitlines():
        number, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        place = PurePosixPath(path.lstrip("/"))
        if ".." in place.parts or (number != "0" and "cpu" not in names.split(",")):
            continue
        base = root if number == "0" else root / "cpu"
        found += [base / step for step in (place, *place.parents)]
    return found


def _second(folder: Path) -> float | None:
    words = _words(folder / "cpu.max").split()
    return _share(*words) if len(words) == 2 else None


def _first(folder: Path) -> float | None:
    return _share(_words(folder / "cpu.cfs_quota_us").strip(), _words(folder / "cpu.cfs_period_us").strip())


def _share(quota: str, period: str) -> float | None:
    return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None


def _words(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, UnicodeError):
        return ""
