"""``python -m csp.bench queries``: what another query on the same picture costs, as a fraction of the first.

First a whole model from picture to mask: a picture never seen, then a query on a picture whose encoding is kept, then one for
which the image part of the decoder's first stages is kept too (``reuse=True``), then several in one call. Then a decoder alone,
of any shape. Image tokens precede the words, so what is kept or shared is exact; how far it goes is the method's affair: up
to the first stage whose choice depends on the query.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import count, cycle
from typing import TYPE_CHECKING, Any

from csp.bench.timing import machine, ratios, spread
from csp.checks import check_choice, check_integer

if TYPE_CHECKING:
    from csp.bench.workload import Workload
    from csp.decoder import Decoded
    from csp.methods import Method
    from csp.models.asking import Segmenter
    from csp.shared import Prefix
    from csp.tokens import TokenSequence

HELP = "another query on the same picture, and several at once, against the first"
FIRST = "first query"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from csp.bench.workload import add_rounds, add_workload

    add_workload(parser)
    add_rounds(parser)
    parser.add_argument("--model", default="park", help="the whole model: park, a folder or a hub id (default: park)")
    parser.add_argument("--method", default="csp", help="as in Table 1 (default: csp)")
    parser.add_argument("--queries", type=int, default=4, help="queries in one call (default: 4)")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds by round of every way to ask, for the model and for the shape."""
    import csp
    from csp.bench.decoder import plans
    from csp.bench.workload import SHAPES, facts, rounds_of, workload_of

    methods = plans(SHAPES[args.shape])
    method = methods[check_choice("--method", args.method, tuple(methods))]
    k = check_integer("--queries", args.queries, 2, 64)
    workload = workload_of(args)
    rounds = rounds_of(args, workload)
    model = csp.load(args.model, device=args.device)
    found: dict[str, Any] = {**facts(args, workload), "model": args.model, "method": args.method, "queries": k, "seconds": {}}
    whole, decoder = model_jobs(model, csp.METHODS[method.name](), k), decoder_jobs(workload, method, k)
    for part, jobs in (("model", whole), ("decoder", decoder)):
        times = rounds.time(jobs)
        times[_together(k)] = [t / k for t in times[_together(k)]]
        found["seconds"][part] = times
    return found


def model_jobs(model: Segmenter, method: Method, k: int) -> dict[str, Callable[[], Any]]:
    """Whole runs on a park scene: each call of the first kind sees a picture of its own."""
    import csp

    scene = csp.park.scene(7, split="test")
    texts = [text for _, text, _ in scene.queries]
    asked, pixel = cycle(texts), count()

    def first() -> None:
        picture = scene.image.copy()
        picture.flat[next(pixel)] ^= 1
        model.segment(picture, next(asked), method)

    return {
        FIRST: first,
        "another, picture kept": lambda: model.segment(scene.image, next(asked), method),
        "another, prefix kept": lambda: model.segment(scene.image, next(asked), method, reuse=True),
        _together(k): lambda: model.segment(scene.image, [next(asked) for _ in range(k)], method),
    }


def decoder_jobs(workload: Workload, method: Method, k: int) -> dict[str, Callable[[], Any]]:
    """The decoder on k queries, random words behind the same system prompt and image tokens."""
    import torch

    from csp.decoder import decode, decode_all
    from csp.shared import Together

    layout, hidden = workload.start.layout, workload.start.hidden
    shared = hidden[:, : layout.usr.start]
    texts = torch.randn(k, layout.T - shared.shape[1], hidden.shape[2], device=hidden.device, dtype=hidden.dtype)
    starts = [workload.start.with_hidden(torch.cat([shared, text[None]], dim=1)) for text in texts]
    plan = method.plan(layout.N, workload.layers.num_layers)

    def together(starts: Sequence[TokenSequence], kept: Sequence[Prefix] = ()) -> tuple[list[Decoded], Sequence[Prefix]]:
        runner = Together(workload.layers, kept)
        return decode_all(runner, starts, plan, [workload.vision] * len(starts)), runner.prefixes

    _, kept = together(starts[:1])
    others = cycle(starts[1:])
    return {
        FIRST: lambda: decode(workload.layers, starts[0], plan, workload.vision),
        "another, prefix kept": lambda: together([next(others)], kept),
        _together(k): lambda: together(starts),
    }


def _together(k: int) -> str:
    return f"{k} at once, each"


def report(found: dict[str, Any]) -> str:
    """Each way to ask as a fraction of the first query."""
    from csp.bench.workload import head

    names = {"model": f"{found['model']}, picture to mask", "decoder": f"decoder alone: {head(found)}"}
    lines = [f"{found['method']}; {machine()}; medians of rounds in random order"]
    for part, times in found["seconds"].items():
        lines.append(f"{names[part]}, {len(times[FIRST])} rounds\n{'':24}{'of the first':>12}{'[least, most]':>15}{'ms':>10}")
        for name, seconds in times.items():
            median, low, high = ratios(seconds, times[FIRST])
            lines.append(f"{name:24}{median:12.3f}{f'[{low:.2f}, {high:.2f}]':>15}{1e3 * spread(seconds).median:10.1f}")
    return "\n".join(lines)
