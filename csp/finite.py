"""Numbers that are none are an error that says where they began, never a mask in which nothing is found."""

from __future__ import annotations

import torch
from torch import Tensor

from csp.layers import DecoderLayers
from csp.tokens import TokenSequence

REMEDY = "the weights are damaged, or their numbers too large for {dtype}: fetch them again, or load with dtype=float32"


def check_finite(tensor: Tensor, what: str) -> None:
    """Raises ValueError naming ``what`` gave numbers that are NaN or infinite."""
    if not bool(torch.isfinite(tensor).all()):
        raise ValueError(f"{what} gives numbers that are NaN or infinite: {_remedy(tensor)}")


def check_ran(layers: DecoderLayers, first: int, L: int, now: TokenSequence, hidden: Tensor) -> None:
    """Raises ValueError naming the layer, counted from 1, where ``hidden`` stopped being numbers: it left layers
    first..first+L-1, which ``now`` entered. Only then are they run once more, one by one.
    """
    if bool(torch.isfinite(hidden).all()):
        return
    at, where = now.hidden, f"layers {first + 1} to {first + L}"
    for layer in range(first, first + L):
        at = layers.run(layer, 1, at, now.position_ids).hidden
        if not bool(torch.isfinite(at).all()):
            where = f"layer {layer + 1}"
            break
    raise ValueError(f"{where} of the decoder's {layers.num_layers} gives numbers that are NaN or infinite: {_remedy(hidden)}")


def _remedy(tensor: Tensor) -> str:
    return REMEDY.format(dtype=str(tensor.dtype).removeprefix("torch."))
