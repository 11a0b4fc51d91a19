"""What a later session goes on from: everything that training needs, heads too, float16 safetensors, no file over 9 MB.

The state of the optimisers is not kept: a slice warms up again.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

STAGES = ("tower", "segmenter", "shallow", "decoder")
"""`shallow` is the decoder before it was deepened, which the experiment on supervised layers begins from."""
SHARD_BYTES = 8_000_000


def shards(state: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """The tensors in files of at most SHARD_BYTES each."""
    found: list[dict[str, Tensor]] = [{}]
    room = SHARD_BYTES
    for name, value in state.items():
        if value.nbytes > room:
            found.append({})
            room = SHARD_BYTES
        found[-1][name] = value
        room -= value.nbytes
    return found


def half(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """float16, but for SAM's position frequencies: they are multiplied by up to 2 pi and must stay exact."""
    keep = "positional_encoding_gaussian_matrix"
    return {k: (v if k.endswith(keep) or not v.is_floating_point() else v.half()).contiguous() for k, v in state.items()}


def pack(work: Path, folder: Path) -> list[Path]:
    """Checkpoints and logs of `work` -> `folder`. Returns what was written; ValueError where there is nothing yet."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for stage in STAGES:
        if not (work / f"{stage}.pt").exists():
            continue
        saved = torch.load(work / f"{stage}.pt", weights_only=True)
        flat: dict[str, Tensor] = {}
        texts: dict[str, str] = {}
        for part, value in saved.items():
            if isinstance(value, str):
                texts[part] = value
            else:
                flat |= {f"{part}|{name}": tensor for name, tensor in value.items()}
        for old in folder.glob(f"{stage}-*.safetensors"):
            old.unlink()
        parts = shards(half(flat))
        for i, shard in enumerate(parts):
            written.append(folder / f"{stage}-{i + 1}-of-{len(parts)}.safetensors")
            save_file(shard, written[-1], metadata={"format": "pt"})
        (folder / f"{stage}.texts.json").write_text(json.dumps(texts))
        for suffix in (".json", ".log", ".scores.jsonl"):
            if (beside := work / f"{stage}{suffix}").exists():
                (folder / beside.name).write_text(beside.read_text())
    if not written:
        raise ValueError(f"{work} holds no checkpoint: run a stage first")
    return written


def unpack(folder: Path, work: Path) -> None:
    """The reverse. ValueError where `folder` is not what `pack` wrote; a stage that `work` has already is left alone."""
    if not any(folder.glob("*.texts.json")):
        raise ValueError(f"{folder} holds no training checkpoint: pass the folder that --keep wrote")
    work.mkdir(parents=True, exist_ok=True)
    for stage in STAGES:
        files = sorted(folder.glob(f"{stage}-*.safetensors"))
        if not files or (work / f"{stage}.pt").exists():
            continue
        saved: dict[str, object] = dict(json.loads((folder / f"{stage}.texts.json").read_text()))
        for file in files:
            for name, tensor in load_file(file).items():
                part, _, key = name.partition("|")
                inner = saved.setdefault(part, {})
                assert isinstance(inner, dict)
                inner[key] = tensor.float() if tensor.is_floating_point() else tensor
        torch.save(saved, work / f"{stage}.pt")
        for suffix in (".json", ".log", ".scores.jsonl"):
            if (beside := folder / f"{stage}{suffix}").exists():
                (work / beside.name).write_text(beside.read_text())
