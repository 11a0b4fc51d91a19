"""The paper's Figure 5: a row a query, its tokens under every clustering, the scattering stage's attention, the
survivors at several Np, the mask. From results alone, fresh or reopened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from csp.render import overlays, sheet, views, words
from csp.render.sheet import Block, Panel
from csp.types import Result, StageRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Mask = NDArray[np.bool_]

NARROWEST = 0.58
"""Inches; where panels would be narrower, a row of them is broken: two lines in a single column."""
_NAMES = {"random": "Random", "uniform": "Uniform", "cls": "CLS", "seg-first": "Seg-First"}
"""Clusterings in the paper's order and spelling; others come after them as they are called."""
_LEGEND = (
    "Blue rings: tokens of the clustering stage, under dots those that wait and return. A_SEG: attention of [SEG] to the "
    "image tokens in the layers named, bright is high. Orange rings: survivors of pruning, dark is pruned. Under the "
    "mask: its share of the picture."
)


@dataclass(frozen=True, eq=False)
class Example:
    """The runs of one row. `lead` gives attention and mask; `clusters` by the knob "cluster" and `survivors` by "Np"
    differ from it in that one knob only; `dense` is the run of every token in every layer, where there is one.
    """

    lead: Result
    clusters: dict[str, Result]
    survivors: dict[int, Result]
    dense: Result | None


def figure5(
    results: Sequence[Result],
    *,
    truth: Sequence[Mask | None] | None = None,
    width: float = sheet.DOUBLE,
    provenance: bool = False,
) -> Figure:
    """The paper's Figure 5 from runs in any order; `csp.figures.runs("5", ...)` makes those of one row.

    Runs of one picture and query make a row. Its first run with a pruning stage leads: the others may differ from it
    in `cluster` or in `Np`, or be the dense run, whose mask is then outlined (dashed). truth: true masks bool [H, W],
    one per row, outlined (dotted) and scored. width in inches. provenance adds model, settings, seed and version.

    Raises ValueError for no result, a row without pruning, or a run that differs from its row's lead otherwise.
    """
    if not results:
        raise ValueError('figure5 needs results, got none; pass csp.figures.runs("5", model, image, query)')
    sheet.check_width(width)
    examples = [_example(runs) for runs in sheet.rows(results)]
    sheet.check_per("truth", truth, len(examples), "picture and query")
    known = {name for example in examples for name in example.clusters}
    clusters = [*(name for name in _NAMES if name in known), *sorted(known - set(_NAMES))]
    counts = sorted({Np for example in examples for Np in example.survivors})
    scattered = all(example.lead.trace.stage("scattering") is not None for example in examples)
    spans = [
        ("", 1),
        (_clustering_head(examples), len(clusters)),
        ("Scattering" if scattered else "", 1),
        ("Pruning", len(counts)),
        ("", 1),
    ]
    titles = ["Input", *(_NAMES.get(name, name) for name in clusters), "A_SEG", *(f"Np = {n}" for n in counts), "Mask"]
    spans = [(text, count) for text, count in spans if count]
    per_line, panel = sheet.broken(len(titles), width, NARROWEST)

    def heads(first: int, last: int) -> list[Block]:
        return [
            sheet.head_block(_cut(spans, first, last), panel, width),
            sheet.title_block(titles[first:last], panel, width, bold=False),
        ]

    side = sheet.side(panel)
    made = []
    for i, example in enumerate(examples):
        panels = _panels(example, clusters, counts, truth[i] if truth else None, side)
        high = sheet.height(example.lead, panel)
        made.append((sheet.query_blocks(example.lead, width), panels, high))
    blocks = sheet.table(made, heads, per_line, panel, width)
    blocks.append(sheet.text_block(_legend(examples, truth), width))
    if provenance:
        blocks.append(sheet.text_block(words.provenance(results, [example.lead for example in examples]), width))
    return sheet.compose(blocks, width)


