"""The token viewer and the lecture on the page: what they ask of it, links, saved runs, an audit by axe."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect
from synthetic import result


def turns(page: Page) -> int:
    return int(page.locator(".csp-viewer").get_attribute("data-run") or 0)


def wait_for(page: Page, after: int) -> None:
    page.wait_for_function("n => +document.querySelector('.csp-viewer').dataset.run > n", arg=after)


def data(page: Page, name: str) -> str:
    return page.locator(".csp-viewer").get_attribute(f"data-{name}") or ""


def choose_tab(page: Page, name: str) -> None:
    """A tab by its name; on a narrow page it may be in the menu behind the others."""
    tab = page.locator("#csp-tabs").get_by_role("tab", name=name)
    if not tab.is_visible():
        page.locator("#csp-tabs .overflow-menu > button").click()
        tab = page.locator("#csp-tabs .overflow-dropdown button", has_text=name)
    tab.click()


def open_tab(page: Page, name: str) -> None:
    choose_tab(page, name)
    expect(page.locator(".v-steps svg")).to_be_visible()


def press(page: Page, *keys: str) -> None:
    page.locator(".v-board").focus()
    for key in keys:
        page.keyboard.press(key)


def value(page: Page, name: str) -> int:
    return int(page.locator(f"#in_{name} input[type=number]").input_value())


def set_number(page: Page, name: str, to: int) -> None:
    """Type a number and wait for its run; a slider may run twice, on input and on release."""
    before = turns(page)
    box = page.locator(f"#in_{name} input[type=number]")
    box.fill(str(to))
    box.press("Tab")
    wait_for(page, before)
    settle(page)


def settle(page: Page) -> None:
    page.wait_for_function(
        "() => { const r = document.querySelector('.csp-viewer'), n = r.dataset.run; "
        "return new Promise(done => setTimeout(() => done(r.dataset.run === n), 700)); }"
    )


@pytest.fixture
def tokens(page: Page) -> Page:
    open_tab(page, "Tokens")
    return page


def test_tabs_share_one_run(page: Page):
    expect(page.locator(".csp-viewer")).to_be_hidden()
    open_tab(page, "Tokens")
    expect(page.locator(".csp-results")).to_be_hidden()
    expect(page.locator("#in_Lc")).to_be_visible()
    expect(page.locator(".v-lesson")).to_be_hidden()
    open_tab(page, "Learn")
    expect(page.locator(".v-lesson")).to_be_visible()
    choose_tab(page, "Explore")
    expect(page.locator(".csp-results")).to_be_visible()
    expect(page.locator(".csp-viewer")).to_be_hidden()


def test_scrubbing_asks_the_server_nothing(tokens: Page):
    asked: list[str] = []
    tokens.on("request", lambda request: asked.append(request.url))
    press(tokens, "Home", "]", "]", "2", "s", "ArrowUp", "Enter", ".", "7", "m", "d", "End")
    assert data(tokens, "layer") == "32"
    assert [url for url in asked if not url.startswith(("data:", "blob:"))] == []


def test_sliders_and_stage_bar_move_together(tokens: Page):
    before = turns(tokens)
    tokens.locator(".v-handle").first.focus()
    tokens.keyboard.press("ArrowRight")
    wait_for(tokens, before)
    assert [value(tokens, name) for name in ("Lc", "Ls")] == [9, 5]
    assert tokens.locator("#out_Lp input").input_value() == "18"
    expect(tokens.locator("#in_preset input")).to_have_value("custom")
    set_number(tokens, "Lc", 12)
    expect(tokens.locator(".v-plan")).to_contain_text("Lc 12 + Ls 5 + Lp 15")
    set_number(tokens, "Np", 40)
    expect(tokens.locator(".v-plan")).to_contain_text("Np 40")


def test_a_forced_token_runs_again_and_says_what_changed(tokens: Page, served):
    session = served[1]
    press(tokens, "End", "ArrowUp", "k")
    patch = int(data(tokens, "at"))
    before = turns(tokens)
    press(tokens, "r")
    wait_for(tokens, before)
    assert session.requests[-1].force == {"pruning": {"keep": [patch], "drop": []}}
    expect(tokens.locator(".v-changed")).to_contain_text("pruning: 1 kept, 0 dropped by hand")
    expect(tokens.locator(".v-changed")).to_contain_text("IoU with the mask before: 1.00")
    expect(tokens.locator(".v-changed")).to_contain_text("IoU with the true mask")


def test_the_address_is_the_run_and_opens_it_again(visit):
    page = visit()
    assert "?" not in page.url
    open_tab(page, "Tokens")
    set_number(page, "Nc", 96)
    page.locator("#in_cluster").get_by_label("seg-first").check()
    expect(page.locator(".v-outcome h3")).to_contain_text("seg-first")
    press(page, "3", "Home", "]", "]", "]")
    page.wait_for_url(re.compile("at=3&show=age"))
    link = page.get_by_label("Link to this view").input_value()
    assert link == page.url
    for part in ("scene=", "Nc=96", "cluster=seg-first", "tab=tokens", "at=3", "show=age"):
        assert part in link, part
    query = page.locator("#in_query textarea").input_value()
    page.reload()
    expect(page.locator(".v-board")).to_be_visible()
    expect(page.locator("#in_Nc input[type=number]")).to_have_value("96")
    expect(page.locator("#in_cluster").get_by_label("seg-first")).to_be_checked()
    expect(page.locator("#in_query textarea")).to_have_value(query)
    expect(page.locator(".csp-viewer[data-view=age][data-layer='3']")).to_be_visible()
    expect(page.locator(".v-outcome h3")).to_contain_text("(8, 96, 6, 16), seg-first")
    page.wait_for_url(link)


def test_a_link_to_another_scene_and_query(visit):
    page = visit(query="/?scene=31&query=some%20round%20thing&Lc=10&Nc=32&Ls=4&Np=8&seed=5")
    expect(page.locator("#in_scene input")).to_have_value("31")
    expect(page.locator("#in_query textarea")).to_have_value("some round thing")
    expect(page.locator(".csp-status")).to_contain_text("(10, 32, 4, 8)")
    expect(page.locator(".csp-status")).to_contain_text("seed 5")
    assert page.locator("#out_Lp input").input_value() == "18"
    expect(page.locator(".csp-chips button").first).to_be_visible()


def test_a_bad_link_says_so_and_changes_nothing_else(visit):
    page = visit(query="/?scene=31&Nc=900&cluster=%3Cimg%20src=x%20onerror=alert(1)%3E&query=a%20ball")
    expect(page.locator(".csp-notes")).to_contain_text("The link's Nc was ignored: Nc must be in 1..256, got 900")
    expect(page.locator(".csp-notes")).to_contain_text("cluster must be one of")
    assert value(page, "Nc") == 64
    worse = visit(query="/?Nc=900")
    expect(worse.locator(".csp-alert").first).to_contain_text("Nc must be in 1..256")
    assert value(worse, "Nc") == 64


def test_a_run_of_the_history_sets_the_controls(tokens: Page):
    tokens.wait_for_timeout(1300)
    set_number(tokens, "Np", 4)
    tokens.locator(".v-runs summary").click()
    tokens.get_by_label("Set the controls to run 1").click()
    expect(tokens.locator("#in_Np input[type=number]")).to_have_value("16")
    expect(tokens.locator(".v-outcome h3")).to_contain_text("(8, 64, 6, 16)")


def choose_file(page: Page, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator("#do_open").click()
    chooser.value.set_files(path)


def test_a_saved_run_of_another_model_opens(tokens: Page, tmp_path: Path):
    result("fastv", side=24, query="a run of long ago").save(tmp_path / "run.npz")
    tokens.get_by_role("button", name="Download").click()
    before = turns(tokens)
    choose_file(tokens, tmp_path / "run.npz")
    wait_for(tokens, before)
    expect(tokens.locator(".v-outcome")).to_contain_text("a run of long ago")
    press(tokens, "Home")
    assert data(tokens, "active") == "576"
    choose_tab(tokens, "Explore")
    expect(tokens.locator(".csp-notes")).to_contain_text("Opened from a file")
    assert value(tokens, "Nc") == 64
    (tmp_path / "other.npz").write_bytes(b"nothing of the kind")
    choose_file(tokens, tmp_path / "other.npz")
    expect(tokens.locator(".csp-alert").first).to_contain_text("other.npz is not a saved run")


def test_words_of_a_visitor_are_never_code_here_either(tokens: Page):
    words = "<img src=x onerror=window.hacked=1> ${window.hacked=1} {{constructor}}"
    before = turns(tokens)
    tokens.locator("#in_query textarea").fill(words)
    tokens.locator("#do_run").click()
    wait_for(tokens, before)
    expect(tokens.locator(".v-outcome")).to_contain_text(words)
    assert tokens.evaluate("window.hacked") is None


def test_every_step_of_the_lecture_has_its_place(visit):
    for step, view in enumerate(("state", "positions", "state", "compute", "age", "attention", "state", "compute"), 1):
        if step in (1, 5):
            page = visit(query=f"/?tab=learn&step={step}")
            expect(page.locator(".v-lesson")).to_be_visible()
        else:
            page.locator(".l-next").click()
        shown = page.locator("article:not([hidden])")
        expect(shown).to_have_count(1)
        expect(shown).to_have_attribute("data-step", str(step))
        expect(page.locator(f".csp-viewer[data-view={view}]")).to_be_visible()
        expect(shown.locator("math")).to_be_visible()
        assert shown.locator("[data-live]").count() >= 1
        for live in shown.locator("[data-live]").all():
            assert live.inner_text().strip() not in ("", "–", "?"), live.get_attribute("data-live")
        page.wait_for_url(re.compile(f"step={step}$"))
    expect(page.locator(".l-next")).to_be_disabled()
    page.get_by_role("button", name="2 One sequence").click()
    expect(page.locator("article:not([hidden])")).to_have_attribute("data-step", "2")


def guess(page: Page, step: int, choice: str) -> None:
    page.locator(".l-list button").nth(step - 1).click()
    page.locator("article:not([hidden])").get_by_role("button", name=choice, exact=True).click()
    expect(page.locator(".l-answer")).to_have_text("Noted. Now move the control.")


def test_guesses_are_answered_by_moving_a_control(page: Page):
    open_tab(page, "Learn")
    answer = page.locator(".l-answer")
    guess(page, 1, "1 to 4")
    press(page, "6")
    expect(answer).to_contain_text(re.compile(r"\d+ of 256 tokens lie at least half on it"))
    guess(page, 2, "new ones, without gaps")
    press(page, "End")
    expect(answer).to_contain_text("Not “new ones, without gaps” but “their old ones, with gaps”")
    guess(page, 4, "rise")
    set_number(page, "Lc", value(page, "Lc") + 4)
    expect(answer).to_contain_text("As you guessed. N_avg went from 73 to 79")
    guess(page, 5, "Ls layers")
    press(page, ".", "[")
    expect(answer).to_contain_text("As you guessed. The youngest is 6 layers old, the oldest 18.")
    guess(page, 6, "yes")
    expect(page.locator(".csp-viewer")).to_have_attribute("data-view", "attention")
    press(page, "m")
    expect(answer).to_contain_text("the mask.")
    guess(page, 7, "less than 0.05")
    set_number(page, "Np", 4)
    expect(answer).to_contain_text("As you guessed. 1.00 before, 1.00 with 4 survivors.")
    guess(page, 3, "all")
    page.locator("#in_cluster").get_by_label("uniform").check()
    set_number(page, "Nc", 16)
    expect(answer).to_contain_text("of 16. The stride is 16, exactly a row")
    guess(page, 8, "less")
    before = turns(page)
    page.locator("#in_preset input").click()
    page.get_by_role("option", name="Table 6, 90 %", exact=True).click()
    wait_for(page, before)
    expect(answer).to_contain_text("As you guessed. Image tokens −89 %, operations −")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("tab", ["Tokens", "Learn"])
def test_axe_finds_nothing_serious_in_our_components(visit, tab: str, dark: bool):
    page = visit(dark=dark, query="/?__theme=dark" if dark else "")
    open_tab(page, tab)
    press(page, "ArrowUp", "Enter", "k", "l", "2")
    page.locator(".v-runs summary").click()
    found = []
    for rule in Axe().run(page).response["violations"]:
        if rule["impact"] in ("serious", "critical"):
            found += [(rule["id"], " ".join(map(str, node["target"])), node["html"][:160]) for node in rule["nodes"]]
    assert found == []


@pytest.mark.parametrize("width", [1360, 420])
def test_nothing_is_wider_than_the_page(visit, width: int):
    page = visit(width=width)
    for tab in ("Tokens", "Learn"):
        open_tab(page, tab)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
