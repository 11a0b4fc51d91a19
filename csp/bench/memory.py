"""``python -m csp.bench memory``: the peak of a pass against weights and activations, and what many runs leave behind.

The peak counts bytes of tensors at a large shape. The growth is the process's resident memory over runs of a real model,
methods, pictures, queries and seeds changing, as a line through what was read after the warm-up.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csp.bench.timing import machine
from csp.checks import check_integer

if TYPE_CHECKING:
    from csp.bench.workload import Shape

HELP = "the peak against weights and activations, and growth over many runs"
STATM = Path("/proc/self/statm")
PLANS = ("full", "csp")
PICTURES = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from csp.bench.workload import add_workload

    add_workload(parser, shape="7b-224")
    parser.add_argument("--runs", type=int, default=1000, help="runs of --model to watch, 0 for none (default: 1000)")
    parser.add_argument("--model", default="park", help="park, a folder or a hub id")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The peak of a pass, and resident bytes over runs. Raises ValueError where the system does not tell them."""
    from csp.bench.decoder import job, plans
    from csp.bench.recording import alive
    from csp.bench.workload import SHAPES, facts, workload_of

    check_integer("--runs", args.runs, 0)
    if args.runs and not STATM.exists():
        raise ValueError(f"growth is read from {STATM}, which only Linux has; use --runs 0 elsewhere")
    shape, methods = SHAPES[args.shape], plans(SHAPES[args.shape])
    workload = workload_of(args)
    size, rows = workload.dtype.itemsize, len(workload.batch) * (shape.N + shape.N_text)
    weights, held = shape.L * shape.layer_parameters * size, activations(shape, rows) * size
    peaks = {name: alive(job(workload, methods[name]))["peak"] for name in PLANS}
    found = {**facts(args, workload), "weights": weights, "activations": held, "peaks": peaks}
    del workload
    return found | {"model": args.model, "runs": args.runs, "growth": growth(args) if args.runs else None}


def activations(shape: Shape, rows: int) -> int:
    """Numbers that a layer holds at its widest: the residual and its normed copy, and gate, up and their product in the MLP."""
    return rows * (2 * shape.d + 3 * shape.m)


def growth(args: argparse.Namespace) -> dict[str, Any]:
    """Resident bytes over ``--runs`` runs: first and last after the warm-up, and the slope in bytes a run."""
    resident = watch(runs_of(args.model, args.device), args.runs)
    warm = len(resident) // 5
    return {"slope": slope(resident[warm:]), "warm-up": warm, "first": resident[warm], "last": resident[-1], "bytes": resident}


def runs_of(model: str, device: str) -> Callable[[int], Any]:
    """The i-th run: methods in turn, a few pictures and their queries, another seed each time."""
    import csp
    from csp.methods import named
    from csp.session import Session

    loaded = csp.load(model, device=device)
    scenes = [csp.park.scene(seed, split="test") for seed in range(PICTURES)]
    asked = [(scene.image, text) for scene in scenes for _, text, _ in scene.queries[:3]]
    cards = Session(loaded).catalogue()
    methods = [named(card.name, {knob.name: knob.default for knob in card.knobs}) for card in cards]
    turns = cycle((image, text, method) for method in methods for image, text in asked)

    def run(i: int) -> None:
        image, text, method = next(turns)
        loaded.segment(image, text, method, seed=i)

    return run


def watch(run: Callable[[int], Any], runs: int) -> list[int]:
    """Resident bytes after each run, with a progress bar on stderr."""
    from csp.evaluation.terminal import progress

    resident = []
    with progress("runs", unit="run") as tell:
        for i in range(runs):
            run(i)
            resident.append(int(STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE"))
            tell(i + 1, runs)
    return resident


def slope(values: Sequence[float]) -> float:
    """Of the line of least squares through ``values`` at 0, 1, 2, ..."""
    n = len(values)
    if n < 2:
        return 0.0
    middle, mean = (n - 1) / 2, sum(values) / n
    over = sum((i - middle) * (value - mean) for i, value in enumerate(values))
    return over / sum((i - middle) ** 2 for i in range(n))


def report(found: dict[str, Any]) -> str:
    """Ratios first: the peak by weights and activations, then the growth."""
    from csp.bench.workload import head

    weights, held = found["weights"], found["activations"]
    lines = [
        head(found),
        machine(),
        f"weights of all layers {weights / 1e6:.1f} MB, activations of a layer on all tokens {held / 1e6:.1f} MB",
    ]
    for name, peak in found["peaks"].items():
        ratio = (weights + peak) / (weights + held)
        lines.append(f"{name:8} peak / (weights + activations) {ratio:6.3f}; {peak / 1e6:.1f} MB of tensors beside the weights")
    if found["growth"]:
        grown = found["growth"]
        lines.append(
            f"{found['model']}, {found['runs']} runs: {grown['slope'] / 1e3:+.2f} kB a run after {grown['warm-up']} runs of "
            f"warm-up, resident {grown['first'] / 1e6:.1f} MB then and {grown['last'] / 1e6:.1f} MB at the end"
        )
    return "\n".join(lines)
