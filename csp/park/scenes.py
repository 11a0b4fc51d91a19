"""The park: procedural pictures with exact instance masks, reproducible from (seed, split).

A picture has 4 to 10 things of a few kinds, so that words must tell them apart; nearer things are drawn later and
hide parts of farther ones. `scene` is the public door; `layout` alone decides what stands where, at any size.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np

from csp.park.draw import COLOURS, KINDS, Pen, shade

SPLITS = {"train": 11, "val": 23, "test": 37}
SIZE = 448
PROBE = 112  # resolution at which a layout is judged
LEAST_VISIBLE = 0.5  # share of a thing that must stay in sight
APART = 0.7  # share of things that are placed clear of all others
LEAST_PIXELS = 50  # visible pixels at PROBE resolution


@dataclass(frozen=True)
class Thing:
    """One object. Positions and lengths are shares of the picture; `visible` is the share of it not hidden."""

    kind: str
    colour: str
    x: float
    y: float
    height: float
    flip: bool
    look: int
    number: int  # in the order of being thought of
    visible: float = 1.0
    area: float = 0.0  # visible share of the picture
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # of what is visible: x0, y0, x1, y1

    @property
    def centre(self) -> tuple[float, float]:
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2


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
        from csp.park.language import queries

        return [(q.family, q.text, self.mask(q.targets)) for q in queries(self)]


def _generator(seed: int, split: str, stream: int) -> np.random.Generator:
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")
    return np.random.default_rng([SPLITS[split], seed, stream])


def _propose(g: np.random.Generator, horizon: float, kinds: list[str], placed: list[Thing], number: int) -> Thing:
    kind = kinds[int(g.integers(len(kinds)))]
    spec = KINDS[kind]
    colour = spec.colours[int(g.integers(len(spec.colours)))]
    factor = float(np.exp(g.uniform(np.log(0.74), np.log(1.4))))
    sky = spec.place == "sky" or (kind == "bird" and g.random() < 0.3)
    near = [t for t in placed if (KINDS[t.kind].place == "sky") == sky]
    if near and g.random() < 0.7:  # beside another thing, often partly behind or before it
        other = near[int(g.integers(len(near)))]
        reach = 0.5 * (other.height * KINDS[other.kind].half_width + spec.height * factor * spec.half_width)
        x = other.x + float(g.choice((-1, 1)) * g.uniform(0.6, 1.6) * reach)
        y = other.y + float(g.uniform(-0.07, 0.07))
    else:
        x = float(g.uniform(0.06, 0.94))
        y = float(g.uniform(0.28, 0.55)) if sky else horizon + float(g.uniform(0.12, 1.0)) * (0.97 - horizon)
    if not sky:
        y = float(np.clip(y, horizon + 0.06, 0.98))
        factor *= 0.72 + 0.4 * (y - horizon) / (1 - horizon)
    height = spec.height * factor
    half = height * spec.half_width
    x = float(np.clip(x, half * 0.9, 1 - half * 0.9))
    y = float(np.clip(y, height + 0.01, 0.985))
    return Thing(kind, colour, x, y, height, bool(g.random() < 0.5), int(g.integers(64)), number)


def _stroke(thing: Thing, image: np.ndarray | None, ids: np.ndarray, value: int) -> None:
    size = ids.shape[0]
    pen = Pen(image, ids, value, thing.x * size, thing.y * size, thing.height * size, thing.flip, thing.look)
    KINDS[thing.kind].draw(pen, COLOURS[thing.colour])


def _order(things: list[Thing]) -> list[Thing]:
    """Far to near: the sky first, then by the line where a thing stands."""
    return sorted(things, key=lambda t: (KINDS[t.kind].place != "sky", t.y))


def _alone(thing: Thing) -> np.ndarray:
    """The thing with nothing before it, bool at PROBE resolution."""
    ids = np.zeros((PROBE, PROBE), np.uint8)
    _stroke(thing, None, ids, 1)
    return ids > 0


def _judge(
    things: list[Thing], outlines: dict[int, np.ndarray], before: dict[Thing, float], apart: bool
) -> tuple[bool, list[Thing]]:
    """Measure what is visible. False: something is hidden too far, too small, or (`apart`) more hidden than `before`."""
    ids = np.zeros((PROBE, PROBE), np.uint8)
    for i, thing in enumerate(things):
        ids[outlines[thing.number]] = i + 1
    measured = []
    for i, thing in enumerate(things):
        rows, columns = np.nonzero(ids == i + 1)
        whole = int(outlines[thing.number].sum())
        least = max(LEAST_VISIBLE, (before.get(thing, 1.0) if apart else 0.0) - 0.02)
        if len(rows) < LEAST_PIXELS or len(rows) < least * whole:
            return False, things
        box = (columns.min() / PROBE, rows.min() / PROBE, (columns.max() + 1) / PROBE, (rows.max() + 1) / PROBE)
        x0, y0, x1, y1 = (float(v) for v in box)
        fields = dict(visible=len(rows) / whole, area=len(rows) / PROBE**2, box=(x0, y0, x1, y1))
        measured.append(Thing(**{**thing.__dict__, **fields}))
    return True, measured


def layout(seed: int, split: str = "train") -> tuple[tuple[Thing, ...], float]:
    """What stands where, far to near, and the height of the horizon."""
    g = _generator(seed, split, 0)
    horizon = float(g.uniform(0.3, 0.46))
    wanted = int(g.integers(4, 11))
    names = list(KINDS)
    weights = np.array([2.0 if k == "person" else 1.0 for k in names])
    few = int(g.integers(2, 5))
    chosen = [names[int(i)] for i in g.choice(len(names), size=few, replace=False, p=weights / weights.sum())]
    placed: list[Thing] = []
    outlines: dict[int, np.ndarray] = {}
    for attempt in range(wanted * 12):
        if len(placed) == wanted:
            break
        kinds = names if attempt > wanted * 9 else chosen
        apart = g.random() < APART
        new = _propose(g, horizon, kinds, [] if apart else placed, attempt)
        outlines[attempt] = _alone(new)
        ok, measured = _judge(_order([*placed, new]), outlines, {t: t.visible for t in placed}, apart)
        placed = measured if ok else placed
    if len(placed) < 4:  # a crowd of large things; draw lots again, still a function of (seed, split)
        return layout(seed + (1 << 32), split)
    return tuple(placed), horizon


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
        _stroke(thing, image, ids, i + 1)
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
    image, ids = _paint(things, horizon, _generator(seed, split, 1), size)
    return Scene(seed, split, image, ids, things)
