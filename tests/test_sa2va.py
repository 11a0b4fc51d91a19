"""A Sa2VA folder gives what the official code gave on it, from the picture to the masks. Tolerances are of its own README."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import csp
from csp.models.chat import ChatPrompt
from csp.models.decoders import decoder_config
from csp.models.intern import TiledFeatures
from csp.models.lisa import Lisa
from csp.models.tiling import cut, normalised, shuffled, stretched, tile_grid
from csp.trace import Box, Layout

DATA = Path(__file__).parent / "data/sa2va"
FOLDER, SIZES = DATA / "sa2va-tiny", DATA / "sam2_config.json"
META = json.loads((DATA / "golden_meta.json").read_text())
CASES = {case["name"]: case for case in META["cases"]}
MASKED = [name for name, case in CASES.items() if case["n_masks"]]
PICTURES = json.loads((DATA / "preprocess_golden.json").read_text())


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(DATA / "golden.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def model() -> Any:
    return csp.load(FOLDER, sam=SIZES, device="cpu", dtype="float32")


def ask(model: Any, golden: dict[str, np.ndarray], name: str, method: Any = None, **how: Any) -> Any:
    case = CASES[name]
    how = {"seg_mode": "generated", "template": "chat", "max_new_tokens": min(64, case["max_new_tokens"])} | how
    return model.segment(golden[f"{name}/raw_image"], case["text"], method or csp.Full(), **how)


def close(ours: Any, theirs: np.ndarray, atol: float) -> None:
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("case", PICTURES["grids"], ids=lambda case: "x".join(map(str, case["wh"])))
def test_the_grid_of_tiles(case: dict[str, Any]) -> None:
    width, height = case["wh"]
    assert tile_grid(height, width, 448) == tuple(case["cols_rows"][::-1])


@pytest.mark.parametrize("case", PICTURES["pictures"], ids=lambda case: case["case"])
def test_tiles_at_their_true_size_to_the_last_bit(case: dict[str, Any], golden: dict[str, np.ndarray]) -> None:
    image = golden[f"{case['case']}/raw_image"]
    tiles = cut(image, 448, tile_grid(*image.shape[:2], 448))
    assert hashlib.sha256(tiles.tobytes()).hexdigest() == case["tiles_uint8_sha256"]
    assert hashlib.sha256(stretched(image, 1024, 1024).tobytes()).hexdigest() == case["sam_uint8_sha256"]


@pytest.mark.parametrize("name", CASES)
def test_what_the_towers_read(model: Any, golden: dict[str, np.ndarray], name: str) -> None:
    image = golden[f"{name}/raw_image"]
    side = META["tile"]
    grid = tile_grid(*image.shape[:2], side)
    assert grid == tuple(golden[f"{name}/tile_grid"][::-1])
    tiles = cut(image, side, grid)
    if f"{name}/pixel_tiles" in golden:
        np.testing.assert_array_equal(tiles, golden[f"{name}/pixel_tiles"])
    close(normalised(tiles)[:, :, ::9, ::9], golden[f"{name}/pixel_values_probe"], 1e-6)
    head = model.mask_head
    if f"{name}/sam_pixels" in golden:
        np.testing.assert_array_equal(stretched(image, 256, 256), golden[f"{name}/sam_pixels"])
    if f"{name}/sam_pixel_values_probe" in golden:
        close(head.preprocess(image)[:, :, ::9, ::9], golden[f"{name}/sam_pixel_values_probe"], 1e-6)
    last = model.clip.states(torch.from_numpy(normalised(tiles)))[-1]
    close(last[[0, -1]], golden[f"{name}/vit_last_hidden_state"], 5e-5)
    features, _ = head.encode(image)
    for at, what in enumerate(("sam_high_res_0", "sam_high_res_1", "sam_image_embedding")):
        if f"{name}/{what}" in golden:
            close(features[at], golden[f"{name}/{what}"], 1e-4)


@pytest.mark.parametrize("text", json.loads((DATA / "tokenizer_golden.json").read_text())["cases"], ids=lambda case: case["text"])
def test_tokens(model: Any, text: dict[str, Any]) -> None:
    assert model.prompter.encode(text["text"]) == text["ids"]


@pytest.mark.parametrize("name", CASES)
def test_the_sequence(model: Any, golden: dict[str, np.ndarray], name: str) -> None:
    case = CASES[name]
    prompt = model.prompter(case["text"], "generated", "token", "chat")
    assert prompt == model.prompter(case["text"].replace("<image>", ""), "generated", "token", "chat")
    inputs_embeds, layout = model.embed(model.encode(golden[f"{name}/raw_image"]), prompt)
    ids = [*prompt.sys, *[model.prompter.context_id] * layout.N, *prompt.usr]
    np.testing.assert_array_equal(ids, golden[f"{name}/prompt_ids"][0])
    np.testing.assert_array_equal(range(layout.image.start, layout.image.stop), golden[f"{name}/image_token_index"])
    close(inputs_embeds, golden[f"{name}/inputs_embeds"][0], 5e-5)
    assert len(layout.views) == case["n_tiles"]
    assert layout.N == case["n_image_tokens"] == model.tokens(golden[f"{name}/raw_image"])


@pytest.mark.parametrize("name", CASES)
def test_text_states_and_masks(model: Any, golden: dict[str, np.ndarray], name: str) -> None:
    case = CASES[name]
    result = ask(model, golden, name)
    assert result.text == case["prediction"] and len(result.masks) == case["n_masks"]
    assert list(result.trace.layout.I_seg) == case["seg_read_index"]
    if not case["n_masks"]:
        return
    close(result.seg_state, golden[f"{name}/seg_hidden"], 5e-5)
    close(result.logits, golden[f"{name}/low_res_masks"][:, 0], 3e-4)
    close(result.iou, golden[f"{name}/iou_predictions"].max(axis=1), 1e-4)
    close(result.full_logits(), golden[f"{name}/pred_mask_logits"], 3e-4)
    for ours, theirs in zip(result.masks, golden[f"{name}/pred_masks"], strict=True):
        assert (ours & theirs).sum() / (ours | theirs).sum() >= 0.999


@pytest.mark.parametrize("name", CASES)
def test_attention_is_that_of_seg_itself(model: Any, golden: dict[str, np.ndarray], name: str) -> None:
    """Where no [SEG] was read it is the row that ranked, the prompt's last."""
    result = ask(model, golden, name)
    if CASES[name]["n_masks"]:
        theirs = golden[f"{name}/attn_seg_to_image"].mean(axis=(0, 2))
    else:
        theirs = golden[f"{name}/attn_last_prompt_to_image"].mean(axis=1)
    close(result.trace.A_SEG, theirs, 2e-5)
    assert np.isfinite(result.trace.A_text).all()


