"""A pool of drawn scenes on disk: pictures and maps at 224 pixels, drawn once and read many times."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np

from csp.park import language
from csp.park.ground import Mark, region
from csp.park.scenes import scene
from csp.park.things import Thing, stroke

SIDE = 224
FINE = 56  # cells of the landmarks' map and of place codes
CHUNK = 500


@dataclass(frozen=True)
class Pool:
    """Per scene: `images` uint8 [n, 224, 224, 3], `ids` uint8 [n, 224, 224] (0 = background), `ground` uint8 [n, 56, 56] (which
    landmark is in sight, its index + 1), `objects` and `marks`.
    """

    split: str
    images: np.ndarray
    ids: np.ndarray
    ground: np.ndarray
    objects: list[tuple[Thing, ...]]
    marks: list[tuple[Mark, ...]]

    def __len__(self) -> int:
        return len(self.objects)

    def park(self, i: int) -> language.Park:
        """What words about scene `i` go by."""
        return language.Park(i, self.split, self.objects[i], self.marks[i])

    def mask(self, i: int, targets: tuple[int, ...]) -> np.ndarray:
        return np.isin(self.ids[i], [k + 1 for k in targets])


def landmarks(marks: tuple[Mark, ...], ids: np.ndarray) -> np.ndarray:
    """Which landmark is in sight where no thing is: its index + 1, uint8 [56, 56]; `ids` [224, 224]."""
    found = np.zeros((FINE, FINE), np.uint8)
    for i, mark in enumerate(marks):
        if mark.outline:
            found[region(mark, FINE) > 127] = i + 1
        else:
            stroke(mark, None, found, i + 1)
    step = len(ids) // FINE
    found[ids[step // 2 :: step, step // 2 :: step] > 0] = 0
    return found


def drawn(split: str, numbers: range) -> Pool:
    """These scenes, drawn now."""
    scenes = [scene(i, split, SIDE) for i in numbers]
    return Pool(
        split,
        np.stack([s.image for s in scenes]),
        np.stack([s.instances for s in scenes]),
        np.stack([landmarks(s.marks, s.instances) for s in scenes]),
        [s.objects for s in scenes],
        [s.marks for s in scenes],
    )


def _draw(split: str, first: int, chunk: int, folder: Path) -> None:
    cv2.setNumThreads(1)
    made = drawn(split, range(first, first + chunk))
    for name in ("images", "ids", "ground"):
        np.save(folder / f"{split}-{first}-{name}.npy", getattr(made, name))
    # Last, and under its name only when whole: it says that the chunk is there.
    part = folder / f"{split}-{first}.part"
    part.write_bytes(pickle.dumps((made.objects, made.marks)))
    part.rename(folder / f"{split}-{first}-objects.pkl")


def pool(split: str, scenes: int, folder: Path, workers: int = 1, chunk: int = CHUNK) -> Pool:
    """The first `scenes` scenes of a split (rounded up to whole chunks); what is missing in `folder` is drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    firsts = list(range(0, scenes, chunk))
    missing = [f for f in firsts if not (folder / f"{split}-{f}-objects.pkl").exists()]
    if missing:
        # Spawned: a forked child of a process that runs OpenMP or OpenCV threads may never wake.
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
            for k, done in enumerate([executor.submit(_draw, split, f, chunk, folder) for f in missing]):
                done.result()
                print(f"drawn {k + 1} of {len(missing)} x {chunk} {split} scenes", flush=True)
    arrays = {n: np.concatenate([np.load(folder / f"{split}-{f}-{n}.npy") for f in firsts]) for n in ("images", "ids", "ground")}
    pairs = [pickle.loads((folder / f"{split}-{f}-objects.pkl").read_bytes()) for f in firsts]
    return Pool(split, **arrays, objects=[o for p in pairs for o in p[0]], marks=[m for p in pairs for m in p[1]])
