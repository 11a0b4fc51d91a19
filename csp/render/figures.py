"""The stages of a run side by side, a row a run, whatever stages it has; from results alone. `typeset.save` writes it.

`csp.render.figure5` draws several runs of one query in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from csp.render import overlays, sheet, views, words
from csp.render.sheet import Block, Panel
from csp.render.typeset import SMALL
from csp.types import Result, StageRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Mask = NDArray[np.bool_]
Cell = tuple[views.Kind, int]

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
    width: float = sheet.DOUBLE,
    provenance: bool = False,
) -> Figure:
    """In the manner of the paper's Figure 5, a row per result: input and query, selected tokens, scattering
    attention, survivors, mask.

    A plan without one of these stages leaves its place empty; one that cuts several times has a column for
    each cut. dense, truth: masks bool [H, W] per result, outlined in the last column and scored. width in
    inches. provenance adds model, settings, seed and version. Raises ValueError for no result, or for as many
    masks as there are not results.
    """
    if not results:
        raise ValueError("stages needs at least one result, got none; pass [model.segment(image, query)]")
    for name, masks in (("dense", dense), ("truth", truth)):
        sheet.check_per(name, masks, len(results), "result")
    sheet.check_width(width)
    rows = [_cells(result) for result in results]
    columns = sorted(
        {cell for row in rows for cell in row}, key=lambda cell: (_ORDER.index(cell[0]), cell[1])
    )
    titles = ["Input", *(_title(rows, column) for column in columns), "Mask"]
    per_line, panel = sheet.broken(len(titles), width, NARROWEST)
    made = []
    for i, result in enumerate(results):
        masks = (dense[i] if dense else None, truth[i] if truth else None)
        panels = _panels(result, rows[i], columns, *masks, inches=panel)
        made.append((sheet.query_blocks(result, width), panels, sheet.height(result, panel)))

    def heads(first: int, last: int) -> list[Block]:
        return [sheet.title_block(titles[first:last], panel, width)]

    blocks = sheet.table(made, heads, per_line, panel, width)
    if provenance:
        blocks.append(sheet.text_block(words.provenance(results), width))
    return sheet.compose(blocks, width)


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
    layout = result.trace.layout
    grid = layout.views[0].grid
    # Numbers that would be set smaller than any other text of the figure are left out.
    ranks = 9 if overlays.NUMBER * inches * 72 / max(grid) >= SMALL else 0
    out: list[Panel] = [(overlays.seen(result, SIDE), f"{words.grid(layout)} patches")]
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
