"""Pictures with their truths, to see at a glance that masks lie where they should."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from csp import images
from csp.data.items import Item
from csp.metrics import IGNORE
from csp.render import palette

Picture = NDArray[np.uint8]
SIDE, FONT, LINES, COLUMNS = 360, 15, 4, 4
LEGEND = (
    ("target", palette.MASK.color),
    ("parts overlap: counted for neither class", (204, 121, 167)),
    ("not scored", (20, 20, 20)),
)


def panel(item: Item, query: int = 0, side: int = SIDE) -> Picture:
    """A picture with one query's truth laid over it and the words below, uint8 [h, side, 3]."""
    words = f"{item.key}: {item.queries[query] if item.queries else '(no query)'}"
    masks = item.truth
    truth = masks[min(query, len(masks) - 1)] if len(masks) else np.zeros(item.size, np.uint8)
    under = images.read(item.path)
    scale = side / max(truth.shape)
    size = (max(1, round(truth.shape[1] * scale)), max(1, round(truth.shape[0] * scale)))
    grey = cv2.cvtColor(cv2.resize(under, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    shown = 90 + 0.6 * np.repeat(grey[..., None], 3, axis=2).astype(np.float32)
    parts = (truth == 1, (truth > 1) & (truth != IGNORE), truth == IGNORE)
    for part, (_, color) in zip(parts, LEGEND, strict=True):
        weight = cv2.resize(part.astype(np.float32), size, interpolation=cv2.INTER_AREA)[..., None] * 0.7
        shown = shown * (1 - weight) + np.asarray(color, np.float32) * weight
    canvas = Image.new("RGB", (side, side + (FONT + 4) * LINES), "white")
    canvas.paste(Image.fromarray(shown.round().astype(np.uint8)), ((side - size[0]) // 2, 0))
    lines = textwrap.wrap(words, round(side / FONT * 1.9))
    text = "\n".join(lines[:LINES]) + (" ..." if len(lines) > LINES else "")
    ImageDraw.Draw(canvas).text((4, side + 4), text, "black", ImageFont.load_default(FONT))
    return np.asarray(canvas)


def contact(panels: Sequence[Picture], title: str) -> Picture:
    """Panels in rows of four below a title."""
    rows = [panels[at : at + COLUMNS] for at in range(0, len(panels), COLUMNS)]
    height, width = panels[0].shape[:2]
    canvas = Image.new("RGB", (width * min(COLUMNS, len(panels)), height * len(rows) + 2 * FONT + 16), "white")
    for r, row in enumerate(rows):
        for c, shown in enumerate(row):
            canvas.paste(Image.fromarray(shown), (c * width, r * height + 2 * FONT + 16))
    draw, font, x = ImageDraw.Draw(canvas), ImageFont.load_default(FONT), 6.0
    draw.text((x, 4), title, "black", font)
    for label, color in LEGEND:
        draw.rectangle((x, FONT + 12, x + FONT - 3, 2 * FONT + 9), color)
        draw.text((x + FONT + 3, FONT + 8), label, "black", font)
        x += FONT + 20 + draw.textlength(label, font)
    return np.asarray(canvas)
