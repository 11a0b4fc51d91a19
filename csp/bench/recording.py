"""``python -m csp.bench trace``: what recording A_SEG at every layer costs, beside eager attention maps as other tools take
them (``output_attentions=True``, every head and row of every layer).
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from csp.bench.timing import machine, ratios, spread

if TYPE_CHECKING:
    from torch import Tensor

    from csp.bench.workload import Workload

HELP = "recording A_SEG at every layer against not recording, and against eager attention maps"
PLANS = ("full", "csp")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from csp.bench.workload import add_rounds, add_workload

    add_workload(parser)
    add_rounds(parser)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Seconds by round and bytes of every way to look at attention."""
    from csp.bench.decoder import job, plans
    from csp.bench.workload import SHAPES, facts, rounds_of, workload_of

    methods = plans(SHAPES[args.shape])
    workload = workload_of(args)
    maps = eager_maps(workload)
    jobs: dict[str, Callable[[], Any]] = {}
    for name in PLANS:
        jobs[name] = job(workload, methods[name], record=False)
        jobs[f"{name}, A_SEG"] = job(workload, methods[name])
    jobs["full, eager maps"] = maps
    # Counting the bytes runs everything once: that is the warm-up.
    memory = {name: alive(job) for name, job in jobs.items()}
    times = rounds_of(args, workload).time(jobs, warm=())
    rows = []
    for name in jobs:
        plain = name.partition(",")[0]
        row = {"name": name, "time": ratios(times[name], times[plain]), "ms": 1e3 * spread(times[name]).median}
        rows.append(row | memory[name] | {"more": memory[name]["peak"] - memory[plain]["peak"]})
    return {**facts(args, workload), "rounds": len(times[PLANS[0]]), "rows": rows, "seconds": times}


def eager_maps(workload: Workload) -> Callable[[], tuple[Tensor, ...]]:
    """The workload's decoder with eager attention and the same weights, asked for all its attention maps [B, H, n, n]."""
    import torch
    from transformers import LlamaModel

    config = copy.deepcopy(workload.llm.config)
    config._attn_implementation = "eager"
    with torch.device("meta"):
        llm = LlamaModel(config).eval()
    llm.rotary_emb = workload.llm.rotary_emb
    for own, layer in zip(llm.layers, workload.llm.layers, strict=True):
        own.load_state_dict(layer.state_dict(), assign=True)
    llm.norm = workload.llm.norm

    @torch.no_grad()
    def maps() -> tuple[Tensor, ...]:
        out = llm(inputs_embeds=workload.batch, use_cache=False, output_attentions=True)
        return tuple(out.attentions)

    return maps


def alive(job: Callable[[], Any]) -> dict[str, int]:
    """Bytes of tensors alive at the worst moment of ``job``, and as long as its result is held."""
    from csp.bench.alive import Alive

    with Alive() as counted:
        result = job()
        kept = counted.now
    del result
    return {"peak": counted.peak, "kept": kept}


def report(found: dict[str, Any]) -> str:
    """A row for every way to look, its time against not looking at all; bytes are of tensors, weights aside."""
    from csp.bench.workload import head

    lines = [
        head(found),
        f"{machine()}; median of {found['rounds']} rounds in random order",
        f"{'':18}{'time':>7}{'[least, most]':>15}{'ms':>10}{'peak MB':>10}{'more MB':>10}{'kept MB':>10}",
    ]
    for row in found["rows"]:
        median, low, high = row["time"]
        memory = "".join(f"{row[part] / 1e6:10.2f}" for part in ("peak", "more", "kept"))
        lines.append(f"{row['name']:18}{median:7.3f}{f'[{low:.2f}, {high:.2f}]':>15}{row['ms']:10.1f}{memory}")
    return "\n".join(lines)
