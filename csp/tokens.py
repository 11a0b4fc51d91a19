"""Token bookkeeping: image tokens with rotary ids, slots and provenance, and the sequence they stand in.

Every row carries the slot it had in E_llm before any reduction beside its rotary position, so that rows are
found by slot and never by arithmetic on lengths. Bookkeeping lives on the CPU, hidden states where the
decoder lives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from csp.types import Layout

Positions = Literal["keep", "renumber"]


@dataclass(frozen=True, eq=False)
class ImageTokens:
    """Some image tokens: ``hidden`` [B, n, d], ``position_ids`` and ``slots`` int64 [n], ``source`` float32
    [n, N].

    A row of ``source`` says which patches the token stands for; see `csp.types.StageRecord`.
    """

    hidden: Tensor
    position_ids: Tensor
    slots: Tensor
    source: Tensor

    def __post_init__(self) -> None:
        n = self.hidden.shape[1]
        if not len(self.position_ids) == len(self.slots) == len(self.source) == n:
            lengths = len(self.position_ids), len(self.slots), len(self.source)
            raise ValueError(f"position_ids, slots and source must have a row per token, got {lengths} for {n} tokens")

    @property
    def n(self) -> int:
        return self.hidden.shape[1]

    def take(self, rows: Tensor | Iterable[int]) -> ImageTokens:
        """These rows of the block, in the order given."""
        rows = torch.as_tensor(list(rows) if not isinstance(rows, Tensor) else rows, dtype=torch.long)
        return ImageTokens(
            self.hidden[:, rows.to(self.hidden.device)],
            self.position_ids[rows],
            self.slots[rows],
            self.source[rows],
        )

    def drop(self, rows: Tensor | Iterable[int]) -> ImageTokens:
        """All but these rows of the block."""
        gone = set(torch.as_tensor(rows).tolist()) if isinstance(rows, Tensor) else set(rows)
        return self.take([row for row in range(self.n) if row not in gone])

    def append(self, other: ImageTokens) -> ImageTokens:
        """Both blocks, this one first."""
        return ImageTokens(
            torch.cat([self.hidden, other.hidden], dim=1),
            torch.cat([self.position_ids, other.position_ids]),
            torch.cat([self.slots, other.slots]),
            torch.cat([self.source, other.source]),
        )

    def sort(self) -> ImageTokens:
        """In ascending rotary position, equal ones in the order they had."""
        return self.take(torch.sort(self.position_ids, stable=True).indices)

    def to_patches(self, values: Tensor) -> Tensor:
        """Carry values [..., n] to patches [..., N] through ``source``; NaN where no token stands for a
        patch.
        """
        values = values.detach().float().cpu()
        alive = self.source.sum(dim=0) > 0
        return torch.where(alive, values @ self.source, torch.nan)


def restore(start: ImageTokens, now: ImageTokens) -> ImageTokens:
    """Eq. 7: all tokens of ``start``, those still in ``now`` with their present states, all others
    untouched.
    """
    hidden = start.hidden.clone()
    row_of = {slot: row for row, slot in enumerate(start.slots.tolist())}
    rows = torch.tensor([row_of[slot] for slot in now.slots.tolist()], dtype=torch.long, device=hidden.device)
    hidden[:, rows] = now.hidden
    return replace(start, hidden=hidden)


def top(score: Tensor, k: int) -> Tensor:
    """Rows of the ``k`` largest of ``score`` [n], ascending. Equal scores: the lower row wins, on every
    device.
    """
    return by_score(score)[:k].sort().values


def by_score(score: Tensor) -> Tensor:
    """All rows of ``score`` [n], best first. Equal scores: the lower row comes first.

    Raises ValueError for scores that cannot be ranked: attention overflows in half precision on some models.
    """
    score = score.detach().float().cpu()
    if score.isnan().any():
        raise ValueError("tokens cannot be ranked, their scores are not numbers; run the model in bfloat16 or float32")
    return torch.sort(score, descending=True, stable=True).indices


@dataclass(frozen=True, eq=False)
class Wording:
    """What was asked, for methods that compare words with the picture outside the decoder.

    ``text`` is the whole question as the prompt has it, ``query`` the user's own words. ``embed(text, long)`` gives float
    [m, P] in CLIP's common space, of one text, "cut" or "split" where it is too long; None without a text tower.
    """

    text: str
    query: str
    embed: Callable[[str, Literal["cut", "split"]], Tensor] | None = None


@dataclass(frozen=True, eq=False)
class TokenSequence:
    """What the decoder sees: system | image block | user and answer, as hidden states [B, n, d] with
    bookkeeping.

    ``position_ids`` and ``slots`` are int64 [n]; ``source`` float32 [n_image, N] belongs to the image block,
    which starts at row ``layout.N_sys``. ``wording`` is what its words say, where that is known.
    """

    layout: Layout
    hidden: Tensor
    position_ids: Tensor
    slots: Tensor
    source: Tensor
    wording: Wording | None = None

    @classmethod
    def start(cls, inputs_embeds: Tensor, layout: Layout, wording: Wording | None = None) -> TokenSequence:
        """E_llm (Eq. 1) with nothing reduced, from ``inputs_embeds`` [T, d] or [1, T, d]."""
        hidden = inputs_embeds if inputs_embeds.dim() == 3 else inputs_embeds[None]
        if hidden.shape[0] != 1:
            raise ValueError(f"one sample a pass, got a batch of {hidden.shape[0]}; methods choose tokens for each sample")
        if hidden.shape[1] != layout.T:
            raise ValueError(f"inputs_embeds must have {layout.T} rows as the layout says, got {hidden.shape[1]}")
        slots = torch.arange(layout.T)
        return cls(layout, hidden, slots, slots, torch.eye(layout.N), wording)

    @property
    def n(self) -> int:
        """Rows, text included."""
        return self.hidden.shape[1]

    @property
    def n_image(self) -> int:
        return len(self.source)

    @property
    def image_rows(self) -> slice:
        return slice(self.layout.N_sys, self.layout.N_sys + self.n_image)

    @property
    def image(self) -> ImageTokens:
        """The image block."""
        at = self.image_rows
        return ImageTokens(self.hidden[:, at], self.position_ids[at], self.slots[at], self.source)

    def rows(self, slots: Iterable[int]) -> Tensor:
        """Rows of the text tokens that had these slots, int64. Raises ValueError where one is not a text
        slot.
        """
        layout = self.layout
        wanted = torch.as_tensor(list(slots), dtype=torch.long)
        if ((wanted >= layout.N_sys) & (wanted < layout.N_sys + layout.N) | (wanted < 0) | (wanted >= layout.T)).any():
            raise ValueError(f"slots {wanted.tolist()} are not all text slots of {layout}")
        text = torch.ones(self.n, dtype=torch.bool)
        text[self.image_rows] = False
        # Text rows keep their order, so a search among them is enough; image rows may share a slot with a kept [CLS].
        text_rows = torch.nonzero(text).flatten()
        return text_rows[torch.searchsorted(self.slots[text_rows], wanted)]

    def text(self, slots: slice) -> Tensor:
        """Hidden states [B, n, d] of the text tokens with these slots."""
        rows = self.rows(range(slots.start, slots.stop))
        return self.hidden[:, rows.to(self.hidden.device)]

    def with_image(self, image: ImageTokens, positions: Positions = "keep") -> TokenSequence:
        """The same sequence around another image block. ``renumber`` counts rotary positions anew from 0."""
        before, after = slice(0, self.layout.N_sys), slice(self.image_rows.stop, None)
        hidden = torch.cat([self.hidden[:, before], image.hidden, self.hidden[:, after]], dim=1)
        slots = torch.cat([self.slots[before], image.slots, self.slots[after]])
        ids = torch.cat([self.position_ids[before], image.position_ids, self.position_ids[after]])
        if positions == "renumber":
            ids = torch.arange(hidden.shape[1])
        return TokenSequence(self.layout, hidden, ids, slots, image.source, self.wording)

    def with_hidden(self, hidden: Tensor) -> TokenSequence:
        """The same rows with other states."""
        return replace(self, hidden=hidden)


@dataclass(frozen=True, eq=False)
class VisionFeatures:
    """What the vision tower (a CLIP ViT of ``num_heads`` heads and width C) saw of one picture, row 0 being
    [CLS].

    ``states`` [1+N, C] are ``hidden_states[-2]``: what the projector receives, and what the last layer
    consumes. ``q_last`` [C] and ``k_last`` [1+N, C] are the last layer's query of [CLS] and its keys on
    ``states`` (after that layer's norm, bias included, heads side by side); ``q_prev`` and ``k_prev`` the
    same of the layer before, which produced ``states`` from ``hidden_states[-3]``. ``coverage`` float [K, N]
    is the share of each image token that each of K instances covers, None where no detector was asked;
    ``confidence`` [K] how sure it was of them, None where it does not say.
    ``project`` maps [..., C] to the decoder's width. ``v_last`` [1+N, C] are the last layer's values; ``common`` gives the
    patches [N, P] in CLIP's common space of pictures and words, None where that is not known; ``smaller(rows, cols)`` the
    features [rows * cols, C] of the same part of the picture at fewer pixels, ValueError for a grid that is not smaller.
    """

    states: Tensor
    q_last: Tensor
    k_last: Tensor
    q_prev: Tensor
    k_prev: Tensor
    num_heads: int
    project: Callable[[Tensor], Tensor]
    coverage: Tensor | None = None
    confidence: Tensor | None = None
    v_last: Tensor | None = None
    common: Callable[[], Tensor] | None = None
    smaller: Callable[[int, int], Tensor] | None = None

    @property
    def patches(self) -> Tensor:
        """Features [N, C] without [CLS]."""
        return self.states[1:]

    def cls_attention(self, layer: Literal["last", "prev"] = "last", heads: bool = False, over: str = "patches") -> Tensor:
        """Attention of [CLS] to the N patches, float32: [N] as one head of full width (Eq. 3), or [H, N] for
        each head.

        ``over`` is the softmax's range: "patches" leaves [CLS] itself out of it, "all" does not.
        """
        q, k = (self.q_last, self.k_last) if layer == "last" else (self.q_prev, self.k_prev)
        q, k = q.float(), k.float()
        if heads:
            q = q.unflatten(-1, (self.num_heads, -1))
            k = k.unflatten(-1, (self.num_heads, -1))
            logits = torch.einsum("hc,nhc->hn", q, k) * q.shape[-1] ** -0.5
        else:
            logits = k @ q * q.shape[-1] ** -0.5
        if over == "patches":
            return logits[..., 1:].softmax(dim=-1)
        return logits.softmax(dim=-1)[..., 1:]
