"""A saved run of another model, with another number of layers and a finer grid, in every tab that shows a run."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from acts import answers, choose_file, data, large, open_tab, press, value, wait_for
from playwright.sync_api import Page, expect
from synthetic import result


@pytest.fixture
def opened(page: Page, tmp_path: Path) -> Page:
    """The page with a 40-layer run on 24 x 24 tokens of a wide picture open."""
    run = result(size=(480, 640), side=24, L=40, query="a run of long ago")
    replace(run, request=replace(run.request, model="LISA-13B-v1")).save(tmp_path / "run.npz")
    before = answers(page)
    choose_file(page, tmp_path / "run.npz")
    wait_for(page, before)
    return page


def test_tokens_shows_all_its_layers_and_views(opened: Page):
    expect(opened.locator(".v-told")).to_contain_text("a run of long ago")
    large(opened, "pruning")
    press(opened, "Home")
    assert (data(opened, "layer"), data(opened, "active")) == ("0", "576")
    press(opened, "End")
    assert (data(opened, "layer"), data(opened, "active")) == ("40", "16")
    seen = set()
    for key in "123456789":
        press(opened, key)
        seen.add(data(opened, "view"))
    # Neither the tower's own attention nor its instances are in a file.
    assert seen == {"state", "attention", "age", "compute", "positions", "picture"}
    press(opened, "1", "ArrowUp", "Enter")
    expect(opened.locator(".v-card")).to_have_count(1)
    assert value(opened, "Lc") == 8


def test_the_board_shows_its_panels_and_bill(opened: Page):
    expect(opened.locator(".v-notes")).to_contain_text("made by LISA-13B-v1")
    expect(opened.locator(".v-panels > figure")).to_have_count(6)
    expect(opened.locator(".v-bill")).to_contain_text("of 576")
    expect(opened.locator(".v-matter")).to_be_hidden()


def test_learn_says_its_numbers(opened: Page):
    open_tab(opened, "Learn")
    for step in range(1, 12):
        opened.locator(".l-list button").nth(step - 1).click()
        shown = opened.locator("article:not([hidden])")
        expect(shown).to_have_attribute("data-step", str(step))
        for live in shown.locator("[data-live]").all():
            # The dense run does not travel in the file.
            unknown = ("",) if live.get_attribute("data-live") in ("iou_dense", "d_flops") else ("", "–", "?")
            assert live.inner_text().strip() not in unknown, (step, live.get_attribute("data-live"))
    opened.locator(".l-list button").nth(2).click()
    expect(opened.locator("article:not([hidden])")).to_contain_text(re.compile(r"24 × 24"))


def test_the_next_run_is_of_the_page_again(opened: Page):
    before = answers(opened)
    opened.locator("#do_run").click()
    wait_for(opened, before)
    large(opened, "pruning")
    press(opened, "End")
    assert data(opened, "layer") == "32"


def test_its_tokens_are_not_forced_upon_the_pages_model(opened: Page, served):
    session = served[1]
    before = len(session.requests)
    large(opened, "pruning")
    expect(opened.locator(".v-force")).to_contain_text("A saved run is only shown")
    press(opened, "End", "ArrowUp", "k", "r")
    opened.wait_for_timeout(1500)
    assert len(session.requests) == before
    turn = answers(opened)
    opened.locator("#do_run").click()
    wait_for(opened, turn)
    press(opened, "End", "ArrowUp", "k")
    expect(opened.locator(".v-force")).to_contain_text("Run with these")
