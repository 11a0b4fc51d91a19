"""What a process must not do while it is handed hostile inputs, and what it costs: seen from inside by Python's audit hooks, from
outside by Linux' own counts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from csp.bench.hostility.values import CANARY

STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pickle.find_class")
SECRETS = (CANARY, "/etc/passwd", "/etc/shadow", "/proc/self/environ")
HERE = (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0", b"localhost", b"127.0.0.1")


def forbidden(event: str, args: tuple[Any, ...]) -> str:
    """What is wrong with an event of Python's audit, in words; empty where nothing is."""
    if event == "open":
        path = os.fsdecode(args[0]) if isinstance(args[0], str | bytes) else ""
        return f"opened {path}" if any(secret in path for secret in SECRETS) else ""
    if event in STARTS:
        return f"{event} {str(args[:2])[:200]}"
    if event == "socket.connect":
        host = args[1][0] if isinstance(args[1], tuple) else None
        return "" if host in HERE or str(host).startswith("127.") else f"connected to {host}"
    if event == "socket.getaddrinfo":
        return "" if args[0] in HERE else f"looked up {args[0]!r}"
    return ""


def install(tell: Callable[[str], None]) -> None:
    """Have ``tell`` hear of every forbidden event of this process from now on; a hook stays for good."""

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in ("open", "socket.connect", "socket.getaddrinfo") or event in STARTS:
            words = forbidden(event, args)
            if words:
                tell(words)

    sys.addaudithook(hook)


class Meter:
    """Processor time and memory of a process, this one's or a child's."""

    def __init__(self, process: int):
        self._place = Path("/proc") / str(process)

    def seconds(self) -> float:
        """Processor time so far, of all its threads."""
        fields = (self._place / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> int:
        """Bytes in memory now."""
        return self._status("VmRSS")

    def peak(self) -> int:
        """Most bytes that were in memory since `forget`."""
        return self._status("VmHWM")

    def forget(self) -> None:
        """Let `peak` begin anew."""
        (self._place / "clear_refs").write_text("5")

    def _status(self, name: str) -> int:
        for line in (self._place / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        return 0
