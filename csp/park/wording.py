"""The words of the park. In every list the fifth phrase is held out of training; it is made of words that training has seen."""

from __future__ import annotations

NOUNS: dict[str, tuple[str, ...]] = {
    "person": ("person", "human", "pedestrian", "figure", "human figure"),
    "dog": ("dog", "puppy", "hound", "pet dog", "puppy dog"),
    "cat": ("cat", "kitten", "kitty", "pet cat", "kitty cat"),
    "ball": ("ball", "toy ball", "beach ball", "round ball", "round toy ball"),
    "umbrella": ("umbrella", "parasol", "rain umbrella", "open umbrella", "open parasol"),
    "bench": ("bench", "park bench", "seat", "wooden bench", "park seat"),
    "tree": ("tree", "leafy tree", "tall tree", "shady tree", "tall leafy tree"),
    "car": ("car", "automobile", "vehicle", "motor car", "motor vehicle"),
    "kite": ("kite", "toy kite", "paper kite", "flying kite", "flying paper kite"),
    "cup": ("cup", "mug", "coffee cup", "tea mug", "coffee mug"),
    "book": ("book", "novel", "storybook", "thick book", "thick novel"),
    "bird": ("bird", "garden bird", "birdie", "feathered bird", "feathered birdie"),
    "balloon": ("balloon", "party balloon", "air balloon", "floating balloon", "floating party balloon"),
    "bag": ("bag", "handbag", "purse", "leather bag", "leather purse"),
}

WEARING = ("{noun} in {colour}", "{noun} wearing {colour}", "{noun} in the {colour} shirt", "{noun} with the {colour} shirt",
           "{noun} wearing the {colour} shirt")  # fmt: skip

PICKS: dict[str, tuple[str, ...]] = {
    "left": ("on the left", "on the left side", "farthest to the left", "at the left", "at the left side"),
    "right": ("on the right", "on the right side", "farthest to the right", "at the right", "at the right side"),
    "top": ("at the top", "highest up", "on the top side", "highest in the picture", "highest at the top"),
    "bottom": ("at the bottom", "lowest down", "on the bottom side", "lowest in the picture", "lowest at the bottom"),
    "middle": ("in the middle", "nearest to the middle", "in the center", "at the center", "nearest to the center"),
}
SIZES: dict[str, tuple[str, ...]] = {
    "biggest": ("biggest", "largest", "very big", "large", "very largest"),
    "smallest": ("smallest", "tiniest", "very small", "little", "very smallest"),
}
RELATIONS: dict[str, tuple[str, ...]] = {
    "left of": ("to the left of", "left of", "standing to the left of", "on the left side of", "standing left of"),
    "right of": ("to the right of", "right of", "standing to the right of", "on the right side of", "standing right of"),
    "above": ("above", "higher than", "higher up than", "over", "higher up and above"),
    "below": ("below", "lower than", "lower down than", "under", "lower down and below"),
    "near": ("next to", "nearest to", "closest to", "beside", "closest and next to"),
    "far": ("farthest from", "most distant from", "far away from", "farthest away from", "most far away from"),
}

REF = ("the {np}", "{np}", "a {np} here", "find the {np}", "find {np} here")
REF_PLUS = ("the {np}", "{np}", "show the {np}", "segment the {np}", "segment {np}")
REFG = ("the {np} {rel} the {mark}", "the {np} that is {rel} the {mark}", "find the {np} which is {rel} the {mark}",
        "there is a {np} {rel} the {mark}", "find the {np} that is {rel} the {mark}")  # fmt: skip
ONE = {
    "colour": ("the {q} one", "it is {q}", "the one that is {q}", "it should be {q}", "it is the {q} one"),
    "pick": ("the one {q}", "it is {q}", "the one that is {q}", "i mean the one {q}", "i mean the one that is {q}"),
    "size": ("the {q} one", "the {q} of them", "i mean the {q} one", "only the {q} one", "i mean the {q} of them"),
}

