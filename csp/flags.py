"""What the programs' command lines share: errors as exceptions, and a flag for every knob of every method."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, NoReturn

from csp.knobs import Knob

PREFIX = "knob."


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises ValueError instead of leaving the process."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (--help lists the options)")


def add_knobs(parser: argparse.ArgumentParser) -> None:
    """One flag for every knob of every method, so that a new method needs no change in a program.

    A knob whose name is an option of the program itself is given as ``--knob-NAME``. To be called after all options are there.
    """
    from csp.methods import METHODS, knobs

    taken = {option for action in parser._actions for option in action.option_strings}
    group = parser.add_argument_group("knobs", "of the chosen method; its own defaults hold otherwise")
    group.add_argument("--preset", metavar="FILE", help="method and knobs of a preset.json that csp.search wrote")
    seen: set[str] = set()
    for method in METHODS.values():
        for knob in knobs(method):
            if knob.name not in seen:
                seen.add(knob.name)
                choices = f" ({', '.join(knob.choices)})" if knob.choices else ""
                text = f"{knob.help}{choices}".replace("%", "%%")
                flag = f"--knob-{knob.name}" if f"--{knob.name}" in taken else f"--{knob.name}"
                group.add_argument(flag, dest=f"{PREFIX}{knob.name}", metavar="VALUE", help=text)


def given_knobs(args: Mapping[str, Any]) -> dict[str, str]:
    """The knobs that were given, as text."""
    return {
        name.removeprefix(PREFIX): text
        for name, text in args.items()
        if name.startswith(PREFIX) and text is not None
    }


def method_of(name: str, given: Mapping[str, str], model: Any = None) -> Any:
    """The method with the knobs given as text; the others' defaults fit the ``model`` if there is one. Raises ValueError for
    an unknown method, knob or kind of value.
    """
    from csp.methods import find

    return _made(find(name, "--method"), {}, given, model)


def asked(args: Mapping[str, Any], default: str = "csp", model: Any = None) -> Any:
    """The method that ``--method``, ``--preset`` and the knobs ask for: a knob given by hand wins over the preset's."""
    given = given_knobs(args)
    if args.get("preset") is None:
        return method_of(args["method"] or default, given, model)
    from csp.methods import find
    from csp.methods.found import read_preset

    preset = read_preset(args["preset"])
    if args["method"] not in (None, preset.method):
        raise ValueError(f"--method is {args['method']} and the preset's {preset.method}: leave one of them out")
    return _made(find(preset.method), preset.knobs or {}, given, model)


def _made(method: Any, preset: Mapping[str, Any], given: Mapping[str, str], model: Any) -> Any:
    from csp.methods import build, fitted, knobs

    known = {knob.name: knob for knob in knobs(method)}
    chosen = {**preset, **{key: known[key].parse(text) if key in known else text for key, text in given.items()}}
    return build(method, chosen) if model is None else fitted(method, model.N, model.L, chosen)


def asks_nothing(args: Mapping[str, Any]) -> bool:
    """Whether no method, preset or knob was given."""
    return args["method"] is None and args.get("preset") is None and not given_knobs(args)


def parse(name: str, text: str, default: Any) -> Any:
    """A value as text, as the kind of its default."""
    return Knob(name, default, "").parse(text)
