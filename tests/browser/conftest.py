"""Chromium for the page: one browser a session, a context a test, every request watched."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from serving import page as serve
from strict import Strict

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
expect.set_options(timeout=20_000)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: needs Chromium (CHROMIUM=/path, default /usr/bin/chromium)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM", "/usr/bin/chromium")
    if not Path(path).exists():
        pytest.skip(f"there is no Chromium at {path}: apt-get install -y chromium, or set CHROMIUM")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory):
    with serve(tmp_path_factory.mktemp("gradio")) as (url, session):
        yield url, session


@pytest.fixture(scope="session")
def url(served) -> str:
    return served[0]


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Callable[..., Page]]:
    strict = Strict(browser, url)
    yield strict.open
    for context in browser.contexts:
        context.close()
    assert strict.abroad == [], "the page asked another machine"
    assert strict.errors == [], "a script failed"


@pytest.fixture
def page(visit) -> Page:
    return visit()
