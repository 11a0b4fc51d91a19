"""`csp.decoder.DecoderLayers` over an unmodified transformers LlamaModel: no subclass, no patch, no hook.

The layers are called one by one, as ``LlamaModel.forward`` does. With SDPA and no mask each layer is causal
by itself, whatever the position ids; with eager attention "no mask" would silently mean "not causal", so a
mask is built there.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor
from transformers import DynamicCache, LlamaModel
from transformers.cache_utils import DynamicLayer
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, repeat_kv, rotate_half

from csp.decoder import Ran


class Llama:
    """The layers of ``llm``, driven from outside."""

    def __init__(self, llm: LlamaModel) -> None:
        self.llm = llm

    @property
    def num_layers(self) -> int:
        return len(self.llm.layers)

    def run(self, first: int, L: int, hidden: Tensor, position_ids: Tensor, record: Tensor | None = None) -> Ran:
        """Layers first..first+L-1 on ``hidden`` [B, n, d]; see `csp.decoder.DecoderLayers`."""
        cos_sin = self._cos_sin(hidden, position_ids)
        mask = self._mask(hidden)
        rows = None if record is None else record.to(hidden.device)
        cache = None if rows is None else DynamicCache()
        entering, logits = hidden, []
        for index in range(first, first + L):
            entering = hidden
            hidden = self._layer(index)(hidden, attention_mask=mask, past_key_values=cache, position_embeddings=cos_sin)
            if cache is not None and rows is not None:
                q = _rotate(self._project("q_proj", index, entering[:, rows]), cos_sin, rows)
                keys = cast(Tensor, cast(DynamicLayer, cache.layers[index]).keys)
                logits.append(self._logits(index, q, keys))
        # One softmax for the whole stage: on a small model the kernels' start would cost more than their work.
        recorded = None if rows is None else _softmax(torch.stack(logits), rows).mean(dim=(1, 2, 3))
        return Ran(hidden, entering, recorded)

    def attention(
        self,
        layer: int,
        hidden: Tensor,
        position_ids: Tensor,
        rows: Tensor,
        rope: bool = True,
        columns: slice | None = None,
    ) -> Tensor:
        """float32 [H, r, n]; see `csp.decoder.DecoderLayers`."""
        rows = rows.to(hidden.device)
        columns = columns or slice(0, hidden.shape[1])
        q = self._project("q_proj", layer, hidden[:, rows])
        k = self._project("k_proj", layer, hidden[:, columns])
        if rope:
            cos_sin = self._cos_sin(hidden, position_ids)
            q, k = _rotate(q, cos_sin, rows), _rotate(k, cos_sin, columns)
        return _softmax(self._logits(layer, q, k), rows, columns.start)[0]

    def norm(self, hidden: Tensor) -> Tensor:
        """The final RMSNorm."""
        return self.llm.norm(hidden)

    def _layer(self, index: int) -> LlamaDecoderLayer:
        return cast(LlamaDecoderLayer, self.llm.layers[index])

    def _project(self, name: str, layer: int, hidden: Tensor) -> Tensor:
        """Queries or keys [B, heads, r, head_dim] of some rows, before rotation."""
        block = self._layer(layer)
        states = getattr(block.self_attn, name)(block.input_layernorm(hidden))
        return states.unflatten(-1, (-1, block.self_attn.head_dim)).transpose(1, 2)

    def _logits(self, layer: int, q: Tensor, k: Tensor) -> Tensor:
        """Scaled products [B, H, r, n] of queries and keys."""
        attn = self._layer(layer).self_attn
        return q @ repeat_kv(k, attn.num_key_value_groups).transpose(2, 3) * attn.scaling

    def _cos_sin(self, hidden: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        return self.llm.rotary_emb(hidden, position_ids=position_ids[None].to(hidden.device))

    def _mask(self, hidden: Tensor) -> Tensor | None:
        """None where the kernel is causal by itself, else an additive causal mask [1, 1, n, n]."""
        if self.llm.config._attn_implementation != "eager":
            return None
        n = hidden.shape[1]
        blocked = torch.ones(n, n, dtype=torch.bool, device=hidden.device).triu(diagonal=1)
        return torch.zeros(n, n, dtype=hidden.dtype, device=hidden.device).masked_fill(blocked, torch.finfo(hidden.dtype).min)[
            None, None
        ]


def _rotate(states: Tensor, cos_sin: tuple[Tensor, Tensor], rows: Tensor | slice) -> Tensor:
    """RoPE on queries or keys [B, heads, r, head_dim] that stand at ``rows``."""
    cos, sin = (part[:, None, rows] for part in cos_sin)
    return states * cos + rotate_half(states) * sin


def _softmax(logits: Tensor, rows: Tensor, first_column: int = 0) -> Tensor:
    """Causal attention [..., r, n] of queries that stand at ``rows`` over keys from ``first_column`` on, fp32."""
    column = first_column + torch.arange(logits.shape[-1], device=logits.device)
    return logits.masked_fill(column > rows[:, None], -torch.inf).softmax(dim=-1, dtype=torch.float32)
