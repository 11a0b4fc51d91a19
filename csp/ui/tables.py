"""Tables that grow while they are worked on: a JSON object a line. What a browser sends back is checked anew.

A text that only grows is cheap to stream, and what a stopped page shows is what its downloads are made of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from csp.checks import read_json

LONGEST = 12 * 2**20
MOST_LINES = 4000
MOST_WORDS = 600


def lines(text: Any, what: str) -> list[dict[str, Any]]:
    """The objects of a table as a page has it. Raises ValueError where there is none, naming ``what`` to do."""
    if not isinstance(text, str) or not text.strip() or text.strip() == "{}":
        raise ValueError(f"there is nothing to download yet: {what} first")
    if len(text) > LONGEST or text.count("\n") > MOST_LINES:
        raise ValueError(f"the table is too long to read: {what} again")
    try:
        out = [read_json(line, "a line", LONGEST, finite=False) for line in text.splitlines() if line.strip()]
    except ValueError:
        out = []
    if not out or not all(isinstance(line, dict) for line in out):
        raise ValueError(f"the table cannot be read: {what} again")
    return out


def number(data: Mapping[str, Any], name: str) -> float | None:
    """A finite number by its name; None for anything else."""
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def text(data: Mapping[str, Any], name: str) -> str:
    """Words by their name, cut to what a figure can hold; empty for anything else."""
    value = data.get(name)
    return value[:MOST_WORDS].replace("\n", " ") if isinstance(value, str) else ""
