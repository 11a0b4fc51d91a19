"""What every method is: a frozen dataclass whose fields are its knobs, and a plan known before a layer
runs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from torch import Tensor

from csp.checks import check_choice, check_integer, check_number
from csp.decoder import Choice, Stage, View
from csp.tokens import ImageTokens


@dataclass(frozen=True)
class Knob:
    """A field of a method as a control needs it: its default, its range or its choices, and what it does.

    ``low`` and ``high`` are numbers, or ``"N"`` and ``"L"`` for the image tokens and layers of the model at
    hand.
    """

    name: str
    default: Any
    help: str
    low: float = 0
    high: float | str | None = None
    choices: tuple[str, ...] = ()


class Method(Protocol):
    """A way to spend image tokens. ``label`` is its name in words, ``paper`` where it was published."""

    name: ClassVar[str]
    label: ClassVar[str]
    paper: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]

    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        """The stages for N image tokens and L layers. Pure. Raises ValueError where a knob does not fit N
        or L.
        """
        ...


def knob(
    default: Any,
    help: str,
    low: float = 0,
    high: float | str | None = None,
    choices: Iterable[str] = (),
) -> Any:
    """A dataclass field that is a knob; see `Knob`."""
    metadata = {"help": help, "low": low, "high": high, "choices": tuple(choices)}
    return dataclasses.field(default=default, metadata=metadata)


def knobs(method: type[Method] | Method) -> tuple[Knob, ...]:
    """The knobs of a method, in the order of its fields."""
    return tuple(Knob(f.name, f.default, **f.metadata) for f in dataclasses.fields(method))


def values(method: Method) -> dict[str, Any]:
    """Knob names and their values in ``method``."""
    return {knob.name: getattr(method, knob.name) for knob in knobs(method)}


def build(method: type[Method], settings: Mapping[str, Any]) -> Method:
    """``method`` with these knobs. Raises ValueError for one that it does not have."""
    known = [knob.name for knob in knobs(method)]
    for name in settings:
        if name not in known:
            raise ValueError(f"{method.name} has no knob {name!r}; it has {', '.join(known) or 'none'}")
    return method(**settings)


def check_knobs(method: Method) -> None:
    """Refuse values of the wrong kind or outside the bounds that hold for every model; for
    ``__post_init__``.
    """
    for knob in knobs(method):
        value = getattr(method, knob.name)
        high = None if isinstance(knob.high, str) else knob.high
        if knob.choices:
            check_choice(knob.name, value, knob.choices)
        elif isinstance(knob.default, tuple):
            if not isinstance(value, tuple | list) or not value:
                raise ValueError(f"{knob.name} must be a list of numbers such as {knob.default}, got {value!r}")
            kind = float if any(isinstance(v, float) for v in knob.default) else int
            object.__setattr__(method, knob.name, tuple(_check_one(knob, kind, v, high) for v in value))
        elif isinstance(knob.default, int | float):
            object.__setattr__(method, knob.name, _check_one(knob, type(knob.default), value, high))


def _check_one(knob: Knob, kind: type, value: Any, high: float | None) -> float:
    if kind is float:
        return check_number(knob.name, value, knob.low, float("inf") if high is None else high)
    return check_integer(knob.name, value, int(knob.low), None if high is None else int(high))


def check_N(name: str, value: int, N: int, low: int = 1) -> int:
    """A count of image tokens, in ``low``..N."""
    return check_integer(name, value, low, N, f"the image has {N} tokens")


def check_L(name: str, value: int, L: int, low: int = 0) -> int:
    """A count of layers, in ``low``..L."""
    return check_integer(name, value, low, L, f"the decoder has {L} layers")


def check_increasing(name: str, layers: tuple[int, ...], L: int) -> None:
    """Counts of layers that have run, each larger than the one before, in 1..L."""
    for before, layer in zip((0, *layers), layers, strict=False):
        check_L(name, layer, L, 1)
        if layer <= before:
            raise ValueError(f"{name} must increase, got {layers}")


def everything(view: View) -> Choice:
    """The stage goes on with all tokens there are."""
    return Choice(view.now.image)


def ranked(
    view: View,
    kept: ImageTokens,
    score: Tensor,
    name: str,
    heads: Tensor | None = None,
    layer: int | None = None,
) -> Choice:
    """A choice made by ``score`` [n] over the present tokens, with ``heads`` [H, n] of ``layer``, carried
    to patches.
    """
    now = view.now.image
    return Choice(
        kept,
        now.to_patches(score),
        name,
        rank_layer=layer,
        heads=None if heads is None else now.to_patches(heads),
    )
