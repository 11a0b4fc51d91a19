"""Third stage: the decoder. Many queries share one picture, because image tokens stand first and attention is causal.

A batch is a prefix (system and image tokens, [B, P, d]) and packed queries ([B, Q, d], each seeing the prefix and
itself, positions restarting). Nothing but a place can satisfy the loss on [SEG]: it regresses SAM's own prompt for the
target. Attention, words, boxes and half-way states have losses of their own, through heads that are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaModel
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from csp.park import words
from csp.park.draw import COLOURS, KINDS
from csp.park.language import Query
from csp.park.scenes import Thing
from csp.park.training.tower import COLOUR_IDS, KIND_IDS, LEAST_COVER, NO_KIND, Facts

N_SYS = len(words.SYSTEM)


@dataclass(frozen=True)
class Shape:
    """Sizes of the decoder while training: `depth` layers now; which of them must look, and how hard."""

    width: int = 128
    heads: int = 4
    inner: int = 344
    depth: int = 10
    half: int = 6  # after this layer (0-based) the answer must be readable
    word: int = 2  # at this layer words must have found their things
    look: tuple[tuple[int, float], ...] = ((5, 0.5), (6, 1.0), (7, 0.5), (8, 0.5), (9, 0.5))


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
            deep = (2 * shape.depth) ** -0.5 if name.endswith(("o_proj.weight", "down_proj.weight")) else 1.0
            nn.init.normal_(p, std=p.shape[1] ** -0.5 * deep)
    return model


@dataclass(frozen=True)
class Batch:
    """Packed queries. B scenes, M queries each, Q tokens a scene, N patches."""

    ids: Tensor  # [B, Q]
    positions: Tensor  # [B, Q]
    mask: Tensor  # bool [B, Q, Q]: same query, not later
    rows: Tensor  # [B, M]: the read-out row ":" of every query, an index into Q
    real: Tensor  # bool [B, M]
    cover: Tensor  # [B, M, N]: share of each patch covered by the target
    absent: Tensor  # bool [B, M]
    code: Tensor  # [B, M, width]: mean place code of the target
    box: Tensor  # [B, M, 4]
    kinds: Tensor  # [B, M, kinds]: asked for
    colour: Tensor  # [B, M]: asked for, len(COLOURS) = none
    concept: Tensor  # [B, Q]: kind or colour a word names, -1 otherwise
    shows: Tensor  # bool [B, kinds + colours, N]: patches showing a concept
    patch_kind: Tensor  # [B, N]
    patch_colour: Tensor  # [B, N], -100 on the backdrop


class Packer:
    """Scenes and their queries -> Batch."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.unknown = self._id("<unk>")
        self.endings = [self._id(t) for t in (".", "?", "!")]
        self.after = [self._id(t) for t in words.AFTER]
        self.system = [self._id(t) for t in words.SYSTEM]
        names = words.concepts()
        self.concept: dict[int, int] = {
            self._id(w): KIND_IDS[n] if what == "kind" else len(KINDS) + COLOUR_IDS[n]
            for w, (what, n) in names.items()
        }

    def __call__(
        self,
        known: list[Facts],
        objects: list[tuple[Thing, ...]],
        queries: list[list[Query]],
        g: np.random.Generator | None = None,
    ) -> Batch:
        """With `g`, some texts end in a mark and a few words become unknown, as visitors' texts will."""
        B, M, C = len(known), max(len(q) for q in queries), len(KINDS) + len(COLOURS)
        tokens = [[self._tokens(q.text, g) + self.after for q in qs] for qs in queries]
        Q = max(sum(map(len, t)) for t in tokens)
        N, start = 256, N_SYS + 256
        width = known[0].codes.shape[1]
        out: dict[str, np.ndarray] = dict(
            ids=np.zeros((B, Q), np.int64), positions=np.zeros((B, Q), np.int64), mask=np.zeros((B, Q, Q), bool),
            rows=np.zeros((B, M), np.int64), real=np.zeros((B, M), bool), cover=np.zeros((B, M, N), np.float32),
            absent=np.zeros((B, M), bool), code=np.zeros((B, M, width), np.float32), box=np.zeros((B, M, 4), np.float32),
            kinds=np.zeros((B, M, len(KINDS)), np.float32), colour=np.full((B, M), len(COLOURS), np.int64),
            concept=np.full((B, Q), -1, np.int64), shows=np.zeros((B, C, N), bool), patch_kind=np.full((B, N), NO_KIND, np.int64),
            patch_colour=np.full((B, N), -100, np.int64),
        )  # fmt: skip
        out["mask"][:, np.arange(Q), np.arange(Q)] = True
        for b, (fact, things, qs) in enumerate(zip(known, objects, queries, strict=True)):
            cover = fact.cover
            owner = np.where(cover.max(0) >= LEAST_COVER, cover.argmax(0), -1)
            for k, t in enumerate(things):
                out["shows"][b, KIND_IDS[t.kind]] |= cover[k] > LEAST_COVER
                out["shows"][b, len(KINDS) + COLOUR_IDS[t.colour]] |= cover[k] > LEAST_COVER
                out["patch_kind"][b][owner == k] = KIND_IDS[t.kind]
                out["patch_colour"][b][owner == k] = COLOUR_IDS[t.colour]
            at = 0
            for m, (q, toks) in enumerate(zip(qs, tokens[b], strict=True)):
                n = len(toks)
                span = slice(at, at + n)
                out["ids"][b, span] = toks
                out["positions"][b, span] = start + np.arange(n)
                out["mask"][b, span, span] = np.tril(np.ones((n, n), bool))
                out["concept"][b, span] = [self.concept.get(t, -1) for t in toks]
                out["rows"][b, m], out["real"][b, m], out["absent"][b, m] = at + n - 1, True, not q.targets
                for kind in q.meaning.kinds:
                    out["kinds"][b, m, KIND_IDS[kind]] = 1
                if q.meaning.colour:
                    out["colour"][b, m] = COLOUR_IDS[q.meaning.colour]
                if q.targets:
                    at_targets = list(q.targets)
                    out["cover"][b, m] = cover[at_targets].sum(0)
                    out["code"][b, m] = fact.codes[at_targets].sum(0) / fact.totals[at_targets].sum()
                    boxes = np.array([things[i].box for i in at_targets])
                    x0, y0, x1, y1 = boxes[:, 0].min(), boxes[:, 1].min(), boxes[:, 2].max(), boxes[:, 3].max()
                    out["box"][b, m] = ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)
                at += n
        return Batch(**{k: torch.from_numpy(v) for k, v in out.items()})

    def _id(self, token: str) -> int:
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"the tokenizer has no token {token!r}")
        return found

    def _tokens(self, text: str, g: np.random.Generator | None) -> list[int]:
        ids = self.tokenizer.encode(text).ids
        if g is None:
            return ids
        ids = [self.unknown if g.random() < 0.01 else i for i in ids]
        return [*ids, self.endings[int(g.integers(3))]] if g.random() < 0.2 else ids