def test_what_ranks_before_an_answer_is_the_prompts_last_row(model: Any, golden: dict[str, np.ndarray]) -> None:
    result = ask(model, golden, "g0", csp.CSP(Lc=0, Ls=2, Np=20, layer="last"))
    row = golden["g0/attn_last_prompt_to_image"][1].mean(axis=0)
    close(result.trace.stage("pruning").score, row, 2e-5)
    np.testing.assert_array_equal(result.trace.stage("pruning").patches, np.sort(np.argsort(-row, kind="stable")[:20]))
    # Layers after the cut look at what is left of the picture.
    assert (np.isfinite(result.trace.A_SEG[3]).sum(), np.isfinite(result.trace.A_SEG[1]).sum()) == (20, 112)


@pytest.mark.parametrize("name", MASKED)
def test_a_given_answer_reads_the_state_of_seg_after_it(model: Any, golden: dict[str, np.ndarray], name: str) -> None:
    """[SEG] follows the prompt at once: what the written answer gives where it begins with it."""
    given = ask(model, golden, name, seg_mode="teacher")
    layout = given.trace.layout
    assert layout.I_seg == (layout.N_sys + layout.N + layout.N_usr,) and given.text is None
    if name == "g2":
        close(given.seg_state, golden["g2/seg_hidden"], 5e-5)
        close(given.trace.A_SEG, golden["g2/attn_seg_to_image"][0].mean(axis=1), 2e-5)


def test_several_masks_at_once_are_each_as_alone(model: Any, golden: dict[str, np.ndarray]) -> None:
    seen = model.encode(golden["g1/raw_image"])
    states = torch.from_numpy(golden["g1/seg_hidden"])
    together, scores = model.masks(seen, states)
    for k in range(2):
        alone, score = model.masks(seen, states[k : k + 1])
        close(together[k], alone[0].numpy(), 1e-4)
        close(scores[k], score[0].numpy(), 1e-5)
    best = golden["g1/best_mask_index"]
    close(together[:, ::4, ::4], golden["g1/multimask_logits_probe"][[0, 1], best], 3e-4)


