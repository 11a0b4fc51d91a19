"""Errors at the edge: a ValueError that names the value, the limit and the remedy."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any


def check_integer(name: str, value: Any, low: int, high: int | None = None, why: str = "") -> int:
    """``value`` as an int within low..high. Bools, floats, NaN and strings are refused.

    Raises ValueError such as ``Nc must be in 1..256 (the image has 256 tokens), got 300``.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if whole and low <= value and (high is None or value <= high):
        return int(value)
    allowed = f"in {low}..{high}" if high is not None else f"at least {low}"
    reason = f" ({why})" if why else ""
    raise ValueError(f"{name} must be {'' if whole else 'an integer '}{allowed}{reason}, got {value!r}")


def check_number(name: str, value: Any, low: float, high: float, why: str = "") -> float:
    """``value`` as a float within low..high, NaN, bools and strings refused."""
    reason = f" ({why})" if why else ""
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= float(value) <= high:
        raise ValueError(f"{name} must be a number in {low}..{high}{reason}, got {value!r}")
    return float(value)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """``value`` if it is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value
