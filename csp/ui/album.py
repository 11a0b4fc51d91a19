"""Pictures that the page offers: park scenes by number with queries and true masks, and a few photographs for models
that know the world. Everything else is an upload.

A picture's source travels with it as text: "scene:17", "photo:coffee", or "" for an upload. It comes back from a browser
and is checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from csp import images
from csp.checks import check_choice, check_integer, shown
from csp.park.scenes import Scene, scene

MOST_SCENES = 2**31 - 1
KEPT = 16
EXAMPLES = {4: "ref", 13: "reason", 12: "refg", 16: "ref+", 6: "intent", 21: "absent"}
"""Test scenes in the gallery, unseen in training, and the family of the query that each opens with."""


@dataclass(frozen=True)
class Suggestion:
    """A query that a scene can answer, and the data set that its family mirrors."""

    family: str
    text: str


PHOTOS: dict[str, tuple[Suggestion, ...]] = {
    "coffee": (
        Suggestion("reason", "What would you use to stir the drink?"),
        Suggestion("ref", "the red cup"),
        Suggestion("reason", "Which part keeps your fingers from being burnt when you lift the cup?"),
    ),
    "cat": (
        Suggestion("reason", "Which parts of the animal let it see in dim light?"),
        Suggestion("ref", "the nose"),
        Suggestion("ref", "the cat"),
    ),
    "rocket": (
        Suggestion("intent", "I want to put a satellite into orbit"),
        Suggestion("ref", "the tower on the left"),
        Suggestion("reason", "What lights the ground at night?"),
    ),
    "astronaut": (
        Suggestion("reason", "What protects the head in space?"),
        Suggestion("ref", "the flag"),
        Suggestion("refg", "the model of the shuttle behind the person"),
    ),
}
"""Photographs in the gallery of a model that is not the park's, each with what to ask; assets/photos says whose they are."""


class Album:
    """Pictures by their source, the last few scenes kept: a slider asks for the same picture many times a second.

    `drawn` says what the gallery shows: park scenes, or photographs for a model that knows more than the park.
    """

    def __init__(self, drawn: bool = True) -> None:
        self.drawn = drawn
        self._scene = lru_cache(maxsize=KEPT)(scene)
        self._photo = lru_cache(maxsize=len(PHOTOS))(lambda name: images.read(photo(name)))

    def examples(self) -> tuple[tuple[str, str], ...]:
        """The gallery: the source of each picture, and a query."""
        if self.drawn:
            return tuple((source_of(number), self.asked(number, family)) for number, family in EXAMPLES.items())
        return tuple((f"photo:{name}", asked[0].text) for name, asked in PHOTOS.items())

    def scene(self, number: object) -> Scene:
        """Test scene by number. Raises ValueError for what is not 0..2^31 - 1."""
        return self._scene(check_integer("scene", number, 0, MOST_SCENES), "test")

    def of(self, source: object) -> NDArray[np.uint8] | None:
        """The picture that a source names, uint8 RGB [H, W, 3]; None for an upload. Raises ValueError for any other
        text.
        """
        if source in ("", None):
            return None
        number = self.number(source)
        if number is not None:
            return self.scene(number).image
        return self._photo(str(source).removeprefix("photo:"))

    def number(self, source: object) -> int | None:
        """The number of the scene that a source names; None for a photograph and for an upload."""
        if source in ("", None):
            return None
        kind, _, name = source.partition(":") if isinstance(source, str) else ("", "", "")
        if kind == "scene" and re.fullmatch(r"\d{1,10}", name):
            return int(name)
        if kind == "photo" and name in PHOTOS:
            return None
        raise ValueError(
            f'source must be "scene:" and a number, "photo:" and one of {", ".join(PHOTOS)}, or empty for an upload, '
            f"got {shown(source)}"
        )

    def offered(self, source: str) -> tuple[Suggestion, ...]:
        """What to ask about the picture of a source."""
        number = self.number(source)
        return PHOTOS[source.removeprefix("photo:")] if number is None else self.suggestions(number)

    def suggestions(self, number: int) -> tuple[Suggestion, ...]:
        """What to ask about a scene, one query of every family."""
        return tuple(Suggestion(family, plain(text)) for family, text, _ in self.scene(number).spoken)

    def asked(self, number: int, family: str) -> str:
        """A scene's query of a family; its first one where it has none of that family."""
        all_ = self.suggestions(number)
        return next((one.text for one in all_ if one.family == family), all_[0].text)

    def things(self, number: int) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
        """What is in a scene: a map of its things, uint8 [H, W], 0 for none, and what each is called."""
        shown = self.scene(number)
        names = []
        for thing in shown.objects:
            alike = sorted(one.centre[0] for one in shown.objects if (one.colour, one.kind) == (thing.colour, thing.kind))
            called = f"{thing.kind} in {thing.colour}" if thing.kind == "person" else f"{thing.colour} {thing.kind}"
            at = alike.index(thing.centre[0])
            sides = [""] if len(alike) == 1 else [" on the left", *[" between"] * (len(alike) - 2), " on the right"]
            names.append(f"the {called}{sides[at]}")
        return shown.instances, tuple(names)

    def truth(self, source: object, query: str) -> NDArray[np.bool_] | None:
        """The true mask, bool [H, W], where picture and query are a scene's own; None where nothing is
        known.
        """
        number = self.number(source)
        if number is None:
            return None
        asked, scene = query.strip(), self.scene(number)
        return next((mask for _, text, mask in (*scene.spoken, *scene.queries) if asked in (text, plain(text))), None)


OPENINGS = (
    "find", "show", "segment", "point", "give", "where", "which", "what", "who", "there", "i", "the", "a", "an", "some",
    "something", "somebody", "let",
)  # fmt: skip


def plain(text: str) -> str:
    """A query of the park's language as people write it: no blank before a comma, a capital I, an article before a bare noun."""
    words = ["I" if word == "i" else word for word in text.replace(" ,", ",").split()]
    if len(words) < 4 and words[0].lower() not in OPENINGS:
        words.insert(0, "the")
    return " ".join(words)


def source_of(number: int) -> str:
    """How a scene is named beside its picture."""
    return f"scene:{number}"


def photo(name: str) -> Path:
    """The file of a photograph, in the package or in its checkout. Raises ValueError for a name that is not in PHOTOS."""
    check_choice("photo", name, tuple(PHOTOS))
    package = Path(__file__).parents[1]
    places = [folder / "assets/photos" / f"{name}.jpg" for folder in (package, package.parent)]
    return next((place for place in places if place.is_file()), places[-1])
