"""What every data set gives: pictures in order, each with its queries and its truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Overlap = Literal["official", "union"]
Form = Literal["refer", "phrase", "sentence"]
"""How a query is put: an expression ("What is ... in this image?"), which the official code lowers to small letters (refer) or
leaves as it is written (phrase), or a sentence that stands for itself."""

SYSTEM = (
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, "
    "detailed, and polite answers to the human's questions."
)
_ASKED = {"refer": "What is {} in this image?", "phrase": "What is {} in this image?", "sentence": "{}"}


def conversation(query: str, form: Form) -> str:
    """A query as LISA's validation puts it to the model, before ``<image>`` is framed by its start and end tokens."""
    asked = _ASKED[form].format(query)
    return f"{SYSTEM} USER: <image>\n {asked} Please output segmentation mask. ASSISTANT: [SEG].</s>"


@dataclass(frozen=True, eq=False)
class Item:
    """A picture with its queries. Nothing is decoded or drawn before it is asked for.

    ``size`` (H, W) is the truth's; ``sources`` are the files that the item is made of, the picture first.
    """

    key: str
    path: Path
    queries: tuple[str, ...]
    form: Form
    size: tuple[int, int]
    draw: Callable[[], NDArray[np.uint8]] = field(repr=False)
    sources: tuple[Path, ...] = field(default=(), repr=False)
    note: str = field(default="", repr=False)

    @property
    def conversations(self) -> tuple[str, ...]:
        return tuple(conversation(query, self.form) for query in self.queries)

    @cached_property
    def truth(self) -> NDArray[np.uint8]:
        """uint8 [K, H, W] with the official values: 1 the target, 255 not scored, and in ``overlap="official"`` the
        number of parts where several overlap, which then belong to neither class. A mask per query; RIO has one mask
        whatever the number of its expressions, and only the first is scored.
        """
        return self.draw()


class DataSet(Protocol):
    """Pictures 0 to len - 1, always the same and in the same order."""

    name: str
    overlap: Overlap

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Item: ...

    def path(self, index: int) -> Path:
        """The picture of item ``index``, without reading what else there is to it."""
        ...

    def files(self) -> tuple[Path, ...]:
        """The files that list the data: not the pictures, nor what lies beside each of them."""
        ...


def items(data: DataSet) -> Iterator[Item]:
    for index in range(len(data)):
        yield data[index]


def place(index: Any, count: int, name: str) -> int:
    """``index`` from 0, negative ones from the end. Raises IndexError, which ends a ``for``."""
    at = int(index) + (count if index < 0 else 0)
    if not 0 <= at < count:
        raise IndexError(f"{name} has {count} pictures, numbered 0 to {count - 1}, got {index}")
    return at


def check_overlap(overlap: str) -> Overlap:
    if overlap not in ("official", "union"):
        raise ValueError(f"overlap must be official or union, got {overlap!r}")
    return overlap  # type: ignore[return-value]


def check_query(text: Any, where: str) -> str:
    if not isinstance(text, str):
        raise ValueError(f"{where} must be text, got {type(text).__name__}")
    return text


def stacked(masks: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> NDArray[np.uint8]:
    return np.stack(masks) if masks else np.zeros((0, *size), np.uint8)
