"""Weights and test seeds are fixed before methods are compared, so that no checkpoint is chosen by the gap
between them.

The first comparison writes ``frozen.json``; a later one on other weights or another world is refused until
someone gives a reason, which goes to the log. Tables of older weights are then left out of the results until
they are run again.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from csp.evaluation import provenance
from csp.samples import ParkSource

WORLD = ParkSource("test", 1000)


def freeze(folder: Path, weights: str, reason: str | None = None, log: Path | None = None) -> dict[str, Any]:
    """The frozen record in ``folder``, written now if there is none.

    Raises ValueError where it names other weights or another world and no ``reason`` is given. With one, the
    record is renewed and the reason appended to ``log``.
    """
    file = folder / "frozen.json"
    now: dict[str, Any] = {"weights": weights, "world": WORLD.describe()}
    if file.is_file():
        kept = json.loads(file.read_text(encoding="utf-8"))
        changed = [what for what in now if kept[what] != now[what]]
        if not changed:
            return dict(kept)
        if not reason:
            raise ValueError(
                f"{' and '.join(changed)} differ from those frozen on {kept['frozen']} in {file}: "
                'give --refreeze "why they changed", and run every suite again'
            )
    record: dict[str, Any] = {**now, "frozen": provenance.now()}
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    if reason and log:
        text = f"{reason.strip()} Weights {weights[:12]}; every table is run again."
        note(log, f"Comparisons frozen anew, {record['frozen'][:10]}", text)
    return record


def note(log: Path, title: str, text: str) -> None:
    """Put an entry first in a Markdown log, below its heading and introduction."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else ["# Log", ""]
    at = next((i for i, line in enumerate(lines) if line.startswith("## ")), len(lines))
    entry = [f"## {title}", "", text, ""]
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("\n".join([*lines[:at], *entry, *lines[at:]]).rstrip() + "\n", encoding="utf-8")