def attend(q: Tensor, k: Tensor, v: Tensor, allowed: Tensor) -> Tensor:
    """Plain attention; on a CPU its backward pass is several times faster than that of the fused kernel."""
    scores = (q @ k.transpose(2, 3)) * q.shape[-1] ** -0.5
    return scores.masked_fill(~allowed, -3e4).softmax(-1).to(v.dtype) @ v


class Reasoner(nn.Module):
    """Projector, decoder and `text_hidden_fcs` of the model that ships, with the heads that only training uses."""

    def __init__(self, shape: Shape, vocab: int, seen: int, code: int) -> None:
        super().__init__()
        d = shape.width
        self.shape = shape
        self.projector = nn.Sequential(nn.Linear(seen, d), nn.GELU(), nn.Linear(d, d))
        self.llm = llama(shape, vocab)
        self.fcs = nn.Sequential(nn.Linear(d, d), nn.ReLU(), nn.Linear(d, code))
        self.box = nn.Linear(d, 4)
        self.parse = nn.Linear(d, len(KINDS) + len(COLOURS) + 1)
        self.point_q, self.point_k = nn.Linear(d, 64), nn.Linear(d, 64)
        self.word_q, self.word_k = nn.Linear(d, 64), nn.Linear(d, 64)
        self.name = nn.Linear(d, len(KINDS) + 1 + len(COLOURS))

    def rope(self, positions: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        return self.llm.rotary_emb(like, position_ids=positions)

    def forward(self, seen: Tensor, system: Tensor, batch: Batch) -> dict[str, Tensor]:
        """States and attention rows. `seen` [B, N, c] tower features, `system` [N_sys] ids."""
        B, N = seen.shape[:2]
        image = self.projector(seen)
        prefix = torch.cat([self.llm.embed_tokens(system).expand(B, -1, -1), image], 1)
        P, Q = prefix.shape[1], batch.ids.shape[1]
        h = torch.cat([prefix, self.llm.embed_tokens(batch.ids)], 1)
        cos, sin = self.rope(torch.cat([torch.arange(P).expand(B, -1), batch.positions], 1), h)
        mask = torch.cat([torch.ones(B, Q, P, dtype=torch.bool), batch.mask], 2)[:, None]
        rows = batch.rows
        causal = torch.ones(P, P, dtype=torch.bool).tril()
        row_mask = mask[:, 0].gather(1, rows[..., None].expand(-1, -1, P + Q))
        out: dict[str, Tensor] = {"image0": image}
        look = dict(self.shape.look)
        for i, layer in enumerate(self.llm.layers):
            x = layer.input_layernorm(h)
            a = layer.self_attn
            split = (B, P + Q, self.shape.heads, -1)
            q, k, v = (f(x).view(split).transpose(1, 2) for f in (a.q_proj, a.k_proj, a.v_proj))
            q, k = apply_rotary_pos_emb(q, k, cos.to(q.dtype), sin.to(q.dtype))
            before = attend(q[:, :, :P], k[:, :, :P], v[:, :, :P], causal)
            after = attend(q[:, :, P:], k, v, mask)
            if i in look:
                index = (P + rows)[:, None, :, None].expand(-1, q.shape[1], -1, q.shape[-1])
                z = (q.gather(2, index) @ k.transpose(2, 3)).float() * a.scaling
                z = z.masked_fill(~row_mask[:, None], float("-inf")).softmax(-1).mean(1)
                out[f"A{i}"] = z[:, :, N_SYS : N_SYS + N]
            o = torch.cat([before, after], 2).transpose(1, 2).reshape(B, P + Q, -1)
            h = h + a.o_proj(o)
            h = h + layer.mlp(layer.post_attention_layernorm(h))
            if i == self.shape.word:
                out["word_q"], out["word_k"] = self.word_q(h[:, P:]), self.word_k(h[:, N_SYS:P])
                out["parsed"] = self.parse(self._rows(h, rows, P))
            if i == self.shape.half - 1:
                out["point"] = self.point_q(self._rows(h, rows, P)) @ self.point_k(h[:, N_SYS:P]).transpose(1, 2) / 8
            if i == self.shape.half:
                state = self.llm.norm(self._rows(h, rows, P))
                out["half_code"], out["half_box"] = self.fcs(state), self.box(state)
        state = self.llm.norm(self._rows(h, rows, P))
        out["code"], out["box"] = self.fcs(state), self.box(state)
        out["names"] = self.name(image)
        return out

    @staticmethod
    def _rows(h: Tensor, rows: Tensor, P: int) -> Tensor:
        return h.gather(1, (P + rows)[..., None].expand(-1, -1, h.shape[-1]))


def _mass(scores: Tensor, cover: Tensor, where: Tensor) -> Tensor:
    """-log of the share of `scores` [..., N] that lies on `cover`, mean over `where`."""
    share = (scores * cover).sum(-1) / scores.sum(-1).clamp(min=1e-9)
    return -(share[where].clamp(min=1e-5)).log().mean()


def losses(model: Reasoner, out: dict[str, Tensor], batch: Batch, prompt: Tensor, aids: float) -> dict[str, Tensor]:
    """`prompt` [B, M, width]: SAM's prompt for the target. `aids` in 0..1 scales the losses that only help to start."""
    real, there = batch.real, batch.real & ~batch.absent
    full = batch.cover.clamp(max=1.0)
    error = {
        "code": F.mse_loss(out["code"].float()[real], prompt[real]) * 12,
        "half": F.mse_loss(out["half_code"].float()[real], prompt[real]) * 6,
        "box": F.l1_loss(out["box"].float()[there], batch.box[there]) * 4,
        "half_box": F.l1_loss(out["half_box"].float()[there], batch.box[there]) * 2,
    }
    for layer, weight in model.shape.look:
        error[f"A{layer}"] = _mass(out[f"A{layer}"].float(), full, there) * weight * 0.4
    error["point"] = _mass(out["point"].float().softmax(-1), full, there) * 0.5
    if aids > 0:
        parsed = out["parsed"].float()
        kinds = F.binary_cross_entropy_with_logits(
            parsed[..., : len(KINDS)][real], batch.kinds[real], pos_weight=torch.tensor(4.0)
        )
        colour = F.cross_entropy(parsed[..., len(KINDS) :][real], batch.colour[real])
        b, t = torch.nonzero(batch.concept >= 0, as_tuple=True)
        shows = batch.shows[b, batch.concept[b, t]]
        seen = shows.any(1)
        b, t, shows = b[seen], t[seen], shows[seen]
        z = torch.einsum("kc,knc->kn", out["word_q"].float()[b, t], out["word_k"].float()[b]) / 8
        names = out["names"].float()
        k = len(KINDS) + 1
        named = F.cross_entropy(names[..., :k].flatten(0, 1), batch.patch_kind.flatten())
        named = named + F.cross_entropy(names[..., k:].flatten(0, 1), batch.patch_colour.flatten(), ignore_index=-100)
        error["parse"] = (kinds + colour) * aids * 0.5
        error["word"] = _mass(z.softmax(-1), shows.float(), torch.ones(len(b), dtype=torch.bool)) * aids * 0.5
        error["names"] = named * aids * 0.2
    return error