def _example(runs: Sequence[Result]) -> Example:
    """Sort the runs of one row; the lead stands for itself among clusterings and survivors."""
    query = runs[0].request.query
    lead = next((run for run in runs if run.trace.stage("pruning") is not None), None)
    if lead is None:
        raise ValueError(f"no run of {query!r} has a pruning stage; run it with CSP and Lc + Ls below the layers")
    clusters: dict[str, Result] = {}
    survivors: dict[int, Result] = {}
    dense: Result | None = None
    for run in runs:
        if set(run.trace.n_per_layer) == {run.trace.layout.N}:
            dense = dense or run
            continue
        changed = _changed(lead, run)
        if changed - {"cluster", "Np"} or len(changed) > 1:
            raise ValueError(
                f"a run of {query!r} differs from its row's first in {', '.join(sorted(changed))}; a row of Figure 5 "
                "may vary cluster, or Np"
            )
        if "Np" not in changed and run.trace.stage("clustering") is not None:
            clusters.setdefault(str(run.request.knobs.get("cluster", "")), run)
        if "cluster" not in changed and (record := run.trace.stage("pruning")) is not None:
            survivors.setdefault(record.n, run)
    return Example(lead, clusters, survivors, dense)


def _changed(lead: Result, run: Result) -> set[str]:
    """In what two requests of one picture and query differ: names of knobs and fields of the request."""
    a, b = lead.request, run.request
    out = {name for name in ("method", "model", "seed", "force") if getattr(a, name) != getattr(b, name)}
    return out | {name for name in {*a.knobs, *b.knobs} if a.knobs.get(name) != b.knobs.get(name)}


def _panels(
    example: Example, clusters: Sequence[str], counts: Sequence[int], truth: Mask | None, side: int
) -> list[Panel]:
    lead = example.lead
    looked = views.focus_layers(lead.trace)
    out: list[Panel] = [(overlays.seen(lead, side), words.grid(lead.trace.layout))]
    out += [_tokens(example.clusters.get(name), "clustering", side, _chosen) for name in clusters]
    out.append((overlays.attention(lead, looked, side), words.layer_span(lead.trace.stage_at(looked[0]))))

    def kept(run: Result, record: StageRecord) -> str:
        mean = f"N_avg {words.number(round(run.trace.n_avg, 1))}"
        return mean if truth is None else f"{mean}\nIoU {views.iou(run.mask, truth):.2f}"

    out += [_tokens(example.survivors.get(Np), "pruning", side, kept) for Np in counts]
    dense = None if example.dense is None else example.dense.mask
    caption = [f"{100 * lead.mask.mean():.1f} %" if lead.mask.any() else "empty"]
    if truth is not None:
        caption.append(f"IoU {views.iou(lead.mask, truth):.2f}")
    if dense is not None:
        caption.append(f"dense {views.iou(lead.mask, dense):.2f}")
    return [*out, (overlays.mask(lead, side, dense=dense, truth=truth), "\n".join(caption))]


def _tokens(run: Result | None, stage: str, side: int, caption: Any) -> Panel:
    record = None if run is None else run.trace.stage(stage)
    if run is None or record is None:
        return None, "not run"
    return overlays.tokens(run, record, side), caption(run, record)


def _chosen(run: Result, record: StageRecord) -> str:
    return f"|S| = {record.n}"


def _clustering_head(examples: Sequence[Example]) -> str:
    asked = {example.lead.request.knobs.get("Nc") for example in examples}
    return f"Clustering, Nc = {asked.pop()}" if len(asked) == 1 and None not in asked else "Clustering"


def _legend(examples: Sequence[Example], truth: Sequence[Mask | None] | None) -> str:
    """What the pictures mean, and whose attention and mask a row shows."""
    leads = {(run.request.knobs.get("cluster"), run.request.knobs.get("Np")) for run in (e.lead for e in examples)}
    out = [_LEGEND]
    if len(leads) == 1:
        cluster, Np = leads.pop()
        out.append(f"Attention, survivors and mask: {_NAMES.get(str(cluster), cluster)} clustering; mask at Np = {Np}.")
    if truth is not None and any(mask is not None for mask in truth):
        out.append("IoU is with the true mask, dotted.")
    if any(example.dense is not None for example in examples):
        out.append("Dashed: the dense mask, and the IoU with it.")
    return " ".join(out)


def _cut(spans: Sequence[tuple[str, int]], first: int, last: int) -> list[tuple[str, int]]:
    """The part of heads over columns that stands over first..last-1."""
    out, at = [], 0
    for text, count in spans:
        inside = min(at + count, last) - max(at, first)
        if inside > 0:
            out.append((text, inside))
        at += count
    return out
