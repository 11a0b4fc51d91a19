"""Measured times: ``python -m csp.bench interactive`` moves a slider of the page in Chromium and splits what it takes."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from csp.flags import Parser

PARTS = ("send and queue", "encode", "dense", "select and decode", "mask", "draw", "receive", "paint")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
PAINTED = "n => +document.querySelector('.csp-results').dataset.run > n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a benchmark by name; returns 0, or 2 after one line on what is wrong with the request."""
    parser = Parser(prog="python -m csp.bench", description="Measure on the machine at hand.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    page = kinds.add_parser("interactive", help="from a slider's move to the picture painted, in Chromium")
    page.add_argument("--model", default="park", help="park, a folder or a hub id")
    page.add_argument("--device", default="auto")
    page.add_argument("--moves", type=int, default=40, help="moves measured, after five that are not")
    page.add_argument("--slider", default="Nc", choices=("Lc", "Nc", "Ls", "Np"))
    page.add_argument("--chromium", default=os.environ.get("CHROMIUM", "/usr/bin/chromium"))
    page.add_argument("--json", type=Path, help="also write every move to this file")
    try:
        args = parser.parse_args(argv)
        moves = interactive(args.model, args.device, args.slider, args.moves, args.chromium)
    except ValueError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    print(report(moves, args.slider))
    if args.json:
        args.json.write_text(json.dumps({"machine": machine(), "parts": PARTS, "moves": moves}, indent=1))
    return 0


def interactive(model: str, device: str, slider: str, moves: int, chromium: str) -> list[dict[str, float]]:
    """Milliseconds of every part, and their "total", for each move of a slider by an arrow key.

    Raises ValueError where Playwright or Chromium is missing, or for fewer than one move.
    """
    if moves < 1:
        raise ValueError(f"--moves must be at least 1, got {moves}")
    if not Path(chromium).exists():
        raise ValueError(
            f"there is no Chromium at {chromium}: apt-get install -y chromium, or pass --chromium"
        )
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise ValueError("the page is measured through playwright: pip install playwright") from error
    with _served(model, device) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1360, "height": 900})
        page.goto(url)
        page.wait_for_selector(".csp-results[data-run]")
        page.locator("#in_live input").check()
        page.locator(f"#in_{slider} input[type=range]").focus()
        out = [_move(page, "ArrowRight" if i % 20 < 10 else "ArrowLeft") for i in range(moves + 5)]
        browser.close()
    return out[5:]


@contextmanager
def _served(model: str, device: str) -> Iterator[str]:
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
    before = int(page.get_attribute(".csp-results", "data-run"))
    pressed = page.evaluate("performance.timeOrigin + performance.now()")
    page.keyboard.press(key)
    page.wait_for_function(PAINTED, arg=before)
    data = page.evaluate("({...document.querySelector('.csp-results').dataset})")
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
        "draw": handler - sum(own.values()),
        "receive": arrived - began - handler,
        "paint": painted - arrived,
    }
    return times | {"total": painted - pressed}


def report(moves: Sequence[dict[str, float]], slider: str) -> str:
    """Median and 95th percentile of every part as a table."""
    lines = [f"{slider} moved {len(moves)} times, milliseconds to the new picture painted; {machine()}"]
    lines.append(f"{'':18} {'median':>8} {'p95':>8}")
    for part in (*PARTS, "total"):
        times = sorted(move[part] for move in moves)
        p95 = times[min(len(times) - 1, round(0.95 * (len(times) - 1)))]
        lines.append(f"{part:18} {statistics.median(times):8.1f} {p95:8.1f}")
    return "\n".join(lines)


def machine() -> str:
    """Where this was measured."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
