"""All programs by one name: ``lvlm-csp VERB ...`` is ``python -m csp.VERB ...``, and ``lvlm-csp app`` the page."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

VERBS = {
    "app": "the page, in a browser",
    "segment": "mask, stages and numbers of one picture",
    "evaluate": "scores on the park, a data set or pictures of your own; comparisons of methods",
    "figures": "the paper's figures, from a model or from saved runs",
    "inspect": "what a checkpoint's folder holds, and what it lacks",
    "record": "runs for a gallery that needs no model",
    "data": "data sets in a folder: checked, shown",
    "tune": "the mask head tuned under a plan",
    "search": "the plan found for a budget",
    "space": "the folder of a Hugging Face Space",
    "bench": "speed on the machine at hand",
}


def app() -> Any:
    """app.py: beside the package in a checkout, inside it where it is installed."""
    beside = Path(__file__).resolve().parents[1] / "app.py"
    spec = find_spec("csp.app") or (spec_from_file_location("app", beside) if beside.is_file() else None)
    if spec is None or spec.loader is None:
        raise ValueError("app.py is neither in the package nor beside it: install the package, or run this from a checkout")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(argv: Sequence[str] | None = None) -> int:
    """Run a program by its verb; returns its exit code, or 2 where there is no such verb."""
    verb, *rest = (sys.argv[1:] if argv is None else list(argv)) or ["--help"]
    told = "usage: lvlm-csp VERB ...\n\n" + "\n".join(f"  {name:<10}{words}" for name, words in VERBS.items())
    if verb in ("-h", "--help"):
        print(f"{told}\n\nlvlm-csp VERB --help tells what each takes.")
        return 0
    if verb not in VERBS:
        print(f"lvlm-csp: VERB must be one of {', '.join(VERBS)}, got {verb[:80]!r}", file=sys.stderr)
        return 2
    folder = find_spec(f"csp.{verb}")
    name = f"csp.{verb}.__main__" if folder is not None and folder.submodule_search_locations else f"csp.{verb}"
    program = app() if verb == "app" else import_module(name)
    # Programs say their own names in usage and errors.
    sys.argv = [f"lvlm-csp {verb}", *rest]
    return int(program.main(rest) or 0)


if __name__ == "__main__":
    sys.exit(main())
