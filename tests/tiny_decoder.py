"""Small random decoders and sequences for the tests of the loop."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import LlamaConfig, LlamaModel

from csp.decoder import Decoded, decode
from csp.methods import Full, Method
from csp.models.llama import Llama
from csp.tokens import TokenSequence, VisionFeatures
from csp.types import Box, Layout

PEERS = Path(__file__).parent / "data" / "peers"
NEWER = Path(__file__).parent / "data" / "peers2"
ROWS, COLS = 4, 4
N = ROWS * COLS


@cache
def llama(num_layers: int = 8, kv_heads: int = 2, attention: str = "sdpa") -> LlamaModel:
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=num_layers,
        num_attention_heads=4,
        num_key_value_heads=kv_heads,
        vocab_size=8,
        attn_implementation=attention,
    )
    torch.manual_seed(0)
    model = LlamaModel(config).eval()
    # Peaked attention, so that rankings have a margin.
    for layer in model.layers:
        layer.self_attn.q_proj.weight.data *= 12
        layer.self_attn.k_proj.weight.data *= 12
    return model


def layout(**changes: Any) -> Layout:
    settings: dict[str, Any] = {
        "N_sys": 3,
        "N": N,
        "N_usr": 6,
        "N_out": 3,
        "grid": (ROWS, COLS),
        "crop": Box(0, 0, 64, 64),
        "I_seg": (3 + N + 5,),
    }
    return Layout(**settings | changes)


def embeds(seed: int = 0, T: int | None = None) -> Tensor:
    return torch.randn(1, T or layout().T, 32, generator=torch.Generator().manual_seed(seed))


def start(seed: int = 0, **changes: Any) -> TokenSequence:
    where = layout(**changes)
    return TokenSequence.start(embeds(seed, where.T), where)


def vision(coverage: Tensor | None = None, seed: int = 0, n: int = N) -> VisionFeatures:
    rng = torch.Generator().manual_seed(seed)
    width = 12
    weight = torch.randn(width, 32, generator=rng)
    return VisionFeatures(
        states=torch.randn(1 + n, width, generator=rng),
        q_last=torch.randn(width, generator=rng),
        k_last=torch.randn(1 + n, width, generator=rng),
        q_prev=torch.randn(width, generator=rng),
        k_prev=torch.randn(1 + n, width, generator=rng),
        num_heads=3,
        project=lambda features: features @ weight,
        coverage=coverage,
    )


def run(
    method: Method | None = None,
    model: LlamaModel | None = None,
    sequence: TokenSequence | None = None,
    **options: Any,
) -> Decoded:
    """`decode` with a tiny model; everything but the method has a default."""
    model = model or llama()
    sequence = sequence or start()
    plan = (method or Full()).plan(sequence.layout.N, len(model.layers))
    return decode(Llama(model), sequence, plan, options.pop("vision", vision()), **options)


class Golden:
    """One folder of the reference tensors: runs by id, tensors by name, integers ready to index with."""

    def __init__(self, folder: str, of: Path = PEERS) -> None:
        self.index = json.loads((of / folder / "index.json").read_text())
        self.runs = {run["id"]: run for run in self.index["runs"]}
        self._tensors = load_file(of / folder / "data.safetensors")

    def __call__(self, name: str) -> Tensor:
        tensor = self._tensors[name]
        return tensor.long() if tensor.dtype == torch.int32 else tensor

    def run(self, id: str) -> dict[str, Tensor]:
        return {key: self(name) for key, name in self.runs[id]["tensors"].items()}


@cache
def golden(folder: str) -> Golden:
    return Golden(folder)


@cache
def newer(folder: str) -> Golden:
    """The second set: four newer rivals."""
    return Golden(folder, NEWER)


@cache
def golden_llama(dtype: torch.dtype = torch.float32) -> LlamaModel:
    index = golden("llm").index
    model = LlamaModel(LlamaConfig(**index["llama_config"])).eval()
    model.load_state_dict(load_file(PEERS / "llm" / "model.safetensors"))
    return model.to(dtype)


def golden_layout(**changes: Any) -> Layout:
    sizes = golden("llm").index["sizes"]
    settings: dict[str, Any] = {
        "N_sys": sizes["n_sys"],
        "N": sizes["N"],
        "N_usr": sizes["n_user"],
        "N_out": sizes["n_answer"],
        "grid": (sizes["grid"], sizes["grid"]),
        "crop": Box(0, 0, 224, 224),
        "I_seg": (sizes["seg_row"],),
    }
    return Layout(**settings | changes)


def golden_start(dtype: torch.dtype = torch.float32, prompt: bool = False) -> TokenSequence:
    """The stored sequence; ``prompt`` leaves the answer out and reads the last prompt row."""
    where = golden_layout()
    if prompt:
        where = golden_layout(N_out=0, I_seg=(where.usr.stop - 1,))
    return TokenSequence.start(golden("llm")("input.embeds")[: where.T].to(dtype), where)
