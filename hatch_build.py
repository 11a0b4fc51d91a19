"""What the wheel asks for, read from requirements.txt: a line marked ``# extra NAME: ...`` becomes that extra.

The build calls it (pyproject.toml); whoever installs requirements.txt itself gets everything.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Requirements(MetadataHookInterface):
    """Dependencies and extras of the project's metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        needed: list[str] = []
        extras: dict[str, list[str]] = {}
        for line in (Path(self.root) / "requirements.txt").read_text(encoding="utf-8").splitlines():
            wanted, _, remark = (part.strip() for part in line.partition("#"))
            extra = re.match(r"extra (\w+):", remark)
            if wanted:
                (extras.setdefault(extra[1], []) if extra else needed).append(wanted)
        metadata["dependencies"], metadata["optional-dependencies"] = needed, extras
