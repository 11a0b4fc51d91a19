"""Errors at the edge: a ValueError that names the value, the limit and the remedy; JSON and tables that cross it."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
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
    raise ValueError(f"{name} must be {'' if whole else 'an integer '}{allowed}{reason}, got {shown(value)}")


def check_number(name: str, value: Any, low: float, high: float, why: str = "") -> float:
    """``value`` as a float within low..high, NaN, bools and strings refused."""
    reason = f" ({why})" if why else ""
    if isinstance(value, bool) or not isinstance(value, Real) or not low <= float(value) <= high:
        raise ValueError(f"{name} must be a number in {low}..{high}{reason}, got {shown(value)}")
    return float(value)


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """``value`` if it is one of the choices."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, got {shown(value)}")
    return value


def check_mapping(name: str, value: Any) -> Mapping[str, Any]:
    """``value`` if it maps names to values; None is an empty one."""
    if not isinstance(value, Mapping | None):
        raise ValueError(f"{name} must map names to values, got {shown(value)}")
    return value or {}


MOST_FORCED = 16_384


def check_orders(force: Any) -> dict[str, dict[str, list[Any]]]:
    """``force`` as plain mappings and lists, stages to patches to keep and drop; which of them exist is the run's to say."""
    if not isinstance(force or {}, Mapping):
        raise ValueError(f"force maps stages to patches to keep and drop, got {shown(force)}")
    out: dict[str, dict[str, list[Any]]] = {}
    for name, orders in (force or {}).items():
        if not isinstance(orders, Mapping) or set(orders) - {"keep", "drop"}:
            raise ValueError(f"force knows keep and drop, each a list of patches, got {shown(orders)}")
        for order, patches in orders.items():
            if not isinstance(patches, Iterable):
                raise ValueError(f"force[{shown(name)}][{order!r}] must be a list of patches, got {shown(patches)}")
        lists = {order: list(patches) for order, patches in orders.items()}
        if any(len(patches) > MOST_FORCED for patches in lists.values()):
            raise ValueError(f"force[{shown(name)}] may name at most {MOST_FORCED} patches: name each once")
        out[name] = lists
    return out


def shown(value: Any, most: int = 80) -> str:
    """A value in an error's words: its repr, cut where it is long."""
    text = repr(value[: most + 1] if isinstance(value, str | bytes) else value)
    return text if len(text) <= most + 2 else f"{text[:most]}\u2026"


def shorten(text: str, most: int = 300) -> str:
    """Words on one line, cut where they are long."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}\u2026"


def read_json(text: str | bytes, what: str, most: int = 2**16, depth: int = 12, finite: bool = True) -> Any:
    """A JSON value from outside: at most ``most`` characters, nested at most ``depth`` deep; ``finite``: its numbers, too.

    Raises ValueError naming ``what`` it is.
    """
    if len(text) > most:
        raise ValueError(f"{what} may have at most {most:,} characters, got {len(text):,}: shorten it")
    try:
        value = json.loads(text, parse_constant=_no_number if finite else float)
    except RecursionError:
        raise ValueError(f"{what} may be nested at most {depth} deep: make it flatter") from None
    except ValueError as error:
        raise ValueError(f"{what} is not JSON ({str(error)[:80]}), got {shown(text, 40)}") from error
    level: list[Any] = [value]
    for _ in range(depth + 1):
        if finite and any(isinstance(each, float) and not math.isfinite(each) for each in level):
            raise ValueError(f"{what} must hold finite numbers only, got {shown(text, 40)}")
        level = [one for each in level for one in _inside(each)]
        if not level:
            return value
    raise ValueError(f"{what} may be nested at most {depth} deep: make it flatter")


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _no_number(word: str) -> Any:
    raise ValueError(f"numbers must be finite, got {word}")


def to_csv(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV that a spreadsheet shows and does not run: text that begins like a formula gets an apostrophe."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([_cell(value) for value in row] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        # The csv module quotes its own line end only, and readers take a bare carriage return for one.
        value = value.replace("\r", " ")
    if isinstance(value, str) and value.lstrip()[:1] in ("=", "+", "-", "@", "\t") and value.strip():
        return f"'{value}"
    return value


def is_file(path: Path) -> bool:
    """Whether there is such a file; none has a name that the system does not take."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
