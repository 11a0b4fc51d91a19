"""Refusals of the server below the page, in words: FastAPI's repeat what was sent, and fail on numbers that JSON has not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LONGEST = 80


def handlers() -> dict[Any, Callable[..., Any]]:
    """What FastAPI is told to answer to errors of its own and of Gradio, by their classes."""
    from fastapi.exceptions import RequestValidationError
    from gradio.route_utils import FnIndexInferError

    return {RequestValidationError: _unfit, FnIndexInferError: _unknown}


async def _unfit(request: Request, error: Any) -> Response:
    """A body or an address that lacks something, or holds another kind of value: the first such thing, by its place."""
    first: dict[str, Any] = next(iter(error.errors()), {})
    place = ".".join(str(step) for step in first.get("loc", ())[1:])[:LONGEST] or "the request"
    return _answer(422, f"{place}: {str(first.get('msg', 'will not do'))[:LONGEST]}; docs/http.md says what a call holds")


async def _unknown(request: Request, _: Any) -> Response:
    return _answer(404, "there is no such function: call /gradio_api/call/run, as docs/http.md says")


def _answer(status: int, words: str) -> Response:
    from starlette.responses import JSONResponse

    return JSONResponse({"error": words, "detail": words}, status)
