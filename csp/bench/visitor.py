"""A visitor without a browser: opens the page and calls over HTTP what the board's script and other programs call."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Mapping
from http.cookies import SimpleCookie
from itertools import pairwise
from typing import Any
from urllib.parse import quote, urlsplit

HEADERS = {"Content-Type": "application/json"}
TIMEOUT = 300


class Visitor:
    """One visit: a session of its own, and cookies as a browser keeps them. Raises ValueError for an answer that is none."""

    def __init__(self, url: str) -> None:
        at = urlsplit(url)
        self.session = uuid.uuid4().hex
        self._http = http.client.HTTPConnection(at.hostname or "", at.port, timeout=TIMEOUT)
        self.board = -1
        self.cookies: dict[str, str] = {}

    def close(self) -> None:
        """Leave."""
        self._http.close()

    def open(self) -> None:
        """The page, as a browser gets it."""
        self._ask("GET", "/")
        config = json.loads(self._ask("GET", "/config"))
        self.board = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "csp-viewer")

    def call(self, function: str, sent: Mapping[str, Any]) -> dict[str, Any]:
        """What the board's script calls by this name; {"error": words} where it was refused."""
        body = {"session_hash": self.session, "component_id": self.board, "fn_name": function, "data": sent}
        told = json.loads(self._ask("POST", "/gradio_api/component_server", json.dumps(body).encode(), HEADERS))
        return dict(told)

    def upload(self, name: str, picture: bytes) -> str:
        """An own picture, by the path that the server gives it."""
        edge = uuid.uuid4().hex
        head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        body = head.encode() + picture + f"\r\n--{edge}--\r\n".encode()
        kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
        return str(json.loads(self._ask("POST", "/gradio_api/upload", body, kind))[0])

    def endpoint(self, values: list[Any]) -> list[Any]:
        """`/run` with its values by place: paths of its pictures, and the run in numbers. Raises ValueError with its words."""
        event = json.loads(self._ask("POST", "/gradio_api/call/run", json.dumps({"data": values}).encode(), HEADERS))["event_id"]
        lines = self._ask("GET", f"/gradio_api/call/run/{event}").decode().split("\n")
        for kind, data in pairwise(lines):
            if kind == "event: complete":
                return list(json.loads(data.removeprefix("data: ")))
            if kind == "event: error":
                raise ValueError(data.removeprefix("data: "))
        raise ValueError("the endpoint's stream ended without an answer")

    def file(self, path: str) -> bytes:
        """A file that an answer names."""
        return self._ask("GET", f"/gradio_api/file={quote(path)}")

    def _ask(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None) -> bytes:
        # A connection each: the server closes one that idles while its visitor thinks.
        try:
            cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())} if self.cookies else {}
            self._http.request(method, path, body, {**(headers or {}), **cookies})
            answer = self._http.getresponse()
            set_now = [SimpleCookie(words) for words in answer.headers.get_all("Set-Cookie", ())]
            self.cookies |= {name: one.value for cookie in set_now for name, one in cookie.items()}
            told = answer.read()
        except http.client.HTTPException as error:
            raise ValueError(f"{method} {path[:60]} was not answered: {error!r}") from error
        finally:
            self._http.close()
        if answer.status != 200:
            raise ValueError(f"{method} {path[:60]} was answered {answer.status}: {told[:200].decode('utf-8', 'replace')}")
        return told
