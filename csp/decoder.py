"""The loop. A method is a list of stages: how many decoder layers run on which image tokens, chosen how on
entry.

The loop knows no method and no model: methods see a `View` and answer with a `Choice`, models run layers
behind `DecoderLayers`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from csp.forcing import apply_force, check_force
from csp.tokens import ImageTokens, Positions, TokenSequence, VisionFeatures
from csp.types import Force, Layout, StageRecord, Trace


@dataclass(frozen=True, eq=False)
class Ran:
    """What a backend returns for one stage.

    ``hidden`` [B, n, d] leaves the stage's last layer, ``entering`` [B, n, d] entered it; ``rows`` float32
    [L, n] are the recorded attention rows of every layer, None where none were asked for.
    """

    hidden: Tensor
    entering: Tensor
    rows: Tensor | None


class DecoderLayers(Protocol):
    """A decoder as a stack of layers: what the loop needs of a language model."""

    @property
    def num_layers(self) -> int: ...

    def run(self, first: int, L: int, hidden: Tensor, position_ids: Tensor, record: Tensor | None = None) -> Ran:
        """Run layers first..first+L-1, causally, on ``hidden`` [B, n, d] with rotary ``position_ids`` int64
        [n].

        ``record`` int64 [r] asks for the attention of these rows at every layer: softmax over the whole
        visible row in fp32, mean over heads and over the r rows, from the keys that the layers computed
        anyway.
        """
        ...

    def attention(
        self,
        layer: int,
        hidden: Tensor,
        position_ids: Tensor,
        rows: Tensor,
        rope: bool = True,
        columns: slice | None = None,
    ) -> Tensor:
        """Attention float32 [H, r, n] that ``rows`` int64 [r] pay when ``layer`` is entered by ``hidden`` [1,
        n, d].

        Causal, fp32 softmax, over the keys of ``columns`` only (all n by default); ``rope=False`` leaves
        positions out of it.
        """
        ...

    def norm(self, hidden: Tensor) -> Tensor:
        """The final norm, [B, n, d] to [B, n, d]."""
        ...


@dataclass(frozen=True, eq=False)
class Choice:
    """A stage's answer on entry: the image tokens to go on with, and why.

    ``score`` [N] is what was ranked (NaN: not ranked), ``heads`` [H, N] the same for each head at layer
    ``rank_layer``, both by patch. ``instances`` counts objects (Seg-First), ``notes`` tell of fallbacks
    taken.
    """

    image: ImageTokens
    score: Tensor | None = None
    score_name: str = ""
    rank_layer: int | None = None
    heads: Tensor | None = None
    instances: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Stage:
    """``L`` layers on ``N`` image tokens, which ``enter`` chooses once, before the first of them. ``N``
    None: the image decides.
    """

    name: str
    L: int
    N: int | None
    enter: Callable[[View], Choice]
    positions: Positions = "keep"


def planned(plan: Sequence[Stage]) -> tuple[int | None, ...]:
    """Image tokens of every layer, known before one has run; None where the image decides."""
    return tuple(stage.N for stage in plan for _ in range(stage.L))


class View:
    """All that a method sees when a stage begins: read-only."""

    def __init__(
        self,
        layers: DecoderLayers,
        start: TokenSequence,
        now: TokenSequence,
        layer: int,
        entering: Tensor | None,
        vision: VisionFeatures | None,
        rng: torch.Generator,
    ) -> None:
        self.start = start
        self.now = now
        self.layer = layer
        self.rng = rng
        self._layers = layers
        self._entering = entering
        self._vision = vision

    @property
    def layout(self) -> Layout:
        return self.start.layout

    @property
    def vision(self) -> VisionFeatures:
        """The vision tower's features; ValueError where the caller gave none."""
        if self._vision is None:
            raise ValueError("this method reads the vision tower, but decode() was given no vision features; pass vision=...")
        return self._vision

    def attention(
        self,
        rows: Iterable[int],
        layer: Literal["last", "next"] = "last",
        rope: bool = True,
        over: Literal["all", "image"] = "all",
    ) -> Tensor:
        """Attention float32 [H, r, n] from text tokens, named by slot, to the n present image tokens.

        ``last``: in the layer that has just run; ``next``: with the coming layer's weights on the present
        states. The softmax runs over everything that the row sees, or over image tokens alone
        (``over="image"``).
        """
        if layer == "last" and self._entering is None:
            raise ValueError("no layer has run that could rank; rank by the next layer, or let a stage of one layer run first")
        index, hidden = (self.layer - 1, self._entering) if layer == "last" else (self.layer, self.now.hidden)
        assert hidden is not None
        at = self.now.image_rows
        columns = at if over == "image" else None
        map_ = self._layers.attention(index, hidden, self.now.position_ids, self.now.rows(rows), rope, columns)
        return map_ if over == "image" else map_[..., at]

    def project(self, features: Tensor) -> Tensor:
        """Features [..., C] of the vision tower in the decoder's space [..., d]."""
        return self.vision.project(features)


