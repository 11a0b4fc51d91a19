"""The work behind the Compare page: every method at one budget, a row at a time, and its downloads. No Gradio.

Each method runs once for its masks, in an order drawn by lot; that run warms it up and is not timed. Then whole
rounds over all methods follow, each in a new order, and milliseconds are medians over rounds: what the machine does
meanwhile falls on all alike. A row travels as numbers and as a packet that the browser draws; figures for a file
are drawn from runs made again, since the page's own pictures never came from here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from csp.checks import check_choice, check_integer, check_number, to_csv
from csp.render import comparison as draw, typeset
from csp.render.comparison import Row, Spread
from csp.turns import Refused
from csp.types import Request, Result
from csp.ui import tables
from csp.ui.handlers import PARK_ONLY, Asked, Handlers, whole
from csp.ui.payload import Payload
from csp.ui.viewer import packing

if TYPE_CHECKING:
    from csp.methods import Knob

FILES = {
    "compare.csv": "text/csv",
    "compare.png": "image/png",
    "compare.svg": "image/svg+xml",
    "compare.pdf": "application/pdf",
}
REPEATS = 3
MOST_REPEATS = 20
NUMBERS = ("n_first", "n_last", "n_avg", "flops", "iou_dense", "iou_truth", "area", "on_target")
TIMED = ("select", "decoder")
COLUMNS = (
    *("method", "label", "setting", "N_avg", "n_first", "n_last", "flops", "iou_dense", "iou_truth", "mask_share"),
    *("attention_on_target", "ms_median", "ms_quartile_1", "ms_quartile_3", "ms_runs", "reason"),
    *("target_N_avg", "query", "model", "seed"),
)


class Lineup:
    """Handlers of the Compare page, beside the board's."""

    def __init__(self, handlers: Handlers):
        self.handlers = handlers
        self.session = handlers.session

    def target(self, **controls: Any) -> int:
        """N_avg of a setting, to the next whole number: the budget that its rivals get."""
        return round(self.session.run(self.handlers.ask(controls).request).trace.n_avg)

    def run(self, target: Any, repeats: Any, methods: Any, **controls: Any) -> Iterator[Payload]:
        """Lines of the table: what begins, a row each, milliseconds after each round, the end; or one error."""
        began = time.perf_counter()
        try:
            asked = self.handlers.ask(controls)
            N_avg = check_number("N_avg", target, 1, self.handlers.card.N)
            rounds = check_integer("repeats", whole("repeats", repeats), 0, MOST_REPEATS)
            names = self._names(methods)
            dense = self.session.dense(asked.request)
        except ValueError as error:
            yield {"error": str(error)}
            return
        lot = np.random.default_rng(asked.request.seed)
        yield self._begin(asked, N_avg, rounds, names, dense)
        running: dict[str, Request] = {}
        for name in lot.permutation(names).tolist():
            row, request = self._row(name, N_avg, asked, controls, dense)
            if request is not None:
                running[name] = request
            yield {"row": row}
        times: dict[str, list[float]] = {name: [] for name in running}
        for turn in range(rounds):
            for name in lot.permutation(list(running)).tolist():
                result = self.session.run(running[name], fresh=True)
                times[name].append(milliseconds(result))
            yield {"round": turn + 1, "ms": {name: list(quartiles(spent)) for name, spent in times.items()}}
        yield {"end": round(time.perf_counter() - began, 2)}

    def export(self, file: Any, table: Any, **controls: Any) -> Payload:
        """One of FILES made of the table that the page shows: {"name", "type", "data"} with base64 data.

        The numbers are the table's own; for a figure its rows run once more, which needs the picture, query and seed
        that they were made on in `controls`.
        """
        try:
            check_choice("file", file, tuple(FILES))
            begin, rows = self.read(table)
            if file.endswith(".csv"):
                data = self._csv(begin, rows)
            else:
                title = f"\u201c{tables.text(begin, 'query')}\u201d at N_avg {tables.number(begin, 'target') or 0:g}"
                figure = draw.comparison(self._drawn(begin, rows, table, controls), title, self._footer(begin))
                data = typeset.to_bytes(figure, file.rsplit(".", 1)[1])
        except ValueError as error:
            return {"error": str(error)}
        return {"name": f"csp-{file}", "type": FILES[file], "data": base64.b64encode(data).decode("ascii")}

    def _drawn(
        self, begin: Mapping[str, Any], rows: Mapping[str, Row], table: Any, controls: Mapping[str, Any]
    ) -> list[Row]:
        """The rows with their pictures, each run again."""
        asked = self.handlers.ask(controls)
        if begin.get("key") != key_of(asked.request):
            raise ValueError("picture, query or seed have changed since this comparison: press Compare, then download its figure")
        knobs = {
            line["row"]["name"]: line["row"].get("knobs")
            for line in tables.lines(table, "press Compare")
            if isinstance(line.get("row"), dict) and line["row"].get("name") in rows
        }
        dense = self.session.dense(asked.request)
        out = []
        for name, row in rows.items():
            if row.reason:
                out.append(row)
                continue
            turned = knobs[name]
            request = replace(asked.request, method=name, knobs=turned if isinstance(turned, dict) else {})
            drawn = draw.row(self.session.run(request), row.label, row.setting, dense.mask, asked.truth)
            out.append(replace(drawn, ms=row.ms))
        return out

    def read(self, table: Any) -> tuple[dict[str, Any], dict[str, Row]]:
        """A table as a page has it: its first line, and its rows in the registry's order. ValueError for none."""
        lines = tables.lines(table, "press Compare")
        begin: dict[str, Any] = next((line["begin"] for line in lines if isinstance(line.get("begin"), dict)), {})
        rows: dict[str, Row] = {}
        for line in lines:
            data = line.get("row")
            if isinstance(data, dict) and isinstance(data.get("name"), str) and data["name"] in self.handlers.methods:
                rows[data["name"]] = self._reread(data)
        for line in lines:
            spent = line.get("ms")
            for name, values in spent.items() if isinstance(spent, dict) else ():
                if name in rows:
                    rows[name] = replace(rows[name], ms=_spread(values))
        if not rows:
            raise ValueError("the table has no row: press Compare first")
        return begin, {name: rows[name] for name in self.handlers.methods if name in rows}

    def _names(self, methods: Any) -> list[str]:
        if not isinstance(methods, list) or not methods:
            raise ValueError("no method is ticked: tick at least one")
        known = tuple(self.handlers.methods)
        return list(dict.fromkeys(check_choice("method", name, known) for name in methods))

    def _begin(self, asked: Asked, N_avg: float, rounds: int, names: list[str], dense: Result) -> Payload:
        request, card = asked.request, self.handlers.card
        labels = {name: self.handlers.methods[name].label for name in self.handlers.methods if name in names}
        return {
            "begin": {
                "stamp": time.time_ns(),
                "key": key_of(request),
                "ground": packing.payload(dense, truth=asked.truth),
                "query": request.query.strip(),
                "target": N_avg,
                "N": card.N,
                "rounds": rounds,
                "methods": labels,
                "truth": asked.truth is not None,
                "model": card.name,
                "device": card.device,
                "seed": request.seed,
                "notes": [PARK_ONLY] if card.name == "park" and asked.scene is None else [],
            }
        }

    def _row(
        self, name: str, N_avg: float, asked: Asked, controls: Mapping[str, Any], dense: Result
    ) -> tuple[Payload, Request | None]:
        """A row and the request behind it; without a request where the budget or the run is refused."""
        label = self.handlers.methods[name].label
        try:
            start = self.handlers.ask({**controls, "method": name}).request.knobs
            request = replace(asked.request, method=name, knobs=self.session.at_budget(name, N_avg, start))
            result = self.session.run(request)
        except Refused:
            raise
        except ValueError as error:
            return {"name": name, "label": label, "reason": str(error)}, None
        row = draw.measured(result, label, setting(self.handlers.methods[name].knobs, request.knobs), dense.mask, asked.truth)
        known = {"name": name, "label": label, "setting": row.setting, "knobs": dict(request.knobs)}
        numbers = {number: getattr(row, number) for number in NUMBERS}
        # The picture travels once, with the dense run.
        return {**known, **numbers, "notes": list(result.notes), "packet": packing.payload(result, picture=False)}, request

    def _reread(self, data: Mapping[str, Any]) -> Row:
        label = self.handlers.methods[data["name"]].label
        reason = tables.text(data, "reason")
        if reason:
            return Row(label, reason=reason)
        numbers = {key: tables.number(data, key) for key in ("n_first", "n_last", "flops")}
        whole = {key: None if value is None else int(value) for key, value in numbers.items()}
        return Row(
            label,
            tables.text(data, "setting"),
            n_avg=tables.number(data, "n_avg"),
            iou_dense=tables.number(data, "iou_dense"),
            iou_truth=tables.number(data, "iou_truth"),
            area=tables.number(data, "area"),
            on_target=tables.number(data, "on_target"),
            n_first=whole["n_first"],
            n_last=whole["n_last"],
            flops=whole["flops"],
        )

    def _footer(self, begin: Mapping[str, Any]) -> str:
        from csp import __version__

        return (
            "A_SEG: attention of [SEG] in the layers named, and its share on the target. Dashed: dense mask; dotted: true mask. "
            "Milliseconds: selection and decoder, median (quartiles) of repeated runs in random order, the first dropped, "
            f"on {tables.text(begin, 'device')}. Model {tables.text(begin, 'model')}; "
            f"seed {tables.number(begin, 'seed') or 0:g}; csp {__version__}."
        )

    def _csv(self, begin: Mapping[str, Any], rows: Mapping[str, Row]) -> bytes:
        table: list[Sequence[Any]] = [COLUMNS]
        common = [tables.number(begin, "target"), tables.text(begin, "query"), tables.text(begin, "model")]
        for name, row in rows.items():
            spent = [None] * 4 if row.ms is None else [row.ms.median, row.ms.low, row.ms.high, row.ms.n]
            counts = [row.n_avg, row.n_first, row.n_last, row.flops, row.iou_dense, row.iou_truth, row.area, row.on_target]
            seed = tables.number(begin, "seed")
            told_ = [row.reason, *common, None if seed is None else int(seed)]
            table.append([name, row.label, row.setting, *counts, *spent, *told_])
        return to_csv(table).encode()


