"""What there is to read beside the page: the code of every method, the notebooks, whose licences hold.

Only what is there is offered: an installed wheel has no notebooks. Nothing else can be asked for, whatever a name says.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import csp
from csp.checks import check_choice
from csp.ui.payload import Payload

if TYPE_CHECKING:
    from csp.session import MethodCard

ROOT = Path(csp.__file__).resolve().parent.parent
LICENCES = ("NOTICE", "LICENSE", "assets/photos/ATTRIBUTION.md", "assets/park/README.md")
NOTEBOOKS = ("quickstart", "clusterings", "layer_by_layer", "the_bill", "add_a_method", "figure5", "drive_the_app")


def offered(methods: Iterable[MethodCard]) -> dict[str, list[str]]:
    """Names to ask for, by kind: "code", one a method in the registry's order, "notebooks" and "licences"."""
    out: dict[str, list[str]] = {}
    for name, (kind, _) in _known(methods).items():
        out.setdefault(kind, []).append(name)
    return out


def document(name: object, methods: Iterable[MethodCard]) -> Payload:
    """One of them: {"name", "text"}. Raises ValueError for any other name."""
    known = _known(methods)
    _, path = known[check_choice("document", name, tuple(known))]
    return {"name": name, "text": path.read_text(encoding="utf-8")}


def links() -> list[tuple[str, str]]:
    """Addresses elsewhere, as words and where they lead; on a Space its own files are the code of this page."""
    space = os.environ.get("SPACE_ID")
    code = [("All code of this page", f"https://huggingface.co/spaces/{space}/tree/main")] if space else []
    return [("The paper, arXiv 2504.10854", "https://arxiv.org/abs/2504.10854"), *code, ("HTTP API of this page", "?view=api")]


def code(method: MethodCard) -> str:
    """The name to ask for a method's code by."""
    return f"methods/{Path(method.source).name}"


def _known(methods: Iterable[MethodCard]) -> dict[str, tuple[str, Path]]:
    out = {code(method): ("code", Path(method.source)) for method in methods}
    out |= {f"{name}.ipynb": ("notebooks", ROOT / "notebooks" / f"{name}.ipynb") for name in NOTEBOOKS}
    out |= {name: ("licences", _licence(name)) for name in LICENCES}
    return {name: (kind, path) for name, (kind, path) in out.items() if path.is_file()}


def _licence(name: str) -> Path:
    """In a checkout at its root, in an installed wheel among its metadata."""
    beside = ROOT / name
    if beside.is_file() or "/" in name:
        return beside
    try:
        files = metadata.files("lvlm-csp") or []
    except metadata.PackageNotFoundError:
        return beside
    return next((Path(str(file.locate())) for file in files if file.name == name), beside)
