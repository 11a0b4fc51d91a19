"""Does the decoder look? Ablations on the dense run's own queries, the layer at which A_SEG finds the target,
the gates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from csp.evaluation.proposals import LEAST_PIXELS, Found
from csp.evaluation.report import Report, Score, show, table
from csp.evaluation.runs import DENSE, NoImage, Run
from csp.methods import Control
from csp.methods.csp import CSP
from csp.methods.full import Full

BLIND, ELSEWHERE, MISLED = "(a) no image token", "(b) another picture", "(c) another query"
STAGED, EARLY = "(d) csp", "(e) random from the first layer"
HALF = 0.5
SETTING = CSP(Lc=8, Nc=64, Ls=6, Np=16, cluster="uniform")


@dataclass(frozen=True)
class Gate:
    """A bound that the shipped weights keep."""

    what: str
    value: float
    bound: str
    holds: bool

    def __str__(self) -> str:
        return f"{'pass' if self.holds else 'FAIL'}  {self.what}: {self.value:.3f} ({self.bound})"


def runs(N: int, L: int, seed: int = 0) -> tuple[Run, ...]:
    """The ablations for a model of N image tokens and L layers; the paper's setting shrinks with a smaller
    model.
    """
    random = Control((0,), (min(73, N),), "random")
    return (
        Run(BLIND, NoImage(), empty=False),
        Run(ELSEWHERE, Full(), swap="picture", empty=False),
        Run(MISLED, Full(), swap="words", empty=False),
        Run(STAGED, fitted(SETTING, N, L), empty=False),
        Run(EARLY, random, seed, empty=False),
    )


def fitted(setting: CSP, N: int, L: int) -> CSP:
    """``setting``, scaled down where the model has fewer layers or tokens than it asks for."""
    if setting.Lc + setting.Ls < L and max(setting.Nc, setting.Np) <= N:
        return setting
    Lc = max(1, setting.Lc * L // 32)
    return CSP(Lc, min(setting.Nc, N), max(1, setting.Ls * L // 32), min(setting.Np, N), setting.cluster)


def first_layer(report: Report) -> int | None:
    """The first layer, from 0, in which at least half of the dense run's queries have their best patch on the
    target.
    """
    return next((layer for layer, s in enumerate(report.curve()) if s.value >= HALF), None)


def text(report: Report) -> str:
    """The ablations as tables."""
    gIoU = [
        (run, report.gIoU(run))
        for run in (DENSE, BLIND, ELSEWHERE, MISLED, EARLY, STAGED)
        if run in report.runs
    ]
    parts = _columns(gIoU[0][1])
    blocks = [
        "gIoU by ablation, with 95 % intervals over pictures, and its difference to dense:",
        table(
            ("run", "overall", "to dense"),
            [
                (run, s.overall.estimate, "" if run == DENSE else report.change(run).overall.estimate)
                for run, s in gIoU
            ],
        ),
        "by family and size:",
        table(
            ("", *(run for run, _ in gIoU)),
            zip(parts, *([f"{e.value:.3f}" for e in show(s)[1:]] for _, s in gIoU), strict=True),
        ),
    ]
    looking = report.looking(STAGED)
    rank = next((row["rank_layer"] for row in report.of(STAGED)), None)
    first = first_layer(report)
    blocks += [
        f"(d) share of queries whose patch of the highest A_SEG lies on the target, {STAGED}, "
        + ("no layer:" if rank is None else f"layer {rank + 1}:"),
        table(("", "share"), zip(("overall", *parts), show(looking), strict=True)),
        "the same in every layer of the dense run:",
        " ".join(f"{layer}:{s.value:.2f}" for layer, s in enumerate(report.curve(), 1)),
        f"first layer where it reaches {HALF}: {'none' if first is None else first + 1} (layers counted from 1)",
    ]
    return "\n\n".join(blocks)


def as_dict(report: Report) -> dict[str, Any]:
    """The same for JSON; gIoU and differences stand with every run's scores."""
    return {
        "share on target at the ranking layer": report.looking(STAGED).as_dict(),
        "share on target by layer, dense": [s.estimate.as_dict() for s in report.curve()],
        "first layer at 0.5": first_layer(report),
    }


def gates(report: Report) -> list[Gate]:
    """What the weights must keep, as far as the runs at hand can say."""
    dense = report.gIoU(DENSE)
    found = [_least("dense gIoU overall", dense.overall.value, 0.60)]
    found += [_least(f"dense gIoU, {family}", s.value, 0.45) for family, s in dense.families.items()]
    if {"trained", "held out"} <= set(dense.wording):
        worse = (dense.wording["trained"] - dense.wording["held out"]).value
        found.append(_most("gIoU lost on held-out wording", worse, 0.10))
    for run in (BLIND, ELSEWHERE, MISLED):
        if run in report.runs:
            found.append(_most(f"gIoU of {run}", report.gIoU(run).overall.value, 0.30))
            found.append(_least(f"dense less {run}", -report.change(run).overall.value, 0.30))
    if STAGED in report.runs:
        found.append(_least("(d) share on target", report.looking(STAGED).overall.value, HALF))
        layer = first_layer(report)
        bound = SETTING.Lc + SETTING.Ls
        early = layer is not None and layer < bound
        counted = float("inf") if layer is None else layer + 1
        found.append(Gate("first layer on target, counted from 1", counted, f"<= {bound}", early))
    return found


def recall_gate(found: Found) -> Gate:
    """Of objects whose visible part is at least a patch of the drawn picture."""
    return _least("recall of instances", found.recall[LEAST_PIXELS[0]].value, 0.90)


def gate_dicts(found: Sequence[Gate]) -> list[dict[str, Any]]:
    return [{**asdict(gate), "value": gate.value if isfinite(gate.value) else None} for gate in found]


def _least(what: str, value: float, bound: float) -> Gate:
    return Gate(what, value, f">= {bound:.2f}", value >= bound)


def _most(what: str, value: float, bound: float) -> Gate:
    return Gate(what, value, f"<= {bound:.2f}", value <= bound)


def _columns(score: Score) -> list[str]:
    return [*score.families, *score.sizes, *score.wording]


def _values(score: Score) -> list[str]:
    return [f"{estimate.value:.3f}" for estimate in show(score)[1:]]
