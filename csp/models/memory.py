"""Running out of memory, in words and survived: the error names what to change, and the next run can work."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

import torch

P = ParamSpec("P")
R = TypeVar("R")

LIGHTER = (
    "load the model in a smaller dtype (bfloat16, float16), with quantize= or with offload_sam=True, or keep fewer image "
    "tokens; nothing is broken, the next run can work"
)

# What torch's own allocators say; other RuntimeErrors are none of ours.
_SIGNS = ("out of memory", "can't allocate memory", "not enough memory")


class OutOfMemory(ValueError):
    """Too large for this machine's memory, in words for whoever asked for it."""


def survives_out_of_memory(what: str, remedy: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: where memory runs out, what the call held is let go and OutOfMemory is raised with the remedy.

    Catches torch's OutOfMemoryError of any GPU, its RuntimeErrors of the CPU's allocator, and MemoryError.
    """

    def decorate(call: Callable[P, R]) -> Callable[P, R]:
        @wraps(call)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return call(*args, **kwargs)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
                said = " ".join(str(error).split())[:160] or type(error).__name__
            # Outside the clause: the error's traceback would keep the call's tensors alive.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            raise OutOfMemory(f"out of memory while {what} ({said}): {remedy}")

        return guarded

    return decorate


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or on the CPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS)
