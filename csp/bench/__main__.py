"""``python -m csp.bench KIND``: measure on the machine at hand; KIND's own ``--help`` says what and how."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from csp.bench import all_methods, decoder, host, interactive, memory, queries, recording, start, viewer
from csp.bench.timing import machine
from csp.flags import Parser

KINDS = {
    "decoder": decoder,
    "host": host,
    "trace": recording,
    "memory": memory,
    "queries": queries,
    "interactive": interactive,
    "viewer": viewer,
    "compare": all_methods,
    "start": start,
}


def parser() -> Parser:
    """The program's options, by kind."""
    parser = Parser(prog="python -m csp.bench", description="Measure on the machine at hand.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    for name, kind in KINDS.items():
        flags = kinds.add_parser(name, help=kind.HELP, description=kind.__doc__)
        kind.add_arguments(flags)
        flags.add_argument("--json", type=Path, help="also write everything measured to this file")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a benchmark by name; returns 0, or 2 after one line on what is wrong with the request."""
    try:
        args = parser().parse_args(argv)
        kind = KINDS[args.kind]
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
