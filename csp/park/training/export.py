"""Trained parts -> the model folder that `csp.load` reads: LISA's layout, float16 safetensors, no file over 9 MB."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from segment_anything.modeling import Sam
from torch import Tensor
from transformers import CLIPVisionModel

from csp.models.clip import CLIP_MEAN, CLIP_STD
from csp.park import words
from csp.park.training import parts
from csp.park.training.deep import HALF, LOOK, WORD
from csp.park.training.late import save
from csp.park.training.reason import Reasoner, Shape
from csp.park.training.tower import Heads

SHARD_BYTES = 8_000_000


def config(model: Reasoner) -> dict:
    """LISA's config.json for these sizes, with the embedded model's prompt under "csp"."""
    c = model.llm.config
    return {
        "architectures": ["LISAForCausalLM"], "model_type": "llava", "hidden_size": c.hidden_size,
        "intermediate_size": c.intermediate_size, "num_hidden_layers": c.num_hidden_layers,
        "num_attention_heads": c.num_attention_heads, "num_key_value_heads": c.num_key_value_heads, "vocab_size": c.vocab_size,
        "rms_norm_eps": c.rms_norm_eps, "max_position_embeddings": c.max_position_embeddings, "rope_theta": 10000.0,
        "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "tie_word_embeddings": False,
        "out_dim": parts.SAM["prompt_embed_dim"], "mm_hidden_size": parts.CLIP["hidden_size"], "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2, "mm_vision_select_feature": "patch", "mm_use_im_start_end": False, "vision_tower": "clip",
        "csp": {
            "name": "park", "seg_row": "before", "dtype": "float32", "pixel size": parts.CLIP["image_size"],
            "prompt": {"sys": list(words.SYSTEM), "usr": ["{query}", *words.AFTER], "out": list(words.ANSWER)},
        },
    }  # fmt: skip


def _half(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """float16, but for SAM's position frequencies: they are multiplied by up to 2 pi and must stay exact."""
    keep = "positional_encoding_gaussian_matrix"
    return {
        k: (v if k.endswith(keep) or not v.is_floating_point() else v.half()).contiguous() for k, v in state.items()
    }


def export(model: Reasoner, tower: CLIPVisionModel, sam: Sam, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config(model), indent=1))
    (folder / "sam_config.json").write_text(json.dumps(parts.SAM, indent=1))
    words.build().save(str(folder / "tokenizer.json"))
    state = {f"model.{k}": v for k, v in model.llm.state_dict().items()}
    state |= {f"model.mm_projector.{k}": v for k, v in model.projector.state_dict().items()}
    state |= {f"model.text_hidden_fcs.0.{k}": v for k, v in model.fcs.state_dict().items()}
    state |= {f"model.visual_model.{k}": v for k, v in sam.state_dict().items() if not k.startswith("pixel_")}
    shards: list[dict[str, Tensor]] = [{}]
    room = SHARD_BYTES
    for name, value in _half(state).items():
        if value.nbytes > room:
            shards.append({})
            room = SHARD_BYTES
        shards[-1][name] = value
        room -= value.nbytes
    places: dict[str, str] = {}
    for old in folder.glob("model-*.safetensors"):
        old.unlink()
    for i, shard in enumerate(shards):
        file = f"model-{i + 1:05d}-of-{len(shards):05d}.safetensors"
        save_file(shard, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(shard, file)
    index = {"metadata": {"total_size": sum(v.nbytes for s in shards for v in s.values())}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=0))
    clip = folder / "clip"
    clip.mkdir(exist_ok=True)
    save_file(_half(tower.state_dict()), clip / "model.safetensors", metadata={"format": "pt"})
    (clip / "config.json").write_text(json.dumps({"model_type": "clip_vision_model", **parts.CLIP}, indent=1))
    pixel = {"image_mean": list(CLIP_MEAN), "image_std": list(CLIP_STD)}
    (clip / "preprocessor_config.json").write_text(json.dumps(pixel))


def unpack(folder: Path, work: Path) -> None:
    """The reverse: a model folder -> `sam.pt`, `tower.pt` and `deep.pt` in `work`, for going on.

    Heads that do not ship start at random. Raises ValueError where the folder is not of these sizes.
    """
    state = {k: v.float() for file in sorted(folder.glob("model-*.safetensors")) for k, v in load_file(file).items()}
    if not state:
        raise ValueError(f"{folder} holds no model-*.safetensors: pass the folder that export wrote")
    sam = parts.sam()
    sam.load_state_dict(_strip(state, "model.visual_model."))
    torch.save(sam.state_dict(), work / "sam.pt")
    tower = parts.tower()
    tower.load_state_dict({k: v.float() for k, v in load_file(folder / "clip" / "model.safetensors").items()})
    heads = Heads(parts.CLIP["hidden_size"], parts.SAM["prompt_embed_dim"])
    torch.save({"tower": tower.state_dict(), "heads": heads.state_dict()}, work / "tower.pt")
    depth = json.loads((folder / "config.json").read_text())["num_hidden_layers"]
    shape = Shape(depth=depth, half=HALF, word=WORD, look=LOOK)
    model = Reasoner(shape, words.build().get_vocab_size(), parts.CLIP["hidden_size"], parts.SAM["prompt_embed_dim"])
    model.projector.load_state_dict(_strip(state, "model.mm_projector."))
    model.fcs.load_state_dict(_strip(state, "model.text_hidden_fcs.0."))
    skip = ("model.mm_projector.", "model.text_hidden_fcs.", "model.visual_model.")
    model.llm.load_state_dict(_strip({k: v for k, v in state.items() if not k.startswith(skip)}, "model."))
    save(model, work / "deep.pt")


def _strip(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
