"""A run's settings as a link, and back: everything that a link says is checked before it is believed.

A link names the picture (a park scene or a photograph; an upload stays with its visitor), the query, the paper's knobs and every
other control that differs from its default. Where on the page it leads (`tab`, `step`, `at`, `show`) is the viewer's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from csp.checks import check_choice, check_integer, check_number, read_json
from csp.render import palette, views
from csp.ui.album import MOST_SCENES, PHOTOS
from csp.ui.explore import INTEGERS, PICKED, THRESHOLDS, Explore
from csp.ui.payload import Look

TABS = ("explore", "tokens", "compare", "trade-off", "learn")
PICTURES = ("scene", "photo")
LONGEST = 512


def link(explore: Explore, controls: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of a link to a run with these controls; of an upload, its settings alone."""
    out: dict[str, str] = {}
    kind, _, name = str(controls.get("source") or "").partition(":")
    if kind in PICTURES:
        out[kind] = name
    out["query"] = str(controls["query"]).strip()
    start = defaults(explore)
    for name, default in start.items():
        value = controls.get(name, default)
        if name in (*INTEGERS, "cluster") or value != default:
            out[name] = _short(value)
    return out


def read(explore: Explore, params: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Controls that a link sets, and a note for each thing in it that will not do. Unknown names are ignored."""
    controls: dict[str, Any] = {}
    notes: list[str] = []
    for name, check in _checks(explore).items():
        if name not in params:
            continue
        try:
            controls[name] = check(params[name])
        except ValueError as error:
            notes.append(f"The link's {name} was ignored: {error}.")
    Lc, Ls, L = controls.get("Lc"), controls.get("Ls"), explore.card.L
    if Lc is not None and Ls is not None and Lc + Ls > L:
        controls["Ls"] = L - Lc
        notes.append(
            f"The link's Ls was cut to {L - Lc}: Lc + Ls must be at most {L} (the decoder has {L} layers)."
        )
    pictures = [f"{kind}:{controls.pop(kind)}" for kind in PICTURES if kind in controls]
    if pictures:
        controls["source"] = pictures[0]
    elif controls:
        notes.append(
            "The link's picture was an upload and is not in it: this is its settings on the picture here."
        )
    return controls, notes


def defaults(explore: Explore) -> dict[str, Any]:
    """Every control that a link may set, beside picture and query, with its value on a fresh page."""
    look = Look()
    knobs = {knob.name: knob.default for knob in explore.methods["csp"].knobs}
    drawn = {"opacity": look.opacity, "scale": look.scale, "cmap": look.cmap, "head": look.head}
    return {"method": "csp", "picked": "", **knobs, "seed": 0, "threshold": look.threshold, **drawn}


def names(explore: Explore) -> set[str]:
    """What a link may set."""
    return set(_checks(explore))


def tab(params: Mapping[str, str]) -> str | None:
    """The tab that a link leads to, None where it names none that there is."""
    name = params.get("tab")
    return name if name in TABS else None


def _checks(explore: Explore) -> dict[str, Callable[[str], Any]]:
    """What may stand behind each name: text in, the control's value out, ValueError for anything else."""
    checks: dict[str, Callable[[str], Any]] = {
        "scene": lambda text: check_integer("scene", _integer(text), 0, MOST_SCENES),
        "photo": lambda text: check_choice("photo", text, tuple(PHOTOS)),
        "query": _query,
        "method": lambda text: check_choice("method", text, tuple(explore.methods)),
        "picked": _picked,
        "seed": lambda text: check_integer("seed", _integer(text), 0, 2**31 - 1),
        "threshold": lambda text: check_number("threshold", _number(text), *THRESHOLDS),
        "opacity": lambda text: check_number("opacity", _number(text), 0, 1),
        "scale": lambda text: check_choice("scale", text, views.SCALES),
        "cmap": lambda text: check_choice("cmap", text, palette.COLORMAPS),
        "head": _head,
    }
    for knob in explore.methods["csp"].knobs:
        if knob.choices:
            checks[knob.name] = lambda text, k=knob: check_choice(k.name, text, k.choices)  # type: ignore[misc]
        elif isinstance(knob.default, float):
            checks[knob.name] = lambda text, k=knob: check_number(  # type: ignore[misc]
                k.name, _number(text), k.low, k.high
            )
        else:
            checks[knob.name] = lambda text, k=knob: check_integer(
                k.name, _integer(text), int(k.low), int(k.high)
            )  # type: ignore[misc]
    return checks


def _integer(text: str) -> Any:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else text


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _query(text: str) -> str:
    if not 1 <= len(text.strip()) <= LONGEST:
        raise ValueError(f"query must have 1 to {LONGEST} characters, got {len(text.strip())}")
    return text.strip()


def _picked(text: str) -> str:
    """Knobs of a method without sliders, as Explore takes them; it checks them against the method."""
    try:
        told = read_json(text, "picked", PICKED)
    except ValueError:
        told = None
    if not isinstance(told, dict):
        raise ValueError(f'picked must be {{"method": ..., "knobs": {{...}}}} as JSON, got {text[:40]!r}')
    return text


def _head(text: str) -> str:
    if text != "mean" and not (text.isascii() and text.isdecimal() and len(text) <= 3):
        raise ValueError(f"head must be mean or a number, got {text!r}")
    return text


def _short(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value == int(value) else str(value)
