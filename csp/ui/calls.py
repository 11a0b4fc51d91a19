"""Plain HTTP calls of `/run` that list their values by place: those written before it took more go on working."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from csp.ui.bodies import hand_on, read

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "/gradio_api/call/run"


class Completed:
    """Middleware: a call of `/run` with its first ``least`` values or more gets the defaults of those that are left out."""

    def __init__(self, app: ASGIApp, least: int, later: Sequence[Any]) -> None:
        self.app, self.least, self.later = app, least, list(later)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or not scope["path"].endswith(PATH):
            await self.app(scope, receive, send)
            return
        body = await read(receive)
        if body is not None:
            await hand_on(self.app, scope, receive, send, self._completed(body))

    def _completed(self, body: bytes) -> bytes:
        """The body with every value in its place; what is no such call is left to be refused as it came."""
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            return body
        data = told.get("data") if isinstance(told, dict) else None
        if not isinstance(data, list) or not self.least <= len(data) < self.least + len(self.later):
            return body
        return json.dumps({**told, "data": data + self.later[len(data) - self.least :]}).encode()
