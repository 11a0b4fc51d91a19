"""Large panels, counterfactuals, runs of a visit, links, the lecture on the page, an audit by axe."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from acts import (
    answers,
    ask,
    asked,
    choose_file,
    data,
    large,
    last,
    open_tab,
    press,
    set_number,
    settle,
    value,
    wait_for,
)
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from synthetic import result


def test_a_click_or_a_digit_opens_a_panel_and_escape_goes_back(page: Page):
    for key, panel in enumerate(("seen", "clustering", "scattering", "pruning", "mask", "steps")):
        page.locator("body").press(str(key))
        assert data(page, "large") == panel
        expect(page.locator(".v-large")).to_be_visible()
        expect(page.locator(".v-panels")).to_be_hidden()
        expect(page.locator(".v-strip figure")).to_have_count(6)
        page.keyboard.press("Escape")
        assert data(page, "large") == ""
    large(page, "mask")
    assert data(page, "view") == "picture"
    page.locator(".v-strip figure[data-panel=clustering] button").click()
    assert (data(page, "large"), data(page, "view"), data(page, "layer")) == ("clustering", "state", "1")
    page.get_by_role("button", name="All panels").click()
    expect(page.locator(".v-panels > figure")).to_have_count(6)


def test_scrubbing_asks_the_server_nothing(page: Page):
    settle(page, 2500)
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url))
    page.locator("body").press("]")
    page.keyboard.press(",")
    large(page)
    press(page, "Home", "]", "]", "2", "s", "ArrowUp", "Enter", ".", "7", "m", "d", "End")
    assert data(page, "layer") == "32"
    assert [url for url in urls if not url.startswith(("data:", "blob:"))] == []


def test_the_scrubber_shows_in_the_panel_of_its_stage(page: Page):
    def drawn(panel: str) -> str:
        return page.locator(f"figure[data-panel={panel}] canvas").first.evaluate("c => c.toDataURL()")

    before = drawn("scattering"), drawn("pruning")
    page.locator(".v-layer").focus()
    page.locator(".v-layer").evaluate("e => { e.value = 10; e.dispatchEvent(new Event('input', { bubbles: true })); }")
    assert drawn("scattering") != before[0] and drawn("pruning") == before[1]
    expect(page.locator("figure[data-panel=scattering][data-here='1'] figcaption")).to_contain_text("layer 10 of 32")


def test_sliders_and_stage_bar_move_together(page: Page):
    turn, shown = asked(page), answers(page)
    page.locator(".v-handle").first.focus()
    page.keyboard.press("ArrowRight")
    wait_for(page, shown)
    settle(page)
    assert [value(page, name) for name in ("Lc", "Ls")] == [9, 5] and asked(page) == turn + 1
    assert page.locator("#in_preset select").input_value() == "custom"
    set_number(page, "Lc", 12)
    expect(page.locator(".v-part").nth(0)).to_have_text("Lc 12 × 64")
    expect(page.locator(".v-part").nth(2)).to_have_text("Lp 15 × 16")
    set_number(page, "Np", 40)
    expect(page.locator(".v-part").nth(2)).to_have_text("Lp 15 × 40")
    turn, shown = asked(page), answers(page)
    track, handle = page.locator(".v-track").bounding_box(), page.locator(".v-handle").nth(1).bounding_box()
    assert track and handle
    page.mouse.move(handle["x"] + 7, handle["y"] + 12)
    page.mouse.down()
    page.mouse.move(track["x"] + track["width"] * 25 / 32, track["y"] + 10, steps=5)
    page.mouse.up()
    wait_for(page, shown)
    settle(page)
    assert [value(page, name) for name in ("Lc", "Ls")] == [12, 13] and asked(page) == turn + 1


def test_a_forced_token_is_answered(page: Page, served):
    large(page, "pruning")
    press(page, "ArrowUp", "k")
    patch, shown = int(data(page, "at")), answers(page)
    press(page, "r")
    wait_for(page, shown)
    settle(page)
    assert any(request.force == {"pruning": {"keep": [patch], "drop": []}} for request in served[1].requests)
    answer = page.locator(".v-changed")
    expect(answer).to_contain_text("With token")
    expect(answer).to_contain_text("IoU dense 1.00 to 1.00")
    expect(answer).to_contain_text("the mask stayed")
    expect(page.locator(".v-legend")).to_contain_text("mask before")


def test_which_tokens_matter_ends_with_the_fewest_that_keep_the_mask(page: Page, served):
    """Every mask of the fake session is the same, so no token matters and one is enough; real ones are tried elsewhere."""
    page.get_by_role("button", name="Which tokens matter?").click()
    expect(page.locator(".v-smallest")).to_contain_text("No single token matters")
    expect(page.locator(".v-smallest")).to_contain_text("1 of 16 survivors keep the mask (IoU 1.00)")


def test_the_history_tells_what_changed_and_sets_the_controls(page: Page):
    page.wait_for_timeout(1300)
    set_number(page, "Np", 4)
    expect(page.locator(".v-step")).to_contain_text("Np 16 → 4: IoU")
    expect(page.locator(".v-runlist li")).to_have_count(2)
    page.get_by_label("Run 1 as A").click()
    page.get_by_label("Run 2 as B").click()
    expect(page.locator(".v-diff")).to_contain_text("N_avg")
    expect(page.locator(".v-runs [role=img]")).to_be_visible()
    page.get_by_label("Set the controls to run 1").click()
    settle(page)
    assert value(page, "Np") == 16
    expect(page.locator(".v-told")).to_contain_text("(8, 64, 6, 16)")


def test_the_address_is_the_run_and_opens_it_again(visit):
    page = visit()
    settle(page)
    assert "?" not in page.url
    set_number(page, "Nc", 96)
    page.locator("#in_cluster").get_by_text("seg-first").click()
    settle(page)
    large(page, "clustering")
    press(page, "3", "Home", "]", "]", "]")
    page.wait_for_url(re.compile("at=3&show=age"))
    link = page.get_by_label("Link to this view").input_value()
    assert link == page.url
    for part in ("scene=", "Nc=96", "cluster=seg-first", "large=clustering", "at=3", "show=age"):
        assert part in link, part
    query = page.locator("#in_query textarea").input_value()
    page.reload()
    expect(page.locator(".v-board")).to_be_visible()
    assert value(page, "Nc") == 96
    expect(page.locator("#in_cluster input[value=seg-first]")).to_be_checked()
    expect(page.locator("#in_query textarea")).to_have_value(query)
    expect(page.locator(".csp-viewer[data-view=age][data-layer='3'][data-large=clustering]")).to_be_visible()
    page.wait_for_url(link)


def test_a_link_of_a_rival_sets_the_rival(visit, served):
    page = visit(query="/?scene=31&query=some%20round%20thing&method=fastv&K=3&R=20&knob_query=seg&threshold=1.5&scale=linear")
    settle(page)
    assert page.locator("#in_method select").input_value() == "fastv" and (value(page, "K"), value(page, "R")) == (3, 20)
    assert last(served[1]).knobs["query"] == "seg"
    page.locator(".v-picture").click()
    expect(page.get_by_label("Scene number")).to_have_value("31")
    expect(page.locator("#in_query textarea")).to_have_value("some round thing")
    expect(page.locator(".v-chips button").first).to_be_visible()
    page.wait_for_url(re.compile("threshold=1.5&scale=linear"))


def test_links_of_the_former_tabs_lead_to_the_board(visit):
    page = visit(query="/?scene=31&query=a%20ball&Lc=10&Nc=32&Ls=4&Np=8&cluster=cls&seed=5&tab=tokens&at=3&show=age")
    settle(page)
    expect(page.locator(".v-panels")).to_be_visible()
    expect(page.locator("figure[data-panel=clustering][data-here='1']")).to_be_visible()
    assert [value(page, n) for n in ("Lc", "Nc", "Ls", "Np")] == [10, 32, 4, 8]


def test_a_bad_link_says_so_and_changes_nothing_else(visit):
    page = visit(query="/?scene=31&Nc=900&cluster=%3Cimg%20src=x%20onerror=alert(1)%3E&query=a%20ball")
    expect(page.locator(".v-notes")).to_contain_text("The link's Nc was ignored: Nc must be in 1..256, got 900")
    expect(page.locator(".v-notes")).to_contain_text("cluster must be one of")
    assert value(page, "Nc") == 64
    worse = visit(query="/?Nc=900")
    expect(worse.locator(".csp-alert")).to_contain_text("Nc must be in 1..256")
    assert value(worse, "Nc") == 64


def test_a_saved_run_of_another_model_opens(page: Page, tmp_path: Path):
    result("fastv", side=24, query="a run of long ago").save(tmp_path / "run.npz")
    shown = answers(page)
    choose_file(page, tmp_path / "run.npz")
    wait_for(page, shown)
    expect(page.locator(".v-told")).to_contain_text("a run of long ago")
    expect(page.locator(".v-notes")).to_contain_text("Opened from a file")
    large(page, "stage-0")
    press(page, "Home")
    assert data(page, "active") == "576"
    assert value(page, "Nc") == 64
    (tmp_path / "other.npz").write_bytes(b"nothing of the kind")
    choose_file(page, tmp_path / "other.npz")
    expect(page.locator(".csp-alert")).to_contain_text("is not a saved run")


@pytest.mark.parametrize("step", [1, 8, 11])
def test_every_step_of_the_lecture_has_its_place(visit, step: int):
    page = visit(query=f"/?tab=learn&step={step}")
    expect(page.locator(".v-lesson")).to_be_visible()
    expect(page.locator("article:not([hidden])")).to_have_attribute("data-step", str(step))


def test_learn_and_board_share_one_run(page: Page):
    ask(page, "the same everywhere")
    open_tab(page, "Learn")
    expect(page.locator(".v-lesson")).to_be_visible()
    expect(page.locator(".v-board")).to_be_visible()
    open_tab(page, "Compare")
    expect(page.locator(".v-main")).to_be_hidden()
    expect(page.locator("#csp-compare")).to_be_visible()
    open_tab(page, "Board")
    expect(page.locator(".v-panels")).to_be_visible()
    expect(page.locator(".v-told")).to_contain_text("the same everywhere")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("where", ["board", "large", "learn"])
def test_axe_finds_nothing_serious_in_our_components(visit, where: str, dark: bool):
    page = visit(dark=dark, query="/?__theme=dark" if dark else "")
    if where == "learn":
        open_tab(page, "Learn")
    if where == "large":
        large(page)
        press(page, "ArrowUp", "Enter", "k", "l", "2")
    found = []
    for rule in Axe().run(page).response["violations"]:
        if rule["impact"] in ("serious", "critical"):
            found += [(rule["id"], " ".join(map(str, node["target"])), node["html"][:160]) for node in rule["nodes"]]
    assert found == []
