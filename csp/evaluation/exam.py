"""Queries as people type them, written by hand and apart from the generator of any park, with what each of them wants.

A text is asked of a scene only where its answer is clear from the scene's objects alone (kind, colour, centre, box), so that the
exam fits any scene of the park. Groups tell which kind of wording a model does not follow yet.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from csp.park import scenes
from csp.park.draw import COLOURS, KINDS
from csp.samples import Sample

APART = 0.08  # of the picture, between the one that a place means and the next
LARGER = 1.5  # times the area of the next

TEXTS: dict[str, str] = {
    "name": """
        person: human; the person; where's the human?; a person please; that person there; spot the pedestrian
        dog: dog; the dog; puppy; a doggy; whats with the dog; Dog!; the hound over there; mark the pup
        cat: cat; the cat; kitty; find me the kitten; a cat, please; got a cat?
        ball: ball; the ball; where did the ball go; a toy ball; the football; BALL
        umbrella: umbrella; the umbrella; parasol; my umbrella; umbrela; an umbrella is what I mean
        bench: bench; the bench; park bench; there is a bench somewhere; seat; that wooden bench
        tree: tree; the tree; a tree; which one's the tree; outline that tree; oak
        car: car; the car; automobile; vehicle; that car; can u see a car
        kite: kite; the kite; a kite up there; the toy kite; kite pls
        cup: cup; the mug; coffee cup; teacup; a cup; where's my mug
        book: book; the book; novel; a book; wheres the book; boook
        bird: bird; the birdie; a bird; bird thing; this bird
        balloon: balloon; baloon; the balloon; party balloon; a balloon
        bag: bag; handbag; the purse; a bag; someone's bag""",
    "colour": """
        car red: red car; the car in red; car, red; the red one, I mean the car; scarlet car
        car blue: blue car; that blue vehicle; the car painted blue
        ball red: a red ball; ball (red); the ball that's red
        ball yellow: yellow ball; the ball with the yellow color
        ball blue: the blue football; blue ball please
        person red: the guy in red; someone wearing red; person with a red shirt; lady in red
        person blue: man in blue; the one in the blue shirt, a person; blue shirt guy
        person green: the kid wearing green; green shirt person
        person yellow: woman in yellow; the person dressed in yellow
        umbrella pink: pink umbrella; the umbrella, the pink one
        umbrella black: black umbrella; a dark black parasol
        cat black: black cat; the cat that is black
        cat white: white kitty; snowy white cat
        dog brown: brown dog; the dog with brown fur
        dog black: black puppy; dog black
        tree green: green tree; the tree that's green
        tree pink: pink tree; tree with pink leaves
        bench brown: the brown bench; brown park bench
        kite orange: orange kite; that kite, orange
        balloon purple: purple balloon; a violet balloon
        bag pink: pink handbag; the pink bag
        book green: green book; a book with a green cover
        cup white: white mug; the white cup
        bird yellow: yellow bird; little yellow birdie
        cup blue: blue mug; the cup that is blue
        book red: the red book; red novel""",
    "place": """
        person left: the person on the left; leftmost person; guy on the left hand side; person, left; on the left, the person
        person right: rightmost person; the lady on the right; who is standing furthest right; right person
        dog left: left dog; the dog to the left; dog far left
        dog right: the right one of the dogs; dog on the right hand side
        car left: the car on the left; left car
        car right: car right; the vehicle to the right
        ball left: leftmost ball; the left ball
        ball right: ball on the right; the rightmost ball
        cat left: the left cat; cat left
        cat right: the cat on the right; right kitty
        bird left: left bird; bird on the left side
        bird right: the bird to the right; right most bird
        balloon left: the left balloon; balloon on the left
        balloon right: rightmost balloon; right balloon
        tree left: tree on the left; left tree
        tree right: the right tree; the tree at the right
        cup left: the left mug; leftmost cup
        cup right: cup on the right; the right cup
        bag right: right bag; the handbag to the right
        bag left: the left bag; bag, far left
        balloon top: highest balloon; the balloon at the top
        kite top: the top kite; kite highest up
        ball bottom: the lowest ball; ball at the bottom
        book left: left book; the book on the left
        bench right: right bench; the bench on the right side""",
    "size": """
        dog big: the big dog; biggest dog; larger dog
        dog small: small dog; the smallest dog; tiny dog
        car big: largest car; the big car
        car small: the small car; littlest car
        ball big: big ball; the largest ball
        ball small: the little ball; smallest ball
        person big: the tallest person; biggest person
        person small: smallest person; the shortest guy
        tree big: the big tree; biggest tree
        tree small: small tree; the smallest tree
        balloon small: the small balloon; tiniest balloon
        bird big: big bird; the biggest bird
        cup big: the big mug; largest cup""",
    "together": """
        person red left: the person in red on the left; leftmost red shirt person
        person blue right: right person in blue; the guy in blue to the right
        ball red left: left red ball; the red ball on the left
        ball blue right: the blue ball on the right; rightmost blue ball
        car red left: red car to the left; the left red car
        car blue right: right blue car; the blue car at the right
        dog brown left: the brown dog on the left; left brown dog
        dog white right: white dog, right side; the right white dog
        cat orange left: orange cat on the left; left orange kitty
        cat black right: the black cat on the right; right black cat
        balloon red left: left red balloon; the red balloon furthest left
        balloon blue right: blue balloon on the right; the right blue balloon
        umbrella purple left: purple umbrella left; the left purple umbrella
        bird yellow right: the right yellow bird; yellow bird on the right side
        cup red left: red cup on the left; the left red mug
        ball yellow small: small yellow ball; the little yellow ball
        car white big: the big white car; large white vehicle
        person green small: the small person in green; little guy in green""",
    "idea": """
        person: who could I talk to; somebody alive who speaks; it has a passport
        dog: it goes woof; loyal four legged companion; what would chase a postman; it loves chewing slippers
        cat: who is hunting mice at night; it purrs; a pet that scratches furniture
        ball: you'd kick this in a stadium; it bounces; what a striker shoots
        umbrella: keeps the rain off; I open this in bad weather; protection from showers
        bench: somewhere you can sit; where could grandma rest; furniture for two or three people
        tree: it has leaves and a trunk; it was a seed once; something with roots
        car: it runs on gasoline; what you drive; the thing with an engine
        kite: flown on a line; needs a windy day; it hangs on a string in the breeze
        cup: what do you drink cocoa from; holds hot coffee; goes with a saucer
        book: it has chapters; something you'd borrow at a library; reading material
        bird: animal with wings; it lays eggs; it chirps at dawn
        balloon: goes bang near a needle; it's full of helium; party decoration that floats
        bag: you'd put your purse and keys in it; used to carry groceries; what you take shopping""",
    "wish": """
        bench: I'd love to sit; my knees ache, where to?; need to rest a bit
        cup: I'm thirsty; could do with a cappuccino; tea time!
        book: I'm bored and want to read something; I want to learn for my exam; any bedtime story?
        car: drive me to the station; I need wheels; how do I get to town fast
        umbrella: it's starting to rain; don't want to get soaked; what helps against rain
        ball: let's play soccer; want to score some goals; the children want to play catch
        kite: nice wind today, let's fly something; something to fly on a string
        bag: how do I carry all this; going to the shops; I need something for my stuff
        balloon: happy birthday!; decorate for the kids' party; I want to let something float away
        tree: I'd like to climb; give me shade under leaves; I want to build a tree house""",
    "many": """
        dog *: all dogs; dogs; every dog; the dogs please
        cat *: cats; all the cats
        person *: everyone; all people; people; each person
        ball *: balls; all balls; every ball
        car *: cars; all the vehicles
        balloon *: all balloons; balloons
        bird *: birds; all the birds
        cup *: mugs; all cups
        umbrella *: umbrellas; all the umbrellas
        tree *: trees; every tree
        book *: books; all of the books""",
    "nothing": """
        -: elephant; the giraffe; a laptop; find the television; where is the helicopter; pink elephant; microwave; tractor
        -: zebra on the left; penguin; a shark; guitar; the traffic light; toothbrush; an octopus; washing machine; rocket
        -: the crocodile; pizza; a big hamburger; submarine; the dinosaur; clown; sofa; shoes; the moon; keyboard; a red tractor
        -: the statue of liberty; scissors; snake in the grass; spaceship; broccoli; the kangaroo; camel; tank; fridge""",
}
"""Group -> lines "what is wanted: texts": a kind, then a colour, a place or a size; "*" for all of them, "-" for nothing."""
PLACES = ("left", "right", "top", "bottom")
SIZES = ("big", "small")


