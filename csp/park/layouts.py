"""What stands where: the things of a park, a function of (seed, split) at any size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csp.park.draw import COLOURS, KINDS, Pen

SPLITS = {"train": 11, "val": 23, "test": 37}
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


def generator(seed: int, split: str, stream: int) -> np.random.Generator:
    """Lots for one purpose. Raises ValueError for an unknown split or a negative seed."""
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


def stroke(thing: Thing, image: np.ndarray | None, ids: np.ndarray, value: int) -> None:
    """Paint one thing with a pen of this value."""
    size = ids.shape[0]
    pen = Pen(image, ids, value, thing.x * size, thing.y * size, thing.height * size, thing.flip, thing.look)
    KINDS[thing.kind].draw(pen, COLOURS[thing.colour])


def _order(things: list[Thing]) -> list[Thing]:
    """Far to near: the sky first, then by the line where a thing stands."""
    return sorted(things, key=lambda t: (KINDS[t.kind].place != "sky", t.y))


def _alone(thing: Thing) -> np.ndarray:
    """The thing with nothing before it, bool at PROBE resolution."""
    ids = np.zeros((PROBE, PROBE), np.uint8)
    stroke(thing, None, ids, 1)
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
    g = generator(seed, split, 0)
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
