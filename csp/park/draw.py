"""How the things of the park look: a pen that paints a picture and its instance map in one stroke.

Every kind is a function of a `Pen`. Local coordinates are in units of the thing's height: x to the right from its
middle, y upwards from the ground. Colours are RGB, 0..255.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

Colour = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "red": (214, 48, 49),
    "orange": (240, 135, 40),
    "yellow": (247, 208, 56),
    "green": (38, 158, 84),
    "blue": (43, 108, 214),
    "purple": (134, 70, 190),
    "pink": (244, 132, 178),
    "brown": (128, 82, 48),
    "black": (38, 38, 44),
    "white": (244, 244, 240),
    "gray": (142, 146, 154),
}
SKIN: tuple[Colour, ...] = ((247, 212, 182), (226, 178, 140), (176, 124, 88), (112, 76, 54))
TROUSERS: tuple[Colour, ...] = ((52, 62, 88), (84, 76, 70), (66, 84, 96), (96, 98, 106))
HAIR: tuple[Colour, ...] = ((52, 36, 28), (104, 66, 36), (214, 170, 92), (70, 70, 74))
WOOD: Colour = (116, 80, 52)
SHIFT = 4  # OpenCV draws at 1/16 pixel


def shade(colour: Colour, by: float) -> Colour:
    """Lighter (by > 0, towards white) or darker (by < 0, towards black)."""
    to = 255 if by > 0 else 0
    r, g, b = (round(c + (to - c) * abs(by)) for c in colour)
    return r, g, b


@dataclass
class Pen:
    """Paints one thing: `image` [H, W, 3] uint8 or None (map only) and `ids` [H, W] with `value`."""

    image: np.ndarray | None
    ids: np.ndarray
    value: int
    x: float
    y: float
    height: float
    flip: bool = False
    look: int = 0  # which of the free variations (skin, hair, trousers)

    def _points(self, points: Sequence[tuple[float, float]] | np.ndarray) -> np.ndarray:
        side = -1.0 if self.flip else 1.0
        at = np.asarray(points, np.float64)
        xy = np.stack([self.x + side * at[:, 0] * self.height, self.y - at[:, 1] * self.height], 1)
        return np.round(xy * (1 << SHIFT)).astype(np.int32)

    def poly(self, points: Sequence[tuple[float, float]] | np.ndarray, colour: Colour) -> None:
        corners = [self._points(points)]
        if self.image is not None:
            cv2.fillPoly(self.image, corners, colour, cv2.LINE_8, SHIFT)
        cv2.fillPoly(self.ids, corners, self.value, cv2.LINE_8, SHIFT)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, colour: Colour, start: float = 0, end: float = 360, turn: float = 0
    ) -> None:
        angles = np.radians(np.linspace(start, end, 40))
        c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
        px, py = rx * np.cos(angles), ry * np.sin(angles)
        self.poly(np.stack([x + px * c - py * s, y + px * s + py * c], 1), colour)

    def rect(self, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
        self.poly([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)

    def line(self, points: Sequence[tuple[float, float]], width: float, colour: Colour) -> None:
        """A stroke with round ends, `width` in heights."""
        for (ax, ay), (bx, by) in pairwise(points):
            length = max(float(np.hypot(bx - ax, by - ay)), 1e-6)
            nx, ny = -(by - ay) / length * width / 2, (bx - ax) / length * width / 2
            self.poly([(ax + nx, ay + ny), (bx + nx, by + ny), (bx - nx, by - ny), (ax - nx, ay - ny)], colour)
            self.ellipse(bx, by, width / 2, width / 2, colour)
        self.ellipse(*points[0], width / 2, width / 2, colour)


def person(p: Pen, c: Colour) -> None:
    skin, hair, legs = SKIN[p.look % 4], HAIR[(p.look // 4) % 4], TROUSERS[(p.look // 16) % 4]
    p.line([(-0.06, 0.45), (-0.08, 0.03)], 0.1, legs)
    p.line([(0.06, 0.45), (0.09, 0.03)], 0.1, shade(legs, -0.15))
    p.rect(-0.16, 0.0, -0.03, 0.045, shade(legs, -0.5))
    p.rect(0.04, 0.0, 0.17, 0.045, shade(legs, -0.5))
    p.line([(-0.13, 0.74), (-0.2, 0.5)], 0.085, shade(c, -0.18))
    p.ellipse(-0.2, 0.46, 0.042, 0.042, skin)
    p.poly([(-0.16, 0.78), (0.16, 0.78), (0.14, 0.42), (-0.14, 0.42)], c)
    p.poly([(0.03, 0.78), (0.16, 0.78), (0.14, 0.42), (0.07, 0.42)], shade(c, -0.12))
    p.line([(0.14, 0.74), (0.22, 0.54)], 0.085, shade(c, -0.08))
    p.ellipse(0.22, 0.5, 0.042, 0.042, skin)
    p.rect(-0.035, 0.76, 0.035, 0.84, shade(skin, -0.12))
    p.ellipse(0, 0.895, 0.085, 0.1, skin)
    p.ellipse(-0.01, 0.93, 0.092, 0.075, hair, 0, 180)
    p.ellipse(0.035, 0.9, 0.011, 0.014, (40, 34, 34))


def dog(p: Pen, c: Colour) -> None:
    dark = shade(c, -0.25) if sum(c) > 200 else shade(c, 0.18)
    p.line([(-0.42, 0.5), (-0.62, 0.78)], 0.1, dark)
    for x, tone in ((-0.33, dark), (0.22, dark), (-0.22, c), (0.32, c)):
        p.line([(x, 0.4), (x, 0.05)], 0.12, tone)
    p.ellipse(-0.02, 0.48, 0.46, 0.21, c)
    p.poly([(0.22, 0.42), (0.3, 0.86), (0.52, 0.8), (0.46, 0.4)], c)
    p.ellipse(0.46, 0.82, 0.2, 0.17, c)
    p.ellipse(0.64, 0.77, 0.13, 0.09, shade(c, 0.2))
    p.ellipse(0.74, 0.79, 0.04, 0.035, (24, 22, 22))
    p.ellipse(0.33, 0.8, 0.075, 0.18, dark, turn=-14)
    p.ellipse(0.5, 0.87, 0.026, 0.03, (20, 18, 18))
    p.line([(0.28, 0.57), (0.45, 0.53)], 0.055, (206, 54, 54))


def cat(p: Pen, c: Colour) -> None:
    dark = shade(c, -0.25) if sum(c) > 200 else shade(c, 0.18)
    p.line([(-0.26, 0.1), (-0.48, 0.2), (-0.5, 0.5)], 0.09, dark)
    p.ellipse(-0.02, 0.28, 0.3, 0.3, c)
    p.ellipse(0.1, 0.16, 0.12, 0.18, shade(c, 0.15))
    p.line([(0.1, 0.25), (0.12, 0.05)], 0.1, dark)
    p.poly([(-0.14, 0.78), (-0.13, 1.0), (0.04, 0.88)], dark)
    p.poly([(0.1, 0.88), (0.27, 1.0), (0.28, 0.76)], dark)
    p.ellipse(0.07, 0.7, 0.23, 0.2, c)
    p.ellipse(0.0, 0.73, 0.04, 0.045, (120, 190, 90))
    p.ellipse(0.15, 0.73, 0.04, 0.045, (120, 190, 90))
    p.ellipse(0.0, 0.73, 0.014, 0.04, (20, 20, 20))
    p.ellipse(0.15, 0.73, 0.014, 0.04, (20, 20, 20))
    p.ellipse(0.08, 0.64, 0.03, 0.02, (232, 130, 140))


def ball(p: Pen, c: Colour) -> None:
    p.ellipse(0, 0.5, 0.5, 0.5, shade(c, -0.22))
    p.ellipse(-0.03, 0.53, 0.45, 0.45, c)
    stripe = shade(c, 0.55) if sum(c) < 600 else (206, 90, 90)
    p.poly([(-0.47, 0.44), (-0.2, 0.5), (0.2, 0.5), (0.44, 0.44), (0.42, 0.6), (0.2, 0.66), (-0.2, 0.66), (-0.45, 0.6)], stripe)
    p.ellipse(-0.18, 0.76, 0.1, 0.075, shade(c, 0.75))


def umbrella(p: Pen, c: Colour) -> None:
    p.line([(0, 0.95), (0, 0.08), (0.07, 0.02), (0.13, 0.08)], 0.035, (88, 64, 48))
    half = [(0.5, 0.56), (0.36, 0.6), (0.25, 0.55), (0.12, 0.6)]
    rim = [*half, (0, 0.55), *((-x, y) for x, y in reversed(half))]
    dome = [(0.5 * np.cos(a), 0.56 + 0.4 * np.sin(a)) for a in np.linspace(np.pi, 0, 30)]
    p.poly([*dome, *rim], c)
    for x0, x1 in ((-0.36, -0.12), (0.12, 0.36)):
        p.poly([(0, 0.96), (x0, 0.6), ((x0 + x1) / 2, 0.56), (x1, 0.6)], shade(c, -0.2) if sum(c) > 160 else shade(c, 0.22))
    p.line([(0, 0.95), (0, 1.0)], 0.03, (60, 50, 44))


def bench(p: Pen, c: Colour) -> None:
    iron = (70, 74, 80)
    for x in (-0.8, 0.8):
        p.line([(x, 0.45), (x, 0.03)], 0.09, iron)
        p.line([(x * 0.97, 0.45), (x, 0.97)], 0.07, iron)
        p.line([(x, 0.62), (x * 0.86, 0.62)], 0.06, iron)
    for y in (0.92, 0.74):
        p.rect(-0.95, y - 0.07, 0.95, y + 0.07, c if y > 0.8 else shade(c, -0.1))
    p.poly([(-1.0, 0.5), (1.0, 0.5), (1.05, 0.38), (-1.05, 0.38)], shade(c, 0.12))
    p.rect(-1.05, 0.33, 1.05, 0.4, shade(c, -0.25))


def tree(p: Pen, c: Colour) -> None:
    p.poly([(-0.07, 0.0), (0.07, 0.0), (0.045, 0.5), (-0.045, 0.5)], WOOD)
    p.poly([(0.015, 0.0), (0.07, 0.0), (0.045, 0.5), (0.015, 0.5)], shade(WOOD, -0.2))
    low = ((-0.17, 0.52, 0.19), (0.17, 0.54, 0.19), (0.0, 0.62, 0.25))
    crown = (*low, (-0.12, 0.74, 0.18), (0.13, 0.75, 0.18), (0.0, 0.84, 0.16))
    for i, (x, y, r) in enumerate(crown):
        p.ellipse(x, y, r, r * 0.95, shade(c, -0.2 + 0.05 * i))
    for k in range(7):
        a = 0.9 * k + p.look
        p.ellipse(0.19 * np.cos(a), 0.66 + 0.17 * np.sin(a), 0.03, 0.024, shade(c, 0.22))


def car(p: Pen, c: Colour) -> None:
    p.poly([(-0.62, 0.55), (-0.38, 0.98), (0.3, 0.98), (0.6, 0.55)], shade(c, -0.08))
    p.poly([(-0.5, 0.57), (-0.32, 0.88), (-0.05, 0.88), (-0.05, 0.57)], (176, 214, 232))
    p.poly([(0.03, 0.57), (0.03, 0.88), (0.25, 0.88), (0.48, 0.57)], (196, 226, 240))
    p.poly([(-1.0, 0.2), (-1.0, 0.52), (-0.9, 0.6), (0.75, 0.58), (1.0, 0.46), (1.02, 0.2)], c)
    p.rect(-1.0, 0.18, 1.02, 0.28, shade(c, -0.3))
    p.ellipse(0.95, 0.42, 0.06, 0.06, (255, 240, 170))
    p.ellipse(-0.96, 0.44, 0.04, 0.06, (200, 40, 40))
    for x in (-0.58, 0.58):
        p.ellipse(x, 0.2, 0.2, 0.2, (34, 34, 38))
        p.ellipse(x, 0.2, 0.09, 0.09, (186, 188, 194))


def kite(p: Pen, c: Colour) -> None:
    tail = [(0.0, 0.3), (0.1, 0.2), (-0.06, 0.12), (0.06, 0.02)]
    p.line(tail, 0.03, (120, 100, 90))
    for x, y in tail[1:]:
        p.poly([(x - 0.07, y + 0.04), (x + 0.07, y - 0.04), (x + 0.07, y + 0.04), (x - 0.07, y - 0.04)], shade(c, -0.2))
    p.poly([(0, 1.0), (0.32, 0.7), (0, 0.28), (-0.32, 0.7)], c)
    p.poly([(0, 1.0), (0.32, 0.7), (0, 0.7)], shade(c, 0.35))
    p.poly([(0, 0.28), (-0.32, 0.7), (0, 0.7)], shade(c, -0.25))


def cup(p: Pen, c: Colour) -> None:
    dark = shade(c, -0.22) if sum(c) > 160 else shade(c, 0.25)
    p.ellipse(0.42, 0.5, 0.24, 0.26, dark)
    p.ellipse(0.42, 0.5, 0.12, 0.14, (232, 226, 214))
    p.poly([(-0.42, 0.92), (0.42, 0.92), (0.32, 0.04), (-0.32, 0.04)], c)
    p.poly([(0.14, 0.92), (0.42, 0.92), (0.32, 0.04), (0.12, 0.04)], dark)
    p.ellipse(0, 0.92, 0.42, 0.1, shade(c, 0.35))
    p.ellipse(0, 0.91, 0.34, 0.07, (92, 58, 38))


def book(p: Pen, c: Colour) -> None:
    p.poly([(-0.5, 0.02), (0.42, 0.02), (0.58, 0.22), (0.58, 0.98), (-0.34, 0.98), (-0.5, 0.8)], shade(c, -0.35))
    p.poly([(0.42, 0.05), (0.56, 0.22), (0.56, 0.94), (0.42, 0.8)], (244, 240, 226))
    p.rect(-0.5, 0.06, 0.42, 0.82, c)
    p.poly([(-0.5, 0.82), (0.42, 0.82), (0.57, 0.97), (-0.34, 0.97)], (232, 226, 208))
    p.rect(-0.5, 0.06, -0.38, 0.82, shade(c, -0.2) if sum(c) > 160 else shade(c, 0.2))
    p.rect(-0.22, 0.5, 0.28, 0.66, (246, 236, 200))


def bird(p: Pen, c: Colour) -> None:
    dark = shade(c, -0.3) if sum(c) > 160 else shade(c, 0.22)
    p.line([(0.0, 0.3), (0.0, 0.02), (0.1, 0.02)], 0.05, (230, 150, 50))
    p.line([(0.14, 0.3), (0.14, 0.02), (0.24, 0.02)], 0.05, (230, 150, 50))
    p.poly([(-0.3, 0.5), (-0.78, 0.36), (-0.72, 0.6)], dark)
    p.ellipse(0, 0.5, 0.42, 0.28, c, turn=14)
    p.ellipse(0.36, 0.78, 0.2, 0.2, c)
    p.poly([(0.53, 0.84), (0.78, 0.76), (0.53, 0.7)], (244, 166, 40))
    p.ellipse(-0.06, 0.52, 0.28, 0.15, dark, turn=-10)
    p.ellipse(0.42, 0.83, 0.04, 0.04, (250, 250, 250))
    p.ellipse(0.43, 0.83, 0.022, 0.022, (10, 10, 10))


def balloon(p: Pen, c: Colour) -> None:
    p.line([(0.0, 0.4), (0.04, 0.25), (-0.03, 0.12), (0.02, 0.0)], 0.022, (110, 104, 100))
    p.poly([(-0.05, 0.36), (0.05, 0.36), (0, 0.44)], shade(c, -0.3))
    p.ellipse(0, 0.71, 0.25, 0.29, shade(c, -0.12))
    p.ellipse(-0.02, 0.73, 0.21, 0.25, c)
    p.ellipse(-0.09, 0.83, 0.05, 0.075, shade(c, 0.7), turn=-20)


def bag(p: Pen, c: Colour) -> None:
    dark = shade(c, -0.25) if sum(c) > 160 else shade(c, 0.25)
    p.ellipse(0, 0.74, 0.2, 0.24, dark)
    p.ellipse(0, 0.74, 0.13, 0.17, (206, 214, 200))
    p.poly([(-0.46, 0.0), (0.46, 0.0), (0.4, 0.72), (-0.4, 0.72)], c)
    p.poly([(-0.4, 0.72), (0.4, 0.72), (0.34, 0.46), (0, 0.38), (-0.34, 0.46)], dark)
    p.rect(-0.06, 0.34, 0.06, 0.46, (236, 206, 110))


@dataclass(frozen=True)
class Kind:
    """A kind of thing: how it is drawn, its usual height and half width (share of the picture), colours, where it lives."""

    draw: Callable[[Pen, Colour], None]
    height: float
    half_width: float  # in heights
    colours: tuple[str, ...]
    place: str = "ground"  # or "sky"


def _kind(draw: Callable[[Pen, Colour], None], height: float, half: float, colours: str, place: str = "ground") -> Kind:
    return Kind(draw, height, half, tuple(colours.split()), place)


KINDS: dict[str, Kind] = {
    "person": _kind(person, 0.38, 0.25, "red orange yellow green blue purple pink black white gray"),
    "dog": _kind(dog, 0.2, 0.72, "brown black white gray orange"),
    "cat": _kind(cat, 0.22, 0.42, "orange black white gray brown"),
    "ball": _kind(ball, 0.16, 0.5, "red orange yellow green blue purple pink white"),
    "umbrella": _kind(umbrella, 0.31, 0.5, "red yellow blue green purple pink black orange"),
    "bench": _kind(bench, 0.17, 1.05, "brown red green blue white gray"),
    "tree": _kind(tree, 0.5, 0.36, "green orange yellow pink"),
    "car": _kind(car, 0.18, 1.02, "red blue yellow white black green gray"),
    "kite": _kind(kite, 0.26, 0.32, "red yellow blue pink purple orange green", "sky"),
    "cup": _kind(cup, 0.165, 0.55, "red blue white yellow pink green black"),
    "book": _kind(book, 0.165, 0.55, "red blue green brown purple yellow"),
    "bird": _kind(bird, 0.175, 0.75, "red blue yellow black white pink"),
    "balloon": _kind(balloon, 0.31, 0.25, "red orange yellow green blue purple pink", "sky"),
    "bag": _kind(bag, 0.19, 0.46, "red brown black blue pink yellow"),
}
