"""LISA's parts, injected and held together: encode a picture, assemble the sequence, decide on a mask.

Vision tower -> projector -> decoder -> the [SEG] state -> text_hidden_fcs -> mask head. Knows no method, no question and no
file: `csp.checkpoints` builds the parts, `csp.models.asking` asks.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from csp import images
from csp.models.cache import ByteCache, picture_key
from csp.models.instances import coverage, instances_of
from csp.models.llama import Llama
from csp.models.memory import LIGHTER, survives_out_of_memory
from csp.models.parts import AnyGuide, Host, MaskHead, Parts, Seen, Tower
from csp.models.prompt import Answer, Prompt, Prompter, SegRow
from csp.models.weights import LoadReport
from csp.tokens import Wording
from csp.trace import Box, Layout, Tile

CACHE_BYTES = 256 * 2**20


class Lisa(Parts):
    """A vision tower, a projector, a decoder and a mask head as LISA joins them, and Sa2VA.

    `clip` is the tower, whichever it is. `seg_row` says which state becomes a mask ("before": the one that predicts [SEG],
    as LISA was trained; "token": [SEG]'s own; "fed": its own, where it was fed back in); `answer` whether the
    teacher-forced answer stays in the sequence ("full") or ends at that row ("cut": the same masks, since attention is
    causal). Up to `cache_bytes` of encoded pictures are kept. Without `lm_head` the model cannot write. `layers` run `llm`
    another way (`csp.models.backends`).
    """

    def __init__(
        self,
        name: str,
        llm: PreTrainedModel,
        clip: Tower,
        projector: nn.Module,
        text_hidden_fcs: nn.Module,
        mask_head: MaskHead,
        prompter: Prompter,
        instances: AnyGuide | None = None,
        seg_row: SegRow = "before",
        answer: Answer = "full",
        cache_bytes: int = CACHE_BYTES,
        report: LoadReport | None = None,
        lm_head: nn.Module | None = None,
        layers: Host | None = None,
    ):
        self.name, self.projector = name, projector
        # Any: a tower has more to tell those who know it.
        self.clip: Any = clip
        self.text_hidden_fcs, self.prompter = text_hidden_fcs, prompter
        # Any: each head has more to tell those who know it.
        self.mask_head: Any = mask_head
        self._guide, self.seg_row, self.answer = instances, seg_row, answer
        self.report, self.lm_head = report, lm_head
        self.layers: Host = layers or Llama(llm)
        self.cache: ByteCache[Seen] = ByteCache(cache_bytes)
        self._encoding = Lock()

    @property
    def instances(self) -> AnyGuide | None:
        """The guide, or None. Another one may be set at any time: pictures are then looked at anew."""
        return self._guide

    @instances.setter
    def instances(self, guide: AnyGuide | None) -> None:
        if guide is not self._guide:
            self._guide = guide
            self.cache.clear()

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, cols) of the image tokens of one view."""
        return self.clip.grid

    def __repr__(self) -> str:
        """The parts with their sizes, a line each, and where they are."""
        config: Any = self.llm.config
        kind, guide = type(self.llm).__name__, "none" if self.instances is None else type(self.instances).__name__
        return "\n".join(
            (
                f"{self.name}, on {self.device} in {str(self.dtype).removeprefix('torch.')}",
                f"  decoder    {kind}, {self.L} layers of width {config.hidden_size}, {config.num_attention_heads} heads",
                f"  tower      {self.clip.describe()}",
                f"  mask head  {self.mask_head.describe()}",
                f"  guide      {guide}",
            )
        )

    @property
    def N(self) -> int:
        """Image tokens, of a picture that makes the most."""
        return self.clip.N

    def tokens(self, picture: np.ndarray) -> int:
        """Image tokens that a picture makes."""
        return sum(view.N for view in self.clip.views(*picture.shape[:2]))

    @survives_out_of_memory("encoding the picture", LIGHTER)
    @torch.no_grad()
    def encode(self, image: Any) -> Seen:
        """Vision features, SAM embedding and instances of a picture; kept, so that a second query costs
        only the decoder.
        """
        picture = images.read(image)
        key = f"{self.mask_head.key} {picture_key(picture)}"
        # One at a time: visitors with the same new picture share one encoding; YOLO's head is not re-entrant.
        with self._encoding:
            seen = self.cache.get(key)
            if seen is None:
                seen = self._encode(picture)
                self.cache.put(key, seen, seen.nbytes)
        return seen

    def _encode(self, picture: np.ndarray) -> Seen:
        vision = self.clip.features(self.clip.pixels(picture), self.project)
        views = self.clip.views(*picture.shape[:2])
        H, W = picture.shape[:2]
        crop, tiles = (views[0].crop, ()) if len(views) == 1 else (Box(0, 0, W, H), views)
        smaller = getattr(self.clip, "smaller", None)
        if smaller is not None:
            vision = replace(vision, smaller=partial(smaller, picture, crop))
        embedding, sam_input = self.mask_head.encode(picture)
        seen = Seen(vision, crop, embedding, sam_input, tiles=tiles, picture_bytes=picture.nbytes)
        if self.instances is None:
            return seen
        size = H, W
        found = instances_of(self.instances, picture, lambda boxes: self.mask_head.from_boxes(embedding, boxes, size))
        covered = torch.from_numpy(np.concatenate([coverage(found.masks, size, v.crop, v.grid) for v in views], axis=1))
        sure = None if found.confidence is None else torch.from_numpy(found.confidence)
        vision = replace(vision, coverage=covered, confidence=sure)
        return replace(seen, vision=vision, masks=found.masks, guide_macs=found.macs)

    @torch.no_grad()
    def project(self, features: Tensor) -> Tensor:
        """Features [..., C] of the vision tower to the decoder's space [..., d]."""
        return self.projector(features.to(self.device, self.dtype))

    @torch.no_grad()
    def assemble(self, image: Any, query: str, answer: Answer | None = None) -> tuple[Tensor, Layout]:
        """E_llm (Eq. 1) for a picture and a query, nothing reduced: inputs_embeds [T, d] and where
        everything stands.
        """
        prompt = self.prompter(query, answer or self.answer, self.seg_row)
        return self.embed(self.encode(image), prompt)

    def embed(self, seen: Seen, prompt: Prompt, room: int = 0) -> tuple[Tensor, Layout]:
        """`assemble` for a picture and a prompt already made, with `room` for as many tokens after it."""
        layout = self.layout(prompt, seen.crop, room, seen.tiles)
        ids = torch.tensor((*prompt.sys, *prompt.usr, *prompt.out), device=self.device)
        text = self.layers.embed(ids)
        image = self.project(seen.vision.patches)
        return torch.cat([text[: layout.N_sys], image, text[layout.N_sys :]]), layout

    def wording(self, prompt: Prompt, query: str) -> Wording:
        """What a prompt asks in words, and how CLIP reads them where its text tower is at hand."""
        words = getattr(self.clip, "words", None)
        return Wording(prompt.question, query, None if words is None else words.embed)

    def layout(self, prompt: Prompt, crop: Box, room: int = 0, tiles: tuple[Tile, ...] = ()) -> Layout:
        """Where a prompt's tokens stand around the image. Raises ValueError where the model has too few
        positions for them and `room` more.
        """
        rows, cols = self.grid
        grid = (rows * max(1, len(tiles)), cols)
        N = grid[0] * cols
        before = len(prompt.sys) + N
        layout = Layout(
            N_sys=len(prompt.sys),
            N=N,
            N_usr=len(prompt.usr),
            N_out=len(prompt.out),
            grid=grid,
            crop=crop,
            I_seg=tuple(before + slot for slot in prompt.I_seg),
            # Before an answer is written, the row that predicts its first token ranks.
            I_rank=(before + len(prompt.usr) - 1,) if prompt.answer == "generated" else (),
            answer=prompt.answer,
            seg_row=self.seg_row,
            tiles=tiles,
        )
        most = self.layers.max_positions
        if layout.T + room > most:
            more = f" and leaves no room for {room} new ones" if room else ""
            raise ValueError(
                f"the query makes a sequence of {layout.T} tokens{more}, the model has {most} positions: shorten it"
            )
        return layout

    def masks(self, seen: Seen, seg_state: Tensor) -> tuple[Tensor, Tensor]:
        """Float32 logits [K, h, w] and the head's own scores [K] for final states [K, d]."""
        first = next(self.text_hidden_fcs.parameters())
        prompts = self.text_hidden_fcs(seg_state.to(first.device, first.dtype))
        return self.mask_head.decode(seen.embedding, prompts)
