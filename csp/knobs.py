"""A knob: what a method or a selector lets one turn, as every control, flag, link and call needs it.

Page, programs, permalinks and HTTP read `Knob` and nothing else, so that a new knob needs no change in any of them.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from csp.checks import check_choice, check_integer, check_number, shown

T = TypeVar("T")
Kind = Literal["choice", "switch", "integer", "number", "integers", "numbers", "text"]


@dataclass(frozen=True)
class Knob:
    """A setting by name: its default, its range or its choices, and what it does.

    ``low`` and ``high`` are numbers, or ``"N"`` and ``"L"`` for the image tokens and layers of the model at hand. A count of
    image tokens, up to "N", may be given as a share of them, between 0 and 1: pictures in tiles differ in N.
    ``wordless`` is what a control begins with instead where the model's CLIP has no text tower.
    """

    name: str
    default: Any
    help: str
    low: float = 0
    high: float | str | None = None
    choices: tuple[str, ...] = ()
    wordless: str = ""

    @property
    def kind(self) -> Kind:
        """What its values are; "integers" and "numbers" are tuples of them."""
        if self.choices:
            return "choice"
        if isinstance(self.default, bool):
            return "switch"
        several = isinstance(self.default, tuple)
        values = self.default if several else (self.default,)
        if not all(isinstance(value, int | float) for value in values):
            return "text"
        if any(isinstance(value, float) for value in values):
            return "numbers" if several else "number"
        return "integers" if several else "integer"

    def within(self, N: int, L: int, words: bool = True) -> Knob:
        """The knob for a model of N image tokens and L layers, whose CLIP reads ``words`` or not: bounds as numbers, the
        default inside them.
        """
        high = {"N": N, "L": L}.get(str(self.high), self.high)
        default = self.default if words else self.wordless or self.default
        if isinstance(high, int) and self.kind == "integer":
            default = min(default, high)
        return dataclasses.replace(self, high=high, default=default)

    def scaled(self, N: int, L: int) -> Any:
        """The default for a smaller model: counts of tokens and layers in proportion to 256 and 32, rounded up; layers that
        increase still do.
        """
        of = {"N": (N, 256), "L": (L, 32)}.get(str(self.high))
        if of is None or self.kind not in ("integer", "integers") or of[0] >= of[1]:
            return self.default
        if not isinstance(self.default, tuple):
            return -(-self.default * of[0] // of[1])
        fewer = [-(-count * of[0] // of[1]) for count in self.default]
        if self.high == "L":
            fewer = [max(count, fewer[0] + i) for i, count in enumerate(fewer)]
        return tuple(fewer)

    def check(self, value: Any) -> Any:
        """``value`` as methods take it. Raises ValueError for the wrong kind, or beyond bounds that are numbers."""
        if self.kind == "choice":
            return check_choice(self.name, value, self.choices)
        if self.kind in ("integers", "numbers"):
            if not isinstance(value, tuple | list) or not value:
                raise ValueError(f"{self.name} must be a list of numbers such as {self.default}, got {shown(value)}")
            return tuple(map(self._check_one, value))
        if self.kind == "switch" and not isinstance(value, bool):
            raise ValueError(f"{self.name} must be true or false, got {shown(value)}")
        return value if self.kind in ("switch", "text") else self._check_one(value)

    def _is_share(self, value: Any) -> bool:
        """Whether a count of image tokens is given as a share of them."""
        return self.high == "N" and isinstance(value, float) and 0 < value < 1

    def count(self, value: Any, N: int) -> Any:
        """``value`` with shares of N image tokens as counts, the nearest within bounds."""
        if isinstance(value, tuple):
            return tuple(self.count(one, N) for one in value)
        return max(int(self.low), 1, round(value * N)) if self._is_share(value) else value

    def _check_one(self, value: Any) -> float:
        if self._is_share(value):
            return value
        high = None if isinstance(self.high, str) else self.high
        if self.kind in ("number", "numbers"):
            return check_number(self.name, value, self.low, float("inf") if high is None else high)
        return check_integer(self.name, value, int(self.low), None if high is None else int(high))

    def parse(self, text: str) -> Any:
        """A value written as text, as the kind that it should be; `check` says whether it will do.

        Several numbers are separated by commas. Raises ValueError for text that is no such number.
        """
        if self.kind in ("choice", "text"):
            return text
        if self.kind == "switch":
            return {"true": True, "false": False}.get(text.lower(), text)
        if self.kind in ("integers", "numbers"):
            return tuple(map(self._parse_one, text.split(",")))
        return self._parse_one(text)

    def _parse_one(self, text: str) -> float:
        whole = self.kind in ("integer", "integers")
        try:
            if whole and self._is_share(share := float(text)):
                return share
            return int(text) if whole else float(text)
        except ValueError:
            raise ValueError(f"{self.name} must be {'an integer' if whole else 'a number'}, got {shown(text)}") from None

    def as_text(self, value: Any) -> str:
        """What `parse` reads ``value`` from."""
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, tuple | list):
            return ",".join(map(self.as_text, value))
        return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)

    def from_json(self, value: Any) -> Any:
        """A value as JSON carries it: 8.0 for 8, a list for a tuple. What is not of the knob's kind is left to be refused."""
        return tuple(map(self._from_json_one, value)) if isinstance(value, list) else self._from_json_one(value)

    def _from_json_one(self, value: Any) -> Any:
        whole = self.kind in ("integer", "integers") and isinstance(value, float) and value.is_integer()
        return int(value) if whole else value


