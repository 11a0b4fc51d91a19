"""``python -m csp.bench start``: from starting ``app.py`` to its first result painted in a browser, in Chromium."""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import csp
from csp.bench.browser import add_chromium, chromium
from csp.bench.timing import machine, spread

HELP = "from starting app.py to its first result, in Chromium"
APP = Path(csp.__file__).parents[1] / "app.py"
PATIENCE = 120
"""Seconds after which a start has failed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3, help="starts measured, after one that is not (default: 3)")
    add_chromium(parser)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds until the server answers and until the first result is painted, for every start."""
    if args.rounds < 1:
        raise ValueError(f"--rounds must be at least 1, got {args.rounds}")
    if not APP.is_file():
        raise ValueError(f"there is no {APP}: start this from a checkout of the repository")
    with chromium(args.chromium) as browser:
        return {"starts": [_start(browser) for _ in range(args.rounds + 1)][1:]}


def report(found: dict[str, Any]) -> str:
    """Medians, and what they lie between."""
    starts = found["starts"]
    lines = [f"app.py started {len(starts)} times, seconds, median [least, most]; {machine()}"]
    for part in ("server answers", "first result"):
        median, low, high = spread([start[part] for start in starts])
        lines.append(f"{part:18} {median:6.2f} [{low:.2f}, {high:.2f}]")
    return "\n".join(lines)


def _start(browser: Any) -> dict[str, float]:
    port = free_port()
    began = time.perf_counter()
    app = subprocess.Popen(
        [sys.executable, str(APP), "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        url = f"http://127.0.0.1:{port}/"
        wait(url, app)
        answered = time.perf_counter() - began
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector(".csp-viewer[data-run] figure[data-panel=mask]")
        shown = time.perf_counter() - began
        page.close()
        return {"server answers": answered, "first result": shown}
    finally:
        app.terminate()
        app.wait()


def wait(url: str, app: subprocess.Popen[bytes]) -> None:
    """Return once a server answers. Raises ValueError where it ends instead, or keeps silent."""
    end = time.perf_counter() + PATIENCE
    while time.perf_counter() < end:
        if app.poll() is not None:
            raise ValueError(f"app.py ended with status {app.returncode} before it answered: start it by hand to see why")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.02)
    raise ValueError(f"app.py did not answer within {PATIENCE} s")


def free_port() -> int:
    """A port of this machine that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
