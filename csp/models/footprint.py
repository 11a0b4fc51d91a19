"""What a model takes in memory, from shapes alone: weights by part, and the largest thing made on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from csp.models.quantize import stored_bytes

if TYPE_CHECKING:
    from csp.models.lisa import Lisa

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Footprint:
    """Bytes on the model's device: `weights` that stay there, `visiting` weights that come for an encoding only
    (SAM's encoder offloaded), and `work`, the largest thing made while running. Offloaded weights also take
    `visiting` bytes of the CPU's memory.
    """

    dtype: str
    quantize: str | None
    offload_sam: bool
    weights: int
    visiting: int
    encoding: int
    decoding: int

    @property
    def peak(self) -> int:
        """The most that is taken at once: encoding with the visitors there, or decoding without them."""
        return self.weights + max(self.visiting + self.encoding, self.decoding)


def footprint(
    model: Lisa, dtype: str, quantize: str | None = None, offload_sam: bool = False, tokens: int = 0
) -> Footprint:
    """What a model would take in a dtype; one on the meta device will do. `tokens` is the length of the sequence
    (default: the image tokens and 100 more). A dtype of SAM's float32 rests is neglected: a few hundred numbers.
    """
    size = DTYPES[dtype].itemsize
    encoder = _count(model.mask_head.encoder) * size
    layers: list[Any] = [module for module in model.llm.layers.modules() if isinstance(module, nn.Linear)]
    linears = sum(layer.weight.numel() for layer in layers)
    others = [model.llm, model.clip.model, model.projector, model.text_hidden_fcs, model.mask_head.module, model.lm_head]
    weights = sum(_count(part) for part in others if part is not None) * size - encoder
    if quantize is not None:
        small = sum(stored_bytes(layer.out_features, layer.in_features, quantize) for layer in layers)
        weights += int(small) - linears * size
    return Footprint(
        dtype,
        quantize,
        offload_sam,
        weights + (0 if offload_sam else encoder),
        encoder if offload_sam else 0,
        model.mask_head.encoding_bytes(size),
        _decoding(model, tokens or model.N + 100, size),
    )


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _decoding(model: Lisa, tokens: int, size: int) -> int:
    """Keys and values of every layer, as recording keeps them for a plan of one stage, and a layer's own states."""
    config: Any = model.llm.config
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    kept = 2 * len(model.llm.layers) * tokens * config.num_key_value_heads * head
    return (kept + tokens * (4 * config.hidden_size + 3 * config.intermediate_size)) * size
