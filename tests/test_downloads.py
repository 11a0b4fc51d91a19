"""What leaves the app as a file says what the run says: masks as one bit a pixel and as COCO's RLE, runs of any model."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from fake_session import FakeSession
from numpy.typing import NDArray
from PIL import Image
from synthetic import result

from csp.segment import write
from csp.types import Result
from csp.ui import saved
from csp.ui.handlers import Handlers
from csp.ui.viewer import packing


def coco_decode(code: dict) -> NDArray[np.bool_]:
    """Masks as pycocotools reads uncompressed RLE: runs of 0 and 1 in turn, laid down column by column."""
    h, w = code["size"]
    out = np.zeros((h, w), bool)
    at, value = 0, False
    for count in code["counts"]:
        assert isinstance(count, int) and count >= 0
        for i in range(at, at + count) if value else ():
            out[i % h, i // h] = True
        at, value = at + count, not value
    assert at == h * w, "the runs cover the picture"
    return out


@pytest.fixture(scope="module")
def handlers() -> Handlers:
    return Handlers(FakeSession())


def exported(handlers: Handlers, file: str, **more) -> bytes:
    asked = {"query": "the red ball", "source": "scene:7", "method": "csp", **handlers.defaults()} | more
    return base64.b64decode(handlers.export(file, **asked)["data"])


@pytest.mark.parametrize("query", ["the red ball", "nothing"])
def test_png_and_rle_are_one_mask(handlers, query):
    image = Image.open(io.BytesIO(exported(handlers, "mask.png", query=query)))
    assert image.mode == "1" and image.size == (448, 448)
    mask = np.asarray(image)
    assert mask.any() == (query != "nothing")
    assert np.array_equal(coco_decode(json.loads(exported(handlers, "mask.rle.json", query=query))), mask)


@pytest.mark.parametrize(
    "mask",
    [
        np.zeros((3, 5), bool),
        np.ones((3, 5), bool),
        np.eye(4, dtype=bool),
        np.array([[True, True], [False, False], [False, True]]),
    ],
)
def test_rle_of_awkward_masks(mask):
    assert np.array_equal(coco_decode(saved.rle(mask)), mask)


def test_a_wide_picture_is_not_turned():
    run = result(size=(480, 640))
    assert np.array_equal(coco_decode(saved.rle(run.mask)), run.mask)
    assert saved.rle(run.mask)["size"] == [480, 640]


def test_the_program_writes_one_bit_too(tmp_path):
    run = result(size=(480, 640))
    write(run, tmp_path)
    image = Image.open(tmp_path / "mask.png")
    assert image.mode == "1" and np.array_equal(np.asarray(image), run.mask)


def other(method: str = "csp") -> Result:
    """A run of another model: more layers, a finer grid, a wide picture, two masks."""
    made = result(method, size=(480, 640), side=24, L=40, query="a run of long ago")
    return replace(
        made,
        request=replace(made.request, model="LISA-13B-v1"),
        logits=np.concatenate([made.logits, np.roll(made.logits, 20, axis=2)]),
        iou=np.array([0.9, 0.4], np.float32),
    )


@pytest.mark.parametrize("method", ["csp", "full", "fastv", "pyramiddrop", "visionzip"])
def test_a_saved_run_of_another_model_is_drawn_whole(handlers, tmp_path, method):
    run = other(method)
    run.save(tmp_path / "run.npz")
    before = len(handlers.session.requests)
    out = handlers.opened(lambda: saved.reopen(tmp_path / "run.npz"))
    assert "error" not in out
    assert len(handlers.session.requests) == before, "nothing ran"
    assert "made by LISA-13B-v1" in out["notes"][0] and "downloads" in out["notes"][0]
    packet = dict(out)
    assert (packet["N"], packet["L"], tuple(packet["grid"])) == (576, 40, (24, 24))
    assert packet["model"] == "LISA-13B-v1"
    assert json.loads(json.dumps(packet)) == packet
    told = {"opened": True, "notes": out["notes"], "link": None}
    assert packet == packing.payload(run) | told, "a reopened run is the run"


def test_the_opened_run_keeps_both_masks(tmp_path):
    other().save(tmp_path / "run.npz")
    again = saved.reopen(tmp_path / "run.npz")
    assert again.masks.shape == (2, 480, 640)
    assert np.array_equal(again.mask, again.masks[0] | again.masks[1])
    assert again.masks[1].any() and not np.array_equal(*again.masks)
