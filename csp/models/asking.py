"""From questions to results, straight down: what was asked is checked, pictures are encoded, stages run, states decided upon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol, overload

import numpy as np
import torch
from torch import Tensor

from csp import images
from csp.checks import check_choice, check_integer
from csp.decoder import Decoded, Stage, Stopwatch, decode
from csp.flops import cost
from csp.models.answers import MAX_NEW_TOKENS, MOST_NEW_TOKENS, Writer
from csp.models.cache import ByteCache, picture_key
from csp.models.lisa import Lisa
from csp.models.memory import LIGHTER, survives_out_of_memory
from csp.models.parts import Parts, Seen
from csp.models.prompt import Answer, Prompt
from csp.shared import Prefix, decode_together
from csp.tokens import TokenSequence, VisionFeatures
from csp.types import Force, Request, Result, SegMode, Template

PREFIX_BYTES = 256 * 2**20
# Queries that share one batch: more of them save little, and hidden states of all are in memory at once.
TOGETHER = 8


class Planner(Protocol):
    """What a model asks of a method: a name, and a plan for N image tokens and L layers."""

    @property
    def name(self) -> str: ...

    def plan(self, N: int, L: int) -> Sequence[Stage]: ...


@dataclass(frozen=True, eq=False)
class Question:
    """What every query of one call has in common; `Segmenter.segment` says what each field means.

    Raises ValueError for what does not fit together.
    """

    picture: np.ndarray
    method: Planner
    seed: int
    force: Force | None
    answer: Answer | None
    seg_mode: SegMode
    template: Template
    max_new_tokens: int
    reuse: bool | None

    def __post_init__(self) -> None:
        check_integer("seed", self.seed, 0, 2**63 - 1)
        check_choice("seg_mode", self.seg_mode, ("teacher", "generated"))
        check_integer("max_new_tokens", self.max_new_tokens, 1, MOST_NEW_TOKENS)
        if self.generated and (self.answer is not None or self.reuse):
            raise ValueError("answer= and reuse= are for answers that are given: leave them out with seg_mode='generated'")
        if self.answer == "generated":
            raise ValueError("answer must be \"full\" or \"cut\"; seg_mode='generated' lets the model write its answer")

    @property
    def generated(self) -> bool:
        return self.seg_mode == "generated"


class Segmenter(Parts):
    """A model that can be asked. `method` is what `segment` runs by default; up to `prefix_bytes` of keys and values are kept
    for `segment(..., reuse=True)`.
    """

    def __init__(self, method: Planner, prefix_bytes: int = PREFIX_BYTES):
        self.method = method
        self.prefixes: ByteCache[tuple[Prefix, ...]] = ByteCache(prefix_bytes)

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
        asked = Question(
            images.read(image), method or self.method, seed, force, answer, seg_mode, template, max_new_tokens, reuse
        )
        together = several if reuse is None else reuse
        results = ask(self, asked, query if several else [query], together)  # type: ignore[list-item]
        return results if several else results[0]


class LisaSegmenter(Lisa, Segmenter):
    """LISA, ready to be asked: what `csp.load` returns."""

    def __init__(self, method: Planner, *parts: Any, prefix_bytes: int = PREFIX_BYTES, **more: Any):
        Lisa.__init__(self, *parts, **more)
        Segmenter.__init__(self, method, prefix_bytes)


def ask(model: Segmenter, asked: Question, queries: Sequence[str], together: bool) -> list[Result]:
    """A result for each query. ``together``: in batches that share what stands before their words."""
    most = asked.max_new_tokens if asked.generated else 0
    answer: Answer = "generated" if asked.generated else asked.answer or model.answer
    prompts = [model.prompter(query, answer, model.seg_row, asked.template) for query in queries]
    plan = asked.method.plan(model.tokens(asked.picture), model.L)
    writer = Writer(model) if asked.generated else None
    requests = [_request(model, asked, query) for query in queries]
    if not queries:
        return []

    watch = Stopwatch(model.layers.device)
    seen = model.encode(asked.picture)
    starts = [TokenSequence.start(*model.embed(seen, prompt, most)) for prompt in prompts]
    watch.lap("vision")
    texts: list[str | None] = [None] * len(queries)
    seed, force, vision = asked.seed, asked.force, seen.vision
    if writer is not None:
        pairs = [writer(start, plan, vision, seed=seed, force=force, most=most) for start in starts]
        runs, texts = [run for run, _ in pairs], [model.prompter.decode(ids) for _, ids in pairs]
    elif together:
        runs = _together(model, asked, starts, plan, vision)
    else:
        runs = [decode(model.layers, start, plan, vision, seed=seed, force=force) for start in starts]
    watch.lap("between")
    maps = _masks(model, seen, [run.seg_state for run in runs], together)
    watch.lap("mask")
    share = {part: watch.ms[part] / len(queries) for part in ("vision", "mask")}
    return [
        _result(model, seen, request, prompt, run, *map_, text, share)
        for request, prompt, run, map_, text in zip(requests, prompts, runs, maps, texts, strict=True)
    ]


def _request(model: Segmenter, asked: Question, query: str) -> Request:
    knobs: dict[str, Any] = asdict(asked.method)  # type: ignore[call-overload]
    return Request(
        image=asked.picture,
        query=query,
        method=asked.method.name,
        knobs=knobs,
        seed=asked.seed,
        model=model.name,
        force=asked.force,
        seg_mode=asked.seg_mode,
        template=asked.template,
    )


def _together(
    model: Segmenter, asked: Question, starts: Sequence[TokenSequence], plan: Sequence[Stage], vision: VisionFeatures
) -> list[Decoded]:
    """Batches over one prefix, which stays with the model if it is to be reused."""
    key = f"{picture_key(asked.picture)} {asked.method!r} {asked.seed} {asked.force}"
    kept = (model.prefixes.get(key) or ()) if asked.reuse else ()
    runs: list[Decoded] = []
    for i in range(0, len(starts), TOGETHER):
        batch = starts[i : i + TOGETHER]
        done, kept = decode_together(
            model.layers, batch, plan, vision, seed=asked.seed, force=asked.force, kept=kept
        )
        runs += done
    if asked.reuse:
        model.prefixes.put(key, kept, sum(prefix.nbytes for prefix in kept))
    return runs


def _masks(model: Segmenter, seen: Seen, states: Sequence[Tensor], together: bool) -> list[tuple[Tensor, Tensor]]:
    """Logits and scores for the states of each query, in one batch if ``together``."""
    if not together:
        return [model.masks(seen, state) for state in states]
    counts = [len(state) for state in states]
    logits, iou = model.masks(seen, torch.cat(list(states)))
    return list(zip(logits.split(counts), iou.split(counts), strict=True))


def _result(
    model: Segmenter,
    seen: Seen,
    request: Request,
    prompt: Prompt,
    run: Decoded,
    logits: Tensor,
    iou: Tensor,
    text: str | None,
    share: dict[str, float],
) -> Result:
    layers, layout = model.layers, run.trace.layout
    result = Result(
        request=request,
        logits=logits.cpu().numpy(),
        iou=iou.cpu().numpy(),
        seg_state=run.seg_state.float().cpu().numpy(),
        trace=run.trace,
        cost=cost(run.trace.n_per_layer, layout.N_text, layers.hidden_size, layers.intermediate_size),
        sam_input=seen.sam_input,
        sam_size=model.mask_head.image_size,
        ms={"vision": share["vision"], "select": 0.0, "decoder": 0.0} | run.ms | {"mask": share["mask"]},
        notes=(*prompt.notes, *run.notes),
        words=prompt.words,
        text=text,
    )
    if len(result.iou) and not result.mask.any():
        return replace(result, notes=(*result.notes, "the mask is empty: nothing was found"))
    return result
