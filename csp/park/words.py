"""The park's tokenizer: Hugging Face `tokenizers`, one token a word, built from the training phrases alone.

Special tokens are plain vocabulary entries that no text of a user can become: text is lowercased and split at
punctuation first, and they hold capitals or brackets.
"""

from __future__ import annotations

import re

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from csp.park import wording
from csp.park.draw import COLOURS, KINDS

SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "[SEG]", "USER", "ASSISTANT")
PUNCTUATION = (":", ".", ",", "?", "!")
SYSTEM = ("<s>", "USER", ":")
AFTER = ("ASSISTANT", ":")
ANSWER = ("[SEG]", ".", "</s>")


def vocabulary() -> list[str]:
    """Specials, punctuation, then every word of the phrases that training may use."""
    words: set[str] = {*COLOURS, *KINDS}
    for text, held in wording.every_phrase():
        if not held:
            words.update(re.findall(r"[a-z]+", re.sub(r"\{\w+\}", " ", text)))
    return [*SPECIAL, *PUNCTUATION, *sorted(words)]


def build() -> Tokenizer:
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(vocabulary())}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return tokenizer


def concepts() -> dict[str, tuple[str, str]]:
    """Words that name exactly one kind or colour: word -> ("kind" | "colour", name)."""
    owners: dict[str, set[str]] = {}
    for kind, nouns in wording.NOUNS.items():
        for word in {word for i, noun in enumerate(nouns) if not wording.is_held(i) for word in noun.split()}:
            owners.setdefault(word, set()).add(kind)
    found = {word: ("kind", next(iter(kinds))) for word, kinds in owners.items() if len(kinds) == 1}
    return {**found, **{colour: ("colour", colour) for colour in COLOURS}}
