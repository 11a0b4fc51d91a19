"""Compare and Trade-off as a visitor uses them: rows, sorting, two side by side, curves, downloads, Stop."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from acts import last, settle
from fake_session import FakeSession
from playwright.sync_api import Browser, Locator, Page, expect
from serving import page as serve
from strict import Strict
from test_accessibility import findings

from csp.methods import METHODS
from csp.ui import shipped


def tab(page: Page, name: str) -> Page:
    page.get_by_role("tab", name=name, exact=True).click()
    return page


def state(page: Page, part: str, value: str) -> None:
    expect(page.locator(f".csp-{part}[data-state={value}]")).to_be_visible()


@pytest.fixture
def compared(page: Page) -> Page:
    """The Compare tab as it fills itself when it is first opened."""
    tab(page, "Compare")
    state(page, "compare", "done")
    page.wait_for_function("n => +document.querySelector('.csp-compare').dataset.drawn === n", arg=len(METHODS))
    return page


def sweep(page: Page) -> None:
    """Press Sweep and wait for the board's own curves: the shipped ones are there before."""
    page.locator("#do_sweep").click()
    expect(page.locator(".csp-tradeoff .csp-told")).to_contain_text("s in all")
    state(page, "tradeoff", "done")


def choose(page: Page, box: str, words: str) -> None:
    page.locator(f"{box} input").click()
    page.get_by_role("option", name=words, exact=True).click()


@pytest.fixture
def swept(page: Page) -> Page:
    tab(page, "Trade-off")
    sweep(page)
    return page


def order(page: Page) -> list[str]:
    return page.locator(".csp-compare tbody tr").evaluate_all("rows => rows.map(row => row.dataset.row)")


def show(page: Page, name: str) -> None:
    page.locator(".csp-compare").get_by_role("radio", name=name, exact=True).click()


INK = """canvas => { const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set(); for (let i = 0; i < data.length; i += 4) seen.add(data.slice(i, i + 3).join()); return seen.size; }"""


def test_it_opens_filled_with_a_mask_of_every_method(compared: Page):
    tiles = compared.locator(".c-tile")
    assert tiles.evaluate_all("all => all.map(one => one.dataset.row)") == list(METHODS)
    for tile in tiles.all():
        assert tile.locator("canvas.c-base").evaluate(INK) > 20, "a picture is drawn"
        assert len(tile.locator(".c-stage").get_attribute("aria-label")) > 20
    ours = compared.locator('.c-tile[data-row="csp"]')
    expect(ours).to_contain_text("N_avg 73 ·")
    expect(ours).to_contain_text("35.5 ms")
    expect(compared.locator(".csp-compare .csp-told")).to_contain_text(f"{len(METHODS)} of {len(METHODS)} methods at N_avg 73")
    assert compared.locator(".csp-compare img").count() == 0, "nothing was drawn on the server"
    expect(compared.locator(".v-main")).to_be_hidden()


def test_a_second_visit_keeps_the_last_comparison(compared: Page):
    asked: list[str] = []  # by this page: what an earlier page left running on the server is another's
    compared.on("request", lambda request: asked.append(request.url) if "/queue/join" in request.url else None)
    tab(compared, "Board")
    tab(compared, "Compare")
    state(compared, "compare", "done")
    compared.wait_for_timeout(700)
    assert asked == []
    compared.locator("#do_compare").click()
    state(compared, "compare", "done")
    assert len(asked) == 1, "a comparison that is asked for is seen"


def test_what_changes_marks_it_stale_and_says_what(compared: Page):
    root, told = compared.locator(".csp-compare"), compared.locator(".csp-compare .csp-told")
    expect(root).not_to_have_attribute("data-stale", "")
    compared.locator("#in_query textarea").fill("a bench")
    expect(told).to_contain_text("query has changed since: press Compare")
    expect(root).to_have_attribute("data-stale", "")
    for button in compared.locator(".c-tile .csp-open").all():
        expect(button).to_be_disabled()
    compared.locator("#do_compare").click()
    expect(told).to_contain_text("“a bench”")
    state(compared, "compare", "done")
    expect(root).not_to_have_attribute("data-stale", "")
    box = compared.locator("#in_target input[type=number]")
    box.fill("100")
    box.press("Tab")
    expect(told).to_contain_text("settings have changed since")
    expect(compared.locator(".c-tile .csp-open").first).to_be_enabled()
    box.fill("73")
    box.press("Tab")
    expect(root).not_to_have_attribute("data-stale", "")


