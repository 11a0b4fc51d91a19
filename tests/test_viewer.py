"""What travels to the token viewer: sizes, digits, states, ages, instances; unpacked here as its script does."""

from __future__ import annotations

import base64
import json
import math
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from synthetic import picture, result

from csp.types import Box, Layout, Request
from csp.ui.viewer.packing import STATES, ages, coarse, digits16, instance_of, owners, payload, view_size


def unpack(packed: dict) -> dict[str, np.ndarray]:
    """The arrays of a payload; float16 ones divided by their scale."""
    raw = zlib.decompress(base64.b64decode(packed["block"]))
    out = {}
    for name, (kind, shape, at, scale) in packed["arrays"].items():
        dtype = np.dtype({"f2": "<f2", "i2": "<i2", "u1": "u1"}[kind])
        n = math.prod(shape)
        planes = np.frombuffer(raw, np.uint8, n * dtype.itemsize, at).reshape(dtype.itemsize, n)
        values = np.ascontiguousarray(planes.T).reshape(-1).view(dtype).reshape(shape)
        out[name] = values.astype(np.float64) / scale if kind == "f2" else values
    return out


def wide(**kwargs):
    """A run of a model with 576 image tokens and 32 layers, on a picture of natural noise."""
    run = result("full", side=24, **kwargs)
    rng = np.random.default_rng(0)
    noisy = np.clip(run.request.image.astype(int) + rng.integers(-14, 15, run.request.image.shape), 0, 255).astype(np.uint8)
    logits = np.asarray(rng.normal(0, 4, (1, 256, 256)), np.float32)
    logits = (logits + np.roll(logits, 1, 1) + np.roll(logits, 1, 2)) / 2
    return replace(run, request=Request(noisy, "the red ball", "full"), logits=logits, sam_input=(1024, 1024), sam_size=1024)


def test_a_dense_run_of_32_layers_and_576_tokens_fits_into_100_kilobytes():
    run = wide()
    packed = payload(run, run, run.mask, cls=np.random.default_rng(1).random(576), objects=np.ones((3, 64, 64), bool))
    picture = packed.pop("picture")
    size = len(json.dumps(packed))
    assert size <= 100 * 1024, size
    assert picture.startswith("data:image/jpeg")
    assert unpack(packed)["A_SEG"].shape == (32 * 576,)


@pytest.mark.parametrize("method", ["csp", "full", "fastv", "pyramiddrop", "visionzip"])
def test_arrays_come_back_as_the_trace_has_them(method):
    run = result(method)
    trace = run.trace
    got = unpack(json.loads(json.dumps(payload(run, result("full"), run.mask))))
    assert got["state"].shape == got["owner"].shape == (len(trace.stages), 256)
    at = rows = 0
    for i, record in enumerate(trace.stages):
        for layer in record.layers:
            n = len(record.patches)
            expected = trace.A_SEG[layer, record.patches]
            assert [f"{v:.3g}" for v in got["A_SEG"][at : at + n]] == [f"{v:.3g}" for v in expected]
            at += n
        assert np.array_equal(got["ids"][rows : rows + record.n], record.position_ids)
        np.testing.assert_allclose(got["weight"][i], record.source.sum(axis=0), atol=1e-3)
        assert np.array_equal(got["owner"][i] >= 0, record.source.sum(axis=0) > 0)
        rows += record.n
    assert at == got["A_SEG"].size
    assert [f"{v:.3g}" for v in got["A_text"].ravel()] == [f"{v:.3g}" for v in trace.A_text.ravel()]
    assert np.array_equal(np.unpackbits(got["mask"], count=run.mask.size).reshape(run.mask.shape), run.mask)


@given(
    arrays(np.float32, 40, elements=st.floats(0, 1, width=32, allow_subnormal=False)),
    st.sampled_from([1.0, 2.0**15]),
)
def test_three_digits_survive_float16(values, scale):
    low = 2.0**-14 / scale
    values = np.where(values < low, 0, values)
    back = digits16(values, scale).astype(np.float64) / scale
    assert [f"{v:.3g}" for v in back] == [f"{float(v):.3g}" for v in values]
    assert np.array_equal(digits16(-values, scale).astype(np.float64), -back * scale)


def test_numbers_that_are_not_there_stay_so():
    assert np.isnan(digits16(np.array([np.nan, 0.5])))[0]


def test_compute_is_the_papers_mean():
    """Layers a patch took part in, averaged over patches and divided by L, is N_avg / N less rows without a patch."""
    for method in ("csp", "full", "fastv", "pyramiddrop", "visionzip"):
        run = result(method)
        trace = run.trace
        got = unpack(payload(run))
        compute = sum(got["weight"][i] * record.L for i, record in enumerate(trace.stages))
        without = sum(int((record.source.sum(axis=1) == 0).sum()) * record.L for record in trace.stages)
        L, N = len(trace.n_per_layer), trace.layout.N
        assert compute.mean() / L == pytest.approx((trace.n_avg - without / L) / N, abs=1e-4)
    assert without, "the last of these keeps a [CLS], which stands for no patch"


