"""A saved run of another model, with another number of layers and a finer grid, in every tab that shows a run."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from synthetic import result


def data(page: Page, name: str) -> str:
    return page.locator(".csp-viewer").get_attribute(f"data-{name}") or ""


def drawn(page: Page, after: int) -> None:
    """Wait for the run after this one."""
    page.wait_for_function("n => +document.querySelector('.csp-viewer').dataset.run > n", arg=after)


def choose_tab(page: Page, name: str) -> None:
    page.locator("#csp-tabs").get_by_role("tab", name=name).click()


def press(page: Page, *keys: str) -> None:
    page.locator(".v-board").focus()
    for key in keys:
        page.keyboard.press(key)


@pytest.fixture
def opened(page: Page, tmp_path: Path) -> Page:
    """The page with a 40-layer run on 24 x 24 tokens of a wide picture open, in the Tokens tab."""
    run = result(size=(480, 640), side=24, L=40, query="a run of long ago")
    replace(run, request=replace(run.request, model="LISA-13B-v1")).save(tmp_path / "run.npz")
    choose_tab(page, "Tokens")
    expect(page.locator(".v-steps svg")).to_be_visible()
    page.get_by_role("button", name="Download").click()
    before = int(data(page, "run"))
    with page.expect_file_chooser() as chooser:
        page.locator("#do_open").click()
    chooser.value.set_files(tmp_path / "run.npz")
    drawn(page, before)
    return page


def test_tokens_shows_all_its_layers_and_views(opened: Page):
    expect(opened.locator(".v-outcome")).to_contain_text("a run of long ago")
    press(opened, "Home")
    assert (data(opened, "layer"), data(opened, "active")) == ("0", "576")
    press(opened, "End")
    assert (data(opened, "layer"), data(opened, "active")) == ("40", "16")
    seen = set()
    for key in "123456789":
        press(opened, key)
        seen.add(data(opened, "view"))
    # Neither the tower's own attention nor its instances are in a file.
    assert seen == {"state", "attention", "age", "compute", "positions"}
    press(opened, "1", "ArrowUp", "Enter")
    expect(opened.locator(".v-steps svg")).to_be_visible()
    expect(opened.locator("#in_Lc input[type=number]")).to_have_value("8")


def test_explore_shows_its_panels_and_bill(opened: Page):
    choose_tab(opened, "Explore")
    expect(opened.locator(".csp-notes")).to_contain_text("made by LISA-13B-v1")
    expect(opened.locator(".csp-status")).to_contain_text("a run of long ago")
    expect(opened.locator("figure[data-panel]")).to_have_count(6)
    expect(opened.locator(".csp-results")).to_contain_text("of 576")


def test_learn_says_its_numbers(opened: Page):
    choose_tab(opened, "Learn")
    for step in range(1, 9):
        opened.locator(".l-list button").nth(step - 1).click()
        shown = opened.locator("article:not([hidden])")
        expect(shown).to_have_attribute("data-step", str(step))
        for live in shown.locator("[data-live]").all():
            # The dense run does not travel in the file.
            unknown = ("",) if live.get_attribute("data-live") in ("iou_dense", "d_flops", "d_ms") else ("", "–", "?")
            assert live.inner_text().strip() not in unknown, (step, live.get_attribute("data-live"))
    opened.locator(".l-list button").nth(0).click()
    expect(opened.locator("article:not([hidden])")).to_contain_text(re.compile(r"24 × 24"))


def test_the_next_run_is_of_the_page_again(opened: Page):
    before = int(data(opened, "run"))
    opened.locator("#do_run").click()
    drawn(opened, before)
    press(opened, "End")
    assert data(opened, "layer") == "32"


def test_its_tokens_are_not_forced_upon_the_pages_model(opened: Page, served):
    session = served[1]
    before = len(session.requests)
    expect(opened.locator(".v-force")).to_contain_text("A saved run is only shown")
    press(opened, "End", "ArrowUp", "k", "r")
    opened.wait_for_timeout(1500)
    assert len(session.requests) == before
    turn = int(data(opened, "run"))
    opened.locator("#do_run").click()
    drawn(opened, turn)
    press(opened, "End", "ArrowUp", "k")
    expect(opened.locator(".v-force")).to_contain_text("Run with these")
