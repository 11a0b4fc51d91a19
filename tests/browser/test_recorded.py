"""The page over recorded runs, without a model: a gallery, and every view of every run alive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fake_session import FakeSession
from playwright.sync_api import Browser, Page, expect
from synthetic import result
from test_accessibility import findings

from csp.reference import reference
from csp.ui import build_recorded, launch_options


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("runs")
    for name, run in {
        "a": result(query="the red ball"),
        "b": result("fastv", size=(480, 640), side=24, L=40, query="<img src=x onerror=alert(1)>"),
        "c": result("full", query="a bench"),
    }.items():
        named = replace(run, request=replace(run.request, model=f"LISA-{name}"))
        replace(named, reference=reference(Beside(run), named.request)).save(folder / f"{name}.npz")
    demo = build_recorded(str(folder))
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield url.rstrip("/")
    demo.close()


class Beside(FakeSession):
    """What stands beside a run of any shape."""

    def __init__(self, run):
        super().__init__()
        self.run_ = run

    def dense(self, request):
        return self.run_

    def cls(self, image):
        import numpy as np

        return np.linspace(0, 1, self.run_.trace.layout.N, dtype=np.float32)


@pytest.fixture
def visit(browser: Browser, url: str):
    errors: list[str] = []

    def visit(width: int = 1280, height: int = 720, query: str = "") -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("dialog", lambda dialog: errors.append(dialog.message))
        page.goto(url + query)
        expect(page.locator(".csp-viewer[data-run]")).to_be_visible()
        return page

    yield visit
    for context in browser.contexts:
        context.close()
    assert errors == []


def shown(page: Page, words: str) -> None:
    expect(page.locator('.r-list [aria-selected="true"]')).to_contain_text(words)


def test_the_gallery_leads_to_every_run(visit):
    page = visit()
    expect(page.locator(".r-list button")).to_have_count(3)
    shown(page, "the red ball")
    page.locator(".r-list button").nth(2).click()
    shown(page, "a bench")
    expect(page.locator(".csp-viewer")).to_have_attribute("data-run", "2")
    page.locator(".r-list button").nth(2).press("ArrowLeft")
    shown(page, "<img src=x")
    expect(page.locator(".csp-viewer")).to_have_attribute("data-run", "3")
    assert "run=b.npz" in page.url


def test_all_seven_views_are_alive(visit):
    page = visit()
    for number in range(3):
        page.locator(".r-list button").nth(number).click()
        shown(page, ["the red ball", "<img", "a bench"][number])
        assert page.locator(".v-views button").count() >= 7
        page.wait_for_function("() => [...document.querySelectorAll('.v-views button')].every(one => !one.disabled)")


def test_a_link_leads_to_a_run(visit):
    page = visit(query="/?run=c.npz")
    shown(page, "a bench")
    expect(page.locator(".csp-viewer")).to_contain_text("a bench")


def test_searching(visit):
    page = visit()
    page.get_by_role("searchbox").fill("lisa-c")
    expect(page.locator(".r-list button:visible")).to_have_count(1)
    expect(page.locator(".r-told")).to_have_text("1 of 3 runs")


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 844)])
def test_gallery_and_board_share_the_screen(visit, width, height):
    page = visit(width, height)
    assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
    gallery, board = page.locator(".csp-recorded").bounding_box(), page.locator(".csp-viewer").bounding_box()
    assert gallery["y"] + gallery["height"] <= board["y"] + 1 and board["y"] < height / 3
    assert findings(page) == []


def test_the_folder_is_not_served(visit, url: str):
    page = visit()
    for path in ("a.npz", "file=a.npz", "gradio_api/file=a.npz", "gradio_api/file=/etc/passwd"):
        assert page.request.get(f"{url}/{path}").status >= 400, Path(path)
