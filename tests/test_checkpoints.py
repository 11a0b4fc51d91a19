"""From names and folders to models: what is read, what is refused and in which words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SAM_CONFIG, write_park_folder
from safetensors.torch import load_file, save_file

import csp
from csp import checkpoints
from csp.checkpoints import find, find_instances, load, pick_device, pick_dtype
from csp.models.decoders import decoder_config
from csp.models.lisa import Lisa
from csp.models.weights import LoadReport, read_parts

LISA = Path(__file__).parent / "data/lisa"
TINY = {"clip": LISA / "clip-vit-tiny-patch14", "sam": LISA / "sam_config.json"}


@pytest.fixture
def folder(park_folder: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model's folder to break."""
    return Path(shutil.copytree(park_folder, tmp_path / "copy"))


def edit(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    """All shards of a folder as one file, its tensors changed."""
    state: dict[str, torch.Tensor] = {}
    for file in folder.glob("model-*.safetensors"):
        state |= load_file(file)
        file.unlink()
    (folder / "model.safetensors.index.json").unlink()
    save_file(change(state), folder / "model.safetensors")


def test_load_is_public_and_reads_the_folder(park_folder: Path) -> None:
    model = csp.load(park_folder, device="cpu")
    assert isinstance(model, Lisa) and model.name == "park" and (model.N, model.L) == (64, 4)
    assert model.dtype == torch.float32 and model.instances is not None
    assert type(model.llm).__module__.startswith("transformers.")
    assert not any(p.is_meta or p.requires_grad for p in model.llm.parameters())
    assert not any(b.is_meta for m in (model.llm, model.clip.model, model.mask_head.sam) for b in m.buffers())


def test_one_file_and_shards_are_the_same(folder: Path, model: Lisa, picture: np.ndarray) -> None:
    rewrite(folder, lambda state: state)
    one = load(folder, device="cpu", instances=False).segment(picture, "a dog", csp.CSP(1, 16, 1, 4))
    np.testing.assert_array_equal(one.logits, model.segment(picture, "a dog", csp.CSP(1, 16, 1, 4)).logits)


def test_pickles_are_read_without_running_them(folder: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (open, (str(folder / "sprung"), "w"))

    for file in folder.glob("model*"):
        file.unlink()
    torch.save({"model.norm.weight": Trap()}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"pytorch_model\.bin cannot be read .*: fetch it again"):
        load(folder, device="cpu")
    assert not (folder / "sprung").exists()


def test_the_embedded_model_is_found_in_package_and_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "__file__", str(tmp_path / "csp/checkpoints.py"))
    with pytest.raises(ValueError, match=r"'park' is not installed: its config.json is in none of"):
        find("park")
    for place in (tmp_path / "assets/park", tmp_path / "csp/assets/park"):  # the package's own wins
        place.mkdir(parents=True)
        (place / "config.json").write_text("{}")
        assert find("park") == place


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("parc", "there is no model 'parc': give park, a folder"),
        ("/nowhere/at/all", "there is no model"),
        ("./x/y", "there is no model"),
    ],
)
def test_unknown_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        find(name)


def test_a_folder_without_config_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no config\.json: it is not a model folder"):
        find(tmp_path)


def test_a_hub_out_of_reach_says_what_to_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(*args: object, **kwargs: object) -> str:
        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(
        ValueError, match=r"could not be fetched .*hf download someone/LISA-7B .*pass it as model\. .* model park needs"
    ):
        load("someone/LISA-7B")
    with pytest.raises(ValueError, match=r"pytorch_model-00003-of-00003\.bin.*LISA-13B-llama2-v1/openai/clip-vit-large"):
        load("xinlai/LISA-13B-llama2-v1")


def test_a_hub_id_is_fetched(park_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: list[str] = []
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda name, **kw: asked.append(name) or str(park_folder)
    )
    assert load("someone/LISA-7B", device="cpu", instances=False).N == 64
    assert asked == ["someone/LISA-7B"]


