"""A Chromium to measure pages in."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]


def add_chromium(parser: argparse.ArgumentParser) -> None:
    """The flag that says which Chromium."""
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM", "/usr/bin/chromium"))


@contextmanager
def chromium(path: str) -> Iterator[Any]:
    """A Chromium; ValueError where it or Playwright is missing."""
    if not Path(path).exists():
        raise ValueError(f"there is no Chromium at {path}: apt-get install -y chromium, or pass --chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise ValueError("the page is measured through playwright: pip install playwright") from error
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()
