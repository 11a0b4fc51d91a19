import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

import csp
from csp.types import Box, Cost, Layout, Request, Result, StageRecord, Trace, resize_bilinear

LAYOUT = Layout(2, 6, 3, 2, (2, 3), Box(8, 0, 56, 32), (10,))


def make_result(**changes: Any) -> Result:
    rng = np.random.default_rng(0)
    kept = np.eye(6, dtype=np.float32)[[1, 4]]
    score = np.array([np.nan, 0.5, np.nan, 0.1, 0.2, np.nan])
    stages = (
        StageRecord("clustering", 0, 1, kept, [3, 6], [3, 6], instances=2),
        StageRecord("pruning", 1, 2, kept, [3, 6], [3, 6], score, "A_SEG"),
    )
    A_SEG = np.where(np.isnan(score), np.nan, rng.random((3, 6)))
    heads = {1: rng.random((4, 6)).astype(np.float16)}
    trace = Trace(LAYOUT, stages, A_SEG, rng.random((3, 3)), 1, heads, (2, 2, 2), 2.0, {"pruning": {"keep": (4,)}})
    knobs = {"Nc": 2, "cluster": "cls", "k": (8, 16), "r": 0.7}
    settings: dict[str, Any] = {
        "request": Request(rng.integers(0, 255, (30, 40, 3), np.uint8), "the «red» ball", "csp", knobs, 7, "park"),
        "logits": rng.standard_normal((2, 16, 16)),
        "iou": [0.5, 0.25],
        "seg_state": rng.standard_normal((2, 8)),
        "trace": trace,
        "cost": Cost((2, 2, 2), 2.0, 10, 20, 0.5),
        "sam_input": (24, 32),
        "sam_size": 32,
        "ms": {"decoder": 1.5},
        "notes": ("unknown word: flurb",),
        "words": ("a", "ball", ":"),
    }
    return Result(**settings | changes)


def saved(result: Result) -> io.BytesIO:
    file = io.BytesIO()
    result.save(file)
    file.seek(0)
    return file


def test_a_result_survives_save_and_open(tmp_path):
    result = make_result()
    result.save(tmp_path / "run.npz")
    again = csp.Result.open(tmp_path / "run.npz")
    for name in ("logits", "iou", "seg_state", "masks", "mask"):
        np.testing.assert_array_equal(getattr(again, name), getattr(result, name))
    for name in ("query", "method", "knobs", "seed", "model", "force"):
        assert getattr(again.request, name) == getattr(result.request, name)
    np.testing.assert_array_equal(again.request.image, result.request.image)
    assert (again.cost, again.ms, again.notes) == (result.cost, result.ms, result.notes)
    assert again.words == result.words == ("a", "ball", ":")
    assert again.trace.layout == result.trace.layout
    assert again.trace.forced == result.trace.forced
    np.testing.assert_array_equal(again.trace.A_SEG, result.trace.A_SEG)
    np.testing.assert_array_equal(again.trace.heads[1], result.trace.heads[1])
    for stage, expected in zip(again.trace.stages, result.trace.stages, strict=True):
        assert (stage.name, stage.layers, stage.instances, stage.score_name) == (
            expected.name,
            expected.layers,
            expected.instances,
            expected.score_name,
        )
        np.testing.assert_array_equal(stage.source, expected.source)
        np.testing.assert_array_equal(stage.slots, expected.slots)
        assert (stage.score is None) == (expected.score is None)
    assert again.as_dict() == result.as_dict()


def test_a_saved_run_opens_without_torch(tmp_path):
    make_result().save(tmp_path / "run.npz")
    code = f"import sys; sys.modules['torch'] = None; import csp;print(csp.Result.open({str(tmp_path / 'run.npz')!r}).mask.sum())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(out) == make_result().mask.sum()


@pytest.mark.parametrize("content", [b"", b"not a run", b"PK\x03\x04 broken"])
def test_other_files_are_refused_by_name(tmp_path, content):
    (tmp_path / "other.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"other\.npz is not a saved run.*Result\.save"):
        Result.open(tmp_path / "other.npz")


def test_an_npz_that_is_no_run_or_holds_pickles_is_refused():
    for arrays in ({"a": np.zeros(3)}, {"meta": np.array([{}], dtype=object)}):
        file = io.BytesIO()
        np.savez(file, **arrays)
        file.seek(0)
        with pytest.raises(ValueError, match="is not a saved run"):
            Result.open(file)


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        Result.open(tmp_path / "nowhere.npz")


def test_masks_are_the_positive_full_logits_and_mask_is_their_union():
    result = make_result()
    assert result.masks.shape == (2, 30, 40)
    np.testing.assert_array_equal(result.masks, result.full_logits() > 0)
    np.testing.assert_array_equal(result.mask, result.masks[0] | result.masks[1])


def test_no_seg_token_means_an_empty_mask():
    result = make_result(logits=np.zeros((0, 16, 16)), iou=[], seg_state=np.zeros((0, 8)))
    assert result.masks.shape == (0, 30, 40)
    assert result.mask.shape == (30, 40)
    assert not result.mask.any()


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(0, 99),
)
def test_resizing_is_what_torch_does(size, to, seed):
    maps = np.random.default_rng(seed).standard_normal((2, *size)).astype(np.float32)
    expected = torch.nn.functional.interpolate(torch.from_numpy(maps)[None], to, mode="bilinear")[0].numpy()
    np.testing.assert_allclose(resize_bilinear(maps, to), expected, atol=2e-5)