def test_another_picture_and_another_knob_mark_it_stale(compared: Page):
    told = compared.locator(".csp-compare .csp-told")
    tab(compared, "Board")
    box = compared.locator("#in_Nc input[type=number]")
    box.fill("128")
    box.press("Tab")
    tab(compared, "Compare")
    expect(told).to_contain_text("settings have changed since")
    compared.locator(".v-picture").click()
    compared.locator(".csp-gallery button").nth(2).click()
    expect(told).to_contain_text("picture")
    expect(compared.locator(".c-tile .csp-open").first).to_be_disabled()


def test_tokens_of_any_layer_of_all_methods(compared: Page):
    show(compared, "Tokens")
    layer = compared.locator(".c-layer input")
    layer.fill("1")
    expect(compared.locator(".c-layer output")).to_have_text("layer 1 of 32")
    expect(compared.locator('.c-tile[data-row="csp"] .c-stage')).to_have_attribute("aria-label", re.compile("64 of 256"))
    few = compared.locator('.c-tile[data-row="csp"] canvas.c-base').evaluate("c => c.toDataURL()")
    layer.fill("32")
    expect(compared.locator('.c-tile[data-row="csp"] .c-stage')).to_have_attribute("aria-label", re.compile("16 of 256"))
    assert compared.locator('.c-tile[data-row="csp"] canvas.c-base').evaluate("c => c.toDataURL()") != few
    show(compared, "A_SEG")
    assert compared.locator('.c-tile[data-row="full"] canvas.c-base').evaluate(INK) > 20


def test_the_table_is_sorted_by_mouse_keyboard_and_twice(compared: Page):
    show(compared, "Table")
    expect(compared.locator(".c-grid")).to_be_hidden()
    assert order(compared) == list(METHODS)
    expect(compared.locator('tr[data-row="csp"]')).to_contain_text("Lc = 8; Nc = 64; Ls = 6; Np = 16")
    header = compared.locator("th[data-column=n_avg]")
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    low = order(compared)
    numbers = compared.locator("td[data-column=n_avg] b").all_inner_texts()
    assert [float(n) for n in numbers] == sorted(float(n) for n in numbers)
    header.get_by_role("button").press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert order(compared) != low
    for column in ("iou_truth", "iou_dense", "area", "on_target", "n_first", "n_last", "flops", "ms", "method"):
        compared.locator(f"th[data-column={column}] button").click()
        assert compared.locator(f"th[data-column={column}]").get_attribute("aria-sort")
    assert order(compared) == list(METHODS)


def test_an_infeasible_row_stays_with_its_reason(compared: Page):
    page = compared
    box = page.locator("#in_target input[type=number]")
    box.fill("20")
    box.press("Tab")
    page.locator("#do_compare").click()
    expect(page.locator(".csp-compare .csp-told")).to_contain_text("cannot reach it")
    state(page, "compare", "done")
    expect(page.locator('.c-tile[data-row="feather"]')).to_contain_text("reaches N_avg 73.5 at least")
    show(page, "Table")
    page.locator("th[data-column=n_avg] button").click()
    assert "reaches" in page.locator(".csp-compare tbody tr").last.inner_text()


class Differing(FakeSession):
    """Masks that move away from the target, method by method."""

    def run(self, request, fresh=False):
        made = super().run(request, fresh)
        places = {name: 2 * i for i, name in enumerate(METHODS)}
        return replace(made, logits=np.roll(made.logits, places[request.method], axis=2))


def test_side_by_side_starts_with_the_best_and_the_worst_rival(browser: Browser, tmp_path):
    with serve(tmp_path, kind=Differing) as (url, _):
        strict = Strict(browser, url)
        page = tab(strict.open(), "Compare")
        state(page, "compare", "done")
        show(page, "Side by side")
        rivals = [name for name in METHODS if name not in ("full", "csp")]
        expect(page.locator("[data-ab=A]")).to_contain_text(f"A: {METHODS[rivals[0]].label}")
        expect(page.locator("[data-ab=B]")).to_contain_text(f"B: {METHODS[rivals[-1]].label}")
        for context in browser.contexts:
            context.close()
        assert strict.errors == []


