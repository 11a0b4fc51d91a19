"""A picture at drawing size and where its patches lie on it: the only place that turns patches into pixels.

Everything goes through `Layout.views`: the vision tower may have seen only part of the picture that the mask
covers, or looked at it tile by tile.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from csp.render.canvas import Canvas, canvas
from csp.trace import Layout

Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture resized for drawing, uint8 [h, w, 3], its thumbnail beside it where the layout has one, with the places of
    patches in its pixels.

    scale is drawn pixels per picture pixel, (x, y).
    """

    picture: Image
    layout: Layout
    scale: tuple[float, float]
    canvas: Canvas

    @classmethod
    def of(cls, image: Image, layout: Layout, side: int = 512, apart: bool = True) -> Frame:
        """Fit a picture uint8 [H, W, 3], with the thumbnail if `apart`, so that the longer side has `side` pixels."""
        H, W = image.shape[:2]
        whole = canvas(layout, H, W)
        if not apart:
            whole = replace(whole, size=(float(H), float(W)), panes=tuple((0.0, 0.0, 1.0) for _ in layout.views))
        factor = side / max(whole.size)
        w, h = max(1, round(W * factor)), max(1, round(H * factor))
        method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        drawn = np.asarray(cv2.resize(np.ascontiguousarray(image), (w, h), interpolation=method), np.uint8)
        return cls(whole.paste(drawn), layout, (w / W, h / H), whole)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in drawn pixels."""
        return self.picture.shape[0], self.picture.shape[1]

    @cached_property
    def boxes(self) -> NDArray[np.intp]:
        """Left, top, right and bottom of every patch, cut to what is drawn, int [N, 4]."""
        edges = self.canvas.boxes(self.layout) * (*self.scale, *self.scale)
        h, w = self.size
        return np.clip(np.rint(edges), 0, (w, h, w, h)).astype(np.intp)

    @property
    def cell(self) -> float:
        """Side of a patch in drawn pixels, the shorter of the two; the least of all views."""
        sides = []
        first = 0
        for tile in self.layout.views:
            box = self.boxes[first : first + tile.N]
            rows, cols = tile.grid
            sides += [(box[:, 2].max() - box[:, 0].min()) / cols, (box[:, 3].max() - box[:, 1].min()) / rows]
            first += tile.N
        return float(min(sides))

    def box(self, patch: int | np.integer) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 of a patch in drawn pixels, x1 and y1 exclusive."""
        x0, y0, x1, y1 = self.boxes[int(patch)].tolist()
        return x0, y0, x1, y1

    @cached_property
    def index(self) -> NDArray[np.int32]:
        """Patch under every drawn pixel, int32 [h, w]; -1 where there is none."""
        out = np.full(self.size, -1, np.int32)
        first = 0
        for tile in self.layout.views:
            rows, cols = tile.grid
            box = self.boxes[first : first + tile.N].reshape(rows, cols, 4)
            xs, ys = [*box[0, :, 0], box[0, -1, 2]], [*box[:, 0, 1], box[-1, 0, 3]]
            row, col = np.repeat(np.arange(rows), np.diff(ys)), np.repeat(np.arange(cols), np.diff(xs))
            out[ys[0] : ys[-1], xs[0] : xs[-1]] = first + row[:, None] * cols + col[None, :]
            first += tile.N
        return out

    @cached_property
    def unseen(self) -> NDArray[np.bool_]:
        """Where there is picture that the tower did not look at, bool [h, w]."""
        out = self.index < 0
        H, W = self.canvas.picture
        out[round(H * self.scale[1]) :] = False
        out[:, round(W * self.scale[0]) :] = False
        return out

    def spread(self, values: NDArray, outside: float | bool) -> NDArray:
        """Values per patch [N] as a map [h, w], `outside` where there is none."""
        table = np.append(values, np.asarray(outside, values.dtype))
        return table[self.index]

    def mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask of the picture's own size, bool [H, W], at drawing size; none on the thumbnail."""
        H, W = self.canvas.picture
        w, h = max(1, round(W * self.scale[0])), max(1, round(H * self.scale[1]))
        small = cv2.resize(
            np.ascontiguousarray(mask).astype(np.uint8) * 255, (w, h), interpolation=cv2.INTER_LINEAR
        )
        return np.asarray(self.canvas.paste(np.asarray(small, np.uint8), thumbnail=False) >= 128)
