"""``--suite paper``: every row of the paper's tables on its data sets, beside what is in print, in one report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from csp.checks import to_csv
from csp.evaluation import experiments, provenance
from csp.evaluation.experiment_page import page, text
from csp.evaluation.experiments import PARK, Table
from csp.evaluation.processes import Job, Tell, gather
from csp.evaluation.ranks import rank
from csp.evaluation.request import header_of, weights_of
from csp.evaluation.store import Rows
from csp.evaluation.tally import Tally
from csp.evaluation.terminal import bad_pictures
from csp.metrics import Statistic, mean_of
from csp.samples import DataSource, ParkSource, Source

HEADER = ("data set", "picture", "query", "run", "seed", "I", "U", "IoU", "N_avg", "FLOPs", "decoder ms")


def sources(columns: Sequence[str], args: Mapping[str, Any]) -> tuple[dict[str, Source], dict[str, str]]:
    """The data sets that are there, and why the others are not. Raises ValueError where none is."""
    found: dict[str, Source] = {}
    missing: dict[str, str] = {}
    for column in columns:
        if column == PARK:
            found[PARK] = ParkSource(args["split"], args["limit"] or args["scenes"] or 200, args["first"])
            continue
        try:
            found[column] = DataSource(column, args["data_root"], args["overlap"], args["limit"], args["seed"])
        except ValueError as error:
            missing[column] = str(error)
    if not found:
        raise ValueError(f"{args['data_root']} holds none of the data sets: {next(iter(missing.values()))}")
    return found, missing


def run(
    args: Mapping[str, Any],
    model: Any,
    options: Mapping[str, Any],
    readers: int,
    progress: Callable[..., AbstractContextManager[Tell]],
    argv: Sequence[str] | None,
    began: float,
) -> Iterator[str]:
    """Score, and write ``report.html``, ``rows.csv`` and ``report.json`` into ``--out``; yields what to say of it."""
    who, folder = rank(), args["out"] or Path("out/paper")
    chosen = experiments.tables(model.N, model.L, args["tables"], tuple(range(args["seeds"])), args["data_root"] is None)
    there, missing = sources(experiments.columns(chosen), args)
    weights = weights_of(args)
    tallies: dict[str, Tally] = {}
    done: dict[str, Rows] = {}
    for column, source in there.items():
        runs = experiments.runs_for(chosen, column)
        header = header_of(weights, source, runs)
        job = Job(args["model"], source, runs, options, args["threads"], readers)
        with progress(column, quiet=not who.first) as tell:
            rows = gather(job, folder / experiments.folder_of(column), args["jobs"], header, tell, _own(model, args))
        if rows is not None:
            done[column], tallies[column] = rows, Tally(rows, args["seed"] + len(tallies))
    if not who.first:
        return
    bad = {f"{column}/{name}": why for column, rows in done.items() for name, why in rows.bad.items()}
    told: dict[str, Any] = {
        "model": model.name,
        "weights": weights,
        "data": {column: source.describe() for column, source in there.items()},
        "not there": missing,
        "bad pictures": bad,
        "score": "gIoU, the mean IoU over samples, taken for the paper's mIoU; cIoU beside it; 95 % bootstrap over pictures",
        "tables": [table_of(table, tallies) for table in chosen],
        "whole way": clocked(model, next(iter(there.values())), chosen),
        "settings": experiments.describe(chosen),
    } | provenance.record(str(model.device), argv, began)
    _write_csv(folder / "rows.csv", done)
    (folder / "report.json").write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    from csp.evaluation.gallery import cases

    pictures = cases(model, there, tallies, chosen)
    (folder / "report.html").write_text(page(told, pictures), encoding="utf-8")
    for table in told["tables"]:
        yield f"{table['title']}\n\n{text(table)}\n"
    if missing:
        yield f"not there: {', '.join(missing)}; python -m csp.data check says what to fetch"
    if bad:
        yield bad_pictures(bad)
    yield f"{folder / 'report.html'}, {folder / 'report.json'}, {folder / 'rows.csv'}"


def _own(model: Any, args: Mapping[str, Any]) -> Any:
    return model if args["jobs"] == 1 else None


def table_of(table: Table, tallies: Mapping[str, Tally]) -> dict[str, Any]:
    """A table's numbers for JSON: a cell a data set, and the mean change over those that are there."""
    columns = [column for column in table.columns if column in tallies]
    return {
        "table": table.number,
        "title": table.title,
        "columns": columns,
        "rows": [_row(table, row, columns, tallies) for row in table.rows],
    }


