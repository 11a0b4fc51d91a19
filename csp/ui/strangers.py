"""What Gradio would do with a stranger's call before any handler of the page sees it, and should not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csp.ui.bodies import hand_on, read
from csp.ui.calls import PATH
from csp.ui.guard import refuse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

NO_EVENT = "there is no such event: it has been told already, or never was; send the call again"


class Strangers:
    """Middleware of the page.

    A mapping that is marked as a file, and is none that was uploaded here, loses its mark: Gradio would look its address up,
    or tell a traceback of its path; unmarked it meets the handlers' own words. A call of `/run` with fewer values than
    ``least``, or of an event with fewer than it takes, is refused, where Gradio repeats all that was sent. The stream of an
    event that there is not ends in words. No file of another machine is given out, and no other machine's name is looked up.
    """

    def __init__(self, app: ASGIApp, least: int) -> None:
        self.app, self.least = app, least

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif _elsewhere(scope["path"]):
            await refuse(send, 403, "only files of this page are given out: ask the other address itself")
        elif scope["method"] == "POST" and b"json" in dict(scope["headers"]).get(b"content-type", b""):
            await self._told(scope, receive, send)
        else:
            await self._streamed(scope, receive, send)

    async def _told(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read(receive)
        if body is None:
            return
        try:
            told = json.loads(body)
            changed = _unmarked(told)
        except (ValueError, RecursionError):
            # What is no JSON is left to be refused as it came.
            told, changed = None, False
        data = told.get("data") if isinstance(told, dict) else None
        if isinstance(data, list):
            run = scope["path"].endswith(PATH)
            least = self.least if run else _taken(scope, told.get("fn_index"))
            if len(data) < least:
                call, remedy = ("a call of /run", "see docs/http.md") if run else ("this event", "reload the page and try again")
                await refuse(send, 400, f"{call} lists at least {least} values in data, got {len(data)}: {remedy}")
                return
        await hand_on(self.app, scope, receive, send, json.dumps(told).encode() if changed else body)

    async def _streamed(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except RuntimeError as error:
            # Starlette's word for an HTTPException out of a stream: Gradio looks the event up after it has begun to answer.
            if "response already started" not in str(error):
                raise
            words = f"event: error\ndata: {json.dumps(NO_EVENT)}\n\n"
            await send({"type": "http.response.body", "body": words.encode()})


def _taken(scope: Scope, event: object) -> int:
    """How many values the page's event of this number takes; 0 where there is none."""
    events = scope["app"].get_blocks().fns
    return len(events[event].inputs) if isinstance(event, int) and event in events else 0


def _elsewhere(path: str) -> bool:
    """Whether a path asks for a file of another machine."""
    name = path.partition("/file=")[2]
    return "/proxy=" in path or name.lower().startswith(("http:", "https:"))


def _unmarked(told: Any) -> bool:
    """Take the mark off every file in a JSON value that was not uploaded; whether there was one."""
    changed = False
    level = [told]
    while level:
        for each in level:
            if isinstance(each, dict) and "meta" in each and "path" in each and not _uploaded(each):
                del each["meta"]
                changed = True
        level = [one for each in level for one in _inside(each)]
    return changed


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _uploaded(sent: dict[str, Any]) -> bool:
    from gradio.utils import get_upload_folder, is_in_or_equal

    path = sent["path"]
    try:
        return isinstance(sent["meta"], dict) and is_in_or_equal(path, get_upload_folder()) and Path(path).is_file()
    except (OSError, ValueError, TypeError, AttributeError):
        return False
