"""`csp.models.parts.Host` over an unmodified transformers decoder: no subclass, no patch, no hook.

The layers are called one by one, as ``LlamaModel.forward`` does. With SDPA and no mask each layer is causal
by itself, whatever the position ids; with eager attention "no mask" would silently mean "not causal", so a
mask is built there, and wherever a sliding window cuts something off. Families differ in how a layer makes
queries and keys (`csp.models.families`); `csp.models.probe` tells whether a decoder is driven rightly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from transformers import Cache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

from csp.layers import KV, Extended, Ran
from csp.models.families import Kind, kinds, product, projected, rotary_by_kind, rotated

Tables = tuple[Tensor, Tensor]


class Llama:
    """The layers of ``llm``, a LlamaModel or one of its kin, driven from outside."""

    def __init__(self, llm: PreTrainedModel) -> None:
        self.llm: Any = llm
        self.kinds: tuple[Kind, ...] = kinds(llm)
        self._tables_by_kind = rotary_by_kind(llm)

    @property
    def num_layers(self) -> int:
        return len(self.llm.layers)

    @property
    def hidden_size(self) -> int:
        return self.llm.config.hidden_size

    @property
    def intermediate_size(self) -> int:
        return self.llm.config.intermediate_size

    @property
    def num_heads(self) -> int:
        return self.llm.config.num_attention_heads

    @property
    def num_kv_heads(self) -> int:
        return self.llm.config.num_key_value_heads or self.num_heads

    @property
    def max_positions(self) -> int:
        return self.llm.config.max_position_embeddings

    @property
    def device(self) -> torch.device:
        return self.llm.device

    @property
    def dtype(self) -> torch.dtype:
        return self.llm.dtype

    def embed(self, ids: Tensor) -> Tensor:
        """Token embeddings [..., d]."""
        return self.llm.get_input_embeddings()(ids)

    def run(
        self,
        first: int,
        L: int,
        hidden: Tensor,
        position_ids: Tensor,
        record: Tensor | None = None,
        heads: bool = False,
    ) -> Ran:
        """Layers first..first+L-1 on ``hidden`` [B, n, d]; see `csp.layers.DecoderLayers`."""
        rows = None if record is None else record[None]
        entering, hidden, maps, _ = self._stage(first, L, hidden, position_ids[None], (), rows, keep=False)
        if maps is None:
            return Ran(hidden, entering, None)
        return Ran(hidden, entering, maps.mean(dim=(1, 2, 3)), maps.mean(dim=(1, 3)) if heads else None)

    def extend(
        self,
        first: int,
        L: int,
        hidden: Tensor,
        position_ids: Tensor,
        past: Sequence[KV] = (),
        record: Tensor | None = None,
        keep: bool = True,
        heads: bool = False,
    ) -> Extended:
        """Layers first..first+L-1 on rows that follow others; see `csp.layers.CachingLayers`."""
        entering, hidden, maps, kept = self._stage(first, L, hidden, position_ids, past, record, keep)
        if maps is None:
            return Extended(hidden, entering, None, kept)
        return Extended(hidden, entering, maps.mean(dim=2).transpose(0, 1), kept, maps.transpose(0, 1) if heads else None)

    def _stage(
        self,
        first: int,
        L: int,
        hidden: Tensor,
        position_ids: Tensor,
        past: Sequence[KV],
        record: Tensor | None,
        keep: bool,
    ) -> tuple[Tensor, Tensor, Tensor | None, tuple[KV, ...]]:
        """What entered the last layer and left it, attention [L, B, H, r, P + n] of the rows ``record`` [1 or B, r],
        and keys and values of all P + n rows if ``keep``.
        """
        P = past[0][0].shape[2] if past else 0
        tables = {kind: self._cos_sin(hidden, position_ids, kind) for kind in set(self.kinds[first : first + L])}
        masks = {kind: self._mask(hidden, P, kind.window) for kind in tables}
        rows = None if record is None else record.to(hidden.device)
        entering, logits, kept = hidden, [], []
        for at, index in enumerate(range(first, first + L)):
            entering, kind = hidden, self.kinds[index]
            # A layer asks no more of a cache than `update`: one layer's worth of transformers' own will do.
            cache = DynamicLayer() if keep or past or rows is not None else None
            if past:
                _fill(cast(DynamicLayer, cache), past[at], len(hidden))
            hidden = self._layer(index)(
                hidden,
                attention_mask=masks[kind],
                past_key_values=cast(Cache, cache),
                position_embeddings=tables[kind],
            )
            if cache is None:
                continue
            keys, values = cast(Tensor, cache.keys), cast(Tensor, cache.values)
            if rows is not None:
                turns = (_pick(part, rows) for part in tables[kind])
                q = rotated(self._project("q", index, _pick(entering, rows)), *turns)
                logits.append(_windowed(self._logits(index, q, keys), P + rows[:, None], kind.window))
            if keep:
                kept.append((keys, values))
        # One softmax for the whole stage: on a small model the kernels' start would cost more than their work.
        maps = None if rows is None else _softmax(torch.stack(logits), P + rows[:, None])
        return entering, hidden, maps, tuple(kept)

    def attention(
        self,
        layer: int,
        hidden: Tensor,
        position_ids: Tensor,
        rows: Tensor,
        rope: bool = True,
        columns: slice | None = None,
    ) -> Tensor:
        """float32 [H, r, n]; see `csp.layers.DecoderLayers`."""
        rows = rows.to(hidden.device)
        columns = columns or slice(0, hidden.shape[1])
        q = self._project("q", layer, hidden[:, rows])
        k = self._project("k", layer, hidden[:, columns])
        if rope:
            cos, sin = self._cos_sin(hidden, position_ids[None], self.kinds[layer])
            q, k = rotated(q, cos[:, rows], sin[:, rows]), rotated(k, cos[:, columns], sin[:, columns])
        logits = _windowed(self._logits(layer, q, k), rows, self.kinds[layer].window, columns.start)
        return _softmax(logits, rows, columns.start)[0]

    def values(self, layer: int, hidden: Tensor) -> Tensor:
        """[H, n, head_dim]; see `csp.decoder.DecoderLayers`."""
        return self._project("v", layer, hidden)[0]

    def rotary(self, layer: int, hidden: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Each [n, head_dim]; see `csp.decoder.DecoderLayers`."""
        cos, sin = self._cos_sin(hidden, position_ids[None], self.kinds[layer])
        return cos[0], sin[0]

    def norm(self, hidden: Tensor) -> Tensor:
        """The final RMSNorm."""
        return self.llm.norm(hidden)

    def _layer(self, index: int) -> Any:
        return self.llm.layers[index]

    def _project(self, which: str, layer: int, hidden: Tensor) -> Tensor:
        """Queries "q", keys "k" or values "v" [B, heads, r, head_dim] of some rows, before rotation."""
        block = self._layer(layer)
        return projected(block.self_attn, block.input_layernorm(hidden), which)

    def _logits(self, layer: int, q: Tensor, k: Tensor) -> Tensor:
        """Scaled products [B, H, r, n] of queries and keys."""
        return product(self._layer(layer).self_attn, q, k)

    def _cos_sin(self, hidden: Tensor, position_ids: Tensor, kind: Kind) -> Tables:
        """Rotary tables [1 or B, n, head_dim] of a kind of layer for ``position_ids`` [1 or B, n]."""
        more = {"layer_type": kind.name} if self._tables_by_kind else {}
        return self.llm.rotary_emb(hidden, position_ids=position_ids.to(hidden.device), **more)

    def _mask(self, hidden: Tensor, P: int, window: int | None) -> Tensor | None:
        """None where the kernel is causal by itself, else a causal mask [1, 1, n, P + n] for n rows that follow P.

        A ``window`` lets a row see itself and the window - 1 rows before it, as transformers' masks do: it counts
        rows that are there, not rotary positions.
        """
        n, eager = hidden.shape[1], self.llm.config._attn_implementation == "eager"
        cut = window is not None and P + n > window
        if not cut and (n == 1 or not (eager or P)):
            return None
        seen = torch.ones(n, P + n, dtype=torch.bool, device=hidden.device).tril(diagonal=P)
        if cut:
            seen = seen.triu(diagonal=P + 1 - cast(int, window))
        seen = seen[None, None]
        if not eager:
            return seen
        return torch.zeros_like(seen, dtype=hidden.dtype).masked_fill(~seen, torch.finfo(hidden.dtype).min)