@dataclass(frozen=True, eq=False)
class Decoded:
    """What `decode` returns: ``seg_state`` [K, d] after the final norm, the final ``sequence`` before it,
    and what happened.
    """

    seg_state: Tensor
    sequence: TokenSequence
    trace: Trace
    notes: tuple[str, ...] = ()
    ms: dict[str, float] = field(default_factory=dict)


@torch.no_grad()
def decode(
    layers: DecoderLayers,
    start: TokenSequence,
    plan: Sequence[Stage],
    vision: VisionFeatures | None = None,
    *,
    seed: int = 0,
    force: Force | None = None,
    record: bool = True,
) -> Decoded:
    """Run ``start`` through all layers by ``plan`` and read the state at ``layout.I_seg``.

    ``seed`` drives a CPU generator, so that choices are the same on every device. ``force`` is applied after
    each stage's own selection. ``record=False`` leaves A_SEG and A_text NaN, for timing. Raises ValueError
    for a plan that does not cover the layers or a ``force`` that names no stage or patch.
    """
    plan = covering(plan, layers.num_layers)
    layout, now = start.layout, start
    force = check_force(force, [stage.name for stage in plan], layout.N)
    rng = torch.Generator("cpu").manual_seed(seed)
    watch = Stopwatch(start.hidden.device)
    entering: Tensor | None = None
    done = 0
    ran: list[tuple[Entered, Tensor | None]] = []
    for stage in plan:
        entered = enter(stage, View(layers, start, now, done, entering, vision, rng), force)
        now = entered.sequence
        watch.lap("select")
        rows = now.rows(layout.I_rank) if record and layout.I_rank else None
        out = layers.run(done, stage.L, now.hidden, now.position_ids, rows)
        ran.append((entered, out.rows))
        now, entering, done = now.with_hidden(out.hidden), out.entering, done + stage.L
        watch.lap("decoder")
    state = layers.norm(now.hidden[:, now.rows(layout.I_seg).to(now.hidden.device)])[0]
    watch.lap("decoder")
    return Decoded(state, now, trace_of(layout, ran), notes_of(ran), watch.ms)


def covering(plan: Sequence[Stage], num_layers: int) -> list[Stage]:
    """The stages that run a layer. Raises ValueError unless together they run all ``num_layers``."""
    plan = [stage for stage in plan if stage.L]
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
    if stage.N is not None and choice.image.n != stage.N:
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


def notes_of(ran: Sequence[tuple[Entered, Tensor | None]]) -> tuple[str, ...]:
    """What the stages told, each note once; ``ran`` as in `trace_of`."""
    return tuple(dict.fromkeys(note for entered, _ in ran for note in entered.choice.notes))


def trace_of(layout: Layout, ran: Sequence[tuple[Entered, Tensor | None]]) -> Trace:
    """Everything that ran, as numpy: the stages, each with its recorded attention rows [L, n] where there are any."""
    records, A_SEG, A_text, n_per_layer = [], [], [], []
    heads: dict[int, np.ndarray] = {}
    rank_layer: int | None = None
    done = 0
    for entered, recorded in ran:
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
        if recorded is None:
            A_SEG.append(np.full((stage.L, layout.N), np.nan))
            A_text.append(np.full((stage.L, layout.N_usr), np.nan))
        else:
            rows = recorded.cpu()
            A_SEG.append(image.to_patches(rows[:, now.image_rows]).numpy())
            A_text.append(rows[:, now.rows(range(layout.usr.start, layout.usr.stop))].numpy())
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
