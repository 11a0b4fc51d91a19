"""Trade-off curves, what a picture loses against what it saves, in the manner of the paper's Figures 2(b) and 3(c).

Where a curve is drawn is data: the page and the figure use the same colours, markers and words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from csp.render import palette, typeset

if TYPE_CHECKING:
    from matplotlib.figure import Figure

X = {
    "n_avg": "image tokens, N_avg",
    "operations": "operations, % of dense",
    "time": "time, % of dense",
    "knob": "the swept knob",
}
Y = {
    "change": "IoU with the true mask, points against dense",
    "truth": "IoU with the true mask",
    "dense": "IoU with the dense mask",
}
PAPER = (128, 128, 128)


@dataclass(frozen=True)
class Look:
    """How a curve is told from the others, by colour and without it: ``marker`` are corners in a unit circle,
    ``dash`` pixels on and off.
    """

    color: palette.RGB
    marker: tuple[tuple[float, float], ...]
    dash: tuple[float, ...] = ()


def _polygon(corners: int, turn: float = 0.0, inner: float = 0.0) -> tuple[tuple[float, float], ...]:
    """Corners of a regular polygon, first one at the top turned by ``turn`` degrees; ``inner`` makes a star."""
    steps = 2 * corners if inner else corners
    out = []
    for i in range(steps):
        angle = math.radians(turn + 360 * i / steps)
        radius = inner if inner and i % 2 else 1.0
        out.append((round(radius * math.sin(angle), 3), round(radius * math.cos(angle), 3)))
    return tuple(out)


# Dark enough for white paper and light enough for a dark page: 3 to 1 or more on either.
LOOKS: tuple[Look, ...] = (
    Look((213, 94, 0), _polygon(24)),
    Look((0, 114, 178), _polygon(4, 45), (6, 2)),
    Look((0, 146, 106), _polygon(3), (2, 2)),
    Look((190, 100, 150), _polygon(4), (8, 2, 2, 2)),
    Look((138, 92, 200), _polygon(3, 180), (5, 3)),
    Look((146, 120, 0), _polygon(5), (3, 1.5)),
    Look((200, 50, 90), _polygon(5, 0, 0.42), (7, 2, 1.5, 2, 1.5, 2)),
    Look((0, 140, 160), _polygon(6), (4, 1.5, 1.5, 1.5)),
    Look((150, 95, 70), _polygon(4, 0, 0.4), (1.5, 3)),
    Look((90, 120, 200), _polygon(3, 90), (9, 3)),
)


@dataclass(frozen=True)
class Point:
    """A setting on the chart: its name in words, and its place by the keys of `X` and `Y` (None: not known)."""

    label: str
    at: Mapping[str, float | None]
    n: int = 1


@dataclass(frozen=True)
class Curve:
    """Points of one method, few tokens to many. ``paper``: printed numbers of the paper, drawn grey; ``bold``:
    the line that the chart is about; ``joined`` False: points that are no sweep; ``level``: one point that the
    others are measured against, drawn as a line across.
    """

    label: str
    points: Sequence[Point]
    look: Look = field(default=LOOKS[0])
    paper: bool = False
    bold: bool = False
    joined: bool = True
    level: bool = False


def tradeoff(
    curves: Sequence[Curve],
    x: str = "n_avg",
    y: str = "change",
    ring: Point | None = None,
    footer: str = "",
    width: float = 7.0,
    height: float = 3.6,
) -> Figure:
    """Curves over one of `X`, one of `Y` upwards; ``ring`` marks the present setting. width, height in inches.

    Raises ValueError for another axis, or where no curve has a point on these two.
    """
    from matplotlib.figure import Figure

    for name, value, known in (("x", x, X), ("y", y, Y)):
        if value not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
    drawn = [(curve, placed(curve, x, y)) for curve in curves]
    if not any(points for _, points in drawn):
        raise ValueError(f"no curve has a point with both {x} and {y}; choose other axes or run a sweep first")
    with typeset.style():
        figure = Figure(figsize=(width, height), dpi=typeset.DPI / 2, layout="constrained")
        ax = figure.add_subplot()
        for curve, points in drawn:
            if not points:
                continue
            tone = palette.hex_of(PAPER if curve.paper else curve.look.color)
            if curve.level:
                dash = (0, curve.look.dash) if curve.look.dash else "-"
                ax.axhline(points[0][1], color=tone, linewidth=1.1, linestyle=dash, label=curve.label, zorder=2)
                continue
            ax.plot(
                [p[0] for p in points],
                [p[1] for p in points],
                color=tone,
                linewidth=(2.0 if curve.bold else 1.1) if curve.joined else 0,
                linestyle=(0, curve.look.dash) if curve.look.dash and curve.joined else "-",
                marker=[*curve.look.marker, curve.look.marker[0]],
                markersize=5.5 if curve.bold else 4.5,
                markerfacecolor="white" if curve.paper else tone,
                markeredgewidth=0.8,
                label=curve.label,
                zorder=2 if curve.paper else 4 if curve.bold else 3,
            )
        if ring is not None and ring.at.get(x) is not None and ring.at.get(y) is not None:
            ax.plot(
                ring.at[x],  # type: ignore[arg-type]
                ring.at[y],  # type: ignore[arg-type]
                "o",
                markersize=12,
                markerfacecolor="none",
                markeredgecolor="0",
                markeredgewidth=1.2,
                label="present setting",
                zorder=5,
            )
        ax.set_xlabel(X[x], fontsize=typeset.FONT)
        ax.set_ylabel(Y[y], fontsize=typeset.FONT)
        ax.tick_params(labelsize=typeset.SMALL, width=0.5, length=2)
        ax.grid(color="0.9", linewidth=0.5)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        figure.legend(fontsize=typeset.SMALL, frameon=False, loc="outside right upper", handlelength=3)
        if footer:
            figure.supxlabel(
                typeset.wrap(footer, width - 0.1, typeset.SMALL),
                fontsize=typeset.SMALL,
                color="0.35",
                x=0.01,
                ha="left",
            )
    return figure


def placed(curve: Curve, x: str, y: str) -> list[tuple[float, float]]:
    """The points of a curve that have both coordinates, left to right."""
    pairs = [(point.at.get(x), point.at.get(y)) for point in curve.points]
    return sorted((a, b) for a, b in pairs if a is not None and b is not None)