def _fill(cache: DynamicLayer, past: KV, B: int) -> None:
    """Let ``cache`` begin with ``past``, shared by B samples where it holds one."""
    cache.lazy_initialization(*past)
    cache.keys, cache.values = (part.expand(B, -1, -1, -1) for part in past)


def _pick(states: Tensor, rows: Tensor) -> Tensor:
    """Rows [B, r, c] of ``states`` [1 or B, n, c]; ``rows`` [1 or B, r] are each sample's own, or everyone's."""
    if len(rows) == 1:
        return states[:, rows[0]]
    return states.expand(len(rows), -1, -1).gather(1, rows[..., None].expand(-1, -1, states.shape[-1]))


def _windowed(logits: Tensor, rows: Tensor, window: int | None, first_column: int = 0) -> Tensor:
    """Products [..., r, n] of queries at ``rows`` [..., r], without what a sliding window cuts off."""
    if window is None or first_column + logits.shape[-1] <= window:
        return logits
    column = first_column + torch.arange(logits.shape[-1], device=logits.device)
    return logits.masked_fill(column <= rows[..., None] - window, -torch.inf)


def _softmax(logits: Tensor, rows: Tensor, first_column: int = 0) -> Tensor:
    """Causal attention [..., r, n] of queries that stand at ``rows`` [..., r] over keys from ``first_column`` on, fp32."""
    column = first_column + torch.arange(logits.shape[-1], device=logits.device)
    return logits.masked_fill(column > rows[..., None], -torch.inf).softmax(dim=-1, dtype=torch.float32)
