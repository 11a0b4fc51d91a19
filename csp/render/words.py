"""What the pictures show, in words: captions for figures and page, and the sentences that screen readers
hear.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from csp.render import views
from csp.types import Layout, Result, StageRecord


def number(value: float) -> str:
    """A count or mean as text: whole numbers without decimals, others with one."""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.1f}"


def method(result: Result) -> str:
    """The method with the knobs that the paper prints, in its order: "CSP (Lc, Nc, Ls, Np) = (8, 64, 6,
    16), seg-first".
    """
    request = result.request
    knobs = dict(request.knobs)
    if all(name in knobs for name in ("Lc", "Nc", "Ls", "Np")):
        values = ", ".join(str(knobs[name]) for name in ("Lc", "Nc", "Ls", "Np"))
        cluster = f", {knobs['cluster']}" if "cluster" in knobs else ""
        return f"{request.method.upper()} (Lc, Nc, Ls, Np) = ({values}){cluster}"
    if set(result.trace.n_per_layer) == {result.trace.layout.N}:
        return "dense: every image token in every layer"
    rest = ", ".join(
        f"{name} = {value}" for name, value in knobs.items() if isinstance(value, int | float | str)
    )
    return f"{request.method} ({rest})" if rest else request.method


def stage_title(record: StageRecord, kind: views.Kind) -> str:
    """A column head: the paper's stage names where they apply."""
    known = {"clustering": "Clustering", "scattering": "Scattering", "pruning": "Pruning"}
    if record.name in known:
        return known[record.name]
    return {"selected": "Selected", "all": "All tokens", "kept": "Kept"}[kind]


def row_read(result: Result) -> str:
    """Which row A_SEG is: LISA reads the state before [SEG], other models [SEG]'s own."""
    layout = result.trace.layout
    if layout.answer == "generated" and layout.seg_row != "fed":
        return "the prompt's last row, which predicts the answer"
    return {"before": "the row that predicts [SEG]", "token": "[SEG]'s own row", "fed": "[SEG]'s own row"}[layout.seg_row]


def tokens(n: int) -> str:
    """So many tokens."""
    return f"{n} token{'' if n == 1 else 's'}"


def stage_caption(result: Result, record: StageRecord) -> str:
    """Tokens and layers of a stage in symbols, two lines: "|S| = 61 of 256 (Nc = 64)", "Lc = 8: layers
    1-8".
    """
    N = result.trace.layout.N
    span = layer_span(record)
    if record.name == "clustering":
        asked = result.request.knobs.get("Nc")
        requested = f" (Nc = {asked})" if asked is not None and asked != record.n else ""
        return f"|S| = {record.n} of {N}{requested}\nLc = {record.L}: {span}"
    if record.name == "scattering":
        return f"all {N} tokens\nLs = {record.L}: {span}"
    if record.name == "pruning":
        return f"Np = {record.n} of {N}\nLp = {record.L}: {span}"
    return f"{record.n} of {N} tokens\n{span}"


def layer_span(record: StageRecord) -> str:
    """Layers of a stage counted from 1, as a reader counts them: "layers 9-14"."""
    first, last = record.first_layer + 1, record.first_layer + record.L
    return f"layer {first}" if first == last else f"layers {first}\u2013{last}"


def bill(result: Result) -> str:
    """Mean image tokens against all of them: "N_avg 72.9 of 256 image tokens (\u221272 %)"."""
    n_avg, N = result.trace.n_avg, result.trace.layout.N
    if n_avg == N:
        return f"N_avg {N}, every image token"
    saved = 100 * (1 - n_avg / N)
    sign = "\u2212" if saved >= 0 else "+"
    return f"N_avg {number(round(n_avg, 1))} of {N} image tokens ({sign}{abs(saved):.0f} %)"


def provenance(results: Sequence[Result], settings: Sequence[Result] | None = None) -> str:
    """Where a figure comes from: models, settings, seeds, version. settings: the runs whose settings are told, all by
    default.
    """
    from csp import __version__

    models = ", ".join(sorted({result.request.model for result in results}))
    told = "; ".join(dict.fromkeys(method(result) for result in settings or results))
    seeds = ", ".join(str(seed) for seed in sorted({result.request.seed for result in results}))
    return f"model {models}; {told}; seed {seeds}; csp {__version__}"


