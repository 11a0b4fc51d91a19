"""A picture at drawing size and where its patches lie on it: the only place that turns patches into pixels.

Everything goes through `Layout.crop`: the vision tower may have seen only part of the picture that the mask
covers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from csp.types import Layout

Image = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture resized for drawing, uint8 [h, w, 3], with patch edges in its pixels.

    xs int [cols + 1] and ys int [rows + 1] are edges, cut to the picture; scale is drawn pixels per picture
    pixel, (x, y).
    """

    picture: Image
    layout: Layout
    scale: tuple[float, float]

    @classmethod
    def of(cls, image: Image, layout: Layout, side: int = 512) -> Frame:
        """Fit a picture uint8 [H, W, 3] so that its longer side has `side` pixels."""
        H, W = image.shape[:2]
        factor = side / max(H, W)
        w, h = max(1, round(W * factor)), max(1, round(H * factor))
        method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        drawn = np.asarray(cv2.resize(np.ascontiguousarray(image), (w, h), interpolation=method), np.uint8)
        return cls(drawn, layout, (w / W, h / H))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in drawn pixels."""
        return self.picture.shape[0], self.picture.shape[1]

    @cached_property
    def xs(self) -> NDArray[np.intp]:
        """Edges of the patch columns."""
        crop, cols = self.layout.crop, self.layout.grid[1]
        edges = np.linspace(crop.x0, crop.x1, cols + 1) * self.scale[0]
        return np.clip(np.rint(edges), 0, self.size[1]).astype(np.intp)

    @cached_property
    def ys(self) -> NDArray[np.intp]:
        """Edges of the patch rows."""
        crop, rows = self.layout.crop, self.layout.grid[0]
        edges = np.linspace(crop.y0, crop.y1, rows + 1) * self.scale[1]
        return np.clip(np.rint(edges), 0, self.size[0]).astype(np.intp)

    @property
    def cell(self) -> float:
        """Side of a patch in drawn pixels, the shorter of the two."""
        rows, cols = self.layout.grid
        return float(min((self.xs[-1] - self.xs[0]) / cols, (self.ys[-1] - self.ys[0]) / rows))

    def box(self, patch: int | np.integer) -> tuple[int, int, int, int]:
        """x0, y0, x1, y1 of a patch in drawn pixels, x1 and y1 exclusive."""
        row, col = divmod(int(patch), self.layout.grid[1])
        return int(self.xs[col]), int(self.ys[row]), int(self.xs[col + 1]), int(self.ys[row + 1])

    @cached_property
    def index(self) -> NDArray[np.int32]:
        """Patch under every drawn pixel, int32 [h, w]; -1 outside the crop."""
        rows, cols = self.layout.grid
        row = np.repeat(np.arange(rows), np.diff(self.ys))
        col = np.repeat(np.arange(cols), np.diff(self.xs))
        out = np.full(self.size, -1, np.int32)
        out[self.ys[0] : self.ys[-1], self.xs[0] : self.xs[-1]] = row[:, None] * cols + col[None, :]
        return out

    def spread(self, values: NDArray, outside: float | bool) -> NDArray:
        """Values per patch [N] as a map [h, w], `outside` where the tower did not look."""
        table = np.append(values, np.asarray(outside, values.dtype))
        return table[self.index]

    def mask(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """A mask of the picture's own size, bool [H, W], at drawing size."""
        h, w = self.size
        small = cv2.resize(
            np.ascontiguousarray(mask).astype(np.uint8) * 255, (w, h), interpolation=cv2.INTER_LINEAR
        )
        return np.asarray(small >= 128)
