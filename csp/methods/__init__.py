"""The registry: a new method is one file here and one word in ``FILES``.

METHODS is what can be run, by name; `csp.methods.presets` is what the paper prints of some of them. Every class of
METHODS is also an attribute of this package, and of ``csp``.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any, cast

from csp.checks import check_mapping, shown
from csp.methods.after import AFTER
from csp.methods.base import Knob, Method, build, knobs, values
from csp.methods.budget import at_budget, expected_n_avg, solve
from csp.methods.controls import Control
from csp.methods.presets import PRESETS, Preset
from csp.methods.without import Blind, Exit, Things

FILES = (
    "full", "csp", "prumerge", "visionzip", "fastv", "simignore", "sparsevlm", "pyramiddrop", "feather",
    "divprune", "cdpruner", "litelvlm", "ivcprune", "smaller",
)  # fmt: skip
"""The files of this folder that hold methods, in the order of tables and menus."""


def _methods_in(file: str) -> list[type[Method]]:
    """The methods that a file defines, in its order: classes with a name and a plan."""
    module = import_module(f"{__name__}.{file}")
    own = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__]
    return [each for each in own if isinstance(getattr(each, "name", None), str) and hasattr(each, "plan")]


METHODS: dict[str, type[Method]] = {method.name: method for file in FILES for method in _methods_in(file)}
# Not in the paper's comparison: what any of its methods must beat at the same schedule.
CONTROLS: dict[str, type[Method]] = {method.name: method for method in (Control, Exit, Blind, Things)}

__all__ = [
    "AFTER", "CONTROLS", "FILES", "METHODS", "PRESETS", "Blind", "Control", "Exit", "Knob", "Method", "Preset", "Things",
    "at_budget", "build", "expected_n_avg", "find", "fitted", "knobs", "named", "resolve", "solve", "values",
]  # fmt: skip


def find(name: Any, what: str = "method") -> type[Method]:
    """The method of this name. Raises ValueError with the names that there are, and the nearest."""
    known = METHODS | CONTROLS
    if isinstance(name, str) and name in known:
        return known[name]
    near = get_close_matches(name.lower(), METHODS, 1) if isinstance(name, str) and len(name) < 40 else []
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{what} must be one of {', '.join(METHODS)}, got {shown(name)}{hint}")


def named(name: Any, settings: Mapping[str, Any] | None = None) -> Method:
    """The method of this name, with these knobs. Raises ValueError for a name or a knob that there is not."""
    return build(find(name), check_mapping("knobs", settings))


def fitted(method: type[Method], N: int, L: int, given: Mapping[str, Any] | None = None) -> Method:
    """A method with the knobs that are ``given`` and its defaults for the others, those in proportion where a model of N
    image tokens and L layers is too small for them. Raises ValueError for a knob that there is not.
    """
    given = dict(given or {})
    try:
        made = build(method, given)
        made.plan(N, L)
    except ValueError:
        made = build(method, {knob.name: knob.scaled(N, L) for knob in knobs(method)} | given)
    return made


def resolve(method: Any, N: int, L: int) -> Method:
    """What a caller gave as a method for a model of N image tokens and L layers: an instance as it is, a name with defaults
    that fit, LVLM_CSP where nothing is given.

    Raises ValueError with the remedy for a class, an unknown name and anything else.
    """
    if method is None:
        return fitted(METHODS["csp"], N, L)
    if isinstance(method, type):
        raise ValueError(f"method must be an instance, got the class {method.__name__}: call it, {method.__name__}()")
    if hasattr(method, "plan") and hasattr(method, "name"):
        return cast(Method, method)
    if isinstance(method, str):
        return fitted(find(method), N, L)
    raise ValueError(f"method must be a name of csp.METHODS or an instance such as csp.CSP(Nc=64), got {shown(method)}")


def __getattr__(name: str) -> Any:
    for method in METHODS.values():
        if method.__name__ == name:
            return method
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *(method.__name__ for method in METHODS.values())})
