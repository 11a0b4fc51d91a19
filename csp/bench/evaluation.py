"""``python -m csp.bench evaluation``: pictures a second of the evaluation against a plain loop over ``segment``, on the park.

Picture by picture in turns, so that other work on the machine falls on both: the loop asks every query by itself of a picture
that is encoded once, the evaluation asks all of them together. The masks are compared pixel by pixel.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

from csp.bench.timing import machine
from csp.checks import check_integer

HELP = "pictures a second of the evaluation against a loop over segment, and whether the masks are the same"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="park", help="park, a folder or a hub id (default: park)")
    parser.add_argument("--method", default="full", help="with its defaults (default: full)")
    parser.add_argument("--scenes", type=int, default=20, help="of the park's test split (default: 20)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds of both ways, and how their masks agree. Raises ValueError for no scene or an unknown method."""
    from csp.checkpoints import load
    from csp.evaluation.runs import DENSE, Evaluator, Run
    from csp.evaluation.terminal import progress
    from csp.methods import find, fitted
    from csp.metrics import overlap
    from csp.models.cache import ByteCache
    from csp.samples import ParkSource

    check_integer("--scenes", args.scenes, 1)
    model = load(args.model, device=args.device)
    method = fitted(find(args.method, "--method"), model.N, model.L)
    source = ParkSource("test", args.scenes)
    evaluator = Evaluator(model, source, (Run(DENSE, method),))
    cache = model.cache
    loop = together = 0.0
    queries = same = 0
    farthest = 0
    with progress("scenes") as tell:
        for index in range(-1, args.scenes):
            samples = source.samples(max(0, index))
            model.cache = ByteCache(cache.limit)
            began = time.perf_counter()
            alone = [model.segment(s.image, s.query, method) for s in samples]
            met = [overlap(r.mask, s.truth) for r, s in zip(alone, samples, strict=True)]
            middle = time.perf_counter()
            model.cache = ByteCache(cache.limit)
            again = time.perf_counter()
            batched = evaluator.ask(samples, method)
            other = [overlap(r.mask, s.truth) for r, s in zip(batched, samples, strict=True)]
            end = time.perf_counter()
            if index < 0:  # the first picture warms up
                continue
            loop, together = loop + middle - began, together + end - again
            queries += len(samples)
            same += sum(a == b for a, b in zip(met, other, strict=True))
            farthest = max(farthest, *(int((a.mask != b.mask).sum()) for a, b in zip(alone, batched, strict=True)))
            tell(index + 1, args.scenes)
    model.cache = cache
    return {
        "model": model.name, "method": method.name, "scenes": args.scenes, "queries": queries, "device": str(model.device),
        "loop s": loop, "evaluation s": together, "same intersection and union": same, "most pixels apart": farthest,
    }  # fmt: skip


def report(found: dict[str, Any]) -> str:
    loop, together, scenes = found["loop s"], found["evaluation s"], found["scenes"]
    return "\n".join((
        f"{found['model']}, {found['method']}, {scenes} scenes with {found['queries']} queries, {found['device']}",
        machine(),
        f"the evaluation does {loop / together:.2f} times as many pictures a second as a loop over segment "
        f"({scenes / together:.2f} against {scenes / loop:.2f})",
        f"the same intersection and union for {found['same intersection and union']} of {found['queries']} queries, masks at "
        f"most {found['most pixels apart']} pixels apart",
    ))  # fmt: skip
