"""A full disk, told in words: what would not fit is refused before it is written, and what broke off is removed."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from csp.ui.guard import refuse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

SPARE = 8 * 2**20
"""Bytes that stay free: answers are written too."""
WORDS = "the server's disk is full: try again later, and tell whoever runs it (TMPDIR names another place)"
_FULL = (errno.ENOSPC, errno.EDQUOT)


def full(error: OSError) -> bool:
    """Whether an error says that nothing more can be written."""
    return error.errno in _FULL


def folder() -> Path:
    """Where uploads and answers are written."""
    return Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())


class Room:
    """Middleware: 507 in words for what does not fit on the disk; a half-written upload is removed."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        told = dict(scope["headers"]).get(b"content-length", b"0")
        with suppress(OSError):
            if shutil.disk_usage(folder()).free < (int(told) if told.isdigit() else 0) + SPARE:
                await refuse(send, 507, WORDS)
                return
        began, begun = time.time(), False

        async def started(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, started)
        except OSError as error:
            if not full(error):
                raise
            _remove_since(began)
            if not begun:
                await refuse(send, 507, WORDS)


def _remove_since(began: float) -> None:
    """Uploads that were begun since and not finished: finished ones lie in folders of their own."""
    for file in folder().glob("tmp*"):
        with suppress(OSError):
            if file.is_file() and file.stat().st_ctime >= began - 1:
                file.unlink()
