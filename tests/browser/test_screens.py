"""What is in sight together, without scrolling: shares of boxes measured on the page, and nothing in front of them."""

from __future__ import annotations

import re

import pytest
from acts import choose, data, menu, open_tab, settle
from playwright.sync_api import Page, expect

from csp.methods import METHODS

PARTS = {
    "query": ".v-query",
    "Run": "#do_run",
    "clustering": "figure[data-panel=clustering] .p-box",
    "scattering": "figure[data-panel=scattering] .p-box",
    "pruning": "figure[data-panel=pruning] .p-box",
    "mask": "figure[data-panel=mask] .p-box",
    "stage bar": ".v-stagebar",
}
BESIDE = {
    "method": "#in_method",
    **{name: f"#in_{name} input[type=range]" for name in ("Lc", "Nc", "Ls", "Np")},
    "cluster": "#in_cluster",
    "plan": ".r-plan",
    "scrubber": ".v-layer",
    **{name: f"[data-bill='{name}']" for name in ("Image tokens", "Operations", "Time")},
    **{f"IoU {name}": f"[data-score={name}]" for name in ("dense", "truth")},
}
# The share of a part's box that lies in the window and is the part itself when pointed at: 25 points of it.
SHARE = """css => {
  const part = document.querySelector(css), box = part.getBoundingClientRect();
  let seen = 0;
  for (const u of [0.04, 0.27, 0.5, 0.73, 0.96]) for (const v of [0.04, 0.27, 0.5, 0.73, 0.96]) {
    const at = document.elementFromPoint(box.left + u * box.width, box.top + v * box.height);
    seen += Boolean(at && box.width && (part.contains(at) || at.contains(part)));
  }
  return seen / 25;
}"""
SIDEWAYS = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
DOWN = "() => document.documentElement.scrollHeight - document.documentElement.clientHeight"


def hidden(page: Page, parts: dict[str, str]) -> dict[str, float]:
    """Parts that are not wholly in sight, and the share that is, once nothing slides or fades any more."""
    for _ in range(30):
        shares = {name: page.evaluate(SHARE, css) for name, css in parts.items()}
        less = {name: share for name, share in shares.items() if share < 1}
        if not less:
            break
        page.wait_for_timeout(200)
    return less


@pytest.mark.parametrize(("width", "height", "dark"), [(1280, 720, False), (1440, 900, True), (1920, 1080, False)])
def test_all_that_is_turned_and_all_that_it_changes_share_one_screen(visit, width, height, dark):
    page = visit(width=width, height=height, dark=dark)
    assert hidden(page, PARTS | BESIDE) == {}
    assert page.evaluate(DOWN) <= 0 and page.evaluate(SIDEWAYS) <= 0
    side = page.locator("figure[data-panel=mask] .p-box").bounding_box()["height"]
    assert side >= 0.34 * height, "as large as six of them fit"


def test_every_methods_controls_are_in_sight_on_a_projector(visit):
    page = visit(width=1280, height=720)
    for method in METHODS.values():
        choose(page, "in_method", method.label)
        rows = page.locator(".v-rail .r-knobs > [data-knob]")
        names = [row.get_attribute("id") for row in rows.all()]
        assert hidden(page, {f"{method.name} {name}": f"#{name}" for name in names} | {"plan": ".r-plan"}) == {}


@pytest.mark.parametrize("dark", [False, True])
def test_a_phone_has_question_mask_and_stages_first_and_a_drawer_below_them(visit, dark):
    page = visit(width=390, height=844, dark=dark)
    assert hidden(page, PARTS) == {} and page.evaluate(SIDEWAYS) <= 0
    tops = {name: page.locator(css).bounding_box()["y"] for name, css in PARTS.items()}
    assert tops["query"] < tops["mask"] < tops["clustering"] == tops["pruning"] < tops["stage bar"]
    handle = page.locator(".r-handle")
    handle.click()
    expect(handle).to_have_attribute("aria-expanded", "true")
    mask = {name: PARTS[name] for name in ("query", "mask", "clustering", "scattering", "pruning")}
    for name in ("Lc", "Nc", "Ls", "Np"):
        page.locator(f"#in_{name} input[type=range]").scroll_into_view_if_needed()
        assert hidden(page, mask | {name: f"#in_{name} input[type=range]"}) == {}, "the mask stays while a slider moves"
    handle.click()
    menu(page)
    box = page.locator(".v-popover").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390 and box["y"] + box["height"] <= 844
    assert hidden(page, {"pages": ".v-popover .v-tabs-small"}) == {}


