"""The loop. A method is a list of stages: how many decoder layers run on which image tokens, chosen how on
entry.

The loop knows no method and no model: methods see a `View` and answer with a `Choice`, models run layers
behind `DecoderLayers`. Nor does it know how the rows of its sequences run, each alone, together over what they share
(`csp.shared`) or into a cache that goes on (`csp.generation`): that is a `Runner`'s.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from csp.finite import check_ran
from csp.forcing import apply_force, check_force, forces
from csp.layers import DecoderLayers, Ran
from csp.stages import Choice, Stage, View, planned
from csp.tokens import TokenSequence, VisionFeatures
from csp.types import Force, Layout, StageRecord, Trace

__all__ = [
    "Alone",
    "Choice",
    "Decoded",
    "DecoderLayers",
    "Record",
    "Runner",
    "Stage",
    "Stopwatch",
    "View",
    "decode",
    "decode_all",
    "planned",
    "ranking_rows",
]

Record = bool | Literal["heads"]
"""Whether attention rows are recorded, and whether head by head as well."""


@dataclass(frozen=True, eq=False)
class Decoded:
    """What the loop makes of a sequence: ``seg_state`` [K, d] after the final norm, the final ``sequence`` before it,
    and what happened.
    """

    seg_state: Tensor
    sequence: TokenSequence
    trace: Trace
    notes: tuple[str, ...] = ()
    ms: dict[str, float] = field(default_factory=dict)


class Runner(Protocol):
    """How the rows of several sequences run through a stage's layers."""

    @property
    def layers(self) -> DecoderLayers: ...

    def run(self, first: int, L: int, nows: Sequence[TokenSequence], record: Record) -> list[Ran]:
        """Layers first..first+L-1 on every sequence; ``record`` as in `decode`, of the rows at ``layout.I_rank``."""
        ...


@runtime_checkable
class Forgetful(Protocol):
    """A `Runner` that remembers rows, and can forget some."""

    def forget(self, layers: range, nows: Sequence[TokenSequence]) -> None:
        """Lose in the memory of ``layers``, of the stage that has just run, every row that is not in ``nows``."""
        ...


@dataclass(frozen=True)
class Alone:
    """Every sequence by itself."""

    layers: DecoderLayers

    def run(self, first: int, L: int, nows: Sequence[TokenSequence], record: Record) -> list[Ran]:
        # Layers that know no heads will do as long as nobody asks for them.
        more = {"heads": True} if record == "heads" else {}
        return [self.layers.run(first, L, now.hidden, now.position_ids, ranking_rows(now, record), **more) for now in nows]


def ranking_rows(now: TokenSequence, record: Record) -> Tensor | None:
    """The rows whose attention is to be recorded, None where none is."""
    return now.rows(now.layout.I_rank) if record and now.layout.I_rank else None


@dataclass
class _Pass:
    """One sequence on its way through the stages."""

    start: TokenSequence
    vision: VisionFeatures | None
    rng: torch.Generator
    force: Mapping[str, dict[str, list[int]]]
    now: TokenSequence
    entering: Tensor | None = None
    ran: list[tuple[Entered, Ran]] = field(default_factory=list)


def decode(
    layers: DecoderLayers,
    start: TokenSequence,
    plan: Sequence[Stage],
    vision: VisionFeatures | None = None,
    *,
    seed: int = 0,
    force: Force | None = None,
    record: Record = True,
) -> Decoded:
    """`decode_all` for one sequence that runs alone."""
    return decode_all(Alone(layers), [start], plan, [vision], seed=seed, force=force, record=record)[0]


@torch.no_grad()
def decode_all(
    runner: Runner,
    starts: Sequence[TokenSequence],
    plan: Sequence[Stage],
    visions: Sequence[VisionFeatures | None],
    *,
    seed: int = 0,
    force: Force | Sequence[Force | None] | None = None,
    record: Record = True,
) -> list[Decoded]:
    """Run every start through all layers by ``plan``, with what the vision tower saw of its picture, and read its states at
    ``layout.I_seg``.

    ``seed`` drives a CPU generator for each, so that choices are the same on every device and in any company. ``force``, one
    for all or a list of one each, is applied after each stage's own selection. ``record=False`` leaves A_SEG and A_text
    NaN, for timing; "heads" keeps the rows of every head at every layer as well. ``ms`` is each one's share of the time.
    Raises ValueError for a plan that does not cover the layers, a ``force`` that names no stage or patch, and states that
    are NaN, naming the layer.
    """
    layers = runner.layers
    plan = covering(plan, layers.num_layers)
    names = [stage.name for stage in plan]
    passes = [
        _Pass(start, vision, torch.Generator("cpu").manual_seed(seed), check_force(own, names, start.layout.N), start)
        for start, vision, own in zip(starts, visions, forces(force, len(starts)), strict=True)
    ]
    if not passes:
        return []
    watch = Stopwatch(starts[0].hidden.device)
    done = 0
    for stage in plan:
        entered = [
            enter(stage, View(layers, p.start, p.now, done, p.entering, p.vision, p.rng), p.force) for p in passes
        ]
        watch.lap("select")
        nows = [e.sequence for e in entered]
        if stage.forget and isinstance(runner, Forgetful):
            runner.forget(stage.forget, nows)
        outs = [Ran(now.hidden, now.hidden, None) for now in nows] if stage.skip else runner.run(done, stage.L, nows, record)
        for p, e, out in zip(passes, entered, outs, strict=True):
            check_ran(layers, done, stage.L, e.sequence, out.hidden)
            p.ran.append((e, out))
            p.now, p.entering = e.sequence.with_hidden(out.hidden), out.entering
        done += stage.L
        watch.lap("decoder")
    states = [layers.norm(p.now.hidden[:, p.now.rows(p.now.layout.I_seg).to(p.now.hidden.device)])[0] for p in passes]
    watch.lap("decoder")
    share = {part: total / len(passes) for part, total in watch.ms.items()}
    return [
        Decoded(state, p.now, trace_of(p.start.layout, p.ran), notes_of(p.ran), dict(share))
        for p, state in zip(passes, states, strict=True)
    ]


