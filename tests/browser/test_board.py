"""The board as a visitor uses it: each control by mouse and by keyboard, one run for each, states, pictures, downloads."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import numpy as np
import pytest
from acts import answers, ask, asked, caption, choose, data, last, menu, set_number, settle, slider, value, wait_for
from PIL import Image
from playwright.sync_api import Page, expect

from csp.methods import METHODS, knobs
from csp.types import Result
from csp.ui.album import EXAMPLES


def test_first_load_shows_a_finished_result(page: Page):
    figures = page.locator(".v-panels > figure")
    expect(figures).to_have_count(6)
    panels = [figure.get_attribute("data-panel") for figure in figures.all()]
    assert panels == ["seen", "clustering", "scattering", "pruning", "mask", "steps"]
    for figure in figures.all():
        assert len(figure.locator("button").get_attribute("aria-label") or "") > 20
    for canvas in page.locator("figure:not([data-panel=steps]) canvas:first-child").all():
        assert canvas.evaluate("c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size") > 20, (
            "drawn on"
        )
    expect(page.locator("[data-bill]")).to_have_count(3)
    expect(page.locator("[data-score]")).to_have_count(2)
    assert caption(page, "clustering") == "1 Clustering64 of 256, layers 1–8"
    expect(page.locator(".r-plan")).to_contain_text("N_avg 73 of 256")


@pytest.mark.parametrize(("name", "key", "by"), [("Lc", "ArrowRight", 1), ("Nc", "ArrowLeft", -1), ("Np", "ArrowUp", 1)])
def test_a_key_is_one_run(page: Page, served, name: str, key: str, by: int):
    before, turn, ran = value(page, name), asked(page), len(served[1].requests)
    shown = answers(page)
    slider(page, name).focus()
    page.keyboard.press(key)
    wait_for(page, shown)
    settle(page)
    assert value(page, name) == before + by
    assert asked(page) == turn + 1 and len(served[1].requests) - ran <= 2, "one run, and the dense one beside it"
    words = {"Lc": f"layers 1–{before + by}", "Nc": f"{before + by} of 256", "Np": f"{before + by} of 256"}[name]
    assert words in page.locator(".v-panels").inner_text()
    assert page.locator("#in_preset select").input_value() == "custom"


def test_a_drag_is_one_run(page: Page):
    turn, shown = asked(page), answers(page)
    box = slider(page, "Np").bounding_box()
    page.mouse.move(box["x"] + 8 + (box["width"] - 16) * 15 / 255, box["y"] + box["height"] / 2)
    page.mouse.down()
    rests, last = 0, time.monotonic()
    for share in (0.2, 0.35, 0.42, 0.5):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
        # On a machine so slow that the hand seems to rest, a resting drag runs, as it should.
        rests, last = rests + (time.monotonic() - last > 0.1), time.monotonic()
    expect(page.locator(".r-plan")).not_to_contain_text("N_avg 73 of")
    rests += time.monotonic() - last > 0.1
    page.mouse.up()
    wait_for(page, shown)
    settle(page)
    assert 105 < value(page, "Np") < 150
    assert f"{value(page, 'Np')} of 256" in caption(page, "pruning")
    assert turn + 1 <= asked(page) <= turn + 1 + rests


def test_a_number_box_and_its_reset_are_one_run_each(page: Page):
    turn, shown = asked(page), answers(page)
    box = page.locator("#in_Nc input[type=number]")
    box.fill("96")
    expect(page.locator(".r-plan")).to_contain_text("N_avg 81 of 256")
    assert asked(page) == turn, "typing only plans"
    box.press("Enter")
    box.press("Tab")
    wait_for(page, shown)
    settle(page)
    assert caption(page, "clustering").startswith("1 Clustering96 of 256") and asked(page) == turn + 1
    page.get_by_label("Reset Nc").click()
    settle(page)
    assert caption(page, "clustering").startswith("1 Clustering64 of 256") and asked(page) == turn + 2


def test_a_preset_is_one_run(page: Page):
    turn, shown = asked(page), answers(page)
    choose(page, "in_preset", "Table 6, 90 %")
    wait_for(page, shown)
    settle(page)
    assert [value(page, n) for n in ("Lc", "Nc", "Ls", "Np")] == [12, 32, 2, 2]
    assert asked(page) == turn + 1
    expect(page.locator(".v-told")).to_contain_text("(12, 32, 2, 2)")
    choose(page, "in_preset", "dense")
    settle(page)
    expect(page.locator(".v-told")).to_contain_text("dense")
    expect(page.locator(".v-panels > figure")).to_have_count(4)
    assert page.locator("#in_method select").input_value() == "full" and asked(page) == turn + 2


def test_layers_always_add_up(page: Page):
    for name, to in (("Lc", 30), ("Ls", 25)):
        set_number(page, name, to)
        lc, ls = value(page, "Lc"), value(page, "Ls")
        assert lc + ls <= 32 and value(page, name) == to
    expect(page.locator(".v-part").first).to_contain_text(f"Lc {value(page, 'Lc')}")


@pytest.mark.parametrize("method", [name for name in METHODS if name != "full"])
def test_every_method_has_its_knobs_and_runs_with_them(page: Page, served, method: str):
    made = METHODS[method]
    choose(page, "in_method", made.label)
    settle(page)
    rail = page.locator(".v-rail [data-knob]")
    assert sorted(row.get_attribute("data-knob") or "" for row in rail.all()) == sorted(knob.name for knob in knobs(made))
    expect(page.locator(".r-plan")).to_contain_text("FLOPs")
    told = last(served[1])
    assert told.method == method and set(told.knobs) == {knob.name for knob in knobs(made)}
    assert page.locator(".csp-alert").inner_text() == ""
    assert page.locator(".v-part").count() >= 1


def test_a_rivals_slider_stays_with_the_rival(page: Page, served):
    choose(page, "in_method", "FastV")
    settle(page)
    set_number(page, "R", 32)
    assert page.locator("#in_method select").input_value() == "fastv"
    assert last(served[1]).method == "fastv" and last(served[1]).knobs["R"] == 32
    choose(page, "in_method", "LVLM_CSP")
    settle(page)
    choose(page, "in_method", "FastV")
    settle(page)
    assert value(page, "R") == 32, "a method comes back as it was left"


def test_a_plan_that_will_not_run_says_so_before_it_is_run(page: Page):
    choose(page, "in_method", "SparseVLM")
    settle(page)
    box = page.get_by_label("numbers for layers")
    box.fill("15, 6, 2")
    expect(page.locator(".r-plan")).to_contain_text("must increase")


def test_clustering_method_runs(page: Page):
    shown = answers(page)
    page.locator("#in_cluster").get_by_text("seg-first").click()
    wait_for(page, shown)
    expect(page.locator(".v-told")).to_contain_text("seg-first")


def test_without_live_runs_a_result_goes_stale_until_run(page: Page):
    page.locator("#csp-off summary").click()
    page.get_by_label("Run as controls move").uncheck()
    turn = asked(page)
    slider(page, "Nc").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".csp-viewer[data-stale]")).to_be_visible()
    page.wait_for_timeout(700)
    assert asked(page) == turn and "64 of 256" in caption(page, "clustering")
    assert float(page.locator("figure[data-panel=mask] .p-box").evaluate("e => getComputedStyle(e).opacity")) < 1
    shown = answers(page)
    page.locator("#do_run").click()
    wait_for(page, shown)
    expect(page.locator(".csp-viewer[data-stale]")).to_have_count(0)
    assert "65 of 256" in caption(page, "clustering")
    page.keyboard.press("Tab")
    slider(page, "Nc").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".csp-viewer[data-stale]")).to_have_count(0)


def test_query_by_keyboard(page: Page):
    turn, shown = asked(page), answers(page)
    box = page.locator("#in_query textarea")
    box.fill("find the blue kite")
    assert asked(page) == turn
    box.press("Enter")
    wait_for(page, shown)
    expect(page.locator(".v-told")).to_contain_text("find the blue kite")
    expect(page.locator("[data-score]")).to_have_count(1)
    assert asked(page) == turn + 1


def test_suggestions_fill_and_run(page: Page):
    shown = answers(page)
    chip = page.locator(".v-chips button").nth(2)
    words = chip.locator("span").inner_text()
    chip.click()
    wait_for(page, shown)
    expect(page.locator("#in_query textarea")).to_have_value(words)
    expect(page.locator("[data-score]")).to_have_count(2)


def test_examples_and_scenes(page: Page):
    def seen() -> str:
        return page.locator("figure[data-panel=seen] canvas").first.evaluate("c => c.toDataURL()")

    def picture() -> None:
        page.locator(".v-picture").click()

    first, shown = seen(), answers(page)
    picture()
    page.locator(".csp-gallery button").nth(3).click()
    wait_for(page, shown)
    assert seen() != first
    shown = answers(page)
    picture()
    expect(page.get_by_label("Scene number")).to_have_value(str(list(EXAMPLES)[3]))
    page.get_by_label("Scene number").fill("17")
    page.get_by_label("Scene number").press("Enter")
    wait_for(page, shown)
    by_number, shown = seen(), answers(page)
    picture()
    page.locator("#do_scene").click()
    wait_for(page, shown)
    assert seen() != by_number
    expect(page.locator(".v-chips button").first).to_be_visible()


def picture(size: tuple[int, int], kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    Image.fromarray(np.stack([x % 256, y % 256, (x + y) % 256], -1).astype(np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def upload(page: Page, name: str, sent: bytes) -> None:
    page.locator(".v-picture").click()
    page.locator("#in_image").set_input_files({"name": name, "mimeType": "image/png", "buffer": sent})


def test_a_picture_of_ones_own_waits_for_its_question(page: Page, served):
    turn = asked(page)
    upload(page, "photo.png", picture((90, 60)))
    expect(page.locator(".csp-viewer[data-state=empty]")).to_be_visible()
    expect(page.locator(".v-fresh")).to_contain_text("Type what should be found")
    expect(page.locator("#in_query textarea")).to_have_value("")
    expect(page.locator("#in_query textarea")).to_be_focused()
    expect(page.locator("figure[data-panel=mask]")).not_to_be_visible()
    settle(page)
    assert asked(page) == turn, "nothing runs before it is asked something"
    ask(page, "the middle")
    assert last(served[1]).image.shape == (60, 90, 3)
    expect(page.locator(".v-notes")).to_contain_text("knows only its drawn park")
    assert "hatched" in caption(page, "seen")
    shown = answers(page)
    page.locator(".v-picture").click()
    page.locator(".csp-gallery button").first.click()
    wait_for(page, shown)
    expect(page.locator(".v-notes")).not_to_contain_text("drawn park")


def test_a_large_picture_is_scaled_before_it_travels(page: Page, served):
    large = picture((6000, 4000))
    upload(page, "large.png", large)
    expect(page.locator(".csp-viewer[data-state=empty]")).to_be_visible()
    expect(page.locator(".v-fresh")).to_contain_text("6000 × 4000 pixels was scaled to 2048 × 1365")
    ask(page, "the middle")
    assert last(served[1]).image.shape == (1365, 2048, 3)
    expect(page.locator(".v-notes")).to_contain_text("scaled to 2048")


def test_a_file_that_is_no_picture(page: Page):
    upload(page, "broken.png", b"hello")
    expect(page.locator(".csp-alert")).to_contain_text("broken.png cannot be read as a picture")
    expect(page.locator("figure[data-panel=mask]")).to_be_visible()
    ask(page, "a ball")
    expect(page.locator(".csp-viewer[data-state=done]")).to_be_visible()


def test_errors_and_empty_masks_say_what_to_do(page: Page):
    ask(page, "   ")
    expect(page.locator(".csp-alert")).to_contain_text("the query is empty")
    ask(page, "nothing like a zebra")
    expect(page.locator(".csp-alert")).to_be_empty()
    expect(page.locator(".v-notes")).to_contain_text("The mask is empty")
    expect(page.locator(".v-notes")).to_contain_text("zebra")
    expect(page.locator("[data-score=dense]")).to_contain_text("both empty")


def test_words_of_a_visitor_are_never_code(page: Page):
    words = "<img src=x onerror=window.hacked=1> ${window.hacked=1} {{constructor}}"
    ask(page, words)
    expect(page.locator(".v-told")).to_contain_text(words)
    assert page.evaluate("window.hacked") is None


def test_every_knob_of_csp_is_there_and_runs(page: Page, served):
    page.locator("#csp-off summary").click()
    page.locator("#in_uniform").get_by_text("even", exact=True).click()
    settle(page)
    assert last(served[1]).knobs["uniform"] == "even"
    page.locator("#in_seed input").fill("7")
    page.locator("#in_seed input").press("Tab")
    settle(page)
    assert last(served[1]).seed == 7
    slider(page, "conf").focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    assert last(served[1]).knobs["conf"] == pytest.approx(0.3)


def test_four_selectors_side_by_side(page: Page):
    page.get_by_role("button", name="All four side by side").click()
    dialog = page.locator("dialog.v-keys")
    expect(dialog.locator("canvas")).to_have_count(4)
    expect(dialog).to_contain_text("of 2 objects")
    dialog.get_by_role("button", name="seg-first").click()
    settle(page)
    expect(page.locator(".v-told")).to_contain_text("seg-first")


def test_downloads(page: Page, tmp_path: Path):
    menu(page)
    for file in ("run.npz", "run.json", "mask.png", "panel.svg"):
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
    ask(one, "mine alone")
    ask(two, "yours alone")
    expect(one.locator(".v-told")).to_contain_text("mine alone")
    expect(two.locator(".v-told")).to_contain_text("yours alone")
    assert value(two, "Nc") == 64


def test_waiting_shows_and_a_run_can_be_stopped(visit, served):
    page = visit()
    session = served[1]
    settle(page)
    shown, session.wait = answers(page), 1.5
    try:
        page.locator("#do_run").click()
        expect(page.locator("#do_stop")).to_be_visible()
        expect(page.locator(".csp-viewer[data-busy='1']")).to_be_visible()
        page.locator("#do_stop").click()
        expect(page.locator("#do_stop")).to_be_hidden()
        page.wait_for_timeout(3000)
        assert answers(page) == shown
    finally:
        session.wait = 0.0
    page.locator("#do_run").click()
    wait_for(page, shown)


def test_a_server_that_is_gone_is_said(visit):
    page = visit()
    settle(page)
    page.route("**/component_server/", lambda route: route.abort())
    shown = answers(page)
    page.locator("#do_run").click()
    wait_for(page, shown)
    expect(page.locator(".csp-alert")).to_contain_text("did not answer")
    expect(page.locator("figure[data-panel=mask]")).to_be_visible()
    assert data(page, "state") == "error"


def test_the_self_check_reads_the_run(page: Page):
    menu(page)
    page.get_by_role("button", name="Self-check").click()
    rows = page.locator(".v-checks tr")
    assert rows.count() >= 6
    assert page.locator(".v-checks tr[data-good='0']").count() == 0
    expect(page.locator(".v-checks")).to_contain_text("[SEG]")


def test_figure_5_is_built_from_runs_of_the_visit(page: Page):
    ask(page, "the bench")
    page.locator(".v-builder").click()
    dialog = page.get_by_role("dialog", name="Figure 5")
    assert dialog.locator("input[name=row]").count() == 2
    dialog.locator("input[name=cluster][value=cls]").uncheck()
    with page.expect_download() as caught:
        dialog.get_by_role("button", name="SVG").click()
    assert caught.value.suggested_filename == "csp-figure5.svg"
    expect(dialog).to_contain_text("csp-figure5.svg,")
    for box in dialog.locator("input[name=row]").all():
        box.uncheck()
    dialog.get_by_role("button", name="PDF").click()
    expect(dialog).to_contain_text("choose 1 to 6 runs")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
