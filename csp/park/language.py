"""Queries about a park: a meaning that the picture decides, then words for it.

Families mirror the paper's data sets: `ref` (names, numbers and positions), `ref+` (appearance, no position words), `refg`
(relations
to things and to landmarks of the ground), `reason` (implicit), `intent` (wishes; may have several objects) and `absent` (nothing
there).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from csp.park.draw import COLOURS, KINDS
from csp.park.elsewhere import ELSEWHERE
from csp.park.ground import REGIONS
from csp.park.meaning import PLACES, RELATIONS, SIZES, Meaning, Park, candidates, nobody, resolve, sighted
from csp.park.names import GROUPS
from csp.park.speech import PlainSpeaker, Speaker, typo
from csp.park.things import SPLITS, Thing
from csp.park.wishes import INTENT

FAMILIES = ("ref", "ref+", "refg", "reason", "intent", "absent")
SPOKEN = 7  # stream of lots
HELD_SHARE = 0.2  # of test queries
SLIPS = 0.04  # of training queries have a letter wrong
COMPARED = "compared"
RELATION_ODDS = (0.15, 0.15, 0.12, 0.12, 0.34, 0.12)


@dataclass(frozen=True)
class Query:
    """`targets` are indices into the objects; `held`: worded with frames or ideas that training never saw."""

    family: str
    text: str
    targets: tuple[int, ...]
    held: bool
    meaning: Meaning | None  # None: something that no park has


def _pick(g: np.random.Generator, items: tuple[str, ...]) -> str:
    return items[int(g.integers(len(items)))]


def _thing(things: tuple[Thing, ...], g: np.random.Generator) -> Thing:
    """Mostly one with another of its kind about."""
    counts = [sum(o.kind == t.kind for o in things) for t in things]
    odds = np.array([1.0 if c > 1 else 0.35 for c in counts])
    return things[int(g.choice(len(things), p=odds / odds.sum()))]


def _comparing(family: str, park: Park, g: np.random.Generator) -> Meaning:
    """One of several alike by its place (`ref`) or its size (`ref+`): often of one colour too, which then has to be said."""
    things = park.objects
    twins = [t for t in things if sum((o.kind, o.colour) == (t.kind, t.colour) for o in things) > 1]
    coloured = bool(twins) and g.random() < 0.45
    t = twins[int(g.integers(len(twins)))] if coloured else _thing(things, g)
    return Meaning((t.kind,), t.colour if coloured else None, pick=_pick(g, PLACES if family == "ref" else SIZES))


def _named(park: Park, g: np.random.Generator) -> Meaning:
    """`ref`: names, numbers, positions, grounds."""
    t, lot = _thing(park.objects, g), g.random()
    regions = [m.kind for m in park.marks if m.kind in REGIONS]
    colour = t.colour if g.random() < 0.3 else None
    if lot < 0.2:
        return Meaning((t.kind,))
    if lot < 0.28:
        return Meaning((t.kind,), many=True)
    if lot < 0.32:
        return Meaning(_pick_group(t, g), many=bool(g.random() < 0.6))
    if lot < 0.4:
        return Meaning((t.kind,), t.colour)
    if lot < 0.72 and regions:
        region = regions[int(g.integers(len(regions)))]
        if g.random() < 0.25:
            return Meaning((), region=region, many=True)
        return Meaning((t.kind,), colour, region=region, many=bool(g.random() < 0.12))
    if lot < 0.78:
        return Meaning((t.kind,), pick=_pick(g, ("left", "right")), rank=int(g.integers(2, 4)))
    return Meaning((t.kind,), colour, pick=_pick(g, PLACES))


def _pick_group(t: Thing, g: np.random.Generator) -> tuple[str, ...]:
    fits = [k for k in GROUPS if t.kind in k]
    return fits[int(g.integers(len(fits)))] if fits else (t.kind,)


def _looks(park: Park, g: np.random.Generator) -> Meaning:
    """`ref+`: colour, tone, size, what it is not; one or two of them."""
    t, lot = _thing(park.objects, g), g.random()
    if lot < 0.3:
        return Meaning((t.kind,), t.colour)
    if lot < 0.42:
        return Meaning((t.kind,), t.colour, t.tone)
    if lot < 0.54:
        return Meaning((), t.colour, many=bool(g.random() < 0.7))
    if lot < 0.66:
        others = [o.colour for o in park.objects if o.kind == t.kind and o.colour != t.colour]
        if others:
            return Meaning((t.kind,), unlike=_pick(g, tuple(others)), many=bool(g.random() < 0.25))
    return Meaning((t.kind,), t.colour if g.random() < 0.4 else None, pick=_pick(g, SIZES))


def _relates(park: Park, g: np.random.Generator, relation: str | None) -> Meaning:
    t = _thing(park.objects, g)
    name = relation or RELATIONS[int(g.choice(len(RELATIONS), p=RELATION_ODDS))]
    marks = [m.kind for m in park.marks if m.kind != "path"]
    target = Meaning((t.kind,), t.colour if g.random() < 0.2 else None)
    if marks and g.random() < 0.45:
        return replace(target, relation=(name, marks[int(g.integers(len(marks)))]))
    mark = park.objects[int(g.integers(len(park.objects)))]
    return replace(target, relation=(name, Meaning((mark.kind,), mark.colour if g.random() < 0.6 else None)))


def _implicit(park: Park, g: np.random.Generator) -> Meaning:
    t, lot = _thing(park.objects, g), g.random()
    regions = tuple(m.kind for m in park.marks if m.kind in REGIONS)
    if lot < 0.3:
        return Meaning((t.kind,))
    if lot < 0.6:
        return Meaning((t.kind,), t.colour)
    if lot < 0.82 and regions:
        return Meaning((t.kind,), region=_pick(g, regions))
    return Meaning((t.kind,), pick=_pick(g, (*PLACES, *SIZES)))


def _wish(park: Park, g: np.random.Generator) -> Meaning:
    t = _thing(park.objects, g)
    groups = [k for k in INTENT if t.kind in k]
    return Meaning(groups[int(g.integers(len(groups)))], t.colour if g.random() < 0.4 else None, many=True)


def _mean(family: str, park: Park, g: np.random.Generator, about: str | None = None) -> Meaning:
    """A meaning of this family that may fit the picture; `resolve` decides."""
    if family == "refg":
        return _relates(park, g, about)
    if about == COMPARED:
        return _comparing(family, park, g)
    return {"ref": _named, "ref+": _looks, "reason": _implicit, "intent": _wish}[family](park, g)


def _missing(park: Park, speaker: Speaker) -> Query | None:
    """Nothing there: a thing that no park has, one that this one lacks, or one that is not as it is said to be."""
    g, lot = speaker.g, speaker.g.random()
    if lot < 0.3:
        return Query("absent", speaker.elsewhere(), (), speaker.held, None)
    family = ("ref", "ref+", "ref+", "refg", "reason", "intent")[int(g.integers(6))]
    m = _mean(family, park, g)
    gone = tuple(k for k in KINDS if all(t.kind != k for t in park.objects))
    if family == "intent":
        m = Meaning(
            tuple(INTENT)[int(g.integers(len(INTENT)))], _pick(g, tuple(COLOURS)) if g.random() < 0.3 else None, many=True
        )
    elif lot < 0.6 and gone:
        m = replace(m, kinds=(_pick(g, gone),), tone=0)
    elif family == "refg" and m.relation is not None:
        m = replace(m, relation=(m.relation[0], Meaning((_pick(g, gone or tuple(KINDS)),))))
    elif m.region is not None:
        m = replace(m, region=_pick(g, REGIONS))
    elif m.kinds:
        m = replace(m, colour=_pick(g, tuple(COLOURS)), tone=0, unlike=None)
    if m.pick in SIZES or m.unlike:
        m = replace(m, pick=None, unlike=None)
    return Query("absent", _say(family, m, speaker, 1), (), speaker.held, m) if nobody(m, park) else None


def _say(family: str, m: Meaning, speaker: Speaker, count: int) -> str:
    if family == "reason":
        return speaker.implicit(m)
    return speaker.wish(m) if family == "intent" else speaker.named(m, count)


def _idle(m: Meaning, park: Park) -> bool:
    """Whether a relation, a ground or a place says nothing that the name alone does not say."""
    return len(candidates(Meaning(m.kinds, m.colour, m.tone), park) or ()) < 2


def ask(family: str, park: Park, speaker: Speaker, tries: int = 40, about: str | None = None) -> Query | None:
    """One query of a family with exactly its answer, or None when the picture does not admit one. `about` narrows it: a
    relation of `refg`, COMPARED of `ref` and `ref+`.
    """
    g = speaker.g
    for _ in range(tries):
        if family == "absent":
            query = _missing(park, speaker)
            if query is not None:
                return query
            continue
        m = _mean(family, park, g, about)
        found = resolve(m, park)
        if not found or (m.many and family != "intent" and len(found) < 2 and m.kinds and not m.region):
            continue
        if _idle(m, park) and not m.many and (m.relation is not None or ((m.pick or m.region) and g.random() < 0.8)):
            continue
        return Query(family, _say(family, m, speaker, len(found)), found, speaker.held, m)
    return None


def queries(
    park: Park, each: int | Mapping[str, int] = 1, held: bool | None = None, stream: int = 2, slips: float = 0.0
) -> list[Query]:
    """Up to `each` different queries of every family, reproducible from the scene and `stream`.

    `each` as a mapping has a number per family, or per relation ("refg:near"), or for comparing things alike ("ref:compared").
    `held` None: training and validation scenes use what training may see; test scenes held-out frames and ideas for one query
    in five. `slips`: share with a typing error.
    """
    g = np.random.default_rng([SPLITS[park.split], 2, park.seed, stream])
    found: list[Query] = []
    wanted = dict.fromkeys(FAMILIES, each) if isinstance(each, int) else dict(each)
    for name, most in wanted.items():
        family, _, about = name.partition(":")
        texts: set[str] = set()
        for _ in range(most * 2):
            if len(texts) == most:
                break
            out = park.split == "test" and g.random() < HELD_SHARE if held is None else held
            query = ask(family, park, Speaker(g, bool(out)), about=about or None)
            if query is None:
                break
            if query.text not in texts:
                texts.add(query.text)
                found.append(replace(query, text=typo(query.text, g)) if slips and g.random() < slips else query)
    return found


def spoken(park: Park) -> list[Query]:
    """One query of every family that the picture admits, in words that one would say aloud."""
    g = np.random.default_rng([SPLITS[park.split], 2, park.seed, SPOKEN])
    found = []
    for family in FAMILIES:
        tries = (ask(family, park, PlainSpeaker(g)) for _ in range(8))
        query = next((q for q in tries if q is not None and (q.meaning is None or _easily_said(q.meaning))), None)
        if query is not None:
            found.append(query)
    return found


def _easily_said(m: Meaning) -> bool:
    """Whether a meaning needs no long sentence: at most one attribute besides the name, and none that is negated."""
    attributes = sum(map(bool, (m.colour, m.region, m.pick, m.relation, m.tone)))
    return bool(m.kinds) and attributes < 2 and m.rank == 1 and m.unlike is None


__all__ = ["ELSEWHERE", "FAMILIES", "Park", "Query", "ask", "queries", "sighted", "spoken"]