def grid(layout: Layout) -> str:
    """How the tower's view is divided: "16 x 16", or "3 x 2 tiles and a thumbnail of 16 x 16"."""
    rows, cols = layout.views[0].grid
    one = f"{rows} \u00d7 {cols}"
    if not layout.tiles:
        return one
    tiles = [tile.crop for tile in layout.tiles if not tile.thumbnail]
    across, down = len({crop.x0 for crop in tiles}), len({crop.y0 for crop in tiles})
    thumbnail = " and a thumbnail" if len(tiles) < len(layout.tiles) else ""
    return f"{down} \u00d7 {across} tiles{thumbnail} of {one}"


def where(patches: Sequence[int] | NDArray, grid: tuple[int, int]) -> str:
    """Where on the grid patches lie, rows and columns from 1: "rows 5-9, columns 3-6"."""
    if len(patches) == 0:
        return "nowhere"
    row, col = np.divmod(np.asarray(patches), grid[1])

    def span(values: NDArray, word: str) -> str:
        low, high = int(values.min()) + 1, int(values.max()) + 1
        return f"{word} {low}" if low == high else f"{word}s {low} to {high}"

    return f"{span(row, 'row')}, {span(col, 'column')}"


def whereabouts(patches: Sequence[int] | NDArray, layout: Layout) -> str:
    """Where patches lie in a picture: `where`, or in how many of its tiles."""
    if not layout.tiles or len(patches) == 0:
        return where(patches, layout.grid)
    tiles = {layout.place(int(patch))[0] for patch in patches}
    small = any(layout.tiles[at].thumbnail for at in tiles)
    return f"in {len(tiles)} of {len(layout.tiles)} tiles, the thumbnail {'among them' if small else 'not among them'}"


def area(mask: NDArray[np.bool_]) -> str:
    """Share of the picture that a mask covers, and roughly where its middle is."""
    if not mask.any():
        return "the mask is empty"
    share = 100 * mask.mean()
    y, x = (float(v.mean()) / n for v, n in zip(np.nonzero(mask), mask.shape, strict=True))
    tall = "top" if y < 1 / 3 else "bottom" if y > 2 / 3 else "middle"
    wide = "left" if x < 1 / 3 else "right" if x > 2 / 3 else "centre"
    covers = f"{share:.0f}" if share >= 1 else f"{share:.1f}"
    return f"the mask covers {covers} % of the picture, {tall} {wide}"


def alt_stage(result: Result, record: StageRecord) -> str:
    """One sentence for a picture of a stage's tokens."""
    layout = result.trace.layout
    where_ = whereabouts(record.patches, layout)
    objects = f", {record.instances} objects found" if record.instances is not None else ""
    title = stage_title(record, views.kind(result.trace, record))
    part = f"{record.n} of {layout.N} image tokens take part"
    return f"{title} stage, {layer_span(record)}: {part}, {where_}{objects}."


def alt_attention(result: Result, layers: Sequence[int] | range) -> str:
    """One sentence for a heat map of the [SEG] row."""
    trace = result.trace
    values = views.attention(trace, layers)
    if not np.isfinite(values).any():
        return "No image token took part in these layers."
    best = int(np.nanargmax(values))
    tile, row, col = trace.layout.place(best)
    total = float(np.nansum(values))
    share = 100 * float(values[best]) / total if total else 0.0
    first, last = layers[0] + 1, layers[-1] + 1
    span = f"layer {first}" if first == last else f"mean of layers {first} to {last}"
    tiles = trace.layout.tiles
    of = "" if not tiles else " of the thumbnail" if tiles[tile].thumbnail else f" of tile {tile + 1}"
    peak = f"highest at row {row + 1}, column {col + 1}{of}, {share:.0f} % of what falls on the picture"
    return f"Attention of [SEG] to the image tokens, {span}: {peak}."


def alt_mask(
    result: Result,
    dense: NDArray[np.bool_] | None = None,
    truth: NDArray[np.bool_] | None = None,
    own: NDArray[np.bool_] | None = None,
) -> str:
    """One sentence for the mask panel, with its agreement where something is known to compare with.

    own: speak of this mask in place of `result.mask` (another threshold).
    """
    mask = result.mask if own is None else own
    parts = [area(mask)]
    if dense is not None:
        parts.append(f"IoU with the dense mask {views.iou(mask, dense):.2f}")
    if truth is not None:
        parts.append(f"IoU with the true mask {views.iou(mask, truth):.2f}")
    return f"Query \u201c{result.request.query}\u201d: " + "; ".join(parts) + "."
