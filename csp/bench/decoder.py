"""``python -m csp.bench decoder``: dense against every Table 6 preset and every method, as ratios.

Speed-up is dense time by a plan's time; promised is what the executed FLOPs (Eq. 11) would make of it; efficiency is their
quotient. "/ layers" is a plan's time over the sum of its layers, each timed alone at its own token count in the same rounds:
what choosing, recording and moving tokens costs (a batch leaves the choosing out: methods choose for one sample).
"/ roofline" is its time over what the machine's bandwidth and rate allow.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any

from csp.bench.timing import Spread, machine, ratios, spread
from csp.flops import macs_per_layer
from csp.methods import METHODS, PRESETS, Method, at_budget, values
from csp.methods.presets import SHAPES as PAPER

if TYPE_CHECKING:
    from csp.bench.workload import Shape, Workload

HELP = "dense against every Table 6 preset and every method: speed-up, what FLOPs promise, efficiency"
DENSE = "full"
TABLE_1 = "7B-224"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from csp.bench.workload import add_rounds, add_workload

    add_workload(parser)
    add_rounds(parser)
    parser.add_argument("--only", nargs="+", metavar="ROW", help="these rows beside dense, such as csp/65 csp/90 fastv")
    parser.add_argument("--record", default="yes", choices=("yes", "no"), help="record A_SEG at every layer (default: yes)")


def plans(shape: Shape) -> dict[str, Method]:
    """Dense, every CSP preset of Table 6 for this shape ("csp/65", ...), and every method as in Table 1, or at the same
    share of image tokens where Table 1 is of another size.
    """
    rows: dict[str, Method] = {DENSE: METHODS[DENSE]()}
    for key, preset in PRESETS.items():
        if key.startswith(f"table6/{shape.paper}/") and preset.drop:
            rows[f"csp/{key.rpartition('/')[2]}"] = METHODS[preset.method](**preset.knobs or {})
    table_1 = PAPER[TABLE_1]
    share = PRESETS[f"table1/{TABLE_1}/csp"].n_avg / table_1.N
    for name, method in METHODS.items():
        if name in rows:
            continue
        printed = PRESETS.get(f"table1/{TABLE_1}/{name}")
        if printed and (shape.N, shape.L) == (table_1.N, table_1.L):
            rows[name] = method(**printed.knobs or {})
        elif hasattr(method, "budget"):
            rows[name] = at_budget(method, share * shape.N, shape.N, shape.L)
    return rows


def chosen(rows: dict[str, Method], only: Sequence[str] | None) -> dict[str, Method]:
    """Dense and the rows asked for. Raises ValueError for one that there is not."""
    for name in only or ():
        if name not in rows:
            raise ValueError(f"--only knows {', '.join(rows)}, got {name!r}")
    return {name: method for name, method in rows.items() if not only or name in only or name == DENSE}


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Everything that the report says, with the seconds of every round."""
    from csp.bench.workload import SHAPES, facts, rounds_of, workload_of

    methods = chosen(plans(SHAPES[args.shape]), args.only)
    workload = workload_of(args)
    rounds = rounds_of(args, workload)
    counts = {name: rows_per_layer(workload, method) for name, method in methods.items()}
    record = args.record == "yes"
    jobs = {name: job(workload, method, record) for name, method in methods.items()}
    alone = {f"{n} rows": partial(_alone, workload, n) for n in sorted({n for rows in counts.values() for n in rows})}
    machine_jobs, limits = _machine(workload)
    # A round of a large decoder on a CPU takes a minute: there each token count runs once beforehand, not each plan.
    warm = [*alone, *machine_jobs] if workload.physical == 1 else None
    times = rounds.time({**jobs, **alone, **machine_jobs}, warm)
    for name in alone:
        times[name] = [t / _repeats(workload) for t in times[name]]
    roof = roofline(workload.shape, len(workload.batch), workload.dtype.itemsize, limits(times))
    rows = [_row(name, methods[name], counts, times, workload.shape, roof) for name in methods]
    return {
        **facts(args, workload),
        "recorded": record,
        "rounds": len(times[DENSE]),
        "rows": rows,
        "machine limits": limits(times),
        "seconds": times,
    }


def run(workload: Workload, method: Method, record: bool = True) -> Any:
    """One sample's pass through the decoder, choosing included."""
    from csp.decoder import decode

    shape = workload.shape
    return decode(workload.layers, workload.start, method.plan(shape.N, shape.L), workload.vision, record=record)


def job(workload: Workload, method: Method, record: bool = True) -> Callable[[], Any]:
    """A method's pass through the decoder, to be timed: whole for one sample, without the choosing for a batch."""
    if len(workload.batch) == 1:
        return partial(run, workload, method, record)
    return partial(run_batch, workload, method, rows_per_layer(workload, method), record)


def run_batch(workload: Workload, method: Method, rows: Sequence[int], record: bool = True) -> None:
    """The stages of a plan on a batch, at the row counts of one sample: layers and recording, without the choosing."""
    import torch

    done = 0
    with torch.no_grad():
        for stage in method.plan(workload.shape.N, workload.shape.L):
            if stage.L:
                n = rows[done]
                asked = torch.tensor([n - workload.shape.text[2] - 1]) if record else None
                workload.layers.run(done, stage.L, workload.hidden(n), torch.arange(n), asked)
            done += stage.L


def rows_per_layer(workload: Workload, method: Method) -> tuple[int, ...]:
    """Rows of every layer, text included; a method that leaves its number of tokens to the image runs once to tell."""
    from csp.decoder import planned

    counts = planned(method.plan(workload.shape.N, workload.shape.L))
    if None in counts:
        counts = run(workload, method).trace.n_per_layer
    return tuple(n + workload.shape.N_text for n in counts if n is not None)


