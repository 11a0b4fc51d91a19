"""A model that can be asked: what `csp.load` returns. How a question runs is `csp.models.flow`'s."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypedDict, Unpack, overload

import torch

from csp import images
from csp.models.answers import MAX_NEW_TOKENS
from csp.models.flow import Planner, Prefixes, Question, Recorded, answer_all
from csp.models.lisa import Lisa
from csp.models.memory import LIGHTER, survives_out_of_memory
from csp.models.parts import Parts
from csp.models.prompt import Answer
from csp.types import Force, Result, SegMode, Template

PREFIX_BYTES = 256 * 2**20

Methods = Callable[[Any, int, int], Planner]
"""From what was given as a method (an instance, a name, None), N and L to a plan of stages."""


class Options(TypedDict, total=False):
    """What `Segmenter.segment` is told by keyword alone."""

    seg_mode: SegMode
    template: Template
    max_new_tokens: int
    reuse: bool | None
    record: Recorded


class Segmenter(Parts):
    """A model that can be asked. `methods` makes a plan of what `segment` is given as its method, for N image tokens and L
    layers, and a default one of None; up to `prefix_bytes` of keys and values are kept
    for `segment(..., reuse=True)`. `tuned_under` is the plan that the mask head was tuned under, None where it was not.
    """

    def __init__(self, methods: Methods, prefix_bytes: int = PREFIX_BYTES):
        self.methods = methods
        self.tuned_under: Any = None
        self.prefixes = Prefixes(prefix_bytes)

    @overload
    def segment(
        self,
        image: list[Any] | tuple[Any, ...],
        query: str | Sequence[str],
        method: Planner | str | None = None,
        seed: int = 0,
        force: Force | Sequence[Force | None] | None = None,
        answer: Answer | None = None,
        **more: Unpack[Options],
    ) -> list[Result]: ...

    @overload
    def segment(
        self,
        image: Any,
        query: str,
        method: Planner | str | None = None,
        seed: int = 0,
        force: Force | None = None,
        answer: Answer | None = None,
        **more: Unpack[Options],
    ) -> Result: ...

    @overload
    def segment(
        self,
        image: Any,
        query: Sequence[str],
        method: Planner | str | None = None,
        seed: int = 0,
        force: Force | Sequence[Force | None] | None = None,
        answer: Answer | None = None,
        **more: Unpack[Options],
    ) -> list[Result]: ...

    @survives_out_of_memory("segmenting", LIGHTER)
    @torch.no_grad()
    def segment(
        self,
        image: Any,
        query: str | Sequence[str],
        method: Planner | str | None = None,
        seed: int = 0,
        force: Force | Sequence[Force | None] | None = None,
        answer: Answer | None = None,
        *,
        seg_mode: SegMode = "teacher",
        template: Template = "auto",
        max_new_tokens: int = MAX_NEW_TOKENS,
        reuse: bool | None = None,
        record: Recorded = "rows",
    ) -> Result | list[Result]:
        """Masks for a query, one per [SEG], with all that happened on the way; a list for a list of queries or pictures.

        `image` is PIL or uint8 RGB [H, W, 3] (or a path, a file's bytes, a torch tensor: `csp.images.read`); `method` a plan
        of stages, or one's name in `csp.METHODS`, CSP by default; `seed` drives every lot that is drawn;
        `force={"pruning": {"keep": [...], "drop": [...]}}` overrides a stage's choice of patches; for a list of queries or
        pictures it may be a list of one each, so that one query runs with many changes over one prefix. `template` is the
        form of the question: "auto" tells an expression ("refer", in small letters; "phrase", as it is written) from a
        "sentence"; "chat" adds nothing to the words.
        `record="heads"` keeps attention head by head in `Trace.heads`, for every layer.

        `seg_mode="teacher"` gives the model its answer, [SEG]; "generated" lets it write up to `max_new_tokens`,
        kept in `Result.text`, with a mask for every [SEG] in it, none where there is none. Tokens are then ranked
        by the prompt's last row; see `csp.models.answers.Writer`.

        Queries in a list share the picture: it is encoded once, and what stands before their words runs once
        through the layers in which they agree on the image tokens (`csp.shared`); `ms` is each query's share.
        `reuse=True` keeps that part for later calls with the same picture, method, seed and force, within
        `prefix_bytes`; `reuse=False` runs every query by itself. By default a single query runs by itself, so that
        its result does not depend, not even in the last bit, on what was asked before.

        Pictures in a list get one query all, or one each. On a GPU their rows run in one batch; on a CPU, where that saves
        nothing, one after the other.

        Raises ValueError for bad input, before anything slow runs.
        """
        question = Question(
            self.methods(method, self.N, self.L), seed, force, answer, seg_mode, template, max_new_tokens, reuse, record
        )
        pictures, one = images.read_all(image)
        lone = not isinstance(query, list | tuple)
        queries: list[Any] = [query] if lone else list(query)
        if one:
            pictures = pictures * len(queries)
        elif lone:
            queries = queries * len(pictures)
        if len(queries) != len(pictures):
            raise ValueError(f"{len(pictures)} pictures need one query all, or one each, got {len(queries)} queries")
        if reuse and not one:
            raise ValueError("reuse=True keeps what queries on one picture share: ask picture by picture")
        together = (not lone if one else self.device.type == "cuda") if reuse is None else reuse
        results = answer_all(self, question, pictures, queries, together, self.prefixes)
        return results[0] if one and lone else results


class LisaSegmenter(Lisa, Segmenter):
    """LISA, ready to be asked: what `csp.load` returns."""

    def __init__(self, methods: Methods, *parts: Any, prefix_bytes: int = PREFIX_BYTES, **more: Any):
        Lisa.__init__(self, *parts, **more)
        Segmenter.__init__(self, methods, prefix_bytes)
