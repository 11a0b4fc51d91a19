"""From questions to results, straight down: prompts and plans are made, pictures encoded, stages run, states decided upon.

Any `csp.models.parts.Parts` can be asked, with any plan of stages; `csp.models.asking` says how one asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from csp.checks import check_choice, check_integer
from csp.decoder import Alone, Decoded, Stage, Stopwatch, decode_all
from csp.finite import check_finite
from csp.flops import cost
from csp.forcing import forces
from csp.models.answers import MOST_NEW_TOKENS, Writer
from csp.models.cache import ByteCache, picture_key
from csp.models.parts import Parts, Seen
from csp.models.prompt import Answer, Prompt
from csp.shared import Prefix, Together
from csp.tokens import TokenSequence
from csp.types import Force, Request, Result, SegMode, Template

# Queries that share one batch: more of them save little, and hidden states of all are in memory at once.
BATCH = 8

Recorded = Literal["rows", "heads"]
Prefixes = ByteCache[tuple[Prefix, ...]]
"""What queries on one picture share, stage by stage, for queries to come."""


class Planner(Protocol):
    """What a model asks of a method: a name, and a plan for N image tokens and L layers."""

    @property
    def name(self) -> str: ...

    def plan(self, N: int, L: int) -> Sequence[Stage]: ...


@dataclass(frozen=True, eq=False)
class Question:
    """What all queries of one call have in common; `csp.models.asking.Segmenter.segment` says what each field means.

    Raises ValueError for what does not fit together.
    """

    method: Planner
    seed: int
    force: Force | Sequence[Force | None] | None
    answer: Answer | None
    seg_mode: SegMode
    template: Template
    max_new_tokens: int
    reuse: bool | None
    record: Recorded

    def __post_init__(self) -> None:
        check_integer("seed", self.seed, 0, 2**63 - 1)
        check_choice("seg_mode", self.seg_mode, ("teacher", "generated"))
        check_choice("record", self.record, ("rows", "heads"))
        check_integer("max_new_tokens", self.max_new_tokens, 1, MOST_NEW_TOKENS)
        if self.generated and (self.answer is not None or self.reuse):
            raise ValueError("answer= and reuse= are for answers that are given: leave them out with seg_mode='generated'")
        if self.answer == "generated":
            raise ValueError("answer must be \"full\" or \"cut\"; seg_mode='generated' lets the model write its answer")

    @property
    def generated(self) -> bool:
        return self.seg_mode == "generated"

    @property
    def how(self) -> dict[str, Any]:
        """What the loop is told."""
        return {"seed": self.seed, "record": self.record}


@dataclass(frozen=True, eq=False)
class Item:
    """A query about a picture, ready to run."""

    request: Request
    prompt: Prompt
    plan: Sequence[Stage]


def answer_all(
    model: Parts,
    question: Question,
    pictures: Sequence[np.ndarray],
    queries: Sequence[str],
    together: bool,
    prefixes: Prefixes,
) -> list[Result]:
    """A result for each query about its picture. ``together``: in batches that share what stands at their front; where the
    question says so, what they share is taken up from ``prefixes`` and left there.
    """
    asked = zip(pictures, queries, forces(question.force, len(queries)), strict=True)
    items = [_item(model, question, *each) for each in asked]
    writer = Writer(model) if question.generated else None
    if not items:
        return []
    watch = Stopwatch(model.device)
    encoded = {id(picture): model.encode(picture) for picture in {id(p): p for p in pictures}.values()}
    seen = [encoded[id(picture)] for picture in pictures]
    most = question.max_new_tokens if question.generated else 0
    starts = [
        TokenSequence.start(*model.embed(s, item.prompt, most), model.wording(item.prompt, item.request.query))
        for s, item in zip(seen, items, strict=True)
    ]
    for s, start in zip(seen, starts, strict=True):
        check_finite(s.vision.patches, "the vision tower")
        for features in [s.embedding] if isinstance(s.embedding, Tensor) else s.embedding:
            check_finite(features, "SAM's image encoder")
        check_finite(start.hidden, "the projector or the word embedding")
    watch.lap("vision")
    texts: list[str | None] = [None] * len(items)
    if writer is not None:
        pairs = [
            writer(start, item.plan, s.vision, most=most, force=item.request.force, **question.how)
            for start, item, s in zip(starts, items, seen, strict=True)
        ]
        runs, texts = [run for run, _ in pairs], [model.prompter.decode(ids) for _, ids in pairs]
    else:
        runs = _run(model, question, items, starts, seen, together, prefixes)
    watch.lap("between")
    maps = _masks(model, seen, [run.seg_state for run in runs], together)
    for logits, _ in maps:
        check_finite(logits, "the way from the final state to the mask (norm, text_hidden_fcs, SAM's mask decoder)")
    watch.lap("mask")
    share = {part: watch.ms[part] / len(items) for part in ("vision", "mask")}
    return [
        _result(model, *parts, share) for parts in zip(items, seen, runs, maps, texts, strict=True)
    ]


def _item(model: Parts, question: Question, picture: np.ndarray, query: str, force: Force | None) -> Item:
    """A query with its words as tokens and its plan. Raises ValueError for what will not do, before anything slow runs."""
    answer: Answer = "generated" if question.generated else question.answer or model.answer
    method = question.method
    knobs: dict[str, Any] = asdict(method)  # type: ignore[call-overload]
    prompt = model.prompter(query, answer, model.seg_row, question.template)
    plan = method.plan(model.tokens(picture), model.L)
    request = Request(
        image=picture,
        query=query,
        method=method.name,
        knobs=knobs,
        seed=question.seed,
        model=model.name,
        force=force,
        seg_mode=question.seg_mode,
        template=question.template,
    )
    return Item(request, prompt, plan)


def _run(
    model: Parts,
    question: Question,
    items: Sequence[Item],
    starts: Sequence[TokenSequence],
    seen: Sequence[Seen],
    together: bool,
    prefixes: Prefixes,
) -> list[Decoded]:
    """The loop on every start by itself, or on batches over one prefix, which is kept if it is to be reused."""
    runs: list[Decoded] = []
    key = f"{picture_key(items[0].request.image)} {question.method!r} {question.seed} {question.force}" if question.reuse else ""
    kept = prefixes.get(key) or ()
    for batch in _batches(starts, BATCH if together else 1):
        runner = Together(model.layers, kept) if together else Alone(model.layers)
        visions = [s.vision for s in seen[batch]]
        forced = [item.request.force for item in items[batch]]
        runs += decode_all(runner, starts[batch], items[batch.start].plan, visions, force=forced, **question.how)
        kept = runner.prefixes if isinstance(runner, Together) else ()
    if question.reuse:
        prefixes.put(key, kept, sum(prefix.nbytes for prefix in kept))
    return runs


def _batches(starts: Sequence[TokenSequence], most: int) -> Iterator[slice]:
    """Neighbours of at most ``most`` that have as many image tokens, and so one plan."""
    begin = 0
    for end in range(1, len(starts) + 1):
        if end == len(starts) or end - begin == most or starts[end].layout.N != starts[begin].layout.N:
            yield slice(begin, end)
            begin = end


def _masks(model: Parts, seen: Sequence[Seen], states: Sequence[Tensor], together: bool) -> list[tuple[Tensor, Tensor]]:
    """Logits and scores for the states of each query, in one batch if ``together`` on one picture."""
    if not together or any(s is not seen[0] for s in seen):
        return [model.masks(s, state) for s, state in zip(seen, states, strict=True)]
    counts = [len(state) for state in states]
    logits, iou = model.masks(seen[0], torch.cat(list(states)))
    return list(zip(logits.split(counts), iou.split(counts), strict=True))


def _result(
    model: Parts,
    item: Item,
    seen: Seen,
    run: Decoded,
    maps: tuple[Tensor, Tensor],
    text: str | None,
    share: dict[str, float],
) -> Result:
    layers, layout = model.layers, run.trace.layout
    logits, iou = maps
    # Instances are found for every picture, but only some methods live on them.
    skipped = sum(stage.L for stage in item.plan if stage.skip)
    guided = any(stage.instances is not None for stage in run.trace.stages)
    guide = (seen.guide_macs or 0) if guided else 0
    result = Result(
        request=item.request,
        logits=logits.cpu().numpy(),
        iou=iou.cpu().numpy(),
        seg_state=run.seg_state.float().cpu().numpy(),
        trace=run.trace,
        cost=cost(run.trace.n_per_layer, layout.N_text, layers.hidden_size, layers.intermediate_size, guide, skipped),
        sam_input=seen.sam_input,
        sam_size=model.mask_head.image_size,
        ms={"vision": share["vision"], "select": 0.0, "decoder": 0.0} | run.ms | {"mask": share["mask"]},
        notes=(*item.prompt.notes, *run.notes),
        words=item.prompt.words,
        text=text,
    )
    if len(result.iou) and not result.mask.any():
        return replace(result, notes=(*result.notes, "the mask is empty: nothing was found"))
    return result
