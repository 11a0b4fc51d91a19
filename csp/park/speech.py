"""Meanings put into words: names, attributes and frames, in free orders, sometimes with a slip of the finger."""

from __future__ import annotations

import numpy as np

from csp.park import frames as f, names as n, places as p
from csp.park.elsewhere import ELSEWHERE
from csp.park.ideas import (
    ANIMAL_FRAMES,
    GAP_FRAMES,
    IS_FRAMES,
    NOMINAL,
    NOUN_FRAMES,
    OBJECT_FRAMES,
    REASON,
    REASON_FRAMES,
    SUBJECTS,
    TO_FRAMES,
    UNDONE,
    WHO_FRAMES,
)
from csp.park.meaning import SIZES, Meaning
from csp.park.wishes import INTENT, WISH_COLOUR, WISH_FRAMES

PLAIN = 24  # ideas of a list that a plain speaker chooses from
VOWELS = ("a", "e", "i", "o", "um")
ANIMALS = ("dog", "cat", "bird")


def typo(text: str, g: np.random.Generator) -> str:
    """One letter of one longer word lost, doubled, swapped or mistaken."""
    words = text.split(" ")
    long = [i for i, word in enumerate(words) if len(word) > 3 and word.isalpha()]
    if not long:
        return text
    i = long[int(g.integers(len(long)))]
    word, at, how = words[i], int(g.integers(1, len(words[i]) - 1)), int(g.integers(4))
    wrong = "abcdefghijklmnopqrstuvwxyz"[int(g.integers(26))]
    words[i] = (
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + wrong + word[at + 1 :],
    )[how]
    return " ".join(words)


class Speaker:
    """Puts meanings into words; `held` uses the frames and ideas that training never saw, wherever there are some."""

    def __init__(self, g: np.random.Generator, held: bool) -> None:
        self.g, self.held = g, held

    def lot(self, share: float) -> bool:
        return bool(self.g.random() < share)

    def any(self, items: tuple[str, ...]) -> str:
        return items[int(self.g.integers(len(items)))]

    def one(self, phrases: tuple[str, ...], held: bool | None = None) -> str:
        """A phrase of a list whose fifth ones are held out."""
        out = self.held if held is None else held
        use = [i for i in range(len(phrases)) if f.is_held(i) == out] or list(range(len(phrases)))
        return phrases[use[int(self.g.integers(len(use)))]]

    def idea(self, phrases: tuple[str, ...]) -> str:
        """An idea, a wish or a thing from elsewhere."""
        return self.one(phrases)

    def noun(self, kinds: tuple[str, ...], many: bool = False) -> str:
        """The plain name half of the time, else one of all."""
        table = n.NOUNS[kinds[0]] if len(kinds) == 1 else n.GROUPS[kinds]
        return table[0 if self.lot(0.4) else int(self.g.integers(len(table)))][many]

    def colour(self, m: Meaning) -> str:
        assert m.colour is not None
        if not m.tone and self.lot(0.5):
            return m.colour
        return self.any(n.TONE_WORDS[m.colour, m.tone] if m.tone else n.COLOUR_WORDS[m.colour])

    def phrase(self, m: Meaning) -> str:
        """A noun phrase without article: "small red ball", "person in blue on the left"."""
        noun = self.noun(m.kinds, m.many)
        if m.colour is not None and m.pick is None and m.region is None and m.relation is None and not m.many and self.lot(0.05):
            return f"{noun} {self.colour(m)}"  # as one types in a hurry
        if m.colour is not None:
            worn = m.kinds == ("person",)
            colour = self.colour(m)
            noun = self.one(f.WEARING if worn else f.COLOURED, held=False).format(n=noun, c=colour)
            if colour.startswith(VOWELS):
                noun = noun.replace(f" a {colour}", f" an {colour}")
        if m.unlike is not None:
            noun = self.one(f.NOT, held=False).format(n=noun, c=self.any(n.COLOUR_WORDS[m.unlike]))
        if m.pick is not None:
            noun = self._placed(noun, m)
        if m.region is not None:
            noun = f"{noun} {self.on(m.region)}"
        return noun

    def _placed(self, noun: str, m: Meaning) -> str:
        assert m.pick is not None
        if m.rank > 1:
            side = {"middle": "center"}.get(m.pick, m.pick)
            return self.one(p.COUNTED, held=False).format(n=noun, o=self.any(p.ORDINALS[m.rank]), s=side)
        before = self.one(p.BEFORE[m.pick], held=False)
        if m.pick in SIZES:
            return f"{noun} , the {before} one" if self.lot(0.07) else f"{before} {noun}"
        if self.lot(0.4):
            return f"{noun} {before}" if self.lot(0.08) else f"{before} {noun}"
        after = self.one(p.AFTER[m.pick], held=False)
        return f"{after} , the {noun}" if self.lot(0.05) else f"{noun} {after}"

    def mark(self, name: Meaning | str) -> str:
        """A landmark with its article."""
        return "the " + (self.any(n.MARK_WORDS[name]) if isinstance(name, str) else self.phrase(name))

    def on(self, region: str) -> str:
        return self.one(p.ON[region], held=False).format(m=self.any(n.MARK_WORDS[region]))

    def frame(self, bare: str) -> str:
        if not self.held and self.lot(0.45):
            return bare if self.lot(0.5) else f"the {bare}"
        a = ("an " if bare.startswith(VOWELS) else "a ") + bare
        return self.one(f.FRAMES).format(bare=bare, the=f"the {bare}", a=a)

    def named(self, m: Meaning, count: int) -> str:
        """`ref`, `ref+` and `refg`."""
        if m.many:
            if not m.kinds and m.region is not None and m.colour is None:
                return self.one(f.ALL_ON).format(q=self.on(m.region))
            if not m.kinds and m.colour is not None and m.region is None and self.lot(0.7):
                return self.one(f.ALL_THAT).format(q=self.colour(m))
            bare = self.phrase(m)
            if count in f.NUMBERS and self.lot(0.25):
                return self.one(f.MANY_FRAMES).format(bare=f"{self.any(f.NUMBERS[count])} {bare}").replace("all all", "all")
            return self.one(f.MANY_FRAMES).format(bare=bare)
        if m.relation is not None:
            parts = {
                "np": self.phrase(m),
                "rel": self.one(p.RELATIONS[m.relation[0]], held=False),
                "mark": self.mark(m.relation[1]),
            }
            return self.frame(self.one(f.RELATED, held=False).format(**parts))
        return self.frame(self.phrase(m))

    def said(self, kind: str, idea: str) -> str:
        """An idea in a frame that suits its construction."""
        first, _, rest = idea.partition(" ")
        start = rest.split(" ")[0]
        if first == "you":
            act = rest.removeprefix("can ").removeprefix("could ").removeprefix("would ")
            if start in UNDONE or self.lot(0.5):
                return self.any(GAP_FRAMES).format(idea=f"you {act}")
            text = self.any(TO_FRAMES).format(act=act)
            return text.replace(" your ", " my ") if " i " in f" {text}" else text
        if first in SUBJECTS:
            return self.any(OBJECT_FRAMES).format(idea=idea)
        if first in ("is", "has") and start != "what" and self.lot(0.5):
            if first == "is" and start in NOMINAL:
                return self.any(NOUN_FRAMES).format(idea=rest)
            some = "someone" if kind == "person" else "an animal" if kind in ANIMALS and self.lot(0.5) else "something"
            return self.any(IS_FRAMES).format(some=some, idea=rest if first == "is" else f"with {rest}")
        if kind == "person":
            return self.any(WHO_FRAMES).format(idea=idea)
        return self.any(ANIMAL_FRAMES if kind in ANIMALS and self.lot(0.5) else REASON_FRAMES).format(idea=idea)

    def implicit(self, m: Meaning) -> str:
        """A function in place of a name, with what else is needed to decide."""
        kind = m.kinds[0]
        text = self.said(kind, self.idea(REASON[kind]))
        tail: list[str] = []
        if m.colour is not None:
            tail.append(self.one(f.ONE["colour"], held=False).format(q=self.colour(m)))
        if m.pick is not None:
            after = m.pick in p.AFTER and self.lot(0.6)
            style, table = ("after", p.AFTER) if after else ("before", p.BEFORE)
            tail.append(self.one(f.ONE[style], held=False).format(q=self.one(table[m.pick], held=False)))
        if m.region is not None:
            tail.append(self.on(m.region))
        return " , ".join([text.removesuffix(" ?") if tail else text, *tail])

    def wish(self, m: Meaning) -> str:
        idea = self.idea(INTENT[m.kinds])
        if m.colour is None:
            return self.any(WISH_FRAMES).format(idea=idea)
        return self.one(WISH_COLOUR, held=False).format(idea=idea, colour=self.colour(m))

    def elsewhere(self) -> str:
        """Something that no park has."""
        thing = self.idea(ELSEWHERE)
        if self.lot(0.2):
            thing = f"{self.any(n.COLOUR_WORDS[self.any(tuple(n.COLOUR_WORDS))])} {thing}"
        elif self.lot(0.15):
            thing = f"{thing} {self.any(p.AFTER[self.any(tuple(p.AFTER))])}"
        elif self.lot(0.1):
            thing = f"{thing} {self.any(p.RELATIONS[self.any(tuple(p.RELATIONS))])} the {self.noun((self.any(tuple(n.NOUNS)),))}"
        return self.frame(thing)


