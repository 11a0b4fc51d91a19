"""The park's tokenizer: Hugging Face `tokenizers`, a token for every word of the phrases, pieces and letters for all others.

Special tokens are plain vocabulary entries that no text of a user can become: text is lowercased and split at punctuation
first, and
they hold capitals or brackets. A word that no phrase has is read in pieces ("umbrela" -> "umb ##re ##la"); only a letter of
another
script is unknown.
"""

from __future__ import annotations

import re
from functools import lru_cache

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from csp.park import names
from csp.park.draw import COLOURS, KINDS
from csp.park.speech import every_text

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "[SEG]", "USER", "ASSISTANT")
PUNCTUATION = (":", ".", ",", "?", "!", "'", "-", '"', ";", "(", ")")
SYSTEM = ("<s>", "USER", ":")
AFTER = ("ASSISTANT", ":")
ANSWER = ("[SEG]", ".", "</s>")
PIECES = 900
VAGUE = {
    "with",
    "of",
    "a",
    "the",
    "colored",
    "by",
    "passer",
    "all",
    "big",
    "picture",
    "sun",
    "rain",
    "open",
    "tall",
    "long",
    "light",
    "being",
    "beings",
    "round",
    "park",
    "reading",
    "home",
    "well",
    "bright",
    "royal",
    "playing",
    "air",
    "party",
    "birthday",
    "street",
    "figure",
    "figures",
    "individual",
    "thick",
    "leaf",
    "up",
    "ups",
    "grown",
    "on",
    "hand",
    "standing",
    "play",
    "four",
    "hot",
    "shade",
    "shades",
    "sitting",
    "public",
    "wild",
    "story",
    "text",
    "road",
    "carry",
    "shaped",
    "singing",
    "guard",
    "filled",
    "fair",
    "evening",
    "hunting",
    "fire",
    "pure",
    "wood",
    "farm",
    "gym",
    "private",
    "passenger",
    "alley",
    "domestic",
    "outdoor",
    "drinking",
    "breakfast",
    "printed",
    "bouncing",
    "china",
    "wind",
    "sport",
    "fabric",
    "shoulder",
    "shopping",
    "gas",
    "diamond",
    "snow",
    "chocolate",
    "nut",
    "ocean",
    "ink",
    "ash",
    "jet",
    "pitch",
    "coal",
    "grass",
    "salmon",
    "banana",
    "cherry",
    "tomato",
    "lemon",
    "milky",
    "designer",
    "shield",
    "compact",
    "shields",
}
"""Words of names that do not decide which thing is meant."""
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def words() -> list[str]:
    """Every word of the phrases, sorted."""
    found = {*COLOURS, *KINDS}
    for text in every_text():
        found.update(re.findall(r"[a-z0-9]+", re.sub(r"\{\w+\}", " ", text)))
    return sorted(found)


def _normalizer() -> normalizers.Normalizer:
    return normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase()])


def _pieces() -> list[str]:
    """Pieces of words, trained on the phrases, and every letter."""
    trained = Tokenizer(models.WordPiece(unk_token="<unk>"))
    trained.normalizer = _normalizer()
    trained.pre_tokenizer = pre_tokenizers.Whitespace()
    alphabet = list(LETTERS)
    trainer = trainers.WordPieceTrainer(
        vocab_size=PIECES, special_tokens=["<unk>"], initial_alphabet=alphabet, limit_alphabet=len(alphabet), show_progress=False
    )
    trained.train_from_iterator(sorted(words()), trainer)
    return sorted({p for p in trained.get_vocab() if p != "<unk>"} | set(alphabet) | {f"##{c}" for c in alphabet})


@lru_cache(maxsize=1)
def vocabulary() -> tuple[str, ...]:
    """Specials, punctuation, words, then pieces."""
    known = words()
    seen = {*SPECIAL, *PUNCTUATION, *known}
    return (*SPECIAL, *PUNCTUATION, *known, *(p for p in _pieces() if p not in seen))


def build() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({w: i for i, w in enumerate(vocabulary())}, unk_token="<unk>"))
    tokenizer.normalizer = _normalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def concepts() -> dict[str, tuple[str, str]]:
    """Words that name exactly one kind, colour or landmark: word -> ("kind" | "colour" | "mark", name)."""
    owners: dict[str, set[tuple[str, str]]] = {}
    for what, table in (
        ("kind", {k: [n for pair in v for n in pair] for k, v in names.NOUNS.items()}),
        ("colour", {**names.COLOUR_WORDS}),
        ("mark", names.MARK_WORDS),
    ):
        for name, phrases in table.items():
            for word in {word for phrase in phrases for word in re.findall(r"[a-z]+", phrase)}:
                owners.setdefault(word, set()).add((what, name))
    common = {w for nouns in names.GROUPS.values() for pair in nouns for n in pair for w in n.split()} | VAGUE
    return {word: next(iter(found)) for word, found in owners.items() if len(found) == 1 and word not in common}
