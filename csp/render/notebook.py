"""What a notebook shows of a run that ends a cell: its stages as a picture, its bill and its notes below."""

from __future__ import annotations

import base64
import io
from html import escape

from csp.render import words
from csp.render.figures import stages
from csp.render.typeset import style
from csp.types import Result

DPI = 150


def to_png(result: Result) -> bytes:
    """The stages of a run side by side, as a PNG at a notebook's width."""
    buffer = io.BytesIO()
    with style():
        stages([result]).savefig(buffer, format="png", dpi=DPI)
    return buffer.getvalue()


def to_html(result: Result) -> str:
    """The stages of a run as a picture inside HTML, with what it cost and what is to be known about it."""
    request, cost, N = result.request, result.cost, result.trace.layout.N
    ms = ", ".join(f"{part} {value:.0f}" for part, value in result.ms.items())
    facts = (
        f"{words.number(cost.n_avg)} of {N} image tokens on average",
        f"{cost.flops / 1e9:.2f} GFLOPs in the decoder",
        f"ms: {ms}" if ms else "",
        *result.notes,
    )
    alt = f"The stages of {words.method(result)} on {request.query!r}, and the mask"
    told = escape(" \u00b7 ".join(fact for fact in facts if fact))
    image = base64.b64encode(to_png(result)).decode("ascii")
    return (
        f"<div><p><b>{escape(request.query.strip())}</b> \u00b7 {escape(words.method(result))} \u00b7 {escape(request.model)}</p>"
        f'<img style="max-width:100%" alt="{escape(alt)}" src="data:image/png;base64,{image}">'
        f"<p>{told}</p></div>"
    )