def test_a_stage_that_a_phone_opens_is_in_sight(visit):
    page = visit(width=390, height=844)
    page.locator("figure[data-panel=scattering] button").click()
    expect(page.locator(".v-large")).to_be_visible()
    settle(page)
    box = page.locator(".v-board").bounding_box()
    assert 40 <= box["y"] and box["y"] + box["height"] <= 804, "below the bar and above the drawer"


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 844)])
def test_no_words_of_a_control_lie_under_another(visit, width, height):
    """Bars of Compare and Trade-off: a name never runs into its number, nor a choice into its arrow."""
    page = visit(width=width, height=height)
    for name, part in (("Compare", "compare"), ("Trade-off", "tradeoff")):
        if width > 760:
            open_tab(page, name)
        else:
            menu(page)
            page.locator(".v-tabs-small").get_by_role("button", name=name, exact=True).click()
        expect(page.locator(f".csp-{part}")).to_be_visible()
        crossed = page.evaluate(
            """() => [...document.querySelectorAll('.csp-bar-row .head, .csp-bar-row .secondary-wrap')].filter((row) => {
              if (!row.offsetWidth) return false;
              const words = row.querySelector('label span, input').getBoundingClientRect();
              const pad = parseFloat(getComputedStyle(row.querySelector('label span, input')).paddingRight);
              const next = row.querySelector('.dropdown-arrow, .tab-like-container').getBoundingClientRect();
              return words.right - pad > next.left + 1;
            }).map((row) => row.outerHTML)"""
        )
        assert crossed == [], name


def test_the_bill_says_what_is_spent_not_what_is_saved(page: Page):
    """73 of 256 tokens: 71 % less, and a bar that is 29 % full."""

    def full(name: str) -> float:
        bar = page.locator(f"[data-bill='{name}'] .v-share")
        return bar.evaluate("e => +getComputedStyle(e).getPropertyValue('--share')")

    row = page.locator("[data-bill='Image tokens']")
    expect(row).to_contain_text("73 of 256 a layer")
    expect(row.locator("b")).to_have_text("\u221271 %")
    assert full("Image tokens") == pytest.approx(73 / 256, abs=1e-3)
    words = page.locator("[data-bill=Operations] small").inner_text()
    ours, dense = (float(number) * {"G": 1, "T": 1e3, "M": 1e-3}[unit] for number, unit in re.findall(r"([\d.]+) ([GTM])", words))
    assert full("Operations") == pytest.approx(ours / dense, abs=0.01) and ours < dense
    if "once" in page.locator("[data-bill=Time]").inner_text():
        assert full("Time") == 0, "what was not compared has no bar"


def test_the_menu_leads_to_paper_code_notebooks_and_licences(page: Page, tmp_path):
    menu(page)
    box = page.locator(".v-popover")
    expect(box.get_by_role("link", name="The paper")).to_have_attribute("href", "https://arxiv.org/abs/2504.10854")
    box.get_by_role("button", name="methods/csp.py").click()
    expect(page.get_by_role("dialog", name="methods/csp.py")).to_contain_text("class CSP")
    page.keyboard.press("Escape")
    menu(page)
    with page.expect_download() as caught:
        box.get_by_role("button", name="quickstart.ipynb").click()
    assert caught.value.suggested_filename == "quickstart.ipynb"
    box.get_by_role("button", name="NOTICE").click()
    expect(page.get_by_role("dialog", name="NOTICE")).to_contain_text("AGPL-3.0")
    page.keyboard.press("Escape")
    choose(page, "in_method", "FastV")
    menu(page)
    expect(box.get_by_role("button", name="methods/fastv.py")).to_be_visible()
    assert data(page, "state") == "done"


def test_a_first_visit_travels_in_a_megabyte(visit):
    page = visit()
    network = page.context.new_cdp_session(page)
    travelled: list[float] = []
    network.on("Network.loadingFinished", lambda event: travelled.append(event["encodedDataLength"]))
    network.send("Network.enable")
    network.send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.reload()
    expect(page.locator(".csp-viewer[data-run]")).to_be_attached()
    settle(page)
    assert len(travelled) > 20, "the page and its scripts were seen"
    assert sum(travelled) <= 2**20
