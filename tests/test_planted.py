"""Bugs that were planted once and that no test saw: red for blue, a dash for a dot, time told twice, an order forgotten."""

from __future__ import annotations

import base64
import io
import re
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from synthetic import result

from csp import images, recordings
from csp.checkpoints import load
from csp.evaluation import provenance
from csp.models.lisa import Lisa
from csp.render import overlays, palette, typeset
from csp.render.words import bill
from csp.session import Session
from csp.types import Request
from csp.ui.payload import data_uri

RED = np.zeros((64, 64, 3), np.uint8) + np.array((230, 20, 40), np.uint8)


def of_uri(uri: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("RGB"))


def test_red_stays_red_wherever_a_picture_is_written(tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    Image.fromarray(RED).save(tmp_path / "red.png")
    assert np.abs(images.read(tmp_path / "red.png").astype(int) - RED).max() == 0
    assert np.abs(of_uri(data_uri(RED)).astype(int) - RED).max() < 6
    run = result()
    run = replace(run, request=replace(run.request, image=np.broadcast_to(RED[0, 0], (448, 448, 3)).copy()))
    run.save(tmp_path / "run.npz")
    thumb = of_uri(recordings.entry(run, tmp_path / "run.npz").thumb)
    inside = cv2.resize(run.mask.astype(np.uint8), thumb.shape[1::-1]) > 0
    assert thumb[cv2.erode(inside.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0][:, 0].mean() > 180
    figure = Figure(figsize=(1, 1), facecolor=palette.hex_of((230, 20, 40)))
    assert typeset.to_array(figure)[5, 5].tolist() == [230, 20, 40]


def test_lines_have_their_colours_and_their_dashes() -> None:
    """Counted along a straight edge: the dense mask dashed (9, 6), the true one dotted (2, 5), each in its own colour."""
    assert (palette.MASK.color, palette.DENSE.color, palette.TRUTH.color) == ((0, 158, 115), (204, 121, 167), (240, 228, 66))
    run, region = result(), np.zeros((448, 448), bool)
    region[100:300, 60:400] = True
    nothing = np.zeros_like(region)
    for name, line, drawn, gap in (("dense", palette.DENSE, 9, 6), ("truth", palette.TRUTH, 2, 5)):
        picture = overlays.mask(run, side=448, own=nothing, fill=False, **{name: region})  # type: ignore[arg-type]
        row = (np.abs(picture[100, 70:390].astype(int) - line.color).max(axis=1) < 60).astype(int)
        starts = np.flatnonzero(np.diff(row) == 1)
        assert np.median(np.diff(starts)) == pytest.approx(drawn + gap, abs=1), name
        # Ends are round: a line two pixels wide is two pixels longer.
        assert row.mean() == pytest.approx((drawn + 2) / (drawn + gap), abs=0.12), name
    filled = overlays.mask(run, side=448, own=region)
    plain = overlays.mask(run, side=448, own=region, fill=False)
    tint = plain[200, 200] * (1 - palette.MASK_ALPHA) + np.array(palette.MASK.color) * palette.MASK_ALPHA
    np.testing.assert_allclose(filled[200, 200], tint, atol=3)


def test_the_bill_says_what_is_saved() -> None:
    run = result("csp")
    saved = 100 * (1 - run.trace.n_avg / run.trace.layout.N)
    assert 60 < saved < 80 and f"\u2212{saved:.0f} %" in bill(run)


def test_queries_that_run_together_share_their_time(model: Lisa) -> None:
    """What they report, together, is no more than what passed."""
    picture = np.random.default_rng(5).integers(0, 255, (90, 120, 3), np.uint8)
    model.segment(picture[::-1].copy(), ["a dog", "the red ball"])
    began = time.perf_counter()
    runs = model.segment(picture, ["a dog", "the red ball", "you sit down", "i want rain"])
    passed = 1e3 * (time.perf_counter() - began)
    assert 0 < sum(sum(run.ms.values()) for run in runs) <= passed
    assert len({run.ms["vision"] for run in runs}) == 1


def test_several_queries_are_asked_as_one_is(picture: np.ndarray) -> None:
    """The seed, what is forced and the form reach each of them."""
    data = Path(__file__).parent / "data/lisa"
    parts = {"clip": data / "clip-vit-tiny-patch14", "sam": data / "sam_config.json", "instances": False}
    session = Session(load(data / "lisa-tiny", device="cpu", dtype="float32", **parts))
    knobs = {"Lc": 1, "Nc": 4, "Ls": 1, "Np": 2, "cluster": "random"}
    asked = Request(picture, "", "csp", knobs, seed=5, force={"pruning": {"keep": [3]}}, template="chat")
    for run, words in zip(session.run_all(asked, ["a dog", "the red ball"]), ("a dog", "the red ball"), strict=True):
        alone = session.run(replace(asked, query=words), fresh=True)
        assert run.as_dict()["request"] == alone.as_dict()["request"] and run.request.template == "chat"
        assert run.trace.forced == alone.trace.forced and 3 in run.trace.stages[-1].patches
        np.testing.assert_array_equal(run.trace.stages[0].patches, alone.trace.stages[0].patches)


def test_versions_are_of_what_is_required() -> None:
    root = Path(__file__).parents[1]
    required = set(re.findall(r"^[a-z0-9-]+", (root / "requirements.txt").read_text(encoding="utf-8"), re.M))
    assert set(provenance.PACKAGES) <= required
    assert set(provenance.PACKAGES) <= set(provenance.versions())
