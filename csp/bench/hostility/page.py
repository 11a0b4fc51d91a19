"""Kinds that come over HTTP: calls of the public endpoint, and raw requests.

The page runs in a process of its own (`server`); nothing is ever sent to another address than 127.0.0.1.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from csp.bench.hostility.cases import Case, Wrong
from csp.bench.hostility.library import image_of
from csp.bench.hostility.values import KEPT, MARKUP, PLACES, WORDS, Lot, image_file, junk, pick
from csp.bench.start import free_port, wait

HOST = "127.0.0.1"
ROUTES = (
    *("/gradio_api/call/run", "/gradio_api/queue/join", "/gradio_api/component_server", "/gradio_api/upload"),
    *("/gradio_api/run/predict", "/gradio_api/reset", "/gradio_api/cancel", "/config", "/"),
)
READERS = (
    *("/gradio_api/file=", "/file=", "/gradio_api/proxy=", "/static/", "/assets/", "/gradio_api/stream/", "/custom_component/"),
    *("/gradio_api/queue/data?session_hash=", "/gradio_api/call/run/", "/gradio_api/download/", "/svelte/"),
)
BODIES = (
    *(b"", b"{", b"null", b"[]", b'"x"', b'{"data": null}', b'{"data": {}}', b'{"data": []}', b"[" * 20_000, b"\xff\xfe\x00"),
    *(b'{"data": [NaN, 1e999]}', b'{"fn_index": -1, "data": []}', b'{"fn_index": "0", "data": [1]}'),
)
JSON = {"Content-Type": "application/json"}


class Server:
    """The page in a process of its own, with what it says and touches."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path, touched: Path):
        self.process, self.port = process, port
        self._files = {log: 0, touched: 0}
        self.config: dict[str, Any] = json.loads(self.ask("GET", "/config")[1])

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Status and body of an answer."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=120)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def post(self, path: str, told: Any) -> tuple[int, bytes]:
        """Answer to a JSON body."""
        body = told if isinstance(told, bytes) else json.dumps(told).encode("utf-8", "replace")
        return self.ask("POST", path, body, JSON)

    def heard(self) -> list[str]:
        """Ends of tracebacks, and doors touched, since the last time."""
        found = []
        for file, at in self._files.items():
            if not file.exists():
                continue
            text = file.read_bytes()[at:].decode(errors="replace")
            self._files[file] = at + len(text.encode(errors="replace"))
            lines = text.splitlines()
            if file.suffix == ".touched":
                found += [f"the page {line}" for line in lines]
            else:
                starts = [i for i, line in enumerate(lines) if line.lstrip().startswith("Traceback (most recent")]
                found += [f"a traceback in the log: {_ended(lines[i:])}" for i in starts]
        return found


def _ended(lines: list[str]) -> str:
    """The error that a traceback ends in, and the last of our files in it."""
    own, last = "", ""
    for line in lines[1:]:
        if line.lstrip().startswith("File "):
            own = line.strip()[:160] if "/csp/" in line else own
        elif line and not line.startswith((" ", "\t", "|")):
            last = line
            break
    return f"{last[:200]} ({own})"


