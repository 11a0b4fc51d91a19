"""``python -m csp.bench KIND``: measure on the machine at hand; KIND's own ``--help`` says what and how.

An installed package has the kinds that measure a model; those that drive a page or watch memory stay in the repository.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from csp.bench.timing import machine
from csp.flags import Parser

KINDS = {
    "decoder": "decoder",
    "host": "host",
    "trace": "recording",
    "memory": "memory",
    "queries": "queries",
    "evaluation": "evaluation",
    "interactive": "interactive",
    "viewer": "viewer",
    "compare": "all_methods",
    "start": "start",
    "hostile": "hostile",
    "class": "classroom",
    "visits": "growth",
    "mutants": "mutants",
}
"""Modules of this folder by the names of their kinds."""


def here() -> dict[str, Any]:
    """The kinds that are installed, by name."""
    found = {name: f"csp.bench.{module}" for name, module in KINDS.items()}
    return {name: import_module(module) for name, module in found.items() if find_spec(module) is not None}


def parser() -> Parser:
    """The program's options, by kind."""
    parser = Parser(prog="python -m csp.bench", description="Measure on the machine at hand.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    for name, kind in here().items():
        flags = kinds.add_parser(name, help=kind.HELP, description=kind.__doc__)
        kind.add_arguments(flags)
        flags.add_argument("--json", type=Path, help="also write everything measured to this file")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a benchmark by name; returns 0, or 2 after one line on what is wrong with the request."""
    try:
        asked = (sys.argv[1:] if argv is None else list(argv))[:1]
        if asked and asked[0] in KINDS and asked[0] not in here():
            raise ValueError(f"{asked[0]} is a tool of the repository and not of the installed package: run it from a checkout")
        args = parser().parse_args(argv)
        kind = here()[args.kind]
        found = kind.measure(args)
        print(kind.report(found))
        if args.json:
            args.json.write_text(json.dumps({"machine": machine(), **found}, indent=1) + "\n", encoding="utf-8")
    except (ValueError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
