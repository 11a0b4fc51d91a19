"""One query under many seeds as a figure: a line a setting with a dot a seed and the interval of the mean, and below it the
masks, seed by seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from csp.render import palette, typeset

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 8
"""Masks beside each other."""


@dataclass(frozen=True)
class Lots:
    """A setting under many seeds: IoU and mask of each, and the mean's interval (low, mean, high), None where there is none."""

    label: str
    seeds: Sequence[int]
    scores: Sequence[float]
    masks: Sequence[NDArray[np.bool_]]
    interval: tuple[float, float, float] | None = None


def lots(
    rows: Sequence[Lots], picture: NDArray[np.uint8], axis: str, title: str = "", footer: str = "", width: float = 7.0
) -> Figure:
    """The rows over one axis of IoU, then the masks of each on the picture (uint8 RGB of the masks' size). Inches.

    Raises ValueError where no row has a seed.
    """
    from matplotlib.figure import Figure

    rows = [row for row in rows if row.seeds]
    if not rows:
        raise ValueError("no seed has been run: press Sweep first")
    side = (width - 0.3) / COLUMNS
    tall = side * picture.shape[0] / picture.shape[1] + 0.2
    strips = [-(-len(row.masks) // COLUMNS) for row in rows]
    heights = [0.35 * len(rows) + 0.6, *(tall * n + 0.25 for n in strips)]
    with typeset.style():
        figure = Figure(figsize=(width, sum(heights) + 0.5), dpi=typeset.DPI / 2, layout="constrained")
        parts = figure.subfigures(1 + len(rows), 1, height_ratios=heights, squeeze=False)[:, 0]
        _lines(parts[0].subplots(), rows, axis)
        for part, row, n in zip(parts[1:], rows, strips, strict=True):
            part.suptitle(row.label, fontsize=typeset.FONT, fontweight="bold", x=0.01, ha="left")
            for ax in part.subplots(n, COLUMNS, squeeze=False).flat:
                ax.set_axis_off()
            for ax, seed, score, mask in zip(part.axes, row.seeds, row.scores, row.masks, strict=False):
                ax.imshow(_masked(picture, mask), interpolation="nearest")
                ax.set_title(f"seed {seed} · {score:.2f}", fontsize=typeset.SMALL, pad=2)
        figure.suptitle(typeset.wrap(title, width - 0.1), fontsize=typeset.FONT, x=0.01, ha="left")
        if footer:
            words = typeset.wrap(footer, width - 0.1, typeset.SMALL)
            figure.supxlabel(words, fontsize=typeset.SMALL, color="0.35", x=0.01, ha="left")
    return figure


def _lines(ax: Axes, rows: Sequence[Lots], axis: str) -> None:
    tone, ours = palette.hex_of(palette.REPRESENTATIVE.color), palette.hex_of(palette.SURVIVOR.color)
    for y, row in enumerate(rows):
        if row.interval is not None:
            low, mean, high = row.interval
            ax.plot([low, high], [y, y], color=tone, linewidth=5, alpha=0.45, solid_capstyle="butt")
            ax.plot([mean, mean], [y - 0.28, y + 0.28], color=tone, linewidth=1.6)
        ax.plot(row.scores, [y] * len(row.scores), "o", color=ours, markersize=3.5, alpha=0.75, markeredgewidth=0)
    ax.set_yticks(range(len(rows)), [row.label for row in rows], fontsize=typeset.SMALL)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    known = [score for row in rows for score in row.scores]
    ax.set_xlim(max(0.0, min(known) - 0.05), min(1.0, max(known) + 0.05) + 0.005)
    ax.set_xlabel(axis, fontsize=typeset.FONT)
    ax.tick_params(labelsize=typeset.SMALL, width=0.5, length=2)
    ax.grid(axis="x", color="0.9", linewidth=0.5)
    ax.spines[["top", "right", "left"]].set_visible(False)


def _masked(picture: NDArray[np.uint8], mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """What is in the mask in its colour, the rest dark and grey: as the page shows it."""
    grey = picture @ np.array([0.3, 0.55, 0.15])
    out = np.repeat(0.45 * grey[..., None], 3, axis=2)
    out[mask] = 0.35 * picture[mask] + 0.65 * np.array(palette.MASK.color)
    return out.round().astype(np.uint8)
