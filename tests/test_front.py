"""Several pages behind one address: the document's own configuration, and a class's sums over all of them."""

from __future__ import annotations

import os
import re
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from csp.bench import front
from csp.bench.running import Running
from csp.bench.visitor import Visitor
from csp.ui import MAX_UPLOAD


def test_the_documents_block_is_what_is_started(tmp_path: Path) -> None:
    block = front.configuration(9999, [7001, 7002, 7003])
    assert re.findall(r"server 127\.0\.0\.1:(\d+);", block) == ["7001", "7002", "7003"] and "listen 127.0.0.1:9999;" in block
    assert "hash $csp_visit consistent;" in block and "proxy_buffering off;" in block
    told = front.whole(tmp_path, block)
    assert told.count("{") == told.count("}") and str(tmp_path) in told
    # What the page takes passes every proxy of the document.
    sizes = re.findall(r"client_max_body_size (\d+)m;", front.HOSTING.read_text(encoding="utf-8"))
    assert len(sizes) == 2 and {f"{size}mb" for size in sizes} == {MAX_UPLOAD}


def test_without_nginx_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front.shutil, "which", lambda *_, **__: None)
    with pytest.raises(ValueError, match="nginx is not installed"), front.several(2):
        pass


def test_a_class_counts_all_pages() -> None:
    own = Running("http://127.0.0.1:1", os.getpid())
    both = front.Several("http://127.0.0.1:2", (own, own))
    one, two = own.resident(), both.resident()
    assert one is not None and two is not None and 1.8 * one < two < 2.2 * one
    assert (both.cpu() or 0) >= 2 * 0.1
    assert front.Several("", (own, Running("", 2**22 + 1))).cpu() is None


def test_a_visitor_comes_back_with_the_cookie_of_the_page() -> None:
    seen: list[str | None] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            seen.append(self.headers.get("Cookie"))
            self.send_response(200)
            self.send_header("Set-Cookie", "csp=a1; Path=/; HttpOnly")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return None

    server = HTTPServer(("127.0.0.1", 0), Page)
    Thread(target=server.serve_forever, daemon=True).start()
    visitor = Visitor(f"http://127.0.0.1:{server.server_port}")
    for _ in range(2):
        visitor._ask("GET", "/")
    server.shutdown()
    server.server_close()
    assert seen == [None, "csp=a1"]
