"""The lecture as a class sees it: each step on one screen, in its own state, answered from the run on the board."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from acts import open_tab
from playwright.sync_api import Page, expect
from test_accessibility import findings

STEPS = 11
VIEWS = ["state", "picture", "state", "positions", "state", "compute", "age", "attention", "state", "compute", "picture"]
LARGE = ["seen", "mask", "seen", "pruning", "clustering", "clustering", "scattering", "scattering", "pruning", "pruning", "mask"]


def at(page: Page, step: int) -> None:
    expect(page.locator("article:not([hidden])")).to_have_attribute("data-step", str(step))


def board(page: Page, name: str) -> str:
    return page.locator(".csp-viewer").get_attribute(f"data-{name}") or ""


def knob(page: Page, name: str) -> str:
    return page.evaluate("name => JSON.parse(document.querySelector('#csp-page').dataset.asked).knobs[name]", name)


def guess(page: Page, choice: int = 0) -> None:
    page.locator("article:not([hidden]) .l-choices button").nth(choice).click()


def turn(page: Page, value: str) -> None:
    """Move the step's slider and wait for the run."""
    before = int(board(page, "run"))
    page.locator("article:not([hidden]) .l-controls input[type=range]").fill(value)
    page.wait_for_function("n => +document.querySelector('.csp-viewer').dataset.run > n", arg=before)


@pytest.fixture
def learn(visit) -> Callable[..., Page]:
    def learn(step: int = 1, **how) -> Page:
        page = visit(query=f"/?tab=learn&step={step}" + how.pop("more", ""), **how)
        at(page, step)
        expect(page.locator("article:not([hidden]) [data-live]").first).not_to_be_empty()
        return page

    return learn


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1440, 900)])
def test_text_guess_and_board_share_one_screen_in_every_step(learn, width, height, dark):
    page = learn(width=width, height=height, dark=dark)
    for step in range(1, STEPS + 1):
        at(page, step)
        guess(page)
        boxes = {name: page.locator(name).bounding_box() for name in (".v-lesson", ".v-board", ".v-stagebar")}
        for name, box in boxes.items():
            assert box["y"] >= 0 and box["y"] + box["height"] <= height + 1, (step, name, box)
        assert boxes[".v-lesson"]["x"] + boxes[".v-lesson"]["width"] <= boxes[".v-board"]["x"]
        assert boxes[".v-board"]["width"] >= 0.3 * width
        hidden = page.locator(".v-lesson").evaluate("one => one.scrollHeight - one.clientHeight")
        assert hidden <= 0, (step, "the text does not fit its column")
        expect(page.locator(".v-rail")).to_be_hidden()
        page.keyboard.press("Space") if step < STEPS else None
    assert page.evaluate("() => document.documentElement.scrollHeight") <= height + 1


def test_a_phone_has_text_then_board_and_nothing_sideways(learn):
    page = learn(3, width=390, height=844)
    lesson, canvas = page.locator(".v-lesson").bounding_box(), page.locator(".v-board").bounding_box()
    assert lesson["y"] + lesson["height"] <= canvas["y"] + 1 and canvas["width"] <= 390
    assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_a_link_opens_exactly_the_state_of_a_step(learn, step):
    page = learn(step)
    page.wait_for_function("wanted => document.querySelector('.csp-viewer').dataset.view === wanted", arg=VIEWS[step - 1])
    assert board(page, "large") == LARGE[step - 1]
    assert (knob(page, "Lc"), knob(page, "Nc"), knob(page, "Ls"), knob(page, "Np")) == (8, 64, 6, 16)
    layers = {1: "0", 3: "0", 4: "0", 5: "1", 6: "8", 7: "9", 8: "14", 9: "32", 10: "32"}
    assert board(page, "layer") == layers.get(step, board(page, "layer"))
    assert f"step={step}" in page.evaluate("() => window.location.search")


def test_a_link_to_a_layer_within_a_step(learn):
    page = learn(7, more="&at=12&show=age")
    page.wait_for_function("() => document.querySelector('.csp-viewer').dataset.layer === '12'")
    assert board(page, "view") == "age"


def test_what_a_step_moves_does_not_leak_into_the_next(learn):
    page = learn(5)
    turn(page, "16")
    assert knob(page, "Nc") == 16
    page.get_by_role("button", name="Next", exact=True).click()
    at(page, 6)
    page.wait_for_function("() => document.querySelector('[data-step=\"6\"] [data-live=n_avg]').textContent === '73'")
    assert knob(page, "Nc") == 64
    guess(page, 0)
    turn(page, "12")
    expect(page.locator(".l-answer")).to_contain_text("As you guessed. N_avg went from 73 to 79")
    page.get_by_role("button", name="Back", exact=True).click()
    page.wait_for_function("() => JSON.parse(document.querySelector('#csp-page').dataset.asked).knobs.Lc === 8")


