"""A browser page that may ask nothing of other machines and may not raise."""

from __future__ import annotations

from playwright.sync_api import Browser, Page, expect


class Strict:
    """Opens pages that may ask nothing of other machines and may not raise."""

    def __init__(self, browser: Browser, url: str):
        self.browser, self.url = browser, url
        self.abroad: list[str] = []
        self.errors: list[str] = []

    def open(self, width: int = 1360, height: int = 900, dark: bool = False, query: str = "") -> Page:
        context = self.browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
            accept_downloads=True,
        )
        page = context.new_page()
        page.on("request", self._watch)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(self.url + query)
        # A link may lead to a tab that hides the board.
        expect(page.locator(".csp-viewer[data-run]")).to_be_attached()
        return page

    def _watch(self, request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.abroad.append(request.url)
