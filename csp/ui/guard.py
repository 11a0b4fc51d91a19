"""What stands before the page's server: who may ask, how much may be sent, what a browser may do with an answer.

An ASGI middleware of its own, so that it holds for every address that Gradio serves: page, API, uploads, MCP.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 24 * 2**20
"""Of a request's body; a picture sent as text (a data URL) takes a third more than its file."""
_SLACK = 2**16
_HEARD_OUT = 4
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-prefix")
# The page's components are made from text by the browser (Gradio's own way), which takes inline scripts and eval; nothing comes
# from another host, and only the hub, whose Spaces are shown in a frame, may embed the page.
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self' data: blob:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self' https://huggingface.co https://*.hf.space",
    )
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


class _TooMuch(Exception):
    """A body that told no length and turned out too long."""


class Guard:
    """Middleware of the page.

    ``hosts`` are the names by which it may be asked (empty: any); a request to another name is refused, so that no
    page of the web can reach a page on this machine through a name of its own (DNS rebinding). Headers of a proxy are
    believed only with ``proxy``.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str] = (), proxy: bool = False, most: int = MOST_BYTES) -> None:
        self.app, self.hosts, self.proxy, self.most = app, frozenset(hosts), proxy, most + _SLACK

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if not self.proxy:
            scope = {**scope, "headers": [(name, value) for name, value in scope["headers"] if name not in _FORWARDED]}
        headers = dict(scope["headers"])
        named = headers.get(b"host", b"").decode("latin-1")
        host = _host(named)
        if not host and named:
            await refuse(send, 400, f"Host must be a name or an address, got {named[:80]!r}")
            return
        if self.hosts and host not in self.hosts:
            names = f"this page is asked for as {', '.join(sorted(self.hosts))}, not as {host[:80]!r}"
            await refuse(send, 421, f"{names}; behind a proxy start it with --proxy")
            return
        told = headers.get(b"content-length", b"0")
        if told.isdigit() and int(told) > self.most:
            # A browser that is still sending shows a broken connection in place of the answer: hear it out, within reason.
            if int(told) <= _HEARD_OUT * self.most:
                await _heard_out(receive)
            await refuse(send, 413, self._too_long(int(told)))
            return
        seen, begun, over = 0, False, False

        async def counted() -> Message:
            nonlocal seen, over
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.most:
                over = True
                raise _TooMuch
            return message

        async def headed(message: Message) -> None:
            nonlocal begun
            if over and not begun:
                # The app has made an answer of its own of the interruption; ours says why.
                raise _TooMuch
            if message["type"] == "http.response.start":
                begun = True
                own = {name.lower() for name, _ in message.get("headers", ())}
                more = [(name, value) for name, value in _encoded(HEADERS) if name not in own]
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            await send(message)

        try:
            await self.app(scope, counted, headed)
        except _TooMuch:
            if not begun:
                await refuse(send, 413, self._too_long(seen))

    def _too_long(self, got: int) -> str:
        most = (self.most - _SLACK) / 2**20
        return f"a request may have at most {most:.0f} MB, got {got / 2**20:.1f} MB or more: send a smaller picture"


def hosts_of(bind: str, proxy: bool) -> tuple[str, ...]:
    """The names by which a page bound to this address may be asked: loopback's own on loopback, any elsewhere."""
    try:
        loopback = ip_address(bind).is_loopback
    except ValueError:
        loopback = bind == "localhost"
    return (*_LOOPBACK, bind) if loopback and not proxy else ()


def _host(header: str) -> str:
    """A Host header without its port: ``[::1]:7860`` is ``::1``; "" where a bracket stands alone."""
    if "[" in header or "]" in header:
        return header[1:].partition("]")[0].lower() if header.startswith("[") and header.count("]") == 1 else ""
    return header.partition(":")[0].lower()


async def _heard_out(receive: Receive) -> None:
    """Take the rest of a body and keep none of it."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


async def refuse(send: Send, status: int, words: str) -> None:
    """Answer a request with a status and words, and nothing else."""
    body = json.dumps({"error": words, "detail": words}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close", **HEADERS}
    await send({"type": "http.response.start", "status": status, "headers": _encoded(headers)})
    await send({"type": "http.response.body", "body": body})


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]
