"""Colours, and the second channel beside each: the one place where the look of a token state is decided.

The hues are those of Okabe and Ito (2008), told apart under the common colour-vision deficiencies. No state
relies on its hue alone: every one also has a ring, a veil, a texture or a line style of its own.

Knows nothing of traces, pictures or matplotlib.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

RGB = tuple[int, int, int]


@dataclass(frozen=True)
class State:
    """How one token state is drawn.

    color: ring and text, sRGB 0..255. veil: sRGB laid over the patch, veil_alpha 0..1 of it. texture: "" |
    "dots" | "hatch". ring: ring width as a share of the patch side (0: no ring). label: the words of the
    legend.
    """

    label: str
    color: RGB
    ring: float = 0.0
    veil: RGB = (0, 0, 0)
    veil_alpha: float = 0.0
    texture: str = ""


REPRESENTATIVE = State("selected for clustering", (0, 114, 178), ring=0.13)
DORMANT = State(
    "dormant: waits, will return", (110, 110, 110), veil=(128, 128, 128), veil_alpha=0.58, texture="dots"
)
RESTORED = State("returned by scattering", (230, 159, 0), ring=0.08)
SURVIVOR = State("survives pruning", (213, 94, 0), ring=0.15)
PRUNED = State("pruned", (60, 60, 60), veil=(0, 0, 0), veil_alpha=0.64)
UNSEEN = State(
    "outside the vision tower's crop", (90, 90, 90), veil=(40, 40, 40), veil_alpha=0.45, texture="hatch"
)

STATES: dict[str, State] = {
    "representative": REPRESENTATIVE,
    "dormant": DORMANT,
    "restored": RESTORED,
    "survivor": SURVIVOR,
    "pruned": PRUNED,
    "unseen": UNSEEN,
}


@dataclass(frozen=True)
class Line:
    """An outline: colour, and the dash pattern (pixels on, pixels off; empty means solid) that tells it
    without colour.
    """

    label: str
    color: RGB
    dash: tuple[int, ...] = ()


MASK = Line("mask", (0, 158, 115))
DENSE = Line("dense mask", (204, 121, 167), (9, 6))
TRUTH = Line("true mask", (240, 228, 66), (2, 5))
CROP = Line("seen by the vision tower", (255, 255, 255), (12, 6))
MASK_ALPHA = 0.15
"""Little: inside the mask things keep their own colours, outside they lose them."""

HEAT = "viridis"
"""Default colour map of heat overlays: perceptually uniform, monotone in lightness, read alike in grey."""

COLORMAPS = ("viridis", "cividis", "magma", "gray")

STAGE_COLORS: dict[str, RGB] = {
    "clustering": REPRESENTATIVE.color,
    "scattering": RESTORED.color,
    "pruning": SURVIVOR.color,
}
OTHER_STAGE: RGB = (86, 180, 233)


def stage_color(name: str) -> RGB:
    """Colour of a stage in bars and step charts; stages that are not the paper's share one."""
    return STAGE_COLORS.get(name, OTHER_STAGE)


def hex_of(color: RGB) -> str:
    """sRGB triple as "#rrggbb"."""
    return "#{:02x}{:02x}{:02x}".format(*color)


def unit(color: RGB) -> tuple[float, float, float]:
    """sRGB triple as floats in 0..1, matplotlib's convention."""
    return color[0] / 255, color[1] / 255, color[2] / 255


def colormap(name: str = HEAT) -> np.ndarray:
    """Look-up table of a colour map, uint8 [256, 3].

    Raises ValueError for a name outside COLORMAPS: rainbow maps invent edges that the numbers do not have.
    """
    if name not in COLORMAPS:
        raise ValueError(f"colormap must be one of {', '.join(COLORMAPS)}, got {name!r}")
    from matplotlib import colormaps

    return (colormaps[name](np.arange(256))[:, :3] * 255 + 0.5).astype(np.uint8)
