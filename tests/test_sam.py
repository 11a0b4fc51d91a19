"""SAM's side: sizes in two spellings, preprocessing and masks equal segment_anything's own, K = 0."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import SAM_CONFIG
from segment_anything.utils.transforms import ResizeLongestSide

from csp.models.sam import VARIANTS, SamHead, SamSizes, build_sam, sam_sizes

FLAT = {
    "encoder_embed_dim": 32,
    "encoder_depth": 2,
    "encoder_num_heads": 2,
    "encoder_global_attn_indexes": [1],
    "encoder_window_size": 7,
    "encoder_mlp_ratio": 4,
    "image_size": 112,
    "vit_patch_size": 8,
    "prompt_embed_dim": 32,
    "mask_in_chans": 16,
    "num_multimask_outputs": 3,
    "decoder_depth": 2,
    "decoder_mlp_dim": 64,
    "decoder_num_heads": 4,
    "iou_head_depth": 3,
    "iou_head_hidden_dim": 32,
}


@pytest.fixture(scope="module")
def head() -> SamHead:
    torch.manual_seed(0)
    return SamHead(build_sam(sam_sizes(SAM_CONFIG)))


def test_both_spellings_mean_the_same(tmp_path: Path) -> None:
    (tmp_path / "sam.json").write_text(json.dumps(FLAT))
    assert sam_sizes(SAM_CONFIG) == sam_sizes(FLAT) == sam_sizes(tmp_path / "sam.json")
    assert sam_sizes("vit_h") == SamSizes() == VARIANTS["vit_h"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("vit_x", "sam must be one of vit_h, vit_l, vit_b"),
        ({"depht": 3}, r"unknown key\(s\) depht"),
        ({"image_size": 100, "patch_size": 16}, "multiple of patch_size 16, got 100"),
    ],
)
def test_wrong_sizes_are_named(source: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sam_sizes(source)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["vit_b", "vit_l", "vit_h"])
def test_variants_are_segment_anythings_own(name: str) -> None:
    from segment_anything import sam_model_registry

    with torch.device("meta"):
        ours, theirs = build_sam(VARIANTS[name]), sam_model_registry[name]()
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in theirs.state_dict().items()
    }


@pytest.mark.parametrize("size", [(90, 120), (163, 101), (112, 112), (40, 300)])
def test_preprocessing_equals_segment_anything(head: SamHead, size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    resized = ResizeLongestSide(112).apply_image(image)
    theirs = head.sam.preprocess(torch.from_numpy(resized).permute(2, 0, 1).float())
    ours, valid = head.preprocess(image)
    assert valid == resized.shape[:2]
    torch.testing.assert_close(ours[0], theirs, rtol=0, atol=0)


def test_a_sliver_keeps_a_pixel(head: SamHead) -> None:
    assert head.resized(8, 6000) == (1, 112) and head.resized(6000, 8) == (112, 1)
    assert head.preprocess(np.zeros((1, 9000, 3), np.uint8))[0].shape == (1, 3, 112, 112)


@torch.no_grad()
def test_text_prompt_adds_no_position_and_no_type(head: SamHead) -> None:
    """A text prompt is its vector alone: a point prompt's tokens, given as text, make the point's own
    masks.
    """
    embedding, _ = head.encode(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8))
    points = torch.tensor([[[30.0, 40.0]]]), torch.ones(1, 1)
    sparse, dense = head.sam.prompt_encoder(points=points, boxes=None, masks=None)
    theirs, score = head.sam.mask_decoder(
        embedding, head.sam.prompt_encoder.get_dense_pe(), sparse[:, :1], dense, False
    )
    ours, iou = head.decode(embedding, sparse[:, 0])
    torch.testing.assert_close(ours, theirs[:, 0], rtol=0, atol=0)
    torch.testing.assert_close(iou, score[:, 0], rtol=0, atol=0)


@torch.no_grad()
def test_any_number_of_prompts_over_one_picture(head: SamHead) -> None:
    embedding, _ = head.encode(np.full((50, 50, 3), 128, np.uint8))
    prompts = torch.randn(3, 32)
    logits, iou = head.decode(embedding, prompts)
    assert logits.shape == (3, 56, 56) and iou.shape == (3,)
    torch.testing.assert_close(head.decode(embedding, prompts[1:2])[0][0], logits[1], rtol=1e-5, atol=1e-5)
    nothing, scores = head.decode(embedding, prompts[:0])
    assert nothing.shape == (0, 56, 56) and scores.shape == (0,)


@torch.no_grad()
def test_half_precision_keeps_the_position_code_exact(head: SamHead) -> None:
    sam = build_sam(sam_sizes(SAM_CONFIG))
    sam.load_state_dict(head.sam.state_dict())
    sam.to(torch.bfloat16)
    sam.prompt_encoder.pe_layer.float()
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    half = SamHead(sam)
    logits, _ = half.decode(half.encode(image)[0], torch.ones(1, 32))
    assert logits.dtype == torch.float32
    exact, _ = head.decode(head.encode(image)[0], torch.ones(1, 32))
    assert (logits - exact).abs().max() < 0.1 * exact.abs().max()
