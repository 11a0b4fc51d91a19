"""What a query asks for, apart from its words, and who answers it: `Meaning` and `resolve`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from csp.park.draw import KINDS
from csp.park.ground import REGIONS, Mark
from csp.park.things import Thing, stands_on

MARGIN = 0.06  # by how much of the picture a position word must be true
LARGER = 0.3  # of the logarithm of the area by which a size word must be true
NEAR = 0.3  # farther apart than this, nothing is near
VISIBLE = 0.45  # share of a landmark that must be in sight
PLACES = ("left", "right", "top", "bottom", "middle", "front", "back")
SIZES = ("biggest", "smallest", "tallest", "shortest")
RELATIONS = ("left of", "right of", "above", "below", "near", "far")


@dataclass(frozen=True)
class Park:
    """What words go by: the things and landmarks of one scene."""

    seed: int
    split: str
    objects: tuple[Thing, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Meaning:
    """Which things are asked for: kinds (none: anything but a person), attributes, then a pick of one or a relation."""

    kinds: tuple[str, ...]
    colour: str | None = None
    tone: int = 0
    unlike: str | None = None  # a colour that it must not have
    region: str | None = None  # a landmark that it stands on
    pick: str | None = None  # one of PLACES or SIZES
    rank: int = 1  # 2: the second from the left
    relation: tuple[str, Meaning | str] | None = None  # to a thing, or to a landmark by name
    many: bool = False


def sighted(park: Park, name: str) -> Mark | None:
    """The landmark of this name, if enough of it is in sight."""
    return next((m for m in park.marks if m.kind == name and m.visible >= VISIBLE), None)


def candidates(m: Meaning, park: Park) -> list[int] | None:
    """Things that the attributes fit; None where that is a matter of taste."""
    found = []
    region = sighted(park, m.region) if m.region else None
    for i, t in enumerate(park.objects):
        if (m.colour is not None and t.colour != m.colour) or (m.tone and t.tone != m.tone):
            continue
        if m.unlike is not None and t.colour == m.unlike:
            continue
        if not m.kinds and t.kind == "person":
            if m.colour or m.unlike or m.region:
                return None  # is somebody in red a red thing?
            continue
        if m.kinds and t.kind not in m.kinds:
            continue
        if m.region is not None:
            on = region is not None and t.y > region.box[1] - 0.1 and KINDS[t.kind].place == "ground"
            there = stands_on(t, region) if on and region is not None else False
            if there is None:
                return None
            if not there:
                continue
        found.append(i)
    return found


def _ranked(values: list[float], rank: int, least: float) -> int | None:
    """Index of the value of this rank from below if it is apart from its neighbours by `least`."""
    order = np.argsort(values)
    if rank > len(values):
        return None
    for a, b in ((rank - 2, rank - 1), (rank - 1, rank)):
        if 0 <= a and b < len(values) and values[order[b]] - values[order[a]] < least:
            return None
    return int(order[rank - 1])


def _picked(things: tuple[Thing, ...], among: list[int], pick: str, rank: int) -> int | None:
    mine = [things[i] for i in among]
    if pick in ("front", "back") and any(KINDS[t.kind].place == "sky" for t in mine):
        return None
    if pick in SIZES and len(mine) < 2:
        return None
    values: list[float]
    if pick in SIZES:
        tall = pick in ("tallest", "shortest")
        sizes = [float(np.log((t.box[3] - t.box[1]) * (1.0 if tall else t.box[2] - t.box[0]))) for t in mine]
        values = sizes if pick in ("smallest", "shortest") else [-s for s in sizes]
    else:
        values = {
            "left": [t.centre[0] for t in mine],
            "right": [-t.centre[0] for t in mine],
            "top": [t.centre[1] for t in mine],
            "bottom": [-t.centre[1] for t in mine],
            "middle": [float(np.hypot(t.centre[0] - 0.5, t.centre[1] - 0.5)) for t in mine],
            "front": [-t.y for t in mine],
            "back": [t.y for t in mine],
        }[pick]
    tight = {"tallest": 0.18, "shortest": 0.18, "biggest": LARGER, "smallest": LARGER}.get(pick, MARGIN)
    best = _ranked(values, rank, tight)
    if best is None:
        return None
    x, y = mine[best].centre
    there = {"left": x < 0.5, "right": x > 0.5, "top": y < 0.6, "bottom": y > 0.45, "middle": abs(x - 0.5) < 0.25}
    return among[best] if rank > 1 or there.get(pick, True) else None


def gap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """How far apart two boxes look: from edge to edge, and a little from middle to middle."""
    dx = max(0.0, max(a[0], b[0]) - min(a[2], b[2]))
    dy = max(0.0, max(a[1], b[1]) - min(a[3], b[3]))
    middle = np.hypot((a[0] + a[2] - b[0] - b[2]) / 2, (a[1] + a[3] - b[1] - b[3]) / 2)
    return float(np.hypot(dx, dy) + 0.35 * middle)


def _related(things: tuple[Thing, ...], among: list[int], relation: str, mark: Thing | Mark) -> int | None:
    if relation in ("near", "far"):
        sign = 1 if relation == "near" else -1
        gaps = [gap(things[i].box, mark.box) for i in among]
        best = _ranked([sign * v for v in gaps], 1, 0.05)
        return None if best is None or (relation == "near" and gaps[best] > NEAR) else among[best]
    mx, my = mark.centre
    axis = 0 if relation in ("left of", "right of") else 1
    sign = 1 if relation in ("left of", "above") else -1
    leads = {i: sign * ((mx, my)[axis] - things[i].centre[axis]) for i in among}
    inside = [i for i in among if leads[i] > MARGIN]
    doubtful = [i for i in among if -MARGIN / 2 < leads[i] <= MARGIN]
    return inside[0] if len(inside) == 1 and not doubtful else None


def landmark(name: Meaning | str, park: Park) -> tuple[Thing | Mark, int | None] | None:
    """The one thing (and its index) or the landmark that a relation goes by, if it is clear which."""
    if isinstance(name, str):
        mark = sighted(park, name)
        return None if mark is None or name == "path" else (mark, None)
    found = resolve(name, park)
    return (park.objects[found[0]], found[0]) if len(found) == 1 else None


def resolve(m: Meaning, park: Park) -> tuple[int, ...]:
    """The things meant, found by looking at all of them; empty when there is none or the words do not decide."""
    among = candidates(m, park)
    if not among:
        return ()
    if m.many:
        return tuple(among)
    if m.relation is not None:
        mark = landmark(m.relation[1], park)
        among = [i for i in among if mark is not None and i != mark[1]]
        if mark is None or not among:
            return ()
        chosen = _related(park.objects, among, m.relation[0], mark[0])
        return () if chosen is None else (chosen,)
    if m.pick is not None:
        chosen = _picked(park.objects, among, m.pick, m.rank)
        return () if chosen is None else (chosen,)
    return tuple(among) if len(among) == 1 else ()


def nobody(m: Meaning, park: Park) -> bool:
    """Whether nothing at all fits, so that the empty mask is the answer (not: the words do not decide)."""
    among = candidates(m, park)
    if among is None:
        return False
    if not among:
        return True
    if m.relation is None:
        return False
    name = m.relation[1]
    return not any(k.kind == name for k in park.marks) if isinstance(name, str) else candidates(name, park) == []


__all__ = [
    "MARGIN",
    "PLACES",
    "REGIONS",
    "RELATIONS",
    "SIZES",
    "Meaning",
    "Park",
    "candidates",
    "gap",
    "landmark",
    "nobody",
    "resolve",
    "sighted",
]
