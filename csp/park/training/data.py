"""A pool of drawn scenes on disk: pictures and instance maps at 224 pixels, drawn once and read many times."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from csp.park.scenes import Scene, Thing, scene

SIDE = 224
CHUNK = 1000


@dataclass(frozen=True)
class Pool:
    """`images` uint8 [n, 224, 224, 3], `ids` uint8 [n, 224, 224] (0 = background), `objects`: things of each scene."""

    split: str
    images: np.ndarray
    ids: np.ndarray
    objects: list[tuple[Thing, ...]]

    def __len__(self) -> int:
        return len(self.objects)

    def scene(self, i: int) -> Scene:
        return Scene(i, self.split, self.images[i], self.ids[i], self.objects[i])


def _draw(split: str, first: int, chunk: int, folder: Path) -> None:
    cv2.setNumThreads(1)
    scenes = [scene(first + k, split, SIDE) for k in range(chunk)]
    np.save(folder / f"{split}-{first}-images.npy", np.stack([s.image for s in scenes]))
    np.save(folder / f"{split}-{first}-ids.npy", np.stack([s.instances for s in scenes]))
    (folder / f"{split}-{first}-objects.pkl").write_bytes(pickle.dumps([s.objects for s in scenes]))


def pool(split: str, thousands: int, folder: Path, workers: int = 2) -> Pool:
    """The first `thousands` * 1000 scenes of a split; what is missing in `folder` is drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    firsts = [k * CHUNK for k in range(thousands)]
    missing = [f for f in firsts if not (folder / f"{split}-{f}-objects.pkl").exists()]
    # Spawned: a forked child of a process that runs OpenMP or OpenCV threads may never wake.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        for done in [executor.submit(_draw, split, first, CHUNK, folder) for first in missing]:
            done.result()
    images = np.concatenate([np.load(folder / f"{split}-{f}-images.npy") for f in firsts])
    ids = np.concatenate([np.load(folder / f"{split}-{f}-ids.npy") for f in firsts])
    objects = [o for f in firsts for o in pickle.loads((folder / f"{split}-{f}-objects.pkl").read_bytes())]
    return Pool(split, images, ids, objects)