def test_leaving_puts_back_what_the_visitor_had(visit):
    page = visit(query="/?scene=0&query=purple+ball&Lc=4&Nc=32&Ls=9&Np=8&cluster=cls")
    open_tab(page, "Learn")
    page.wait_for_function("() => JSON.parse(document.querySelector('#csp-page').dataset.asked).knobs.Nc === 64")
    open_tab(page, "Board")
    page.wait_for_function("() => JSON.parse(document.querySelector('#csp-page').dataset.asked).knobs.Nc === 32")
    assert (knob(page, "Lc"), knob(page, "cluster")) == (4, "cls")
    expect(page.locator(".v-panels")).to_be_visible()


def test_moving_first_and_guessing_later_is_no_dead_end(learn):
    page = learn(6)
    turn(page, "10")
    expect(page.locator(".l-answer")).to_contain_text("You have moved it already")
    guess(page, 1)
    expect(page.locator(".l-answer")).to_contain_text("Not “fall” but “rise”. N_avg went from 73 to 76")
    page = learn(3)
    page.get_by_role("button", name="Show the objects").click()
    guess(page, 0)
    expect(page.locator(".l-answer")).to_contain_text("tokens lie at least half on")


def test_the_answer_follows_the_run_and_no_two_numbers_contradict(learn):
    page = learn(6)
    guess(page, 0)
    for Lc in ("12", "11", "20"):
        turn(page, Lc)
        live = page.locator('[data-step="6"] [data-live=Lc]').first.inner_text()
        assert live == Lc
        told = re.search(r"from ([\d.]+) to ([\d.]+)", page.locator(".l-answer").inner_text())
        bill = page.locator(".v-bill [data-bill='Image tokens'] small").inner_text()
        assert told and bill.startswith(f"{told[2]} of 256")
    turn(page, "8")
    expect(page.locator(".l-answer")).to_contain_text("Noted. Now move Lc up.")


def test_every_step_can_be_answered(learn):
    page = learn()
    moves = {5: "16", 6: "12", 9: "4"}
    for step in range(1, STEPS + 1):
        at(page, step)
        guess(page)
        if step in moves:
            turn(page, moves[step])
        elif page.locator("article:not([hidden]) .l-do").count():
            page.locator("article:not([hidden]) .l-do").click()
        expect(page.locator(".l-answer[data-right]")).to_be_visible()
        if step < STEPS:
            page.keyboard.press("Space")
    assert page.locator('.l-list button[data-done="1"]').count() == STEPS
    page.locator(".l-list button").nth(3).click()
    at(page, 4)
    expect(page.locator('.l-list button[aria-current="step"]')).to_have_attribute("aria-label", "Step 4: One sequence, answered")


def test_another_method_is_told_and_left_by_a_press(visit):
    page = visit(query="/?scene=0&query=purple+ball&method=fastv&tab=learn&step=6")
    offer = page.locator(".l-offer")
    expect(offer).to_contain_text("the board shows FastV")
    offer.get_by_role("button", name="Back to LVLM_CSP").click()
    expect(offer).to_be_hidden()
    page.wait_for_function("() => document.querySelector('[data-step=\"6\"] [data-live=n_avg]').textContent === '73'")
    guess(page, 0)
    turn(page, "12")
    expect(page.locator(".l-answer")).to_contain_text("As you guessed")


def test_a_symbol_lights_its_control_and_its_tokens(learn):
    page = learn(6)
    over = page.locator(".v-board canvas.v-over")
    before = over.evaluate("one => one.toDataURL()")
    symbol = page.locator('[data-step="6"] [data-sym=Lc]').first
    symbol.hover()
    expect(page.locator(".l-controls .l-lit")).to_have_count(1)
    assert board(page, "lit") == "Lc" and over.evaluate("one => one.toDataURL()") != before
    page.mouse.move(5, 5)
    expect(page.locator(".l-lit")).to_have_count(0)
    assert over.evaluate("one => one.toDataURL()") == before
    symbol.focus()
    assert board(page, "lit") == "Lc", "by keyboard as well"


def test_it_works_in_present(learn):
    page = learn(6)
    page.keyboard.press("p")
    expect(page.locator(".csp-viewer.v-present")).to_be_visible()
    expect(page.locator(".v-lesson")).to_be_visible()
    guess(page, 0)
    turn(page, "12")
    expect(page.locator(".l-answer")).to_contain_text("As you guessed")
    page.keyboard.press("Space")
    at(page, 7)
    lesson, canvas = page.locator(".v-lesson").bounding_box(), page.locator(".v-board").bounding_box()
    assert lesson["x"] + lesson["width"] <= canvas["x"] and canvas["y"] + canvas["height"] <= 900


def test_space_types_in_the_query_and_does_not_turn_the_page(learn):
    page = learn(2)
    page.locator(".v-query").press("Space")
    at(page, 2)


@pytest.mark.parametrize("dark", [False, True])
def test_axe(learn, dark):
    page = learn(5, dark=dark)
    guess(page)
    assert findings(page) == []
