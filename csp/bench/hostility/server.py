"""``python -m csp.bench.hostility.server LOG [FLAGS OF app.py]``: the page with its doors watched.

Files, programs and other machines that it should not have touched are written to LOG, a line each.
"""

from __future__ import annotations

import os
import runpy
import sys
from importlib import import_module
from pathlib import Path

import csp
from csp.bench.hostility.watch import install

APP = Path(csp.__file__).parents[1] / "app.py"


def main() -> None:
    """Serve until the process is ended."""
    # In a new home matplotlib asks a program for fonts, once: before anybody watches.
    import_module("matplotlib.font_manager")
    log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    install(lambda words: void(os.write(log, f"{words}\n".encode(errors="replace"))))
    sys.argv = [str(APP), *sys.argv[2:]]
    runpy.run_path(str(APP), run_name="__main__")


def void(_: object) -> None:
    return None


if __name__ == "__main__":
    main()
