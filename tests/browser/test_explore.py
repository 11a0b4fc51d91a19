"""Explore as a visitor uses it: each control by mouse and by keyboard, pictures, states, downloads."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from csp.types import Result


def runs(page: Page) -> int:
    return int(page.locator(".csp-results").get_attribute("data-run") or 0)


def wait_for_run(page: Page, after: int) -> None:
    page.wait_for_function("n => +document.querySelector('.csp-results').dataset.run > n", arg=after)


def slider(page: Page, name: str):
    return page.locator(f"#in_{name} input[type=range]")


def value(page: Page, name: str) -> int:
    return int(page.locator(f"#in_{name} input[type=number]").input_value())


def caption(page: Page, panel: str) -> str:
    return page.locator(f"figure[data-panel={panel}] figcaption span").inner_text()


def settle(page: Page) -> None:
    """Wait until the last of several runs has been drawn."""
    expect(page.locator(".csp-results:not([data-stale])")).to_be_visible()
    page.wait_for_function(
        "() => { const r = document.querySelector('.csp-results'); const n = r.dataset.run; "
        "return new Promise(done => setTimeout(() => done(r.dataset.run === n && !r.dataset.stale), 600)); }"
    )


def test_first_load_shows_a_finished_result(page: Page):
    panels = page.locator(".csp-panels > figure")
    expect(panels).to_have_count(6)
    for image in page.locator(".csp-panels img").all():
        assert image.evaluate("i => i.naturalWidth") == 448
        assert len(image.get_attribute("alt")) > 20
    expect(page.locator("tr[data-bill]")).to_have_count(3)
    expect(page.locator("tr[data-score]")).to_have_count(2)
    expect(page.locator(".csp-maps img")).to_have_count(6)
    expect(page.locator(".csp-badges")).to_contain_text("float32")
    assert caption(page, "clustering") == "|S| = 64 of 256, Lc = 8: layers 1–8"


@pytest.mark.parametrize(
    ("name", "key", "by"), [("Lc", "ArrowRight", 1), ("Nc", "ArrowLeft", -1), ("Np", "ArrowUp", 1)]
)
def test_arrow_keys_run(page: Page, name: str, key: str, by: int):
    before, turn = value(page, name), runs(page)
    slider(page, name).focus()
    page.keyboard.press(key)
    wait_for_run(page, turn)
    settle(page)
    assert value(page, name) == before + by
    shown = page.locator(".csp-panels").inner_text()
    expected = {"Lc": f"Lc = {before + by}", "Nc": f"|S| = {before + by}", "Np": f"Np = {before + by}"}[name]
    assert expected in shown
    expect(page.locator("#in_preset input")).to_have_value("custom")


def test_dragging_with_the_mouse_runs(page: Page):
    turn = runs(page)
    slider(page, "Np").scroll_into_view_if_needed()
    box = slider(page, "Np").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.06, box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in (0.2, 0.35, 0.5):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
    page.mouse.up()
    wait_for_run(page, turn)
    settle(page)
    assert 110 < value(page, "Np") < 145
    assert f"Np = {value(page, 'Np')} of 256" in caption(page, "pruning")


def test_typing_a_number_and_resetting_run(page: Page):
    turn = runs(page)
    box = page.locator("#in_Nc input[type=number]")
    box.fill("96")
    box.press("Tab")
    wait_for_run(page, turn)
    settle(page)
    assert caption(page, "clustering").startswith("|S| = 96 of 256")
    turn = runs(page)
    page.locator("#in_Nc").get_by_test_id("reset-button").click()
    wait_for_run(page, turn)
    settle(page)
    assert caption(page, "clustering").startswith("|S| = 64 of 256")


def test_layers_always_add_up(page: Page):
    for name, to in (("Lc", "30"), ("Ls", "25")):
        turn = runs(page)
        box = page.locator(f"#in_{name} input[type=number]")
        box.fill(to)
        box.press("Tab")
        wait_for_run(page, turn)
        settle(page)
        lc, ls = value(page, "Lc"), value(page, "Ls")
        lp = int(page.locator("#out_Lp input").input_value())
        assert lc + ls + lp == 32 and value(page, name) == int(to)


def test_clustering_method_runs(page: Page):
    turn = runs(page)
    page.locator("#in_cluster").get_by_label("seg-first").check()
    wait_for_run(page, turn)
    expect(page.locator(".csp-status")).to_contain_text("seg-first")


def choose(page: Page, control: str, option: str) -> None:
    page.locator(f"#{control} input").click()
    page.get_by_role("option", name=option, exact=True).click()


def test_presets_fill_the_sliders_and_run(page: Page):
    turn = runs(page)
    choose(page, "in_preset", "Table 6, 90 %")
    wait_for_run(page, turn)
    settle(page)
    assert [value(page, n) for n in ("Lc", "Nc", "Ls", "Np")] == [12, 32, 2, 2]
    assert page.locator("#out_Lp input").input_value() == "18"
    expect(page.locator(".csp-status")).to_contain_text("(12, 32, 2, 2)")
    turn = runs(page)
    choose(page, "in_preset", "dense")
    wait_for_run(page, turn)
    expect(page.locator(".csp-status")).to_contain_text("dense")
    expect(page.locator(".csp-panels > figure")).to_have_count(4)


def test_without_live_runs_a_result_goes_stale_until_run(page: Page):
    page.get_by_label("Run as controls move").uncheck()
    settle(page)
    turn = runs(page)
    slider(page, "Nc").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".csp-results[data-stale]")).to_be_visible()
    page.wait_for_timeout(700)
    assert runs(page) == turn
    assert "|S| = 64" in caption(page, "clustering")
    page.locator("#do_run").click()
    wait_for_run(page, turn)
    expect(page.locator(".csp-results[data-stale]")).to_have_count(0)
    assert "|S| = 65" in caption(page, "clustering")


def test_query_by_keyboard(page: Page):
    turn = runs(page)
    box = page.locator("#in_query textarea")
    box.fill("find the blue kite")
    box.press("Enter")
    wait_for_run(page, turn)
    expect(page.locator(".csp-status")).to_contain_text("find the blue kite")
    expect(page.locator("tr[data-score]")).to_have_count(1)


def test_suggestions_fill_and_run(page: Page):
    turn = runs(page)
    chip = page.locator(".csp-chips button").nth(2)
    words = chip.locator("span").inner_text()
    chip.click()
    wait_for_run(page, turn)
    expect(page.locator("#in_query textarea")).to_have_value(words)
    expect(page.locator("tr[data-score]")).to_have_count(2)


def test_examples_and_scenes(page: Page):
    turn = runs(page)
    first = page.locator("figure[data-panel=seen] img").get_attribute("src")
    page.locator(".csp-gallery button").nth(3).click()
    wait_for_run(page, turn)
    assert page.locator("figure[data-panel=seen] img").get_attribute("src") != first
    expect(page.locator("#in_scene input")).to_have_value("7")
    turn = runs(page)
    page.locator("#in_scene input").fill("17")
    page.locator("#in_scene input").press("Enter")
    wait_for_run(page, turn)
    by_number = page.locator("figure[data-panel=seen] img").get_attribute("src")
    turn = runs(page)
    page.locator("#do_scene").click()
    wait_for_run(page, turn)
    assert page.locator("figure[data-panel=seen] img").get_attribute("src") != by_number
    assert page.locator("#in_scene input").input_value() != "17"
    expect(page.locator(".csp-chips button").first).to_be_visible()


def png(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (*size[::-1], 3), np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def upload(page: Page, name: str, data: bytes) -> None:
    page.locator("#in_image").get_by_label("Remove Image").click()
    expect(page.locator(".csp-results[data-state=empty]")).to_be_visible()
    files = {"name": name, "mimeType": "image/png", "buffer": data}
    page.locator("#in_image input[type=file]").set_input_files(files)


def test_a_photo_of_ones_own(page: Page):
    turn = runs(page)
    upload(page, "photo.png", png((90, 60)))
    wait_for_run(page, turn + 1)
    expect(page.locator(".csp-notes")).to_contain_text("knows only its drawn park")
    assert "hatched" in caption(page, "seen")
    expect(page.locator(".csp-chips button")).to_have_count(0)
    turn = runs(page)
    page.locator(".csp-gallery button").first.click()
    wait_for_run(page, turn)
    expect(page.locator(".csp-notes")).not_to_contain_text("drawn park")


def test_a_file_that_is_no_picture(page: Page):
    upload(page, "broken.png", b"hello")
    expect(page.locator(".csp-alert").first).to_contain_text("picture")
    turn = runs(page)
    page.locator(".csp-gallery button").first.click()
    wait_for_run(page, turn)
    expect(page.locator(".csp-results[data-state=done]")).to_be_visible()


def test_errors_and_empty_masks_say_what_to_do(page: Page):
    box = page.locator("#in_query textarea")
    turn = runs(page)
    box.fill("   ")
    page.locator("#do_run").click()
    wait_for_run(page, turn)
    expect(page.locator(".csp-alert").first).to_contain_text("the query is empty")
    turn = runs(page)
    box.fill("nothing like a zebra")
    page.locator("#do_run").click()
    wait_for_run(page, turn)
    expect(page.locator(".csp-alert").first).to_be_empty()
    expect(page.locator(".csp-notes")).to_contain_text("The mask is empty")
    expect(page.locator(".csp-notes")).to_contain_text("zebra")


def test_words_of_a_visitor_are_never_code(page: Page):
    words = "<img src=x onerror=window.hacked=1> ${window.hacked=1} {{constructor}}"
    turn = runs(page)
    page.locator("#in_query textarea").fill(words)
    page.locator("#do_run").click()
    wait_for_run(page, turn)
    expect(page.locator(".csp-status")).to_contain_text(words)
    assert page.evaluate("window.hacked") is None


def test_off_paper_and_view_controls(page: Page):
    page.get_by_role("button", name="Off the paper").click()
    turn = runs(page)
    page.locator("#in_uniform").get_by_label("even").check()
    wait_for_run(page, turn)
    slider(page, "threshold").focus()
    turn = runs(page)
    before = caption(page, "mask")
    page.keyboard.press("End")
    wait_for_run(page, turn)
    settle(page)
    assert caption(page, "mask") != before
    page.get_by_role("button", name="View").click()
    picture = page.locator("figure[data-panel=scattering] img")
    for control, option in (("in_scale", "percentile"), ("in_cmap", "gray")):
        was, turn = picture.get_attribute("src"), runs(page)
        page.locator(f"#{control}").get_by_label(option).check()
        wait_for_run(page, turn)
        assert picture.get_attribute("src") != was
    turn = runs(page)
    choose(page, "in_head", "1")
    wait_for_run(page, turn)
    expect(page.locator(".csp-layers h3")).to_contain_text("head 1 in layer 14")


def test_four_selectors_side_by_side(page: Page):
    page.get_by_role("button", name="All four selectors").click()
    page.locator("#do_four").click()
    expect(page.locator(".csp-four figure")).to_have_count(4)
    expect(page.locator(".csp-four")).to_contain_text("of 2 objects")


def test_a_panel_opens_and_closes_by_keyboard(page: Page):
    page.locator("figure[data-panel=mask] button").focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog.csp-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog.csp-dialog")).to_have_count(0)
    assert page.evaluate("document.activeElement.closest('figure')?.dataset.panel") == "mask"


def test_downloads(page: Page, tmp_path: Path):
    page.get_by_role("button", name="Download").click()
    for file in ("run.npz", "run.json", "mask.png", "panel.svg", "panel.png"):
        with page.expect_download() as download:
            page.get_by_role("button", name=file, exact=True).click()
        path = tmp_path / file
        download.value.save_as(path)
        assert download.value.suggested_filename == f"csp-{file}"
        if file == "run.npz":
            assert Result.open(path).trace.stages[0].n == 64
        elif file == "run.json":
            assert json.loads(path.read_text())["cost"]["n_avg"] == 73
        elif file.endswith("png"):
            Image.open(path).verify()
        else:
            assert "<svg" in path.read_text()


def test_two_visitors_see_only_their_own(visit):
    one, two = visit(), visit()
    turns = runs(one), runs(two)
    one.locator("#in_query textarea").fill("mine alone")
    two.locator("#in_query textarea").fill("yours alone")
    one.locator("#do_run").click()
    two.locator("#do_run").click()
    wait_for_run(one, turns[0])
    wait_for_run(two, turns[1])
    expect(one.locator(".csp-status")).to_contain_text("mine alone")
    expect(two.locator(".csp-status")).to_contain_text("yours alone")
    expect(two.locator("#in_Nc input[type=number]")).to_have_value("64")


@pytest.mark.parametrize(("width", "dark"), [(1360, False), (1360, True), (420, False), (420, True)])
def test_wide_and_narrow_light_and_dark(visit, width: int, dark: bool):
    page = visit(width=width, dark=dark, query="/?__theme=dark" if dark else "")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    dim = sum(int(v) for v in background.strip("rgba()").split(",")[:3]) < 300
    assert dim == dark
    columns = page.locator(".csp-panels").evaluate(
        "e => getComputedStyle(e).display === 'flex' ? 1 : getComputedStyle(e).gridTemplateColumns.split(' ').length"
    )
    assert columns == (3 if width == 1360 else 1)


def test_waiting_shows_and_a_run_can_be_stopped(visit, served):
    page = visit()
    session = served[1]
    session.wait = 2.0
    try:
        turn = runs(page)
        page.locator("#do_run").click()
        page.wait_for_timeout(500)
        page.locator("#do_stop").click()
        page.wait_for_timeout(5000)
        assert runs(page) == turn
    finally:
        session.wait = 0.0
    page.locator("#do_run").click()
    wait_for_run(page, turn)
