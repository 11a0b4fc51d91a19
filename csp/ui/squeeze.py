"""The page itself, deflated on its way: its scripts and its first run are text, four times smaller than as it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware.gzip import GZipMiddleware

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PATHS = ("/", "/config")
"""What is sent once a visit; answers to runs are deflated blocks already, and streams must not wait."""


class Squeezed:
    """Middleware: gzip for PATHS, where the browser takes it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.squeezed = app, GZipMiddleware(app, minimum_size=10_000, compresslevel=6)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope["type"] == "http" and scope["path"] in PATHS
        await (self.squeezed if asked else self.app)(scope, receive, send)
