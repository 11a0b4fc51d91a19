"""docs/http.md against the running page: its table, its Python and its curl are what they say."""

from __future__ import annotations

import re
import subprocess
import urllib.request
from pathlib import Path

import pytest
from PIL import Image
from serving import page

from csp.ui.api import FIRST, LATER

DOC = (Path(__file__).parents[1] / "docs" / "http.md").read_text()


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", DOC, re.S)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with page(tmp_path_factory.mktemp("gradio")) as (address, _):
        yield address


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    Image.new("RGB", (64, 48), (200, 60, 50)).save(tmp_path / "picture.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_example(url, folder, capsys):
    exec(block("python").replace("http://127.0.0.1:7860", url), {})
    n_avg, notes = capsys.readouterr().out.splitlines()[-1].split(" ", 1)
    assert float(n_avg) == 77 and notes.startswith("[")


def test_the_curl_example(url, folder):
    script = block("bash").replace("http://127.0.0.1:7860", url)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, timeout=120)
    assert "event: complete" in done.stdout and '"n_avg": 73' in done.stdout, done.stdout + done.stderr


def test_the_table_names_every_parameter():
    rows = re.findall(r"^\| (`[^|]+) \|", DOC.partition("## The run as JSON")[0], re.M)
    named = re.findall(r"`(\w+)`", " ".join(rows))
    assert named == [*FIRST, *LATER]


@pytest.mark.parametrize("address", re.findall(r"`http://127\.0\.0\.1:7860(/gradio_api/(?:info|openapi\.json))`", DOC))
def test_the_descriptions_are_where_the_page_says(url, address):
    with urllib.request.urlopen(url + address) as stream:
        assert "run" in stream.read().decode()
