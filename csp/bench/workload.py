"""Decoders of full size with random weights, and the sequence that one picture and one query make in them.

How long a layer takes does not depend on what its weights are. On a CPU one physical layer stands for all of a large
decoder, so that a 7B shape fits into a laptop's memory: 0.8 GB of weights a layer are read anew every time all the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import LlamaConfig, LlamaModel

from csp.bench.timing import CLOCKS, Rounds
from csp.checkpoints import pick_device, pick_dtype
from csp.checks import check_integer
from csp.models.backends import BACKENDS
from csp.models.llama import Llama
from csp.tokens import TokenSequence, VisionFeatures, Wording
from csp.types import Box, Layout


@dataclass(frozen=True)
class Shape:
    """A decoder's sizes (L layers of width d, MLP width m, H heads), a picture's (a grid of image tokens from a vision
    tower of width C), and the text around it. ``paper`` is the column of the paper's tables with these sizes.
    """

    L: int
    d: int
    m: int
    H: int
    side: int
    C: int
    text: tuple[int, int, int]
    paper: str

    @property
    def N(self) -> int:
        return self.side**2

    @property
    def N_text(self) -> int:
        return sum(self.text)

    @property
    def layer_parameters(self) -> int:
        """Weights of one layer's projections and MLP; its two norms are small beside them."""
        return 4 * self.d**2 + 3 * self.d * self.m


# 64 text tokens are what the paper's TFLOPs count (csp.flops); park's prompt is shorter.
SHAPES = {
    "park": Shape(32, 128, 344, 4, 16, 128, (3, 8, 3), "7B-224"),
    "7b-224": Shape(32, 4096, 11008, 32, 16, 1024, (35, 25, 4), "7B-224"),
    "7b-336": Shape(32, 4096, 11008, 32, 24, 1024, (35, 25, 4), "7B-336"),
    "13b-224": Shape(40, 5120, 13824, 40, 16, 1024, (35, 25, 4), "13B-224"),
}


