"""``python -m csp.bench evaluation``: pictures a second of the evaluation against a plain loop over ``segment``, on the park.

Picture by picture in turns, the one first and then the other, so that other work on the machine falls on both: the loop asks
every query by itself of a picture that is encoded once, the evaluation asks all of them together. The gain is the median of the
pictures' own ratios. The masks are compared pixel by pixel.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

from csp.bench.timing import machine
from csp.checks import check_integer

if TYPE_CHECKING:
    from csp.samples import Sample
    from csp.types import Result

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

    def one_by_one(samples: Sequence[Sample]) -> list[Result]:
        return [model.segment(s.image, s.query, method) for s in samples]

    def in_one(samples: Sequence[Sample]) -> list[Result]:
        return evaluator.ask(samples, method)

    seconds: dict[Any, list[float]] = {one_by_one: [], in_one: []}
    queries = same = farthest = 0
    with progress("scenes") as tell:
        for index in range(-1, args.scenes):
            samples = source.samples(max(0, index))
            found = {}
            for way in list(seconds)[:: 1 if index % 2 else -1]:
                model.cache = ByteCache(cache.limit)
                began = time.perf_counter()
                results = way(samples)
                met = [overlap(r.mask, s.truth) for r, s in zip(results, samples, strict=True)]
                found[way] = results, met, time.perf_counter() - began
            if index < 0:  # the first picture warms up
                continue
            for way, (_, _, took) in found.items():
                seconds[way].append(took)
            (alone, met, _), (batched, other, _) = found[one_by_one], found[in_one]
            queries += len(samples)
            same += sum(a == b for a, b in zip(met, other, strict=True))
            farthest = max(farthest, *(int((a.mask != b.mask).sum()) for a, b in zip(alone, batched, strict=True)))
            tell(index + 1, args.scenes)
    model.cache = cache
    gains = sorted(a / b for a, b in zip(seconds[one_by_one], seconds[in_one], strict=True))
    return {
        "model": model.name, "method": method.name, "scenes": args.scenes, "queries": queries, "device": str(model.device),
        "loop s": median(seconds[one_by_one]), "evaluation s": median(seconds[in_one]), "gain": median(gains),
        "middle half of gains": [gains[len(gains) // 4], gains[-1 - len(gains) // 4]],
        "same intersection and union": same, "most pixels apart": farthest,
    }  # fmt: skip


def report(found: dict[str, Any]) -> str:
    loop, together, scenes = found["loop s"], found["evaluation s"], found["scenes"]
    low, high = found["middle half of gains"]
    return "\n".join((
        f"{found['model']}, {found['method']}, {scenes} scenes with {found['queries']} queries, {found['device']}",
        machine(),
        f"the evaluation does {found['gain']:.2f} times as many pictures a second as a loop over segment (median of pictures, "
        f"half of them between {low:.2f} and {high:.2f}; median {together:.2f} s a picture against {loop:.2f})",
        f"the same intersection and union for {found['same intersection and union']} of {found['queries']} queries, masks at "
        f"most {found['most pixels apart']} pixels apart",
    ))  # fmt: skip