def key_of(request: Request) -> str:
    """What a comparison was made on, in a few letters: picture, query and seed."""
    words = json.dumps([request.query.strip(), request.seed, request.image.shape])
    return hashlib.sha256(words.encode() + request.image.tobytes()).hexdigest()[:16]


def setting(known: Sequence[Knob], knobs: Mapping[str, Any]) -> str:
    """Knobs in words: every count, and the rest where it is not the default."""
    words = []
    for knob in known:
        value = knobs.get(knob.name, knob.default)
        if isinstance(value, str):
            words += [f"{knob.name} {value}"] if value != knob.default else []
        elif isinstance(value, list | tuple):
            words.append(f"{knob.name} = {', '.join(map(str, value))}")
        elif not isinstance(value, float) or value != knob.default:
            words.append(f"{knob.name} = {value:g}")
    return "; ".join(words)


def milliseconds(result: Result) -> float:
    """What a method's own work took: choosing tokens and running the decoder. Vision and mask are the same for all."""
    return sum(float(result.ms.get(part, 0.0)) for part in TIMED)


def quartiles(spent: list[float]) -> tuple[float, float, float, int]:
    """Median, lower and upper quartile, number."""
    low, middle, high = np.quantile(spent, (0.25, 0.5, 0.75))
    return round(float(middle), 3), round(float(low), 3), round(float(high), 3), len(spent)


def _spread(values: Any) -> Spread | None:
    if not isinstance(values, list) or len(values) != 4:
        return None
    if not all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values):
        return None
    return Spread(float(values[0]), float(values[1]), float(values[2]), int(values[3]))