@dataclass(frozen=True, eq=False)
class Workload:
    """What a benchmark measures on: a decoder, one layer of which may stand for all (``physical`` counts those in memory),
    one sample to choose tokens by, and the states [B, T, d] of a batch.
    """

    shape: Shape
    llm: LlamaModel
    layers: Llama
    physical: int
    start: TokenSequence
    vision: VisionFeatures
    batch: Tensor

    @property
    def device(self) -> torch.device:
        return self.start.hidden.device

    @property
    def dtype(self) -> torch.dtype:
        return self.start.hidden.dtype

    @property
    def weights(self) -> int:
        """Bytes of the layers in memory."""
        return self.physical * self.shape.layer_parameters * self.dtype.itemsize

    def hidden(self, n: int) -> Tensor:
        """States of ``n`` rows, text included, for as many samples as the workload has."""
        return self.batch[:, :n].contiguous()

    def synchronize(self) -> None:
        """Wait for all that was asked of the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def build(shape: Shape, device: torch.device, dtype: torch.dtype, B: int = 1, backend: str = "plain") -> Workload:
    """A decoder of this shape and ``B`` samples to run through it. Every layer has weights of its own where they fit:
    on a GPU, and for widths below 1024.
    """
    config = _config(shape)
    physical = shape.L if device.type == "cuda" or shape.d < 1024 else 1
    with torch.device("meta"):
        llm = LlamaModel(config).eval()
    llm.rotary_emb = type(llm.rotary_emb)(config).to(device)
    weights: list[dict[str, Tensor]] = []
    for index, layer in enumerate(llm.layers):
        if index < physical:
            weights.append({name: _weight(tensor, device, dtype) for name, tensor in layer.state_dict().items()})
        layer.load_state_dict(weights[index % physical], assign=True)
    llm.norm.load_state_dict({"weight": torch.ones(shape.d, device=device, dtype=dtype)}, assign=True)
    llm.requires_grad_(False)
    like = torch.empty(0, device=device, dtype=dtype)
    vision = _vision(shape, like)
    N_sys, N_usr, N_out = shape.text
    layout = Layout(
        N_sys, shape.N, N_usr, N_out, (shape.side, shape.side), Box(0, 0, 1, 1), (N_sys + shape.N + N_usr - 1,)
    )
    batch = _random(B, layout.T, shape.d, like=like)
    # CLIP's text tower is not part of what is timed: any vector will do for a question.
    wording = Wording("", "", lambda text, long: _random(1, shape.C, like=like))
    return Workload(shape, llm, BACKENDS[backend](llm), physical, TokenSequence.start(batch[:1], layout, wording), vision, batch)


def add_workload(parser: argparse.ArgumentParser, shape: str = "park") -> None:
    """The flags of everything that runs on a workload."""
    parser.add_argument("--shape", default=shape, choices=tuple(SHAPES), help=f"default: {shape}")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    parser.add_argument("--dtype", help="float32, bfloat16 or float16 (default: float32 on a CPU, else bfloat16)")
    parser.add_argument("--backend", default="plain", choices=tuple(BACKENDS), help="how layers are run (default: plain)")
    parser.add_argument("--batch", type=int, default=1, help="samples at once (default: 1)")
    parser.add_argument("--threads", type=int, help="threads of torch (default: its own choice)")


def add_rounds(parser: argparse.ArgumentParser) -> None:
    """The flags of everything that is timed."""
    parser.add_argument("--rounds", type=int, default=5, help="rounds counted at most (default: 5)")
    parser.add_argument("--seconds", type=float, default=240.0, help="begin no round after so many seconds (default: 240)")
    parser.add_argument(
        "--clock", default="wall", choices=CLOCKS, help="wall, or cpu: processor time, for a machine that others use too"
    )


def workload_of(args: argparse.Namespace) -> Workload:
    """The workload that the flags ask for. Raises ValueError for what this machine or the shape does not have."""
    if args.threads is not None:
        torch.set_num_threads(check_integer("--threads", args.threads, 1))
    device = pick_device(args.device)
    batch = check_integer("--batch", args.batch, 1, 1024)
    torch.manual_seed(0)
    return build(SHAPES[args.shape], device, pick_dtype(args.dtype, device), batch, args.backend)


def rounds_of(args: argparse.Namespace, workload: Workload) -> Rounds:
    """Rounds as the flags ask. Raises ValueError for a processor clock where a GPU does the work."""
    if args.clock == "cpu" and workload.device.type != "cpu":
        raise ValueError("--clock cpu counts this process's processor time, the work is done by a GPU; use --clock wall")
    return Rounds(check_integer("--rounds", args.rounds, 1), args.seconds, args.clock, synchronize=workload.synchronize)


def facts(args: argparse.Namespace, workload: Workload) -> dict[str, Any]:
    """What a report says first."""
    return {
        "shape": args.shape,
        "dtype": str(workload.dtype).removeprefix("torch."),
        "device": str(workload.device),
        "backend": args.backend,
        "batch": len(workload.batch),
        "physical layers": workload.physical,
        "clock": getattr(args, "clock", "wall"),
    }


def head(found: dict[str, Any]) -> str:
    """The facts in one line."""
    layers = "" if found["physical layers"] != 1 else ", one layer stands for all"
    return (
        f"{found['shape']}, {found['dtype']} on {found['device']}, batch {found['batch']}, "
        f"{found['backend']} backend, {found['clock']} clock{layers}"
    )


def _config(shape: Shape) -> LlamaConfig:
    more: dict[str, Any] = {"attn_implementation": "sdpa"}
    return LlamaConfig(
        hidden_size=shape.d,
        intermediate_size=shape.m,
        num_hidden_layers=shape.L,
        num_attention_heads=shape.H,
        num_key_value_heads=shape.H,
        max_position_embeddings=4096,
        vocab_size=1,
        bos_token_id=None,
        eos_token_id=None,
        **more,
    )


def _weight(like: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """Norms at one; matrices small enough that 40 layers of them stay finite in half precision."""
    if like.dim() == 1:
        return torch.ones(like.shape, device=device, dtype=dtype)
    bound = 0.5 * like.shape[1] ** -0.5
    return torch.empty(like.shape, device=device, dtype=dtype).uniform_(-bound, bound)


def _random(*shape: int, like: Tensor) -> Tensor:
    return torch.randn(*shape, device=like.device, dtype=like.dtype)


def _vision(shape: Shape, like: Tensor) -> VisionFeatures:
    C = shape.C
    project: Callable[[Tensor], Tensor] = partial(torch.nn.functional.linear, weight=_random(shape.d, C, like=like) * C**-0.5)
    rows, patches = (partial(_random, n, C, like=like) for n in (1 + shape.N, shape.N))
    return VisionFeatures(
        states=rows(), q_last=_random(C, like=like), k_last=rows(), q_prev=_random(C, like=like), k_prev=rows(),
        num_heads=max(1, C // 64), project=project, v_last=rows(), common=patches,
        smaller=lambda a, b: _random(a * b, C, like=like),
    )
