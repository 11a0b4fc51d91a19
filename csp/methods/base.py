"""What every method is: a frozen dataclass whose fields are its knobs, and a plan known before a layer
runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import Any, ClassVar, Protocol, TypeVar, cast

from torch import Tensor

from csp.checks import check_integer, shown
from csp.decoder import Choice, Stage, View
from csp.knobs import Knob, check_knobs, knob, of_fields
from csp.tokens import ImageTokens

__all__ = [
    "Knob", "Method", "build", "check_L", "check_N", "check_increasing", "check_knobs", "everything", "in_counts", "knob",
    "knobs", "ranked", "values",
]  # fmt: skip


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


def knobs(method: type[Method] | Method) -> tuple[Knob, ...]:
    """The knobs of a method, in the order of its fields."""
    return of_fields(method)


def values(method: Method) -> dict[str, Any]:
    """Knob names and their values in ``method``."""
    return {knob.name: getattr(method, knob.name) for knob in knobs(method)}


def build(method: type[Method], settings: Mapping[str, Any]) -> Method:
    """``method`` with these knobs. Raises ValueError for one that it does not have."""
    known = [knob.name for knob in knobs(method)]
    for name in settings:
        if name not in known:
            raise ValueError(f"{method.name} has no knob {shown(name)}; it has {', '.join(known) or 'none'}")
    return method(**settings)


Plan = TypeVar("Plan", bound=Callable[..., Any])


def in_counts(plan: Plan) -> Plan:
    """A plan that knows counts alone, for knobs that may be shares of the N image tokens."""

    @wraps(plan)
    def counted(self: Any, N: int, L: int) -> Any:
        counts = {k.name: k.count(v, N) for k in of_fields(self) if k.high == "N" for v in [getattr(self, k.name)]}
        changed = {name: count for name, count in counts.items() if count != getattr(self, name)}
        return plan(replace(self, **changed) if changed else self, N, L)

    return cast(Plan, counted)


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
