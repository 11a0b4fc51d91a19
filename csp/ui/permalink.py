"""A run's settings as a link, and back: everything that a link says is checked before it is believed.

A link names the picture (a park scene or a photograph; an upload stays with its visitor), the query, the method and its knobs,
the seed. How a run is looked at, and where on the page the link leads (LOOKS), is the board's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from csp.checks import check_choice, check_integer, read_json, shown
from csp.ui.album import MOST_SCENES, PHOTOS
from csp.ui.handlers import INTEGERS, Handlers

TABS = ("board", "compare", "trade-off", "learn")
FORMER_TABS = {"handlers": "board", "tokens": "board"}
"""Tabs of older links, and where they lead now."""
PICTURES = ("scene", "photo")
LOOKS = ("threshold", "scale", "cmap", "head", "tab", "step", "large", "at", "show")
RESERVED = ("query", "method", "seed", "picked", *LOOKS, *PICTURES)
"""What a link means otherwise: a knob of such a name is written with "knob_" before it."""
LONGEST = 512
PICKED = 2000
"""Characters of `picked`, knobs as JSON in older links."""
OPENS = "csp"
"""The method of a page that is told none."""


def link(handlers: Handlers, controls: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a link to a run with these controls (method, a mapping ``knobs``); of an upload, its settings alone."""
    out: dict[str, str] = {}
    kind, _, name = str(controls.get("source") or "").partition(":")
    if kind in PICTURES:
        out[kind] = name
    out["query"] = str(controls["query"]).strip()
    method = str(controls.get("method", OPENS))
    if method != OPENS:
        out["method"] = method
    knobs = controls.get("knobs") or {}
    for knob in handlers.methods[method].knobs:
        value = knobs.get(knob.name, knob.default)
        if knob.name in (*INTEGERS, "cluster") or knob.as_text(value) != knob.as_text(knob.default):
            out[_name(knob.name)] = knob.as_text(value)
    if controls.get("seed"):
        out["seed"] = str(controls["seed"])
    return out


def read(handlers: Handlers, params: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Controls that a link sets (with a mapping ``knobs``), and a note for each thing in it that will not do. Unknown names are
    ignored.
    """
    controls: dict[str, Any] = {}
    notes: list[str] = []

    def take(name: str, check: Callable[[str], Any], into: dict[str, Any], as_: str) -> None:
        if name in params:
            try:
                into[as_] = check(params[name])
            except ValueError as error:
                notes.append(f"The link's {name} was ignored: {error}.")

    for name, check in _checks(handlers).items():
        take(name, check, controls, name)
    told = controls.pop("picked", {})
    method = controls.get("method", told.get("method", OPENS))
    knobs: dict[str, Any] = {}
    for knob in handlers.methods[method].knobs:
        take(_name(knob.name), lambda text, knob=knob: knob.check(knob.parse(text)), knobs, knob.name)  # type: ignore[misc]
    knobs |= {name: value for name, value in told.get("knobs", {}).items() if told.get("method") == method}
    Lc, Ls, L = knobs.get("Lc"), knobs.get("Ls"), handlers.card.L
    if Lc is not None and Ls is not None and Lc + Ls > L:
        knobs["Ls"] = L - Lc
        notes.append(
            f"The link's Ls was cut to {L - Lc}: Lc + Ls must be at most {L} (the decoder has {L} layers)."
        )
    pictures = [f"{kind}:{controls.pop(kind)}" for kind in PICTURES if kind in controls]
    if controls or knobs:
        controls = {"method": method, **controls, "knobs": knobs}
    if pictures:
        controls["source"] = pictures[0]
    elif controls:
        notes.append(
            "The link's picture was an upload and is not in it: this is its settings on the picture here."
        )
    return controls, notes


def names(handlers: Handlers) -> set[str]:
    """What a link may set."""
    knobs = {_name(knob.name) for card in handlers.methods.values() for knob in card.knobs}
    return {*_checks(handlers), *knobs}


def tab(params: Mapping[str, str]) -> str | None:
    """The tab that a link leads to, None where it names none that there is."""
    name = FORMER_TABS.get(str(params.get("tab")), params.get("tab"))
    return name if name in TABS else None


def _name(knob: str) -> str:
    return f"knob_{knob}" if knob in RESERVED else knob


def _checks(handlers: Handlers) -> dict[str, Callable[[str], Any]]:
    """What may stand behind each name: text in, the control's value out, ValueError for anything else."""
    return {
        "scene": lambda text: check_integer("scene", _integer(text), 0, MOST_SCENES),
        "photo": lambda text: check_choice("photo", text, tuple(PHOTOS)),
        "query": _query,
        "method": lambda text: check_choice("method", text, tuple(handlers.methods)),
        "picked": lambda text: _picked(handlers, text),
        "seed": lambda text: check_integer("seed", _integer(text), 0, 2**31 - 1),
    }


def _integer(text: str) -> Any:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else text


def _query(text: str) -> str:
    if not 1 <= len(text.strip()) <= LONGEST:
        raise ValueError(f"query must have 1 to {LONGEST} characters, got {len(text.strip())}")
    return text.strip()


def _picked(handlers: Handlers, text: str) -> dict[str, Any]:
    """A method and its knobs as older links have them, JSON; the method checks its knobs."""
    told = read_json(text, "picked", PICKED)
    if not isinstance(told, dict) or not isinstance(told.get("knobs", {}), dict):
        raise ValueError(f'picked must be {{"method": ..., "knobs": {{...}}}} as JSON, got {shown(text, 40)}')
    check_choice("method", told.get("method"), tuple(handlers.methods))
    return told
