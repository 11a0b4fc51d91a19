"""The stages of a run side by side, in the manner of the paper's Figure 5, from results alone.

Built without pyplot: no global state, safe in threads. `typeset.save` writes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from csp.render import overlays, views, words
from csp.render.typeset import DPI, FONT, LINE, SMALL, lines, style, wrap
from csp.types import Result, StageRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Mask = NDArray[np.bool_]
Cell = tuple[views.Kind, int]
Panel = tuple["NDArray[np.uint8] | None", str]
Block = tuple[float, "Callable[[Figure, float], None]"]
"""Height in inches, and what draws it below a given height."""

WIDTH = 7.0
"""Double column, inches; a single column is 3.33."""
GAP = 0.06
NARROWEST = 0.85
"""Inches; where panels would be narrower, a row of them is broken."""
SIDE = 640
_ORDER: tuple[views.Kind, ...] = ("selected", "all", "kept")
_HEADS = {"selected": "Selected", "all": "All", "kept": "Kept"}


def stages(
    results: Sequence[Result],
    *,
    dense: Sequence[Mask | None] | None = None,
    truth: Sequence[Mask | None] | None = None,
    width: float = WIDTH,
    provenance: bool = False,
) -> Figure:
    """The paper's Figure 5: a row per result; input and query, selected tokens, scattering attention,
    survivors, mask.

    A plan without one of these stages leaves its place empty; one that cuts several times has a column for
    each cut. dense, truth: masks bool [H, W] per result, outlined in the last column and scored. width in
    inches. provenance adds model, seed and version. Raises ValueError for no result, or for as many masks
    as there are not results.
    """
    from matplotlib.figure import Figure

    if not results:
        raise ValueError("stages needs at least one result, got none; pass [model.segment(image, query)]")
    for name, masks in (("dense", dense), ("truth", truth)):
        if masks is not None and len(masks) != len(results):
            raise ValueError(
                f"{name} must have one entry per result ({len(results)}), got {len(masks)}; "
                "use None where unknown"
            )
    if not 1 <= width <= 40:
        raise ValueError(f"width must be in 1..40 inches, got {width}")
    rows = [_cells(result) for result in results]
    columns = sorted(
        {cell for row in rows for cell in row}, key=lambda cell: (_ORDER.index(cell[0]), cell[1])
    )
    per_line = max(1, min(len(columns) + 2, int((width + GAP) / (NARROWEST + GAP))))
    panel = (width - GAP * (per_line - 1)) / per_line
    titles = ["Input", *(_title(rows, column) for column in columns), "Mask"]
    with style():
        blocks: list[Block] = []
        if per_line == len(titles):
            blocks.append(_title_block(titles, panel, width))
        for i, result in enumerate(results):
            masks = (dense[i] if dense else None, truth[i] if truth else None)
            panels = _panels(result, rows[i], columns, *masks, inches=panel)
            blocks.append(_text_block(f"\u201c{result.request.query}\u201d", width, FONT + 0.5, "0"))
            blocks.append(_text_block(f"{words.method(result)};  {words.bill(result)}", width, SMALL, "0.3"))
            aspect = result.request.image.shape[0] / result.request.image.shape[1]
            for first in range(0, len(panels), per_line):
                if per_line < len(titles):
                    blocks.append(_title_block(titles[first : first + per_line], panel, width))
                blocks.append(
                    _panel_block(
                        panels[first : first + per_line], panel, panel * min(max(aspect, 0.3), 2), width
                    )
                )
        if provenance:
            blocks.append(_text_block(_provenance(results), width, SMALL, "0.35"))
        figure = Figure(figsize=(width, sum(height for height, _ in blocks)), dpi=DPI / 2)
        y = figure.get_figheight()
        for height, draw in blocks:
            draw(figure, y)
            y -= height
    return figure


def _cells(result: Result) -> dict[Cell, StageRecord]:
    """The stages of a run by what they show and how often that came before: a second cut is ("kept", 1)."""
    out: dict[Cell, StageRecord] = {}
    for record in result.trace.stages:
        kind = views.kind(result.trace, record)
        out[kind, sum(cell[0] == kind for cell in out)] = record
    return out


def _title(rows: Sequence[dict[Cell, StageRecord]], column: Cell) -> str:
    names = {words.stage_title(row[column], column[0]) for row in rows if column in row}
    title = names.pop() if len(names) == 1 else _HEADS[column[0]]
    return f"{title}: A_SEG" if column[0] == "all" else title


def _panels(
    result: Result,
    cells: dict[Cell, StageRecord],
    columns: Sequence[Cell],
    dense: Mask | None,
    truth: Mask | None,
    inches: float,
) -> list[Panel]:
    """Picture and caption of every place in a row; no picture where the plan has no such stage."""
    grid = result.trace.layout.grid
    # Numbers that would be set smaller than any other text of the figure are left out.
    ranks = 9 if overlays.NUMBER * inches * 72 / max(grid) >= SMALL else 0
    out: list[Panel] = [(overlays.seen(result, SIDE), f"{grid[0]} \u00d7 {grid[1]} patches")]
    for column in columns:
        record = cells.get(column)
        if record is None:
            out.append((None, "no such stage"))
            continue
        if column[0] == "all":
            image = overlays.attention(result, record.layers, SIDE)
        else:
            image = overlays.tokens(result, record, SIDE, ranks=ranks if record.score is not None else 0)
        out.append((image, words.stage_caption(result, record)))
    mask = overlays.mask(result, SIDE, dense=dense, truth=truth)
    scores = [
        f"IoU with {name} {views.iou(result.mask, other):.2f} ({look})"
        for name, other, look in (("dense", dense, "dashed"), ("truth", truth, "dotted"))
        if other is not None
    ]
    share = f"{100 * result.mask.mean():.1f} % of the picture" if result.mask.any() else "empty mask"
    return [*out, (mask, "\n".join([share, *scores]))]


def _text_block(text: str, width: float, points: float, color: str) -> Block:
    broken = wrap(text, width, points)

    def draw(figure: Figure, y: float) -> None:
        figure.text(
            0, y / figure.get_figheight(), broken, fontsize=points, va="top", linespacing=1.25, color=color
        )

    return lines(broken) * LINE + 0.25 * LINE, draw


def _title_block(titles: Sequence[str], panel: float, width: float) -> Block:
    broken = [wrap(title, panel, FONT + 1, bold=True) for title in titles]
    height = 1.2 * LINE * max(map(lines, broken)) + 0.25 * LINE

    def draw(figure: Figure, y: float) -> None:
        for c, title in enumerate(broken):
            x = (c * (panel + GAP) + panel / 2) / width
            at = (y - height + 0.25 * LINE) / figure.get_figheight()
            figure.text(x, at, title, fontsize=FONT + 1, ha="center", va="bottom", weight="bold")

    return height, draw


def _panel_block(panels: Sequence[Panel], panel: float, high: float, width: float) -> Block:
    captions = [wrap(caption, panel, SMALL) for _, caption in panels]
    height = high + (max(map(lines, captions)) + 0.9) * LINE

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
            at = (y - high - 0.3 * LINE) / total
            figure.text(middle, at, captions[c], fontsize=SMALL, ha="center", va="top", linespacing=1.25)

    return height, draw


def _provenance(results: Sequence[Result]) -> str:
    from csp import __version__

    models = ", ".join(sorted({result.request.model for result in results}))
    seeds = ", ".join(str(seed) for seed in sorted({result.request.seed for result in results}))
    return f"model {models}; seed {seeds}; csp {__version__}"
