"""A model in the manner of LISA, assembled from injected parts: encode a picture, assemble the sequence,
decide on a mask.

Vision tower -> projector -> decoder -> the [SEG] state -> text_hidden_fcs -> SAM's mask decoder. Knows no
method by name and no file: `csp.checkpoints` builds the parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from csp import images
from csp.decoder import DecoderLayers
from csp.models.answers import MAX_NEW_TOKENS, Writer
from csp.models.asking import Asked, Planner, ask
from csp.models.cache import ByteCache, picture_key
from csp.models.clip import ClipTower
from csp.models.instances import Instances, coverage, propose
from csp.models.llama import Llama
from csp.models.memory import LIGHTER, survives_out_of_memory
from csp.models.prompt import Answer, Prompt, Prompter, SegRow
from csp.models.sam import MaskHead
from csp.models.weights import LoadReport
from csp.shared import Prefix
from csp.tokens import VisionFeatures
from csp.types import Box, Force, Layout, Result, SegMode, Template

CACHE_BYTES = 256 * 2**20
PREFIX_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture as the towers see it; nothing here depends on a query.

    `crop` is the part under the image tokens; `embedding` [1, C, g, g] is SAM's of the whole picture, of
    whose padded input `sam_input` (h, w) is picture; `masks` bool [K, h, w] are the instances, None without
    a proposer.
    """

    vision: VisionFeatures
    crop: Box
    embedding: Tensor
    sam_input: tuple[int, int]
    masks: np.ndarray | None = None

    @property
    def nbytes(self) -> int:
        tensors = [self.embedding, *(t for t in vars(self.vision).values() if isinstance(t, Tensor))]
        return sum(t.nbytes for t in tensors) + (0 if self.masks is None else self.masks.nbytes)


