"""How InternVL looks at a picture: cut into square tiles whose grid comes nearest its shape, and once more as a whole.

Tiles stand row by row, the thumbnail last; a picture that fits one tile has no thumbnail. Within a tile, two by two patches
become one token (`shuffled`).
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from csp.types import Box

MOST_TILES = 12
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def tile_grid(height: int, width: int, side: int, most: int = MOST_TILES) -> tuple[int, int]:
    """(rows, cols) of the tiles, at most `most` of them, for a picture of this size.

    The grid whose shape is nearest; of equally near ones a larger where the picture has more than half its pixels.
    """
    wanted = width / height
    grids = sorted(((c, r) for c in range(1, most + 1) for r in range(1, most + 1) if c * r <= most), key=lambda g: g[0] * g[1])
    best, least = (1, 1), float("inf")
    for cols, rows in grids:
        off = abs(wanted - cols / rows)
        if off < least or (off == least and width * height > 0.5 * side * side * cols * rows):
            best, least = (cols, rows), off
    return best[1], best[0]


def tile_crops(height: int, width: int, grid: tuple[int, int]) -> tuple[Box, ...]:
    """What each tile shows, in picture pixels, the thumbnail last."""
    rows, cols = grid
    whole = Box(0.0, 0.0, float(width), float(height))
    if rows * cols == 1:
        return (whole,)
    x, y = width / cols, height / rows
    return (*(Box(c * x, r * y, (c + 1) * x, (r + 1) * y) for r in range(rows) for c in range(cols)), whole)


def cut(image: np.ndarray, side: int, grid: tuple[int, int]) -> np.ndarray:
    """Tiles uint8 [T, side, side, 3] of a uint8 RGB picture, stretched over the grid (bicubic); the thumbnail last."""
    rows, cols = grid
    large = stretched(image, side * rows, side * cols)
    tiles = large.reshape(rows, side, cols, side, 3).swapaxes(1, 2).reshape(rows * cols, side, side, 3)
    if len(tiles) == 1:
        return tiles
    return np.concatenate([tiles, stretched(image, side, side)[None]])


def stretched(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """A uint8 RGB picture at another size, bicubic, to the last bit what Pillow 13 makes of it.

    Pillow resamples one axis after the other and rounds in between. Up to 12 width came first; since 13 height does
    where it loses more than twice as many pixels. Said here, so that masks do not depend on the version at hand.
    """
    from PIL import Image

    h, w = image.shape[:2]
    between = (w, height) if h > height and h - height > 2 * (w - width) else (width, h)
    picture = Image.fromarray(image).resize(between, Image.Resampling.BICUBIC)
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC))


def normalised(tiles: np.ndarray) -> np.ndarray:
    """uint8 [T, S, S, 3] as the tower reads it, float32 [T, 3, S, S]."""
    scaled = tiles.astype(np.float32) / np.float32(255)
    pixels = (scaled - np.asarray(IMAGENET_MEAN, np.float32)) / np.asarray(IMAGENET_STD, np.float32)
    return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))


def shuffled(patches: Tensor, rows: int, cols: int, factor: int = 2) -> Tensor:
    """Patches [T, rows * cols, C] gathered `factor` by `factor` into tokens [T, rows / f * cols / f, f * f * C], both row by
    row (InternVL's pixel shuffle, its second version).
    """
    T, _, C = patches.shape
    blocks = patches.reshape(T, rows // factor, factor, cols // factor, factor, C)
    return blocks.permute(0, 1, 3, 2, 4, 5).reshape(T, -1, factor * factor * C)
