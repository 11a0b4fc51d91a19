"""Rows of equal panels on a sheet: heads above, captions below, text between; broken where panels would be too
narrow to read.

A sheet is a list of blocks, each as wide as the sheet; `compose` stacks them into a matplotlib figure, built without
pyplot: no global state, safe in threads.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from csp.render import words
from csp.render.canvas import canvas
from csp.render.typeset import DPI, FONT, LINE, SMALL, inches, lines, style, wrap
from csp.types import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Panel = tuple["NDArray[np.uint8] | None", str]
"""A picture uint8 RGB [h, w, 3] and its caption; without a picture the caption stands in its place."""
Block = tuple[float, "Callable[[Figure, float], None]"]
"""Height in inches, and what draws it below a given height."""

DOUBLE = 7.0
"""Two columns of the paper, inches."""
SINGLE = 3.33
GAP = 0.06
_ASCENT = 0.95
"""Of the font, as a share of its size."""


def check_width(width: float, low: float = 1.0) -> None:
    """Raise ValueError for a sheet that no page has."""
    if not low <= width <= 40:
        raise ValueError(f"width must be in {low:g}..40 inches, got {width}; {SINGLE} is a column, {DOUBLE:g} a page")


def check_per(name: str, given: Sequence[object] | None, wanted: int, what: str) -> None:
    """Raise ValueError where a list has not one entry per row."""
    if given is not None and len(given) != wanted:
        raise ValueError(f"{name} must have one entry per {what} ({wanted}), got {len(given)}; use None where unknown")


def rows(results: Sequence[Result]) -> list[list[Result]]:
    """Results by picture and query, in the order of their first appearance."""
    out: dict[tuple[Any, ...], list[Result]] = {}
    for result in results:
        request = result.request
        out.setdefault((request.query, request.image.shape, request.image.tobytes()), []).append(result)
    return list(out.values())


def broken(columns: int, width: float, narrowest: float) -> tuple[int, float]:
    """How many of these columns stand side by side in a width, in lines of even length, and how wide each panel is,
    inches.
    """
    most = max(1, min(columns, int((width + GAP) / (narrowest + GAP))))
    per_line = math.ceil(columns / math.ceil(columns / most))
    return per_line, (width - GAP * (per_line - 1)) / per_line


def side(panel: float) -> int:
    """Pixels of a drawn picture's longer side for a panel of this width: twice the print's, within reason."""
    return min(max(round(2 * panel * DPI), 320), 1280)


def height(result: Result, panel: float) -> float:
    """Height of a run's panels in inches: the proportions of what is drawn within reason."""
    tall, wide = canvas(result.trace.layout, *result.request.image.shape[:2]).size
    return panel * min(max(tall / wide, 0.3), 2)


def compose(blocks: Sequence[Block], width: float) -> Figure:
    """A figure of these blocks, one below the other."""
    from matplotlib.figure import Figure

    with style():
        figure = Figure(figsize=(width, sum(tall for tall, _ in blocks)), dpi=DPI / 2)
        y = figure.get_figheight()
        for tall, draw in blocks:
            draw(figure, y)
            y -= tall
    return figure


def text_block(text: str, width: float, points: float = SMALL, color: str = "0.35") -> Block:
    """A paragraph as wide as the sheet."""
    set_ = wrap(text, width - 0.02, points)

    def draw(figure: Figure, y: float) -> None:
        _hang(figure, 0, y, set_, points, "left", color)

    return lines(set_) * LINE + 0.25 * LINE, draw


def query_blocks(result: Result, width: float) -> list[Block]:
    """What was asked, and by what setting it was answered at what bill."""
    setting = f"{words.method(result)};  {words.bill(result)}"
    return [
        text_block(f"\u201c{result.request.query}\u201d", width, FONT + 0.5, "0"),
        text_block(setting, width, SMALL, "0.3"),
    ]