def _repeats(workload: Workload) -> int:
    """Small layers are timed several at a time, each with weights of its own."""
    return min(workload.physical, 4)


def _alone(workload: Workload, n: int) -> None:
    import torch

    hidden, ids = workload.hidden(n), torch.arange(n)
    with torch.no_grad():
        for _, index in zip(range(_repeats(workload)), cycle(range(workload.shape.L)), strict=False):
            workload.layers.run(index, 1, hidden, ids)


def _machine(workload: Workload) -> tuple[dict[str, Callable[[], Any]], Callable[[dict[str, list[float]]], dict[str, float]]]:
    """Two jobs, a copy and a matrix product, and what their times say: bytes and FLOPs a second."""
    import torch
    from torch.nn.functional import linear

    from csp.models.onednn import OneDNN

    large = workload.device.type == "cuda"
    n, d, size = (8192, 8192, 2**30) if large else (1024, 4096, 2**28)
    source = torch.zeros(size, dtype=torch.uint8, device=workload.device)
    target = torch.empty_like(source)
    x, weight = torch.randn(2, max(n, d), d, device=workload.device).to(workload.dtype)
    x = x[:n]

    def product() -> None:
        with OneDNN():
            linear(x, weight)

    def limits(times: dict[str, list[float]]) -> dict[str, float]:
        return {
            "bytes a second": 2 * size / spread(times["a copy"]).median,
            "FLOPs a second": 2 * n * weight.numel() / spread(times["a product"]).median,
        }

    return {"a copy": partial(target.copy_, source), "a product": product}, limits


def roofline(shape: Shape, B: int, itemsize: int, limits: dict[str, float]) -> Callable[[int], float]:
    """Least seconds of a layer on so many rows: its bytes by the bandwidth or its FLOPs by the rate, whichever is more."""

    def least(n: int) -> float:
        size = (shape.layer_parameters + 2 * B * n * shape.d) * itemsize
        flops = 2 * B * macs_per_layer(n, shape.d, shape.m)
        return max(size / limits["bytes a second"], flops / limits["FLOPs a second"])

    return least


def _row(
    name: str,
    method: Method,
    counts: dict[str, tuple[int, ...]],
    times: dict[str, list[float]],
    shape: Shape,
    roof: Callable[[int], float],
) -> dict[str, Any]:
    rows = counts[name]
    speedup, promised = ratios(times[DENSE], times[name]), promise(counts[DENSE], rows, shape.d, shape.m)
    alone = [sum(each) for each in zip(*(times[f"{n} rows"] for n in rows), strict=True)]
    return {
        "name": name,
        "method": method.name,
        "knobs": values(method),
        "n_avg": sum(rows) / len(rows) - shape.N_text,
        "rows_per_layer": rows,
        "speed-up": speedup,
        "promised": promised,
        "efficiency": Spread(*(value / promised for value in speedup)),
        "by layers": ratios(times[name], alone),
        "by roofline": spread(times[name]).median / sum(roof(n) for n in rows),
        "ms": 1e3 * spread(times[name]).median,
        "paper": paper(name, shape),
    }


def promise(dense: Sequence[int], rows: Sequence[int], d: int, m: int) -> float:
    """The speed-up that executed FLOPs (Eq. 11) promise, for rows of every layer, text included."""
    return sum(macs_per_layer(n, d, m) for n in dense) / sum(macs_per_layer(n, d, m) for n in rows)


def paper(name: str, shape: Shape) -> dict[str, float] | None:
    """The paper's own milliseconds (one RTX A6000), speed-up and efficiency for a row of Table 6; None for other rows, and
    for a decoder that is not the paper's.
    """
    if PAPER[shape.paper].d != shape.d:
        return None
    dense = PRESETS[f"table6/{shape.paper}/0"]
    preset = dense if name == DENSE else PRESETS.get(f"table6/{shape.paper}/{name.rpartition('/')[2]}")
    if preset is None or preset.ms is None or dense.ms is None:
        return None
    speedup = dense.ms / preset.ms
    return {"ms": preset.ms, "speed-up": speedup, "efficiency": speedup / (dense.tflops / preset.tflops)}


def report(found: dict[str, Any]) -> str:
    """A row a plan, ratios first; [least, most] of the rounds beside the efficiency."""
    from csp.bench.workload import head

    limits = found["machine limits"]
    lines = [
        head(found),
        f"{machine()}; median of {found['rounds']} rounds in random order",
        f"copies {limits['bytes a second'] / 1e9:.0f} GB/s, multiplies {limits['FLOPs a second'] / 1e12:.2f} TFLOP/s",
        f"{'':12}{'tokens':>7}{'speed-up':>10}{'promised':>10}{'efficiency':>12}{'[least, most]':>15}{'/ layers':>10}"
        f"{'/ roofline':>12}{'ms':>10}" + ("   paper's speed-up, efficiency" if any(r["paper"] for r in found["rows"]) else ""),
    ]
    for row in found["rows"]:
        told = row["paper"]
        theirs = f"{told['speed-up']:10.2f} {told['efficiency']:11.2f}" if told else ""
        efficiency = row["efficiency"]
        lines.append(
            f"{row['name']:12}{row['n_avg']:7.1f}{row['speed-up'][0]:10.2f}{row['promised']:10.2f}{efficiency[0]:12.2f}"
            f"{f'[{efficiency[1]:.2f}, {efficiency[2]:.2f}]':>15}{row['by layers'][0]:10.2f}{row['by roofline']:12.2f}"
            f"{row['ms']:10.1f}   {theirs}".rstrip()
        )
    return "\n".join(lines)
