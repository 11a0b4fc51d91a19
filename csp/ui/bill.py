"""What a run costs and how well it did, as rows for the page: three bills kept apart, tokens per layer,
two scores.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from csp.render import palette, views, words
from csp.types import Result

Row = dict[str, Any]


def steps(result: Result) -> Row:
    """Figure 4(D) as numbers."""
    trace = result.trace
    stages = [
        {
            "name": words.stage_title(record, views.kind(trace, record)),
            "first": record.first_layer,
            "L": record.L,
            "n": record.n,
            "color": palette.hex_of(palette.stage_color(record.name)),
        }
        for record in trace.stages
    ]
    text = "; ".join(f"{words.layer_span(record)}: {record.n}" for record in trace.stages)
    alt = f"Image tokens per decoder layer: {text}. Mean {words.number(round(trace.n_avg, 1))} of {trace.layout.N}."
    return {
        "N": trace.layout.N,
        "L": len(trace.n_per_layer),
        "n_avg": trace.n_avg,
        "stages": stages,
        "alt": alt,
    }


def bill(result: Result, dense: Result | None) -> list[Row]:
    """Three separate bills: fewer image tokens is not as many fewer operations, nor as much less time."""
    thinking = ("select", "decoder")

    def ms(run: Result) -> float:
        return sum(float(run.ms.get(part, 0.0)) for part in thinking)

    lines = [
        ("Image tokens", "mean per layer, N_avg (Eq. 9)", lambda run: run.cost.n_avg, _tokens),
        (
            "Operations",
            "FLOPs of the decoder, all tokens (2 \u00d7 Eq. 11), and of Seg-First's detector",
            lambda run: run.cost.total_flops,
            _flops,
        ),
        ("Time", "measured: selection and decoder", ms, milliseconds),
    ]
    out = []
    for name, help_, value, show in lines:
        ours = float(value(result))
        theirs = None if dense is None else float(value(dense))
        row = {"name": name, "help": help_, "ours": show(ours), "share": 1.0, "dense": "", "change": ""}
        if theirs:
            row |= {"dense": show(theirs), "share": ours / theirs, "change": _change(ours / theirs)}
        out.append(row)
    return out


def _change(share: float) -> str:
    percent = round(100 * (share - 1))
    return "same" if percent == 0 else f"{'+' if percent > 0 else chr(0x2212)}{abs(percent)} %"


def _tokens(value: float) -> str:
    return words.number(round(value, 1))


def _flops(value: float) -> str:
    for unit, size in (("T", 1e12), ("G", 1e9), ("M", 1e6)):
        if value >= size:
            return f"{value / size:.2f} {unit}"
    return f"{value:.0f}"


def milliseconds(value: float) -> str:
    """A measured time as text: decimals only where they mean something."""
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def scores(
    mask: NDArray[np.bool_], dense: NDArray[np.bool_] | None, truth: NDArray[np.bool_] | None
) -> list[Row]:
    """IoU of a mask with the dense one and the true one, bool [H, W], for those that are known."""
    known = (
        ("IoU with the dense mask", "fidelity: what reduction changed", dense),
        ("IoU with the true mask", "accuracy: known for park scenes", truth),
    )
    return [
        {"name": name, "help": help_, "value": f"{views.iou(mask, other):.2f}"}
        for name, help_, other in known
        if other is not None
    ]
