"""The park: procedural pictures with exact instance masks, reproducible from (seed, split).

A picture has 4 to 10 things of a few kinds, so that words must tell them apart; nearer things are drawn later and
hide parts of farther ones. `scene` is the public door; `layout` alone decides what stands where, at any size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from csp.park import language
from csp.park.draw import KINDS, shade
from csp.park.layouts import SPLITS as SPLITS, Thing as Thing, generator, layout as layout, stroke

SIZE = 448


@dataclass(frozen=True)
class Scene:
    """A picture, its instance map (0 = background, i = objects[i-1]) and its queries."""

    seed: int
    split: str
    image: np.ndarray  # uint8 [H, W, 3]
    instances: np.ndarray  # uint8 [H, W]
    objects: tuple[Thing, ...]
    _cache: dict = field(default_factory=dict, repr=False, compare=False)

    def __repr__(self) -> str:
        height, width = self.image.shape[:2]
        things = ", ".join(f"{thing.colour} {thing.kind}" for thing in self.objects)
        return f"Scene({self.seed}, split={self.split!r}: {width}x{height}, {len(self.objects)} objects: {things})"

    def mask(self, which: tuple[int, ...]) -> np.ndarray:
        """Union of the objects with these indices, bool [H, W]."""
        return np.isin(self.instances, [i + 1 for i in which])

    @cached_property
    def queries(self) -> list[tuple[str, str, np.ndarray]]:
        """(family, text, mask bool [H, W]), one or more of every family that the picture admits."""
        return [(q.family, q.text, self.mask(q.targets)) for q in language.queries(self)]


def _backdrop(g: np.random.Generator, size: int, horizon: float) -> np.ndarray:
    """Sky, hills, ground with tufts and soft noise, uint8 [size, size, 3]."""
    skies = ((150, 202, 236), (178, 214, 238), (236, 208, 186), (196, 204, 222), (128, 186, 226))
    grounds = ((126, 176, 92), (152, 186, 104), (108, 158, 92), (196, 180, 132), (170, 196, 150))
    top = np.array(skies[int(g.integers(len(skies)))], np.float32)
    low = np.array(grounds[int(g.integers(len(grounds)))], np.float32)
    line = int(horizon * size)
    rows = np.arange(size, dtype=np.float32)[:, None]
    sky = top + (250 - top) * np.clip(rows / line, 0, 1) * 0.7
    ground = low * (0.92 + 0.16 * (1 - (rows - line) / (size - line)))
    column = np.where(rows < line, sky, ground)
    image = np.repeat(column[:, None, :], size, axis=1)
    image = np.ascontiguousarray(np.clip(image, 0, 255).astype(np.uint8))
    for _ in range(int(g.integers(0, 4))):
        cx, cy, r = g.uniform(0, 1) * size, g.uniform(0.05, 0.7) * line, g.uniform(0.03, 0.06) * size
        for dx, k in ((-1.1, 0.7), (0.0, 1.0), (1.2, 0.75)):
            cv2.ellipse(image, (int(cx + dx * r), int(cy)), (int(r * 1.2), int(r * k * 0.6)), 0, 0, 360, (250, 251, 252), -1)
    xs = np.linspace(0, size, 60)
    for depth in range(int(g.integers(1, 3))):
        wave = line - size * (0.02 + 0.05 * (1 + np.sin(xs / size * g.uniform(3, 9) + g.uniform(0, 6)))) * (1 - 0.45 * depth)
        tint = shade((int(low[0]), int(low[1]), int(low[2])), -0.12 - 0.12 * depth)
        outline = np.concatenate([np.stack([xs, wave], 1), [[size, line + 2], [0, line + 2]]])
        cv2.fillPoly(image, [np.round(outline).astype(np.int32)], shade(tint, 0.3))
    if g.random() < 0.45:  # a path towards the horizon
        a, b, w = g.uniform(0.1, 0.9), g.uniform(0.2, 0.8), g.uniform(0.08, 0.2)
        path = np.array([(b - 0.01, horizon), (b + 0.015, horizon), (a + w, 1.0), (a - w, 1.0)]) * size
        cv2.fillPoly(image, [path.astype(np.int32)], (214, 198, 164))
    for _ in range(int(g.integers(30, 90))):
        x, y = g.uniform(0, size), g.uniform(line + 4, size)
        h = size * 0.012 * (0.6 + (y - line) / (size - line))
        tuft = np.array([(x - h * 0.5, y), (x - h * 0.2, y - h), (x, y - h * 0.3), (x + h * 0.3, y - h * 1.1), (x + h * 0.5, y)])
        cv2.fillPoly(image, [tuft.astype(np.int32)], shade((int(low[0]), int(low[1]), int(low[2])), -0.22))
    return image


def _paint(things: tuple[Thing, ...], horizon: float, g: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    big = size * 2  # drawn twice as large and reduced: smooth edges, exact map
    image = _backdrop(g, big, horizon)
    ids = np.zeros((big, big), np.uint8)
    veil = np.ones((big, big), np.float32)
    for thing in things:
        if KINDS[thing.kind].place == "ground" and thing.y > horizon:
            half = thing.height * KINDS[thing.kind].half_width
            at = (int((thing.x + 0.12 * half) * big), int(thing.y * big))
            cv2.ellipse(veil, at, (int(half * big * 1.02), max(2, int(half * big * 0.2))), 0, 0, 360, 0.72, -1)
    image = (image * cv2.blur(veil, (big // 60, big // 90))[..., None]).astype(np.uint8)
    for i, thing in enumerate(things):
        stroke(thing, image, ids, i + 1)
    coarse = g.normal(0, 4.0, (big // 8, big // 8, 1)).astype(np.float32)
    noise = cv2.resize(coarse, (big, big), interpolation=cv2.INTER_LINEAR)[..., None]
    image = np.clip(image + noise, 0, 255).astype(np.uint8)
    image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    image = np.clip(image + g.normal(0, 2.0, image.shape), 0, 255).astype(np.uint8)
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
    things, horizon = layout(seed, split)
    image, ids = _paint(things, horizon, generator(seed, split, 1), size)
    return Scene(seed, split, image, ids, things)
