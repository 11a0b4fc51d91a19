"""Data sets of reasoning and referring segmentation, read as the official code reads them.

``csp.data.open("refcoco:val", ROOT)`` gives pictures by number, each an `Item`: its queries, the conversations that the
official code builds of them, and its truth with the official values. ROOT holds ``refer_seg/``, ``reason_seg/`` and
``coco2014/``; ``python -m csp.data check ROOT`` tells what is there and what to fetch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "open": "csp.data.catalogue",
    "names": "csp.data.catalogue",
    "DataSet": "csp.data.items",
    "Item": "csp.data.items",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'csp.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_HOMES)
