"""LVLM_CSP: training-free reduction of image tokens for reasoning segmentation.

Attributes are loaded on first use, so that ``import csp`` costs nothing: neither torch nor gradio nor
matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES: dict[str, str] = {
    "load": "csp.checkpoints",
    "CSP": "csp.methods",
    "METHODS": "csp.methods",
    "PRESETS": "csp.methods",
    "CLUSTERS": "csp.clusters",
    **dict.fromkeys(("Box", "Cost", "Layout", "Request", "Result", "StageRecord", "Trace"), "csp.types"),
}
_MODULES = ("figures", "park")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _MODULES:
        return import_module(f"csp.{name}")
    raise AttributeError(f"module 'csp' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(("__version__", *_HOMES, *_MODULES))
