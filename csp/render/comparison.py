"""Methods at one budget side by side: what each kept, looked at and found, and its bill.

`row` reads a result, `comparison` draws rows; both know results and pictures only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from csp.render import overlays, views, words
from csp.render.canvas import covered
from csp.render.typeset import DPI, FONT, LINE, SMALL, lines, style, wrap
from csp.types import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Mask = NDArray[np.bool_]
PANELS = {
    "first": "First layer",
    "last": "Last layer",
    "attention": "A_SEG",
    "mask": "Mask",
}
SIDE = 336
WIDTH = 7.0
TEXT = 1.62
"""Inches of the column of words; the panels share the rest."""
GAP = 0.06


@dataclass(frozen=True)
class Spread:
    """Milliseconds of repeated runs: median, lower and upper quartile, how many runs."""

    median: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Panel:
    """A picture uint8 RGB [h, w, 3], a caption under it, and a sentence for those who do not see it."""

    image: NDArray[np.uint8] = field(repr=False)
    caption: str = ""
    alt: str = ""


@dataclass(frozen=True)
class Row:
    """One method: its numbers and its pictures by the names in `PANELS`, or the reason why it did not run.

    ``flops`` are the decoder's by Eq. 11, two to a MAC; ``n_first`` and ``n_last`` count image tokens in the
    first and the last layer; ``n_avg`` is what ran. An IoU is None where there is nothing to compare with.
    ``area`` is the mask's share of the picture, ``on_target`` the share of the attention drawn that falls on the
    true mask, or on the dense one where truth is not known.
    """

    label: str
    setting: str = ""
    reason: str = ""
    n_first: int | None = None
    n_last: int | None = None
    n_avg: float | None = None
    flops: int | None = None
    iou_dense: float | None = None
    iou_truth: float | None = None
    area: float | None = None
    on_target: float | None = None
    ms: Spread | None = None
    panels: Mapping[str, Panel] = field(default_factory=dict)


def row(
    result: Result,
    label: str,
    setting: str = "",
    dense: Mask | None = None,
    truth: Mask | None = None,
    side: int = SIDE,
) -> Row:
    """A result as a row, drawn. dense, truth: masks bool [H, W] to outline and to score against."""
    found = measured(result, label, setting, dense, truth)
    trace = result.trace
    first, last = trace.stages[0], trace.stages[-1]
    looked = views.focus_layers(trace)
    span = words.layer_span(trace.stage_at(looked[0]))
    share = f"{100 * result.mask.mean():.1f} %" if result.mask.any() else "empty"
    if found.on_target is not None:
        span += f": {100 * found.on_target:.0f} %"
    panels = {
        "first": Panel(
            overlays.tokens(result, first, side), words.tokens(first.n), words.alt_stage(result, first)
        ),
        "last": Panel(overlays.tokens(result, last, side), words.tokens(last.n), words.alt_stage(result, last)),
        "attention": Panel(
            overlays.attention(result, looked, side), span, words.alt_attention(result, looked)
        ),
        "mask": Panel(
            overlays.mask(result, side, dense=dense, truth=truth), share, words.alt_mask(result, dense, truth)
        ),
    }
    return replace(found, panels=panels)


def measured(
    result: Result, label: str, setting: str = "", dense: Mask | None = None, truth: Mask | None = None
) -> Row:
    """A result's numbers as a row without pictures."""
    trace = result.trace
    target = dense if truth is None or not truth.any() else truth
    return Row(
        label,
        setting,
        n_first=trace.stages[0].n,
        n_last=trace.stages[-1].n,
        n_avg=trace.n_avg,
        flops=result.cost.total_flops,
        iou_dense=None if dense is None else views.iou(result.mask, dense),
        iou_truth=None if truth is None else views.iou(result.mask, truth),
        area=float(result.mask.mean()),
        on_target=None if target is None else attention_on(result, views.focus_layers(trace), target),
    )


def attention_on(result: Result, layers: Iterable[int], mask: Mask) -> float | None:
    """Share of the [SEG] row over the picture (mean of these layers) that falls on a mask, bool [H, W]; None
    where nothing was attended to. A patch that the mask covers in part counts in part.
    """
    layout = result.trace.layout
    weight = np.nan_to_num(views.attention(result.trace, layers))
    total = float(weight.sum())
    if not total:
        return None
    return float((weight * covered(layout, mask)).sum()) / total


