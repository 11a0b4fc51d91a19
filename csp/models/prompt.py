"""From a query to token ids: E_sys, E_usr and E_out of Eq. 1, and the slots that are read.

Two tokenizers share one result: `WordPrompt` (a `tokenizers` file and a template from config.json, as the
embedded model has) and `LlamaPrompt` (a sentencepiece model and LISA's conversation). In both, special
tokens come from the template alone: a query that spells one stays plain words.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, get_args

from csp.checks import check_mapping, shorten, shown
from csp.types import Template

MAX_QUERY = 512
SEG = "[SEG]"
EOS = "</s>"
Answer = Literal["full", "cut", "generated"]
SegRow = Literal["before", "token", "fed"]
TEMPLATES = get_args(Template)

LLAVA_SYSTEM = (
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the human's questions."
)
# What LISA's validation asks: a referring expression, in lower case for RefCOCO and as it is written for ReasonSeg (a
# phrase), or a sentence that already is a question. In a chat the words stand alone.
QUESTIONS = {
    "refer": "\n What is {query} in this image? Please output segmentation mask.",
    "phrase": "\n What is {query} in this image? Please output segmentation mask.",
    "sentence": "\n {query} Please output segmentation mask.",
    "chat": "\n{query}",
}


@dataclass(frozen=True)
class Prompt:
    """Token ids around the image. `words` are the pieces of `usr` as text, for labels beside A_text.

    `I_seg` counts from the first token after the image; `notes` names what the vocabulary does not know. With
    `answer="generated"` the model has yet to write: `out` and `I_seg` are empty. `question` is what is asked in plain
    text, template included.
    """

    sys: tuple[int, ...]
    usr: tuple[int, ...]
    out: tuple[int, ...]
    I_seg: tuple[int, ...]
    words: tuple[str, ...]
    notes: tuple[str, ...] = ()
    answer: Answer = "full"
    question: str = ""


class Prompter(Protocol):
    """Makes prompts for one model, and words of what it writes; `seg_id` is the id of [SEG], `eos_id` of what ends
    an answer.
    """

    seg_id: int
    eos_id: int

    def __call__(
        self, query: str, answer: Answer = "full", seg_row: SegRow = "before", template: Template = "auto"
    ) -> Prompt: ...

    def decode(self, ids: Sequence[int]) -> str:
        """Written tokens as text, the mark of their end left out unless the official code tells it."""
        ...

    def ended(self, ids: Sequence[int]) -> bool:
        """Whether a written answer is over."""
        ...


def clean_query(query: str) -> str:
    """The query stripped, its white space made plain blanks.

    Raises ValueError unless it is a string of 1 to 512 characters without control characters.
    """
    if not isinstance(query, str):
        raise ValueError(f"the query must be text, got {type(query).__name__}")
    query = " ".join(query.split())
    if not 1 <= len(query) <= MAX_QUERY:
        got = "nothing" if not query else str(len(query))
        raise ValueError(
            f"the query must have 1 to {MAX_QUERY} characters, got {got}: say what to find, in a sentence"
        )
    for place, char in enumerate(query):
        if unicodedata.category(char) in ("Cc", "Cs"):
            raise ValueError(
                f"the query has the control character U+{ord(char):04X} at place {place + 1}: remove it"
            )
    return query


def read_slots(usr: Sequence[int], out: Sequence[int], seg_id: int, seg_row: SegRow) -> tuple[int, ...]:
    """Slots after the image whose states become masks: the [SEG] tokens of the answer, or the ones before
    them.

    LISA trained on the state *before* [SEG], the one that predicts it; `seg_row="token"` reads [SEG]
    itself, "fed" as well, but of a written answer only where something followed it (Sa2VA).
    """
    if seg_row not in get_args(SegRow):
        raise ValueError(f'seg_row must be "before" or "token", or "fed", got {seg_row!r}')
    shift = -1 if seg_row == "before" else 0
    slots = tuple(len(usr) + i + shift for i, token in enumerate(out) if token == seg_id)
    if not slots:
        raise ValueError(f"the answer holds no {SEG} token: there is no state to make a mask from")
    return slots


def finish(
    sys: Sequence[int],
    usr: Sequence[int],
    out: Sequence[int],
    words: Sequence[str],
    seg_id: int,
    answer: Answer,
    seg_row: SegRow,
    notes: Sequence[str] = (),
) -> Prompt:
    """Find the read-out slots; with `answer="cut"` end the sequence at the last of them (attention is causal), with
    "generated" before the answer.
    """
    if answer not in get_args(Answer):
        raise ValueError(f'answer must be "full" or "cut", got {answer!r}')
    if answer == "generated":
        return Prompt(tuple(sys), tuple(usr), (), (), tuple(words), tuple(notes), answer)
    I_seg = read_slots(usr, out, seg_id, seg_row)
    if answer == "cut":
        out = out[: max(0, max(I_seg) + 1 - len(usr))]
    return Prompt(tuple(sys), tuple(usr), tuple(out), I_seg, tuple(words), tuple(notes), answer)


def tidy(stretches: Iterable[str]) -> str:
    """Stretches of text in a row, one blank between words, none before a mark that closes."""
    return re.sub(r" (?=[.,;:!?](?: |$))", "", " ".join(" ".join(stretches).split()))


class WordPrompt:
    """Prompts over a `tokenizers` file, laid out by lists of tokens in which "{query}" stands for the words
    asked.
    """

    def __init__(self, file: str | Path, template: Mapping[str, Sequence[str]]):
        from tokenizers import Tokenizer

        try:
            self.tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # what tokenizers raises is of no narrower kind
            raise ValueError(f"{file} is no tokenizer ({shorten(str(error), 160)}): fetch it again") from error
        check_mapping("the prompt in config.json", template)
        for part in ("sys", "usr", "out"):
            words = template.get(part)
            if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
                raise ValueError(f"the prompt needs lists of tokens sys, usr and out, {part} is {shown(words)}")
        self.template = template
        self.seg_id = self._id(SEG)
        self.unk_id = self._id("<unk>")
        self.eos_id = self._id(EOS)
        for part in ("sys", "out"):
            self._ids(part)  # a template that names an unknown token fails on loading, not on the first query

    def _id(self, token: str) -> int:
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"the tokenizer has no token {token!r}, which the prompt needs")
        return found

    def _ids(self, part: str) -> list[int]:
        return [self._id(token) for token in self.template[part]]

    def __call__(
        self, query: str, answer: Answer = "full", seg_row: SegRow = "before", template: Template = "auto"
    ) -> Prompt:
        query = clean_query(query)
        if template != "auto":
            raise ValueError(f"this model was trained on one form of question: template must be auto, got {template!r}")
        encoding = self.tokenizer.encode(query, add_special_tokens=False)
        if not encoding.ids:
            raise ValueError(f"the query {query!r} has no words: say what to find")
        usr: list[int] = []
        words: list[str] = []
        for token in self.template["usr"]:
            if token == "{query}":
                usr += encoding.ids
                words += [query[a:b] for a, b in encoding.offsets]
            else:
                usr.append(self._id(token))
                words.append(token)
        prompt = finish(
            self._ids("sys"),
            usr,
            self._ids("out"),
            words,
            self.seg_id,
            answer,
            seg_row,
            self._notes(query, encoding),
        )
        return replace(prompt, question=query)

    def ended(self, ids: Sequence[int]) -> bool:
        return ids[-1] == self.eos_id

    def decode(self, ids: Sequence[int]) -> str:
        return tidy(self.tokenizer.id_to_token(i) or "" for i in ids if i != self.eos_id)

    def _notes(self, query: str, encoding: Any) -> tuple[str, ...]:
        unknown = [
            query[a:b]
            for i, (a, b) in zip(encoding.ids, encoding.offsets, strict=True)
            if i == self.unk_id and query[a:b].strip(string.punctuation)
        ]
        if not unknown:
            return ()
        names = ", ".join(f"“{word}”" for word in dict.fromkeys(unknown))
        return (f"unknown to this model and read as <unk>: {names}",)


class LlamaPrompt:
    """LISA's conversation over a Llama sentencepiece model, with the ids that the official code would feed.

    `added` maps added tokens ([SEG], <im_start>, ...) to ids. White space beside them is dropped, as
    transformers 4.31 did. `legacy`: every stretch of text starts with a blank piece; otherwise only the one
    at the very start of a text does. `question` is a key of QUESTIONS, or "auto": a sentence when the query
    ends like one.
    """

    templates: ClassVar[tuple[str, ...]] = TEMPLATES

    def __init__(
        self,
        file: str | Path,
        added: Mapping[str, int],
        legacy: bool = True,
        im_start_end: bool = True,
        question: str = "auto",
    ):
        from sentencepiece import SentencePieceProcessor

        if SEG not in added:
            raise ValueError(
                f"the tokenizer has no {SEG} among its added tokens {sorted(added)}: not a LISA checkpoint"
            )
        if question != "auto" and question not in QUESTIONS:
            raise ValueError(f"question must be auto, {', '.join(QUESTIONS)}, got {question!r}")
        self.pieces: Any = SentencePieceProcessor(model_file=str(file))
        self.added, self.legacy, self.im_start_end, self.question = (
            dict(added),
            legacy,
            im_start_end,
            question,
        )
        self.seg_id = self.added[SEG]
        self.bos_id, self.eos_id = self.pieces.bos_id(), self.pieces.eos_id()

    def encode(self, parts: Sequence[str | int]) -> list[int]:
        """Ids of one text, no <s>: strings are words, whatever they spell; integers are special tokens."""
        strips = set(self.added.values())
        ids: list[int] = []
        for i, part in enumerate(parts):
            if isinstance(part, int):
                ids.append(part)
                continue
            if i and parts[i - 1] in strips:
                part = part.lstrip()
            if i + 1 < len(parts) and parts[i + 1] in strips:
                part = part.rstrip()
            pieces = self.pieces.encode(part, out_type=str) if part else []
            if not self.legacy and i and pieces and not part.startswith(" ") and pieces[0].startswith("▁"):
                pieces = [pieces[0][1:]] * (pieces[0] != "▁") + pieces[1:]
            ids += [self.pieces.piece_to_id(piece) for piece in pieces]
        return ids

    def __call__(
        self, query: str, answer: Answer = "full", seg_row: SegRow = "before", template: Template = "auto"
    ) -> Prompt:
        given, query = query, clean_query(query)
        if template not in TEMPLATES:
            raise ValueError(f"template must be one of {', '.join(TEMPLATES)}, got {template!r}")
        question = self.question if template == "auto" else template
        if question == "auto":
            question = "sentence" if query.endswith((".", "?", "!")) else "refer"
        # Where the form is given, so is the spacing: data sets bring their words as the official code has them.
        said = given.strip() if template != "auto" else query
        asked = QUESTIONS[question].replace("{query}", said.lower() if question == "refer" else said)
        opening: list[str | int] = [f"{LLAVA_SYSTEM} USER: "]
        closing: list[str | int] = [f"{asked} ASSISTANT: "]
        if self.im_start_end:
            opening, closing = [*opening, self.added["<im_start>"]], [self.added["<im_end>"], *closing]
        after = self.encode([*closing, self.seg_id, ".", self.eos_id])
        split = after.index(self.seg_id)
        usr, out = after[:split], after[split:]
        words = [self._word(token) for token in usr]
        prompt = finish([self.bos_id, *self.encode(opening)], usr, out, words, self.seg_id, answer, seg_row)
        return replace(prompt, question=asked.strip())

    def ended(self, ids: Sequence[int]) -> bool:
        return ids[-1] == self.eos_id

    def decode(self, ids: Sequence[int]) -> str:
        named = {i: name for name, i in self.added.items()}
        # A head may have rows beyond the vocabulary, which stand for nothing.
        ids = [i for i in ids if i != self.eos_id and (i in named or i < self.pieces.get_piece_size())]
        stretches = [(added, list(some)) for added, some in groupby(ids, named.__contains__)]
        return tidy(
            " ".join(named[i] for i in some) if added else self.pieces.decode(some) for added, some in stretches
        )

    def _word(self, token: int) -> str:
        named = {i: name for name, i in self.added.items()}
        return named.get(token) or self.pieces.id_to_piece(token).replace("▁", " ").strip()