def test_two_side_by_side(compared: Page):
    box = compared.locator(".csp-ab")
    compared.get_by_role("button", name="FastV as A", exact=True).click()
    expect(box).to_be_visible()
    show(compared, "Grid")
    compared.get_by_role("button", name="FEATHER as B", exact=True).click()
    expect(box.locator(".csp-ab-names")).to_contain_text("A: FastV")
    expect(box.locator(".csp-ab-names")).to_contain_text("B: FEATHER")
    handle = box.get_by_role("slider")
    handle.focus()
    compared.keyboard.press("ArrowRight")
    assert handle.input_value() == "51"
    assert box.locator(".csp-stage").evaluate("s => s.style.getPropertyValue('--at')") == "51%"
    area = box.locator(".csp-stage").bounding_box()
    compared.mouse.click(area["x"] + area["width"] * 0.25, area["y"] + area["height"] / 2)
    assert 23 <= int(handle.input_value()) <= 27
    show(compared, "Tokens")
    assert "image tokens" in box.locator(".csp-stage").get_attribute("aria-label")


def test_a_row_opens_on_the_board(compared: Page, served):
    compared.get_by_role("button", name="Open FastV on the board").click()
    expect(compared.locator("#in_method select")).to_have_value("fastv")
    expect(compared.locator(".v-main")).to_be_visible()
    settle(compared)
    assert (last(served[1]).method, last(served[1]).knobs["R"]) == ("fastv", 61)


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (1440, 900)])
def test_all_masks_and_key_figures_are_on_one_screen(visit, width, height):
    page = tab(visit(width=width, height=height), "Compare")
    state(page, "compare", "done")
    page.locator(".csp-compare").scroll_into_view_if_needed()
    top = page.locator(".csp-compare").bounding_box()["y"]
    boxes = [tile.bounding_box() for tile in page.locator(".c-tile").all()]
    assert max(box["y"] + box["height"] for box in boxes) - top <= height, "head and grid fit a screen together"
    for tile in page.locator(".c-tile").all():
        for text in ("IoU", "N_avg", "ms"):
            expect(tile).to_contain_text(text)


def download(page: Page, folder: Path, box: str, file: str) -> Path:
    with page.expect_download() as caught:
        page.locator(box).get_by_role("button", name=file).click()
    path = folder / caught.value.suggested_filename
    caught.value.save_as(path)
    return path


def test_downloads(compared: Page, tmp_path: Path):
    compared.locator("#csp-compare-files").get_by_role("button", name="Methods and downloads").click()
    table = download(compared, tmp_path, "#csp-compare-files", "compare.csv")
    rows = list(csv.DictReader(table.open()))
    assert [row["method"] for row in rows] == list(METHODS)
    assert rows[0]["ms_median"] == "35.5"
    for file, magic in (("compare.png", b"\x89PNG"), ("compare.svg", b"<?xml"), ("compare.pdf", b"%PDF")):
        assert download(compared, tmp_path, "#csp-compare-files", file).read_bytes().startswith(magic)


def test_the_budget_follows_the_board(page: Page):
    box = page.locator("#in_Nc input[type=number]")
    box.fill("128")
    box.press("Tab")
    expect(page.locator("figure[data-panel=clustering]")).to_contain_text("128 of 256")
    tab(page, "Compare")
    page.locator("#do_same").click()
    expect(page.locator("#in_target input[type=number]")).to_have_value("89")


@pytest.fixture
def slow(browser: Browser, tmp_path) -> Iterator[Page]:
    with serve(tmp_path, wait=0.25) as (url, _):
        strict = Strict(browser, url)
        yield strict.open()
        for context in browser.contexts:
            context.close()
        assert strict.errors == []


def test_stop_leaves_what_is_there(slow: Page, tmp_path: Path):
    tab(slow, "Compare")
    expect(slow.locator(".c-tile .csp-open").nth(5)).to_be_visible()
    slow.locator("#do_compare_stop").click()
    state(slow, "compare", "stopped")
    done = int(slow.locator(".csp-compare").get_attribute("data-rows"))
    slow.wait_for_timeout(1500)
    assert int(slow.locator(".csp-compare").get_attribute("data-rows")) == done < 10
    expect(slow.locator(".csp-compare .csp-told")).to_contain_text("What was done stays")
    slow.locator("#csp-compare-files").get_by_role("button", name="Methods and downloads").click()
    table = download(slow, tmp_path, "#csp-compare-files", "compare.csv")
    assert len(list(csv.DictReader(table.open()))) == done
    tab(slow, "Trade-off")
    slow.locator("#do_sweep").click()
    expect(slow.locator(".csp-tradeoff .csp-told")).to_contain_text(re.compile(r"Running: ([5-9]|\d\d) of"))
    slow.locator("#do_sweep_stop").click()
    state(slow, "tradeoff", "stopped")
    expect(slow.locator(".csp-point").nth(3)).to_be_visible()
    # The model is free again: another comparison starts.
    tab(slow, "Compare")
    slow.locator("#do_compare").click()
    state(slow, "compare", "running")


