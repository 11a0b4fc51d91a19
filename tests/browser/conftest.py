"""Chromium for the page: one browser a session, a context a test, every request watched."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))
from serving import page as serve

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


class Strict:
    """Opens pages that may ask nothing of other machines and may not raise."""

    def __init__(self, browser: Browser, url: str):
        self.browser, self.url = browser, url
        self.abroad: list[str] = []
        self.errors: list[str] = []

    def open(self, width: int = 1360, height: int = 900, dark: bool = False, query: str = "") -> Page:
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            accept_downloads=True,
        )
        page = context.new_page()
        page.on("request", self._watch)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(self.url + query)
        expect(page.locator(".csp-results[data-run]")).to_be_visible()
        return page

    def _watch(self, request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.abroad.append(request.url)


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
