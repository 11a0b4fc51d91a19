"""ZeroGPU: a Space that lends its GPU by the call. The only place that imports `spaces`; elsewhere nothing happens here.

A lent call runs in a forked process: what it changes is lost, and what goes in and comes out is pickled. So each visitor's
request is one call, made of a handler that takes and returns plain data, and nothing runs while the page is built.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from csp.ui.handlers import Handlers

F = TypeVar("F", bound=Callable[..., Any])

SECONDS = 30
"""What one run is estimated to take; a visitor with less of the day's quota left is refused."""
LONG = 120
"""A whole comparison or sweep."""
HANDLERS = ("run", "compare_clusters", "export", "matters")


def lent() -> bool:
    """Whether the GPU here is lent by the call. Asked before anything touches CUDA, it also prepares torch for that."""
    return _spaces() is not None


def on_gpu(call: F, seconds: int = SECONDS) -> F:
    """The call as one lent use of the GPU; off ZeroGPU the call itself."""
    spaces = _spaces()
    return call if spaces is None else spaces.GPU(call, duration=seconds)


def lend(handlers: Handlers) -> None:
    """Make each handler of a page that runs the model one lent use of the GPU; off ZeroGPU leave them as they are."""
    if lent():
        for name in HANDLERS:
            setattr(handlers, name, on_gpu(getattr(handlers, name)))


def _spaces() -> Any:
    if os.environ.get("SPACES_ZERO_GPU", "").lower() not in ("1", "t", "true"):
        return None
    try:
        return import_module("spaces")
    except ImportError:
        return None