@dataclass(frozen=True)
class Wanted:
    kind: str | None
    colour: str | None = None
    pick: str | None = None
    many: bool = False


def entries() -> tuple[tuple[str, Wanted, str], ...]:
    """(group, what is wanted, text). Raises ValueError for a word in a line's head that means nothing."""
    found = []
    for group, block in TEXTS.items():
        for line in block.strip().splitlines():
            head, _, texts = line.strip().partition(":")
            kind, *rest = head.split()
            if kind not in (*KINDS, "-") or any(word not in (*COLOURS, *PLACES, *SIZES, "*") for word in rest):
                raise ValueError(f"no such thing to want: {head!r}")
            colour = next((word for word in rest if word in COLOURS), None)
            pick = next((word for word in rest if word in (*PLACES, *SIZES)), None)
            wanted = Wanted(None if kind == "-" else kind, colour, pick, "*" in rest)
            found += [(group, wanted, text.strip()) for text in texts.split("; ")]
    return tuple(found)


def answer(wanted: Wanted, objects: Any) -> tuple[int, ...] | None:
    """The objects that are meant, () for nothing at all, None where it is not clear."""
    fits = [i for i, o in enumerate(objects) if o.kind == wanted.kind and wanted.colour in (None, o.colour)]
    if wanted.kind is None or not fits:
        return ()
    if wanted.many:
        return tuple(fits) if len(fits) > 1 else None
    if wanted.pick is None:
        return tuple(fits) if len(fits) == 1 else None
    if len(fits) < 2:
        return None
    x = {i: objects[i].centre[0] for i in fits}
    y = {i: objects[i].centre[1] for i in fits}
    area = {i: (b[2] - b[0]) * (b[3] - b[1]) for i in fits for b in (objects[i].box,)}
    value = {
        "left": lambda i: x[i],
        "right": lambda i: -x[i],
        "top": lambda i: y[i],
        "bottom": lambda i: -y[i],
        "big": lambda i: -np.log(area[i]) * APART / np.log(LARGER),
        "small": lambda i: np.log(area[i]) * APART / np.log(LARGER),
    }[wanted.pick]
    first, second = sorted(fits, key=value)[:2]
    return (first,) if value(second) - value(first) >= APART else None