@contextmanager
def served(folder: Path, model: str) -> Iterator[Server]:
    """The page with this model, its home, temporary and working folder all inside ``folder``."""
    port, log, touched = free_port(), folder / "server.log", folder / "doors.touched"
    for name in ("home", "tmp", "cwd"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    root = Path(__file__).parents[3]
    own = {
        "HOME": str(folder / "home"),
        "TMPDIR": str(folder / "tmp"),
        "PYTHONPATH": str(root),
        "HF_HUB_OFFLINE": "1",
        "GRADIO_ANALYTICS_ENABLED": "False",
    }
    environment = {key: value for key, value in os.environ.items() if key != "GRADIO_TEMP_DIR"} | own
    with log.open("wb") as out:
        command = [sys.executable, "-m", "csp.bench.hostility.server", str(touched), "--port", str(port), "--model", model]
        process = subprocess.Popen(command, stdout=out, stderr=out, cwd=folder / "cwd", env=environment)
    try:
        wait(f"http://{HOST}:{port}/", process)
        yield Server(process, port, log, touched)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def status_words(status: int, body: bytes) -> str:
    """An answer that is no 200, in words; Wrong for one that nobody may be given."""
    text = body.decode(errors="replace")
    if KEPT in text:
        raise Wrong("told what stands in a file that nobody sent")
    if status >= 500:
        raise Wrong(f"status {status}: {text[:200]}")
    if status >= 300:
        return f"answered with status {status}: {text[:300]}"
    return ""


def stream(text: str) -> Iterator[tuple[str, Any]]:
    """Events of a stream and their data."""
    event = "message"
    for line in text.splitlines():
        if line.startswith("event:"):
            event = line[6:].strip()
        elif line.startswith("data:"):
            yield event, json.loads(line[5:])


class Page:
    """A kind that the page answers."""

    name = ""

    def __init__(self, server: Server, image: np.ndarray):
        self.server, self.image = server, image
        self.data_url = "data:image/png;base64," + base64.b64encode(image_of(image)).decode()

    def process(self) -> int:
        return self.server.process.pid

    def told(self) -> list[str]:
        return self.server.heard()

    def upload(self, name: str, data: bytes) -> tuple[int, bytes]:
        """Send a file as a browser does."""
        kind = 'form-data; name="files"; filename="'
        head = b"--edge\r\nContent-Disposition: " + kind.encode() + name.encode("utf-8", "replace") + b'"\r\n\r\n'
        body = head + data + b"\r\n--edge--\r\n"
        return self.server.ask("POST", "/gradio_api/upload", body, {"Content-Type": "multipart/form-data; boundary=edge"})


class Calls(Page):
    """Calls of `/run` with anything in any place."""

    name = "calls of /run"

    def __init__(self, server: Server, image: np.ndarray, base: dict[str, Any]):
        super().__init__(server, image)
        self.base: list[Any] = [{"url": self.data_url}, base["query"], "csp"]
        self.base += [base["knobs"][knob] for knob in ("Lc", "Nc", "Ls", "Np")]
        self.base += ["uniform", 0, {}, "auto", "teacher", False]
        self.right: list[int] | None = None

    def ordinary(self) -> Sequence[Case]:
        drawn = [*self.base[:-1], True]
        return Case("a run", lambda: self._run(self.base)), Case("with a strip", lambda: self._run(drawn), "drawn")

    def case(self, lot: Lot) -> Case:
        if lot.integers(12) == 0:
            return Case("the ordinary run once more", self._again)
        data = list(self.base)
        for _ in range(int(lot.integers(1, 3))):
            data[int(lot.integers(len(data)))] = junk(lot)
        what = int(lot.integers(8))
        if what == 0:
            data = data[: int(lot.integers(len(data) + 1))]
        elif what == 1:
            data[0] = {"url": "data:image/png;base64," + base64.b64encode(image_file(lot)[1]).decode()}
        elif what == 2:
            data[1] = [pick(lot, WORDS) for _ in range(int(lot.integers(0, 20)))]
        return Case(str(data[1:])[:160], lambda: self._run(data), "drawn" if data[-1:] == [True] else "")

    def _run(self, data: list[Any]) -> str:
        status, body = self.server.post("/gradio_api/call/run", {"data": data})
        if words := status_words(status, body):
            return words
        event = json.loads(body)["event_id"]
        status, body = self.server.ask("GET", f"/gradio_api/call/run/{event}")
        if words := status_words(status, body):
            return words
        for event, told in stream(body.decode()):
            if event == "error":
                said = told.get("error") if isinstance(told, dict) else told
                if not isinstance(said, str):
                    raise Wrong(f"an error without words: {told!r}")
                return said
            if event == "complete":
                runs = told[2] if isinstance(told[2], list) else [told[2]]
                if not all(0 <= run["cost"]["n_avg"] and run["mask_pixels"] >= 0 for run in runs):
                    raise Wrong("the answer is no run")
                self._last = [run["mask_pixels"] for run in runs]
                return ""
        raise Wrong(f"the stream ended without an answer: {body[:120]!r}")

    def _again(self) -> str:
        """What went before must not have changed the answer to a sound request."""
        words = self._run(self.base)
        if words:
            raise Wrong(f"a sound request was refused: {words}")
        self.right = self.right or self._last
        if self._last != self.right:
            raise Wrong(f"a sound request is answered otherwise than before: {self._last} in place of {self.right}")
        return ""


class Bodies(Page):
    """Requests that are no such thing: raw bytes, wrong lengths, odd methods, names and paths."""

    name = "raw requests"

    def ordinary(self) -> Sequence[Case]:
        return (Case("the page", lambda: self._raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")),)

    def case(self, lot: Lot) -> Case:
        what = int(lot.integers(6))
        if what < 2:
            place = quote(pick(lot, (*PLACES, *MARKUP[:2], "%2e%2e%2f" * 6 + "etc/passwd")), safe="/.:%")
            if lot.integers(2):
                place = place.replace("..", "%2e%2e")
            path = pick(lot, READERS) + place
            return Case(f"GET {path[:120]}", lambda: self._raw(self._request("GET", path)))
        path = pick(lot, ROUTES)
        if what == 2:
            method = pick(lot, ("PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "HEAD", "CONNECT", "FOO", "get"))
            return Case(f"{method} {path}", lambda: self._raw(self._request(method, path)))
        body = pick(lot, (*BODIES, json.dumps(junk(lot)).encode()))
        if what == 3:
            told = {name: junk(lot) for name in ("data", "fn_index", "session_hash", "fn_name", "component_id")}
            body = json.dumps(told).encode("utf-8", "replace")
        if what == 4:
            size = pick(lot, ("-1", "99", "1e3", "0", "999999999999", "x"))
            request = self._request("POST", path, body, {"Content-Length": size})
            return Case(f"POST {path} of length {size}", lambda: self._raw(request, patient=False))
        if what == 5:
            name = pick(lot, ("evil.example", "localhost:99999", "[::1", "", "a" * 5000, "127.0.0.1@evil.example"))
            more = {"Host": name, "X-Forwarded-Host": "evil.example", "Cookie": "a=" + "b" * int(lot.integers(1, 30_000))}
            return Case(f"POST {path} to {name[:30]!r}", lambda: self._raw(self._request("POST", path, body, more)))
        return Case(f"POST {path} {body[:80]!r}", lambda: self._raw(self._request("POST", path, body)))

    def _request(self, method: str, path: str, body: bytes = b"", more: dict[str, str] | None = None) -> bytes:
        kind = "multipart/form-data; boundary=edge" if path.endswith("upload") else "application/json"
        headers = {"Host": "localhost", "Content-Type": kind, "Content-Length": str(len(body)), "Connection": "close"}
        headers |= more or {}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body

    def _raw(self, request: bytes, patient: bool = True) -> str:
        """The first words of the answer; an event's stream is left after them, a body that is never sent is not waited for."""
        with socket.create_connection((HOST, self.server.port), timeout=20 if patient else 2) as line:
            line.sendall(request)
            answer = b""
            try:
                while len(answer) < 200_000 and (more := line.recv(65536)):
                    answer += more
                    if b"text/event-stream" in answer:
                        break
            except TimeoutError:
                if patient:
                    raise Wrong(f"no answer within 20 s: {answer[:80]!r}") from None
            except ConnectionError:
                pass
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head:
            return "the connection was closed"
        return status_words(int(head.split()[1]), body)
