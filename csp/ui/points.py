"""The work behind the Trade-off page: sweeps of one knob, or of all methods over budgets, as points of curves. No Gradio.

A point is the mean over the pictures done so far, so that a stopped sweep is a sweep over fewer pictures. The
paper's printed numbers stand beside ours as curves of their own.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csp.checks import check_choice, check_integer, to_csv
from csp.render import curves as draw, palette, typeset
from csp.render.curves import LOOKS, Curve, Look, Point
from csp.types import Request, Result
from csp.ui import seeds, shipped, sweep as sweeps, tables
from csp.ui.handlers import Asked, Handlers, whole
from csp.ui.payload import Payload
from csp.ui.sweep import AXES, CLUSTERS, METHODS, MOST_SCENES, SEEDS, SWEEPS, Plan, Setting

PRESENT, SCENES = "this picture and query", "park scenes"
PICTURES = (PRESENT, SCENES)
FILES = {
    "tradeoff.csv": "text/csv",
    "tradeoff.png": "image/png",
    "tradeoff.svg": "image/svg+xml",
    "tradeoff.pdf": "application/pdf",
}


class Tradeoff:
    """Handlers of the Trade-off page, beside the board's."""

    def __init__(self, handlers: Handlers):
        self.handlers = handlers
        self.session = handlers.session

    def run(self, sweep: Any, pictures: Any, scenes: Any, **controls: Any) -> Iterator[Payload]:
        """Lines: what begins with curves and the paper's points, a point as often as it moves, the end; or an error."""
        began = time.perf_counter()
        try:
            request, truth = (asked := self.handlers.ask(controls)).request, asked.truth
            check_choice("sweep", sweep, tuple(SWEEPS))
            check_choice("pictures", pictures, PICTURES)
            count = check_integer("scenes", whole("scenes", scenes), 1, MOST_SCENES)
            subjects: Sequence[tuple[Request, NDArray[np.bool_] | None]] = [(request, truth)]
            if pictures == SCENES:
                subjects = sweeps.scenes(self.handlers, request, count)
            # A setting that will not run is refused here, before anything else.
            self.session.run(request)
            if sweep == SEEDS:
                dense = self.session.dense(request)
                yield {"begin": self._of_seeds(asked, dense, count)}
                yield from seeds.lines(self.handlers, asked, max(2, count))
                yield {"end": round(time.perf_counter() - began, 2)}
                return
            first = self.session.dense(subjects[0][0]).request
            plan = sweeps.plan(self.handlers, sweep, controls, first.method)
        except ValueError as error:
            yield {"error": str(error)}
            return
        level = Setting(0, plan.labels[0], first.method, first.knobs)
        present = Setting(-1, self._described(request), request.method, request.knobs)
        yield {"begin": self._begin(sweep, request if pictures == PRESENT else None, len(subjects), plan)}
        lot = np.random.default_rng(request.seed)
        for subject, known in subjects:
            reference = self.session.dense(subject)
            shuffled = [plan.settings[i] for i in lot.permutation(len(plan.settings)).tolist()]
            for made in (level, present, *shuffled):
                result = self.session.run(replace(subject, method=made.method, knobs=made.knobs), fresh=True)
                made.add(result, reference, known)
                yield {"point": _point(made, level)}
        yield {"end": round(time.perf_counter() - began, 2)}

    def _of_seeds(self, asked: Asked, dense: Result, count: int) -> Payload:
        height, width = seeds.size_of(asked.request.image.shape[:2])
        return {
            "stamp": time.time_ns(),
            "sweep": SEEDS,
            "seeds": max(2, count),
            "rows": [label for label, _ in seeds.rows(self.handlers, asked)],
            "query": asked.request.query.strip(),
            "setting": self._described(asked.request),
            "truth": asked.truth is not None,
            "model": self.handlers.card.name,
            "ground": seeds.ground(dense, asked.truth),
            "size": [height, width],
        }

    def shipped(self) -> list[Payload]:
        """The curves that came with the app, as lines of the page; none where there are none."""
        told = shipped.summary()
        if told is None:
            return []
        labels, points = shipped.points(told)
        ours = {card.label for name, card in self.handlers.methods.items() if sweeps.sliders(self.handlers, name)}
        plan = Plan(labels, {i for i, label in enumerate(labels) if label in ours}, [], [])
        begin = self._begin(METHODS, None, told["pictures"], plan) | {"shipped": shipped.origin(told), "model": told["model"]}
        return [{"begin": begin | {"runs": len(points)}}, *({"point": point} for point in points), {"end": 0}]

    def export(self, file: Any, table: Any, x: Any, y: Any) -> Payload:
        """One of FILES made of the points that the page shows: {"name", "type", "data"} with base64 data."""
        try:
            check_choice("file", file, tuple(FILES))
            check_choice("x", x, tuple(draw.X))
            check_choice("y", y, tuple(draw.Y))
            lines = tables.lines(table, "press Sweep")
            if any("seed" in line for line in lines):
                return self._seeds_file(file, lines)
            begin, curves, ring = self.read(table)
            if file.endswith(".csv"):
                data = _csv(curves, ring)
            else:
                measured = [curve for curve in curves if not curve.paper]
                # Without a known truth there is only agreement with dense to draw.
                y = y if any(draw.placed(curve, x, y) for curve in measured) else "dense"
                figure = draw.tradeoff(curves, x, y, ring, _footer(begin, ring))
                data = typeset.to_bytes(figure, file.rsplit(".", 1)[1])
        except ValueError as error:
            return {"error": str(error)}
        return {"name": f"csp-{file}", "type": FILES[file], "data": base64.b64encode(data).decode("ascii")}

    def _seeds_file(self, file: str, lines: list[dict[str, Any]]) -> Payload:
        """A seed sweep as a table, or drawn as the page draws it."""
        begin: dict[str, Any] = next((line["begin"] for line in lines if isinstance(line.get("begin"), dict)), {})
        known = begin.get("rows")
        labels = [str(label)[:60] for label in known[:20]] if isinstance(known, list) else []
        kind = file.rsplit(".", 1)[1]
        if kind == "csv":
            data = to_csv(seeds.table(lines, labels)).encode()
        else:
            data = typeset.to_bytes(seeds.figure(lines, begin, labels), kind)
        return {"name": f"csp-seeds.{kind}", "type": FILES[file], "data": base64.b64encode(data).decode("ascii")}

    def read(self, table: Any) -> tuple[dict[str, Any], list[Curve], Point | None]:
        """Points as a page has them: the first line, curves, the present setting. ValueError for none."""
        lines = tables.lines(table, "press Sweep")
        begin: dict[str, Any] = next((line["begin"] for line in lines if isinstance(line.get("begin"), dict)), {})
        latest: dict[tuple[int, str], Point] = {}
        for line in lines:
            data = line.get("point")
            if isinstance(data, dict) and isinstance(data.get("at"), dict) and isinstance(data.get("curve"), int):
                at = {axis: tables.number(data["at"], axis) for axis in AXES}
                label = tables.text(data, "label")
                latest[data["curve"], label] = Point(label, at, int(tables.number(data, "n") or 1))
        if not latest:
            raise ValueError("the table has no point: press Sweep first")
        ring = next((point for (curve, _), point in latest.items() if curve == -1), None)
        known = begin.get("curves")
        curves = []
        for i, named in enumerate(known[:20] if isinstance(known, list) else ()):
            points = [point for (curve, _), point in latest.items() if curve == i]
            if points and isinstance(named, dict):
                points.sort(key=lambda point: point.at["n_avg"] or 0.0)
                curves.append(Curve(tables.text(named, "label"), points, look(i), bold=bool(named.get("bold")), level=i == 0))
        name = tables.text(begin, "sweep")
        paper = [curve for curve, _ in sweeps.printed(self.handlers, name)] if name in SWEEPS else []
        return begin, [*paper, *curves], ring

    def _begin(self, sweep: str, asked: Request | None, pictures: int, plan: Plan) -> Payload:
        card = self.handlers.card
        curves = [_curve(look(i), label, bold=i in plan.bold, level=i == 0) for i, label in enumerate(plan.labels)]
        return {
            "stamp": time.time_ns(),
            "sweep": sweep,
            "query": asked.query.strip() if asked else "",
            "pictures": pictures,
            "runs": pictures * (len(plan.settings) + 2),
            "model": card.name,
            "device": card.device,
            "seed": asked.seed if asked else 0,
            "knob": None if sweep == METHODS else "Nc" if sweep == CLUSTERS else sweep,
            "curves": curves,
            "paper": self._paper(sweep),
            "refused": plan.refused,
            "x": draw.X,
            "y": draw.Y,
        }

    def _paper(self, sweep: str) -> list[Payload]:
        out = []
        for curve, presets in sweeps.printed(self.handlers, sweep):
            points = [
                {"label": point.label, "at": dict(point.at), "method": preset.method, "knobs": dict(preset.knobs or {})}
                for point, preset in zip(curve.points, presets, strict=True)
            ]
            out.append(_curve(curve.look, curve.label, points=points, joined=curve.joined))
        return out

    def _described(self, request: Request) -> str:
        return sweeps.described(self.handlers, request.method, request.knobs)


