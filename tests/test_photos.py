"""Photographs for a model that knows more than the park: whose they are, how they are offered, asked about and linked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_session import Card, FakeSession
from PIL import Image

from csp.models.prompt import clean_query
from csp.ui import permalink
from csp.ui.album import PHOTOS, Album, photo
from csp.ui.handlers import PARK_ONLY, Handlers

FOLDER = Path(__file__).parents[1] / "assets/photos"


@pytest.fixture(scope="module")
def handlers() -> Handlers:
    session = FakeSession()
    session.card = replace(Card(), name="LISA-7B-v1")
    return Handlers(session)  # type: ignore[arg-type]


def test_every_photograph_is_small_and_attributed() -> None:
    told = (FOLDER / "ATTRIBUTION.md").read_text()
    assert {file.name for file in FOLDER.iterdir()} == {"ATTRIBUTION.md", *(f"{name}.jpg" for name in PHOTOS)}
    assert len(PHOTOS) == 4
    for name, asked in PHOTOS.items():
        file = photo(name)
        assert file == FOLDER / f"{name}.jpg" and file.stat().st_size < 150_000
        (row,) = (line for line in told.splitlines() if f"`{name}.jpg`" in line)
        assert "CC0" in row or "public domain" in row
        with Image.open(file) as picture:
            assert picture.format == "JPEG" and picture.mode == "RGB" and min(picture.size) >= 300
        assert asked and all(clean_query(one.text) == one.text for one in asked)


def test_a_model_that_knows_the_world_is_shown_photographs(handlers: Handlers) -> None:
    shown = handlers.gallery()
    assert [one["source"] for one in shown] == [f"photo:{name}" for name in PHOTOS]
    assert all(one["src"].startswith("data:image/jpeg") and one["query"] in one["alt"] for one in shown)
    assert next(source for source, _ in Album().examples()).startswith("scene:")


def test_a_photograph_is_asked_about_by_its_source(handlers: Handlers) -> None:
    told = handlers.picture("photo:coffee")
    assert told["number"] is None and told["image"].shape == (400, 600, 3)
    query = told["suggestions"][0]["text"]
    asked = handlers.ask({"query": query, "source": "photo:coffee", "image": None, **handlers.defaults()})
    np.testing.assert_array_equal(asked.request.image, told["image"])
    assert asked.scene is None and asked.truth is None
    out = handlers.run(query=query, source="photo:coffee", **handlers.defaults())
    assert "error" not in out and PARK_ONLY not in out["notes"]


@pytest.mark.parametrize("source", ["photo:dog", "photo:", "photo:../../app", "photo:coffee.jpg", ["photo:coffee"], 3])
def test_no_other_file_can_be_named(handlers: Handlers, source: object) -> None:
    assert 'photo:" and one of coffee, cat' in handlers.picture(source)["error"]


def test_no_source_is_no_picture(handlers: Handlers) -> None:
    assert "there is no picture" in handlers.picture("")["error"]


def test_a_link_leads_back_to_a_photograph(handlers: Handlers) -> None:
    controls = {"query": "the cat", "source": "photo:cat", "knobs": handlers.defaults()}
    link = permalink.link(handlers, controls)
    assert link["photo"] == "cat" and "scene" not in link
    read, notes = permalink.read(handlers, link)
    assert read["source"] == "photo:cat" and notes == []
    _, notes = permalink.read(handlers, {"photo": "dog", "seed": "1"})
    assert "The link's photo was ignored: photo must be one of coffee, cat" in notes[0]


def test_the_page_is_built_over_photographs(handlers: Handlers) -> None:
    from csp.ui.page import page

    (shown,) = (block for block in page(handlers).blocks.values() if getattr(block, "elem_id", None) == "csp-viewer")
    about = json.loads(shown.props["about"])
    assert about["start"]["source"] == "photo:coffee" and not about["scenes"]
    assert [one["source"] for one in about["gallery"]] == ["photo:coffee", "photo:cat", "photo:rocket", "photo:astronaut"]
