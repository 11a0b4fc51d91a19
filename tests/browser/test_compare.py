"""Compare and Trade-off as a visitor uses them: rows, sorting, two side by side, curves, downloads, Stop."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from serving import page as serve
from strict import Strict
from test_accessibility import findings

from csp.methods import METHODS


def tab(page: Page, name: str) -> Page:
    page.get_by_role("tab", name=name, exact=True).click()
    return page


def state(page: Page, part: str, value: str) -> None:
    expect(page.locator(f".csp-{part}[data-state={value}]")).to_be_visible()


@pytest.fixture
def compared(page: Page) -> Page:
    tab(page, "Compare")
    page.locator("#do_compare").click()
    state(page, "compare", "done")
    return page


@pytest.fixture
def swept(page: Page) -> Page:
    tab(page, "Trade-off")
    page.locator("#do_sweep").click()
    state(page, "tradeoff", "done")
    return page


def order(page: Page) -> list[str]:
    return page.locator(".csp-compare tbody tr").evaluate_all("rows => rows.map(row => row.dataset.row)")


def test_ten_rows_with_their_numbers(compared: Page):
    assert order(compared) == list(METHODS)
    for image in compared.locator(".csp-compare tbody img").all():
        assert len(image.get_attribute("alt")) > 20
    assert compared.locator(".csp-compare tbody img").count() == 40
    row = compared.locator('tr[data-row="csp"]')
    expect(row.locator("td[data-column=n_avg] b")).to_have_text("73.0")
    expect(row.locator("td[data-column=ms] b")).to_have_text("35.5")
    expect(row).to_contain_text("Lc = 8; Nc = 64; Ls = 6; Np = 16")
    expect(compared.locator(".csp-compare .csp-told")).to_contain_text("10 of 10 methods at N_avg 73")
    expect(compared.locator("#csp-main")).to_be_hidden()


def test_sorting_by_mouse_keyboard_and_twice(compared: Page):
    header = compared.locator("th[data-column=n_avg]")
    header.get_by_role("button").click()
    assert header.get_attribute("aria-sort") == "ascending"
    low = order(compared)
    numbers = compared.locator("td[data-column=n_avg] b").all_inner_texts()
    assert [float(n) for n in numbers] == sorted(float(n) for n in numbers)
    header.get_by_role("button").press("Enter")
    assert header.get_attribute("aria-sort") == "descending"
    assert order(compared) != low
    for column in ("first", "last", "attention", "mask", "iou_dense", "iou_truth", "flops", "ms", "method"):
        compared.locator(f"th[data-column={column}] button").click()
        assert compared.locator(f"th[data-column={column}]").get_attribute("aria-sort")
    assert order(compared) == list(METHODS)


def test_an_infeasible_row_stays_with_its_reason(page: Page):
    tab(page, "Compare")
    box = page.locator("#in_target input[type=number]")
    box.fill("20")
    box.press("Tab")
    page.locator("#do_compare").click()
    state(page, "compare", "done")
    expect(page.locator('tr[data-row="feather"]')).to_contain_text("reaches N_avg 73.5 at least")
    expect(page.locator(".csp-compare .csp-told")).to_contain_text("cannot reach it")
    page.locator("th[data-column=n_avg] button").click()
    assert order(page)[-1] in ("feather", "csp", "pyramiddrop", "sparsevlm")


def test_two_side_by_side(compared: Page):
    box = compared.locator(".csp-ab")
    expect(box).to_be_visible()
    compared.get_by_role("button", name="FastV as A", exact=True).click()
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
    box.get_by_role("combobox").select_option("last")
    alt = box.locator("img.csp-over").get_attribute("alt")
    assert "image tokens take part" in alt


def test_a_row_opens_in_explore(compared: Page, served):
    compared.get_by_role("button", name="Open FastV in Explore").click()
    expect(compared.get_by_role("tab", name="Explore", exact=True)).to_have_attribute("aria-selected", "true")
    expect(compared.locator("#in_method input")).to_have_value("FastV")
    expect(compared.locator("#csp-out .csp-results:not([data-stale])")).to_be_visible()
    assert (served[1].requests[-1].method, served[1].requests[-1].knobs["R"]) == ("fastv", 61)


def download(page: Page, folder: Path, box: str, file: str) -> Path:
    with page.expect_download() as caught:
        page.locator(box).get_by_role("button", name=file).click()
    path = folder / caught.value.suggested_filename
    caught.value.save_as(path)
    return path


def test_downloads(compared: Page, tmp_path: Path):
    compared.locator("#csp-compare-files").get_by_role("button", name="Download").click()
    table = download(compared, tmp_path, "#csp-compare-files", "compare.csv")
    rows = list(csv.DictReader(table.open()))
    assert [row["method"] for row in rows] == list(METHODS) and rows[0]["ms_median"] == "35.5"
    for file, magic in (("compare.png", b"\x89PNG"), ("compare.svg", b"<?xml"), ("compare.pdf", b"%PDF")):
        assert download(compared, tmp_path, "#csp-compare-files", file).read_bytes().startswith(magic)


def test_nothing_to_download_before_a_comparison(page: Page):
    tab(page, "Compare")
    page.locator("#csp-compare-files").get_by_role("button", name="Download").click()
    page.locator("#csp-compare-files").get_by_role("button", name="compare.csv").click()
    expect(page.locator("#csp-compare-download")).to_contain_text("press Compare first")


def test_the_budget_follows_explore(page: Page):
    box = page.locator("#in_Nc input[type=number]")
    box.fill("128")
    box.press("Tab")
    expect(page.locator(".csp-panels")).to_contain_text("|S| = 128")
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
    slow.locator("#do_compare").click()
    expect(slow.locator(".csp-compare tbody img").nth(7)).to_be_visible()
    slow.locator("#do_compare_stop").click()
    state(slow, "compare", "stopped")
    done = int(slow.locator(".csp-compare").get_attribute("data-rows"))
    slow.wait_for_timeout(1500)
    assert int(slow.locator(".csp-compare").get_attribute("data-rows")) == done < 10
    expect(slow.locator(".csp-compare .csp-told")).to_contain_text("What was done stays")
    slow.locator("#csp-compare-files").get_by_role("button", name="Download").click()
    table = download(slow, tmp_path, "#csp-compare-files", "compare.csv")
    assert len(list(csv.DictReader(table.open()))) == done
    tab(slow, "Trade-off")
    slow.locator("#do_sweep").click()
    expect(slow.locator(".csp-point").nth(3)).to_be_visible()
    slow.locator("#do_sweep_stop").click()
    state(slow, "tradeoff", "stopped")
    expect(slow.locator(".csp-point").nth(3)).to_be_visible()
    # The model is free again: another comparison starts.
    tab(slow, "Compare")
    slow.locator("#do_compare").click()
    state(slow, "compare", "running")


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
    swept.locator("#in_x").get_by_label("operations").check()
    expect(swept.locator(".csp-chart")).to_contain_text("operations, % of dense")
    swept.locator("#in_y").get_by_label("IoU with the dense mask").check()
    expect(swept.locator(".csp-chart")).to_contain_text("IoU with the dense mask")
    assert swept.locator('.csp-point[data-curve^="paper"]').count() == 0, "the paper prints none"


def test_a_point_loads_into_explore(swept: Page):
    point = swept.locator('.csp-point[data-curve="LVLM_CSP"]').first
    label = point.get_attribute("data-label")
    point.click()
    expect(swept.get_by_role("tab", name="Explore", exact=True)).to_have_attribute("aria-selected", "true")
    Nc = label.split("Nc = ")[1].split(";")[0]
    expect(swept.locator("#in_Nc input[type=number]")).to_have_value(Nc)
    expect(swept.locator("#in_method input")).to_have_value("LVLM_CSP")


def test_points_by_keyboard_and_as_a_table(swept: Page, served):
    swept.locator(".csp-chart svg").focus()
    swept.keyboard.press("ArrowRight")
    swept.keyboard.press("ArrowUp")
    expect(swept.locator(".csp-readout")).to_contain_text("N_avg")
    expect(swept.locator(".csp-at")).to_have_count(1)
    swept.locator(".csp-points summary").click()
    expect(swept.locator(".csp-points tbody tr").nth(60)).to_be_visible()
    swept.get_by_role("button", name="Open PruMerge: n = 63", exact=False).click()
    expect(swept.locator("#in_method input")).to_have_value("PruMerge")
    assert (served[1].requests[-1].method, served[1].requests[-1].knobs["n"]) == ("prumerge", 63)


def test_one_knob_on_scenes(page: Page, tmp_path: Path):
    tab(page, "Trade-off")
    page.locator("#in_sweep input").click()
    page.get_by_role("option", name="Nc", exact=True).click()
    page.locator("#in_pictures").get_by_label("park scenes").check()
    page.locator("#do_sweep").click()
    state(page, "tradeoff", "done")
    expect(page.locator(".csp-tradeoff .csp-told")).to_contain_text("mean over 4 of 4 park scenes")
    page.locator("#in_x").get_by_label("the swept knob").check()
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
    page.get_by_role("button", name="Methods").click()
    page.locator("#do_compare").click()
    state(page, "compare", "done")
    assert findings(page) == []
    tab(page, "Trade-off")
    page.locator("#do_sweep").click()
    state(page, "tradeoff", "done")
    page.locator(".csp-points summary").click()
    assert findings(page) == []


@pytest.mark.parametrize("name", ["Compare", "Trade-off"])
def test_a_phone_scrolls_down_not_sideways(visit, name):
    page = visit(width=420, height=860)
    tab(page, name)
    page.locator("#do_compare" if name == "Compare" else "#do_sweep").click()
    state(page, "compare" if name == "Compare" else "tradeoff", "done")
    wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    if name == "Compare":
        page.locator(".csp-sortby select").select_option("n_avg")
        assert page.locator("th[data-column=n_avg]").get_attribute("aria-sort") == "ascending"