@pytest.mark.parametrize(("sam_input", "size"), [((24, 32), (30, 40)), ((32, 13), (90, 37)), ((32, 32), (50, 50))])
def test_full_logits_are_what_sam_does_with_the_padding_cut_off(sam_input, size):
    picture = np.zeros((*size, 3), np.uint8)
    result = make_result(request=Request(picture, "a ball"), sam_input=sam_input)
    square = torch.nn.functional.interpolate(torch.from_numpy(result.logits)[None], (32, 32), mode="bilinear")
    inside = square[..., : sam_input[0], : sam_input[1]]
    expected = torch.nn.functional.interpolate(inside, size, mode="bilinear")[0].numpy()
    np.testing.assert_allclose(result.full_logits(), expected, atol=2e-5)


RUN_KEYS = {
    *("request", "layout", "stages", "forced", "rank_layer", "cost", "ms", "iou", "mask_pixels", "notes", "text"),
    *(f"request.{name}" for name in ("query", "method", "knobs", "seed", "model", "force", "seg_mode", "template", "image_size")),
    *(f"layout.{name}" for name in ("N_sys", "N", "N_usr", "N_out", "grid", "crop", "I_seg", "I_rank", "answer", "seg_row")),
    *(f"stages.{name}" for name in ("name", "layers", "n", "patches", "score", "instances")),
    *(f"cost.{name}" for name in ("n_per_layer", "n_avg", "macs", "flops", "paper_tflops", "guide_macs")),
}


def test_the_run_in_words_has_every_key_that_the_documents_name():
    told = make_result().as_dict()
    assert [stage["layers"] for stage in told["stages"]] == [[0, 1], [1, 3]]
    keys = set(told)
    for part in ("request", "layout", "stages", "cost"):
        keys |= {f"{part}.{name}" for name in (told[part][0] if part == "stages" else told[part])}
    assert keys >= RUN_KEYS
    assert keys - RUN_KEYS <= {"layout.tiles"}, "new keys belong into RUN_KEYS and docs/http.md"
    assert told["iou"] == [0.5, 0.25] and told["rank_layer"] == 1 and told["forced"] == {"pruning": {"keep": [4]}}
    documented = (Path(__file__).parents[1] / "docs/http.md").read_text(encoding="utf-8")
    for key in RUN_KEYS:
        assert f"`{key.rpartition('.')[2]}`" in documented, key


def test_the_run_in_words_holds_what_every_writer_of_json_knows():
    """Gradio's writes a named tuple as a text."""
    left = [make_result().as_dict()]
    while left:
        value = left.pop()
        assert type(value) in (dict, list, str, int, float, bool, type(None)), value
        left += value.values() if isinstance(value, dict) else value if isinstance(value, list) else []


def test_records_cannot_be_written_to():
    result = make_result()
    for array in (
        result.logits,
        result.trace.A_SEG,
        result.trace.stages[0].source,
        result.request.image,
        result.mask,
    ):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


def test_patches_lie_in_the_crop():
    assert LAYOUT.patch_box(0) == Box(8, 0, 24, 16)
    assert LAYOUT.patch_box(5) == Box(40, 16, 56, 32)


def test_slots_follow_eq_10():
    assert LAYOUT.T == 13
    assert LAYOUT.N_text == 7
    assert (LAYOUT.image, LAYOUT.usr, LAYOUT.out) == (slice(2, 8), slice(8, 11), slice(11, 13))
    assert LAYOUT.I_rank == LAYOUT.I_seg


@pytest.mark.parametrize("slot", [0, 7, 13])
def test_the_read_out_follows_the_image(slot):
    with pytest.raises(ValueError, match=r"read-out slot must follow the image, in 8\.\.12"):
        Layout(2, 6, 3, 2, (2, 3), Box(0, 0, 1, 1), (slot,))


def test_a_grid_that_does_not_hold_N_is_refused():
    with pytest.raises(ValueError, match="2 x 2 for N = 6"):
        Layout(2, 6, 3, 2, (2, 2), Box(0, 0, 1, 1), (9,))


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8)])
def test_pictures_are_rgb_bytes(image):
    with pytest.raises(ValueError, match="image must be uint8 RGB"):
        Request(image, "a ball")


def test_stages_are_found_by_name_and_layer():
    trace = make_result().trace
    assert trace.stage("scattering") is None
    assert trace.stage("pruning") is trace.stage_at(2)
    assert trace.stages[0].patches.tolist() == [1, 4]
    with pytest.raises(ValueError, match=r"layer must be in 0\.\.2, got 3"):
        trace.stage_at(3)


def imported_by(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return {name.split(".")[0] for name in out.split()}


def test_importing_csp_loads_nothing_heavy():
    heavy = {"torch", "transformers", "gradio", "matplotlib", "ultralytics", "cv2"}
    assert not imported_by("import csp; csp.Result, csp.__version__, dir(csp)") & heavy
    assert "torch" in imported_by("import csp; csp.CSP")


def test_unknown_attributes_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'Nope'"):
        csp.Nope  # noqa: B018
