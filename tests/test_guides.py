"""Guides for Seg-First: transformers' own detectors with random weights, what they cost, and a world without ultralytics."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import (
    BertConfig,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    RfDetrConfig,
    RfDetrForInstanceSegmentation,
    SwinConfig,
)

import csp
from csp.models.counting import counted
from csp.models.guides import GroundingDinoGuide, RfDetrGuide, read_guide
from csp.models.instances import LEAST

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def rf_detr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thin RF-DETR with its mask head, as transformers writes it, for pictures of 112 pixels."""
    torch.manual_seed(0)
    backbone = dict(hidden_size=32, num_hidden_layers=4, num_attention_heads=2, patch_size=14, num_windows=4, image_size=112)
    config = RfDetrConfig(
        backbone_config=dict(model_type="rf_detr_dinov2", out_indices=[1, 2, 3, 4], **backbone),
        d_model=32, decoder_layers=2, decoder_ffn_dim=32, decoder_self_attention_heads=2, decoder_cross_attention_heads=2,
        num_queries=20, num_labels=3, intermediate_size=64,
    )  # fmt: skip
    model = RfDetrForInstanceSegmentation(config).eval()
    for name, parameter in model.named_parameters():
        # Untrained it is sure of nothing: classes begin at one in a hundred.
        if "class" in name and name.endswith("bias"):
            torch.nn.init.normal_(parameter, -1.0, 0.5)
        elif parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
    folder = tmp_path_factory.mktemp("guides") / "rf-detr"
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 112, "width": 112}}))
    return folder


