"""What tests do on the board, as a visitor would."""

from __future__ import annotations

from playwright.sync_api import Page, expect


def data(page: Page, name: str) -> str:
    return page.locator(".csp-viewer").get_attribute(f"data-{name}") or ""


def answers(page: Page) -> int:
    """Answers that have been shown, runs and refusals."""
    return int(data(page, "answers") or 0)


def asked(page: Page) -> int:
    """Runs that were asked of the server."""
    return int(data(page, "runs") or 0)


def wait_for(page: Page, after: int) -> None:
    page.wait_for_function("n => +document.querySelector('.csp-viewer').dataset.answers > n", arg=after)


def settle(page: Page, ms: int = 500) -> None:
    """Wait until nothing has been asked or answered for a while."""
    page.wait_for_function(
        "ms => { const r = document.querySelector('.csp-viewer'), n = r.dataset.answers + ' ' + r.dataset.runs; "
        "return new Promise(done => setTimeout(() => done(r.dataset.answers + ' ' + r.dataset.runs === n), ms)); }",
        arg=ms,
    )


def slider(page: Page, name: str):
    return page.locator(f"#in_{name} input[type=range]")


def value(page: Page, name: str) -> int:
    return int(page.locator(f"#in_{name} input[type=number]").input_value())


def set_number(page: Page, name: str, to: int) -> None:
    """Type a number and wait for its run."""
    before = answers(page)
    box = page.locator(f"#in_{name} input[type=number]")
    box.fill(str(to))
    box.press("Tab")
    wait_for(page, before)
    settle(page)


def choose(page: Page, control: str, option: str) -> None:
    page.locator(f"#{control} select").select_option(label=option)


def ask(page: Page, words: str) -> None:
    before = answers(page)
    page.locator("#in_query textarea").fill(words)
    page.locator("#do_run").click()
    wait_for(page, before)
    settle(page)


def caption(page: Page, panel: str) -> str:
    return page.locator(f"figure[data-panel={panel}] figcaption").inner_text()


def open_tab(page: Page, name: str) -> None:
    page.locator(".v-tabs").get_by_role("tab", name=name).click()


def large(page: Page, panel: str = "scattering") -> None:
    """One panel large, by a click on it."""
    page.locator(f"figure[data-panel={panel}] button").click()
    expect(page.locator(".v-large")).to_be_visible()


def press(page: Page, *keys: str) -> None:
    page.locator(".v-board").focus()
    for key in keys:
        page.keyboard.press(key)


def menu(page: Page) -> None:
    page.locator(".v-menu-open").click()
    expect(page.locator(".v-popover[open]")).to_be_visible()


def choose_file(page: Page, path) -> None:
    """A saved run, through the menu."""
    menu(page)
    page.locator("#do_open").set_input_files(path)


def last(session):
    """The last request of a visitor's own: the dense one beside it, and repeats that time it, are the page's."""
    return next(request for request in reversed(session.requests) if request.method != "full")
