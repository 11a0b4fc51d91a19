"""Who asks, told to whatever waits for the model: a visitor's name for as long as the page is open, and whether they left.

A board's calls come as HTTP requests of their own (`Visits`, an ASGI middleware, follows them); Compare, Trade-off and `/run`
come through Gradio's queue (`asked` and `stepwise` wrap their handlers).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any

from csp.checks import read_json
from csp.turns import Refused, Visitor, long_work, visiting
from csp.ui.guard import MOST_BYTES, refuse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATH = "/gradio_api/component_server"
MOST_NAME = 128


class Visits:
    """Middleware: a call of the board is its visitor's, and one that is no call is refused in words."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].rstrip("/").endswith(PATH):
            await self.app(scope, receive, send)
            return
        body = await whole_body(receive)
        try:
            name = _caller(body)
        except ValueError as error:
            await refuse(send, 400, str(error))
            return
        left, sent, begun = asyncio.Event(), False, False

        async def again() -> Message:
            nonlocal sent
            if sent:
                await left.wait()
                return {"type": "http.disconnect"}
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def follow() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            left.set()

        async def started(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        following = asyncio.create_task(follow())
        try:
            with visiting(Visitor(name, left.is_set)):
                await self.app(scope, again, started)
        except KeyError:
            # Gradio looks a component up by its number.
            if begun:
                raise
            await refuse(send, 404, "there is no such component: reload the page")
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


async def whole_body(receive: Receive) -> bytes:
    """A request's body; how long it may be is the guard's affair."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if message["type"] != "http.request" or not message.get("more_body", False):
            return b"".join(parts)


def _caller(body: bytes) -> str:
    """The visit that a call of the board belongs to. Raises ValueError for what is no call."""
    told = read_json(body, "a call of the board", 2 * MOST_BYTES, finite=False)
    kinds = {"session_hash": str, "component_id": int, "fn_name": str, "data": object}
    if not isinstance(told, dict) or not all(name in told and isinstance(told[name], kind) for name, kind in kinds.items()):
        raise ValueError(f"a call of the board must be an object with {', '.join(kinds)}: reload the page")
    if not 0 < len(told["session_hash"]) <= MOST_NAME:
        raise ValueError(f"session_hash must have 1 to {MOST_NAME} characters: reload the page")
    return str(told["session_hash"])


def asked(work: Callable[..., Any], long: bool = False) -> Callable[..., Any]:
    """A handler of Gradio's queue whose runs are its visitor's; ``long``: they let single runs of others go first."""

    @wraps(work)
    def handler(*args: Any, **kwargs: Any) -> Any:
        with visiting(_present()):
            if not long:
                return work(*args, **kwargs)
            with long_work():
                return work(*args, **kwargs)

    return handler


def stepwise(work: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """A handler that answers line by line, as long work of its visitor.

    Gradio asks for each line in a context of its own, so that the visitor is told anew for each.
    """

    import gradio as gr

    @wraps(work)
    def handler(*args: Any, **kwargs: Any) -> Iterator[Any]:
        lines, end = work(*args, **kwargs), object()
        try:
            while True:
                try:
                    with visiting(_present()), long_work():
                        line = next(lines, end)
                except Refused as error:
                    raise gr.Error(str(error), print_exception=False) from error
                if line is end:
                    return
                yield line
        finally:
            close = getattr(lines, "close", None)
            if close is not None:
                close()

    return handler


def _present() -> Visitor:
    """The visitor whose event Gradio's queue is at: by the session, else by the address that asks."""
    from gradio.context import LocalContext

    request, blocks, event_id = (each.get(None) for each in (LocalContext.request, LocalContext.blocks, LocalContext.event_id))
    client = getattr(getattr(request, "client", None), "host", "")
    name = getattr(request, "session_hash", None) or client or ""
    queue = getattr(blocks, "_queue", None)
    event = getattr(queue, "event_ids_to_events", {}).get(event_id)
    return Visitor(str(name)[:MOST_NAME], lambda: event is not None and not event.alive)
