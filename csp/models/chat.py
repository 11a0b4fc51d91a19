"""Prompts of Sa2VA: a chat template over a Qwen tokenizer, the picture where "<image>" stands.

No system text is said. `template="chat"` feeds the words as they are, to the last blank, as the official code does with its
`text`: they may say where the picture stands, and what they spell as a special token is one. In the other forms a query
stays plain words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from csp.models.prompt import MAX_QUERY, SEG, TEMPLATES, Answer, Prompt, SegRow, clean_query, finish
from csp.types import Template

IMAGE, CONTEXT = "<image>", "<IMG_CONTEXT>"
# The question of the official RefCOCO evaluation, and one in its manner for what is a sentence already.
QUESTIONS = {
    "refer": "\n Please segment {query} in this image.",
    "phrase": "\n Please segment {query} in this image.",
    "sentence": "\n {query} Please respond with segmentation mask.",
}
ANSWER = "[SEG]."


@dataclass(frozen=True)
class Chat:
    """What stands around the user's words, what closes an answer, and words that end one where they are written."""

    before: str
    after: str
    close: str
    stops: tuple[str, ...]


CHATS = {
    "qwen_chat": Chat("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>", ("<|im_end|>", "<|endoftext|>")),
    "phi3_chat": Chat("<|user|>\n", "<|end|>\n<|assistant|>\n", "<|end|>", ("<|end|>",)),
    "internlm2_chat": Chat("<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>", ("<|im_end|>",)),
}
"""By the name that config.json gives as `template`."""


class ChatPrompt:
    """`csp.models.prompt.Prompter` over the tokenizer in a Sa2VA folder. `chat` is a key of CHATS."""

    def __init__(self, folder: str | Path, chat: str):
        from transformers import Qwen2Tokenizer

        if chat not in CHATS:
            raise ValueError(f"config.json asks for template {chat!r}; those known are {', '.join(CHATS)}")
        self.tokenizer: Any = Qwen2Tokenizer.from_pretrained(str(folder), local_files_only=True)
        self.name, self.chat = chat, CHATS[chat]
        self._special = sorted(self.tokenizer.get_added_vocab(), key=len, reverse=True)
        self.seg_id, self.context_id = self._id(SEG), self._id(CONTEXT)
        self._id("<img>"), self._id("</img>")
        self.eos_id: int = self.tokenizer.eos_token_id

    def _id(self, token: str) -> int:
        found = self.tokenizer.get_added_vocab().get(token)
        if found is None:
            raise ValueError(f"the tokenizer has no {token} among its added tokens: not a Sa2VA checkpoint")
        return found

    def encode(self, text: str) -> list[int]:
        """Ids of a text in which special tokens are special."""
        return self.tokenizer.encode(text, add_special_tokens=False)

    def __call__(
        self, query: str, answer: Answer = "full", seg_row: SegRow = "token", template: Template = "auto"
    ) -> Prompt:
        if template not in TEMPLATES:
            raise ValueError(f"template must be one of {', '.join(TEMPLATES)}, got {template!r}")
        if template == "chat":
            ahead, behind = verbatim(query)
            asked = f"{ahead}{behind}"
            sys = self.encode(f"{self.chat.before}{ahead}<img>")
            usr = self.encode(f"</img>{behind}{self.chat.after}")
        else:
            query = clean_query(query)
            form = template if template != "auto" else "sentence" if query.endswith((".", "?", "!")) else "refer"
            sys = self.encode(f"{self.chat.before}<img>")
            asked = QUESTIONS[form].replace("{query}", query)
            first, last = f"</img>{QUESTIONS[form]}{self.chat.after}".split("{query}")
            usr = self._around(first, query, last)
        out = self.encode(f"{ANSWER}{self.chat.close}")
        words = [self.tokenizer.decode([token]).strip() for token in usr]
        prompt = finish(sys, usr, out, words, self.seg_id, answer, seg_row)
        return replace(prompt, question=asked.strip())

    def _around(self, first: str, query: str, last: str) -> list[int]:
        """Ids of a query between parts of the template; what it spells as a special token is taken apart."""
        spelled = [token for token in self._special if token in query]
        if not spelled:
            return self.encode(first + query + last)
        parts = [query]
        for token in spelled:
            parts = [piece for part in parts for piece in _apart(part, token)]
        return [token for part in (first, *parts, last) for token in self.encode(part)]

    def decode(self, ids: Sequence[int]) -> str:
        """Written tokens as the official code tells them: as they are, the mark of their end included."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False).strip()

    def ended(self, ids: Sequence[int]) -> bool:
        """Whether an answer is over: by the id that ends one, or by a word that does, however it was written."""
        if not ids:
            return False
        if ids[-1] == self.eos_id:
            return True
        # A stop word may be several tokens on this vocabulary; none is longer than its letters.
        longest = max(map(len, self.chat.stops))
        text = self.tokenizer.decode(list(ids[-longest:]), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text.replace("\r", "").replace("\n", "").endswith(self.chat.stops)


def verbatim(text: str) -> tuple[str, str]:
    """A text as it is, before the picture and after it: where it says "<image>", else at its start.

    Raises ValueError unless it is a string of 1 to 512 characters beside that, with no control characters but new lines.
    """
    if not isinstance(text, str):
        raise ValueError(f"the query must be text, got {type(text).__name__}")
    if text.count(IMAGE) > 1 or CONTEXT in text:
        raise ValueError(f"the query may say {IMAGE} once, for one picture, and never {CONTEXT}; got {text[:80]!r}")
    ahead, found, behind = text.partition(IMAGE)
    if not found:
        ahead, behind = "", text
    # The same limits as for any query, and in the same words.
    clean_query((ahead + behind).strip() or " ")
    if len((ahead + behind).strip()) > MAX_QUERY:
        raise ValueError(f"the query must have 1 to {MAX_QUERY} characters, got {len((ahead + behind).strip())}: shorten it")
    return ahead, behind


def _apart(text: str, token: str) -> list[str]:
    """A text with a special token's spelling cut after its first letter, so that no tokenizer sees it whole."""
    pieces = text.split(token)
    out = [pieces[0]]
    for piece in pieces[1:]:
        out[-1] += token[0]
        out.append(token[1:] + piece)
    return out
