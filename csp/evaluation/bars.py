"""What the embedded weights are to reach before they ship: every bar with its goal and its floor, by one command.

    python -m csp.evaluation.bars --model park --scenes 1000

Runs the ablations on the park, the exam (`csp.evaluation.exam`) and the relation "near". Exit code
1 where a floor is missed, 2 after one line on what is wrong with the request.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from csp.evaluation import ablations
from csp.evaluation.exam import ExamSource
from csp.evaluation.report import Report
from csp.evaluation.runs import DENSE, Row, Run
from csp.metrics import iou
from csp.park import language
from csp.samples import ParkSource, Sample

RIGHT = 0.5  # IoU above which an answer counts as right


@dataclass(frozen=True)
class Bar:
    """``value`` against a goal and a floor; ``most``: smaller is better."""

    what: str
    value: float
    goal: float
    floor: float
    most: bool = False

    def _within(self, bound: float) -> bool:
        return isfinite(self.value) and (self.value <= bound if self.most else self.value >= bound)

    @property
    def verdict(self) -> str:
        return "goal" if self._within(self.goal) else "floor" if self._within(self.floor) else "MISSED"

    def __str__(self) -> str:
        sign = "<=" if self.most else ">="
        value = f"{self.value:.3f}" if isfinite(self.value) else "none"
        return f"{self.verdict:6}  {self.what}: {value} (goal {sign} {self.goal:g}, floor {sign} {self.floor:g})"


@dataclass(frozen=True)
class NearSource(ParkSource):
    """Queries for the nearest thing of a kind alone, at most one a scene."""

    @property
    def name(self) -> str:
        return f"{super().name}/near"

    def samples(self, index: int) -> tuple[Sample, ...]:
        scene = self.scene(index)
        return tuple(
            Sample(self.picture(index), 0, scene.image, q.text, scene.mask(q.targets), "refg", q.held)
            for q in language.queries(scene.park, {"refg:near": 1})
        )


def right(rows: Sequence[Row]) -> float:
    """Share of queries answered with an IoU above one half."""
    return (
        sum(value > RIGHT for value in iou([r["I"] for r in rows], [r["U"] for r in rows])) / len(rows) if rows else float("nan")
    )


def by_group(report: Report) -> dict[str, float]:
    """Share of right answers by group of the exam, `absent` by empty masks."""
    rows = report.of(DENSE)
    found = {family: right([row for row in rows if row["family"] == family]) for family in report.families}
    return found | {"absent": report.empty_masks(DENSE).value}


def bars(park: Report, exam: Report, near: Report) -> list[Bar]:
    """The bars in the order of their table."""
    dense = park.gIoU(DENSE)
    found = [Bar("dense gIoU overall", dense.overall.value, 0.85, 0.75)]
    found += [Bar(f"dense gIoU, {family}", s.value, 0.78, 0.65) for family, s in dense.families.items()]
    found.append(Bar("exam: what is there, IoU above .5", right(exam.of(DENSE)), 0.90, 0.75))
    found.append(Bar("exam: what is not, empty mask", exam.empty_masks(DENSE).value, 0.97, 0.90))
    found.append(Bar('"near"', near.gIoU(DENSE).overall.value, 0.75, 0.55))
    for run in (ablations.BLIND, ablations.ELSEWHERE, ablations.MISLED):
        found.append(Bar(run, park.gIoU(run).overall.value, 0.25, 0.30, most=True))
    ideas = [r for r in park.of(DENSE) if r["family"] in ("reason", "intent")]
    parts = [[r for r in ideas if r["held"] is held] for held in (False, True)]
    trained, held = (
        float(iou([r["I"] for r in rows], [r["U"] for r in rows]).mean()) if rows else float("nan") for rows in parts
    )
    found.append(Bar("held-out ideas below trained ones", trained - held, 0.05, 0.10, most=True))
    first = ablations.first_layer(park)
    found.append(Bar("first layer with A_SEG on target", float("inf") if first is None else first, 10, 13, most=True))
    small = dense.sizes.get("<1 %")
    found.append(Bar("targets below 1 %", float("nan") if small is None else small.value, 0.60, 0.50))
    return found


def text(found: Sequence[Bar], exam: Report) -> str:
    groups = "  ".join(f"{group} {value:.2f}" for group, value in by_group(exam).items())
    return "\n".join([*map(str, found), f"exam by group: {groups}"])


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the top of this file."""
    try:
        return _main(argv)
    except (ValueError, OSError) as error:
        print(f"bars: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _main(argv: Sequence[str] | None) -> int:
    parser = argparse.ArgumentParser(prog="python -m csp.evaluation.bars", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", default="park", help="park, or the folder that `csp.park.train export` wrote (default: park)")
    parser.add_argument("--scenes", type=int, default=1000, help="test scenes (default: 1000)")
    parser.add_argument("--first", type=int, default=0, help="number of the first scene (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    parser.add_argument("--exam-only", action="store_true", help="the exam by group and nothing else")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every bar and the exam's groups")
    args = parser.parse_args(argv)
    if args.scenes < 1 or args.jobs < 1:
        raise ValueError("--scenes and --jobs must be 1 or more")

    from csp.checkpoints import load
    from csp.evaluation.processes import Job, collect
    from csp.methods.full import Full

    model = load(args.model)
    dense = (Run(DENSE, Full()),)

    def report(source: Any, runs: tuple[Run, ...] = dense) -> Report:
        return Report(collect(Job(args.model, source, runs), args.jobs, model=model if args.jobs == 1 else None))

    exam = report(ExamSource(args.scenes, args.first))
    if args.exam_only:
        print(text([], exam))
        return 0
    park = report(ParkSource("test", args.scenes, args.first), (*dense, *ablations.runs(model.N, model.L)))
    near = report(NearSource("test", args.scenes, args.first))
    found = bars(park, exam, near)
    print(text(found, exam))
    if args.json:
        told = [
            {
                "what": b.what,
                "value": b.value if isfinite(b.value) else None,
                "goal": b.goal,
                "floor": b.floor,
                "verdict": b.verdict,
            }
            for b in found
        ]
        args.json.write_text(
            json.dumps({"model": args.model, "scenes": args.scenes, "bars": told, "exam": by_group(exam)})
        )
    return 1 if any(bar.verdict == "MISSED" for bar in found) else 0


if __name__ == "__main__":
    sys.exit(main())
