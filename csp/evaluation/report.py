"""From rows to statistics: scores by family, size and wording, the drop against dense, where the decoder
looks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from csp.evaluation.runs import DENSE, Row
from csp.metrics import Bootstrap, Estimate, Statistic, iou, mean_of
from csp.samples import SIZES, families

ABSENT = "absent"


@dataclass(frozen=True, eq=False)
class Score:
    """A score overall (the mean of the families, `absent` apart) and by parts; ``wording`` is "trained" or
    "held out".
    """

    overall: Statistic
    families: Mapping[str, Statistic]
    sizes: Mapping[str, Statistic] = field(default_factory=dict)
    wording: Mapping[str, Statistic] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        parts = {"by family": self.families, "by size": self.sizes, "by wording": self.wording}
        return {"overall": self.overall.estimate.as_dict()} | {
            name: {key: s.estimate.as_dict() for key, s in part.items()}
            for name, part in parts.items()
            if part
        }


class Report:
    """Statistics over rows of any number of runs, all on the same resamples of the pictures."""

    def __init__(self, rows: Sequence[Row], seed: int = 0) -> None:
        self.rows = [row for row in rows if row["family"] != ABSENT]
        self.empty = [row for row in rows if row["family"] == ABSENT]
        self.runs = tuple(dict.fromkeys(row["run"] for row in rows))
        self.families = families([row["family"] for row in self.rows])
        self._bootstrap = Bootstrap([row["scene"] for row in rows], seed)

    def of(self, run: str, keep: Callable[[Row], bool] = lambda row: True) -> list[Row]:
        """Rows of a run whose target is there."""
        return [row for row in self.rows if row["run"] == run and keep(row)]

    def gIoU(self, run: str) -> Score:
        """Mean IoU with the truth."""
        return self._score(
            run, lambda rows: self.mean(rows, iou([r["I"] for r in rows], [r["U"] for r in rows]))
        )

    def cIoU(self, run: str) -> Score:
        """Sum of intersections over sum of unions."""
        return self._score(
            run,
            lambda rows: self._bootstrap.ratio(_scenes(rows), [r["I"] for r in rows], [r["U"] for r in rows]),
        )

    def agreement(self, run: str) -> Score:
        """Mean IoU with the dense run's mask."""
        return self._score(
            run,
            lambda rows: self.mean(rows, iou([r["I_dense"] for r in rows], [r["U_dense"] for r in rows])),
        )

    def change(self, run: str) -> Score:
        """gIoU less the dense run's on the same queries, paired."""
        dense = {_key(row): row for row in self.of(DENSE)}

        def minus(rows: list[Row]) -> Statistic:
            return self._mean_iou(rows) - self._mean_iou([dense[_key(row)] for row in rows])

        return self._score(run, minus)

    def empty_masks(self, run: str) -> Statistic:
        """Share of empty masks where nothing fits the words: what the family `absent` is scored by."""
        rows = [row for row in self.empty if row["run"] == run]
        return self.mean(rows, [row["U"] == 0 for row in rows])

    def looking(self, run: str, layer: int | None = None) -> Score:
        """Share of queries whose patch of the highest A_SEG lies on the target, in the layer that ranked or
        in ``layer`` (0-based).
        """

        def share(rows: list[Row]) -> Statistic:
            at = [row["rank_layer"] if layer is None else layer for row in rows]
            known = [
                (row, row["look"][i])
                for row, i in zip(rows, at, strict=True)
                if i is not None and row["look"][i] != "-"
            ]
            return self.mean([row for row, _ in known], [mark == "1" for _, mark in known])

        score = self._score(run, share)
        # A share of queries: every query counts the same.
        return Score(share(self.of(run)), score.families, score.sizes, score.wording)

    def kept(self, run: str) -> Statistic | None:
        """Mean share of the target that is left in the last layer; None where rows of an older make do not tell."""
        rows = [row for row in self.of(run) if "kept" in row]
        return self.mean(rows, [row["kept"] for row in rows]) if rows else None

    def curve(self, run: str = DENSE) -> list[Statistic]:
        """`looking` in every layer."""
        rows = self.of(run)
        depth = len(rows[0]["look"]) if rows else 0
        return [self.mean(rows, [row["look"][layer] == "1" for row in rows]) for layer in range(depth)]

    def bill(self, run: str) -> dict[str, float]:
        """Image tokens a layer, decoder GFLOPs, and the median of measured milliseconds in the decoder and in
        selecting.
        """
        rows = [row for row in (*self.rows, *self.empty) if row["run"] == run]
        ms = median(row["ms"].get("decoder", 0.0) + row["ms"].get("select", 0.0) for row in rows)
        return {
            "N_avg": sum(row["n_avg"] for row in rows) / len(rows),
            "GFLOPs": sum(row["flops"] for row in rows) / len(rows) / 1e9,
            "ms": ms,
        }

    def mean(self, rows: Sequence[Row], values: Any) -> Statistic:
        """The mean of a value per row."""
        return self._bootstrap.ratio(_scenes(rows), values)

    def _mean_iou(self, rows: Sequence[Row]) -> Statistic:
        return self.mean(rows, iou([r["I"] for r in rows], [r["U"] for r in rows]))

    def _score(self, run: str, statistic: Callable[[list[Row]], Statistic]) -> Score:
        rows = self.of(run)
        by_family = {f: statistic([r for r in rows if r["family"] == f]) for f in self.families}
        worded = {
            name: [r for r in rows if r["held"] is held]
            for name, held in (("trained", False), ("held out", True))
        }
        return Score(
            mean_of(list(by_family.values())),
            by_family,
            {size: statistic([r for r in rows if r["size"] == size]) for size in SIZES},
            {
                name: mean_of([statistic([r for r in part if r["family"] == f]) for f in self.families])
                for name, part in worded.items()
                if part
            },
        )

    def as_dict(self) -> dict[str, Any]:
        """Everything about every run, for JSON."""
        found: dict[str, Any] = {}
        for run in self.runs:
            found[run] = {
                "gIoU": self.gIoU(run).as_dict(),
                "cIoU": self.cIoU(run).as_dict(),
                "share of empty masks where nothing fits": self.empty_masks(run).estimate.as_dict(),
                **self.bill(run),
            }
            if run != DENSE:
                found[run] |= {
                    "change against dense": self.change(run).as_dict(),
                    "IoU with dense": self.agreement(run).as_dict(),
                }
        return found


def table(head: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """Columns in a monospaced font, the first to the left, the others to the right; also valid Markdown."""
    cells = [[str(cell) for cell in line] for line in (head, *lines)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(head))]

    def row(line: Sequence[str]) -> str:
        first, *rest = (
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        return f"| {' | '.join((first, *rest))} |"

    rule = (
        "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    )
    return "\n".join([row(cells[0]), rule, *(row(line) for line in cells[1:])])


def show(score: Score) -> list[Estimate]:
    """Overall, then every part, in a table's order."""
    return [
        s.estimate
        for s in (score.overall, *score.families.values(), *score.sizes.values(), *score.wording.values())
    ]


def _scenes(rows: Iterable[Row]) -> list[str]:
    return [row["scene"] for row in rows]


def _key(row: Row) -> tuple[str, int]:
    return row["scene"], row["query"]