def covering(plan: Sequence[Stage], num_layers: int) -> list[Stage]:
    """The stages that run a layer. Raises ValueError unless together they run all ``num_layers``."""
    plan = [stage for stage in plan if stage.L]
    if any(stage.skip and (stage is not plan[-1] or stage.N != 0) for stage in plan):
        raise ValueError("only the last stage can be skipped, and with no image token")
    if sum(stage.L for stage in plan) != num_layers:
        raise ValueError(f"the stages run {sum(s.L for s in plan)} layers, the decoder has {num_layers}")
    return plan


@dataclass(frozen=True, eq=False)
class Entered:
    """A stage about to run: what it chose, the ``sequence`` that it runs on, and what ``force`` changed of its
    choice, None where it had no say.
    """

    stage: Stage
    choice: Choice
    sequence: TokenSequence
    forced: dict[str, list[int]] | None = None


def enter(stage: Stage, view: View, force: Mapping[str, dict[str, list[int]]]) -> Entered:
    """Let ``stage`` choose, and a checked ``force`` correct it. RuntimeError where a stage breaks its word."""
    choice = stage.enter(view)
    # Where tokens were dropped by force there may be fewer to choose from than the plan has; it then follows.
    dropped = any(orders["drop"] for orders in force.values())
    most = view.now.image.n if dropped else None
    if stage.N is not None and choice.image.n != stage.N and choice.image.n != most:
        raise RuntimeError(f"stage {stage.name} planned {stage.N} image tokens and chose {choice.image.n}")
    image, forced = choice.image, None
    if stage.name in force:
        image, forced = apply_force(image, force[stage.name], view.start, view.now)
    return Entered(stage, choice, view.now.with_image(image, stage.positions), forced)


class Stopwatch:
    """Milliseconds by part, the device's queue drained before each reading."""

    def __init__(self, device: torch.device) -> None:
        self.ms: dict[str, float] = {}
        self._device = device
        self._last = self._now()

    def lap(self, part: str) -> None:
        """Add the time since the last lap to ``part``."""
        now = self._now()
        self.ms[part] = self.ms.get(part, 0.0) + 1e3 * (now - self._last)
        self._last = now

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()


def notes_of(ran: Sequence[tuple[Entered, Ran]]) -> tuple[str, ...]:
    """What the stages told, each note once; ``ran`` as in `trace_of`."""
    return tuple(dict.fromkeys(note for entered, _ in ran for note in entered.choice.notes))


def attended(now: TokenSequence, rows: Tensor | None, L: int) -> tuple[np.ndarray, np.ndarray]:
    """Recorded rows [L, n] of a stage by patch, float [L, N], and by the user's words [L, N_usr]; NaN where none are."""
    layout = now.layout
    if rows is None:
        return np.full((L, layout.N), np.nan), np.full((L, layout.N_usr), np.nan)
    rows = rows.cpu()
    words = now.rows(range(layout.usr.start, layout.usr.stop))
    return now.image.to_patches(rows[:, now.image_rows]).numpy(), rows[:, words].numpy()


def trace_of(layout: Layout, ran: Sequence[tuple[Entered, Ran]]) -> Trace:
    """Everything that ran, as numpy: the stages, each with the attention rows recorded in it."""
    records, A_SEG, A_text, n_per_layer = [], [], [], []
    heads: dict[int, np.ndarray] = {}
    rank_layer: int | None = None
    done = 0
    for entered, out in ran:
        stage, choice, now = entered.stage, entered.choice, entered.sequence
        image = now.image
        records.append(
            StageRecord(
                name=stage.name,
                first_layer=done,
                L=stage.L,
                source=image.source.numpy(),
                slots=image.slots.numpy(),
                position_ids=image.position_ids.numpy(),
                score=None if choice.score is None else choice.score.float().cpu().numpy(),
                score_name=choice.score_name,
                instances=choice.instances,
            )
        )
        n_per_layer += [image.n] * stage.L
        on_image, on_text = attended(now, out.rows, stage.L)
        A_SEG.append(on_image)
        A_text.append(on_text)
        if out.heads is not None:
            by_head = image.to_patches(out.heads[:, :, now.image_rows]).numpy().astype(np.float16)
            heads |= dict(zip(range(done, done + stage.L), by_head, strict=True))
        if choice.rank_layer is not None:
            rank_layer = choice.rank_layer
            if choice.heads is not None:
                heads[rank_layer] = choice.heads.cpu().numpy().astype(np.float16)
        done += stage.L
    return Trace(
        layout=layout,
        stages=tuple(records),
        A_SEG=np.concatenate(A_SEG),
        A_text=np.concatenate(A_text),
        rank_layer=rank_layer,
        heads=heads,
        n_per_layer=tuple(n_per_layer),
        n_avg=sum(n_per_layer) / len(n_per_layer),
        forced={e.stage.name: {k: tuple(v) for k, v in e.forced.items()} for e, _ in ran if e.forced is not None},
    )