class PlainSpeaker(Speaker):
    """Says everything in the first words of its list, which are the plainest, and draws lots for ideas alone."""

    def __init__(self, g: np.random.Generator) -> None:
        super().__init__(g, held=False)

    def lot(self, share: float) -> bool:
        return False

    def any(self, items: tuple[str, ...]) -> str:
        return items[0]

    def one(self, phrases: tuple[str, ...], held: bool | None = None) -> str:
        return phrases[0]

    def idea(self, phrases: tuple[str, ...]) -> str:
        return super().one(phrases[:PLAIN])

    def noun(self, kinds: tuple[str, ...], many: bool = False) -> str:
        return (n.NOUNS[kinds[0]] if len(kinds) == 1 else n.GROUPS[kinds])[0][many]


def every_text() -> list[str]:
    """All phrases, frames, ideas and names, as the tokenizer's training text."""
    lists: list[tuple[str, ...]] = [
        f.WEARING,
        f.COLOURED,
        f.NOT,
        p.COUNTED,
        f.RELATED,
        f.FRAMES,
        f.MANY_FRAMES,
        f.ALL_THAT,
        f.ALL_ON,
        REASON_FRAMES,
        WHO_FRAMES,
        ANIMAL_FRAMES,
        GAP_FRAMES,
        OBJECT_FRAMES,
        TO_FRAMES,
        IS_FRAMES,
        NOUN_FRAMES,
        WISH_FRAMES,
        WISH_COLOUR,
        ELSEWHERE,
    ]
    for table in (
        n.COLOUR_WORDS,
        n.TONE_WORDS,
        p.BEFORE,
        p.AFTER,
        p.ORDINALS,
        f.NUMBERS,
        n.MARK_WORDS,
        p.ON,
        p.RELATIONS,
        f.ONE,
        REASON,
        INTENT,
    ):
        lists.extend(table.values())
    pairs = [pair for nouns in (*n.NOUNS.values(), *n.GROUPS.values()) for pair in nouns]
    return [text for phrases in [*lists, *pairs] for text in phrases]
