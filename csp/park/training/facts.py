"""What training knows of a scene: which patches each thing and landmark covers, and their place codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csp.park.training.data import FINE, Pool

GRID = 16
LEAST_COVER = 0.3  # share of a patch that a thing must cover to be its content


@dataclass(frozen=True)
class Facts:
    """`cover` [objects, N]: share of each patch; `codes` [objects, width]: mean place code; the same of landmarks in sight
    (`mark_cover`, `mark_codes`; zeros for one that is hidden).
    """

    cover: np.ndarray
    codes: np.ndarray
    mark_cover: np.ndarray
    mark_codes: np.ndarray


def shares(ids: np.ndarray, objects: int, side: int) -> np.ndarray:
    """Share of every cell of a side x side grid covered by each object: float32 [objects, side * side]."""
    size = ids.shape[0]
    axis = np.arange(size) * side // size
    cells = axis[:, None] * side + axis[None, :]
    counts = np.bincount(cells.ravel() * (objects + 1) + ids.ravel(), minlength=side * side * (objects + 1))
    return (counts.reshape(side * side, objects + 1)[:, 1:].T / (size / side) ** 2).astype(np.float32)


def _codes(fine: np.ndarray, table: np.ndarray) -> np.ndarray:
    return (fine @ table / np.maximum(fine.sum(1, keepdims=True), 1e-6)).astype(np.float32)


def facts(ids: np.ndarray, objects: int, ground: np.ndarray, marks: int, table: np.ndarray) -> Facts:
    """`table` [56 * 56, width] is SAM's position code on a fine grid."""
    fine, below = shares(ids, objects, FINE), shares(ground, marks, FINE)
    coarse = shares(np.kron(ground, np.ones((2, 2), np.uint8)), marks, GRID)
    return Facts(shares(ids, objects, GRID), _codes(fine, table), coarse, _codes(below, table))


def of_pool(pool: Pool, table: np.ndarray, mirrored: bool = False) -> list[Facts]:
    flip = (lambda a: a[:, ::-1]) if mirrored else (lambda a: a)
    return [
        facts(flip(np.asarray(pool.ids[i])), len(pool.objects[i]), flip(pool.ground[i]), len(pool.marks[i]), table)
        for i in range(len(pool))
    ]
