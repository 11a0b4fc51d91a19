"""Run a suite: from its lines to rows, and from rows to the small summary that pages and figures are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from csp.evaluation.report import Report
from csp.evaluation.runs import DENSE, Row, Run
from csp.evaluation.suites import Line, Suite


def runs_of(lines: Sequence[Line]) -> tuple[Run, ...]:
    """All runs of a suite; the dense one is always among them."""
    return tuple({run.name: run for line in lines for run in line.runs}.values())


def summarise(suite: Suite, lines: Sequence[Line], rows: Sequence[Row], seed: int = 0) -> dict[str, Any]:
    """A suite's numbers for JSON: a line per line, seeds pooled and also each by itself, every drop paired
    with dense.
    """
    by_run = Report(rows, seed)
    names = {run.name: line.label for line in lines for run in line.runs if run.name != DENSE}
    pooled = Report([{**row, "run": names.get(row["run"], row["run"])} for row in rows], seed)
    return {
        "suite": suite.name,
        "title": suite.title,
        "claim": suite.claim,
        "axis": suite.axis,
        "queries": {
            family: len([r for r in pooled.of(DENSE) if r["family"] == family]) for family in pooled.families
        },
        "pictures": len({row["scene"] for row in rows}),
        "lines": [_line(line, pooled, by_run) for line in lines],
    }


def _line(line: Line, pooled: Report, by_run: Report) -> dict[str, Any]:
    name = DENSE if line.runs[0].name == DENSE else line.label
    found: dict[str, Any] = {
        "label": line.label,
        "method": line.method.name,
        "knobs": asdict(line.method),
        "seeds": [run.seed for run in line.runs],
        "curve": line.curve,
        "at": line.at,
        "paper": line.paper,
        "gIoU": pooled.gIoU(name).as_dict(),
        "cIoU": pooled.cIoU(name).overall.estimate.as_dict(),
        "empty": pooled.empty_masks(name).estimate.as_dict(),
        **pooled.bill(name),
    }
    left = pooled.kept(name)
    if left is not None:
        found["target kept"] = left.estimate.as_dict()
    if name == DENSE:
        return found
    return found | {
        "change": pooled.change(name).as_dict(),
        "change by seed": [by_run.change(run.name).overall.value for run in line.runs],
        "IoU with dense": pooled.agreement(name).overall.estimate.as_dict(),
    }


def as_text(summary: Mapping[str, Any]) -> str:
    """A summary as JSON, a line for each of its lines: small, and where one method moved, one line of a diff."""

    def compact(value: Any) -> str:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)

    def written(name: str, value: Any) -> str:
        return "[\n" + ",\n".join(map(compact, value)) + "\n]" if name == "lines" else compact(value)

    return "{\n" + ",\n".join(f"{compact(name)}:{written(name, value)}" for name, value in summary.items()) + "\n}\n"


def is_current(summary: Mapping[str, Any], frozen: Mapping[str, Any]) -> bool:
    """Whether a summary belongs to the frozen weights."""
    return bool(summary.get("weights") == frozen["weights"])
