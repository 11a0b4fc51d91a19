"""An audit by axe: nothing serious on the page, what is ours and what is Gradio's."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe


def findings(page) -> list[tuple[str, str, str, str]]:
    """(impact, rule, selector, html) of what axe calls serious or critical."""
    return [
        (rule["impact"], rule["id"], " ".join(map(str, node["target"])), node["html"][:200])
        for rule in Axe().run(page).response["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("dark", [False, True])
def test_axe(visit, dark):
    page = visit(dark=dark, query="/?__theme=dark" if dark else "")
    for name in ("Off the paper", "View", "All four selectors", "Download"):
        page.get_by_role("button", name=name).click()
    assert findings(page) == []


def test_everything_is_reached_by_the_tab_key(page):
    """From the top to the downloads without a mouse, focus always visible somewhere on the page."""
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
    for name in ("Run", "Stop", "New scene", "range slider for Lc", "range slider for Np", "Download"):
        assert name in whole, (name, whole)