class Lisa:
    """Reasoning segmentation with any plan of stages.

    `seg_row` says which state becomes a mask ("before": the one that predicts [SEG], as LISA was trained;
    "token": [SEG]'s own); `answer` whether the teacher-forced answer stays in the sequence ("full") or ends
    at that row ("cut": the same masks, since attention is causal). `method` is what `segment` runs by
    default. Up to `cache_bytes` of encoded pictures are kept, and up to `prefix_bytes` of keys and values for
    `segment(..., reuse=True)`. Without `lm_head` the model cannot write. `layers` run `llm` another way
    (`csp.models.backends`).
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
        method: Planner,
        instances: Instances | None = None,
        seg_row: SegRow = "before",
        answer: Answer = "full",
        cache_bytes: int = CACHE_BYTES,
        report: LoadReport | None = None,
        lm_head: nn.Module | None = None,
        prefix_bytes: int = PREFIX_BYTES,
        layers: Llama | None = None,
    ):
        self.llm: Any = llm
        self.name, self.clip, self.projector = name, clip, projector
        self.text_hidden_fcs, self.mask_head, self.prompter = text_hidden_fcs, mask_head, prompter
        self.method, self.instances, self.seg_row, self.answer = method, instances, seg_row, answer
        self.report, self.lm_head = report, lm_head
        self.caching = layers or Llama(llm)
        self.layers: DecoderLayers = self.caching
        self.cache: ByteCache[Seen] = ByteCache(cache_bytes)
        self.prefixes: ByteCache[tuple[Prefix, ...]] = ByteCache(prefix_bytes)
        self._encoding = Lock()

    @property
    def L(self) -> int:
        """Decoder layers."""
        return self.layers.num_layers

    @property
    def N(self) -> int:
        """Image tokens."""
        return self.clip.grid[0] * self.clip.grid[1]

    @property
    def device(self) -> torch.device:
        return self.llm.device

    @property
    def dtype(self) -> torch.dtype:
        return self.llm.dtype

    @survives_out_of_memory("encoding the picture", LIGHTER)
    @torch.no_grad()
    def encode(self, image: Any) -> Seen:
        """Vision features, SAM embedding and instances of a picture; kept, so that a second query costs
        only the decoder.
        """
        picture = images.read(image)
        key = picture_key(picture)
        # One at a time: visitors with the same new picture share one encoding; YOLO's head is not re-entrant.
        with self._encoding:
            seen = self.cache.get(key)
            if seen is None:
                seen = self._encode(picture)
                self.cache.put(key, seen, seen.nbytes)
        return seen

    def _encode(self, picture: np.ndarray) -> Seen:
        pixels, crop = self.clip.pixels(picture)
        masks = covered = sure = None
        if self.instances is not None:
            masks, confidence = propose(self.instances, picture)
            sure = None if confidence is None else torch.from_numpy(confidence)
            covered = torch.from_numpy(coverage(masks, picture.shape[:2], crop, self.clip.grid))
        vision = replace(self.clip.features(pixels, self.project, covered), confidence=sure)
        embedding, sam_input = self.mask_head.encode(picture)
        return Seen(vision, crop, embedding, sam_input, masks)

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
        text = self.llm.get_input_embeddings()(ids)
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
            grid=self.clip.grid,
            crop=crop,
            I_seg=tuple(before + slot for slot in prompt.I_seg),
            # Before an answer is written, the row that predicts its first token ranks.
            I_rank=(before + len(prompt.usr) - 1,) if prompt.answer == "generated" else (),
            answer=prompt.answer,
        )
        most = self.llm.config.max_position_embeddings
        if layout.T + room > most:
            more = f" and leaves no room for {room} new ones" if room else ""
            raise ValueError(
                f"the query makes a sequence of {layout.T} tokens{more}, the model has {most} positions: shorten it"
            )
        return layout

    @overload
    def segment(
        self,
        image: Any,
        query: str,
        method: Planner | None = None,
        seed: int = 0,
        force: Force | None = None,
        answer: Answer | None = None,
        *,
        seg_mode: SegMode = "teacher",
        template: Template = "auto",
        max_new_tokens: int = MAX_NEW_TOKENS,
        reuse: bool | None = None,
    ) -> Result: ...

    @overload
    def segment(
        self,
        image: Any,
        query: Sequence[str],
        method: Planner | None = None,
        seed: int = 0,
        force: Force | None = None,
        answer: Answer | None = None,
        *,
        seg_mode: SegMode = "teacher",
        template: Template = "auto",
        max_new_tokens: int = MAX_NEW_TOKENS,
        reuse: bool | None = None,
    ) -> list[Result]: ...

    @survives_out_of_memory("segmenting", LIGHTER)
    @torch.no_grad()
    def segment(
        self,
        image: Any,
        query: str | Sequence[str],
        method: Planner | None = None,
        seed: int = 0,
        force: Force | None = None,
        answer: Answer | None = None,
        *,
        seg_mode: SegMode = "teacher",
        template: Template = "auto",
        max_new_tokens: int = MAX_NEW_TOKENS,
        reuse: bool | None = None,
    ) -> Result | list[Result]:
        """Masks for a query, one per [SEG], with all that happened on the way; for a list of queries, a list.

        `image` is PIL or uint8 RGB [H, W, 3] (or a path, or a file's bytes); `method` a plan of stages, CSP
        by default; `seed` drives every lot that is drawn; `force={"pruning": {"keep": [...], "drop":
        [...]}}` overrides a stage's choice of patches. `template` is the form of the question: "auto" tells an
        expression ("refer") from a "sentence"; "chat" adds nothing to the words.

        `seg_mode="teacher"` gives the model its answer, [SEG]; "generated" lets it write up to `max_new_tokens`,
        kept in `Result.text`, with a mask for every [SEG] in it, none where there is none. Tokens are then ranked
        by the prompt's last row; see `csp.models.answers.Writer`.

        Queries in a list share the picture: it is encoded once, and what stands before their words runs once
        through the layers in which they agree on the image tokens (`csp.shared`); `ms` is each query's share.
        `reuse=True` keeps that part for later calls with the same picture, method, seed and force, within
        `prefix_bytes`; `reuse=False` runs every query by itself. By default a single query runs by itself, so that
        its result does not depend, not even in the last bit, on what was asked before.

        Raises ValueError for bad input, before anything slow runs.
        """
        several = isinstance(query, list | tuple)
        asked = Asked(
            images.read(image), method or self.method, seed, force, answer, seg_mode, template, max_new_tokens, reuse
        )
        together = several if reuse is None else reuse
        results = ask(self, asked, query if several else [query], together)  # type: ignore[list-item]
        return results if several else results[0]

    def writer(self) -> Writer:
        """What writes answers. Raises ValueError for a model without lm_head."""
        if self.lm_head is None:
            raise ValueError(
                f"{self.name} has no lm_head, so that it cannot write an answer: use seg_mode='teacher', or load a "
                "checkpoint that holds lm_head.weight"
            )
        return Writer(self.caching, self.llm.get_input_embeddings(), self.lm_head, self.prompter, self.seg_row)

    def masks(self, seen: Seen, seg_state: Tensor) -> tuple[Tensor, Tensor]:
        """SAM's float32 logits [K, h, w] and its own scores [K] for final states [K, d]."""
        first = next(self.text_hidden_fcs.parameters())
        prompts = self.text_hidden_fcs(seg_state.to(first.device, first.dtype))
        return self.mask_head.decode(seen.embedding, prompts.to(seen.embedding.device))
