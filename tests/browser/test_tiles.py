"""Sa2VA on the board: tiles and thumbnail, tokens where they were cut, on a wide and on a tall picture."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from acts import answers, ask, caption, large, settle, wait_for
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from serving import page as serve
from strict import Strict
from synthetic import picture

import csp
from csp.render.palette import SURVIVOR
from csp.session import Session
from csp.types import Request, Result

DATA = Path(__file__).parents[1] / "data/sa2va"
PICTURES = {"wide": (300, 450), "tall": (480, 320)}


class Watched(Session):
    """A session that remembers what it answered."""

    def __init__(self, wait: float = 0.0) -> None:
        super().__init__(csp.load(DATA / "sa2va-tiny", sam=DATA / "sam2_config.json", device="cpu", dtype="float32", max_tiles=6))
        self.answered: list[Result] = []

    def run(self, request: Request, fresh: bool = False) -> Result:
        self.answered.append(super().run(request, fresh))
        return self.answered[-1]


@pytest.fixture(scope="module")
def tiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any]]:
    with serve(tmp_path_factory.mktemp("tiles"), kind=Watched) as served:  # type: ignore[arg-type]
        yield served


@pytest.fixture
def see(browser: Browser, tiled: tuple[str, Any]) -> Iterator[Callable[[str], tuple[Page, Result]]]:
    strict = Strict(browser, tiled[0])

    def on(shape: str) -> tuple[Page, Result]:
        page = strict.open()
        sent = io.BytesIO()
        Image.fromarray(picture(*PICTURES[shape])[0]).save(sent, "PNG")
        settle(page)
        page.locator(".v-picture").click()
        page.locator("#in_image").set_input_files({"name": "own.png", "mimeType": "image/png", "buffer": sent.getvalue()})
        expect(page.locator(".csp-viewer[data-state=empty]")).to_be_visible()
        settle(page)
        ask(page, "the red ball")
        settle(page)
        mine = [r for r in tiled[1].answered if r.request.method == "csp" and r.request.image.shape[:2] == PICTURES[shape]]
        return page, mine[-1]

    yield on
    for context in browser.contexts:
        context.close()
    assert strict.abroad == [] and strict.errors == []


def colour(page: Page, panel: str, x: float, y: float) -> list[int]:
    """What is painted on a panel at a share of its width and height."""
    return page.locator(f"figure[data-panel={panel}] canvas:first-child").evaluate(
        "(c, [x, y]) => Array.from(c.getContext('2d').getImageData(x * c.width, y * c.height, 1, 1).data)", [x, y]
    )


@pytest.mark.parametrize("shape", PICTURES)
def test_tokens_are_ringed_in_their_tile_and_in_the_thumbnail(see: Callable[[str], tuple[Page, Result]], shape: str) -> None:
    page, result = see(shape)
    layout, (H, W) = result.trace.layout, PICTURES[shape]
    assert "6 tiles and a thumbnail of 4 \u00d7 4 patches" in caption(page, "seen") and len(layout.tiles) == 7
    # The board: the picture, and two fifths of it below or to the right after a gap.
    gap = 0.04 * max(H, W)
    below = W > H
    tall, wide = (H + gap + 0.4 * H, W) if below else (H, W + gap + 0.4 * W)
    kept = set(result.trace.stages[-1].patches.tolist())
    assert 0 < len(kept) < layout.N
    ringed = []
    for patch in range(layout.N):
        box = layout.patch_box(patch)
        small = patch >= layout.N - 16
        scale, left, top = (0.4, 0 if below else W + gap, H + gap if below else 0) if small else (1, 0, 0)
        x0, y0, y1 = left + scale * box.x0, top + scale * box.y0, top + scale * box.y1
        # A little inside the left edge, at half the height: on the ring, were there one.
        r, g, b, _ = colour(page, "pruning", (x0 + 1.2) / wide, (y0 + y1) / 2 / tall)
        if max(abs(a - c) for a, c in zip((r, g, b), SURVIVOR.color, strict=True)) < 40:
            ringed.append(patch)
    assert set(ringed) == kept
    # Beside the thumbnail there is nothing.
    corner = (0.95, 0.97) if below else (0.97, 0.95)
    assert colour(page, "pruning", *corner)[3] == 0


def test_a_token_is_named_by_its_tile(see: Callable[[str], tuple[Page, Result]]) -> None:
    page, _ = see("wide")
    large(page, "clustering")
    board = page.locator(".v-board canvas").first
    box = board.bounding_box()
    assert box is not None
    tall = 300 + 18 + 120
    for (x, y), name in (((440, 10), "row 1, column 4 of tile 3"), ((100, 330), "row 1, column 3 of the thumbnail")):
        page.mouse.click(box["x"] + box["width"] * x / 450, box["y"] + box["height"] * y / tall)
        expect(page.locator(".v-card").last).to_have_attribute("aria-label", f"Token at {name}")
    shown = answers(page)
    assert shown >= 1


def test_a_single_tile_is_an_ordinary_board(browser: Browser, tmp_path: Path) -> None:
    class One(Session):
        def __init__(self, wait: float = 0.0) -> None:
            super().__init__(csp.load(DATA / "sa2va-tiny", sam=DATA / "sam2_config.json", device="cpu", max_tiles=1))

    with serve(tmp_path, kind=One) as (url, _):  # type: ignore[arg-type]
        strict = Strict(browser, url)
        page = strict.open()
        settle(page)
        assert "4 \u00d7 4 patches" in caption(page, "seen") and "hatched" not in caption(page, "seen")
        wait_for(page, 0)
        page.context.close()
        assert strict.errors == []
