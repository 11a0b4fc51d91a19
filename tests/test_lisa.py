"""The assembled model: one code path from picture and query to masks, encoded once, the same under every
option.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import devices
from PIL import Image

from csp.checkpoints import load
from csp.methods import CSP, Full
from csp.models.lisa import Lisa
from csp.types import Result

SMALL = CSP(Lc=1, Nc=16, Ls=1, Np=8)


def test_assembled_sequence_is_what_the_llm_takes(model: Lisa, picture: np.ndarray) -> None:
    embeds, layout = model.assemble(picture, "the red ball")
    assert embeds.shape == (layout.T, 32) and (layout.N_sys, layout.N, layout.N_usr, layout.N_out) == (
        3,
        64,
        5,
        3,
    )
    assert layout.grid == (8, 8) and layout.I_seg == (3 + 64 + 4,)
    words = model.prompter("the red ball")
    text = model.llm.get_input_embeddings()(torch.tensor(words.usr))
    torch.testing.assert_close(embeds[layout.usr], text, rtol=0, atol=0)
    torch.testing.assert_close(
        embeds[layout.image], model.project(model.encode(picture).vision.patches), rtol=0, atol=0
    )


def test_full_is_the_plain_model(model: Lisa, picture: np.ndarray) -> None:
    embeds, layout = model.assemble(picture, "the red ball")
    with torch.no_grad():
        plain = model.llm(inputs_embeds=embeds[None]).last_hidden_state[0, list(layout.I_seg)]
    result = model.segment(picture, "the red ball", Full())
    np.testing.assert_array_equal(result.seg_state, plain.numpy())


@pytest.mark.parametrize(
    "method",
    [
        CSP(Lc=1, Nc=64, Ls=1, Np=64),
        CSP(Lc=2, Nc=64, Ls=1, Np=64, cluster="cls"),
        CSP(Lc=1, Nc=64, Ls=2, Np=64, cluster="random"),
        CSP(Lc=0, Ls=4),
    ],
)
def test_csp_that_drops_nothing_is_the_plain_model(model: Lisa, picture: np.ndarray, method: CSP) -> None:
    dense, result = model.segment(picture, "a dog", Full()), model.segment(picture, "a dog", method)
    np.testing.assert_array_equal(result.seg_state, dense.seg_state)
    np.testing.assert_array_equal(result.logits, dense.logits)


def test_result_is_whole(model: Lisa, picture: np.ndarray, tmp_path: Path) -> None:
    result = model.segment(picture, "the red zebra", SMALL, seed=3)
    assert result.masks.shape == (1, 90, 120) and result.mask.dtype == bool and result.iou.shape == (1,)
    np.testing.assert_array_equal(result.masks, result.full_logits() > 0)
    assert result.cost.n_per_layer == result.trace.n_per_layer == (16, 64, 8, 8)
    assert set(result.ms) == {"vision", "select", "decoder", "mask"} and min(result.ms.values()) >= 0
    assert result.request.knobs["Np"] == 8 and (result.request.seed, result.request.method) == (3, "csp")
    assert "“zebra”" in result.notes[0]
    result.save(tmp_path / "run.npz")
    again = Result.open(tmp_path / "run.npz")
    np.testing.assert_array_equal(again.mask, result.mask)
    assert again.notes == result.notes and again.request.model == "park"
    assert again.words == result.words and len(result.words) == result.trace.layout.N_usr


@pytest.mark.parametrize("method", [Full(), SMALL, replace(SMALL, cluster="cls"), replace(SMALL, Ls=0, Lc=2)])
@pytest.mark.parametrize("seg_row", ["before", "token"])
def test_cut_answers_make_the_same_masks(
    park_folder: Path, picture: np.ndarray, method: Any, seg_row: str
) -> None:
    model = load(park_folder, device="cpu", instances=False)
    model.seg_row = seg_row
    whole, cut = (
        model.segment(picture, "a red ball", method),
        model.segment(picture, "a red ball", method, answer="cut"),
    )
    assert cut.trace.layout.T < whole.trace.layout.T and cut.trace.layout.I_seg == whole.trace.layout.I_seg
    np.testing.assert_allclose(cut.logits, whole.logits, atol=1e-4)
    for ours, theirs in zip(cut.trace.stages, whole.trace.stages, strict=True):
        np.testing.assert_array_equal(ours.slots, theirs.slots)


def test_the_row_that_is_read_matters(park_folder: Path, picture: np.ndarray) -> None:
    model = load(park_folder, device="cpu", instances=False)
    before = model.segment(picture, "a dog", Full())
    model.seg_row = "token"
    token = model.segment(picture, "a dog", Full())
    assert token.trace.layout.I_seg == (before.trace.layout.I_seg[0] + 1,)
    assert np.abs(token.seg_state - before.seg_state).max() > 0.1


def test_image_tokens_do_not_depend_on_the_query(model: Lisa, picture: np.ndarray) -> None:
    rows = []
    for query in ("a dog", "what keeps you dry in the rain"):
        embeds, layout = model.assemble(picture, query)
        with torch.no_grad():
            rows.append(model.llm(inputs_embeds=embeds[None]).last_hidden_state[0, layout.image])
    torch.testing.assert_close(rows[0], rows[1], rtol=1e-5, atol=1e-5)


def test_a_picture_is_encoded_once(
    park_folder: Path, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(park_folder, device="cpu", instances=False)
    encoded: list[int] = []
    inner = model._encode
    monkeypatch.setattr(model, "_encode", lambda p: encoded.append(1) or inner(p))
    first = model.segment(picture, "a dog", SMALL)
    model.segment(Image.fromarray(picture), "a ball", SMALL)
    assert len(encoded) == 1 and len(model.cache) == 1
    again = model.segment(picture.copy(), "a dog", SMALL)
    np.testing.assert_array_equal(again.logits, first.logits)
    model.segment(255 - picture, "a dog", SMALL)
    assert len(encoded) == 2


def test_another_guide_looks_at_the_picture_anew(
    model: Lisa, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "instances", lambda image: np.ones((1, *image.shape[:2]), bool))
    assert model.encode(picture).masks.all()
    kept = len(model.cache)
    model.instances = lambda image: np.zeros((0, *image.shape[:2]), bool)
    assert kept and len(model.encode(picture).masks) == 0
    same = model.encode(picture)
    model.instances = model.instances
    assert model.encode(picture) is same, "the same guide again forgets nothing"


def test_the_cache_is_bounded_in_bytes(park_folder: Path, picture: np.ndarray) -> None:
    model = load(park_folder, device="cpu", instances=False)
    size = model.encode(picture).nbytes
    model.cache.clear()
    model.cache.limit = 2 * size + 10
    for shift in range(4):
        model.encode(np.roll(picture, shift, axis=1))
        assert model.cache.bytes <= model.cache.limit
    assert len(model.cache) == 2


def test_a_seed_draws_the_same_tokens(model: Lisa, picture: np.ndarray) -> None:
    method = replace(SMALL, cluster="random")
    one, same, other = (
        model.segment(picture, "a dog", method, seed=seed).trace.stages[0].slots for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_seg_first_without_an_instance_says_so(park_folder: Path, picture: np.ndarray) -> None:
    none = load(park_folder, device="cpu", instances=lambda image: np.zeros((0, 4, 4), bool))
    result = none.segment(picture, "a dog", replace(SMALL, cluster="seg-first"))
    assert any("Uniform" in note for note in result.notes) and result.trace.stages[0].instances == 0


def test_seg_first_takes_tokens_of_instances(park_folder: Path, picture: np.ndarray) -> None:
    masks = np.zeros((1, 90, 120), bool)
    masks[0, 30:60, 50:80] = True
    model = load(park_folder, device="cpu", instances=lambda image: masks)
    result = model.segment(picture, "a dog", replace(SMALL, cluster="seg-first"))
    stage = result.trace.stages[0]
    assert stage.instances == 1 and 0 < stage.n <= 16
    for patch in stage.patches:
        box = result.trace.layout.patch_box(int(patch))
        x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        assert 50 <= x <= 80 and 30 <= y <= 60


def test_an_empty_mask_is_noted(model: Lisa, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "masks", lambda seen, state: (torch.full((1, 56, 56), -1.0), torch.zeros(1)))
    result = model.segment(picture, "a dog", SMALL)
    assert not result.mask.any() and result.notes[-1].startswith("the mask is empty")


def test_forced_tokens_are_kept_and_dropped(model: Lisa, picture: np.ndarray) -> None:
    plain = model.segment(picture, "a dog", SMALL)
    kept = plain.trace.stage("pruning").patches
    gone, wanted = int(kept[0]), next(p for p in range(64) if p not in kept)
    forced = model.segment(picture, "a dog", SMALL, force={"pruning": {"keep": [wanted], "drop": [gone]}})
    assert (
        wanted in forced.trace.stage("pruning").patches and gone not in forced.trace.stage("pruning").patches
    )
    assert forced.trace.forced["pruning"] == {"keep": (wanted,), "drop": (gone,)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": b""}, "empty"),
        ({"query": ""}, "1 to 512 characters"),
        ({"seed": -1}, "seed must be"),
        ({"seed": 1.5}, "seed must be an integer"),
        ({"method": CSP(Lc=1, Nc=65, Ls=1, Np=4)}, r"Nc must be in 1\.\.64"),
        ({"method": CSP(Lc=3, Nc=4, Ls=3, Np=4)}, "Lc [+] Ls must be at most 4"),
        ({"answer": "half"}, "answer must be"),
        ({"force": {"nowhere": {}}}, "force names the stage"),
    ],
)
def test_bad_input_is_refused_in_words(
    model: Lisa, picture: np.ndarray, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        model.segment(**({"image": picture, "query": "a dog", "method": SMALL} | change))


def test_too_long_a_sequence_is_refused(park_folder: Path, picture: np.ndarray) -> None:
    model = load(park_folder, device="cpu", instances=False)
    model.llm.config.max_position_embeddings = 80
    with pytest.raises(ValueError, match=r"sequence of 8. tokens, the model has 80 positions: shorten it"):
        model.segment(picture, "a dog " * 6, SMALL)


@pytest.mark.parametrize("size", [(1, 1), (8, 6000), (6000, 8), (3, 50)])
@pytest.mark.parametrize("cluster", ["uniform", "seg-first"])
def test_pictures_of_odd_sizes(model: Lisa, size: tuple[int, int], cluster: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    result = model.segment(image, "a dog", replace(SMALL, cluster=cluster))
    assert result.mask.shape == size and np.isfinite(result.logits).all()


@pytest.mark.parametrize("device", devices())
def test_every_device_gives_the_same_masks(
    park_folder: Path, model: Lisa, picture: np.ndarray, device: str
) -> None:
    """On a machine with a GPU this compares it with the CPU; elsewhere the CPU with itself, loaded anew."""
    there = load(park_folder, device=device)
    for cluster in ("random", "uniform", "cls"):
        method = replace(SMALL, cluster=cluster)
        here, other = (m.segment(picture, "a red ball", method, seed=5) for m in (model, there))
        np.testing.assert_array_equal(other.trace.stages[0].slots, here.trace.stages[0].slots)
        np.testing.assert_allclose(other.logits, here.logits, atol=2e-3)
    assert there.device.type == device and there.dtype == torch.float32


@pytest.mark.parametrize("device", devices())
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_runs(
    park_folder: Path, model: Lisa, picture: np.ndarray, device: str, dtype: str
) -> None:
    half = load(park_folder, device=device, dtype=dtype, instances=False)
    result, exact = half.segment(picture, "a red ball", SMALL), model.segment(picture, "a red ball", SMALL)
    assert half.dtype == getattr(torch, dtype) and result.logits.dtype == np.float32
    assert half.llm.rotary_emb.inv_freq.dtype == torch.float32
    assert np.abs(result.logits - exact.logits).max() < 0.2 * np.abs(exact.logits).max()
