"""Folders in the layout of the published LISA checkpoints at their full size: every name and shape, no values.

`data/lisa/published.json` lists the tensors of each, "{0-31}" standing for as many layers. Shards are written with
torch.save from tensors on the meta device, which take no space.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import torch

DATA = Path(__file__).parent / "data/lisa"
PUBLISHED: dict[str, Any] = json.loads((DATA / "published.json").read_text())
MODELS = tuple(PUBLISHED["models"])
INNER = "model.vision_tower.vision_tower."


def spelled(rows: list[list[Any]], prefix: str = "") -> dict[str, tuple[tuple[int, ...], str]]:
    """Name to (shape, dtype) of a list with ranges in its names."""
    out: dict[str, tuple[tuple[int, ...], str]] = {}
    for name, shape, *dtype in rows:
        found = re.search(r"\{([\d,-]+)\}", name)
        numbers = [""]
        if found:
            spans = [part.split("-") for part in found[1].split(",")]
            numbers = [str(n) for span in spans for n in range(int(span[0]), int(span[-1]) + 1)]
        for number in numbers:
            out[prefix + re.sub(r"\{.*\}", number, name)] = (tuple(shape), dtype[0] if dtype else "float32")
    return out


def tensors_of(model: str) -> dict[str, tuple[tuple[int, ...], str]]:
    """All tensors of a published checkpoint."""
    rows = spelled(PUBLISHED["models"][model]["tensors"])
    return rows | spelled(PUBLISHED["sam"], "model.visual_model.")


def write_published(folder: Path, model: str) -> Path:
    """A folder as the hub has it, its vision tower inside under its own name."""
    facts = PUBLISHED["models"][model]
    sizes = facts["config"]
    folder.mkdir(parents=True)
    tower = facts["vision_tower"].split()[0]
    config = json.loads((DATA / "lisa-tiny/config.json").read_text()) | {
        "hidden_size": sizes["h"],
        "intermediate_size": sizes["inter"],
        "num_hidden_layers": sizes["L"],
        "num_attention_heads": sizes["heads"],
        "num_key_value_heads": sizes["heads"],
        "vocab_size": sizes["vocab"],
        "rms_norm_eps": facts["rms_norm_eps"],
        "max_position_embeddings": facts["max_position_embeddings"],
        "mm_use_im_start_end": facts["mm_use_im_start_end"],
        "mm_hidden_size": 1024,
        "out_dim": 256,
        "vision_tower": tower,
        "mm_vision_tower": tower,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "added_tokens.json").write_text(json.dumps(facts["added_tokens"]))
    for name in ("tokenizer.model", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(DATA / "lisa-tiny" / name, folder)
    write_shards(folder, tensors_of(model), facts["shards"])
    write_tower(folder / tower, tower)
    return folder


def write_tower(folder: Path, name: str) -> None:
    """A CLIP folder of the published size, both halves of the pair, without values."""
    folder.mkdir(parents=True)
    sizes = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
    vision = sizes | {"image_size": 336 if name.endswith("336") else 224, "patch_size": 14, "hidden_act": "quick_gelu"}
    (folder / "config.json").write_text(json.dumps({"model_type": "clip", "vision_config": vision, "text_config": {}}))
    rows = spelled(PUBLISHED["clip"][name], "vision_model.")
    rows |= {"text_model.final_layer_norm.weight": ((768,), "float32"), "logit_scale": ((), "float32")}
    rows["vision_model.embeddings.position_ids"] = ((1, 577 if name.endswith("336") else 257), "int64")
    torch.save(empty(rows), folder / "pytorch_model.bin")


def write_shards(folder: Path, rows: dict[str, tuple[tuple[int, ...], str]], shards: int) -> None:
    names, weight_map = list(rows), {}
    for i in range(shards):
        file = f"pytorch_model-{i + 1:05d}-of-{shards:05d}.bin"
        part = names[i * len(names) // shards : (i + 1) * len(names) // shards]
        torch.save(empty({name: rows[name] for name in part}), folder / file)
        weight_map |= dict.fromkeys(part, file)
    index = {"metadata": {}, "weight_map": weight_map}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


def empty(rows: dict[str, tuple[tuple[int, ...], str]]) -> dict[str, torch.Tensor]:
    return {name: torch.empty(shape, dtype=getattr(torch, kind), device="meta") for name, (shape, kind) in rows.items()}


SA2VA = Path(__file__).parent / "data/sa2va"
SA2VA_SIZES = {
    "1B": {"hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14},
    "4B": {"hidden_size": 2048, "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16},
}


def sa2va_tensors(size: str) -> dict[str, tuple[tuple[int, ...], str]]:
    """All tensors of Sa2VA at this size."""
    listed = json.loads((SA2VA / "published.json").read_text())
    return spelled(listed["shared"]) | spelled(listed[size])


def write_sa2va(folder: Path, size: str) -> Path:
    """A Sa2VA folder of the published size, without values, on the tiny tokenizer."""
    folder.mkdir(parents=True)
    config = json.loads((SA2VA / "sa2va-tiny/config.json").read_text())
    config |= {"force_image_size": 448, "hidden_size": SA2VA_SIZES[size]["hidden_size"]}
    config["template"] = {"1B": "qwen_chat", "4B": "phi3_chat"}[size]
    config["llm_config"] |= SA2VA_SIZES[size] | {"num_key_value_heads": 2, "vocab_size": 151679}
    config["vision_config"] |= {
        "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16, "image_size": 448
    }
    (folder / "config.json").write_text(json.dumps(config))
    for name in ("vocab.json", "merges.txt", "added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"):
        shutil.copy(SA2VA / "sa2va-tiny" / name, folder)
    write_shards(folder, sa2va_tensors(size), 2)
    return folder
