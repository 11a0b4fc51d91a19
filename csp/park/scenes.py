"""The park: procedural pictures with exact instance masks, reproducible from (seed, split).

A picture has 4 to 10 things of a few kinds among landmarks of the ground, under one light; nearer things hide parts of farther
ones. `scene` is the public door.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from csp.park import language
from csp.park.draw import KINDS
from csp.park.ground import Mark, backdrop, texture
from csp.park.things import Layout, Thing, generator, layout, order, stroke

SIZE = 448
SHADE = 224  # resolution of shadows


@dataclass(frozen=True)
class Scene:
    """A picture, its instance map (0 = background, i = objects[i-1]), its landmarks and its queries."""

    seed: int
    split: str
    image: np.ndarray  # uint8 [H, W, 3]
    instances: np.ndarray  # uint8 [H, W]
    objects: tuple[Thing, ...]
    marks: tuple[Mark, ...]

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        things = ", ".join(f"{thing.colour} {thing.kind}" for thing in self.objects)
        return f"Scene({self.seed}, split={self.split!r}: {width}x{height}, {len(self.objects)} objects: {things})"

    def mask(self, which: tuple[int, ...]) -> np.ndarray:
        """Union of the objects with these indices, bool [H, W]."""
        return np.isin(self.instances, [i + 1 for i in which])

    @property
    def park(self) -> language.Park:
        """What words about this picture go by."""
        return language.Park(self.seed, self.split, self.objects, self.marks)

    @cached_property
    def spoken(self) -> list[tuple[str, str, np.ndarray]]:
        """As `queries`, in words that one would say aloud: what to try first."""
        return [(q.family, q.text, self.mask(q.targets)) for q in language.spoken(self.park)]

    @cached_property
    def queries(self) -> list[tuple[str, str, np.ndarray]]:
        """(family, text, mask bool [H, W]), one of every family that the picture admits."""
        return [(q.family, q.text, self.mask(q.targets)) for q in language.queries(self.park)]


def _shadows(park: Layout, lean: float, fall: float, size: int) -> np.ndarray:
    """How much light the ground keeps, float32 [size, size]: outlines laid down to one side, soft at the edge."""
    veil = np.zeros((SHADE, SHADE), np.uint8)
    ids = np.zeros((SHADE, SHADE), np.uint8)
    for item in order(park.things, park.marks):
        if item.kind == "house" or (
            isinstance(item, Thing) and (KINDS[item.kind].place == "sky" or item.y < park.horizon + 0.02)
        ):
            continue
        ids[:] = 0
        stroke(item, None, ids, 255)
        foot = item.y * SHADE
        turn = np.array([[1, -lean, lean * foot], [0, fall, foot * (1 - fall)]], np.float32)
        veil = np.maximum(veil, cv2.warpAffine(ids, turn, (SHADE, SHADE)))
        half = (np.nonzero(ids.any(0))[0][[0, -1]] - item.x * SHADE) if ids.any() else (0, 0)
        wide = max(2, int(0.45 * (half[1] - half[0])))
        cv2.ellipse(veil, (int(item.x * SHADE), int(foot)), (wide, max(1, wide // 6)), 0, 0, 360, 255, -1)
    veil[: int(park.horizon * SHADE)] = 0
    soft = cv2.blur(veil, (5, 3)).astype(np.float32) / 255
    return 1 - 0.4 * cv2.resize(soft, (size, size), interpolation=cv2.INTER_LINEAR)


def _round(image: np.ndarray, ids: np.ndarray, value: int, thing: Thing, sun: int) -> None:
    """Light from one side over a thing."""
    size = len(ids)
    x0, y0, x1, y1 = (int(v * size) for v in thing.box)
    part = (slice(max(0, y0 - 2), y1 + 2), slice(max(0, x0 - 2), x1 + 2))
    mine = ids[part] == value
    h, w = mine.shape
    across = np.linspace(-sun, sun, w, dtype=np.float32)[None] * 0.1 - np.linspace(-1, 1, h, dtype=np.float32)[:, None] * 0.08
    piece = image[part]
    piece[mine] = np.clip(piece * (1 + across)[..., None] + 40 * np.clip(across, 0, 1)[..., None], 0, 255).astype(np.uint8)[mine]


def _paint(park: Layout, g: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    big = size * 2  # drawn twice as large and reduced: smooth edges, exact map
    image = backdrop(g, big, park.horizon, park.marks)
    sun = int(g.choice((-1, 1)))
    lean, fall = float(sun * g.uniform(0.3, 1.0)), float(g.uniform(-0.4, -0.15) if g.random() < 0.6 else g.uniform(0.15, 0.35))
    image = (image * _shadows(park, lean, fall, big)[..., None]).astype(np.uint8)
    ids = np.zeros((big, big), np.uint8)
    numbers = {t.number: i + 1 for i, t in enumerate(park.things)}
    for item in order(park.things, park.marks):
        value = numbers[item.number] if isinstance(item, Thing) else 0
        stroke(item, image, ids, value)
        if isinstance(item, Thing):
            _round(image, ids, value, item, -sun)
    image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    warm = np.array([(1.0, 1.0, 1.0), (1.05, 1.0, 0.93), (0.95, 0.99, 1.04)][int(g.integers(3))], np.float32) * float(
        g.uniform(0.86, 1.04)
    )
    grain = texture(g, 0.4, size)[..., None] * 4.0 + g.normal(0, 2.5, image.shape).astype(np.float32)
    image = np.clip(image * warm + grain, 0, 255).astype(np.uint8)
    return image, np.ascontiguousarray(ids[::2, ::2])


def scene(seed: int, split: str = "test", size: int = SIZE) -> Scene:
    """The park picture number `seed` of a split.

    Args:
        seed: 0 or more. The same (seed, split) gives the same things at every size.
        split: "train", "val" or "test"; their pictures never coincide.
        size: side of the square picture in pixels, 112 to 1024.
    Raises:
        ValueError: unknown split, negative seed, size out of range.
    """
    if not 112 <= size <= 1024:
        raise ValueError(f"size must be in 112..1024 pixels, got {size}")
    park = layout(seed, split)
    image, ids = _paint(park, generator(seed, split, 1), size)
    return Scene(seed, split, image, ids, park.things, park.marks)
