"""What sets decoder families apart, read off the modules of a layer: how queries and keys are made before they meet, and
which layers see how far.

Known: grouped heads, biases, packed projections (Phi), norms of queries and keys (Qwen3, Gemma 3), capped products
(Gemma 2), rotations of a part of a head (Phi) or by kind of layer (Gemma 3), sliding windows (Mistral, Gemma, Phi).
Whether that is all there is to a decoder, `csp.models.probe` finds out.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.models.llama.modeling_llama import repeat_kv, rotate_half


@dataclass(frozen=True)
class Kind:
    """A kind of layer: its name in the config, and how many rows its attention reaches back, itself included (None: all)."""

    name: str = "full_attention"
    window: int | None = None


def kinds(llm: Any) -> tuple[Kind, ...]:
    """The kind of every layer of a transformers decoder."""
    config = llm.config
    window = getattr(config, "sliding_window", None)
    types = getattr(config, "layer_types", None)
    if types is None:
        types = ["full_attention" if window is None else "sliding_attention"] * len(llm.layers)
    return tuple(Kind(name, window if name == "sliding_attention" else None) for name in types)


def rotary_by_kind(llm: Any) -> bool:
    """Whether each kind of layer turns its queries and keys by tables of its own."""
    return "layer_type" in inspect.signature(llm.rotary_emb.forward).parameters


def projected(attn: Any, normed: Tensor, which: str) -> Tensor:
    """Queries "q", keys "k" or values "v" [B, heads, r, head_dim], before rotation, that a layer's attention makes of
    ``normed`` [B, r, d].
    """
    packed = getattr(attn, "qkv_proj", None)
    if packed is None:
        states = getattr(attn, f"{which}_proj")(normed)
    else:
        queries = attn.config.num_attention_heads * attn.head_dim
        keys = attn.config.num_key_value_heads * attn.head_dim
        start, width = {"q": (0, queries), "k": (queries, keys), "v": (queries + keys, keys)}[which]
        states = packed(normed)[..., start : start + width]
    states = states.unflatten(-1, (-1, attn.head_dim))
    norm = getattr(attn, f"{which}_norm", None)
    return (states if norm is None else norm(states)).transpose(1, 2)


def product(attn: Any, q: Tensor, k: Tensor) -> Tensor:
    """Scaled products [B, H, r, n] of rotated queries and keys, before mask and softmax."""
    logits = q @ repeat_kv(k, attn.num_key_value_groups).transpose(2, 3) * attn.scaling
    cap = getattr(attn, "attn_logit_softcapping", None)
    return logits if cap is None else torch.tanh(logits / cap) * cap


def rotated(states: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """RoPE on queries or keys [B, heads, r, head_dim], tables [1 or B, r, head_dim or less]: beyond them nothing turns."""
    cos, sin, width = cos[:, None], sin[:, None], cos.shape[-1]
    if width == states.shape[-1]:
        return states * cos + rotate_half(states) * sin
    turned = states[..., :width]
    return torch.cat([turned * cos + rotate_half(turned) * sin, states[..., width:]], dim=-1)
