"""What things stand on and before: textured grounds and skies, clutter, and landmarks that are no things.

A landmark (`Mark`) belongs to the background: it has a place that words may refer to ("the dog on the path", "the ball
nearest to the rock") but no instance. Positions are shares of the picture, so that every size shows the same park.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from csp.park.draw import Colour, Pen, shade

SIDE = 448  # of the noise that textures are cut from
SKIES: tuple[tuple[Colour, Colour], ...] = (
    ((118, 178, 232), (226, 240, 250)), ((150, 202, 236), (244, 248, 250)), ((240, 172, 120), (252, 226, 190)),
    ((164, 176, 190), (220, 224, 228)), ((96, 140, 206), (250, 214, 190)), ((132, 190, 214), (236, 244, 226)),
)  # fmt: skip


@dataclass(frozen=True)
class Ground:
    """Colour, how coarse and how strong its texture is, colours of its litter, and whether grass grows there."""

    colour: Colour
    grain: float
    strength: float
    litter: tuple[Colour, ...]
    tufts: bool = True


GRASS, SAND = (124, 172, 88), (208, 188, 138)
GROUNDS: tuple[Ground, ...] = (
    Ground(GRASS, 1.0, 15, ((246, 240, 220), (244, 214, 70), (226, 96, 120))),
    Ground((104, 152, 84), 0.6, 18, ((196, 72, 60), (236, 226, 232), (88, 120, 60))),
    Ground((152, 178, 96), 1.6, 14, ((250, 246, 236), (150, 120, 200))),
    Ground(SAND, 0.5, 12, ((168, 150, 120), (236, 228, 206), (120, 108, 92)), False),
    Ground((170, 136, 92), 0.8, 18, ((206, 110, 44), (188, 70, 40), (222, 168, 60), (110, 72, 40))),
    Ground((228, 234, 240), 1.4, 8, ((196, 208, 222), (160, 168, 176)), False),
    Ground((150, 128, 104), 0.5, 16, ((110, 92, 74), (186, 170, 148), (96, 132, 70))),
)
REGIONS = ("path", "sandpit", "flower bed", "pond", "blanket")
UPRIGHT = ("lamp post", "rock", "bush", "fountain", "tent", "signpost", "house")
MARKS = (*REGIONS, *UPRIGHT)


@dataclass(frozen=True)
class Mark:
    """A landmark of the background. `outline`: its corners (regions, on the ground) or () for what stands upright."""

    kind: str
    x: float
    y: float  # where it stands, or the middle of a region
    height: float
    outline: tuple[tuple[float, float], ...]
    look: int
    visible: float = 1.0  # share of it that no thing hides

    @property
    def box(self) -> tuple[float, float, float, float]:
        if self.outline:
            xs, ys = zip(*self.outline, strict=True)
            return max(0.0, min(xs)), max(0.0, min(ys)), min(1.0, max(xs)), min(1.0, max(ys))
        half = self.height * WIDTHS[self.kind]
        return max(0.0, self.x - half), max(0.0, self.y - self.height), min(1.0, self.x + half), min(1.0, self.y)

    @property
    def centre(self) -> tuple[float, float]:
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2, (y0 + y1) / 2


HEIGHTS = {"lamp post": 0.42, "rock": 0.11, "bush": 0.17, "fountain": 0.24, "tent": 0.25, "signpost": 0.27, "house": 0.2}
WIDTHS = {"lamp post": 0.12, "rock": 0.75, "bush": 0.7, "fountain": 0.55, "tent": 0.72, "signpost": 0.3, "house": 0.62}


@lru_cache(maxsize=16)
def noise(grain: float) -> np.ndarray:
    """Fractal noise about 0, float32 [SIDE, SIDE], the same in every process; `grain` > 1 is coarser."""
    g = np.random.default_rng(5)
    total = np.zeros((SIDE, SIDE), np.float32)
    for cells, weight in ((7, 0.5), (28, 0.45), (90, 0.5), (224, 0.7)):
        side = max(4, round(cells / grain))
        total += weight * cv2.resize(g.normal(0, 1, (side, side)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return total


def texture(g: np.random.Generator, grain: float, size: int) -> np.ndarray:
    """A piece of `noise`, rolled to another place: float32 [size, size]."""
    rolled = np.roll(noise(grain), tuple(int(v) for v in g.integers(SIDE, size=2)), (0, 1))
    return rolled if size == SIDE else cv2.resize(rolled, (size, size), interpolation=cv2.INTER_LINEAR)


def blob(g: np.random.Generator, x: float, y: float, rx: float, ry: float) -> tuple[tuple[float, float], ...]:
    """A round outline with a wavy edge."""
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    wave = 1 + 0.1 * np.sin(2 * turn + g.uniform(0, 6)) + 0.07 * np.sin(3 * turn + g.uniform(0, 6))
    return tuple((float(x + rx * w * np.cos(a)), float(y + ry * w * np.sin(a))) for a, w in zip(turn, wave, strict=True))


def propose(g: np.random.Generator, kind: str, horizon: float) -> Mark:
    """A landmark of this kind somewhere it may be."""
    look = int(g.integers(64))
    depth = float(g.uniform(0.25, 0.95))
    y = horizon + depth * (0.97 - horizon)
    size = 0.7 + 0.5 * depth
    x = float(g.uniform(0.12, 0.88))
    if kind == "path":
        far, near, w = float(g.uniform(0.25, 0.75)), float(g.uniform(0.1, 0.9)), float(g.uniform(0.09, 0.17))
        bend = float(g.uniform(-0.12, 0.12))
        mid = (far + near) / 2 + bend
        middle = horizon + 0.42 * (1 - horizon)
        corners: tuple[tuple[float, float], ...] = (
            (far - 0.012, horizon),
            (far + 0.014, horizon),
            (mid + w * 0.5, middle),
            (near + w, 1.0),
            (near - w, 1.0),
            (mid - w * 0.5, middle),
        )
        return Mark(kind, mid, middle, 1 - horizon, corners, look)
    if kind in REGIONS:
        rx = float(g.uniform(0.15, 0.23)) * size
        ry = rx * float(g.uniform(0.3, 0.42))
        y = float(np.clip(y, horizon + ry + 0.04, 0.98 - ry * 0.6))
        if kind == "blanket":
            lean = float(g.uniform(-0.05, 0.05))
            corners = (
                (x - rx * 0.8 + lean, y - ry),
                (x + rx * 0.8 + lean, y - ry),
                (x + rx - lean, y + ry),
                (x - rx - lean, y + ry),
            )
            return Mark(kind, x, y, 2 * ry, corners, look)
        return Mark(kind, x, y, 2 * ry, blob(g, x, y, rx, ry), look)
    height = HEIGHTS[kind] * size * float(g.uniform(0.9, 1.15))
    if kind == "house":
        y, height = horizon + float(g.uniform(0.0, 0.04)), HEIGHTS[kind] * float(g.uniform(0.85, 1.2))
    return Mark(kind, x, max(y, height + 0.02), height, (), look)


def _fill(image: np.ndarray, outline: tuple[tuple[float, float], ...], colour: Colour) -> None:
    points = np.round(np.array(outline) * len(image) * 16).astype(np.int32)
    cv2.fillPoly(image, [points], colour, cv2.LINE_AA, 4)


def region(mark: Mark, size: int) -> np.ndarray:
    """Where a region lies, uint8 [size, size], 255 inside."""
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round(np.array(mark.outline) * size * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask


def _scaled(mark: Mark, by: float, lift: float = 0.0) -> tuple[tuple[float, float], ...]:
    return tuple((mark.x + (x - mark.x) * by, mark.y + (y - mark.y) * by - lift) for x, y in mark.outline)


def lay(image: np.ndarray, mark: Mark) -> None:
    """Paint a region of the ground."""
    g = np.random.default_rng(mark.look)  # the same flowers at every size
    size = len(image)
    if mark.kind == "path":
        colour = ((206, 188, 152), (178, 172, 164), (190, 156, 122))[mark.look % 3]
        _fill(image, mark.outline, shade(colour, -0.16))
        _fill(image, tuple((mark.x + (x - mark.x) * (0.9 if y > mark.y + 0.01 else 1.0), y) for x, y in mark.outline), colour)
    elif mark.kind == "sandpit":
        _fill(image, _scaled(mark, 1.06), (150, 116, 78))
        _fill(image, mark.outline, (230, 206, 150))
    elif mark.kind == "pond":
        _fill(image, _scaled(mark, 1.08), (150, 140, 110))
        _fill(image, mark.outline, (92, 150, 186))
        _fill(image, _scaled(mark, 0.75, 0.01), (120, 178, 206))
        for k in range(5):
            x = mark.x + float(g.uniform(-0.5, 0.4)) * (mark.box[2] - mark.x)
            y = mark.y + float(g.uniform(-0.5, 0.5)) * (mark.box[3] - mark.y)
            _fill(image, ((x, y), (x + 0.03 + 0.006 * k, y - 0.002), (x + 0.03, y + 0.004)), (206, 230, 240))
    elif mark.kind == "flower bed":
        _fill(image, _scaled(mark, 1.05), (120, 112, 104))
        _fill(image, mark.outline, (84, 64, 46))
        x0, y0, x1, y1 = mark.box
        petals = ((226, 60, 80), (250, 210, 70), (240, 150, 200), (250, 250, 246), (150, 90, 200))
        for _ in range(70):
            a, r = g.uniform(0, 2 * np.pi), np.sqrt(g.uniform(0, 0.8))
            x, y = mark.x + r * np.cos(a) * (x1 - x0) / 2, mark.y + r * np.sin(a) * (y1 - y0) / 2
            at, radius = (round(x * size * 16), round(y * size * 16)), round(size * 0.0075 * 16)
            cv2.circle(image, (at[0], at[1] + radius), radius, (70, 120, 60), -1, cv2.LINE_AA, 4)
            cv2.circle(image, at, radius, petals[int(g.integers(2)) + mark.look % 4], -1, cv2.LINE_AA, 4)
    else:  # a picnic blanket, in checks
        colour = ((206, 60, 64), (60, 110, 190), (70, 140, 90))[mark.look % 3]
        corners = np.array(mark.outline)
        _fill(image, mark.outline, (244, 238, 228))
        for i in range(6):
            for j in range(6):
                if (i + j) % 2:
                    continue
                quad = [_inside(corners, (i + a) / 6, (j + b) / 6) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
                _fill(image, tuple(quad), colour)


def _inside(corners: np.ndarray, u: float, v: float) -> tuple[float, float]:
    top = corners[0] + (corners[1] - corners[0]) * u
    low = corners[3] + (corners[2] - corners[3]) * u
    x, y = top + (low - top) * v
    return float(x), float(y)


def stand(p: Pen, kind: str) -> None:
    """Paint an upright landmark with a pen (which takes its pixels away from what stands behind)."""
    iron = (62, 68, 74)
    if kind == "lamp post":
        p.rect(-0.05, 0.0, 0.05, 0.05, shade(iron, -0.2))
        p.rect(-0.018, 0.0, 0.018, 0.84, iron)
        p.poly([(-0.07, 0.84), (0.07, 0.84), (0.09, 0.96), (-0.09, 0.96)], (255, 240, 180))
        p.poly([(-0.11, 0.95), (0.11, 0.95), (0, 1.0)], iron)
    elif kind == "rock":
        p.poly([(-0.75, 0.0), (-0.62, 0.5), (-0.2, 0.95), (0.25, 0.88), (0.62, 0.55), (0.75, 0.0)], (132, 130, 128))
        p.poly([(-0.62, 0.5), (-0.2, 0.95), (0.25, 0.88), (-0.05, 0.5)], (166, 164, 160))
        p.poly([(0.25, 0.88), (0.62, 0.55), (0.75, 0.0), (0.2, 0.0), (-0.05, 0.5)], (108, 106, 106))
    elif kind == "bush":
        leaf = ((70, 124, 62), (92, 140, 70), (140, 100, 50))[p.look % 3]
        for i, (x, y, r) in enumerate(
            ((-0.42, 0.32, 0.3), (0.42, 0.3, 0.3), (0.0, 0.3, 0.34), (-0.2, 0.6, 0.3), (0.2, 0.62, 0.3))
        ):
            p.ellipse(x, y, r, r * 1.05, shade(leaf, -0.15 + 0.06 * i))
        for k in range(9):
            p.ellipse(0.5 * np.cos(2.3 * k + p.look), 0.45 + 0.28 * np.sin(1.7 * k), 0.045, 0.04, shade(leaf, 0.25))
    elif kind == "fountain":
        p.poly([(-0.55, 0.3), (0.55, 0.3), (0.45, 0.0), (-0.45, 0.0)], (168, 166, 162))
        p.ellipse(0, 0.3, 0.55, 0.1, (196, 194, 190))
        p.ellipse(0, 0.3, 0.47, 0.07, (110, 176, 210))
        p.rect(-0.06, 0.28, 0.06, 0.66, (178, 176, 172))
        p.ellipse(0, 0.66, 0.24, 0.07, (196, 194, 190))
        for x in (-0.22, -0.12, 0.12, 0.22):
            p.line([(0, 0.98), (x * 0.7, 0.9), (x, 0.68)], 0.03, (206, 232, 244))
    elif kind == "tent":
        cloth = ((222, 120, 60), (70, 120, 170), (170, 150, 70))[p.look % 3]
        p.poly([(-0.72, 0.0), (0.0, 1.0), (0.72, 0.0)], cloth)
        p.poly([(-0.2, 0.0), (0.0, 1.0), (0.72, 0.0)], shade(cloth, -0.2))
        p.poly([(0.02, 0.0), (0.06, 0.72), (0.34, 0.0)], (60, 50, 46))
    elif kind == "signpost":
        p.rect(-0.035, 0.0, 0.035, 1.0, (110, 82, 56))
        p.poly([(-0.05, 0.92), (0.22, 0.92), (0.3, 0.84), (0.22, 0.76), (-0.05, 0.76)], (190, 150, 100))
        p.poly([(0.05, 0.68), (-0.22, 0.68), (-0.3, 0.6), (-0.22, 0.52), (0.05, 0.52)], (176, 134, 88))
    else:  # a house on the horizon
        wall = ((226, 208, 180), (206, 150, 120), (232, 228, 220))[p.look % 3]
        roof = ((150, 70, 56), (92, 84, 90), (120, 84, 60))[p.look // 3 % 3]
        p.rect(-0.5, 0.0, 0.5, 0.58, wall)
        p.poly([(-0.62, 0.55), (0.62, 0.55), (0.36, 1.0), (-0.36, 1.0)], roof)
        p.rect(-0.08, 0.0, 0.1, 0.34, shade(roof, -0.3))
        for x in (-0.36, 0.22):
            p.rect(x, 0.24, x + 0.15, 0.42, (150, 190, 214))


def _clouds(image: np.ndarray, g: np.random.Generator, line: float) -> None:
    size = len(image)
    tone = int(g.integers(214, 254))
    for _ in range(int(g.integers(0, 5))):
        cx, cy, r = g.uniform(0, 1) * size, g.uniform(0.05, 0.75) * line * size, g.uniform(0.025, 0.065) * size
        for dx, dy, k in ((-1.2, 0.1, 0.6), (-0.5, -0.3, 0.8), (0.2, -0.35, 1.0), (0.9, -0.1, 0.75), (0.0, 0.15, 1.1)):
            at = (int(cx + dx * r), int(cy + dy * r))
            cv2.ellipse(image, at, (int(r * 1.1 * k), int(r * k * 0.6)), 0, 0, 360, (tone, tone + 1, tone + 2), -1, cv2.LINE_AA)


def _far(image: np.ndarray, g: np.random.Generator, line: float, low: Colour) -> None:
    """Hills, and sometimes a wood or roofs of a town, before the sky."""
    size = len(image)
    xs = np.linspace(0, 1, 60)
    for depth in range(int(g.integers(1, 4))):
        wave = line - (0.02 + 0.05 * (1 + np.sin(xs * g.uniform(3, 9) + g.uniform(0, 6)))) * (1 - 0.35 * depth)
        outline = (*tuple(zip(xs.tolist(), wave.tolist(), strict=True)), (1.0, line + 0.01), (0.0, line + 0.01))
        _fill(image, outline, shade(shade(low, -0.1 - 0.12 * depth), 0.34 - 0.08 * depth))
    kind = g.random()
    for _ in range(int(g.integers(12, 30)) if kind < 0.6 else 0):
        x, h = g.uniform(0, 1), g.uniform(0.02, 0.06)
        if kind < 0.35:
            tone = shade((84, 120, 84), float(g.uniform(-0.15, 0.3)))
            cv2.ellipse(
                image,
                (int(x * size), int((line - h * 0.4) * size)),
                (int(h * 0.45 * size), int(h * 0.7 * size)),
                0,
                0,
                360,
                tone,
                -1,
                cv2.LINE_AA,
            )
        else:
            tone = shade((166, 150, 150), float(g.uniform(-0.2, 0.3)))
            _fill(image, ((x, line), (x, line - h), (x + 0.02, line - h * 1.3), (x + 0.04, line - h), (x + 0.04, line)), tone)


def backdrop(g: np.random.Generator, size: int, horizon: float, marks: tuple[Mark, ...]) -> np.ndarray:
    """Sky, far hills, ground with its texture, regions and litter: uint8 [size, size, 3]."""
    top, low = (np.array(c, np.float32) for c in SKIES[int(g.integers(len(SKIES)))])
    ground = GROUNDS[int(g.integers(len(GROUNDS)))]
    red, green, blue = (int(np.clip(c + v, 0, 255)) for c, v in zip(ground.colour, g.integers(-12, 13, 3), strict=True))
    base = (red, green, blue)
    rows = (np.arange(size, dtype=np.float32)[:, None] + 0.5) / size
    sky = top + (low - top) * np.clip(rows / horizon, 0, 1)
    earth = np.array(base, np.float32) * (0.9 + 0.2 * (1 - (rows - horizon) / (1 - horizon)))
    column = np.where(rows < horizon, sky, earth)
    image = np.ascontiguousarray(np.repeat(np.clip(column, 0, 255)[:, None], size, 1).astype(np.uint8))
    _clouds(image, g, horizon)
    _far(image, g, horizon, base)
    for mark in marks:
        if mark.outline:
            lay(image, mark)
    for _ in range(int(g.integers(60, 220))):
        x, y, lot = g.uniform(0, 1), g.uniform(horizon + 0.02, 1), g.random()
        h = 0.006 * (0.6 + (y - horizon) / (1 - horizon))
        if ground.tufts and lot < 0.55:
            _fill(
                image,
                ((x - h, y), (x - h * 0.4, y - 2 * h), (x, y - 0.6 * h), (x + h * 0.6, y - 2.3 * h), (x + h, y)),
                shade(base, -0.25),
            )
        else:
            tone = ground.litter[int(g.integers(len(ground.litter)))]
            cv2.circle(
                image, (round(x * size * 16), round(y * size * 16)), max(12, round(h * 0.8 * size * 16)), tone, -1, cv2.LINE_AA, 4
            )
    rough = texture(g, ground.grain, size) * np.where(rows < horizon, 3.0, ground.strength)
    return np.clip(image + rough[..., None], 0, 255).astype(np.uint8)
