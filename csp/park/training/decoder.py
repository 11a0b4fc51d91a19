"""The decoder while it is trained: projector, LlamaModel and `text_hidden_fcs` as they ship, with heads that only training uses.

A batch is a prefix (system and image tokens) and packed queries, each seeing the prefix and itself, positions restarting. Which
layers are read for the losses is drawn anew each step (`Look`); none is named anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaModel

from csp.park.draw import COLOURS, KINDS
from csp.park.ground import MARKS
from csp.park.training.packing import N_SYS, Batch, N

POINTERS = ("target", "landmark", "fits")


@dataclass(frozen=True)
class Shape:
    """Sizes of the decoder while training: `depth` layers now."""

    width: int = 128
    heads: int = 4
    inner: int = 344
    depth: int = 8


@dataclass(frozen=True)
class Look:
    """Layers (0-based) that this step's losses read: [SEG]'s attention, its state, the words' states."""

    attention: int
    state: int
    word: int

    @staticmethod
    def draw(depth: int, g: np.random.Generator) -> Look:
        """Each by itself, a layer's odds growing evenly with its depth: nothing begins or ends at a layer that somebody chose,
        and the first, which know little of the query, are hardly asked.
        """
        odds = np.arange(1.0, depth + 1)
        return Look(*(int(v) for v in g.choice(depth, size=3, p=odds / odds.sum())))


def llama(shape: Shape, vocab: int) -> LlamaModel:
    """Initialised for a small width: embeddings at 0.7, linear layers at 1/sqrt(fan-in), outputs divided by sqrt(2L)."""
    config = LlamaConfig(
        hidden_size=shape.width, intermediate_size=shape.inner, num_hidden_layers=shape.depth, num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads, vocab_size=vocab, max_position_embeddings=2048, rms_norm_eps=1e-5,
        tie_word_embeddings=False, bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    model = LlamaModel(config)
    for name, p in model.named_parameters():
        if "embed_tokens" in name:
            nn.init.normal_(p, std=0.7)
        elif p.dim() == 2:
            out = (2 * shape.depth) ** -0.5 if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.0
            nn.init.normal_(p, std=p.shape[1] ** -0.5 * out)
    return model


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Plain attention; on a CPU its backward pass is several times faster than that of the fused kernel."""
    return (q @ k.transpose(2, 3) + bias).softmax(-1) @ v


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions, as transformers' Llama applies them. `x` [B, H, T, c]."""
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


class Reasoner(nn.Module):
    """`forward` gives states and attention rows; bfloat16 products over a float32 residual stream."""

    def __init__(self, shape: Shape, vocab: int, seen: int, code: int) -> None:
        super().__init__()
        d = shape.width
        self.shape = shape
        self.projector = nn.Sequential(nn.Linear(seen, d), nn.GELU(), nn.Linear(d, d))
        self.llm = llama(shape, vocab)
        self.fcs = nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, code))
        self.box = nn.Linear(d, 4)
        self.parse = nn.Linear(d, len(KINDS) + len(COLOURS) + 1)
        self.point_q, self.point_k = nn.Linear(d, 64 * len(POINTERS)), nn.Linear(d, 64)
        self.word_q, self.word_k = nn.Linear(d, 64), nn.Linear(d, 64)
        self.name = nn.Linear(d, len(KINDS) + 1 + len(COLOURS) + len(MARKS) + 1)

    def forward(
        self, seen: Tensor, system: Tensor, batch: Batch, look: Look | None = None, low: torch.dtype = torch.bfloat16
    ) -> dict[str, Tensor]:
        """`seen` [B, N, c] tower features, `system` [N_sys] ids. Without `look` only what ships is computed, and A_SEG of
        all layers.
        """
        B = len(seen)
        image = self.projector(seen)
        prefix = torch.cat([self.llm.embed_tokens(system).expand(B, -1, -1), image], 1)
        P, Q = prefix.shape[1], batch.ids.shape[1]
        h = torch.cat([prefix, self.llm.embed_tokens(batch.ids)], 1)
        cos, sin = self.llm.rotary_emb(h, position_ids=torch.cat([torch.arange(P).expand(B, -1), batch.positions], 1))
        cos, sin = cos[:, None].to(low), sin[:, None].to(low)
        causal = torch.full((P, P), -3e4, dtype=low).triu(1)
        G, n = batch.mask.shape[1:3]
        free = torch.where(batch.mask, 0.0, -3e4).to(low)[:, None]
        rows = batch.rows
        out: dict[str, Tensor] = {"image0": image, "names": self.name(image)}
        heads, scale = self.shape.heads, (self.shape.width // self.shape.heads) ** -0.5
        for i, layer in enumerate(self.llm.layers):
            norms: Any = layer
            a: Any = layer.self_attn
            m: Any = layer.mlp
            x = F.rms_norm(h, (h.shape[-1],), norms.input_layernorm.weight, 1e-5).to(low)
            qkv = F.linear(x, torch.cat([a.q_proj.weight * scale, a.k_proj.weight, a.v_proj.weight]).to(low))
            q, k, v = qkv.view(B, P + Q, 3, heads, -1).permute(2, 0, 3, 1, 4)
            q, k = turned(q, cos, sin), turned(k, cos, sin)
            before = attend(q[:, :, :P], k[:, :, :P], v[:, :, :P], causal)
            mine = [t[:, :, P:].unflatten(2, (G, n)) for t in (q, k, v)]
            own = (mine[0] @ mine[1].transpose(-1, -2) + free).flatten(2, 3)
            weights = torch.cat([q[:, :, P:] @ k[:, :, :P].transpose(2, 3), own], 3).softmax(-1)
            after = weights[..., :P] @ v[:, :, :P] + (weights[..., P:].unflatten(2, (G, n)) @ mine[2]).flatten(2, 3)
            if look is None or i == look.attention:
                asking = weights.float().mean(1).gather(1, rows[..., None].expand(-1, -1, P + n))
                out[f"A{i}" if look is None else "A"] = asking[:, :, N_SYS : N_SYS + N]
            o = torch.cat([before, after], 2).transpose(1, 2).reshape(B, P + Q, -1)
            h = h + F.linear(o, a.o_proj.weight.to(low))
            x = F.rms_norm(h, (h.shape[-1],), norms.post_attention_layernorm.weight, 1e-5).to(low)
            gate, up = F.linear(x, torch.cat([m.gate_proj.weight, m.up_proj.weight]).to(low)).chunk(2, -1)
            h = h + F.linear(F.silu(gate) * up, m.down_proj.weight.to(low))
            if look is not None and i == look.word:
                out["word_q"], out["word_k"] = self.word_q(self.normal(h[:, P:])), self.word_k(self.normal(h[:, N_SYS:P]))
            if look is not None and i == look.state:
                state = self.normal(self._rows(h, rows, P))
                out["half_code"], out["half_box"], out["parsed"] = self.fcs(state), self.box(state), self.parse(state)
                asked = self.point_q(state).unflatten(-1, (len(POINTERS), 64))
                out["point"] = torch.einsum("bmpc,bnc->bpmn", asked, self.point_k(self.normal(h[:, N_SYS:P]))) / 8
        state = self.normal(self._rows(h, rows, P))
        out["code"], out["box"] = self.fcs(state), self.box(state)
        return out

    def normal(self, h: Tensor) -> Tensor:
        return F.rms_norm(h, (h.shape[-1],), self.llm.norm.weight, 1e-5)

    @staticmethod
    def _rows(h: Tensor, rows: Tensor, P: int) -> Tensor:
        return h.gather(1, (P + rows)[..., None].expand(-1, -1, h.shape[-1]))