@pytest.fixture(scope="module")
def dino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A thin GroundingDINO with a toy vocabulary, as transformers writes it."""
    from transformers import BertTokenizerFast

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("guides") / "dino"
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "person", "animal", "bird", "object", "furniture"]
    (folder / "vocab.txt").write_text("\n".join(words))
    tokenizer = BertTokenizerFast(vocab=dict(zip(words, range(len(words)), strict=True)))
    swin = SwinConfig(embed_dim=12, depths=[1, 1, 1, 1], num_heads=[1, 2, 3, 4], window_size=4, out_indices=[2, 3, 4])
    bert = BertConfig(vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    config = GroundingDinoConfig(
        backbone_config=swin, text_config=bert, d_model=32, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=32,
        decoder_ffn_dim=32, encoder_attention_heads=2, decoder_attention_heads=2, num_queries=12,
        text_enhancer_dropout=0.0, fusion_dropout=0.0,
    )  # fmt: skip
    GroundingDinoForObjectDetection(config).eval().save_pretrained(folder)
    images = GroundingDinoImageProcessor(size={"shortest_edge": 96, "longest_edge": 160})
    GroundingDinoProcessor(images, tokenizer).save_pretrained(folder)
    return folder


def no_boxes(boxes: np.ndarray) -> np.ndarray:
    raise AssertionError("this guide finds masks itself")


def test_rf_detr_finds_what_its_queries_say(rf_detr: Path, picture: np.ndarray) -> None:
    guide = read_guide(rf_detr, CPU)
    assert isinstance(guide, RfDetrGuide) and guide.side == 112
    found = guide.instances(picture, no_boxes)
    pixels = guide._processor(images=picture, return_tensors="pt")["pixel_values"]
    assert pixels.shape == (1, 3, 112, 112)
    with torch.no_grad():
        out = guide.model(pixel_values=pixels)
    sure = out.logits[0].sigmoid().amax(-1)
    order = sure.argsort(descending=True, stable=True)
    order = order[sure[order] >= LEAST]
    masks = out.pred_masks[0, order] > 0
    seen = masks.flatten(1).any(1)
    np.testing.assert_array_equal(found.masks, masks[seen].numpy())
    np.testing.assert_allclose(found.confidence, sure[order][seen].numpy())
    # Every query once, however many classes it is sure of; the whole picture, stretched.
    assert 0 < len(found.masks) <= 20 and (np.diff(found.confidence) <= 0).all()


def test_a_guide_is_counted_once_for_a_size(rf_detr: Path, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = read_guide(rf_detr, CPU)
    first = guide.instances(picture, no_boxes).macs
    again = guide.instances(picture[::-1].copy(), no_boxes)
    assert first == again.macs > 1e6
    assert list(guide._bill._known.values()) == [first]  # type: ignore[attr-defined]


def test_products_are_counted_as_products() -> None:
    a, b = torch.ones(3, 4), torch.ones(4, 5)
    result, macs = counted(lambda: a @ b)
    assert macs == 3 * 4 * 5 and result.shape == (3, 5)
    conv = torch.nn.Conv2d(2, 3, 3, padding=1, bias=False)
    assert counted(lambda: conv(torch.ones(1, 2, 8, 8)))[1] == 3 * 2 * 9 * 64
    # Attention by the fused kernel of a CPU, and by plain products.
    q = torch.ones(1, 2, 5, 8)
    for kernel in (SDPBackend.FLASH_ATTENTION, SDPBackend.MATH):
        with sdpa_kernel(kernel):
            assert counted(lambda: torch.nn.functional.scaled_dot_product_attention(q, q, q))[1] == 2 * 2 * 5 * 5 * 8


@pytest.mark.parametrize("side", [100, 432, 0])
def test_a_side_its_windows_cannot_take_is_refused(rf_detr: Path, side: int) -> None:
    model: Any = read_guide(rf_detr, CPU).model  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=rf"multiple of 56 pixels .* got {side}"):
        RfDetrGuide(model, side)


def test_grounding_dino_finds_boxes_and_sam_makes_masks(dino: Path, picture: np.ndarray) -> None:
    guide = read_guide(dino, CPU)
    assert isinstance(guide, GroundingDinoGuide)
    guide.vocabulary, guide.least = ("person", "animal"), 0.0
    boxes, sure, macs = guide.boxes(picture)
    H, W = picture.shape[:2]
    assert len(boxes) == len(sure) > 0 and macs > 1e6
    assert (boxes >= 0).all() and (boxes[:, [0, 2]] <= W).all() and (boxes[:, [1, 3]] <= H).all()
    asked: list[np.ndarray] = []
    weight = torch.ones(64, 64)

    def from_boxes(given: np.ndarray) -> np.ndarray:
        asked.append(given)
        weight @ weight
        return np.ones((len(given), H, W), bool)

    found = guide.instances(picture, from_boxes)
    np.testing.assert_array_equal(np.concatenate(asked), boxes)
    assert found.masks.shape == (len(boxes), H, W)
    # The network, and a box prompt for each box.
    assert found.macs == macs + len(boxes) * 64**3


def test_what_the_processor_asks_is_the_vocabulary(dino: Path, picture: np.ndarray) -> None:
    guide: Any = read_guide(dino, CPU)
    asked = guide.processor(images=picture, text=["person", "Bird"], return_tensors="pt")
    words = guide.processor.tokenizer.convert_ids_to_tokens(asked["input_ids"][0])
    assert words == ["[CLS]", "person", ".", "bird", ".", "[SEP]"]


def test_nothing_found_is_no_instance(dino: Path, picture: np.ndarray) -> None:
    guide: Any = read_guide(dino, CPU)
    guide.least = 1.0
    found = guide.instances(picture, no_boxes)
    assert len(found.masks) == 0 and found.macs > 0


def test_overlapping_boxes_are_one_thing(dino: Path, picture: np.ndarray) -> None:
    guide: Any = read_guide(dino, CPU)
    guide.vocabulary, guide.least, guide.overlap = ("person", "animal"), 0.0, 1.0
    every = len(guide.boxes(picture)[0])
    guide.overlap = 0.0
    assert 1 <= len(guide.boxes(picture)[0]) <= every
    guide.overlap, guide.most = 1.0, 2
    assert len(guide.boxes(picture)[0]) == 2


@pytest.mark.parametrize("kind", ["rf_detr", "dino", "yolo"])
def test_seg_first_runs_on_every_guide_and_pays_for_it(
    kind: str, request: pytest.FixtureRequest, park_folder: Path, picture: np.ndarray
) -> None:
    """Through `csp.load`: instances become tokens, SAM's box prompt is the model's own, the bill holds the guide."""
    place = None if kind == "yolo" else request.getfixturevalue(kind)
    model = csp.load(park_folder, instances=place)
    if kind == "dino":
        model.instances.least = 0.0
    if kind == "yolo":
        model.instances.conf = 1e-6
    seen = model.encode(picture)
    assert seen.masks is not None and seen.guide_macs and seen.guide_macs > 1e6
    method = csp.CSP(Lc=1, Nc=16, Ls=1, Np=4, cluster="seg-first", conf=0.05)
    guided = model.segment(picture, "the red ball", method)
    plain = model.segment(picture, "the red ball", csp.CSP(Lc=1, Nc=16, Ls=1, Np=4))
    assert guided.cost.guide_macs == seen.guide_macs and plain.cost.guide_macs == 0
    assert guided.cost.total_flops == guided.cost.flops + 2 * seen.guide_macs
    assert plain.cost.total_flops == plain.cost.flops
    assert guided.as_dict()["cost"]["guide_macs"] == seen.guide_macs
    if kind != "yolo":
        assert guided.trace.stage("clustering").instances


def test_folders_that_are_no_guide(tmp_path: Path, rf_detr: Path, park_folder: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="holds a 'bert', guides are of the kinds rf_detr, grounding-dino"):
        csp.load(park_folder, instances=tmp_path)
    (tmp_path / "config.json").write_text((rf_detr / "config.json").read_text())
    with pytest.raises(ValueError, match="cannot be read as a guide"):
        read_guide(tmp_path, CPU)


def test_without_ultralytics_the_other_clusters_run(park_folder: Path) -> None:
    """A process in which it cannot be imported: the model loads, three clusters and other guides run, Seg-First says more."""
    program = f"""
import sys
sys.modules["ultralytics"] = None
import numpy as np, csp
image = np.zeros((90, 120, 3), np.uint8)
image[30:60, 50:80] = 200
model = csp.load({str(park_folder)!r})
assert model.instances is None
for cluster in ("random", "uniform", "cls"):
    model.segment(image, "the ball", csp.CSP(Lc=1, Nc=16, Ls=1, Np=4, cluster=cluster))
try:
    model.segment(image, "the ball", csp.CSP(Lc=1, Nc=16, Ls=1, Np=4, cluster="seg-first"))
except ValueError as error:
    assert "pip install ultralytics" in str(error) and "RF-DETR" in str(error), error
else:
    raise SystemExit("Seg-First ran without a guide")
halves = lambda image: np.stack([np.arange(64).reshape(8, 8) < 32, np.arange(64).reshape(8, 8) >= 32])
other = csp.load({str(park_folder)!r}, instances=halves)
assert other.segment(image, "the ball", csp.CSP(Lc=1, Nc=16, Ls=1, Np=4, cluster="seg-first")).trace.stages[0].instances == 2
try:
    csp.load({str(park_folder)!r}, instances=True)
except ValueError as error:
    assert "pip install ultralytics" in str(error), error
else:
    raise SystemExit("YOLO was built without ultralytics")
print("ran")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "ran", done.stderr
