"""The endpoint as a tool for agents, tried with a real MCP client over HTTP."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from PIL import Image
from serving import page

from csp.methods import METHODS, knobs


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    with page(tmp_path_factory.mktemp("gradio"), mcp=True) as (address, _):
        yield address


def talk(url: str, work: Callable[[ClientSession], Coroutine[Any, Any, Any]]) -> Any:
    """A conversation with the server, as an agent's host holds it; in a thread: a browser's tests leave a loop in this one."""

    async def run() -> Any:
        async with streamable_http_client(f"{url}/gradio_api/mcp/") as (read, write, _), ClientSession(read, write) as session:
            await session.initialize()
            return await work(session)

    with ThreadPoolExecutor(1) as other:
        return other.submit(lambda: asyncio.run(run())).result(timeout=120)


def data_url() -> str:
    y, x = np.mgrid[0:60, 0:80]
    buffer = io.BytesIO()
    Image.fromarray(np.stack([x * 3, y * 4, x + y], -1).astype(np.uint8)).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def test_one_tool_that_says_what_it_takes(url):
    (tool,) = talk(url, lambda session: session.list_tools()).tools
    assert tool.name.endswith("run") and "Segment what a query asks for" in tool.description
    taken = tool.inputSchema["properties"]
    assert tool.inputSchema["required"] == ["image", "query"]
    assert {"image", "query", "method", "knobs", "seg_mode", "template", "strip"} <= set(taken)
    for name, method in METHODS.items():
        assert name in taken["method"]["description"] and method.label in taken["method"]["description"]
        for knob in knobs(method):
            assert f"{knob.name} (" in taken["knobs"]["description"]
    json.dumps(tool.inputSchema, allow_nan=False)


def test_an_agent_gets_a_mask_and_numbers(url):
    asked = {"image": data_url(), "query": "the red ball", "method": "fastv", "knobs": {"K": 3, "R": 40}}
    answer = talk(url, lambda session: session.call_tool("run", asked))
    assert not answer.isError, answer
    image = next(part for part in answer.content if part.type == "image")
    mask = np.asarray(Image.open(io.BytesIO(base64.b64decode(image.data))).convert("L"))
    assert mask.shape == (60, 80) and set(np.unique(mask)) == {0, 255}
    told = json.loads(answer.content[-1].text)
    assert told["request"]["method"] == "fastv" and told["request"]["knobs"] == {"K": 3, "R": 40}


def test_an_agent_that_follows_progress_gets_the_same(url):
    async def followed(session: ClientSession) -> Any:
        return await session.call_tool("run", asked, progress_callback=heard)

    async def heard(done: float, of: float | None, message: str | None) -> None:
        steps.append(message)

    steps: list[str | None] = []
    asked = {"image": data_url(), "query": ["the red ball", "a tree"], "strip": True}
    answers = [talk(url, lambda session: session.call_tool("run", asked)), talk(url, followed)]
    kinds = [[part.type for part in answer.content] for answer in answers]
    assert kinds[0] == kinds[1] and kinds[0].count("image") == 2 and steps
    for answer in answers:
        assert [run["request"]["query"] for run in json.loads(answer.content[-1].text)] == ["the red ball", "a tree"]


def test_an_agent_is_told_what_will_not_do(url):
    answer = talk(url, lambda session: session.call_tool("run", {"image": data_url(), "query": "x", "knobs": {"Nc": 300}}))
    assert answer.isError and "Nc must be in 1..256 (the image has 256 tokens), got 300" in answer.content[0].text


@pytest.mark.parametrize("image", ["/etc/passwd", "file:///etc/passwd", "app.py"])
def test_an_agent_reads_no_file_of_the_server(url, image):
    answer = talk(url, lambda session: session.call_tool("run", {"image": image, "query": "x"}))
    assert answer.isError and "root:" not in str(answer)


def test_without_the_flag_there_is_no_tool(tmp_path):
    with page(tmp_path) as (address, _), pytest.raises(BaseException):  # noqa: B017, PT011
        talk(address, lambda session: session.list_tools())
