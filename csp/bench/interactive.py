"""``python -m csp.bench interactive``: from a slider's move to the new picture painted, in Chromium, part by part."""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from csp.bench.browser import add_chromium, chromium
from csp.bench.timing import machine, p95

HELP = "from a slider's move to the picture painted, in Chromium"
PARTS = ("send and queue", "encode", "dense", "select and decode", "mask", "pack", "receive", "paint")
AT_END = "range => range.value === range.max"
PAINTED = "n => +document.querySelector('.csp-viewer').dataset.run > n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="park", help="park, a folder or a hub id")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--moves", type=int, default=40, help="moves measured, after five that are not")
    parser.add_argument("--slider", default="Nc", choices=("Lc", "Nc", "Ls", "Np"))
    add_chromium(parser)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every move by parts, as the flags ask."""
    moves = interactive(args.model, args.device, args.slider, args.moves, args.chromium)
    return {"slider": args.slider, "parts": PARTS, "moves": moves}


def report(found: dict[str, Any]) -> str:
    """Median and 95th percentile of every part as a table."""
    moves, slider = found["moves"], found["slider"]
    lines = [f"{slider} moved {len(moves)} times, milliseconds to the new picture painted; {machine()}"]
    lines.append(f"{'':18} {'median':>8} {'p95':>8}")
    for part in (*PARTS, "total"):
        times = [move[part] for move in moves]
        lines.append(f"{part:18} {statistics.median(times):8.1f} {p95(times):8.1f}")
    return "\n".join(lines)


def interactive(model: str, device: str, slider: str, moves: int, path: str) -> list[dict[str, float]]:
    """Milliseconds of every part, and their "total", for each move of a slider by an arrow key.

    Raises ValueError where Playwright or Chromium is missing, or for fewer than one move.
    """
    if moves < 1:
        raise ValueError(f"--moves must be at least 1, got {moves}")
    with chromium(path) as browser, served(model, device) as url:
        page = browser.new_page(viewport={"width": 1360, "height": 900})
        page.goto(url)
        page.wait_for_selector(".csp-viewer[data-run]")
        control = page.locator(f"#in_{slider} input[type=range]")
        control.focus()
        # Always on to a setting that was not run yet: an answer that is kept tells the times of its first run.
        return [_move(page, "Home" if control.evaluate(AT_END) else "ArrowRight") for _ in range(moves + 5)][5:]


@contextmanager
def served(model: str, device: str) -> Iterator[str]:
    """The address of the page, served by this process."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    import csp
    from csp.session import Session
    from csp.ui import build, launch_options

    demo = build(Session(csp.load(model, device=device)))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    try:
        yield url
    finally:
        demo.close(verbose=False)


def _move(page: Any, key: str) -> dict[str, float]:
    before = int(page.get_attribute(".csp-viewer", "data-run"))
    pressed = page.evaluate("performance.timeOrigin + performance.now()")
    page.keyboard.press(key)
    page.wait_for_function(PAINTED, arg=before)
    data = page.evaluate("({...document.querySelector('.csp-viewer').dataset})")
    return split(pressed, json.loads(data["server"]), float(data["arrived"]), float(data["painted"]))


def split(pressed: float, server: dict[str, float], arrived: float, painted: float) -> dict[str, float]:
    """One move by parts, milliseconds. Times are since the epoch; `server` is what the page was told with the run."""
    began, handler = server["began"], server["handler"]
    own = {name: server.get(name, 0.0) for name in ("vision", "select", "decoder", "mask", "dense")}
    times = {
        "send and queue": began - pressed,
        "encode": own["vision"],
        "dense": own["dense"],
        "select and decode": own["select"] + own["decoder"],
        "mask": own["mask"],
        "pack": handler - sum(own.values()),
        "receive": arrived - began - handler,
        "paint": painted - arrived,
    }
    return times | {"total": painted - pressed}