def test_ages_follow_the_layers_that_a_token_ran():
    run = result("csp")
    first, _, last = run.trace.stages
    age = ages(run.trace)
    chosen = np.zeros(256, bool)
    chosen[first.patches] = True
    assert not age[0].any()
    assert (age[1][chosen] == 8).all() and (age[1][~chosen] == 0).all(), "Eq. 7: layer-0 states beside layer-Lc states"
    kept = last.patches
    assert (age[2][kept] == np.where(chosen[kept], 14, 6)).all()
    assert (np.delete(age[2], kept) == 0).all()


def test_states_are_named_as_the_palette_does():
    got = unpack(payload(result("csp")))["state"]
    names = [[STATES[s] for s in row] for row in got]
    assert set(names[0]) == {"representative", "dormant"}
    assert set(names[1]) == {"representative", "restored"}
    assert set(names[2]) == {"survivor", "pruned"}


def test_a_merged_patch_knows_the_token_that_stands_for_it():
    run = result("visionzip")
    record = run.trace.stages[0]
    owner = owners(record)
    for patch in record.patches:
        assert record.source[owner[patch], patch] > 0
    assert (owner == -1).sum() == 256 - len(record.patches)


def test_instances_cover_half_of_a_patch():
    layout = Layout(1, 4, 1, 1, (2, 2), Box(20, 0, 60, 40), (6,))
    objects = np.zeros((2, 20, 40), bool)  # a picture of 40 x 80 at half its size
    objects[0, :10, 10:16] = True  # six of ten columns of patch 0
    objects[1, 10:, 20:24] = True  # four of ten columns of patch 3: less than half
    objects[1, :10, 20:30] = True
    assert instance_of(objects, layout, (40, 80)).tolist() == [1, 2, 0, 0]
    assert not instance_of(objects[:0], layout, (40, 80)).any()


def test_large_pictures_and_logits_travel_smaller():
    assert view_size((448, 448)) == (448, 448)
    assert view_size((1500, 3000)) == (320, 640)
    fine = np.arange(256 * 256, dtype=np.float32).reshape(1, 256, 256)
    assert coarse(fine).shape == (128, 128)
    assert coarse(fine)[0, 0] == fine[0, :2, :2].mean()
    assert coarse(np.zeros((0, 8, 8), np.float32)).max() < -100, "no [SEG], no mask"


def test_what_is_not_known_is_left_out():
    packed = payload(result("full"))
    assert not {"dense", "truth", "cls", "instance", "heads", "score.0"} & set(packed["arrays"])
    assert packed["iou"] == {"dense": None, "truth": None, "dense_truth": None}
    assert packed["words"] == ["the", "red", "ball", "ASSISTANT", ":"]


def test_a_wide_picture_tells_its_crop():
    packed = payload(result("csp", size=(60, 90)))
    assert packed["size"] == [60, 90] and packed["crop"] == [15, 0, 75, 60]
    assert picture(60, 90)[0].shape == (60, 90, 3)


@pytest.mark.parametrize(("size", "tiles"), [((300, 450), (2, 3)), ((480, 320), (3, 2))], ids=["landscape", "portrait"])
def test_tiles_travel_as_places_on_the_board(size, tiles):
    """The board holds the picture and its thumbnail; masks lie on the picture alone, patches where their tile was cut."""
    run = result(size=size, tiles=tiles, side=4)
    packed = payload(run)
    H, W = packed["size"]
    h, w = packed["pane"]
    assert (h, w) == size and packed["crop"] == [0, 0, W, H] and (H > h) == (w >= h) and (W > w) == (w < h)
    views, layout = packed["views"], run.trace.layout
    assert sum(rows * cols for *_, rows, cols, _ in views) == layout.N and [view[6] for view in views] == [0] * 6 + [1]
    for view, tile in zip(views[:-1], layout.tiles, strict=False):
        assert view[:4] == pytest.approx(tile.crop, abs=0.01)
    x0, y0, x1, y1 = views[-1][:4]
    assert (x1 - x0, y1 - y0) == pytest.approx((0.4 * w, 0.4 * h)) and (x0 >= w or y0 >= h) and x1 <= W + 0.5 and y1 <= H + 0.5
    mask = np.unpackbits(unpack(packed)["mask"], count=H * W).reshape(H, W).astype(bool)
    assert np.array_equal(mask[:h, :w], run.mask) and mask.sum() == run.mask.sum()
    objects = np.zeros((1, *size), bool)
    objects[0, : size[0] // tiles[0], : size[1] // tiles[1]] = True
    found = instance_of(objects, layout, size)
    assert found[:16].all() and not found[16:-16].any() and found[-16]
