"""Figures from results, and the program that draws saved runs: ``python -m csp.figures run.npz [...] --out
figure.svg``.

`stages` is the paper's Figure 5, `token_steps` its Figure 4(D), `tradeoff` in the manner of its Figures 2(b) and 3(c);
`comparison` has a `row` a method; `save` writes svg, pdf or png, the same bytes for the same results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from csp.render.charts import token_steps
from csp.render.compare import comparison, row
from csp.render.figures import stages
from csp.render.tradeoff import tradeoff
from csp.render.typeset import save, to_bytes
from csp.types import Result

__all__ = ["comparison", "main", "row", "save", "stages", "to_bytes", "token_steps", "tradeoff"]


def main(argv: Sequence[str] | None = None) -> int:
    """Draw saved runs; returns 0, or 2 after one line on what is wrong with the request."""
    parser = argparse.ArgumentParser(
        prog="python -m csp.figures", description="Draw figures from saved runs (run.npz)."
    )
    parser.add_argument(
        "runs", nargs="+", metavar="run.npz", help="files that Result.save wrote, one row each"
    )
    parser.add_argument(
        "--figure", choices=("stages", "steps"), default="stages", help="Figure 5 or Figure 4(D)"
    )
    parser.add_argument("--out", default="figure.svg", help="file to write: .svg, .pdf or .png")
    parser.add_argument("--width", type=float, help="inches: 7 is two columns of the paper, 3.33 is one")
    parser.add_argument("--provenance", action="store_true", help="add a line with model, seed and version")
    args = parser.parse_args(argv)
    try:
        results = [Result.open(path) for path in args.runs]
        if args.figure == "steps":
            figure = token_steps(results, width=args.width or 3.33)
        else:
            figure = stages(results, width=args.width or 7.0, provenance=args.provenance)
        save(figure, args.out)
    except (ValueError, OSError) as error:
        print(f"figures: {error}", file=sys.stderr)
        return 2
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
