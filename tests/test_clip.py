"""The vision tower: preprocessing equals transformers' own, features and Eq. 3 equal eager attention."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel

from csp.models.clip import ClipTower, preprocess


@pytest.fixture(scope="module")
def vision() -> CLIPVisionModel:
    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
    )
    model = CLIPVisionModel(config).eval()
    for parameter in model.parameters():
        if parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
    return model


@pytest.mark.parametrize(
    "size", [(90, 120), (120, 90), (224, 224), (56, 56), (57, 900), (333, 500), (31, 40)]
)
@pytest.mark.parametrize("side", [56, 224])
def test_preprocessing_equals_transformers(size: tuple[int, int], side: int) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    processor = CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
    theirs = processor(image, return_tensors="np")["pixel_values"][0]
    ours, crop = preprocess(image, side)
    np.testing.assert_array_equal(ours, theirs)
    # The crop lies inside the picture and is as high as wide, within what rounding to whole pixels allows.
    assert -1e-9 <= crop.x0 < crop.x1 <= size[1] + 1e-9 and -1e-9 <= crop.y0 < crop.y1 <= size[0] + 1e-9
    assert crop.x1 - crop.x0 == pytest.approx(crop.y1 - crop.y0, rel=0.02)


def test_slivers_are_cropped_before_they_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 1000, 3), np.uint8)
    sliver, crop = preprocess(image, 56)
    monkeypatch.setattr("csp.models.clip._SLIVER", 10**9)
    whole, same = preprocess(image, 56)
    assert crop == same
    assert np.abs(sliver - whole).max() < 0.04  # two grey levels of 255, over a deviation of 0.26


@pytest.mark.parametrize("size", [(1, 1), (1, 1_000_000), (6000, 8)])
def test_extreme_sizes_show_their_middle(size: tuple[int, int]) -> None:
    pixels, crop = preprocess(np.full((*size, 3), 255, np.uint8), 224)
    assert pixels.shape == (3, 224, 224) and pixels.min() > 1.9
    assert crop.x0 + crop.x1 == pytest.approx(size[1], abs=1) and crop.y0 + crop.y1 == pytest.approx(
        size[0], abs=1
    )


def test_features_are_the_last_layers_input(vision: CLIPVisionModel) -> None:
    tower = ClipTower(vision)
    pixels = torch.randn(1, 3, 56, 56)
    seen = tower.features(pixels, lambda x: x)
    states = vision(pixels, output_hidden_states=True).hidden_states
    torch.testing.assert_close(seen.states, states[-2][0], rtol=0, atol=1e-6)
    assert tower.grid == (4, 4) and seen.patches.shape == (16, 32) and seen.num_heads == 2


@pytest.mark.parametrize(("layer", "index"), [("last", -1), ("prev", -2)])
def test_cls_rows_equal_eager_attention(vision: CLIPVisionModel, layer: str, index: int) -> None:
    pixels = torch.randn(1, 3, 56, 56)
    seen = ClipTower(vision).features(pixels, lambda x: x)
    vision.set_attn_implementation("eager")
    eager = vision(pixels, output_attentions=True).attentions[index][0, :, 0, 1:]
    vision.set_attn_implementation("sdpa")
    torch.testing.assert_close(seen.cls_attention(layer, heads=True, over="all"), eager, rtol=0, atol=1e-6)
    # Eq. 3 as printed: one head of full width over the patches.
    one = seen.cls_attention(layer)
    assert one.shape == (16,) and one.sum().item() == pytest.approx(1, abs=1e-5)


def test_another_layer_can_be_selected(vision: CLIPVisionModel) -> None:
    pixels = torch.randn(1, 3, 56, 56)
    states = vision(pixels, output_hidden_states=True).hidden_states
    seen = ClipTower(vision, select_layer=-3).features(pixels, lambda x: x)
    torch.testing.assert_close(seen.states, states[-3][0], rtol=0, atol=1e-6)
    for layer in (-1, -5, 0):
        with pytest.raises(ValueError, match=r"mm_vision_select_layer must be in -4\.\.-2"):
            ClipTower(vision, select_layer=layer)