def test_instances_on_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    asked: list[object] = []

    def fetched(name: str, allow_patterns: list[str]) -> str:
        (tmp_path / "yolo11n-seg.pt").touch()
        asked.append((name, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetched)
    assert find_instances("Ultralytics/YOLO11/yolo11n-seg.pt") == tmp_path / "yolo11n-seg.pt"
    assert asked == [("Ultralytics/YOLO11", ["yolo11n-seg.pt"])]
    for other in (None, False, "nowhere", tmp_path):
        assert find_instances(other) == other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: {k: v for k, v in s.items() if k != "model.layers.2.mlp.up_proj.weight"},
            r"lacks 1 of the .* tensors of model: layers\.2\.mlp\.up_proj\.weight",
        ),
        (
            lambda s: s | {"model.norm.weight": torch.ones(7)},
            r"does not fit its own sizes in model: norm\.weight is \[7\]",
        ),
        (lambda s: {k: v for k, v in s.items() if "mm_projector" not in k}, r"lacks model\.mm_projector"),
        (
            lambda s: {k: v for k, v in s.items() if "visual_model" not in k},
            r"tensors of model\.visual_model",
        ),
        (lambda s: s | {"model.layers.0.self_attn.q_proj.lora_A.weight": torch.ones(2)}, "unmerged LoRA"),
        (
            lambda s: (
                s
                | {
                    "model.text_hidden_fcs.0.2.weight": torch.ones(16, 32),
                    "model.text_hidden_fcs.0.2.bias": torch.ones(16),
                }
            ),
            "text_hidden_fcs writes 16 values where 32 are needed",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(folder: Path, change: Any, message: str) -> None:
    rewrite(folder, change)
    with pytest.raises(ValueError, match=message):
        load(folder, device="cpu", instances=False)


def test_what_is_not_needed_is_reported(folder: Path) -> None:
    rewrite(
        folder,
        lambda s: (
            {f"base_model.model.{k}": v for k, v in s.items()}
            | {"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(4), "other.thing": torch.ones(2)}
        ),
    )
    report = LoadReport(str(folder))
    parts = read_parts(folder, torch.device("cpu"), torch.float32, report)
    assert report.dropped == ["model.layers.0.self_attn.rotary_emb.inv_freq"] and report.unexpected == [
        "other.thing"
    ]
    assert report.notes == ["names carried the prefix base_model.model."]
    assert (
        report.tensors["projector"] == 4 and sum(report.bytes.values()) > 0 and "norm.weight" in parts["llm"]
    )
    assert load(folder, device="cpu", instances=False).N == 64


def test_equal_weights_have_equal_fingerprints(folder: Path, park_folder: Path) -> None:
    def fingerprint(place: Path) -> str:
        report = LoadReport(str(place))
        read_parts(place, torch.device("cpu"), torch.float32, report)
        return report.fingerprint

    assert fingerprint(folder) == fingerprint(park_folder) != ""
    rewrite(folder, lambda s: s | {"model.norm.weight": s["model.norm.weight"] + 1})
    assert fingerprint(folder) != fingerprint(park_folder)


def test_a_missing_shard_is_named(folder: Path) -> None:
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(
        ValueError,
        match=r"lacks model-00002-of-00002\.safetensors, which model\.safetensors\.index\.json names",
    ):
        load(folder, device="cpu", instances=False)


@pytest.mark.parametrize("size", [0, 5, 5000])
def test_a_shard_cut_short_is_named(folder: Path, size: int) -> None:
    shard = folder / "model-00002-of-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"00002-of-00002\.safetensors cannot be read"):
        load(folder, device="cpu", instances=False)


def test_no_weights_no_tokenizer_no_tower(folder: Path) -> None:
    shutil.move(folder / "tokenizer.json", folder / "t.json")
    with pytest.raises(ValueError, match="has no tokenizer"):
        load(folder, device="cpu")
    shutil.move(folder / "t.json", folder / "tokenizer.json")
    shutil.move(folder / "clip", folder / "away")
    with pytest.raises(ValueError, match=r"there is no vision tower 'clip'"):
        load(folder, device="cpu")
    assert load(folder, clip=folder / "away", device="cpu", instances=False).N == 64
    for file in folder.glob("model*"):
        file.unlink()
    with pytest.raises(ValueError, match="holds no weights: it needs one of"):
        load(folder, clip=folder / "away", device="cpu", instances=False)


def test_config_that_does_not_describe_a_decoder(folder: Path) -> None:
    edit(folder / "config.json", lambda c: c.pop("hidden_size"))
    with pytest.raises(ValueError, match=r"config\.json lacks hidden_size"):
        load(folder, device="cpu", instances=False)
    (folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json is not JSON"):
        load(folder, device="cpu", instances=False)


def test_llama_config_takes_lisas_keys() -> None:
    config = json.loads((LISA / "lisa-tiny/config.json").read_text())
    llama = decoder_config(config)
    assert llama.model_type == "llama" and llama.hidden_size == 64 and llama.num_key_value_heads == 4
    assert llama.rope_parameters == {"rope_type": "default", "rope_theta": 10000.0}
    scaled = decoder_config(
        config | {"rope_scaling": {"rope_type": "linear", "factor": 2.0}, "rope_theta": 5e5}
    )
    assert scaled.rope_parameters["factor"] == 2.0 and scaled.rope_parameters["rope_theta"] == 5e5


def test_sizes_of_sam_may_be_given_by_hand(folder: Path) -> None:
    (folder / "sam_config.json").unlink()
    assert load(folder, sam=SAM_CONFIG, device="cpu", instances=False).mask_head.image_size == 112
    with pytest.raises(ValueError, match=r"its SAM has 2 layers.*pass --sam"):
        load(folder, device="cpu", instances=False)  # vit_h is assumed


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ({"device": "gpu"}, "device must be auto, cpu"),
        ({"dtype": "int8"}, "dtype must be one of float32, bfloat16, float16"),
        ({"instances": "nowhere"}, "instances must be an RF-DETR or GroundingDINO folder or hub id, a folder with one YOLO yaml"),
        ({"sam": "vit_z"}, "sam must be one of"),
    ],
)
def test_wrong_options_are_named(park_folder: Path, kind: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(park_folder, **({"device": "cpu"} | kind))


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="device must be auto"):
        pick_device("cuda:99")
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_dtypes_by_default() -> None:
    assert pick_dtype(None, torch.device("cpu")) == torch.float32
    assert pick_dtype(None, torch.device("cuda")) == torch.bfloat16
    assert (
        pick_dtype(torch.float16, torch.device("cpu"))
        == pick_dtype("float16", torch.device("cpu"))
        == torch.float16
    )


def test_a_vision_tower_inside_the_checkpoint_wins(folder: Path) -> None:
    inside = {
        f"model.vision_tower.vision_tower.vision_model.{k}": v + 1
        for k, v in load_file(folder / "clip/model.safetensors").items()
    }
    plain = load(folder, device="cpu", instances=False).clip.model.post_layernorm.weight
    rewrite(folder, lambda s: s | inside)
    torch.testing.assert_close(
        load(folder, device="cpu", instances=False).clip.model.post_layernorm.weight, plain + 1
    )


@pytest.mark.parametrize("layers", [3, 5])
def test_other_sizes_load_as_well(tmp_path: Path, layers: int, picture: np.ndarray) -> None:
    folder = write_park_folder(
        tmp_path / "other", layers=layers, hidden=48, image_size=84, shards=3, yolo=False, seed=layers
    )
    model = load(folder, device="cpu")
    assert (model.N, model.L, model.instances) == (36, layers, None)
    assert model.segment(picture, "a dog", csp.CSP(1, 9, 1, 3)).mask.shape == (90, 120)


def test_linear_projectors_load_from_bin_shards() -> None:
    model = load(LISA / "lisa-tiny", **TINY, device="cpu", dtype="float32")
    assert isinstance(model.projector, torch.nn.Linear)
    assert (
        model.mask_head.sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.dtype == torch.float32
    )


def test_another_decoder_in_the_same_layout(folder: Path, picture: np.ndarray) -> None:
    """Its norms of queries and keys are read by name, and take part."""
    edit(folder / "config.json", lambda c: c.update(model_type="llava_qwen3", head_dim=c["hidden_size"] // 4))
    with pytest.raises(ValueError, match=r"tensors of model: layers\.0\.self_attn\.q_norm\.weight"):
        load(folder, device="cpu", instances=False)

    def normed(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        width = state["model.norm.weight"].shape[0] // 4
        names = {name.replace("q_proj", f"{k}_norm") for name in state for k in "qk" if name.endswith("self_attn.q_proj.weight")}
        return state | {name: torch.full((width,), 1.5) for name in names}

    rewrite(folder, normed)
    model = load(folder, device="cpu", instances=False)
    assert type(model.llm).__name__ == "Qwen3Model"
    result = model.segment(picture, "a dog", csp.CSP(1, 16, 1, 4))
    assert np.isfinite(result.seg_state).all() and np.isfinite(result.trace.A_SEG[0]).any()


def test_a_decoder_that_cannot_be_run_is_refused_by_name(folder: Path) -> None:
    edit(folder / "config.json", lambda c: c.update(model_type="cohere"))
    rewrite(folder, lambda state: {name: t for name, t in state.items() if "post_attention_layernorm" not in name})
    with pytest.raises(ValueError, match="a cohere decoder run layer by layer differs"):
        load(folder, device="cpu", instances=False)
