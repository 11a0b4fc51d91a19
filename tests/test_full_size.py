"""Published checkpoints at full size, assembled without a value: names, shapes, ids and spans, by the loader's own path."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from published import MODELS, PUBLISHED, empty, spelled, tensors_of, write_published, write_shards, write_tower
from torch import nn

from csp.checkpoints import load
from csp.models.lisa import Lisa
from csp.models.weights import LoadReport
from csp.types import Box


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("published")
    return {name: write_published(place / name.replace("/", "--"), name) for name in MODELS}


@pytest.fixture(scope="module")
def skeletons(folders: dict[str, Path]) -> dict[str, Lisa]:
    return {name: load(folder, device="meta") for name, folder in folders.items()}


def by_their_names(model: Lisa) -> dict[str, tuple[int, ...]]:
    """Every weight of an assembled model by its name in the checkpoint."""
    parts: dict[str, nn.Module] = {
        "model.": model.llm,
        "model.mm_projector.": model.projector,
        "model.text_hidden_fcs.0.": model.text_hidden_fcs,
        "model.visual_model.": model.mask_head.sam,
    }
    return {
        prefix + name: tuple(value.shape)
        for prefix, module in parts.items()
        for name, value in module.state_dict().items()
    }


@pytest.mark.parametrize("name", MODELS)
def test_names_and_shapes_are_those_published(skeletons: dict[str, Lisa], name: str) -> None:
    model, expected = skeletons[name], {key: shape for key, (shape, _) in tensors_of(name).items()}
    assert len(expected) == PUBLISHED["models"][name]["n_keys"]
    dropped = {key for key in expected if key.endswith("inv_freq")}
    assert len(dropped) == model.L
    head = {key for key in expected if key.startswith("lm_head.")}  # the one part that masks do not need
    assert by_their_names(model) == {key: expected[key] for key in set(expected) - dropped - head}
    report = model.report
    assert report is not None and set(report.dropped) == dropped and report.unexpected == report.notes == []


@pytest.mark.parametrize("tower", PUBLISHED["clip"])
def test_the_towers_are_those_published(skeletons: dict[str, Lisa], tower: str) -> None:
    name = "Senqiao/LISA_Plus_7b" if tower.endswith("336") else "xinlai/LISA-7B-v1"
    state = {key: tuple(value.shape) for key, value in skeletons[name].clip.model.state_dict().items()}
    assert state == {key: shape for key, (shape, _) in spelled(PUBLISHED["clip"][tower]).items()}


@pytest.mark.parametrize(
    ("name", "N", "L", "d", "seg_id", "linears"),
    [
        ("xinlai/LISA-7B-v1", 256, 32, 4096, 32003, 1),
        ("xinlai/LISA-13B-llama2-v1", 256, 40, 5120, 32000, 1),
        ("Senqiao/LISA_Plus_7b", 576, 32, 4096, 32000, 2),
    ],
)
def test_sizes_and_ids_come_from_the_folder(
    skeletons: dict[str, Lisa], name: str, N: int, L: int, d: int, seg_id: int, linears: int
) -> None:
    model = skeletons[name]
    assert (model.N, model.L, model.llm.config.hidden_size, model.prompter.seg_id) == (N, L, d, seg_id)
    assert sum(isinstance(module, nn.Linear) for module in model.projector.modules()) == linears
    facts = PUBLISHED["models"][name]
    config = model.llm.config
    assert (config.rms_norm_eps, config.max_position_embeddings) == (facts["rms_norm_eps"], facts["max_position_embeddings"])
    layout = model.layout(model.prompter("the man in the black shirt"), Box(0, 0, 224, 224))
    assert layout.N == N and layout.I_seg == (layout.N_sys + N + layout.N_usr - 1,)
    assert all(value.is_meta for value in model.llm.parameters()) and model.dtype == torch.bfloat16


def test_the_explanatory_twins_have_the_same_layout(folders: dict[str, Path], skeletons: dict[str, Lisa]) -> None:
    """LISA-7B-v1-explanatory and 13B's differ in values alone; a folder's own name is the model's."""
    name = "xinlai/LISA-7B-v1"
    twin = load(folders[name], device="meta", clip=folders[name] / "openai/clip-vit-large-patch14")
    assert twin.name == "xinlai--LISA-7B-v1" and by_their_names(twin) == by_their_names(skeletons[name])


def test_a_shape_or_a_name_off_by_one_is_told(tmp_path: Path) -> None:
    name = "xinlai/LISA-7B-v1"
    folder = write_published(tmp_path / "broken", name)
    rows = tensors_of(name)
    rows["model.layers.31.mlp.up_proj.weight"] = ((11009, 4096), "bfloat16")
    rows["model.visual_model.mask_decoder.surplus"] = ((3,), "float32")
    del rows["model.layers.7.self_attn.q_proj.weight"], rows["model.visual_model.image_encoder.blocks.7.attn.rel_pos_h"]
    write_shards(folder, rows, 2)
    with pytest.raises(ValueError, match=r"lacks 1 of the 290 tensors of model: layers\.7\.self_attn\.q_proj"):
        load(folder, device="meta")
    report = LoadReport(str(folder), strict=False)
    load(folder, device="meta", report=report)
    assert report.missing == [
        "model.layers.7.self_attn.q_proj.weight", "model.visual_model.image_encoder.blocks.7.attn.rel_pos_h",
    ]  # fmt: skip
    assert report.wrong == [
        "model.layers.31.mlp.up_proj.weight is [11009, 4096], config.json asks for [11008, 4096]"
    ]
    assert report.unexpected == ["model.visual_model.mask_decoder.surplus"]


def test_a_tower_of_another_size_is_noted(folders: dict[str, Path], tmp_path: Path) -> None:
    write_tower(tmp_path / "other", "openai/clip-vit-large-patch14")
    model = load(folders["Senqiao/LISA_Plus_7b"], clip=tmp_path / "other", device="meta")
    assert model.N == 256 and model.report is not None
    (note,) = model.report.notes
    assert "clip-vit-large-patch14-336, a tower of 336 pixels, but this one has 224" in note


def test_ids_beyond_the_embedding_are_refused(tmp_path: Path) -> None:
    folder = write_published(tmp_path / "ids", "xinlai/LISA-7B-v1")
    (folder / "added_tokens.json").write_text(json.dumps({"[SEG]": 32004, "<im_start>": 32001, "<im_end>": 32002}))
    with pytest.raises(ValueError, match=r"gives \[SEG\] the id 32004, the embedding has 32004 rows"):
        load(folder, device="meta")


def test_what_is_written_for_these_tests_has_no_values() -> None:
    assert all(value.is_meta for value in empty(tensors_of(MODELS[0])).values())
