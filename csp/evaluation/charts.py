"""A figure for every suite, from its summary alone: dots with intervals for a table, curves for a sweep,
seeds as a strip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from csp.render import palette, typeset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Summary = Mapping[str, Any]

# Told apart by marker and dash as well as by hue (Okabe and Ito).
_LOOKS: tuple[tuple[palette.RGB, str, Any], ...] = (
    ((213, 94, 0), "o", "-"),
    ((0, 114, 178), "s", (0, (5, 1.5))),
    ((0, 158, 115), "^", (0, (1.2, 1.2))),
    ((204, 121, 167), "D", (0, (6, 1.5, 1.2, 1.5))),
    ((90, 90, 90), "v", (0, (2.5, 1))),
    ((86, 180, 233), "P", (0, (4, 1))),
    ((230, 159, 0), "X", (0, (1, 2))),
    ((120, 94, 240), "<", (0, (8, 2))),
    ((0, 0, 0), ">", (0, (3, 1, 1, 1, 1, 1))),
    ((150, 110, 60), "*", (0, (2, 2))),
    ((110, 110, 180), "h", (0, (5, 3))),
)
_PAPER = "0.55"
MOST_TICKS = 9


def figure(summary: Summary) -> Figure:
    """The figure of a suite: curves where its lines have a place on an axis, otherwise a row of dots for each
    line.
    """
    with typeset.style():
        return curves(summary) if summary["axis"] else dots(summary)


def dots(summary: Summary) -> Figure:
    """Change against dense, overall and by family, a row per line; the paper's own change as a hollow ring."""
    from matplotlib.figure import Figure

    lines = [line for line in summary["lines"] if "change" in line]
    parts = ["overall", *summary["queries"]]
    figure = Figure(figsize=(7.0, 0.6 + 0.2 * len(lines)), dpi=typeset.DPI / 2, layout="constrained")
    axes = figure.subplots(1, len(parts), sharey=True, width_ratios=[2.2] + [1] * (len(parts) - 1))
    for ax in axes[2:]:
        ax.sharex(axes[1])
    for ax, part in zip(axes, parts, strict=True):
        for row, line in enumerate(lines):
            change = line["change"]["overall"] if part == "overall" else line["change"]["by family"][part]
            color, marker = (_LOOKS[0][0], "o") if line["method"] == "csp" else (_LOOKS[1][0], "s")
            _interval(ax, change, row, palette.hex_of(color), marker)
            if part == "overall":
                _strip(ax, line["change by seed"], [row + 0.25] * len(line["change by seed"]), across=True)
                if line["paper"] is not None:
                    ax.plot(100 * line["paper"], row, "o", mfc="none", mec=_PAPER, ms=5, mew=0.9, zorder=2)
        ax.axvline(0, color="0.3", linewidth=0.6)
        ax.set_title(part, fontsize=typeset.FONT)
        ax.tick_params(labelsize=typeset.SMALL, width=0.5, length=2)
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="x", linewidth=0.3, color="0.85")
    axes[0].set_yticks(range(len(lines)), [f"{line['label']} ({line['N_avg']:.0f})" for line in lines])
    axes[0].set_ylim(len(lines) - 0.4, -0.6)
    paper = any(line["paper"] is not None for line in lines)
    figure.supxlabel(
        "change of gIoU against dense, points; 95 % intervals"
        + ("; ring: the paper's, on its own data" if paper else ""),
        fontsize=typeset.SMALL,
    )
    return figure


def curves(summary: Summary) -> Figure:
    """Change against dense along the suite's axis, a curve for each name; the paper's own dotted in grey."""
    from matplotlib.figure import Figure

    by_curve: dict[str, list[Summary]] = {}
    for line in summary["lines"]:
        if "change" in line and line["at"] is not None:
            by_curve.setdefault(line["curve"], []).append(line)
    figure = Figure(figsize=(7.0, 3.2), dpi=typeset.DPI / 2, layout="constrained")
    ax = figure.add_subplot()
    places = sorted({line["at"] for lines in by_curve.values() for line in lines})
    # Side by side where curves share their places, so that no interval hides another.
    step = 0.006 * (places[-1] - places[0]) if len(places) < MOST_TICKS else 0.0
    printed: list[tuple[str, list[Summary]]] = []
    for i, (name, lines) in enumerate(by_curve.items()):
        rgb, marker, dash = _LOOKS[i % len(_LOOKS)]
        color = palette.hex_of(rgb)
        lines = sorted(lines, key=lambda line: line["at"])
        at = [line["at"] + step * (i - (len(by_curve) - 1) / 2) for line in lines]
        values = [100 * line["change"]["overall"]["value"] for line in lines]
        ax.plot(
            at, values, color=color, marker=marker, linestyle=dash, linewidth=1.1, markersize=3.5, label=name
        )
        for x, line in zip(at, lines, strict=True):
            overall = line["change"]["overall"]
            ax.plot(
                [x, x], [100 * overall["low"], 100 * overall["high"]], color=color, linewidth=0.7, alpha=0.8
            )
            _strip(ax, line["change by seed"], [x + 0.5 * step] * len(line["change by seed"]), across=False)
        printed.append((marker, [line for line in lines if line["paper"] is not None]))
    for i, (marker, lines) in enumerate(pair for pair in printed if pair[1]):
        at, values = [line["at"] for line in lines], [100 * line["paper"] for line in lines]
        look: dict[str, Any] = {
            "color": _PAPER,
            "linestyle": ":",
            "linewidth": 0.8,
            "marker": marker,
            "mfc": "none",
        }
        ax.plot(at, values, ms=3, label=None if i else "the paper, on its own data", **look)
    if len(places) < MOST_TICKS:
        ax.set_xticks(places, [f"{place:g}" for place in places])
    ax.axhline(0, color="0.3", linewidth=0.6)
    ax.set_xlabel(summary["axis"], fontsize=typeset.FONT)
    ax.set_ylabel("change of gIoU against dense, points", fontsize=typeset.FONT)
    ax.tick_params(labelsize=typeset.SMALL, width=0.5, length=2)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(linewidth=0.3, color="0.85")
    figure.legend(fontsize=typeset.SMALL, frameon=False, loc="outside right center", handlelength=2.6)
    return figure


def _interval(ax: Axes, change: Summary, row: float, color: str, marker: str) -> None:
    if change["value"] is None:
        return
    if change["low"] is not None:
        ax.plot([100 * change["low"], 100 * change["high"]], [row, row], color=color, linewidth=1.0, zorder=3)
    ax.plot(100 * change["value"], row, marker, color=color, markersize=3.5, zorder=4)


def _strip(ax: Axes, values: Sequence[float], at: Sequence[float], across: bool) -> None:
    """One faint dot for every seed, where there are several."""
    if len(values) > 1:
        points = [100 * value for value in values]
        ax.plot(
            *((points, at) if across else (at, points)),
            ".",
            color="0.35",
            markersize=2.5,
            alpha=0.8,
            zorder=5,
        )
