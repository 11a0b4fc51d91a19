"""``python -m csp.bench viewer``: drawing layers, and runs that arrive, in the token viewer."""

from __future__ import annotations

import argparse
import math
import statistics
from typing import Any

import numpy as np

from csp.bench.browser import add_chromium, chromium
from csp.bench.timing import machine, p95
from csp.types import Box, Cost, Layout, Request, Result, StageRecord, Trace

HELP = "drawing a layer, and a run's arrival, in the token viewer"
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


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tokens", type=int, default=576, help="image tokens of the made-up run, a square number")
    add_chromium(parser)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds by view, as the flags ask."""
    return {"tokens": args.tokens, "ms": viewer(args.tokens, args.chromium)}


def report(found: dict[str, Any]) -> str:
    """Median and 95th percentile of drawing a layer by view, and of a run's arrival, as a table."""
    head = f"{found['tokens']} image tokens, 32 layers, milliseconds; {machine()}"
    lines = [head, f"{'':18} {'median':>8} {'p95':>8}"]
    for name, took in found["ms"].items():
        label = "run arrives" if name == "arrival" else f"layer: {name}"
        lines.append(f"{label:18} {statistics.median(took):8.1f} {p95(took):8.1f}")
    return "\n".join(lines)


def viewer(tokens: int, path: str) -> dict[str, list[float]]:
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
    with chromium(path) as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.route(address, lambda route: route.fulfill(body=alone(packets[0], live=True), content_type="text/html"))
        page.goto(address)
        page.wait_for_selector(".csp-viewer[data-run]")
        page.locator("figure[data-panel=scattering] button").click()
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
