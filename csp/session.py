"""What the app talks to: which methods there are with ranges for this model, and `run`, a Request in and a
Result out.

A session holds one model and its cache of encoded pictures; nothing of a request stays in it. Callers need
neither torch nor files.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from csp import images
from csp.batches import Batches, note
from csp.checkpoints import suited as suited
from csp.checks import check_integer
from csp.flops import cost
from csp.kept import Kept, common_of, key_of
from csp.methods import METHODS, PRESETS, Knob, Method, at_budget, build, find, fitted, knobs, named, solve, values
from csp.methods.found import read_preset as read_preset
from csp.methods.presets import SHAPES, Preset
from csp.models.asking import Segmenter
from csp.turns import Turns, long_work
from csp.types import Cost, Request, Result

KEPT_BYTES = 96 * 2**20
"""Of answers: a class asks several hundred different questions in a lesson, .17 MB each on park."""
TOGETHER = 8
"""Runs of one turn, where one question is asked with many changes or many ask about one picture."""


@dataclass(frozen=True)
class MethodCard:
    """A method for a page of controls: names, knobs whose ranges are numbers for the model at hand, and the file of its code."""

    name: str
    label: str
    paper: str
    knobs: tuple[Knob, ...]
    description: str
    source: str


@dataclass(frozen=True)
class ModelCard:
    """A model in words and numbers: `N` image tokens in a `grid` (rows, cols), `L` decoder layers of width
    `d` with `heads` attention heads each.
    """

    name: str
    N: int
    grid: tuple[int, int]
    L: int
    d: int
    heads: int
    device: str
    dtype: str
    instances: bool


@dataclass(frozen=True)
class Forecast:
    """A plan before it runs: (name, layers, image tokens) of its stages, None where the picture decides how many; its
    cost, None where that is not known; the dense cost.
    """

    stages: tuple[tuple[str, int, int | None], ...]
    cost: Cost | None
    dense: Cost


ON_A_CPU = ("park", "ByteDance/Sa2VA-1B")
"""Models with which a machine without a GPU answers while a visitor waits."""


def runnable(name: str) -> str:
    """A model that this machine can show to visitors: the one named, or park where there is no GPU to run it on."""
    import torch

    return name if name in ON_A_CPU or torch.cuda.is_available() else "park"


class Session:
    """A model behind the vocabulary of `csp.types`."""

    def __init__(self, model: Segmenter, kept_bytes: int = KEPT_BYTES, found: Sequence[Preset] = ()):
        for preset in found:
            named(preset.method, preset.knobs).plan(model.N, model.L)
        self.model, self._found = model, tuple(found)
        self.kept = Kept(kept_bytes)
        self.turns = Turns()
        self.batches = Batches()

    @property
    def card(self) -> ModelCard:
        model = self.model
        return ModelCard(
            model.name,
            model.N,
            model.grid,
            model.L,
            model.layers.hidden_size,
            model.layers.num_heads,
            str(model.device),
            str(model.dtype).removeprefix("torch."),
            model.instances is not None,
        )

    def catalogue(self) -> tuple[MethodCard, ...]:
        """Every method there is, its knobs within this model's bounds."""
        return tuple(
            MethodCard(name, made.label, made.paper, self._knobs(made), (made.__doc__ or "").strip(), inspect.getfile(made))
            for name, made in METHODS.items()
        )

    def _knobs(self, method: type[Method]) -> tuple[Knob, ...]:
        """The knobs of a method within this model's bounds, defaults being those that it gets by its name."""
        N, L = self.model.N, self.model.L
        words = getattr(getattr(self.model, "clip", None), "words", None) is not None
        bounded, start = [knob.within(N, L, words) for knob in knobs(method)], values(self._method(method.name, {}))
        own = isinstance(getattr(self.model, "tuned_under", None), method)
        return tuple(replace(knob, default=start[knob.name]) if own or isinstance(knob.high, int) else knob for knob in bounded)

    def presets(self) -> dict[str, Preset]:
        """The paper's settings made for as many image tokens and layers as this model has, by their keys in
        PRESETS, and plans that were searched for (``found``).
        """
        here = {name for name, shape in SHAPES.items() if (shape.N, shape.L) == (self.model.N, self.model.L)}
        return {
            key: preset
            for key, preset in PRESETS.items()
            if preset.shape in here and preset.knobs is not None
        } | {f"found/{number}": preset for number, preset in enumerate(self._found)}

    def at_budget(self, method: str, N_avg: float, start: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Knobs with which a method spends N_avg image tokens: from the knobs in ``start`` where they reach
        that far, else from its defaults or the paper's settings. Dense has none to turn.

        Raises ValueError saying which bound fails.
        """
        made = find(method)
        if not hasattr(made, "budget"):
            return {}
        N, L = self.model.N, self.model.L
        if start:
            try:
                started: Any = build(made, start)
                return values(solve(started, N_avg, N, L))
            except ValueError:
                pass
        return values(at_budget(made, N_avg, N, L))

    def run(self, request: Request, fresh: bool = False) -> Result:
        """Run a request. Raises ValueError for a method, knob, query or picture that will not do, before
        anything slow.

        The same request of anybody is run once: results are kept by what was asked, within `kept_bytes`, their milliseconds
        those of the run that was made. Who waits with another query for the same plan on the same picture is answered in the
        same batch, equal to a run alone up to rounding, and told so in a note. ``fresh``: run it now and alone whatever is
        kept, to be timed, and keep nothing.
        """
        method, notes = self._within(request)
        common = "" if fresh else common_of(request, method)
        key = "" if fresh else key_of(common, request.query)
        kept = self.kept.get(key, request.image)
        if kept is not None:
            return kept
        # What a model writes by itself it writes one after another.
        joins = common if request.seg_mode == "teacher" else ""
        with self.batches.waiting(joins, request.query), self.turns.take():
            # Who asked the same a moment before, or waited beside another, has been answered by now.
            kept = self.kept.get(key, request.image)
            if kept is not None:
                return kept
            queries = [request.query, *self.batches.others(joins, request.query, TOGETHER - 1)]
            try:
                results = self._segment(request, method, queries, notes)
            except ValueError:
                if len(queries) == 1:
                    raise
                # Of a query that will not do, whoever asked it is told.
                queries = queries[:1]
                results = self._segment(request, method, queries, notes)
            if not fresh:
                self._keep(common, queries, results)
        return results[0]

    def _segment(self, request: Request, method: Method, queries: Sequence[str], notes: tuple[str, ...]) -> list[Result]:
        """A request with each of these queries, one by itself or all in one batch; each with these notes."""
        how: dict[str, Any] = {name: getattr(request, name) for name in ("seed", "force", "seg_mode", "template")}
        if len(queries) == 1:
            results = [self.model.segment(request.image, queries[0], method, **how)]
        else:
            results = self.model.segment(request.image, list(queries), method, **how)
            notes = (*notes, note(len(queries) - 1))
        return [replace(result, notes=(*result.notes, *notes)) for result in results] if notes else results

    def _keep(self, common: str, queries: Sequence[str], results: Sequence[Result]) -> None:
        for query, result in zip(queries, results, strict=True):
            self.kept.put(key_of(common, query), result)

    def _method(self, name: str, told: Mapping[str, Any]) -> Method:
        """The method of this name with these knobs, the others those that the mask head was tuned under, else fitted to
        this model.
        """
        made, tuned = find(name), getattr(self.model, "tuned_under", None)
        if isinstance(tuned, made):
            return build(made, {**values(tuned), **told})
        return fitted(made, self.model.N, self.model.L, told)

    def _within(self, request: Request) -> tuple[Method, tuple[str, ...]]:
        """The method asked for. Controls end at the image tokens of the largest picture: of one that makes fewer (in fewer
        tiles), counts beyond them are all it has, and a note. Another note where the mask head was tuned under another plan.
        """
        method = self._method(request.method, request.knobs)
        tuned = getattr(self.model, "tuned_under", None)
        notes = () if tuned in (None, method) else (f"the mask head was tuned under {tuned}, not under this plan",)
        N = self.model.tokens(request.image)
        if N == self.model.N:
            return method, notes
        beyond = {
            knob.name: N
            for knob in knobs(method)
            if knob.high == "N" and isinstance(value := getattr(method, knob.name), int) and N < value <= self.model.N
        }
        fewer = (f"this picture makes {N} image tokens: {', '.join(beyond)} taken as {N}",) if beyond else ()
        changed: Any = replace(method, **beyond) if beyond else method
        return changed, (*fewer, *notes)

    def forecast(self, method: str, knobs: Mapping[str, Any], N_text: int) -> Forecast:
        """What a method's plan will cost, before a layer runs. Raises ValueError where it will not run."""
        made = self._method(method, knobs)
        N, L, layers = self.model.N, self.model.L, self.model.layers
        sizes = check_integer("N_text", N_text, 0, 4096), layers.hidden_size, layers.intermediate_size
        stages = tuple((stage.name, stage.L, stage.N) for stage in made.plan(N, L))
        counts = [n for _, many, n in stages for _ in range(many)]
        if None in counts and hasattr(made, "expected"):
            counts = list(made.expected(N, L))
        known = [n for n in counts if n is not None]
        told = cost(known, *sizes) if len(known) == len(counts) else None
        return Forecast(stages, told, cost([N] * L, *sizes))

    def without(self, request: Request, stage: str, drops: Sequence[Sequence[int]]) -> list[Result]:
        """The request again for each set of patches, dropped from a stage beside what it forces itself: batches over one
        prefix, since up to that stage all of them are the same run.
        """
        method, notes = self._within(request)
        asked = dict(request.force or {})
        orders = asked.get(stage, {})
        forces = []
        for patches in drops:
            gone = {*orders.get("drop", ()), *patches}
            kept = [patch for patch in orders.get("keep", ()) if patch not in gone]
            forces.append({**asked, stage: {"keep": kept, "drop": sorted(gone)}})
        how: dict[str, Any] = {name: getattr(request, name) for name in ("seed", "seg_mode", "template")}
        out: list[Result] = []
        # A turn for some of them, so that others are let in between.
        with long_work():
            for at in range(0, len(forces), TOGETHER):
                some = forces[at : at + TOGETHER]
                with self.turns.take():
                    out += self.model.segment(request.image, [request.query] * len(some), method, force=some, **how)
        return [replace(result, notes=(*result.notes, *notes)) for result in out] if notes else out

    def run_all(self, request: Request, queries: Sequence[str]) -> list[Result]:
        """A request with each of these queries in place of its own; several share what they can. Raises ValueError as `run`."""
        if len(queries) == 1:
            return [self.run(replace(request, query=queries[0]))]
        method, notes = self._within(request)
        common = common_of(request, method)
        known = {query: self.kept.get(key_of(common, query), request.image) for query in dict.fromkeys(queries)}
        new = [query for query, kept in known.items() if kept is None]
        if new:
            with self.turns.take():
                results = self._segment(request, method, new, notes)
            self._keep(common, new, results)
            known.update(zip(new, results, strict=True))
        return [result for query in queries if (result := known[query]) is not None]

    def dense(self, request: Request) -> Result:
        """The same picture and query with every image token in every layer; no lot is drawn, so that it is one for all seeds."""
        return self.run(replace(request, method="full", knobs={}, force=None, seed=0))

    def objects(self, image: np.ndarray, conf: float = 0.25) -> np.ndarray | None:
        """Instance masks that Seg-First works from, bool [K, h, w] over the whole picture, of at least this
        confidence where the proposer tells it; None without a proposer.
        """
        seen = self.model.encode(image)
        sure = seen.vision.confidence
        return seen.masks if seen.masks is None or sure is None else seen.masks[sure.numpy() >= conf]

    def cls(self, image: np.ndarray) -> np.ndarray:
        """Attention of the vision tower's [CLS] to the N patches, as Eq. 3 has it, float32 [N]."""
        return self.model.encode(image).vision.cls_attention("last").cpu().numpy()

    def see(self, image: Any) -> np.ndarray:
        """Read and encode a picture ahead of its first query; returns it as uint8 RGB [H, W, 3]."""
        picture = images.read(image)
        self.model.encode(picture)
        return picture
