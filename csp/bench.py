"""Measured times, in Chromium: ``python -m csp.bench interactive`` moves a slider of the page and splits what it takes,
``python -m csp.bench viewer`` draws layers and lets runs arrive in the token viewer.
"""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from csp.flags import Parser
from csp.types import Box, Cost, Layout, Request, Result, StageRecord, Trace

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
    tokens = kinds.add_parser("viewer", help="drawing a layer, and a run's arrival, in the token viewer")
    tokens.add_argument("--tokens", type=int, default=576, help="image tokens of the made-up run, a square number")
    tokens.add_argument("--chromium", default=os.environ.get("CHROMIUM", "/usr/bin/chromium"))
    try:
        args = parser.parse_args(argv)
        if args.kind == "viewer":
            print(viewer_report(viewer(args.tokens, args.chromium), args.tokens))
            return 0
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
    with _served(model, device) as url, _chromium(chromium) as browser:
        page = browser.new_page(viewport={"width": 1360, "height": 900})
        page.goto(url)
        page.wait_for_selector(".csp-results[data-run]")
        page.locator("#in_live input").check()
        page.locator(f"#in_{slider} input[type=range]").focus()
        return [_move(page, "ArrowRight" if i % 20 < 10 else "ArrowLeft") for i in range(moves + 5)][5:]


@contextmanager
def _chromium(path: str) -> Iterator[Any]:
    """A Chromium; ValueError where it or Playwright is missing."""
    if not Path(path).exists():
        raise ValueError(f"there is no Chromium at {path}: apt-get install -y chromium, or pass --chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise ValueError("the page is measured through playwright: pip install playwright") from error
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


STEP_LAYERS = """async () => {
  const slider = document.querySelector('.v-layer'), took = [];
  for (let i = 0; i < 200; i++) {
    const began = performance.now();
    slider.value = (i * 5) % 33;
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    took.push(performance.now() - began);
    if (i % 3 === 0) await new Promise(requestAnimationFrame);
  }
  return took;
}"""


def viewer(tokens: int, chromium: str) -> dict[str, list[float]]:
    """Milliseconds of 200 steps of the layer in each view, and of ten runs from their arrival to their picture.

    Raises ValueError unless `tokens` is a square of 16 to 4096, and where Playwright or Chromium is missing.
    """
    side = math.isqrt(max(tokens, 0))
    if side * side != tokens or not 16 <= tokens <= 4096:
        raise ValueError(f"--tokens must be a square number in 16..4096, got {tokens}")
    from csp.ui.viewer.alone import alone
    from csp.ui.viewer.packing import payload

    made = [made_up(side, seed) for seed in range(11)]
    packets = [payload(run, run, run.mask, cls=run.trace.A_SEG[10]) for run in made]
    address, out = "http://localhost/viewer", {}
    with _chromium(chromium) as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.route(address, lambda route: route.fulfill(body=alone(packets[0], live=True), content_type="text/html"))
        page.goto(address)
        page.wait_for_selector(".csp-viewer[data-run]")
        for view in ("state", "attention", "age", "compute", "positions"):
            page.locator(f".v-views [data-value={view}]").click()
            out[view] = page.evaluate(STEP_LAYERS)
        out["arrival"] = []
        for turn, packet in enumerate(packets[1:], 2):
            page.evaluate("packet => window.send(packet)", packet)
            page.wait_for_selector(f".csp-viewer[data-run='{turn}']")
            out["arrival"].append(float(page.get_attribute(".csp-viewer", "data-painted-ms")))
    return out


def made_up(side: int, seed: int) -> Result:
    """A run of LVLM_CSP over side x side tokens and 32 layers as its trace would be; pictures and numbers are noise."""
    rng = np.random.default_rng(seed)
    N, L, plan = side * side, 32, (("clustering", 0, 8), ("scattering", 8, 6), ("pruning", 14, 18))
    layout = Layout(3, N, 8, 3, (side, side), Box(0, 0, 448, 448), (N + 10,))
    patches = [np.sort(rng.permutation(N)[: N // 4]), np.arange(N), np.sort(rng.permutation(N)[:16])]
    A_SEG = np.full((L, N), np.nan, np.float32)
    stages = []
    for (name, first, layers), chosen in zip(plan, patches, strict=True):
        source = np.eye(N, dtype=np.float32)[chosen]
        score = (rng.random(N) / N).astype(np.float32) if name == "pruning" else None
        stages.append(StageRecord(name, first, layers, source, chosen + 3, chosen + 3, score, "A_SEG"))
        A_SEG[first : first + layers, chosen] = rng.random((layers, len(chosen))) / N
    counts = tuple(stage.n for stage in stages for _ in stage.layers)
    mean = sum(counts) / L
    trace = Trace(layout, tuple(stages), A_SEG, (rng.random((L, 8)) / 8).astype(np.float32), 13, {}, counts, mean)
    image = np.kron(rng.integers(0, 255, (28, 28, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    logits = np.kron(rng.normal(0, 4, (1, 14, 14)), np.ones((1, 8, 8))).astype(np.float32)
    cost = Cost(counts, mean, 1, 2, 0.0)
    request = Request(image, "a made-up thing", "csp", {"Lc": 8, "Nc": N // 4, "Ls": 6, "Np": 16}, seed)
    return Result(request, logits, np.ones(1, np.float32), np.zeros((1, 4), np.float32), trace, cost, (112, 112), 112)


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
        times = [move[part] for move in moves]
        lines.append(f"{part:18} {statistics.median(times):8.1f} {_p95(times):8.1f}")
    return "\n".join(lines)


def viewer_report(times: dict[str, list[float]], tokens: int) -> str:
    """Median and 95th percentile of drawing a layer by view, and of a run's arrival, as a table."""
    lines = [f"{tokens} image tokens, 32 layers, milliseconds; {machine()}", f"{'':18} {'median':>8} {'p95':>8}"]
    for name, took in times.items():
        label = "run arrives" if name == "arrival" else f"layer: {name}"
        lines.append(f"{label:18} {statistics.median(took):8.1f} {_p95(took):8.1f}")
    return "\n".join(lines)


def _p95(times: Sequence[float]) -> float:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))]


def machine() -> str:
    """Where this was measured."""
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
