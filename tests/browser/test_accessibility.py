"""An audit by axe: nothing serious on the page, what is ours and what is Gradio's."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect


def findings(page) -> list[tuple[str, str, str, str]]:
    """(impact, rule, selector, html) of what axe calls serious or critical."""
    return [
        (rule["impact"], rule["id"], " ".join(map(str, node["target"])), node["html"][:200])
        for rule in Axe().run(page).response["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [(1280, 720), (390, 844)])
def test_axe(visit, dark, size):
    """The board with everything open that opens: the rest of the knobs, the popovers, the drawer."""
    page = visit(*size, dark=dark, query="/?__theme=dark" if dark else "")
    if size[0] < 760:
        page.locator(".r-handle").click()
    page.locator("#csp-off summary").click()
    page.locator(".v-menu-open").click()
    assert findings(page) == []
    page.keyboard.press("Escape")
    page.locator(".v-picture").click()
    assert findings(page) == []


def luminance(color: str) -> float:
    """Relative luminance, as WCAG 2 has it, of a computed `rgb(r, g, b)`."""
    parts = [int(value) / 255 for value in re.findall(r"\d+", color)[:3]]
    linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True])
def test_a_button_under_the_pointer_can_be_read(visit, dark):
    """axe looks at a page at rest."""
    page = visit(query="/?__theme=dark" if dark else "")
    for name in (".v-run", ".v-menu-open", ".v-picture", ".v-chips button >> nth=0"):
        button = page.locator(name)
        button.hover()
        ink, ground = button.evaluate("node => [getComputedStyle(node).color, getComputedStyle(node).backgroundColor]")
        light, dim = sorted((luminance(ink), luminance(ground)), reverse=True)
        assert (light + 0.05) / (dim + 0.05) >= 4.5, (name, ink, ground)


def test_everything_is_reached_by_the_tab_key(page):
    """From the top to the runs without a mouse, focus always visible somewhere on the page."""
    page.locator("body").click(position={"x": 2, "y": 2})
    reached = []
    for _ in range(70):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "() => { const e = document.activeElement; const host = e.closest('[id]');"
                " return (e.getAttribute('aria-label') || e.textContent || host?.id || '').trim().slice(0, 60); }"
            )
        )
    whole = " | ".join(reached)
    for name in (
        "Query",
        "Run",
        "Picture",
        "Method",
        "range slider for Lc",
        "range slider for Np",
        "Clustering stage",
        "Layer",
        "Run 1",
    ):
        assert name in whole, (name, whole)


def test_a_journey_by_keyboard_alone(page):
    """Ask, move a slider, look at a stage, pin a token, and come back."""
    page.locator(".v-query").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("the red ball")
    page.keyboard.press("Enter")
    expect(page.locator(".v-told")).to_contain_text("the red ball")
    page.locator("#in_Np input[type=range]").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("figure[data-panel=pruning]")).to_contain_text("17 of 256")
    page.locator("figure[data-panel=pruning] button").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".v-large")).to_be_visible()
    page.locator(".v-board").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator(".v-card")).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator(".v-panels")).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("dialog.v-keys")).to_contain_text("which tokens matter")
    expect(page.locator("dialog.v-keys")).to_contain_text("mean over layers (Eq. 9)")
    page.keyboard.press("Escape")
    expect(page.locator("dialog.v-keys")).to_have_count(0)
