"""What is run on a sample, and the row of plain numbers that is kept of it. Everything later reads only rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import InitVar, asdict, dataclass, replace
from itertools import groupby
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor

from csp.decoder import Choice, Stage, View
from csp.evaluation.ahead import Samples
from csp.methods import Method
from csp.methods.full import Full
from csp.metrics import overlap
from csp.models.asking import Segmenter
from csp.models.flow import Planner
from csp.models.instances import coverage
from csp.samples import Sample, Source
from csp.types import Layout, Result, Template, Trace

Row = dict[str, Any]
DENSE = "dense"
ON_TARGET = 0.25
"""A patch lies on the target when the target covers at least this share of it."""


@dataclass(frozen=True)
class Run:
    """A method under a name of its own.

    ``swap`` gives it another picture's image tokens, or another query's words, on purpose; ``empty`` says
    whether queries whose target is empty are run as well.
    """

    name: str
    method: Method
    seed: int = 0
    swap: Literal["", "picture", "words"] = ""
    empty: bool = True

    def describe(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "method": self.method.name,
            "knobs": asdict(self.method),
            "seed": self.seed,
            "swap": self.swap,
        }


@dataclass(frozen=True)
class NoImage:
    """No image token in any layer; the text keeps its position ids."""

    name: ClassVar[str] = "no-image"
    label: ClassVar[str] = "No image token"
    paper: ClassVar[str] = ""

    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        return (Stage("no image", L, 0, lambda view: Choice(view.start.image.take([]))),)


@dataclass(frozen=True)
class OtherPicture:
    """Dense, on the image tokens of another picture: ``patches`` [N, C] are its features from the vision
    tower.
    """

    patches: InitVar[Tensor]

    name: ClassVar[str] = "other-picture"
    label: ClassVar[str] = "Another picture's image tokens"
    paper: ClassVar[str] = ""

    def __post_init__(self, patches: Tensor) -> None:
        # Not a field: a run's knobs are numbers and words.
        object.__setattr__(self, "_patches", patches)

    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        return (Stage("other picture", L, N, self._swap),)

    def _swap(self, view: View) -> Choice:
        hidden = view.project(self._patches)[None]  # type: ignore[attr-defined]
        return Choice(replace(view.start.image, hidden=hidden))


class Evaluator:
    """Runs on the pictures of a source, one picture at a time; every run of a sample after its dense one, for
    comparison.
    """

    def __init__(self, model: Segmenter, source: Source, runs: Sequence[Run]) -> None:
        names = [run.name for run in runs]
        if len(set(names)) < len(names):
            raise ValueError(f"runs must have names of their own, got {', '.join(names)}")
        self.model, self.source = model, source
        self.runs = tuple(run for run in runs if run.name != DENSE)
        self.read = Samples(source)
        self.reading = self.read.ahead

    def rows(self, index: int) -> list[Row]:
        """All rows of picture ``index``, one for each query and run; queries stand in their order, runs within."""
        samples = self.read(index)
        dense = self.ask(samples, Full())
        on = [on_target(_fitted(s.target, s.image.shape[:2]), d.trace.layout) for s, d in zip(samples, dense, strict=True)]
        found: list[list[Row]] = [
            [self._row(*each)] for each in zip(samples, [Run(DENSE, Full())] * len(samples), dense, dense, on, strict=True)
        ]
        for run in self.runs:
            wanted = [at for at, sample in enumerate(samples) if run.empty or sample.share]
            for at, result in zip(wanted, self._run(index, [samples[at] for at in wanted], run), strict=True):
                if result is not None:
                    found[at].append(self._row(samples[at], run, result, dense[at], on[at]))
        rows = [row for some in found for row in some]
        return [{**row, "of": len(rows)} for row in rows]

    def _run(self, index: int, samples: Sequence[Sample], run: Run) -> Sequence[Result | None]:
        if run.swap:
            return [self._swapped(index, sample, run) for sample in samples]
        if getattr(run.method, "draws", False):
            # A seed of its own for each: what is asked together shares its lots.
            return [self.ask([sample], run.method, lot(run.seed, sample))[0] for sample in samples]
        return self.ask(samples, run.method)

    def ask(self, samples: Sequence[Sample], method: Planner, seed: int = 0) -> list[Result]:
        """Results for queries about one picture, which share what stands before their words."""
        if not samples:
            return []
        if len(samples) == 1:
            return [self.model.segment(samples[0].image, samples[0].query, method, seed, template=self._form(samples[0]))]
        found: list[Result] = []
        for form, some in groupby(samples, self._form):
            chosen = list(some)
            found += self.model.segment(chosen[0].image, [s.query for s in chosen], method, seed, template=form)
        return found

    def _form(self, sample: Sample) -> Template:
        """The form of the question, where the model knows several."""
        return sample.template if sample.template in getattr(self.model.prompter, "templates", ()) else "auto"

    def _swapped(self, index: int, sample: Sample, run: Run) -> Result | None:
        method: Planner = run.method
        if run.swap == "picture":
            other = next((s.image for s in self._others(index)), None)
            if other is None:
                return None
            method = OtherPicture(self.model.encode(other).vision.patches)
        else:
            words = self._other_words(index, sample)
            if words is None:
                return None
            sample = replace(sample, query=words)
        return self.ask([sample], method, lot(run.seed, sample))[0]

    def _others(self, index: int) -> Iterator[Sample]:
        """Samples of the other pictures, the next picture first; one that cannot be read is left out."""
        for step in range(1, len(self.source)):
            with suppress(ValueError, OSError):
                yield from self.read((index + step) % len(self.source))

    def _other_words(self, index: int, sample: Sample) -> str | None:
        """The query of the same family about the next picture that has one in other words."""
        wanted = (
            s.query for s in self._others(index) if s.family == sample.family and s.query != sample.query
        )
        return next(wanted, None)

    def _row(self, sample: Sample, run: Run, result: Result, dense: Result, on: np.ndarray) -> Row:
        mask, size = mask_at(result, sample.truth.shape[:2]), sample.truth.shape[:2]
        inside, union = overlap(mask, sample.truth)
        row: Row = {
            "scene": sample.scene,
            "query": sample.number,
            "family": sample.family,
            "held": sample.held,
            "size": sample.size,
            "run": run.name,
            "seed": run.seed,
            "I": inside,
            "U": union,
            "n_avg": result.cost.n_avg,
            "flops": result.cost.total_flops,
            "ms": {part: round(ms, 3) for part, ms in result.ms.items()},
        }
        if sample.template != "auto":
            row["form"] = sample.template
        if run.name != DENSE:
            row["I_dense"], row["U_dense"] = overlap(mask, mask_at(dense, size))
        if sample.share:
            row["look"] = looks(result.trace, on)
            if on.any():
                row["kept"] = kept(result.trace, on)
            row["rank_layer"] = result.trace.rank_layer
        return row


def mask_at(result: Result, size: tuple[int, ...]) -> np.ndarray:
    """The mask at the size of a truth, bool [H, W]: a data set may tell another than its picture has."""
    if result.mask.shape == size:
        return result.mask
    return np.logical_or.reduce(result.full_logits((size[0], size[1])) > 0, axis=0)


def _fitted(target: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    import cv2

    if target.shape == size:
        return target
    return cv2.resize(target.astype(np.uint8), (size[1], size[0]), interpolation=cv2.INTER_NEAREST).astype(bool)


def lot(seed: int, sample: Sample) -> int:
    """A seed of its own for every query, so that no two draw the same tokens; reproducible from ``seed``."""
    name = f"{seed} {sample.scene} {sample.number}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=6).digest(), "big")


def looks(trace: Trace, on: np.ndarray) -> str:
    """A character per layer: "1" where the patch of the highest A_SEG lies on the target, "0" where not, "-"
    without image tokens.
    """
    return "".join("-" if np.isnan(row).all() else "01"[int(on[np.nanargmax(row)])] for row in trace.A_SEG)


def kept(trace: Trace, on: np.ndarray) -> float:
    """Share of the target's patches that a token of the last layer stands for; a merged patch counts by its weight."""
    return round(float(trace.stages[-1].source.sum(axis=0).clip(max=1)[on].mean()), 4)


def on_target(truth: np.ndarray, layout: Layout) -> np.ndarray:
    """bool [N]: patches of which the target covers at least a quarter; the best-covered one where there is
    none such.
    """
    covered = np.concatenate([coverage(truth[None], truth.shape[:2], v.crop, v.grid)[0] for v in layout.views])
    on = covered >= ON_TARGET
    if not on.any() and covered.max() > 0:
        on[covered.argmax()] = True
    return on
