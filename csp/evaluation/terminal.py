"""What an evaluation tells a terminal: tables narrow enough for it, a progress bar, the pictures that could not be scored."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from csp.evaluation.report import Report


def summary(report: Report) -> list[str]:
    """The scores as tables: gIoU and cIoU by family, size and wording, what they cost, the change against
    dense.
    """
    from csp.evaluation.report import show, table
    from csp.evaluation.runs import DENSE

    score = report.gIoU(DENSE)
    head = ("", "overall", *score.families, *score.sizes, *score.wording)
    blocks = []
    for run in (r for r in report.runs if not r.startswith("(")):
        bill = report.bill(run)
        lines = [("gIoU", *show(report.gIoU(run))), ("cIoU", *show(report.cIoU(run)))]
        if run != DENSE:
            lines += [("change", *show(report.change(run))), ("IoU with dense", *show(report.agreement(run)))]
        blocks.append(
            f"{run}: N_avg {bill['N_avg']:.1f}, {bill['GFLOPs']:.2f} GFLOPs and {bill['ms']:.0f} ms in the decoder, "
            f"{sum(row['run'] == run for row in report.rows + report.empty)} queries\n"
            f"{transposed(table, head, lines)}\n"
            f"empty masks where nothing fits: {report.empty_masks(run).estimate}"
        )
    return blocks


def transposed(table: Callable[..., str], head: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """A table whose rows are the parts and whose columns are the scores: narrow enough for a terminal."""
    return table(
        ("", *(line[0] for line in lines)), zip(head[1:], *(line[1:] for line in lines), strict=True)
    )


@contextmanager
def progress(what: str, quiet: bool = False, unit: str = "picture") -> Iterator[Callable[[int, int], None]]:
    """A progress bar to be told how many pictures (or what ``unit`` says) are done, and how many there are in all."""
    from tqdm import tqdm

    with tqdm(desc=what, unit=unit, disable=quiet) as bar:

        def tell(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        yield tell


def bad_pictures(bad: Mapping[str, str]) -> str:
    """Which pictures could not be scored, the first five with the reason; "" where all were."""
    first = "; ".join(f"{name}: {why}" for name, why in list(bad.items())[:5])
    return f"{len(bad)} pictures could not be scored and are in no number: {first}" if bad else ""
