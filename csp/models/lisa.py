"""LISA's parts, injected and held together: encode a picture, assemble the sequence, decide on a mask.

Vision tower -> projector -> decoder -> the [SEG] state -> text_hidden_fcs -> mask head. Knows no method, no question and no
file: `csp.checkpoints` builds the parts, `csp.models.asking` asks.
"""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from csp import images
from csp.models.cache import ByteCache, picture_key
from csp.models.clip import ClipTower
from csp.models.instances import coverage, instances_of
from csp.models.llama import Llama
from csp.models.memory import LIGHTER, survives_out_of_memory
from csp.models.parts import AnyGuide, Host, MaskHead, Parts, Seen
from csp.models.prompt import Answer, Prompt, Prompter, SegRow
from csp.models.weights import LoadReport
from csp.types import Box, Layout

CACHE_BYTES = 256 * 2**20


class Lisa(Parts):
    """A vision tower, a projector, a decoder and a mask head as LISA joins them.

    `seg_row` says which state becomes a mask ("before": the one that predicts [SEG], as LISA was trained;
    "token": [SEG]'s own); `answer` whether the teacher-forced answer stays in the sequence ("full") or ends
    at that row ("cut": the same masks, since attention is causal). Up to `cache_bytes` of encoded pictures are
    kept. Without `lm_head` the model cannot write. `layers` run `llm` another way (`csp.models.backends`).
    """

    def __init__(
        self,
        name: str,
        llm: PreTrainedModel,
        clip: ClipTower,
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
        self.name, self.clip, self.projector = name, clip, projector
        self.text_hidden_fcs, self.prompter = text_hidden_fcs, prompter
        # Any: each head has more to tell those who know it.
        self.mask_head: Any = mask_head
        self.instances, self.seg_row, self.answer = instances, seg_row, answer
        self.report, self.lm_head = report, lm_head
        self.layers: Host = layers or Llama(llm)
        self.cache: ByteCache[Seen] = ByteCache(cache_bytes)
        self._encoding = Lock()

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, cols) of image tokens."""
        return self.clip.grid

    def tokens(self, picture: np.ndarray) -> int:
        """Every picture makes N image tokens: the tower sees them all at one size."""
        return self.N

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
        pixels, crop = self.clip.pixels(picture)
        vision = self.clip.features(pixels, self.project)
        embedding, sam_input = self.mask_head.encode(picture)
        seen = Seen(vision, crop, embedding, sam_input)
        if self.instances is None:
            return seen
        size = picture.shape[:2]
        found = instances_of(self.instances, picture, lambda boxes: self.mask_head.from_boxes(embedding, boxes, size))
        covered = torch.from_numpy(coverage(found.masks, size, crop, self.grid))
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
        layout = self.layout(prompt, seen.crop, room)
        ids = torch.tensor((*prompt.sys, *prompt.usr, *prompt.out), device=self.device)
        text = self.layers.embed(ids)
        image = self.project(seen.vision.patches)
        return torch.cat([text[: layout.N_sys], image, text[layout.N_sys :]]), layout

    def layout(self, prompt: Prompt, crop: Box, room: int = 0) -> Layout:
        """Where a prompt's tokens stand around the image. Raises ValueError where the model has too few
        positions for them and `room` more.
        """
        before = len(prompt.sys) + self.N
        layout = Layout(
            N_sys=len(prompt.sys),
            N=self.N,
            N_usr=len(prompt.usr),
            N_out=len(prompt.out),
            grid=self.grid,
            crop=crop,
            I_seg=tuple(before + slot for slot in prompt.I_seg),
            # Before an answer is written, the row that predicts its first token ranks.
            I_rank=(before + len(prompt.usr) - 1,) if prompt.answer == "generated" else (),
            answer=prompt.answer,
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
