"""Trained parts -> the model folder that `csp.load` reads: LISA's layout, float16 safetensors, no file over 9 MB."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save_file
from segment_anything.modeling import Sam
from transformers import CLIPVisionModel

from csp.models.clip import CLIP_MEAN, CLIP_STD
from csp.park import words
from csp.park.training import parts
from csp.park.training.checkpoint import half, shards
from csp.park.training.decoder import Reasoner


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


def export(model: Reasoner, tower: CLIPVisionModel, sam: Sam, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config(model), indent=1))
    (folder / "sam_config.json").write_text(json.dumps(parts.SAM, indent=1))
    words.build().save(str(folder / "tokenizer.json"))
    state = {f"model.{k}": v for k, v in model.llm.state_dict().items()}
    state |= {f"model.mm_projector.{k}": v for k, v in model.projector.state_dict().items()}
    state |= {f"model.text_hidden_fcs.0.{k}": v for k, v in model.fcs.state_dict().items()}
    state |= {f"model.visual_model.{k}": v for k, v in sam.state_dict().items() if not k.startswith("pixel_")}
    for old in folder.glob("model-*.safetensors"):
        old.unlink()
    places: dict[str, str] = {}
    parted = shards(half(state))
    for i, shard in enumerate(parted):
        file = f"model-{i + 1:05d}-of-{len(parted):05d}.safetensors"
        save_file(shard, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(shard, file)
    index = {"metadata": {"total_size": sum(v.nbytes for s in parted for v in s.values())}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=0))
    clip = folder / "clip"
    clip.mkdir(exist_ok=True)
    save_file(half(tower.state_dict()), clip / "model.safetensors", metadata={"format": "pt"})
    (clip / "config.json").write_text(json.dumps({"model_type": "clip_vision_model", **parts.CLIP}, indent=1))
    pixel = {"image_mean": list(CLIP_MEAN), "image_std": list(CLIP_STD)}
    (clip / "preprocessor_config.json").write_text(json.dumps(pixel))
