"""What is run on a sample, and the row of plain numbers that is kept of it. Everything later reads only rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import InitVar, asdict, dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor

from csp.decoder import Choice, Stage, View
from csp.methods import Method
from csp.methods.full import Full
from csp.metrics import overlap
from csp.models.asking import Segmenter
from csp.models.instances import coverage
from csp.samples import Sample, Source
from csp.types import Layout, Result, Trace

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
        # The next pictures are wanted again where tokens or words are swapped.
        self._samples = lru_cache(maxsize=3)(source.samples)

    def rows(self, index: int) -> list[Row]:
        """All rows of picture ``index``, one for each query and run."""
        found = []
        for sample in self._samples(index):
            dense = self.model.segment(sample.image, sample.query, Full())
            on = on_target(sample.truth, dense.trace.layout)
            found.append(self._row(sample, DENSE, 0, dense, dense, on))
            for run in self.runs:
                result = self._run(index, sample, run)
                if result is not None:
                    found.append(self._row(sample, run.name, run.seed, result, dense, on))
        return [{**row, "of": len(found)} for row in found]

    def _run(self, index: int, sample: Sample, run: Run) -> Result | None:
        method, query = run.method, sample.query
        if not run.empty and not sample.share:
            return None
        if run.swap == "picture":
            other = next((s.image for s in self._others(index)), None)
            if other is None:
                return None
            method = OtherPicture(self.model.encode(other).vision.patches)
        elif run.swap == "words":
            words = self._other_words(index, sample)
            if words is None:
                return None
            query = words
        return self.model.segment(sample.image, query, method, seed=lot(run.seed, sample))

    def _others(self, index: int) -> Iterator[Sample]:
        """Samples of the other pictures, the next picture first."""
        for step in range(1, len(self.source)):
            yield from self._samples((index + step) % len(self.source))

    def _other_words(self, index: int, sample: Sample) -> str | None:
        """The query of the same family about the next picture that has one in other words."""
        wanted = (
            s.query for s in self._others(index) if s.family == sample.family and s.query != sample.query
        )
        return next(wanted, None)

    def _row(
        self, sample: Sample, name: str, seed: int, result: Result, dense: Result, on: np.ndarray
    ) -> Row:
        inside, union = overlap(result.mask, sample.truth)
        row: Row = {
            "scene": sample.scene,
            "query": sample.number,
            "family": sample.family,
            "held": sample.held,
            "size": sample.size,
            "run": name,
            "seed": seed,
            "I": inside,
            "U": union,
            "n_avg": result.cost.n_avg,
            "flops": result.cost.total_flops,
            "ms": {part: round(ms, 3) for part, ms in result.ms.items()},
        }
        if name != DENSE:
            row["I_dense"], row["U_dense"] = overlap(result.mask, dense.mask)
        if sample.share:
            row["look"] = looks(result.trace, on)
            if on.any():
                row["kept"] = kept(result.trace, on)
            row["rank_layer"] = result.trace.rank_layer
        return row


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
