"""The paper's tables as experiments on its data sets: which rows, which columns, which controls, and what is in print.

mIoU is the paper's word; its text says no more than "standard protocol", and gIoU, the mean over samples by which LISA
selects and which RIO calls mIoU, is what is compared with it here. That is an inference.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from csp.evaluation.runs import DENSE, Run
from csp.evaluation.suites import draws
from csp.methods import METHODS, PRESETS, Control, Method, build, knobs
from csp.methods.full import Full
from csp.methods.presets import SHAPES

PARK = "park"
TABLES = (1, 2, 3, 4, 5, 6)
TITLES = {
    1: "Table 1: ten methods at about 70 % reduction",
    2: "Table 2: methods at 70, 80 and 90 % on 576 image tokens",
    3: "Table 3: methods at about 70 % on 40 layers",
    4: "Table 4: four selectors by Nc",
    5: "Table 5: layers of clustering and scattering by Np",
    6: "Table 6: six pruning ratios",
}
CONTROLS = {"random tokens": "random", "an even grid": "even"}


@dataclass(frozen=True)
class TableRow:
    """A row: a label, what is run for it, and its key in `csp.PRESETS`, empty for a control."""

    label: str
    runs: tuple[Run, ...]
    key: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table of the paper on the data sets in ``columns``, the dense row first."""

    number: int
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]

    @property
    def title(self) -> str:
        return TITLES[self.number]


@cache
def printed() -> dict[str, Any]:
    """Tables 1 to 5 as printed: columns by table, mIoU in points by key of `csp.PRESETS`."""
    return dict(json.loads(files("csp.evaluation").joinpath("printed.json").read_text(encoding="utf-8")))


def in_print(key: str, column: str) -> float | None:
    """The paper's mIoU in points for a row and column, if it prints one."""
    columns = printed()["columns"].get(key.split("/")[0], [])
    row = printed()["miou"].get(key)
    return row[columns.index(column)] if row and column in columns else None


def tables(
    N: int, L: int, asked: Sequence[int] | None, seeds: Sequence[int], on_park: bool = False
) -> tuple[Table, ...]:
    """The tables asked for, or all, that a model of N image tokens and L layers can run, with their controls.

    Raises ValueError where none of those asked for is made for such a model.
    """
    numbers = asked or TABLES
    shape = next((name for name, shape in SHAPES.items() if (shape.N, shape.L) == (N, L)), None)
    unknown = [number for number in numbers if number not in TABLES]
    if unknown:
        raise ValueError(f"--tables must be among 1 to 6, got {', '.join(map(str, unknown))}")
    there = tuple(
        number for number in numbers if shape and any(key.startswith(f"table{number}/{shape}/") for key in PRESETS)
    )
    if shape is None or not there:
        fit = "; ".join(f"{name}: {s.N} image tokens, {s.L} layers" for name, s in SHAPES.items())
        raise ValueError(f"no such table is made for {N} image tokens and {L} layers ({fit}): use --method for single methods")
    return tuple(_table(number, shape, N, L, seeds, on_park) for number in there)


def _table(number: int, shape: str, N: int, L: int, seeds: Sequence[int], on_park: bool) -> Table:
    made = printed()["columns"].get(f"table{number}", printed()["columns"]["table1"])
    keys = [key for key in PRESETS if key.startswith(f"table{number}/{shape}/") and PRESETS[key].knobs is not None]
    rows = [TableRow("Dense", (Run(DENSE, Full()),), next((k for k in keys if PRESETS[k].method == "full"), _dense(shape)))]
    for key in keys:
        preset = PRESETS[key]
        if METHODS[preset.method] is not Full:
            method = build(METHODS[preset.method], preset.knobs or {})
            rows.append(_row(_label(key), method, seeds, key, preset.note))
    rows += _controls(number, keys, N, L, seeds)
    return Table(number, (PARK,) if on_park else tuple(made), tuple(rows))


def _dense(shape: str) -> str:
    """Where the paper prints the dense row that a table without one is to be read against."""
    return f"table1/{shape}/full"


def _label(key: str) -> str:
    """A row's name: the method, and what the table varies."""
    preset = PRESETS[key]
    method = METHODS[preset.method]
    rest = ", ".join(part for part in key.split("/")[2:] if part != preset.method)
    return f"{method.label}{f' ({rest})' if rest else ''}"


def _row(label: str, method: Method, seeds: Sequence[int], key: str = "", note: str = "") -> TableRow:
    chosen = seeds if draws(method) else (0,)
    return TableRow(label, tuple(Run(named(method, seed), method, seed) for seed in chosen), key, note)


def named(method: Method, seed: int = 0) -> str:
    """One name for one setting, whichever tables have it, so that it runs once."""
    turned = {k.name: getattr(method, k.name) for k in knobs(type(method)) if getattr(method, k.name) != k.default}
    words = [f"{name}={value}" for name, value in turned.items()] + ([f"seed={seed}"] if draws(method) else [])
    return f"{method.name}({', '.join(words)})"


def _controls(number: int, keys: Sequence[str], N: int, L: int, seeds: Sequence[int]) -> Iterable[TableRow]:
    """Random tokens and an even grid on CSP's own schedule, a smaller picture of its budget; in Table 1 also every
    rival with each token at its own position.
    """
    first = next((key for key in keys if PRESETS[key].method == "csp"), None)
    if first is not None:
        base = build(METHODS["csp"], PRESETS[first].knobs or {})
        for words, keep in CONTROLS.items():
            try:
                yield _row(f"control: {words}, as {_label(first)}", Control.like(base, N, L, keep), seeds)  # type: ignore[arg-type]
            except ValueError:  # the image decides how many tokens there are
                continue
        if "smaller" in METHODS:
            yield _row("control: a smaller picture", build(METHODS["smaller"], {"T": int(PRESETS[first].n_avg)}), seeds)
    if number == 1:
        for key in keys:
            preset = PRESETS[key]
            if any(k.name == "positions" and "original" in k.choices for k in knobs(METHODS[preset.method])):
                method = build(METHODS[preset.method], {**(preset.knobs or {}), "positions": "original"})
                yield _row(f"{_label(key)}, own positions", method, seeds)


def runs_for(chosen: Iterable[Table], column: str) -> tuple[Run, ...]:
    """Everything that tables ask of one data set, each setting once."""
    found = {run.name: run for table in chosen if column in table.columns for row in table.rows for run in row.runs}
    return tuple(found.values())


def columns(chosen: Iterable[Table]) -> tuple[str, ...]:
    """The data sets that tables ask for, in the paper's order."""
    return tuple(dict.fromkeys(column for table in chosen for column in table.columns))


def describe(chosen: Iterable[Table]) -> list[dict[str, Any]]:
    """Rows and settings, for provenance."""
    return [
        {"table": table.number, "label": row.label, "key": row.key, "method": run.method.name, "knobs": asdict(run.method),
         "seed": run.seed, "run": run.name}
        for table in chosen for row in table.rows for run in row.runs
    ]  # fmt: skip


def folder_of(column: str) -> Path:
    """A data set's name as a folder's."""
    return Path(column.replace(":", "-"))