def test_places_in_the_picture(model: Any, golden: dict[str, np.ndarray]) -> None:
    """A tile is a part of the picture, a token two by two patches in it, the thumbnail all of it."""
    layout = ask(model, golden, "g0", max_new_tokens=1).trace.layout
    assert layout.views[0].crop == Box(0, 0, 50, 50) and layout.views[5].crop == Box(100, 50, 150, 100)
    assert layout.views[6] == (Box(0, 0, 150, 100), (4, 4), True) and not layout.views[5].thumbnail
    assert layout.patch_box(0) == Box(0, 0, 12.5, 12.5)
    assert layout.patch_box(16 + 4) == Box(50, 12.5, 62.5, 25)
    assert layout.patch_box(6 * 16 + 15) == Box(112.5, 75, 150, 100)
    with pytest.raises(ValueError, match="a patch must be in"):
        layout.patch_box(112)
    single = ask(model, golden, "g2", max_new_tokens=1).trace.layout
    assert single.tiles == () and single.grid == (4, 4) and single.patch_box(15) == Box(67.5, 67.5, 90, 90)


def test_two_by_two_patches_become_a_token() -> None:
    """Row 1, column 1 of a 4 x 6 grid, at the place of token 0, is its last part."""
    patches = torch.arange(24.0)[None, :, None]
    tokens = shuffled(patches, 4, 6)
    assert tokens.shape == (1, 6, 4)
    assert tokens[0, 0].tolist() == [0, 1, 6, 7] and tokens[0, 4].tolist() == [14, 15, 20, 21]


def test_attention_of_cls_is_shared_out_among_tiles(model: Any, golden: dict[str, np.ndarray]) -> None:
    vision = model.encode(golden["g1/raw_image"]).vision
    assert isinstance(vision, TiledFeatures) and vision.patches.shape == (112, 4 * 48)
    for heads in (False, True):
        row = vision.cls_attention("last", heads)
        assert row.shape == ((4, 112) if heads else (112,))
        close(row.unflatten(-1, (7, 16)).sum(dim=-1), np.full((4, 7) if heads else 7, 1 / 7, np.float32), 1e-6)
    assert (vision.cls_attention("prev", over="all") < vision.cls_attention("prev") + 1e-7).all()
    # The attention of one tile, computed by hand from its patches.
    tile = golden["g1/pixel_tiles"][2:3]
    before = model.clip.states(torch.from_numpy(normalised(tile)))[1]
    block = model.clip.model.encoder.layer[-1]
    x = block.layernorm_before(before)[0]
    row = (block.attention.k_proj(x)[1:] @ block.attention.q_proj(x)[0] * 48**-0.5).softmax(dim=0)
    by_hand = row.reshape(4, 2, 4, 2).sum(dim=(1, 3)).flatten() / 7
    close(vision.cls_attention()[32:48], by_hand.detach().numpy(), 1e-6)


SMALL: dict[str, Any] = {
    "full": csp.Full(),
    "csp": csp.CSP(1, 30, 1, 8, "cls"),
    "sparsevlm": csp.methods.METHODS["sparsevlm"](layers=(1, 2), keep=(60, 30)),
    "pyramiddrop": csp.methods.METHODS["pyramiddrop"](layers=(1, 2, 3)),
    "feather": csp.methods.METHODS["feather"](k=(1, 2)),
}
"""What the paper's depths do not fit on four layers."""


@pytest.mark.parametrize("method", csp.METHODS.values(), ids=csp.METHODS)
def test_every_method_runs_on_tiles(model: Any, golden: dict[str, np.ndarray], method: Any) -> None:
    from csp.methods import at_budget

    made = SMALL.get(method.name) or at_budget(method, 56, 112, 4)
    if method.name == "smaller":
        with pytest.raises(ValueError, match="a picture in several tiles has no smaller one: load the model with max_tiles=1"):
            ask(model, golden, "g0", made, seg_mode="teacher")
        return
    if "space" in {knob.name for knob in csp.methods.knobs(made)}:
        # There is no text tower beside InternViT: the decoder's own words stand in.
        with pytest.raises(ValueError, match="which this model lacks"):
            ask(model, golden, "g0", made, seg_mode="teacher")
        made = replace(made, space="words")
    result = ask(model, golden, "g0", made, seg_mode="teacher")
    assert result.masks.shape == (1, 100, 150) and np.isfinite(result.seg_state).all()


