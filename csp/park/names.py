"""Names of the park's things, colours and landmarks."""

from __future__ import annotations


def _nouns(text: str) -> tuple[tuple[str, str], ...]:
    """ "dog/dogs; child/children" -> pairs of one and many; "~" adds an s."""
    pairs = [tuple(part.strip().split("/")) for part in " ".join(text.split()).split(";") if part.strip()]
    return tuple((p[0], p[1] if len(p) > 1 else p[0] + "s") for p in pairs)


NOUNS: dict[str, tuple[tuple[str, str], ...]] = {
    "person": _nouns(
        """person/people; person/persons; man/men; woman/women; guy; lady/ladies; kid; child/children; boy; girl; human;
        pedestrian; figure; human being; gentleman/gentlemen; fellow; adult; individual; walker; visitor; dude; human
        figure; passer-by/passers-by; passerby/passersby; gal; bloke; chap; teenager; youngster; grown-up; citizen;
        tourist; stranger; lad; lass/lasses; folk; mister; standing person/standing people"""
    ),
    "dog": _nouns(
        """dog; dog; dog; puppy/puppies; pup; hound; doggy/doggies; pet dog; mutt; canine; puppy dog; doggo;
        pooch/pooches; doggie; mongrel; guard dog; family dog; whelp; fido; pup dog; hunting dog; lapdog"""
    ),
    "cat": _nouns(
        """cat; cat; cat; kitten; kitty/kitties; pussycat; feline; house cat; pet cat; kitty cat; tomcat; pussy cat;
        puss/pusses; moggy/moggies; mouser; tabby/tabbies; tabby cat; alley cat; domestic cat; kittycat; puss cat;
        farm cat"""
    ),
    "ball": _nouns(
        """ball; ball; ball; beach ball; toy ball; football; soccer ball; round ball; rubber ball; playing ball; play
        ball; soccerball; sphere; toy sphere; bouncy ball; bouncing ball; leather ball; volleyball; basketball;
        handball; gym ball; orb"""
    ),
    "umbrella": _nouns(
        """umbrella; umbrella; umbrella; parasol; brolly/brollies; rain umbrella; open umbrella; sunshade; sun umbrella;
        open parasol; beach umbrella; garden umbrella; brollie; bumbershoot; rain shield; unfolded umbrella; sun
        shade; umberella; garden parasol; rain brolly/rain brollies"""
    ),
    "bench": _nouns(
        """bench/benches; bench/benches; park bench/park benches; seat; wooden bench/wooden benches; garden bench/garden
        benches; park seat; long seat; sitting bench/sitting benches; public bench/public benches; garden seat; wooden
        seat; pew; seating bench/seating benches; street bench/street benches; bench seat; outdoor bench/outdoor
        benches"""
    ),
    "tree": _nouns(
        """tree; tree; tree; leafy tree; tall tree; shady tree; oak; maple; maple tree; oak tree; leaf tree; broadleaf
        tree; deciduous tree; sapling; park tree; elm; linden; beech/beeches; leafy oak; linden tree; elm tree;
        foliage tree"""
    ),
    "car": _nouns(
        """car; car; car; automobile; vehicle; auto; motor car; motor vehicle; motorcar; sedan; parked car; motor;
        passenger car; private car; limousine; limo; hatchback; saloon car; coupe; four-wheeler; family car; autocar;
        compact car; road vehicle"""
    ),
    "kite": _nouns(
        """kite; kite; kite; toy kite; paper kite; flying kite; kite with a tail/kites with a tail; diamond kite; wind
        kite; string kite; stunt kite; kyte; kite toy; wind toy; tailed kite; fabric kite; sport kite; diamond-shaped
        kite"""
    ),
    "cup": _nouns(
        """cup; cup; mug; coffee cup; tea mug; teacup; coffee mug; tea cup; beaker; cup of coffee/cups of coffee; mug of
        tea/mugs of tea; cup of tea/cups of tea; drinking cup; china cup; espresso cup; cocoa mug; drinking mug;
        porcelain cup; ceramic mug; cuppa; coffee beaker; mug of coffee/mugs of coffee; breakfast cup; cup of
        cocoa/cups of cocoa; cappuccino cup"""
    ),
    "book": _nouns(
        """book; book; book; novel; storybook; thick book; textbook; volume; hardcover; picture book; reading book;
        paperback; tome; bestseller; hardback; schoolbook; story book; printed book; library book; hardcover book;
        text book; thriller; publication; paperback book; manual; novella"""
    ),
    "bird": _nouns(
        """bird; bird; bird; garden bird; birdie; feathered bird; songbird; sparrow; little songbird; parrot;
        finch/finches; robin; birdy/birdies; singing bird; feathered creature; fowl; wild bird; dicky bird; warbler;
        canary/canaries; pigeon; dove; thrush/thrushes; budgie; winged creature; tweety bird"""
    ),
    "balloon": _nouns(
        """balloon; balloon; balloon; party balloon; air balloon; floating balloon; helium balloon; birthday balloon; toy
        balloon; gas balloon; rubber balloon; latex balloon; baloon; ballon; inflated balloon; gas-filled balloon;
        flying balloon; fair balloon; inflatable; decoration balloon"""
    ),
    "bag": _nouns(
        """bag; bag; handbag; purse; leather bag; leather purse; shopping bag; tote; satchel; tote bag; shoulder bag;
        carrier bag; hand bag; grocery bag; pocketbook; clutch/clutches; clutch bag; carryall; sack; designer bag;
        carry bag; evening bag; holdall; pouch/pouches; leather handbag; sling bag; paper bag; cloth bag"""
    ),
}
GROUPS: dict[tuple[str, ...], tuple[tuple[str, str], ...]] = {
    ("dog", "cat", "bird"): _nouns("animal; creature; living animal; beast; critter"),
    ("dog", "cat"): _nouns(
        """furry animal; four-legged animal; pet; pet with fur/pets with fur; mammal with a tail/mammals with a tail"""
    ),
    ("ball", "kite", "balloon"): _nouns("toy; plaything; toy for children/toys for children"),
    (): _nouns("thing; object; item; one; thing here/things here; piece/pieces"),
}
"""Words for several kinds; no kind at all means anything but a person."""

COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": (
        "red",
        "red",
        "red",
        "scarlet",
        "crimson",
        "reddish",
        "ruby red",
        "tomato red",
        "cherry red",
        "fire red",
        "red colored",
        "ruby",
    ),
    "orange": (
        "orange",
        "orange",
        "orange",
        "tangerine",
        "orange colored",
        "carrot colored",
        "apricot",
        "pumpkin colored",
        "orangey",
    ),
    "yellow": (
        "yellow",
        "yellow",
        "yellow",
        "lemon yellow",
        "yellowish",
        "golden",
        "sunny yellow",
        "canary yellow",
        "gold",
        "banana yellow",
        "yellow colored",
    ),
    "green": (
        "green",
        "green",
        "green",
        "emerald",
        "greenish",
        "grass green",
        "green colored",
        "leaf green",
        "moss green",
        "olive green",
        "jade",
    ),
    "blue": (
        "blue",
        "blue",
        "blue",
        "azure",
        "bluish",
        "royal blue",
        "blue colored",
        "cobalt blue",
        "sapphire",
        "ocean blue",
        "cobalt",
        "cornflower blue",
    ),
    "purple": (
        "purple",
        "purple",
        "violet",
        "purple",
        "lilac",
        "plum colored",
        "lavender",
        "mauve",
        "amethyst",
        "purplish",
        "purple colored",
    ),
    "pink": (
        "pink",
        "pink",
        "pink",
        "rose",
        "rosy",
        "bright pink",
        "magenta",
        "pinkish",
        "fuchsia",
        "salmon pink",
        "hot pink",
        "pink colored",
    ),
    "brown": (
        "brown",
        "brown",
        "brown",
        "brownish",
        "chestnut",
        "chocolate brown",
        "hazel",
        "nut brown",
        "mahogany",
        "brown colored",
        "wood brown",
    ),
    "black": (
        "black",
        "black",
        "black",
        "jet black",
        "pitch black",
        "coal black",
        "ebony",
        "ink black",
        "blackish",
        "black colored",
        "inky",
    ),
    "white": (
        "white",
        "white",
        "white",
        "snow white",
        "whitish",
        "all white",
        "ivory",
        "milky white",
        "pure white",
        "white colored",
        "chalk white",
    ),
    "gray": (
        "gray",
        "grey",
        "gray",
        "grey",
        "silver",
        "grayish",
        "greyish",
        "ash gray",
        "silvery",
        "gray colored",
        "grey colored",
    ),
}
TONE_WORDS: dict[tuple[str, int], tuple[str, ...]] = {
    ("green", -1): ("dark green", "deep green", "bottle green"),
    ("green", 1): ("light green", "pale green", "bright green", "mint green"),
    ("blue", -1): ("dark blue", "navy", "navy blue", "deep blue"),
    ("blue", 1): ("light blue", "sky blue", "pale blue", "baby blue"),
    ("gray", -1): ("dark gray", "dark grey", "charcoal"),
    ("gray", 1): ("light gray", "light grey", "pale gray"),
    ("red", -1): ("dark red", "deep red", "maroon", "burgundy"),
    ("purple", -1): ("dark purple", "deep purple", "dark violet"),
    ("brown", -1): ("dark brown", "deep brown", "coffee brown"),
}
MARK_WORDS: dict[str, tuple[str, ...]] = {
    "path": ("path", "footpath", "trail", "walkway", "track"),
    "sandpit": ("sandpit", "sand", "sandbox", "patch of sand", "sand pit"),
    "flower bed": ("flower bed", "flowers", "flowerbed", "bed of flowers", "flower patch"),
    "pond": ("pond", "water", "lake", "puddle", "little pond"),
    "blanket": ("blanket", "picnic blanket", "checkered blanket", "rug", "picnic rug", "cloth"),
    "lamp post": ("lamp post", "lamp", "street lamp", "street light", "lantern"),
    "rock": ("rock", "stone", "boulder", "big stone", "gray rock"),
    "bush": ("bush", "shrub", "hedge", "green bush", "leafy shrub"),
    "fountain": ("fountain", "water fountain", "well", "stone fountain"),
    "tent": ("tent", "camping tent", "camp", "pitched tent"),
    "signpost": ("signpost", "sign", "wooden sign", "guidepost", "sign post"),
    "house": ("house", "building", "home", "cottage", "little house"),
}
