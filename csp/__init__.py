"""LVLM_CSP: training-free reduction of image tokens for reasoning segmentation.

Attributes are loaded on first use, so that ``import csp`` costs nothing: neither torch nor gradio nor
matplotlib. Every method of the registry is one of them: `csp.CSP`, `csp.FastV`, ...
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from csp import figures as figures, park as park
    from csp.checkpoints import load as load
    from csp.clusters import CLUSTERS as CLUSTERS
    from csp.methods import AFTER as AFTER, METHODS as METHODS, PRESETS as PRESETS
    from csp.methods.csp import CSP as CSP
    from csp.render.kept import show_kept as show_kept
    from csp.types import (
        Box as Box,
        Cost as Cost,
        Layout as Layout,
        Request as Request,
        Result as Result,
        StageRecord as StageRecord,
        Trace as Trace,
    )

__version__ = "0.1.0"

_HOMES: dict[str, str] = {
    "load": "csp.checkpoints",
    "AFTER": "csp.methods",
    "METHODS": "csp.methods",
    "PRESETS": "csp.methods",
    "CLUSTERS": "csp.clusters",
    "show_kept": "csp.render.kept",
    **dict.fromkeys(("Box", "Cost", "Layout", "Request", "Result", "StageRecord", "Trace"), "csp.types"),
}
_MODULES = ("data", "figures", "metrics", "park")


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _MODULES:
        return import_module(f"csp.{name}")
    # A class of the registry is written with a capital: looking for anything else loads nothing.
    if name[0].isupper() and name in (methods := _methods()):
        return methods[name]
    raise AttributeError(f"module 'csp' has no attribute {name!r}")


def _methods() -> dict[str, Any]:
    return {method.__name__: method for method in import_module("csp.methods").METHODS.values()}


def _method_names() -> list[str]:
    """The classes of the registry, read off its files: to import them is to load torch, which a list of names is not worth."""
    import ast
    from pathlib import Path

    folder = Path(__file__).parent / "methods"
    body = ast.parse((folder / "__init__.py").read_text(encoding="utf-8")).body
    (files,) = (node.value for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FILES")
    trees = (ast.parse((folder / f"{file}.py").read_text(encoding="utf-8")) for file in ast.literal_eval(files))
    classes = [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    return [node.name for node in classes if any(isinstance(part, ast.FunctionDef) and part.name == "plan" for part in node.body)]


def __dir__() -> list[str]:
    return sorted({"__version__", *_HOMES, *_MODULES, *_method_names()})