def _row(table: Table, row: experiments.TableRow, columns: Sequence[str], tallies: Mapping[str, Tally]) -> dict[str, Any]:
    from csp.methods import PRESETS

    names = [run.name for run in row.runs]
    preset = PRESETS.get(row.key)
    cells = {}
    for column in columns:
        tally = tallies[column]
        giou, ciou = tally.official(names)
        cells[column] = {
            "gIoU": tally.gIoU(names).estimate.as_dict(),
            "cIoU": tally.cIoU(names).estimate.as_dict(),
            "change": tally.change(names).estimate.as_dict(),
            "validate": {"gIoU": round(giou, 6), "cIoU": round(ciou, 6)},
            "paper": experiments.in_print(row.key, column),
        }
    bills = [tallies[column].bill(names) for column in columns]
    total: Statistic = mean_of([tallies[column].change(names) for column in columns])
    return {
        "label": row.label,
        "key": row.key,
        "note": row.note,
        "cells": cells,
        "mean change": total.estimate.as_dict(),
        "paper's mean drop": None if preset is None or preset.drop is None else preset.drop,
        "N_avg": _mean([bill["N_avg"] for bill in bills]),
        "paper's N_avg": None if preset is None else preset.n_avg,
        "TFLOPs": _mean([bill["TFLOPs"] for bill in bills]),
        "paper's TFLOPs": None if preset is None else preset.tflops,
        "ms": _mean([bill["ms"] for bill in bills]),
    }


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4)


def clocked(model: Any, source: Source, chosen: Sequence[Table], pictures: int = 3) -> list[dict[str, Any]]:
    """From picture to mask by itself, nothing kept from before: towers, instances, choosing, decoder and mask, ms each."""
    from csp.models.cache import ByteCache

    found = []
    rows = {row.runs[0].name: row for table in chosen[:1] for row in table.rows}
    for name, row in rows.items():
        parts: dict[str, list[float]] = {}
        for index in range(min(pictures, len(source))):
            with suppress(ValueError, OSError):
                sample = source.samples(index)[0]
                kept, model.cache = model.cache, ByteCache(0)
                try:
                    result = model.segment(sample.image, sample.query, row.runs[0].method)
                finally:
                    model.cache = kept
                for part, ms in result.ms.items():
                    parts.setdefault(part, []).append(ms)
        middle = {part: round(sorted(ms)[len(ms) // 2], 2) for part, ms in parts.items()}
        lvlm = middle.get("decoder", 0.0) + middle.get("select", 0.0)
        times = {"T_LVLM": round(lvlm, 2), "T_total": round(sum(middle.values()), 2)}
        found.append({"run": name, "label": row.label, "ms": middle, **times})
    return found


def _lines(done: Mapping[str, Rows]) -> Iterator[Sequence[Any]]:
    for column, rows in done.items():
        for row in rows:
            iou = row["I"] / row["U"] if row["U"] else 1.0
            ms = row["ms"].get("decoder", 0.0) + row["ms"].get("select", 0.0)
            yield (
                column, row["scene"], row["query"], row["run"], row["seed"], row["I"], row["U"], f"{iou:.6f}",
                round(row["n_avg"], 4), row["flops"], round(ms, 3),
            )  # fmt: skip


def _write_csv(path: Path, done: Mapping[str, Rows]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(to_csv([HEADER]))
        for line in _lines(done):
            file.write(to_csv([line]))