def knob(
    default: Any, help: str, low: float = 0, high: float | str | None = None, choices: Collection[str] = (), wordless: str = ""
) -> Any:
    """A dataclass field that is a knob; see `Knob`. ``choices`` may be a registry, which is read when it is asked for."""
    return dataclasses.field(default=default, metadata=bounds(help, low, high, choices, wordless))


def bounds(
    help: str, low: float = 0, high: float | str | None = None, choices: Collection[str] = (), wordless: str = ""
) -> dict[str, Any]:
    """What a knob is beside its name and default: for ``Annotated[float, bounds(...)] = 0.5`` behind a function's ``*``."""
    return {"help": help, "low": low, "high": high, "choices": choices, "wordless": wordless}


def of_fields(owner: Any) -> tuple[Knob, ...]:
    """The knobs of a dataclass, in the order of its fields."""
    return tuple(_made(field.name, field.default, field.metadata) for field in dataclasses.fields(owner))


def of_function(function: Callable[..., Any]) -> tuple[Knob, ...]:
    """The knobs of a function: its keyword-only parameters, each annotated with its `bounds`."""
    hints = get_type_hints(function, include_extras=True)
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            hint = hints[name]
            meta = next((part for part in get_args(hint)[1:] if isinstance(part, Mapping)), None)
            if get_origin(hint) is not Annotated or meta is None or parameter.default is parameter.empty:
                raise TypeError(f"{function.__name__}: give {name} a default, and bounds as in Annotated[float, bounds(...)]")
            found.append(_made(name, parameter.default, meta))
    return tuple(found)


def _made(name: str, default: Any, meta: Mapping[str, Any]) -> Knob:
    return Knob(name, default, **{**meta, "choices": tuple(meta["choices"])})


def with_knobs(more: Collection[Knob], after: str) -> Callable[[type[T]], type[T]]:
    """A class decorator, below ``@dataclass``: further knobs as fields behind the one called ``after``."""

    def decorate(cls: type[T]) -> type[T]:
        own = dict(cls.__annotations__)
        at = list(own).index(after) + 1
        added = {each.name: type(each.default) for each in more}
        if taken := set(own) & set(added):
            raise TypeError(f"{cls.__name__} has a knob {', '.join(sorted(taken))} of its own: give the other another name")
        cls.__annotations__ = dict([*own.items()][:at]) | added | dict([*own.items()][at:])
        for each in more:
            setattr(cls, each.name, knob(each.default, each.help, each.low, each.high, each.choices))
        return cls

    return decorate


def check_knobs(owner: Any) -> None:
    """Give a dataclass its values as `Knob.check` has them, or raise its ValueError; for ``__post_init__``."""
    for each in of_fields(owner):
        object.__setattr__(owner, each.name, each.check(getattr(owner, each.name)))