def look(curve: int) -> Look:
    """How curve number ``curve`` is drawn; 0 is dense, last of the looks."""
    return LOOKS[(curve - 1) % len(LOOKS)]


def _curve(drawn: Look, label: str, **more: Any) -> Payload:
    return {
        "label": label,
        "color": palette.hex_of(drawn.color),
        "marker": drawn.marker,
        "dash": drawn.dash,
        **more,
    }


def _point(made: Setting, dense: Setting) -> Payload:
    place = {"curve": made.curve, "label": made.label, "at": made.at(dense), "n": len(made.done)}
    return {**place, "method": made.method, "knobs": dict(made.knobs)}


def _footer(begin: Mapping[str, Any], ring: Point | None) -> str:
    from csp import __version__

    made = begin.get("shipped")
    if isinstance(made, dict):
        over = f"{tables.number(made, 'queries') or 0:g} queries on {tables.number(made, 'pictures') or 0:g} park scenes"
        return (
            f"Mean over {over}; model {tables.text(made, 'model')}, {tables.text(made, 'finished')}: "
            f"{tables.text(made, 'command')}. Grey: printed in the paper, another model and other data, points of mIoU; its time "
            "on one RTX A6000."
        )
    query, count = tables.text(begin, "query"), ring.n if ring is not None else 1
    what = f"\u201c{query}\u201d" if query else f"mean over {count} park scene{'s' if count > 1 else ''}"
    return (
        f"{what}; model {tables.text(begin, 'model')}, csp {__version__}. A handful of pictures, one run of each. Grey: printed "
        "in the paper, another model and other data, points of mIoU; its time on one RTX A6000."
    )


def _csv(curves: Sequence[Curve], ring: Point | None) -> bytes:
    table: list[Sequence[Any]] = [["curve", "setting", "source", *AXES, "pictures"]]
    for curve in [*curves, *([Curve("present", [ring])] if ring else [])]:
        for point in curve.points:
            source = ("paper", "") if curve.paper else ("measured", point.n)
            table.append([curve.label, point.label, source[0], *(point.at.get(axis) for axis in AXES), source[1]])
    return to_csv(table).encode()
