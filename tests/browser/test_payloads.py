"""Hostile text through every string that the page shows is shown as text, and no script of it runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from acts import answers, ask, choose_file, open_tab, press, wait_for
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from synthetic import result

from csp.bench.hostility.values import MARKUP
from csp.types import Result
from csp.ui.viewer import packing
from csp.ui.viewer.alone import alone

BAD = " ".join(MARKUP)


def hostile() -> Result:
    """A run whose every string is hostile."""
    run = result(query=BAD)
    stages = tuple(replace(stage, name=f"{stage.name}{MARKUP[0]}", score_name=MARKUP[1]) for stage in run.trace.stages)
    request = replace(run.request, model=BAD, method=BAD[:100], knobs={"Nc": BAD[:200], "<b>": "<i>"})
    trace = replace(run.trace, stages=stages, forced={MARKUP[1]: {"keep": (1,), "drop": (2,)}})
    words = tuple(MARKUP[i % len(MARKUP)] for i in range(trace.layout.N_usr))
    return replace(run, request=request, trace=trace, notes=(*MARKUP, BAD), words=words, text=BAD, ms={MARKUP[1]: 1.0})


def quiet(page: Page) -> None:
    """Nothing of it ran, and nothing of it became an element."""
    page.wait_for_timeout(100)
    assert page.evaluate("window.pwned") is None
    assert page.locator("img[src=x], svg[onload], script:text('pwned')").count() == 0


def test_a_saved_run_of_hostile_strings(page: Page, tmp_path: Path):
    hostile().save(tmp_path / "run.npz")
    before = answers(page)
    choose_file(page, tmp_path / "run.npz")
    wait_for(page, before)
    expect(page.locator(".v-told")).to_contain_text(MARKUP[1])
    expect(page.locator(".v-notes")).to_contain_text(MARKUP[0])
    for key in ("1", "]", "Escape", "2", "ArrowUp", "Enter", "Escape"):
        press(page, key)
    quiet(page)
    open_tab(page, "Learn")
    quiet(page)


def test_links_queries_and_names_of_files(visit, tmp_path: Path):
    told = dict.fromkeys(("method", "picked", "Nc", "scene", "cluster", "tab", "step", "at", "show", "<b>"), BAD)
    page = visit(query="?" + urlencode({**told, "query": BAD}))
    quiet(page)
    ask(page, BAD)
    expect(page.locator(".v-told")).to_contain_text(MARKUP[1])
    picture = tmp_path / "<img src=x onerror='window.pwned = 1'>.png"
    Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(picture)
    choose_file(page, picture)
    quiet(page)
    open_tab(page, "Compare")
    expect(page.locator(".csp-compare")).to_contain_text("window.pwned")
    quiet(page)


def test_a_run_in_a_file_of_its_own(browser: Browser, tmp_path: Path):
    (tmp_path / "run.html").write_text(alone(packing.saved(hostile())), encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "run.html").as_uri())
    expect(page.locator(".csp-viewer[data-run]")).to_be_visible()
    expect(page.locator(".v-told")).to_contain_text(MARKUP[1])
    quiet(page)
    page.close()


def test_a_page_that_runs_it_would_be_seen(browser: Browser):
    page = browser.new_page()
    page.set_content(f"<p>{MARKUP[1]}</p>")
    page.wait_for_function("window.pwned === 1")
    page.close()
