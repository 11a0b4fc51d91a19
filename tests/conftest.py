"""Fixtures shared by the tests: a tiny model folder in the layout of the embedded one, random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

# One profile for all: a machine under load is slow, not wrong.
settings.register_profile("csp", deadline=None)
settings.load_profile("csp")

WORDS = (
    *(
        "the",
        "a",
        "red",
        "blue",
        "green",
        "big",
        "small",
        "left",
        "right",
        "on",
        "of",
        "in",
        "to",
        "i",
        "you",
    ),
    *("ball", "dog", "umbrella", "person", "what", "keeps", "dry", "rain", "want", "sit", "down"),
    *(".", ",", "?", ":", "'", "!"),
)
SPECIALS = ("<pad>", "<s>", "</s>", "<unk>", "[SEG]", "USER", "ASSISTANT")


def write_tokenizer(file: Path) -> int:
    """A word-level tokenizer of the embedded kind; returns the size of its vocabulary."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    vocab = {word: i for i, word in enumerate((*SPECIALS, *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation()]
    )
    tokenizer.save(str(file))
    return len(vocab)


def park_config(vocab: int, layers: int, hidden: int, seg_row: str = "before") -> dict[str, Any]:
    return {
        "architectures": ["LISAForCausalLM"],
        "model_type": "llava",
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "vocab_size": vocab,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 1024,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "out_dim": 32,
        "mm_hidden_size": 32,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        "mm_use_im_start_end": False,
        "vision_tower": "clip",
        "csp": {
            "name": "park",
            "seg_row": seg_row,
            "dtype": "float32",
            "pixel size": 224,
            "prompt": {
                "sys": ["<s>", "USER", ":"],
                "usr": ["{query}", "ASSISTANT", ":"],
                "out": ["[SEG]", ".", "</s>"],
            },
        },
    }


SAM_CONFIG = {
    "image_size": 112,
    "patch_size": 8,
    "encoder": {
        "embed_dim": 32,
        "depth": 2,
        "num_heads": 2,
        "window_size": 7,
        "global_attn_indexes": [1],
        "mlp_ratio": 4,
        "use_rel_pos": True,
        "out_chans": 32,
    },
    "prompt_embed_dim": 32,
    "mask_in_chans": 16,
    "decoder": {
        "transformer_depth": 2,
        "mlp_dim": 64,
        "num_heads": 4,
        "num_multimask_outputs": 3,
        "iou_head_depth": 3,
        "iou_head_hidden_dim": 32,
    },
    "pixel_mean": [123.675, 116.28, 103.53],
    "pixel_std": [58.395, 57.12, 57.375],
}


def write_park_folder(
    folder: Path,
    layers: int = 4,
    hidden: int = 32,
    image_size: int = 112,
    shards: int = 2,
    yolo: bool = True,
    seed: int = 0,
) -> Path:
    """Write a model folder of the embedded model's layout: `layers` decoder layers, (image_size / 14)^2
    image tokens.
    """
    import torch
    from safetensors.torch import save_file
    from torch import nn
    from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaModel

    from csp.models.sam import build_sam, sam_sizes

    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    vocab = write_tokenizer(folder / "tokenizer.json")
    config = park_config(vocab, layers, hidden)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "sam_config.json").write_text(json.dumps(SAM_CONFIG))

    keys = (
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "vocab_size",
        "rms_norm_eps",
        "max_position_embeddings",
    )
    llm = LlamaModel(LlamaConfig(**{k: config[k] for k in keys}))
    for parameter in llm.parameters():
        if parameter.ndim == 2:  # transformers' 0.02 would leave every state alike at this width
            nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
    nn.init.normal_(llm.embed_tokens.weight)
    state = {f"model.{k}": v for k, v in llm.state_dict().items()}
    state |= {
        f"model.mm_projector.{k}": v
        for k, v in nn.Sequential(nn.Linear(32, hidden), nn.GELU(), nn.Linear(hidden, hidden))
        .state_dict()
        .items()
    }
    state |= {
        f"model.text_hidden_fcs.0.{k}": v
        for k, v in nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 32))
        .state_dict()
        .items()
    }
    state |= {f"model.visual_model.{k}": v for k, v in build_sam(sam_sizes(SAM_CONFIG)).state_dict().items()}
    names = sorted(state)
    weight_map = {}
    for i in range(shards):
        file = f"model-{i + 1:05d}-of-{shards:05d}.safetensors"
        part = names[i::shards]
        save_file({k: state[k].half().contiguous() for k in part}, folder / file)
        weight_map |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": weight_map})
    )

    clip = CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=3,
            num_attention_heads=2,
            image_size=image_size,
            patch_size=14,
        )
    )
    for parameter in clip.parameters():
        if parameter.ndim == 2:
            nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
    clip.half().save_pretrained(folder / "clip")
    (folder / "clip/preprocessor_config.json").write_text(
        json.dumps(
            {
                "image_mean": [0.48145466, 0.4578275, 0.40821073],
                "image_std": [0.26862954, 0.26130258, 0.27577711],
            }
        )
    )
    if yolo:
        write_yolo(folder / "yolo")
    return folder


def write_yolo(folder: Path) -> None:
    """A thin YOLO11 segmentation model with one class, as yaml and safetensors."""
    import yaml
    from safetensors.torch import save_file

    from csp.models.instances import build_yolo, import_ultralytics

    folder.mkdir()
    layers = yaml.safe_load(
        (Path(import_ultralytics().__file__).parent / "cfg/models/11/yolo11-seg.yaml").read_text()
    )
    layers |= {"nc": 1, "names": ["object"], "scales": {"n": [0.5, 0.0625, 1024]}, "scale": "n"}
    (folder / "yolo11n-seg.yaml").write_text(yaml.safe_dump(layers))
    state = build_yolo(folder / "yolo11n-seg.yaml").state_dict()
    save_file(
        {k: (v.half() if v.is_floating_point() else v).contiguous() for k, v in state.items()},
        folder / "model.safetensors",
    )


@pytest.fixture(scope="session")
def park_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a random tiny model: 4 decoder layers, 64 image tokens, SAM at 112 pixels."""
    return write_park_folder(tmp_path_factory.mktemp("models") / "park")


@pytest.fixture(scope="session")
def picture() -> np.ndarray:
    """A small landscape picture with structure: uint8 RGB [90, 120, 3]."""
    y, x = np.mgrid[0:90, 0:120]
    picture = np.stack([x * 2, y * 2, (x + y) % 256], axis=-1).astype(np.uint8)
    picture[30:60, 50:80] = (220, 30, 30)
    return picture


def devices() -> list[str]:
    """Where models run on this machine: the CPU, and a GPU where there is one."""
    import torch

    return ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(scope="session")
def model(park_folder: Path) -> Any:
    """The tiny model, loaded once, on the CPU."""
    from csp.checkpoints import load

    return load(park_folder, device="cpu")