def title_block(titles: Sequence[str], panel: float, width: float, bold: bool = True) -> Block:
    """A title over each column."""
    points = FONT + 1 if bold else FONT
    set_ = [wrap(title, panel, points, bold=bold) for title in titles]
    tall = 1.2 * LINE * max(map(lines, set_)) + 0.25 * LINE

    def draw(figure: Figure, y: float) -> None:
        at = (y - tall + 0.35 * LINE) / figure.get_figheight()
        for c, title in enumerate(set_):
            x = (c * (panel + GAP) + panel / 2) / width
            weight = "bold" if bold else "normal"
            figure.text(x, at, title, fontsize=points, ha="center", va="bottom", weight=weight)

    return tall, draw


def head_block(spans: Sequence[tuple[str, int]], panel: float, width: float) -> Block:
    """Heads over runs of columns, (text, how many columns) from left to right, a rule under each; "" leaves columns
    bare.
    """
    wide = [count * (panel + GAP) - GAP for _, count in spans]
    fits = all(inches(text, FONT, bold=True) <= room for (text, _), room in zip(spans, wide, strict=True))
    points = FONT if fits else SMALL
    set_ = [wrap(text, room, points, bold=True) for (text, _), room in zip(spans, wide, strict=True)]
    tall = 1.15 * LINE * max(map(lines, set_)) + 0.35 * LINE

    def draw(figure: Figure, y: float) -> None:
        from matplotlib.lines import Line2D

        total, left = figure.get_figheight(), 0.0
        for text, room in zip(set_, wide, strict=True):
            if text:
                at = (y - tall + 0.4 * LINE) / total
                x = (left + room / 2) / width
                figure.text(x, at, text, fontsize=points, ha="center", va="bottom", weight="bold")
                rule = [left / width, (left + room) / width], [(y - tall + 0.2 * LINE) / total] * 2
                figure.add_artist(Line2D(*rule, color="0.3", linewidth=0.5))
            left += room + GAP

    return tall, draw


def panel_block(panels: Sequence[Panel], panel: float, high: float, width: float) -> Block:
    """Pictures side by side, each `high` inches tall, their captions under them."""
    captions = [wrap(caption, panel, SMALL) for _, caption in panels]
    tall = high + (max(map(lines, captions)) + 0.9) * LINE

    def draw(figure: Figure, y: float) -> None:
        total = figure.get_figheight()
        for c, (image, _) in enumerate(panels):
            left = c * (panel + GAP) / width
            middle = left + panel / 2 / width
            if image is None:
                at = (y - high / 2) / total
                figure.text(middle, at, captions[c], fontsize=SMALL, ha="center", va="center", color="0.45")
                continue
            ax = figure.add_axes((left, (y - high) / total, panel / width, high / total))
            ax.imshow(image, interpolation="auto", aspect="equal")
            ax.set_xticks([])
            ax.set_yticks([])
            ax.spines[:].set_linewidth(0.4)
            _hang(figure, middle, y - high - 0.3 * LINE, captions[c], SMALL, "center", "0")

    return tall, draw


def table(
    rows: Sequence[tuple[Sequence[Block], Sequence[Panel], float]],
    heads: Callable[[int, int], Sequence[Block]],
    per_line: int,
    panel: float,
    width: float,
) -> list[Block]:
    """Rows of text, panels and their height, under heads(first, last) of columns first..last-1: once where a row fits
    a line, else over every line.
    """
    columns = max(len(panels) for _, panels, _ in rows)
    out = list(heads(0, columns)) if per_line >= columns else []
    for texts, panels, high in rows:
        out += texts
        for first in range(0, columns, per_line):
            last = min(first + per_line, columns)
            if per_line < columns:
                out += heads(first, last)
            out.append(panel_block(panels[first:last], panel, high, width))
    return out


def _hang(figure: Figure, x: float, y: float, text: str, points: float, side: str, color: str) -> None:
    """Text below y inches, line by line, so that neighbours stay level."""
    for i, line in enumerate(text.split("\n")):
        at = (y - _ASCENT * points / 72 - i * LINE) / figure.get_figheight()
        figure.text(x, at, line, fontsize=points, ha=side, va="baseline", color=color)
