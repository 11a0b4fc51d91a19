"""Where what the vision tower looked at lies when it is drawn: the picture, and beside it, smaller, the thumbnail where there
is one, whose tokens are others than those of the tiles.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from csp.trace import Box, Layout

THUMBNAIL = 0.4
"""Side of the thumbnail as a share of the picture's."""
GAP = 0.04
"""Room between the two as a share of the picture's longer side."""
PAPER = 255


@dataclass(frozen=True)
class Canvas:
    """Height and width that hold everything, the picture's own at the upper left, and of every view of the layout its left,
    top and scale there; all in picture pixels.
    """

    size: tuple[float, float]
    picture: tuple[int, int]
    panes: tuple[tuple[float, float, float], ...]

    @property
    def apart(self) -> Box | None:
        """Where the thumbnail lies, None where there is none."""
        found = next((pane for pane in self.panes if pane[2] != 1), None)
        if found is None:
            return None
        x, y, scale = found
        return Box(x, y, x + scale * self.picture[1], y + scale * self.picture[0])

    def boxes(self, layout: Layout) -> NDArray[np.float64]:
        """Left, top, right and bottom of every patch, float [N, 4]."""
        out = []
        for (x, y, scale), tile in zip(self.panes, layout.views, strict=True):
            crop, (rows, cols) = tile.crop, tile.grid
            xs = x + scale * np.linspace(crop.x0, crop.x1, cols + 1)
            ys = y + scale * np.linspace(crop.y0, crop.y1, rows + 1)
            corner = np.broadcast_arrays(xs[None, :-1], ys[:-1, None], xs[None, 1:], ys[1:, None])
            out.append(np.stack(corner, axis=-1).reshape(-1, 4))
        return np.concatenate(out)

    def paste(self, image: NDArray[np.uint8], thumbnail: bool = True) -> NDArray[np.uint8]:
        """A picture [h, w] or [h, w, 3], at any size, and once more as the thumbnail, on paper; what is not to be shown
        there, as a mask, leaves it 0.
        """
        factor = image.shape[1] / self.picture[1]
        if self.apart is None:
            return image
        h, w = (round(side * factor) for side in self.size)
        out = np.full((h, w, *image.shape[2:]), PAPER if thumbnail else 0, np.uint8)
        out[: image.shape[0], : image.shape[1]] = image[:h, :w]
        if thumbnail:
            x0, y0, x1, y1 = (round(edge * factor) for edge in self.apart)
            small = cv2.resize(np.ascontiguousarray(image), (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
            out[y0:y1, x0:x1] = small[: h - y0, : w - x0]
        return out


def canvas(layout: Layout, height: int, width: int) -> Canvas:
    """The canvas of a picture: its thumbnail below it, or to the right of one that stands upright."""
    gap = GAP * max(height, width)
    small = any(tile.thumbnail for tile in layout.views)
    below = width >= height
    x, y = (0.0, height + gap) if below else (width + gap, 0.0)
    size = (float(height), float(width))
    if small:
        size = (y + THUMBNAIL * height, float(width)) if below else (float(height), x + THUMBNAIL * width)
    panes = tuple((x, y, THUMBNAIL) if tile.thumbnail else (0.0, 0.0, 1.0) for tile in layout.views)
    return Canvas(size, (height, width), panes)


def covered(layout: Layout, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """How much of each patch a mask bool [H, W] covers, float [N] in 0..1."""
    out = []
    for tile in layout.views:
        x0, y0, x1, y1 = (round(edge) for edge in tile.crop)
        inside = np.ascontiguousarray(mask[max(y0, 0) : y1, max(x0, 0) : x1], np.float32)
        if not inside.size:
            out.append(np.zeros(tile.N, np.float32))
            continue
        out.append(np.asarray(cv2.resize(inside, tile.grid[::-1], interpolation=cv2.INTER_AREA), np.float32).ravel())
    return np.concatenate(out)
