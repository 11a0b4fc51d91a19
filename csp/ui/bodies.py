"""The body of a request, read whole by a middleware and handed on as if it came now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


async def read(receive: Receive) -> bytes | None:
    """All of it; None where the caller left before its end."""
    parts, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def hand_on(app: ASGIApp, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
    """Call ``app`` with this body, and a length that says so."""
    length = [(b"content-length", str(len(body)).encode())]
    scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] != b"content-length"] + length}
    sent = False

    async def whole() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    await app(scope, whole, send)