@dataclass(frozen=True)
class ExamSource:
    """One text a group and scene, of those that the scene answers clearly; families are the groups, and `absent` is what gets the
    empty mask: things no park has, and names of what this scene lacks.
    """

    count: int = 200
    first: int = 0
    split: str = "test"

    @property
    def name(self) -> str:
        return f"exam/{self.split}"

    def __len__(self) -> int:
        return self.count

    @cached_property
    def _entries(self) -> tuple[tuple[str, Wanted, str], ...]:
        return entries()

    def picture(self, index: int) -> str:
        return f"exam-{self.first + index}"

    def fingerprint(self, index: int) -> str:
        return ""

    def samples(self, index: int) -> tuple[Sample, ...]:
        scene = scenes.scene(self.first + index, self.split)
        g = np.random.default_rng([91, self.first + index])
        kept: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
        for group, wanted, text in self._entries:
            found = answer(wanted, scene.objects)
            if found is None:
                continue
            lacks = not found and wanted.kind is not None
            if lacks and (wanted.pick or wanted.many or group == "wish"):
                continue
            kept.setdefault("absent" if not found else group, []).append((text, found))
        samples: list[Sample] = []
        for group, texts in kept.items():
            for text, found in [
                texts[int(i)] for i in g.choice(len(texts), size=min(len(texts), 2 if group == "absent" else 1), replace=False)
            ]:
                samples.append(Sample(self.picture(index), len(samples), scene.image, text, scene.mask(found), group))
        return tuple(samples)

    def describe(self) -> dict[str, Any]:
        """Seeds, and a digest of texts, pictures and truths."""
        digest = hashlib.sha256(repr(self._entries).encode())
        for index in sorted({0, self.count - 1}):
            for sample in self.samples(index):
                digest.update(sample.query.encode() + sample.image.tobytes() + sample.truth.tobytes())
        return {
            "source": self.name,
            "seeds": [self.first, self.first + self.count - 1],
            "pictures": self.count,
            "sha256": digest.hexdigest(),
        }