REASON: dict[str, tuple[str, ...]] = {
    "person": ("who could answer a question", "who is able to speak", "who is taking a walk here", "who can say hello",
               "who is able to answer and say hello"),
    "dog": ("what might bark at a stranger", "which animal barks", "what guards the house and barks", "who wags a tail and barks",
            "which animal wags a tail and barks at a stranger"),
    "cat": ("which animal says meow", "what catches mice", "what purrs when you stroke it", "who likes milk and mice",
            "which animal purrs and catches mice"),
    "ball": ("what can roll and bounce", "what do you kick in a game", "what bounces when you throw it",
             "what is thrown and caught",
             "what bounces in a game when you kick it"),
    "umbrella": ("what keeps you dry in the rain", "what do you open when it rains", "what protects you from a shower",
                 "what do you hold over your head in bad weather", "what protects you and keeps you dry when it rains"),
    "bench": ("where can you sit down", "what gives tired legs a rest", "where can several people sit", "what is made to sit on",
              "where can tired people sit down"),
    "tree": ("what grows leaves", "what has roots and branches", "what grows for a hundred years", "where do squirrels climb",
             "what has leaves and branches and grows"),
    "car": ("what needs petrol", "what has four wheels and an engine", "what can drive you home", "what do you park and lock",
            "what can drive and has an engine"),
    "kite": ("what flies on a string in the wind", "what rises when the wind blows", "what is tied to a string and flies",
             "what needs wind to stay up", "what flies on a string when the wind blows"),
    "cup": ("what holds a hot drink", "what do you drink coffee from", "what would tea be poured into",
            "what has a handle and holds tea",
            "what holds a hot drink and tea"),
    "book": ("what has pages to turn", "what tells a story in print", "what do you find in a library",
             "what has chapters and a cover",
             "what has pages and tells a story"),
    "bird": ("what sings and lays eggs", "what has wings and a beak", "what builds a nest", "which animal has feathers",
             "which animal has wings and builds a nest"),
    "balloon": ("what would pop if a needle touched it", "what is filled with gas", "what is blown up for a party",
                "what goes up when you let it go", "what is filled with gas for a party"),
    "bag": ("what do you carry your things in", "what has a clasp and carries things", "where would a wallet be kept",
            "what do you pack for shopping", "what carries your wallet and your things"),
}  # fmt: skip

INTENT: dict[tuple[str, ...], tuple[str, ...]] = {
    ("bench",): ("i want to sit down", "my legs are tired", "i need a rest", "i want to take a seat and wait",
                 "i want to rest my legs"),
    ("cup",): ("i am thirsty", "i want to drink something", "i need a coffee", "i would like some tea",
               "i want some tea to drink"),
    ("book",): ("i want to read", "i am bored and like stories", "i want to study", "i would like to read a story",
                "i want to read stories"),
    ("car",): ("i want to drive away", "i need a ride home", "i want to travel far by road", "i am late and need to drive",
               "i need to drive home"),
    ("umbrella",): ("i need shelter from the rain", "i do not want to get wet", "it rains and i want to stay dry",
                    "i need something against the rain", "i want to stay dry and not get wet"),
    ("ball",): ("i want to play football", "i want to kick something", "let us play catch", "i would like to play a game outside",
                "i want to play and kick something"),
    ("kite",): ("i want to fly something on a string", "i want to use the wind", "i want to fly a toy in the wind",
                "i would like to use a string in the wind", "i want to fly something in the wind"),
    ("bag",): ("i am going shopping", "i have many things to carry", "i need to pack my things", "i want to carry my shopping",
               "i need to carry many things"),
    ("balloon",): ("i want to decorate a party", "it is a birthday", "i need something for a birthday party",
                   "i want to decorate for children", "i want to decorate a birthday party"),
    ("person",): ("i want to ask somebody the way", "i need somebody to help me", "i want to talk to somebody",
                  "i am lonely and want company", "i want somebody to talk to"),
    ("dog", "cat"): ("i want to pet an animal", "i love furry animals", "i want to stroke some fur", "i want to feed furry pets",
                     "i want to pet furry animals"),
    ("bird", "kite", "balloon"): ("i like things that fly", "i want to see everything that can be in the air",
                                  "i look for things with no need of the ground", "i want to count what can fly",
                                  "i want to see things that can fly"),
    ("tree",): ("i want to climb up high", "i need some shade and leaves", "i want to pick fruit",
                "i want to hear leaves in the wind",
                "i want some leaves and shade"),
    ("cat", "dog", "bird"): ("i want to photograph animals", "i study wild and tame animals", "i want to count the animals",
                             "i am a vet and want to see animals", "i want to see and count animals"),
}  # fmt: skip
INTENT_COLOUR = ("{text} and i like {colour}", "{text} but it must be {colour}", "{text} and only {colour} will do",
                 "{text} on something {colour}", "{text} and it must be {colour}")  # fmt: skip
FIFTH = 4


def is_held(index: int) -> bool:
    """Phrases of this index are never used in training."""
    return index % 5 == FIFTH


def every_phrase() -> list[tuple[str, bool]]:
    """All phrases with whether they are held out; the vocabulary is made from those that are not."""
    lists: list[tuple[str, ...]] = [WEARING, REF, REF_PLUS, REFG, INTENT_COLOUR, *ONE.values()]
    for table in (NOUNS, PICKS, SIZES, RELATIONS, REASON):
        lists.extend(table.values())
    lists.extend(INTENT.values())
    return [(text, is_held(i)) for phrases in lists for i, text in enumerate(phrases)]