MIDDLE = """node => {
  node.scrollIntoView({ block: "nearest" });
  const { x, y, width, height } = node.querySelector(".csp-mark").getBoundingClientRect();
  return [x + width / 2, y + height / 2];
}"""


def middle(point: Locator) -> tuple[float, float]:
    """Where a point's mark is on the screen, once it stays: the chart is drawn anew a moment after its room changed."""
    here: list[float] = []
    while here != (here := point.evaluate(MIDDLE)):
        point.page.wait_for_timeout(300)
    return here[0], here[1]


def test_it_opens_filled_with_the_shipped_curves(page: Page, served):
    before = len(served[1].requests)
    made = shipped.origin(shipped.summary() or {})
    told = f"{made['queries']} queries on {made['pictures']} park scenes"
    tab(page, "Trade-off")
    state(page, "tradeoff", "done")
    expect(page.locator(".csp-tradeoff .csp-told")).to_contain_text(told)
    assert page.locator(".csp-point").count() > 40 and page.locator(".csp-span").count() > 40
    assert len(served[1].requests) == before
    # where marks and intervals crowd, the nearest mark is read; of two a pixel apart, either
    points = page.locator(".csp-point").all()
    places = [middle(points[0]), *(tuple(point.evaluate(MIDDLE)) for point in points[1:])]
    told, alone = page.locator(".csp-tradeoff .csp-readout"), 0
    for point, place in zip(points, places, strict=True):
        if point.get_attribute("data-curve") == "LVLM_CSP":
            page.mouse.move(*place)
            expect(told).to_contain_text("95 % interval")
            if sum(math.dist(place, other) < 3 for other in places) == 1:
                expect(told).to_contain_text(str(point.get_attribute("data-label")))
                alone += 1
    assert alone >= 2


def test_a_moved_board_marks_a_sweep_stale_but_not_what_was_shipped(page: Page):
    tab(page, "Trade-off")
    root, told = page.locator(".csp-tradeoff"), page.locator(".csp-tradeoff .csp-told")
    page.locator("#in_query textarea").fill("a bench")
    page.wait_for_timeout(300)
    expect(root).not_to_have_attribute("data-stale", "")
    sweep(page)
    expect(root).not_to_have_attribute("data-stale", "")
    page.locator("#in_query textarea").fill("a tree")
    expect(told).to_contain_text("query has changed since: press Sweep")
    expect(root).to_have_attribute("data-stale", "")


def sweep_seeds(page: Page) -> None:
    page.locator("#do_sweep").click()
    expect(page.locator(".csp-tradeoff .csp-told")).to_contain_text("seeds:")
    state(page, "tradeoff", "done")


def test_one_query_under_many_seeds(page: Page, served):
    tab(page, "Trade-off")
    choose(page, "#in_sweep", "this query under many seeds")
    sweep_seeds(page)
    expect(page.locator(".csp-curves")).to_be_hidden()
    expect(page.locator(".csp-seeds")).to_contain_text("mean")
    assert page.locator(".s-dot").count() >= 4
    expect(page.locator(".s-strip .s-open")).to_have_count(4)
    for canvas in page.locator(".s-strip canvas").all():
        assert canvas.evaluate(INK) > 20
    page.get_by_role("button", name="Masks of random", exact=True).click()
    expect(page.locator(".csp-seeds h3")).to_contain_text("random")
    page.get_by_role("button", name="Open seed 2 on the board").click()
    expect(page.locator(".v-main")).to_be_visible()
    settle(page)
    asked = last(served[1])
    assert (asked.seed, asked.knobs["cluster"]) == (2, "random"), "a tile carries its seed"


