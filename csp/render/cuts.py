"""One decision about tokens at a time: what a single cut keeps, by what order, and the mask that it leads to (the
paper's Figures 2(a) and 3(a, b)); the four clusterings of one picture (Figure 4(B)).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from csp.render import overlays, sheet, views, words
from csp.render.canvas import covered
from csp.render.sheet import Block, Panel
from csp.render.typeset import FONT
from csp.types import Layout, Result, StageRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Mask = NDArray[np.bool_]

NARROWEST = 0.75
"""Inches; where panels would be narrower, a row of them is broken."""
_NAMES = {"random": "Random", "uniform": "Uniform", "cls": "CLS attention", "seg-first": "Seg-First"}
_LEGEND = (
    "Rings: tokens that go on; dark, or under dots, what does not; a merged token rings its centre, the patches in it stay "
    "clear. Maps: bright is high."
)
_CLUSTERED = "Rings: tokens of the clustering stage; under dots: those that wait and return."
_SCORES = {"CLS": "[CLS] attention in the vision tower"}


def dropping(
    results: Sequence[Result],
    *,
    truth: Sequence[Mask | None] | None = None,
    width: float = sheet.DOUBLE,
    provenance: bool = False,
) -> Figure:
    """The paper's Figures 2(a) and 3(a, b), a row per result: input, tokens left by the last cut, the score that ranked
    them, what [SEG] attends to after it, the mask.

    truth: true masks bool [H, W] per result, outlined in the last column and scored; the share of tokens on them is
    told. width in inches. provenance adds model, settings, seed and version. Raises ValueError for no result.
    """
    if not results:
        raise ValueError("dropping needs at least one result, got none; pass [model.segment(image, query, method)]")
    sheet.check_width(width)
    sheet.check_per("truth", truth, len(results), "result")
    titles = ("Input", "Tokens kept", "Ranked by", "A_SEG after", "Mask")
    per_line, panel = sheet.broken(len(titles), width, NARROWEST)
    made = []
    for i, result in enumerate(results):
        panels = _dropped(result, truth[i] if truth else None, sheet.side(panel))
        made.append((sheet.query_blocks(result, width), panels, sheet.height(result, panel)))

    def heads(first: int, last: int) -> list[Block]:
        return [sheet.title_block(titles[first:last], panel, width)]

    blocks = sheet.table(made, heads, per_line, panel, width)
    known = truth is not None and any(mask is not None for mask in truth)
    blocks.append(sheet.text_block(_LEGEND + (" Dotted: the true mask." if known else ""), width))
    if provenance:
        blocks.append(sheet.text_block(words.provenance(results), width))
    return sheet.compose(blocks, width)


def clusterings(
    results: Sequence[Result],
    *,
    truth: Sequence[Mask | None] | None = None,
    width: float = sheet.SINGLE,
    provenance: bool = False,
) -> Figure:
    """The paper's Figure 4(B), a picture under several clusterings side by side: which tokens each picks.

    Runs of one picture and query make a row. truth: true masks bool [H, W] per row, of which the
    tokens that lie on them are told. width in inches. provenance adds model, settings, seed and version. Raises
    ValueError for no result or a run without a clustering stage.
    """
    if not results:
        raise ValueError('clusterings needs results, got none; pass csp.figures.runs("4B", model, image, query)')
    sheet.check_width(width)
    rows = sheet.rows(results)
    sheet.check_per("truth", truth, len(rows), "picture and query")
    found = {_title(run) for run in results}
    titles = [*(name for name in _NAMES.values() if name in found), *sorted(found - set(_NAMES.values()))]
    per_line, panel = sheet.broken(len(titles), width, NARROWEST)
    side = sheet.side(panel)
    made = []
    for i, row in enumerate(rows):
        text = sheet.text_block(f"\u201c{row[0].request.query}\u201d", width, FONT + 0.5, "0")
        picked = {_title(run): _clustered(run, truth[i] if truth else None, side) for run in row}
        panels = [picked.get(title, (None, "not run")) for title in titles]
        made.append(([text], panels, sheet.height(row[0], panel)))

    def heads(first: int, last: int) -> list[Block]:
        return [sheet.title_block(titles[first:last], panel, width, bold=False)]

    blocks = sheet.table(made, heads, per_line, panel, width)
    blocks.append(sheet.text_block(_CLUSTERED, width))
    if provenance:
        blocks.append(sheet.text_block(words.provenance(results), width))
    return sheet.compose(blocks, width)


def _dropped(result: Result, truth: Mask | None, side: int) -> list[Panel]:
    record = result.trace.stages[-1]
    return [
        (overlays.seen(result, side), _grid(result.trace.layout)),
        (overlays.tokens(result, record, side), _kept(result, record, truth)),
        _ranked(result, record, side),
        (overlays.attention(result, record.layers, side), f"mean of {words.layer_span(record)}"),
        (overlays.mask(result, side, truth=truth), _scored(result, truth)),
    ]


def _clustered(run: Result, truth: Mask | None, side: int) -> Panel:
    record = run.trace.stage("clustering")
    if record is None:
        raise ValueError("a run has no clustering stage; run it with CSP and Lc of 1 or more")
    return overlays.tokens(run, record, side), _kept(run, record, truth)


def _title(run: Result) -> str:
    name = str(run.request.knobs.get("cluster", run.request.method))
    return _NAMES.get(name, name)


def _ranked(result: Result, record: StageRecord, side: int) -> Panel:
    """The score by which the tokens of a stage were kept; no picture where nothing was ranked."""
    score = record.score
    if score is None or not np.isfinite(score).any():
        return None, "nothing was ranked"
    name = _SCORES.get(record.score_name, record.score_name)
    layer = result.trace.rank_layer
    where = "" if layer is None or not record.first_layer else f", layer {layer + 1}"
    # A score may be any number; only its order and its distances are shown.
    return overlays.heat(result, score - np.nanmin(score), side), f"{name}{where}"


def _kept(result: Result, record: StageRecord, truth: Mask | None) -> str:
    layout = result.trace.layout
    caption = f"{record.n} of {layout.N}"
    if truth is None or not truth.any():
        return caption
    return f"{caption}\n{np.isin(record.patches, np.flatnonzero(on_target(layout, truth))).sum()} on target"


def _scored(result: Result, truth: Mask | None) -> str:
    share = f"{100 * result.mask.mean():.1f} % of the picture" if result.mask.any() else "empty mask"
    return share if truth is None else f"{share}\nIoU with truth {views.iou(result.mask, truth):.2f}"


def _grid(layout: Layout) -> str:
    return f"{words.grid(layout)} patches"


def on_target(layout: Layout, mask: Mask) -> NDArray[np.bool_]:
    """Patches, bool [N], at least half of which a mask bool [H, W] covers; the best covered one where none is."""
    share = covered(layout, mask)
    out = share >= 0.5
    if not out.any() and share.max() > 0:
        out[share.argmax()] = True
    return np.asarray(out)
