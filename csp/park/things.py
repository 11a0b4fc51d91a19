"""What stands where: things and landmarks of a park, a function of (seed, split) at any size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from csp.park.draw import COLOURS, KINDS, Colour, Pen, shade
from csp.park.ground import MARKS, REGIONS, Mark, propose, region, stand

SPLITS = {"train": 11, "val": 23, "test": 37}
PROBE = 112  # resolution at which a layout is judged
LEAST_VISIBLE = 0.45  # share of a thing that must stay in sight
APART = 0.5  # share of things that are placed clear of all others
LEAST_PIXELS = 45  # visible pixels at PROBE resolution
TONES: dict[str, tuple[int, ...]] = {
    "green": (-1, 1),
    "blue": (-1, 1),
    "gray": (-1, 1),
    "red": (-1,),
    "purple": (-1,),
    "brown": (-1,),
}
"""Colours that also come dark (-1) or light (1)."""


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
    tone: int = 0  # -1 dark, 1 light
    visible: float = 1.0
    area: float = 0.0  # visible share of the picture
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)  # of what is visible: x0, y0, x1, y1

    @property
    def centre(self) -> tuple[float, float]:
        return (self.box[0] + self.box[2]) / 2, (self.box[1] + self.box[3]) / 2

    @property
    def paint(self) -> Colour:
        return shade(COLOURS[self.colour], 0.3 * self.tone)


@dataclass(frozen=True)
class Layout:
    """Things and landmarks, far to near, and the height of the horizon."""

    things: tuple[Thing, ...]
    marks: tuple[Mark, ...]
    horizon: float


def generator(seed: int, split: str, stream: int) -> np.random.Generator:
    """Lots for one purpose. Raises ValueError for an unknown split or a negative seed."""
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")
    return np.random.default_rng([SPLITS[split], 2, seed, stream])


def order(things: tuple[Thing, ...] | list[Thing], marks: tuple[Mark, ...]) -> list[Thing | Mark]:
    """Far to near: the sky first, then by the line where a thing or an upright landmark stands."""
    upright = [m for m in marks if not m.outline]
    return sorted([*things, *upright], key=lambda t: (not (isinstance(t, Thing) and KINDS[t.kind].place == "sky"), t.y))


def stroke(item: Thing | Mark, image: np.ndarray | None, ids: np.ndarray, value: int) -> None:
    """Paint one thing, or a landmark, with a pen of this value."""
    size = ids.shape[0]
    flip = isinstance(item, Thing) and item.flip
    pen = Pen(image, ids, value, item.x * size, item.y * size, item.height * size, flip, item.look)
    if isinstance(item, Thing):
        KINDS[item.kind].draw(pen, item.paint)
    else:
        stand(pen, item.kind)


def _propose(
    g: np.random.Generator, horizon: float, kinds: list[str], placed: list[Thing], marks: tuple[Mark, ...], number: int
) -> Thing:
    kind = kinds[int(g.integers(len(kinds)))]
    spec = KINDS[kind]
    colour = spec.colours[int(g.integers(len(spec.colours)))]
    factor = float(np.exp(g.uniform(np.log(0.66), np.log(1.35))))
    sky = spec.place == "sky" or (kind == "bird" and g.random() < 0.3)
    near = [t for t in placed if (KINDS[t.kind].place == "sky") == sky]
    if near and g.random() < 0.75:  # beside another thing, often partly behind or before it, often of its colour
        other = near[int(g.integers(len(near)))]
        if other.colour in spec.colours and g.random() < 0.35:
            colour = other.colour
        reach = 0.5 * (other.height * KINDS[other.kind].half_width + spec.height * factor * spec.half_width)
        x = other.x + float(g.choice((-1, 1)) * g.uniform(0.5, 1.5) * reach)
        y = other.y + float(g.uniform(-0.07, 0.07))
    elif not sky and marks and g.random() < 0.55:  # at a landmark, or on it
        mark = marks[int(g.integers(len(marks)))]
        x0, y0, x1, y1 = mark.box
        wide = 0.4 if mark.outline else 0.9
        x = (x0 + x1) / 2 + float(g.uniform(-1, 1)) * wide * max(x1 - x0, 0.15)
        y = mark.y + float(g.uniform(-0.5, 0.9)) * (0.7 * (y1 - y0) if mark.outline else 0.1)
    else:
        x = float(g.uniform(0.06, 0.94))
        y = float(g.uniform(0.26, 0.52)) if sky else horizon + float(g.uniform(0.12, 1.0)) * (0.97 - horizon)
    if not sky:
        y = float(np.clip(y, horizon + 0.06, 0.98))
        factor *= 0.7 + 0.42 * (y - horizon) / (1 - horizon)
    height = spec.height * factor
    half = height * spec.half_width
    x = float(np.clip(x, half * 0.9, 1 - half * 0.9))
    y = float(np.clip(y, height + 0.01, 0.985))
    tones = TONES.get(colour, ())
    tone = int(tones[int(g.integers(len(tones)))]) if tones and g.random() < 0.3 else 0
    return Thing(kind, colour, x, y, height, bool(g.random() < 0.5), int(g.integers(64)), number, tone)


def _alone(item: Thing | Mark) -> np.ndarray:
    """With nothing before it, bool at PROBE resolution."""
    if isinstance(item, Mark) and item.outline:
        return region(item, PROBE) > 127
    ids = np.zeros((PROBE, PROBE), np.uint8)
    stroke(item, None, ids, 1)
    return ids > 0


def _map(things: list[Thing], marks: tuple[Mark, ...], outlines: dict[object, np.ndarray]) -> np.ndarray:
    """Which thing is in sight where: its index + 1, uint8 at PROBE resolution."""
    at = {t.number: i + 1 for i, t in enumerate(things)}
    ids = np.zeros((PROBE, PROBE), np.uint8)
    for item in order(things, marks):
        thing = isinstance(item, Thing)
        ids[outlines[item.number if thing else item.kind]] = at[item.number] if thing else 0  # type: ignore[union-attr]
    return ids


def _judge(
    things: list[Thing], marks: tuple[Mark, ...], outlines: dict[object, np.ndarray], before: dict[int, float], apart: bool
) -> tuple[bool, list[Thing]]:
    """Measure what is visible. False: something is hidden too far, too small, or (`apart`) more hidden than `before`."""
    ids = _map(things, marks, outlines)
    measured = []
    for i, thing in enumerate(things):
        rows, columns = np.nonzero(ids == i + 1)
        whole = int(outlines[thing.number].sum())
        least = max(LEAST_VISIBLE, (before.get(thing.number, 1.0) if apart else 0.0) - 0.02)
        if len(rows) < LEAST_PIXELS or len(rows) < least * whole:
            return False, things
        box = (columns.min() / PROBE, rows.min() / PROBE, (columns.max() + 1) / PROBE, (rows.max() + 1) / PROBE)
        x0, y0, x1, y1 = (float(v) for v in box)
        measured.append(replace(thing, visible=len(rows) / whole, area=len(rows) / PROBE**2, box=(x0, y0, x1, y1)))
    return True, measured


def _clear(new: Mark, marks: list[Mark]) -> bool:
    """Landmarks stand apart from each other; a path may pass."""
    if new.kind == "path":
        return True
    x0, y0, x1, y1 = new.box
    for other in marks:
        a0, b0, a1, b1 = other.box
        if other.kind != "path" and min(x1, a1) > max(x0, a0) - 0.02 and min(y1, b1) > max(y0, b0) - 0.02:
            return False
    return True


def layout(seed: int, split: str = "train") -> Layout:
    """What stands where. Raises ValueError for an unknown split or a negative seed."""
    g = generator(seed, split, 0)
    horizon = float(g.uniform(0.28, 0.44))
    marks: list[Mark] = []
    for kind in g.choice(len(MARKS), size=int(g.integers(2, 6)), replace=False):
        for _ in range(6):
            mark = propose(g, MARKS[int(kind)], horizon)
            if _clear(mark, marks):
                marks.append(mark)
                break
    marks.sort(key=lambda m: (m.kind not in REGIONS, m.kind != "path", m.y))
    fixed = tuple(marks)
    wanted = int(g.integers(4, 11))
    names = list(KINDS)
    weights = np.array([2.0 if k == "person" else 1.0 for k in names])
    few = int(g.integers(2, 5))
    chosen = [names[int(i)] for i in g.choice(len(names), size=few, replace=False, p=weights / weights.sum())]
    placed: list[Thing] = []
    outlines: dict[object, np.ndarray] = {m.kind: _alone(m) for m in fixed}
    for attempt in range(wanted * 12):
        if len(placed) == wanted:
            break
        kinds = names if attempt > wanted * 9 else chosen
        apart = g.random() < APART
        new = _propose(g, horizon, kinds, [] if apart else placed, fixed, attempt)
        outlines[attempt] = _alone(new)
        both = [t for t in order([*placed, new], ()) if isinstance(t, Thing)]
        ok, measured = _judge(both, fixed, outlines, {t.number: t.visible for t in placed}, apart)
        placed = measured if ok else placed
    if len(placed) < 4:  # a crowd of large things; draw lots again, still a function of (seed, split)
        return layout(seed + (1 << 32), split)
    ids = _map(placed, fixed, outlines)
    shown = []
    for m in fixed:
        whole = outlines[m.kind]
        free = whole & (ids == 0)
        shown.append(replace(m, visible=float(free.sum() / max(1, whole.sum()))))
    return Layout(tuple(placed), tuple(shown), horizon)


def stands_on(thing: Thing, mark: Mark) -> bool | None:
    """Whether a thing stands on a region of the ground; None where that is a matter of taste."""
    far = cv2.pointPolygonTest(np.array(mark.outline, np.float32), (thing.x, min(thing.y, 0.99)), True)
    side = cv2.pointPolygonTest(np.array(mark.outline, np.float32), (thing.centre[0], min(thing.y, 0.99)), True)
    if min(far, side) > 0.008:
        return True
    return False if max(far, side) < -0.03 else None
