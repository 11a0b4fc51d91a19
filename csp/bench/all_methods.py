"""``python -m csp.bench compare``: from the press of Compare to all methods on the page, in Chromium."""

from __future__ import annotations

import argparse
import time
from typing import Any

from csp.bench.browser import add_chromium, chromium
from csp.bench.interactive import served
from csp.bench.timing import machine, spread

HELP = "from the press of Compare to all methods on the page, in Chromium"

PATIENCE = 120_000
"""Milliseconds after which a page has failed."""
DRAWN = "(rows) => +document.querySelector('.csp-compare').dataset.drawn === rows"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="park", help="park, a folder or a hub id")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--rounds", type=int, default=3, help="scenes compared, after one that is not (default: 3)")
    add_chromium(parser)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds to the first and to the last row, for every scene."""
    if args.rounds < 1:
        raise ValueError(f"--rounds must be at least 1, got {args.rounds}")
    with chromium(args.chromium) as browser, served(args.model, args.device) as url:
        return {"scenes": [_compare(browser, f"{url}?scene={i}&tab=compare") for i in range(args.rounds + 1)][1:]}


def report(found: dict[str, Any]) -> str:
    """Medians, and what they lie between."""
    scenes = found["scenes"]
    lines = [f"{scenes[0]['rows']} methods compared on {len(scenes)} scenes, seconds, median [least, most]; {machine()}"]
    for part in ("first row", "last row", "timed runs too"):
        median, low, high = spread([scene[part] for scene in scenes])
        lines.append(f"{part:18} {median:6.2f} [{low:.2f}, {high:.2f}]")
    return "\n".join(lines)


def _compare(browser: Any, url: str) -> dict[str, float]:
    page = browser.new_page(viewport={"width": 1360, "height": 900})
    page.goto(url, timeout=PATIENCE)
    # The tab fills itself when it is first seen; what is measured is a press with everything loaded.
    done = page.locator(".csp-compare[data-state=done]")
    done.wait_for(timeout=PATIENCE)
    methods = page.locator(".csp-compare .c-tile")
    began = time.perf_counter()
    page.locator("#do_compare").click()
    page.locator(".csp-compare[data-state=running][data-drawn]").wait_for(timeout=PATIENCE)
    first = time.perf_counter() - began
    page.wait_for_function(DRAWN, arg=methods.count(), timeout=PATIENCE)
    last = time.perf_counter() - began
    done.wait_for(timeout=PATIENCE)
    found = {"rows": methods.count(), "first row": first, "last row": last, "timed runs too": time.perf_counter() - began}
    page.close()
    return found