def test_a_smaller_picture_of_one_tile(model: Any, golden: dict[str, np.ndarray]) -> None:
    vision = model.encode(golden["g2/raw_image"]).vision
    assert vision.smaller is not None
    close(vision.smaller(4, 4), vision.patches.numpy(), 1e-5)
    assert vision.smaller(2, 3).shape == (6, 192)
    with pytest.raises(ValueError, match=r"1\.\.4 tokens a side"):
        vision.smaller(5, 2)
    result = ask(model, golden, "g2", csp.methods.METHODS["smaller"](T=6), seg_mode="teacher")
    assert result.trace.n_per_layer == (6,) * 4


def test_uniform_deals_its_tokens_out_to_the_tiles(model: Any, golden: dict[str, np.ndarray]) -> None:
    for rule in ("eq2", "even"):
        result = ask(model, golden, "g0", csp.CSP(Lc=1, Nc=30, Ls=1, Np=8, uniform=rule), seg_mode="teacher")
        per_tile = np.bincount(result.trace.stages[0].patches // 16, minlength=7)
        assert per_tile.sum() == 30 and per_tile.min() >= 4 and per_tile.max() <= 5


def test_an_instance_gives_tokens_of_every_tile_that_shows_it(golden: dict[str, np.ndarray]) -> None:
    def left_half(image: np.ndarray) -> np.ndarray:
        mask = np.zeros((1, *image.shape[:2]), bool)
        mask[:, :, : image.shape[1] // 2] = True
        return mask

    model = csp.load(FOLDER, sam=SIZES, device="cpu", dtype="float32", instances=left_half)
    result = ask(model, golden, "g0", csp.CSP(Lc=1, Nc=28, Ls=1, Np=8, cluster="seg-first"), seg_mode="teacher")
    record = result.trace.stages[0]
    # Tiles 0, 1, 3, 4 and the thumbnail show the left half; tiles 2 and 5 do not.
    assert set(record.patches // 16) == {0, 1, 3, 4, 6} and record.instances == 1


def test_fewer_tiles(golden: dict[str, np.ndarray]) -> None:
    one = csp.load(FOLDER, sam=SIZES, device="cpu", dtype="float32", max_tiles=1)
    assert one.N == 16 and ask(one, golden, "g0").trace.layout.N == 16
    few = csp.load(FOLDER, sam=SIZES, device="cpu", dtype="float32", max_tiles=4)
    assert few.N == 80 and len(ask(few, golden, "g4").trace.layout.views) == 5
    for wrong in (0, 13, 2.5, True):
        with pytest.raises(ValueError, match=r"max_tiles must be (an integer )?in 1\.\.12, got"):
            csp.load(FOLDER, sam=SIZES, device="cpu", max_tiles=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="max_tiles=1 is for models that cut pictures into tiles"):
        csp.load("park", device="cpu", max_tiles=1)


@pytest.mark.parametrize(("kind", "least"), [("bfloat16", 0.8), ("float16", 0.95)])
def test_half_precision(golden: dict[str, np.ndarray], kind: str, least: float) -> None:
    model = csp.load(FOLDER, sam=SIZES, device="cpu", dtype=kind)
    result = ask(model, golden, "g2")
    ours, theirs = result.masks[0], golden["g2/pred_masks"][0]
    assert result.text == CASES["g2"]["prediction"] and (ours & theirs).sum() / (ours | theirs).sum() > least


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FOLDER, tmp_path / "sa2va"))


def rewrite(folder: Path, change: Any, dtype: torch.dtype | None = None) -> None:
    """All shards as one file, its tensors changed."""
    state: dict[str, torch.Tensor] = {}
    for file in folder.glob("*.safetensors"):
        state |= load_file(file)
        file.unlink()
    (folder / "model.safetensors.index.json").unlink()
    state = change(state)
    save_file({k: v if dtype is None else v.to(dtype) for k, v in state.items()}, folder / "model.safetensors")


def edit(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_one_float32_file_and_mixed_shards_are_the_same(folder: Path, model: Any, golden: dict[str, np.ndarray]) -> None:
    rewrite(folder, lambda state: state, torch.float32)
    one = csp.load(folder, sam=SIZES, device="cpu", dtype="float32")
    np.testing.assert_array_equal(ask(one, golden, "g2").logits, ask(model, golden, "g2").logits)


def test_sizes_in_the_folder_are_found(folder: Path, golden: dict[str, np.ndarray]) -> None:
    shutil.copy(SIZES, folder / "sam2_config.json")
    assert csp.load(folder, device="cpu", dtype="float32").mask_head.image_size == 256


def test_what_is_missing_or_unknown_is_named(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"text_hidden_fcs\.2 writes 32 values where 256 are needed: check sam="):
        csp.load(folder, device="cpu")  # Hiera-L is assumed
    for changes, words in (
        ({"template": "vicuna"}, "asks for template 'vicuna'; those known are qwen_chat, phi3_chat"),
        ({"ps_version": "v1"}, "ps_version 'v1': only v2 is known"),
        ({"select_layer": -3}, r"select_layer must be in -2\.\.-1"),
        ({"llm_config": {"model_type": "internlm2"}}, "model_type 'internlm2', a decoder that transformers does not have"),
    ):
        edit(folder, **changes)
        with pytest.raises(ValueError, match=words):
            csp.load(folder, sam=SIZES, device="cpu")
        shutil.copy(FOLDER / "config.json", folder)
    rewrite(folder, lambda state: {k: v for k, v in state.items() if k != "text_hidden_fcs.2.weight"})
    with pytest.raises(ValueError, match=r"text_hidden_fcs\.2 is not there where 32 are needed"):
        csp.load(folder, sam=SIZES, device="cpu")


def test_a_phi3_chat_on_a_qwen_tokenizer(folder: Path, golden: dict[str, np.ndarray]) -> None:
    edit(folder, template="phi3_chat")
    prompter = ChatPrompt(folder, "phi3_chat")
    prompt = prompter("<image>\nSegment it", "full", "token", "chat")
    theirs = json.loads((DATA / "tokenizer_golden.json").read_text())["cases"]
    (ids,) = (case["ids"] for case in theirs if case["text"].startswith("<|user|>\n"))
    assert [*prompt.sys, prompter.context_id, *prompt.usr] == ids
    # Its end is five tokens here, found in what was written.
    end = prompter.encode("A box.<|end|>")
    assert prompter.ended(end) and not any(prompter.ended(end[:n]) for n in range(len(end)))
    assert prompter.ended([*end[:-5], prompter.eos_id]) and not prompter.ended([])


def test_a_query_is_words_unless_it_is_a_chat(model: Any) -> None:
    make = model.prompter
    assert make.seg_id not in make("the [SEG] dog", "generated").usr
    assert make.seg_id in make("the [SEG] dog", "generated", "token", "chat").usr
    assert make.tokenizer.decode(make("the <p> dog.", "generated").usr).endswith(
        "</img>\n the <p> dog. Please respond with segmentation mask.<|im_end|>\n<|im_start|>assistant\n"
    )
    asked = "</img>\n Please segment a dog in this image.<|im_end|>\n<|im_start|>assistant\n"
    assert make("a dog").usr == tuple(make.encode(asked))
    before = make("Look: <image> what is it?", "generated", "token", "chat")
    assert make.tokenizer.decode(before.sys) == "<|im_start|>user\nLook: <img>"
    for wrong in ("", "  ", "<image>", "a" * 513, "<image><image>a", "<IMG_CONTEXT>", 3, "a\x00b"):
        with pytest.raises(ValueError, match="the query"):
            make(wrong, "full", "token", "chat")


def test_several_queries_at_once(model: Any, golden: dict[str, np.ndarray]) -> None:
    queries = ["the red box", "the green disc"]
    image = golden["g0/raw_image"]
    both = model.segment(image, queries, csp.CSP(1, 32, 1, 16))
    for query, result in zip(queries, both, strict=True):
        close(result.logits, model.segment(image, query, csp.CSP(1, 32, 1, 16)).logits, 1e-3)


def test_a_run_survives_its_file(model: Any, golden: dict[str, np.ndarray], tmp_path: Path) -> None:
    result = ask(model, golden, "g1", csp.CSP(1, 32, 1, 16))
    result.save(tmp_path / "run.npz")
    again = csp.Result.open(tmp_path / "run.npz")
    assert again.trace.layout == result.trace.layout and isinstance(again.trace.layout, Layout)
    np.testing.assert_array_equal(again.masks, result.masks)


def test_the_decoders_config_has_the_defaults_of_its_class() -> None:
    """A field that a folder leaves out because it is the class's default is not missing."""
    from csp.models.sa2va import text_config

    config = text_config({"llm_config": {"model_type": "qwen2", "vocab_size": 10, "rope_theta": 5.0}})
    assert (config.num_hidden_layers, config.hidden_size, config.rms_norm_eps) == (32, 4096, 1e-6)
    assert decoder_config(json.loads((FOLDER / "config.json").read_text())["llm_config"]).rope_parameters["factor"] == 2.0


def test_it_is_assembled_of_transformers_own_parts(model: Any) -> None:
    assert isinstance(model, Lisa) and model.seg_row == "fed"
    for part in (model.llm, model.clip.model, model.projector, model.mask_head.model):
        assert type(part).__module__.startswith("transformers.")
        assert not any(t.is_meta or t.requires_grad for t in (*part.parameters(), *part.buffers()))
    assert not model.mask_head.model.mask_decoder.dynamic_multimask_via_stability
    assert model.report.unexpected == [] and len(model.report.dropped) == 79


def test_a_page_on_a_cpu_takes_one_tile_in_what_it_computes_best(monkeypatch: pytest.MonkeyPatch) -> None:
    from csp import checkpoints

    nothing = {"device": "cpu", "dtype": None, "backend": None, "max_tiles": None}
    for at_home, (dtype, backend) in ((True, ("bfloat16", "plain")), (False, ("float32", "onednn"))):
        monkeypatch.setattr(checkpoints, "bfloat16_at_home", lambda at_home=at_home: at_home)
        told = checkpoints.suited(FOLDER, nothing)
        assert told == {"device": "cpu", "dtype": dtype, "backend": backend, "max_tiles": 1}
    asked = {"device": "cpu", "dtype": "float32", "backend": "plain", "max_tiles": 12}
    assert checkpoints.suited(FOLDER, asked) == asked
    assert checkpoints.suited("park", nothing) == nothing | {"backend": "plain"}


def test_the_program_runs_on_tiles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from PIL import Image

    from csp.segment import main

    Image.fromarray(np.zeros((60, 120, 3), np.uint8)).save(tmp_path / "black.png")
    asked = [str(tmp_path / "black.png"), "a dog", "--model", str(FOLDER), "--sam", str(SIZES), "--device", "cpu"]
    knobs = ["--Lc", "1", "--Nc", "8", "--Ls", "1", "--Np", "4", "--max-tiles", "2", "--out", str(tmp_path / "out")]
    assert main([*asked, *knobs]) == 0
    run = csp.Result.open(next((tmp_path / "out").glob("*.npz")))
    assert len(run.trace.layout.tiles) == 3 and run.trace.layout.N == 48


def test_budgets_are_shares_as_well_as_counts(model: Any, golden: dict[str, np.ndarray]) -> None:
    """A quarter of whatever a picture makes, where a count would be too much or too little."""
    quarter = csp.CSP(Lc=1, Nc=0.25, Ls=1, Np=0.1)  # type: ignore[arg-type]
    for name, counts in (("g0", (28, 112, 11, 11)), ("g2", (4, 16, 2, 2))):
        result = ask(model, golden, name, quarter, seg_mode="teacher")
        assert result.trace.n_per_layer == counts and result.request.knobs["Nc"] == 0.25
    assert [stage.N for stage in csp.METHODS["fastv"](R=0.5).plan(256, 32)] == [256, 128]
    for wrong in (0.0, 1.5, -0.5, 64.0):
        with pytest.raises(ValueError, match="Nc must be an integer at least 1, got"):
            csp.CSP(Nc=wrong)  # type: ignore[arg-type]


def test_a_session_takes_all_that_a_smaller_picture_has(model: Any, golden: dict[str, np.ndarray]) -> None:
    from csp.session import Session

    session = Session(model)
    assert session.card.N == 208
    knobs = {"Lc": 1, "Nc": 100, "Ls": 1, "Np": 8}
    result = session.run(csp.Request(golden["g2/raw_image"], "a dog", "csp", knobs))
    assert result.trace.n_per_layer == (16, 16, 8, 8)
    assert "this picture makes 16 image tokens: Nc taken as 16" in result.notes
    assert session.run(csp.Request(golden["g0/raw_image"], "a dog", "csp", knobs)).trace.n_per_layer == (100, 112, 8, 8)