def test_curves_and_the_ring(swept: Page):
    expect(swept.locator(".csp-curve")).not_to_have_count(0)
    expect(swept.locator(".csp-present")).to_have_count(1)
    keys = swept.locator(".csp-keys button")
    assert keys.all_inner_texts()[:2] == ["paper, Table 6: LVLM_CSP", "paper, Table 1: the others"]
    assert keys.count() == 2 + len(METHODS)
    expect(swept.locator(".csp-tradeoff .csp-notes")).to_contain_text("Grey: printed in the paper")
    before = swept.locator(".csp-point").count()
    keys.nth(0).click()
    assert swept.locator(".csp-point").count() == before - 6
    keys.nth(0).click()
    assert swept.locator(".csp-point").count() == before


def test_axes(swept: Page):
    choose(swept, "#in_x", "operations, % of dense")
    expect(swept.locator(".csp-chart")).to_contain_text("operations, % of dense")
    choose(swept, "#in_y", "IoU with the dense mask")
    expect(swept.locator(".csp-chart")).to_contain_text("IoU with the dense mask")
    assert swept.locator('.csp-point[data-curve^="paper"]').count() == 0, "the paper prints none"


def test_a_point_loads_onto_the_board(swept: Page):
    point = swept.locator('.csp-point[data-curve="LVLM_CSP"]').first
    label = point.get_attribute("data-label")
    swept.mouse.click(*middle(point))
    expect(swept.get_by_role("tab", name="Board", exact=True)).to_have_attribute("aria-selected", "true")
    Nc = label.split("Nc = ")[1].split(";")[0]
    expect(swept.locator("#in_Nc input[type=number]")).to_have_value(Nc)
    expect(swept.locator("#in_method select")).to_have_value("csp")


def test_points_by_keyboard_and_as_a_table(swept: Page, served):
    swept.locator(".csp-chart svg").focus()
    swept.keyboard.press("ArrowRight")
    swept.keyboard.press("ArrowUp")
    expect(swept.locator(".csp-readout")).to_contain_text("N_avg")
    expect(swept.locator(".csp-at")).to_have_count(1)
    swept.locator(".csp-points summary").click()
    expect(swept.locator(".csp-points tbody tr").nth(60)).to_be_visible()
    swept.get_by_role("button", name="Open PruMerge: n = 63", exact=False).click()
    expect(swept.locator("#in_method select")).to_have_value("prumerge")
    settle(swept)
    assert (last(served[1]).method, last(served[1]).knobs["n"]) == ("prumerge", 63)


def test_one_knob_on_scenes(page: Page, tmp_path: Path):
    tab(page, "Trade-off")
    choose(page, "#in_sweep", "Nc")
    choose(page, "#in_pictures", "park scenes")
    page.locator("#do_sweep").click()
    expect(page.locator(".csp-tradeoff .csp-told")).to_contain_text("mean over 4 of 4 park scenes")
    state(page, "tradeoff", "done")
    choose(page, "#in_x", "the swept knob")
    expect(page.locator(".csp-chart .csp-axis").first).to_have_text("Nc")
    page.locator("#csp-tradeoff-files").get_by_role("button", name="Download").click()
    table = download(page, tmp_path, "#csp-tradeoff-files", "tradeoff.csv")
    assert {row["pictures"] for row in csv.DictReader(table.open()) if row["source"] == "measured"} == {"4"}
    for file in ("tradeoff.png", "tradeoff.svg", "tradeoff.pdf"):
        assert download(page, tmp_path, "#csp-tradeoff-files", file).stat().st_size > 5000


@pytest.mark.parametrize("dark", [False, True])
def test_axe(visit, dark):
    page = visit(dark=dark, query="/?__theme=dark" if dark else "")
    tab(page, "Compare")
    page.get_by_role("button", name="Methods and downloads").click()
    state(page, "compare", "done")
    for mode in ("Grid", "Side by side", "Table"):
        show(page, mode)
        assert findings(page) == [], mode
    tab(page, "Trade-off")
    state(page, "tradeoff", "done")
    page.locator(".csp-points summary").click()
    assert findings(page) == []
    choose(page, "#in_sweep", "this query under many seeds")
    sweep_seeds(page)
    assert findings(page) == []


@pytest.mark.parametrize("name", ["Compare", "Trade-off"])
def test_a_phone_scrolls_down_not_sideways(visit, name):
    page = visit(width=420, height=860)
    page.get_by_role("button", name="More: model, links, downloads").click()
    page.get_by_role("group", name="Pages").get_by_role("button", name=name, exact=True).click()
    part = "compare" if name == "Compare" else "tradeoff"
    assert page.locator(f".csp-{part}").bounding_box()["y"] < 430, "it begins below the bars, not below an empty screen"
    state(page, part, "done")
    wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
