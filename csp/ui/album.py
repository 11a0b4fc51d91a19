"""Pictures that the page offers: park scenes by number, their queries and true masks. Everything else is an
upload.

A picture's source travels with it as text: "scene:17", or "" for an upload. It comes back from a browser
and is checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from csp.checks import check_integer
from csp.park.scenes import Scene, scene

MOST_SCENES = 2**31 - 1
KEPT = 16
EXAMPLES = {0: "reason", 10: "intent", 15: "refg", 7: "ref+", 2: "ref", 14: "absent"}
"""Test scenes in the gallery, unseen in training, and the family of the query that each opens with."""


@dataclass(frozen=True)
class Suggestion:
    """A query that a scene can answer, and the data set that its family mirrors."""

    family: str
    text: str


class Album:
    """Scenes by number, the last few kept: a slider asks for the same picture many times a second."""

    def __init__(self) -> None:
        self._scene = lru_cache(maxsize=KEPT)(scene)

    def scene(self, number: object) -> Scene:
        """Test scene by number. Raises ValueError for what is not 0..2^31 - 1."""
        return self._scene(check_integer("scene", number, 0, MOST_SCENES), "test")

    def of(self, source: object) -> Scene | None:
        """The scene that a source names, None for an upload. Raises ValueError for any other text."""
        if source in ("", None):
            return None
        match = re.fullmatch(r"scene:(\d{1,10})", source) if isinstance(source, str) else None
        if match is None:
            raise ValueError(f'source must be "scene:" and a number, or empty for an upload, got {source!r}')
        return self.scene(int(match[1]))

    def suggestions(self, number: int) -> tuple[Suggestion, ...]:
        """What to ask about a scene, one query of every family."""
        return tuple(Suggestion(family, text) for family, text, _ in self.scene(number).queries)

    def asked(self, number: int, family: str) -> str:
        """A scene's query of a family; its first one where it has none of that family."""
        all_ = self.suggestions(number)
        return next((one.text for one in all_ if one.family == family), all_[0].text)

    def truth(self, source: object, query: str) -> NDArray[np.bool_] | None:
        """The true mask, bool [H, W], where picture and query are a scene's own; None where nothing is
        known.
        """
        picture = self.of(source)
        if picture is None:
            return None
        return next((mask for _, text, mask in picture.queries if text == query.strip()), None)


def source_of(number: int) -> str:
    """How a scene is named beside its picture."""
    return f"scene:{number}"
