"""Queries about a scene: a meaning first (`Meaning`), its answer by looking (`resolve`), then words for it.

Families mirror the paper's data sets: `ref` (names and positions), `ref+` (appearance, no position words), `refg` (relations
between objects), `reason` (implicit), `intent` (wishes; may have several objects) and `absent` (nothing there).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from csp.park import wording as w
from csp.park.draw import COLOURS, KINDS
from csp.park.layouts import SPLITS, Thing

FAMILIES = ("ref", "ref+", "refg", "reason", "intent", "absent")
MARGIN = 0.06  # by how much of the picture a position word must be true
HELD_SHARE = 0.2  # of test queries
Things = tuple[Thing, ...]


class Laid(Protocol):
    """What words go by: a scene, drawn or not."""

    @property
    def seed(self) -> int: ...

    @property
    def split(self) -> str: ...

    @property
    def objects(self) -> tuple[Thing, ...]: ...


@dataclass(frozen=True)
class Meaning:
    """Which things are asked for: kinds, then colour, then either a relation to a landmark or a pick of one."""

    kinds: tuple[str, ...]
    colour: str | None = None
    pick: str | None = None  # a key of PICKS or SIZES
    relation: tuple[str, Meaning] | None = None
    many: bool = False


@dataclass(frozen=True)
class Query:
    """`targets` are indices into `Scene.objects`; `held`: worded with phrases that training never saw."""

    family: str
    text: str
    targets: tuple[int, ...]
    held: bool
    meaning: Meaning


def _extreme(values: list[float], least: float) -> int | None:
    """Index of the smallest value if it leads by `least`."""
    order = np.argsort(values)
    if len(values) > 1 and values[order[1]] - values[order[0]] < least:
        return None
    return int(order[0])


def _picked(things: Things, among: list[int], pick: str) -> int | None:
    centres = [things[i].centre for i in among]
    sizes = [float(np.log((t.box[2] - t.box[0]) * (t.box[3] - t.box[1]))) for t in (things[i] for i in among)]
    values = {
        "left": [x for x, _ in centres],
        "right": [-x for x, _ in centres],
        "top": [y for _, y in centres],
        "bottom": [-y for _, y in centres],
        "middle": [float(np.hypot(x - 0.5, y - 0.5)) for x, y in centres],
        "biggest": [-s for s in sizes],
        "smallest": sizes,
    }[pick]
    best = _extreme(values, 0.3 if pick in w.SIZES else MARGIN)
    if best is None:
        return None
    x, y = centres[best]
    there = {"left": x < 0.5, "right": x > 0.5, "top": y < 0.6, "bottom": y > 0.45, "middle": abs(x - 0.5) < 0.25}
    return among[best] if there.get(pick, True) else None


def _related(things: Things, among: list[int], relation: str, mark: Thing) -> int | None:
    mx, my = mark.centre
    far = {i: float(np.hypot(things[i].centre[0] - mx, things[i].centre[1] - my)) for i in among}
    if relation in ("near", "far"):
        sign = 1 if relation == "near" else -1
        best = _extreme([sign * far[i] for i in among], MARGIN)
        return None if best is None else among[best]
    axis = 0 if relation in ("left of", "right of") else 1
    sign = 1 if relation in ("left of", "above") else -1
    gaps = {i: sign * ((mx, my)[axis] - things[i].centre[axis]) for i in among}
    inside = [i for i in among if gaps[i] > MARGIN]
    doubtful = [i for i in among if -MARGIN / 2 < gaps[i] <= MARGIN]
    return inside[0] if len(inside) == 1 and not doubtful else None


def resolve(meaning: Meaning, things: Things) -> tuple[int, ...]:
    """The things meant, found by looking at all of them; empty when there is none or the words do not decide."""
    among = [
        i for i, t in enumerate(things) if t.kind in meaning.kinds and (meaning.colour is None or t.colour == meaning.colour)
    ]
    if meaning.many:
        return tuple(among)
    if meaning.relation is not None:
        name, landmark = meaning.relation
        marks = resolve(landmark, things)
        among = [i for i in among if i not in marks]
        if len(marks) != 1 or not among:
            return ()
        chosen = _related(things, among, name, things[marks[0]])
        return () if chosen is None else (chosen,)
    if meaning.pick is not None and among:
        chosen = _picked(things, among, meaning.pick)
        return () if chosen is None else (chosen,)
    return tuple(among) if len(among) == 1 else ()


class Speaker:
    """Puts meanings into words; `wording` "train" avoids the held-out phrases, "held" uses them wherever there is one."""

    def __init__(self, g: np.random.Generator, wording: str) -> None:
        if wording not in ("train", "held"):
            raise ValueError(f"wording must be train or held, got {wording!r}")
        self.g, self.wording = g, wording

    def one(self, phrases: tuple[str, ...]) -> str:
        held = [p for i, p in enumerate(phrases) if w.is_held(i)]
        free = [p for i, p in enumerate(phrases) if not w.is_held(i)]
        use = held if self.wording == "held" and held else free
        return use[int(self.g.integers(len(use)))]

    def phrase(self, m: Meaning) -> str:
        """A noun phrase without article: "small red ball", "person in blue on the left"."""
        kind = m.kinds[0]
        noun = self.one(w.NOUNS[kind])
        if m.colour is not None:
            noun = self.one(w.WEARING).format(noun=noun, colour=m.colour) if kind == "person" else f"{m.colour} {noun}"
        if m.pick in w.SIZES:
            noun = f"{self.one(w.SIZES[m.pick])} {noun}"
        elif m.pick is not None:
            noun = f"{noun} {self.one(w.PICKS[m.pick])}"
        return noun

    def implicit(self, m: Meaning) -> str:
        """A function instead of a name, with what else is needed to decide."""
        text = self.one(w.REASON[m.kinds[0]])
        if m.colour is not None:
            text += " , " + self.one(w.ONE["colour"]).format(q=m.colour)
        if m.pick is not None:
            table, style = (w.SIZES, "size") if m.pick in w.SIZES else (w.PICKS, "pick")
            text += " , " + self.one(w.ONE[style]).format(q=self.one(table[m.pick]))
        return text

    def say(self, family: str, m: Meaning) -> str:
        if family == "intent":
            text = self.one(w.INTENT[m.kinds])
            return text if m.colour is None else self.one(w.INTENT_COLOUR).format(text=text, colour=m.colour)
        if family == "reason":
            return self.implicit(m)
        if m.relation is not None:
            name, landmark = m.relation
            parts = dict(np=self.phrase(m), rel=self.one(w.RELATIONS[name]), mark=self.phrase(landmark))
            return self.one(w.REFG).format(**parts)
        return self.one(w.REF if family == "ref" else w.REF_PLUS).format(np=self.phrase(m))


def _choice(g: np.random.Generator, items: list[str]) -> str:
    return items[int(g.integers(len(items)))]


def _mean(family: str, things: Things, g: np.random.Generator) -> Meaning:
    """A meaning of this family that may fit the picture; `resolve` decides."""
    counts = np.array([sum(o.kind == t.kind for o in things) for t in things], float)
    odds = np.where(counts > 1, 1.0, 0.3)  # mostly things with another of their kind about
    thing = things[int(g.choice(len(things), p=odds / odds.sum()))]
    colour = thing.colour if g.random() < 0.45 else None
    if family == "ref":
        pick = _choice(g, list(w.PICKS)) if g.random() < 0.75 else None
        return Meaning((thing.kind,), colour if pick else thing.colour, pick)
    if family == "ref+":
        pick = _choice(g, list(w.SIZES)) if g.random() < 0.4 else None
        return Meaning((thing.kind,), colour if pick else thing.colour, pick)
    if family == "refg":
        mark = things[int(g.integers(len(things)))]
        landmark = Meaning((mark.kind,), mark.colour if g.random() < 0.7 else None)
        target = Meaning((thing.kind,), colour if g.random() < 0.5 else None, relation=(_choice(g, list(w.RELATIONS)), landmark))
        return target
    if family == "reason":
        lot = g.random()
        if lot < 0.25:
            return Meaning((thing.kind,))
        if lot < 0.6:
            return Meaning((thing.kind,), thing.colour)
        return Meaning((thing.kind,), None, _choice(g, [*w.PICKS, *w.SIZES]))
    if family == "intent":
        groups = [k for k in w.INTENT if thing.kind in k]
        kinds = groups[int(g.integers(len(groups)))]
        return Meaning(kinds, thing.colour if g.random() < 0.6 else None, many=True)
    kind = _choice(g, list(KINDS)) if g.random() < 0.5 else thing.kind
    return Meaning((kind,), _choice(g, list(COLOURS)) if g.random() < 0.8 else None)


def ask(family: str, scene: Laid, g: np.random.Generator, wording: str, tries: int = 60) -> Query | None:
    """One query of a family with exactly its answer, or None when the picture does not admit one."""
    things = scene.objects
    speaker = Speaker(g, wording)
    for _ in range(tries):
        meaning = _mean(family, things, g)
        found = resolve(meaning, things)
        if family == "absent":
            if any(t.kind in meaning.kinds and meaning.colour in (None, t.colour) for t in things):
                continue
            style = ("ref", "ref+", "reason")[int(g.integers(3))]
            return Query("absent", speaker.say(style, meaning), (), wording == "held", meaning)
        if not found:
            continue
        alone = Meaning(meaning.kinds, meaning.colour)
        if family == "refg" and len(resolve(Meaning(meaning.kinds, meaning.colour, many=True), things)) < 2:
            continue  # the relation would say nothing new
        if family == "ref" and meaning.pick and resolve(alone, things) and g.random() < 0.8:
            continue
        return Query(family, speaker.say(family, meaning), found, wording == "held", meaning)
    return None


def queries(scene: Laid, each: int | Mapping[str, int] = 1, wording: str | None = None, stream: int = 2) -> list[Query]:
    """Up to `each` different queries of every family (or of each as a mapping has it), reproducible from the scene and `stream`.

    `wording` None: training and validation scenes use training phrases; test scenes the held-out ones for one query in five.
    """
    g = np.random.default_rng([SPLITS[scene.split], scene.seed, stream])
    found: list[Query] = []
    for family in FAMILIES:
        texts: set[str] = set()
        most = each if isinstance(each, int) else each.get(family, 0)
        for _ in range(most * 2):
            held = scene.split == "test" and g.random() < HELD_SHARE
            query = ask(family, scene, g, wording or ("held" if held else "train"))
            if query is not None and query.text not in texts and len(texts) < most:
                texts.add(query.text)
                found.append(query)
    return found
