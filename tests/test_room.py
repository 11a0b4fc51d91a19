"""A full disk is told in words, over the real server, and nothing half-written is left."""

from __future__ import annotations

import errno
import http.client
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from PIL import Image
from serving import page

from csp.bench.visitor import Visitor
from csp.ui import room

WORDS = room.WORDS.partition(":")[0]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("gradio")
    with page(folder) as (url, _):
        yield url, folder


def upload(url: str, body: bytes) -> tuple[int, str]:
    at = urlsplit(url)
    connection = http.client.HTTPConnection(at.hostname or "", at.port, timeout=30)
    data = b'--xx\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n' + body + b"\r\n--xx--\r\n"
    connection.request("POST", "/gradio_api/upload", data, {"Content-Type": "multipart/form-data; boundary=xx"})
    answer = connection.getresponse()
    told = answer.status, answer.read().decode()
    connection.close()
    return told


def test_what_would_not_fit_is_refused_before_it_is_written(
    served: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, folder = served
    before = set(folder.rglob("*"))
    usage = shutil.disk_usage(folder)
    assert upload(url, b"x" * 1000)[0] == 200
    before = set(folder.rglob("*"))
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: SimpleNamespace(total=usage.total, used=0, free=room.SPARE + 500))
    status, told = upload(url, b"y" * 1000)
    assert status == 507 and WORDS in json.loads(told)["detail"]
    assert set(folder.rglob("*")) == before


def test_a_disk_that_fills_while_it_is_written_to(
    served: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    url, folder = served
    before = {file for file in folder.rglob("*") if file.is_file()}

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        made = tempfile.NamedTemporaryFile

        def tight(*args: object, **more: object):
            file = made(*args, **more)
            file.write = full
            return file

        patched.setattr("gradio.route_utils.NamedTemporaryFile", tight)
        status, told = upload(url, b"z" * 1000)
    assert status == 507 and WORDS in json.loads(told)["detail"]
    assert {file for file in folder.rglob("*") if file.is_file()} == before
    assert "Traceback" not in capfd.readouterr().err
    assert upload(url, b"z" * 1000)[0] == 200


def test_an_answer_that_cannot_be_written_is_told(
    served: tuple[str, Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    visitor = Visitor(served[0])
    path = visitor.upload("a.png", (tmp_path / "a.png").read_bytes())
    values = [{"path": path, "meta": {"_type": "gradio.FileData"}}, "the red ball", "csp", 8, 64, 6, 16, "uniform", 0]
    assert visitor.endpoint(values)[2]["request"]["query"] == "the red ball"

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("PIL.Image.Image.save", full)
    monkeypatch.setattr("gradio.processing_utils.save_pil_to_cache", full)
    monkeypatch.setattr("gradio.processing_utils.save_img_array_to_cache", full)
    with pytest.raises(ValueError, match=WORDS):
        visitor.endpoint(values)
    assert "Traceback" not in capfd.readouterr().err


def test_another_error_of_the_system_is_not_taken_for_a_full_disk() -> None:
    assert room.full(OSError(errno.ENOSPC, "")) and room.full(OSError(errno.EDQUOT, ""))
    assert not room.full(OSError(errno.EACCES, ""))
