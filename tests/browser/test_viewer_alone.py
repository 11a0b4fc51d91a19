"""The token viewer without a server: its numbers against the trace, its drawing against the clock."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from synthetic import result

from csp.render import views
from csp.types import Result
from csp.ui.viewer.alone import alone
from csp.ui.viewer.packing import payload

ADDRESS = "http://localhost/viewer"
Show = Callable[..., Page]


def packed(run: Result, **more) -> dict:
    dense = result("full", side=run.trace.layout.grid[0], size=run.request.image.shape[:2])
    dense = replace(dense, logits=np.roll(dense.logits, 5, axis=2))
    rng = np.random.default_rng(3)
    objects = np.zeros((2, 64, 64), bool)
    objects[0, 30:50, 34:52] = True
    objects[1, 2:20, 2:16] = True
    made = payload(run, dense, np.roll(run.mask, 9, axis=1), cls=rng.random(run.trace.layout.N) / 99, objects=objects)
    return made | more


@pytest.fixture
def show(browser: Browser) -> Iterator[Show]:
    errors: list[str] = []
    asked: list[str] = []

    def opened(
        run: Result, motion: str = "reduce", width: int = 1280, height: int = 900, large: str = "scattering", **more
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": height}, reduced_motion=motion, accept_downloads=True, has_touch=width < 600
        )
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.route(ADDRESS, lambda route: route.fulfill(body=alone(packed(run, **more), live=True), content_type="text/html"))
        page.goto(ADDRESS)
        page.wait_for_selector(".csp-viewer[data-run]")
        if large:
            page.locator(f"figure[data-panel={large}] button, figure[data-panel=stage-0] button").first.click()
            page.locator(".v-views [data-value=state]").click()
        return page

    yield opened
    for context in browser.contexts:
        context.close()
    assert errors == []
    assert not [url for url in asked if not url.startswith((ADDRESS, "data:", "blob:"))], "scrubbing asks nobody"


def data(page: Page, name: str) -> str:
    return page.locator(".csp-viewer").get_attribute(f"data-{name}") or ""


def press(page: Page, *keys: str) -> None:
    page.locator(".v-board").focus()
    for key in keys:
        page.keyboard.press(key)


def to_layer(page: Page, layer: int) -> None:
    page.locator(".v-layer").evaluate(
        "(e, layer) => { e.value = layer; e.dispatchEvent(new Event('input', { bubbles: true })); }", layer
    )


def table(page: Page) -> list[list[str]]:
    return page.locator(".v-table tbody tr").evaluate_all("rows => rows.map(r => [...r.children].map(c => c.textContent))")


def percent(share: float) -> str:
    """A share as the viewer writes it: three digits, no trailing zeros."""
    if 0 < share < 1e-5:
        return "< 0.001 %"
    text = f"{float(f'{100 * share:.2e}'):.10f}".rstrip("0").rstrip(".")
    return f"{text} %"


@pytest.mark.parametrize("method", ["csp", "visionzip", "pyramiddrop"])
def test_every_number_of_a_layer_is_the_traces(show: Show, method: str):
    run = result(method)
    page = show(run)
    press(page, "l")
    for layer in (1, 9, 14, 15, 32):
        to_layer(page, layer)
        record = run.trace.stage_at(layer - 1)
        rows = table(page)
        assert {int(row[0]) for row in rows} == set(record.patches.tolist())
        assert int(data(page, "active")) == record.n
        for row in rows:
            patch = int(row[0])
            assert [int(row[1]) - 1, int(row[2]) - 1] == list(divmod(patch, 16))
            assert row[5] == percent(float(run.trace.A_SEG[layer - 1, patch]))
            state = views.states(run.trace, record)[patch]
            assert {"representative": "selected", "restored": "returned", "survivor": "survives"}[state] in row[4]


def test_states_change_with_the_layer_and_are_counted(show: Show):
    page = show(result("csp"))
    legend = page.locator(".v-legend")
    to_layer(page, 8)
    expect(legend).to_contain_text("selected for clustering: 64")
    expect(legend).to_contain_text("dormant: waits, will return: 192")
    to_layer(page, 9)
    expect(legend).to_contain_text("returned by scattering: 192")
    to_layer(page, 15)
    expect(legend).to_contain_text("survives pruning: 16")
    expect(legend).to_contain_text("pruned: 240")
    to_layer(page, 0)
    expect(page.locator(".v-where")).to_contain_text("before the first layer")


def pixels(page: Page) -> bytes:
    return page.locator(".v-base").evaluate("c => c.toDataURL()")


def test_views_differ_and_every_one_has_a_key_and_a_button(show: Show):
    page = show(result("csp"))
    to_layer(page, 15)
    seen = set()
    names = ["state", "attention", "age", "compute", "cls", "instances", "positions"]
    for key, name in enumerate(names, 1):
        press(page, str(key))
        assert data(page, "view") == name
        expect(page.locator(f".v-views [data-value={name}]")).to_have_attribute("aria-checked", "true")
        seen.add(pixels(page))
    assert len(seen) == len(names)
    page.locator(".v-views [data-value=age]").click()
    assert data(page, "view") == "age"
    page.keyboard.press("ArrowRight")
    assert data(page, "view") == "compute", "radio buttons answer to arrows"


def test_scales_and_sinks_change_the_picture(show: Show):
    page = show(result("csp"))
    press(page, "2")
    seen = {pixels(page)}
    for key in ("s", "s", "n", "n"):
        press(page, key)
        seen.add(pixels(page))
    assert len(seen) == 5
    expect(page.locator(".v-scale")).to_contain_text("percentile")
    expect(page.locator(".v-scale")).to_contain_text("2 sinks left out")


def test_masks_outlines_and_difference(show: Show):
    page = show(result("csp"))
    over = page.locator(".v-board .v-over")
    seen = [over.evaluate("c => c.toDataURL()")]
    for key in ("m", "m", "m", "m", "d", "t", "f"):
        press(page, key)
        seen.append(over.evaluate("c => c.toDataURL()"))
    assert seen[0] == seen[4], "the fourth M is where it began"
    assert len(set(seen)) == 7


def test_the_threshold_agrees_with_python(show: Show):
    run = result("csp")
    page = show(run)
    truth = np.roll(run.mask, 9, axis=1)
    for threshold in (0.0, 1.5, -2.0):
        page.locator(".v-mask input").evaluate(
            "(e, t) => { e.value = t; e.dispatchEvent(new Event('input', { bubbles: true })); }", threshold
        )
        mask = (run.full_logits() > threshold).any(axis=0)
        text = page.locator(".v-mask p").inner_text()
        assert f"{100 * mask.mean():.1f} % of the picture" in text
        assert f"IoU true {views.iou(mask, truth):.2f}" in text


def test_a_card_tells_a_tokens_life(show: Show):
    run = result("csp")
    page = show(run)
    first, _, last = run.trace.stages
    came_back = next(int(p) for p in last.patches if p not in set(first.patches.tolist()))
    row, col = divmod(came_back, 16)
    box = page.locator(".v-base").bounding_box()
    assert box
    at = (box["x"] + (col + 0.5) * box["width"] / 16, box["y"] + (row + 0.5) * box["height"] / 16)
    page.mouse.move(*at)
    card = page.locator(".v-card")
    expect(card).to_have_attribute("data-patch", str(came_back))
    expect(card).to_contain_text(f"row {row + 1}, column {col + 1}")
    expect(card).to_contain_text("1–8: dormant")
    expect(card).to_contain_text("9–14: returned by scattering, 0 layers old on entry")
    expect(card).to_contain_text("15–32: survives pruning, 6 layers old on entry")
    rank = views.ranking(run.trace, last).index(came_back) + 1
    expect(card).to_contain_text(f"{rank} of 256 by A_SEG, entering Pruning")
    to_layer(page, 10)
    expect(card).to_contain_text(percent(float(run.trace.A_SEG[9, came_back])))
    page.mouse.click(*at)
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    expect(page.locator(".v-card")).to_have_count(2)
    assert data(page, "picked") == str(came_back)


def test_the_keyboard_does_everything(show: Show):
    page = show(result("csp"))
    to_layer(page, 0)
    press(page, "ArrowUp")
    start = int(data(page, "at"))
    press(page, "ArrowLeft", "ArrowUp", "Enter")
    assert data(page, "at") == data(page, "picked") == str(start - 17)
    assert "row" in page.locator(".v-live").inner_text()
    press(page, "ArrowRight", "Enter")
    assert data(page, "picked") == f"{start - 17} {start - 16}"
    press(page, "Escape")
    assert data(page, "picked") == ""
    press(page, "]", "]", "[")
    assert data(page, "layer") == "1"
    press(page, ".")
    assert data(page, "layer") == "9", "the next stage"
    press(page, "End")
    assert data(page, "layer") == "32"
    press(page, ",")
    assert data(page, "layer") == "15"
    press(page, "Home", "?")
    dialog = page.locator("dialog.v-keys")
    expect(dialog).to_be_visible()
    assert dialog.locator("kbd").count() >= 30
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)


def test_words_and_the_elbow(show: Show):
    run = result("csp")
    page = show(run)
    to_layer(page, 12)
    words = page.locator(".v-wordlist li")
    expect(words).to_have_count(run.trace.layout.N_usr)
    assert words.nth(1).inner_text().split("\n") == ["red", percent(float(run.trace.A_text[11, 1]))]
    score = run.trace.stages[-1].score
    assert score is not None
    share = round(100 * np.sort(score)[::-1][:16].sum() / score.sum())
    expect(page.locator(".v-elbow")).to_contain_text(f"The 16 tokens kept hold {share} %")


def test_playing_stops_at_the_end_and_respects_less_motion(show: Show):
    page = show(result("csp"), motion="no-preference")
    to_layer(page, 30)
    page.locator(".v-play").click()
    page.wait_for_function("document.querySelector('.csp-viewer').dataset.layer === '32'")
    expect(page.locator(".v-play")).to_have_text("Play")
    still = show(result("csp"))
    expect(still.locator(".v-play")).to_be_disabled()
    still.locator(".v-forth").click()
    assert data(still, "layer") == "15"


def test_runs_are_kept_and_flipped(show: Show):
    page = show(result("csp"))
    first, other = packed(result("csp")), packed(result("csp", knobs={"Np": 4}))
    to_layer(page, 20)
    page.wait_for_timeout(1300)
    page.evaluate("p => window.send(p)", other)
    page.wait_for_selector(".csp-viewer[data-run='2']")
    assert data(page, "active") == "4" and data(page, "layer") == "20", "the layer stays"
    expect(page.locator(".v-runlist li")).to_have_count(2)
    page.get_by_label("Run 1 as A").click()
    page.get_by_label("Run 2 as B").click()
    expect(page.locator(".v-diff")).to_contain_text("N_avg")
    press(page, "b")
    assert data(page, "active") == "16"
    press(page, "b")
    assert data(page, "active") == "4"
    for _ in range(25):
        page.evaluate("p => window.send(p)", first | {"query": str(_)})
        page.wait_for_selector(f".v-open[aria-pressed=true][title$='“{_}”']")
    expect(page.locator(".v-runlist li")).to_have_count(20)
    expect(page.get_by_label("Run 1 as A")).to_have_count(1)


def test_panels_are_saved(show: Show):
    page = show(result("csp"))
    press(page, "2")
    with page.expect_download() as download:
        page.locator(".v-files").get_by_role("button", name="PNG").click()
    image = Image.open(io.BytesIO(download.value.path().read_bytes()))
    base = page.locator(".v-base").evaluate("c => [c.width, c.height]")
    assert image.size[0] == base[0] and image.size[1] > base[1]
    for key in ("1", "2", "6"):
        press(page, key)
        with page.expect_download() as download:
            page.locator(".v-files").get_by_role("button", name="SVG").click()
        text = download.value.path().read_text(encoding="utf-8")
        assert text.count("<rect") >= 16 and "the red ball" in text and "<path" in text
        assert text.startswith("<svg")


def test_a_finger_sees_first_and_pins_second(show: Show):
    page = show(result("csp"), width=420, large="pruning")
    box = page.locator(".v-base").bounding_box()
    assert box and box["width"] <= 420
    page.touchscreen.tap(box["x"] + 60, box["y"] + 60)
    expect(page.locator(".v-card")).to_have_count(1)
    assert data(page, "picked") == ""
    page.touchscreen.tap(box["x"] + 60, box["y"] + 60)
    assert data(page, "picked") == data(page, "at") != "-1"
    assert page.evaluate("document.documentElement.scrollWidth") <= 420


def test_a_merged_token_names_its_centre(show: Show):
    run = result("visionzip")
    page = show(run)
    record = run.trace.stages[0]
    row = next(i for i in range(record.n) if (record.source[i] > 0).sum() > 1)
    centre = int(record.slots[row]) - run.trace.layout.N_sys
    folded = next(int(p) for p in np.flatnonzero(record.source[row]) if p != centre)
    r, c = divmod(folded, 16)
    box = page.locator(".v-base").bounding_box()
    assert box
    page.mouse.move(box["x"] + (c + 0.5) * box["width"] / 16, box["y"] + (r + 0.5) * box["height"] / 16)
    expect(page.locator(".v-card")).to_contain_text("merged into")


def test_a_wide_picture_shows_what_the_tower_never_saw(show: Show):
    run = result("csp", size=(240, 400))
    page = show(run)
    expect(page.locator(".v-legend")).to_contain_text("outside the vision tower's crop")
    box = page.locator(".v-base").bounding_box()
    assert box
    page.mouse.move(box["x"] + 5, box["y"] + box["height"] / 2)
    assert data(page, "at") == "-1", "no token there"
    page.mouse.move(box["x"] + box["width"] * (80 + 240 * 0.5) / 400 + 2, box["y"] + box["height"] * 0.5 + 2)
    assert data(page, "at") == str(8 * 16 + 8)


def test_what_is_not_known_is_switched_off(show: Show):
    page = show(result("full"))
    bare = payload(result("fastv"))
    page.evaluate("p => window.send(p)", bare)
    page.wait_for_selector(".csp-viewer[data-run='2']")
    for view in ("cls", "instances"):
        expect(page.locator(f".v-views [data-value={view}]")).to_be_disabled()
    press(page, "5", "d", "f")
    assert data(page, "view") == "state"
    expect(page.locator(".v-handle")).to_have_count(0)


def test_every_run_that_arrives_is_painted(show: Show):
    """Payloads of 576 tokens and 32 layers, a new picture each time; how long it took is told."""
    page = show(result("csp", side=24))
    for i in range(5):
        run = result("full" if i % 2 else "csp", side=24)
        other = np.roll(run.request.image, 40 * i + 40, axis=1)
        page.evaluate("p => window.send(p)", packed(replace(run, request=replace(run.request, image=other))))
        page.wait_for_selector(f".csp-viewer[data-run='{i + 2}']")
        assert float(data(page, "painted-ms")) > 0


def test_a_run_in_a_file_of_its_own(browser: Browser, tmp_path: Path):
    """Words of a query are text there too, whatever they spell; what needs the model is off."""
    words = "</script><img src=x onerror=window.hacked=1> VALUE SCRIPT ${window.hacked=1}"
    run = result("csp", query=words)
    (tmp_path / "run.html").write_text(alone(packed(run)), encoding="utf-8")
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((tmp_path / "run.html").as_uri())
    expect(page.locator(".csp-viewer[data-run]")).to_be_visible()
    expect(page.locator(".v-told")).to_contain_text(words)
    assert page.evaluate("window.hacked") is None
    for part in (".v-rail", ".v-top", ".v-bar", ".v-matter"):
        expect(page.locator(part)).to_be_hidden()
    expect(page.locator(".v-panels > figure")).to_have_count(6)
    page.keyboard.press("2")
    assert data(page, "large") == "scattering" and data(page, "view") == "attention"
    page.keyboard.press("]")
    assert data(page, "layer") == "15"
    page.keyboard.press("Escape")
    assert data(page, "large") == ""
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
    page.close()


def test_an_unreadable_packet_is_said(show: Show):
    page = show(result("csp"))
    page.evaluate("window.send({ block: 'AAAA', arrays: {}, picture: '' })")
    expect(page.locator(".v-error")).to_contain_text("could not be drawn")
    page.evaluate("p => window.send(p)", json.loads(json.dumps(packed(result("csp")))))
    expect(page.locator(".v-error")).to_be_empty()


OUTLINES = {
    "mask": ("rgb(0, 158, 115)", "solid"),
    "dense mask": ("rgb(204, 121, 167)", "dashed"),
    "true mask": ("rgb(240, 228, 66)", "dotted"),
}
LEGEND = """all => all.map(li => {
  const { borderTopColor, borderTopStyle } = getComputedStyle(li.firstChild);
  return [li.textContent, [borderTopColor, borderTopStyle]];
})"""
PIXEL = "(c, [x, y]) => [...c.getContext('2d').getImageData(x * c.width, y * c.height, 1, 1).data.slice(0, 3)]"
# Pixels of exactly this colour on the canvas of outlines: how many, and where their middle is, as shares of the board.
TONE = """(canvas, tone) => {
  const { data, width, height } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let n = 0, x = 0, y = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (data[i] !== tone[0] || data[i + 1] !== tone[1] || data[i + 2] !== tone[2] || data[i + 3] < 255) continue;
    n++;
    x += (i / 4) % width;
    y += Math.floor(i / 4 / width);
  }
  return [n, x / n / width, y / n / height];
}"""


def test_every_outline_has_its_own_colour_in_the_picture_and_in_the_legend(show: Show):
    """Three masks apart: each is found where it is by the colour that the legend says, and the picture keeps red and blue."""
    run = result("csp")
    height, width = run.mask.shape
    moved = {"mask": (0, 0), "dense mask": (-height // 3, 0), "true mask": (0, -width // 3)}
    masks = {name: np.roll(run.mask, by, axis=(0, 1)) for name, by in moved.items()}
    dense = replace(result("full"), logits=np.roll(run.logits, (-run.logits.shape[1] // 3, 0), axis=(1, 2)))
    page = show(run, large="mask", **payload(run, dense, masks["true mask"]))
    page.locator(".v-views [data-value=picture]").click()
    items = page.locator(".v-legend li").evaluate_all(LEGEND)
    assert {name: tuple(look) for name, look in items} == OUTLINES
    for name, (tone, _) in OUTLINES.items():
        n, x, y = page.locator(".v-board .v-over").evaluate(TONE, [int(part) for part in tone[4:-1].split(",")])
        rows, cols = np.nonzero(masks[name])
        assert n > 100, name
        assert (x, y) == (pytest.approx(cols.mean() / width, abs=0.02), pytest.approx(rows.mean() / height, abs=0.02)), name
    base = page.locator(".v-board .v-base")
    for x, y in ((0.66, 0.62), (0.85, 0.72), (0.5, 0.05)):  # the red ball, the blue one, the sky
        shown = base.evaluate(PIXEL, [x, y])
        assert shown == pytest.approx(run.request.image[int(y * height), int(x * width)].tolist(), abs=12)
