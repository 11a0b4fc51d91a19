"""Charts of cost: image tokens in every decoder layer, the paper's Figure 4(D)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from csp.render import palette, typeset, words
from csp.types import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Told apart by dash as well as by hue.
_LOOKS: tuple[tuple[palette.RGB, Any], ...] = (
    ((0, 114, 178), "-"),
    ((213, 94, 0), (0, (5, 1.5))),
    ((0, 158, 115), (0, (1.2, 1.2))),
    ((204, 121, 167), (0, (6, 1.5, 1.2, 1.5))),
    ((90, 90, 90), (0, (2.5, 1))),
)


def token_steps(
    results: Sequence[Result],
    *,
    labels: Sequence[str] | None = None,
    width: float = 3.33,
    height: float = 1.7,
    provenance: bool = False,
) -> Figure:
    """Image tokens in every decoder layer, a step per stage; the mean over layers is N_avg (Eq. 9).

    One result: its stages filled and counted, its mean dashed. Several: one line each. labels: legend, one
    per result. width, height in inches. provenance adds model, settings, seed and
    version. Raises ValueError for no result or a wrong number of labels.
    """
    from matplotlib.figure import Figure

    if not results:
        raise ValueError(
            "token_steps needs at least one result, got none; pass [model.segment(image, query)]"
        )
    if labels is not None and len(labels) != len(results):
        raise ValueError(f"labels must have one entry per result ({len(results)}), got {len(labels)}")
    with typeset.style():
        figure = Figure(figsize=(width, height), dpi=typeset.DPI / 2, layout="constrained")
        ax = figure.add_subplot()
        for i, result in enumerate(results):
            n_avg = words.number(round(result.trace.n_avg, 1))
            label = labels[i] if labels else f"{result.request.method}, N_avg {n_avg}"
            if len(results) == 1:
                _stages(ax, result, label)
            else:
                _line(ax, result, label, _LOOKS[i % len(_LOOKS)])
        ax.set_xlim(0, max(len(result.trace.n_per_layer) for result in results))
        ax.set_ylim(0, max(result.trace.layout.N for result in results) * 1.16)
        ax.set_xlabel("decoder layer", fontsize=typeset.FONT)
        ax.set_ylabel("image tokens", fontsize=typeset.FONT)
        ax.tick_params(labelsize=typeset.SMALL, width=0.5, length=2)
        ax.spines[["top", "right"]].set_visible(False)
        figure.legend(
            fontsize=typeset.SMALL, frameon=False, loc="outside upper center", ncols=2, handlelength=2.2
        )
        if provenance:
            told = typeset.wrap(words.provenance(results), width - 0.1, typeset.SMALL)
            figure.supxlabel(told, x=0.01, ha="left", fontsize=typeset.SMALL, color="0.35")
            figure.set_figheight(height + typeset.lines(told) * typeset.LINE)
    return figure


def _line(ax: Axes, result: Result, label: str, look: tuple[palette.RGB, Any]) -> None:
    n = np.asarray(result.trace.n_per_layer)
    color, dash = look
    ax.stairs(
        n,
        np.arange(len(n) + 1),
        color=palette.hex_of(color),
        linewidth=1.3,
        linestyle=dash,
        baseline=None,
        label=label,
    )


def _stages(ax: Axes, result: Result, label: str) -> None:
    n = np.asarray(result.trace.n_per_layer)
    edges = np.arange(len(n) + 1)
    for record in result.trace.stages:
        first, last = record.first_layer, record.first_layer + record.L
        tone = palette.hex_of(palette.stage_color(record.name))
        ax.stairs(n[first:last], edges[first : last + 1], fill=True, color=tone, alpha=0.55)
        at = ((first + last) / 2, record.n + 0.02 * result.trace.layout.N)
        note = ax.text(*at, str(record.n), ha="center", va="bottom", fontsize=typeset.SMALL, zorder=5)
        note.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85})
    ax.stairs(n, edges, color="0.15", linewidth=0.9)
    ax.axhline(result.trace.n_avg, color="0.15", linewidth=0.8, linestyle=(0, (4, 2)), label=label)