def comparison(rows: Sequence[Row], title: str = "", footer: str = "", width: float = WIDTH) -> Figure:
    """A row a method: words and numbers, then its four pictures; a method that did not run says why.

    title, footer: a line above and below. width in inches. Raises ValueError for no row.
    """
    from matplotlib.figure import Figure

    if not rows:
        raise ValueError("comparison needs at least one row, got none; run the comparison first")
    if not 3 <= width <= 40:
        raise ValueError(f"width must be in 3..40 inches, got {width}")
    panel = (width - TEXT - GAP * len(PANELS)) / len(PANELS)
    with style():
        texts = [_text(row) for row in rows]
        captions = [{name: wrap(p.caption, panel, SMALL) for name, p in row.panels.items()} for row in rows]
        heights = [_height(*each, panel) for each in zip(rows, texts, captions, strict=True)]
        head = wrap(title, width, FONT + 0.5) if title else ""
        foot = wrap(footer, width, SMALL) if footer else ""
        top = (lines(head) * LINE * 1.1 + 0.3 * LINE if head else 0.0) + 1.5 * LINE
        total = top + sum(heights) + (lines(foot) * LINE + 0.4 * LINE if foot else 0.0)
        figure = Figure(figsize=(width, total), dpi=DPI / 2)
        figure.text(0, 1, head, fontsize=FONT + 0.5, va="top", linespacing=1.25)
        for c, name in enumerate(PANELS.values()):
            x = TEXT + GAP + c * (panel + GAP) + panel / 2
            at = 1 - (top - 0.3 * LINE) / total
            figure.text(x / width, at, name, fontsize=FONT + 1, ha="center", va="bottom", weight="bold")
        y = total - top
        for each in zip(rows, texts, captions, heights, strict=True):
            _draw(figure, *each, y, panel)
            y -= each[3]
        if foot:
            figure.text(0, 0, foot, fontsize=SMALL, va="bottom", linespacing=1.25, color="0.35")
    return figure


def numbers(row: Row) -> list[str]:
    """The bill and the scores of a row, a line each."""
    if row.n_avg is None:
        return []
    out = [f"N_avg {words.number(round(row.n_avg, 1))}"]
    if row.flops is not None:
        out[0] += f";  {operations(row.flops)}"
    if row.ms is not None:
        out.append(
            f"{row.ms.median:.1f} ms ({row.ms.low:.1f}\u2013{row.ms.high:.1f})"
            if row.ms.n > 1
            else f"{row.ms.median:.1f} ms"
        )
    scores = [
        f"{name} {value:.2f}"
        for name, value in (("dense", row.iou_dense), ("truth", row.iou_truth))
        if value is not None
    ]
    return [*out, "IoU: " + ", ".join(scores)] if scores else out


def operations(flops: int) -> str:
    """A count of operations with its unit: "1.34 GFLOPs"."""
    unit, size = next(((u, s) for u, s in (("T", 1e12), ("G", 1e9)) if flops >= s), ("M", 1e6))
    return f"{flops / size:.2f} {unit}FLOPs"


def _text(row: Row) -> tuple[str, str]:
    """Name and body of the column of words, broken to its width."""
    body = [row.setting.replace(" = ", "\u00a0=\u00a0"), *([row.reason] if row.reason else numbers(row))]
    width = WIDTH - 0.1 if not row.panels else TEXT
    return wrap(row.label, TEXT, FONT + 0.5, bold=True), "\n".join(
        wrap(line, width, SMALL) for line in body if line
    )


def _height(row: Row, text: tuple[str, str], captions: Mapping[str, str], panel: float) -> float:
    words_ = (lines(text[0]) + lines(text[1]) + 0.9) * LINE
    if not row.panels:
        return words_
    tall = max(_tall(p, panel) for p in row.panels.values())
    return max(words_, tall + (max(map(lines, captions.values())) + 0.8) * LINE)


def _tall(panel: Panel, width: float) -> float:
    h, w = panel.image.shape[:2]
    return width * min(max(h / w, 0.3), 2.0)


def _draw(
    figure: Figure,
    row: Row,
    text: tuple[str, str],
    captions: Mapping[str, str],
    height: float,
    y: float,
    panel: float,
) -> None:
    width, total = figure.get_size_inches()
    name, body = text
    grey = "0.45" if row.reason else "0"
    figure.text(
        0, y / total, name, fontsize=FONT + 0.5, va="top", weight="bold", linespacing=1.25, color=grey
    )
    under = (y - lines(name) * LINE * 1.1) / total
    figure.text(0, under, body, fontsize=SMALL, va="top", linespacing=1.3, color=grey)
    for c, key in enumerate(PANELS):
        if key not in row.panels:
            continue
        tall = _tall(row.panels[key], panel)
        left = TEXT + GAP + c * (panel + GAP)
        ax = figure.add_axes((left / width, (y - tall) / total, panel / width, tall / total))
        ax.imshow(row.panels[key].image, interpolation="auto", aspect="equal")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.spines[:].set_linewidth(0.4)
        figure.text(
            (left + panel / 2) / width,
            (y - tall - 0.25 * LINE) / total,
            captions[key],
            fontsize=SMALL,
            ha="center",
            va="top",
            linespacing=1.25,
        )
