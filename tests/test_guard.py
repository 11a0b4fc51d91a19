"""Who may ask the page, how much may be sent, and what its answers let a browser do: over the real server."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import serving

from csp.ui import address, guard

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving.page(tmp_path_factory.mktemp("page")) as (url, _):
        yield url


Answer = tuple[int, dict[str, str], bytes]


def ask(url: str, path: str = "/config", method: str = "GET", body: object = None, **headers: str) -> Answer:
    told = urlsplit(url)
    connection = http.client.HTTPConnection(told.hostname or "", told.port, timeout=30)
    try:
        chunked = not isinstance(body, bytes | str | None)
        connection.request(method, path, body, headers, encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_every_answer_says_what_a_browser_may_do(url: str) -> None:
    for path in ("/", "/config", "/no/such/place", "/gradio_api/info"):
        _, headers, _ = ask(url, path)
        assert headers["x-content-type-options"] == "nosniff"
        assert "object-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'self' https://huggingface.co https://*.hf.space" in headers["content-security-policy"]


@pytest.mark.parametrize("name", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "[::2]:7860", ""])
def test_another_hosts_name_is_refused_on_loopback(url: str, name: str) -> None:
    status, _, body = ask(url, Host=name)
    assert status == 421
    assert "start it with --proxy" in json.loads(body)["error"]


@pytest.mark.parametrize("name", ["[::1", "::1]", "[", "]["])
def test_a_host_that_is_none_is_refused_in_words(url: str, name: str) -> None:
    status, _, body = ask(url, Host=name)
    assert status == 400 and "Host must be a name or an address" in str(body)


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST:1", "127.0.0.1:7860", "[::1]:7860"])
def test_loopbacks_own_names_are_answered(url: str, name: str) -> None:
    assert ask(url, Host=name)[0] == 200


def test_a_forwarded_name_is_not_believed_without_a_proxy(url: str) -> None:
    body = ask(url, "/", **{"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"})[2]
    assert b"evil.example" not in body


def test_bodies_of_more_than_24_mb_are_refused_with_and_without_a_length(url: str) -> None:
    start, path = b'{"data": ["data:image/png;base64,', "/gradio_api/call/run"
    long = start + b"A" * (25 * 2**20)
    head = {"Content-Type": "application/json"}
    status, _, body = ask(url, path, "POST", iter([start, *[b"A" * 2**20] * 25]), **head)
    assert status == 413
    assert "at most 24 MB" in json.loads(body)["error"]
    status, _, body = ask(url, path, "POST", long, **head)
    assert status == 413 and "got 25.0 MB" in json.loads(body)["error"]
    # Far too long by what it tells, it is refused before it is sent.
    told = urlsplit(url)
    with socket.create_connection((told.hostname, told.port), timeout=30) as raw:
        raw.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {10 * len(long)}\r\n\r\n".encode())
        assert b" 413 " in raw.recv(200)


@pytest.mark.parametrize(
    ("bind", "proxy", "names"),
    [
        ("127.0.0.1", False, {"localhost", "127.0.0.1", "::1"}),
        ("localhost", False, {"localhost", "127.0.0.1", "::1"}),
        ("::1", False, {"localhost", "127.0.0.1", "::1"}),
        ("127.0.0.1", True, set()),
        ("0.0.0.0", False, set()),
        ("lecture.example", False, set()),
    ],
)
def test_names_are_checked_on_loopback_without_a_proxy_only(bind: str, proxy: bool, names: set[str]) -> None:
    assert set(guard.hosts_of(bind, proxy)) == names


def test_the_proxy_of_the_documents_sends_what_the_page_needs() -> None:
    hosting = (ROOT / "docs/hosting.md").read_text(encoding="utf-8")
    assert re.search(r"python app\.py .*--proxy", hosting)
    assert f"client_max_body_size {guard.MOST_BYTES // 2**20}m;" in hosting


@pytest.mark.parametrize(
    ("host", "port", "says"),
    [
        ("127.0.0.1", 99999, r"--port must be in 1\.\.65535, got 99999"),
        ("127.0.0.1", 0, r"--port must be in 1\.\.65535, got 0"),
        ("192.0.2.7", 7860, "192.0.2.7 is not an address of this machine"),
        ("no such host", 7860, "--host must be a name or address of this machine"),
    ],
)
def test_an_address_that_will_not_do_is_told(host: str, port: int, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        address.check_address(host, port)


def test_a_port_in_use_is_told_before_anything_is_loaded() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = [sys.executable, "-X", "importtime", "app.py", "--port", str(port)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert done.returncode == 2
    assert said == [f"app: port {port} of 127.0.0.1 is in use: stop what runs there, or choose another with --port"]
    assert "| torch\n" not in done.stderr


def test_a_folder_of_a_process_that_is_gone_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address.tempfile, "gettempdir", lambda: str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, running = tmp_path / f"{address.PREFIX}{gone.pid}-x", tmp_path / f"{address.PREFIX}{os.getpid()}-x"
    for folder in (left, running, tmp_path / f"{address.PREFIX}strange", tmp_path / "another"):
        folder.mkdir()
        (folder / "upload.png").write_bytes(b"x")
    made = address.own_folder()
    assert made.is_dir() and made.name.startswith(f"{address.PREFIX}{os.getpid()}-")
    assert not left.exists()
    assert running.exists() and (tmp_path / "another").exists() and (tmp_path / f"{address.PREFIX}strange").exists()


def test_no_temporary_folder_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(address.tempfile, "gettempdir", lambda: str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="name one in TMPDIR"):
        address.own_folder()
