"""A page in a process of its own, as visitors have it: its address, its processor time, its memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from csp.bench.start import APP, free_port, wait

ENDING = 20
"""Seconds in which a page that was told to stop ends."""


@dataclass(frozen=True)
class Running:
    """A page that answers at ``url`` from process ``pid``."""

    url: str
    pid: int

    def cpu(self) -> float | None:
        """Processor seconds of the process so far, over all its threads; None where the system does not tell."""
        stat = Path(f"/proc/{self.pid}/stat")
        if not stat.exists():
            return None
        fields = stat.read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> int | None:
        """Bytes of the process in memory; None where the system does not tell."""
        status = Path(f"/proc/{self.pid}/status")
        if not status.exists():
            return None
        lines = dict(line.split(":", 1) for line in status.read_text(encoding="ascii").splitlines() if ":" in line)
        return int(lines["VmRSS"].split()[0]) * 1024


@contextmanager
def running(flags: Sequence[str] = ()) -> Iterator[Running]:
    """``app.py`` with these flags on a free port of this machine, ended as a service ends it.

    Raises ValueError where it does not start, or does not end.
    """
    if not APP.is_file():
        raise ValueError(f"there is no {APP}: start this from a checkout of the repository")
    port = free_port()
    app = subprocess.Popen([sys.executable, str(APP), "--port", str(port), *flags], stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait(url + "/robots.txt", app)
        yield Running(url, app.pid)
        app.send_signal(signal.SIGTERM)
        if app.wait(ENDING) != 0:
            raise ValueError(f"app.py ended with status {app.returncode} when it was told to stop")
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"app.py did not end within {ENDING} s of being told to") from error
    finally:
        app.kill()
        app.wait()
