"""What a sweep runs: curves of settings, pictures to run them on, and what the paper printed beside them. No Gradio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from csp.render import views
from csp.render.curves import LOOKS, Curve, Point
from csp.types import Request, Result
from csp.ui.handlers import INTEGERS, Handlers
from csp.ui.lineup import milliseconds, setting

if TYPE_CHECKING:
    from csp.methods import Preset

METHODS = "methods"
CLUSTERS = "cluster"
SEEDS = "seeds"
SWEEPS = {
    METHODS: "all methods over budgets",
    "Lc": "Lc",
    "Nc": "Nc",
    "Ls": "Ls",
    "Np": "Np",
    CLUSTERS: "Nc with each clustering",
    SEEDS: "this query under many seeds",
}
RATIOS = (50, 65, 70, 75, 80, 85, 90)
"""Percent of image tokens saved: the paper's Table 6, and one half."""
MOST_SCENES = 24
VALUES = 9
AXES = ("n_avg", "operations", "time", "knob", "truth", "dense", "change")


@dataclass
class Setting:
    """A point in the making: a method with its knobs on curve ``curve`` (-1: the present setting), and a row of
    numbers for each picture done: N_avg, FLOPs, ms, IoU with dense and with truth.
    """

    curve: int
    label: str
    method: str
    knobs: Mapping[str, Any]
    knob: float | None = None
    done: list[tuple[float, float, float, float, float]] = field(default_factory=list)

    def add(self, result: Result, dense: Result, truth: NDArray[np.bool_] | None) -> None:
        """Count a run on one more picture."""
        near = float("nan") if truth is None else views.iou(result.mask, truth)
        agree = views.iou(result.mask, dense.mask)
        self.done.append((result.trace.n_avg, result.cost.total_flops, milliseconds(result), agree, near))

    def at(self, dense: Setting) -> dict[str, float | None]:
        """Its place on `AXES`, means over the pictures done, against the dense setting on the same pictures."""
        ours = np.mean(np.array(self.done), axis=0)
        theirs = np.mean(np.array(dense.done[: len(self.done)]), axis=0)
        truth = None if np.isnan(ours[4]) else float(ours[4])
        out = {
            "n_avg": float(ours[0]),
            "operations": 100 * float(ours[1] / theirs[1]),
            "time": 100 * float(ours[2] / theirs[2]) if theirs[2] else None,
            "knob": self.knob,
            "truth": truth,
            "dense": float(ours[3]),
            "change": None if truth is None else 100 * float(ours[4] - theirs[4]),
        }
        return {name: None if value is None else round(value, 4) for name, value in out.items()}


@dataclass
class Plan:
    """Labels of curves (``bold``: those that the chart is about), the settings on them, and which budgets are out of reach."""

    labels: list[str]
    bold: set[int]
    settings: list[Setting]
    refused: list[str]


def plan(handlers: Handlers, sweep: str, controls: Mapping[str, Any], dense: str) -> Plan:
    """The settings of a sweep; curve 0 is for ``dense``. Raises ValueError where the controls will not do."""
    return _methods(handlers, controls, dense) if sweep == METHODS else _knob(handlers, sweep, controls, dense)


def _methods(handlers: Handlers, controls: Mapping[str, Any], dense: str) -> Plan:
    made = Plan([handlers.methods[dense].label], set(), [], [])
    for name in handlers.methods:
        if name == dense:
            continue
        curve, label = len(made.labels), handlers.methods[name].label
        made.labels.append(label)
        if sliders(handlers, name):
            made.bold.add(curve)
        start = handlers.ask({**controls, "method": name}).request.knobs
        seen, out = set(), []
        for ratio in RATIOS:
            N_avg = handlers.card.N * (100 - ratio) / 100
            try:
                knobs = handlers.session.at_budget(name, N_avg, start)
            except ValueError as error:
                out.append(str(error))
                continue
            # Two budgets may lead to one setting.
            if (words := described(handlers, name, knobs)) not in seen:
                seen.add(words)
                made.settings.append(Setting(curve, words, name, knobs))
        if out:
            made.refused.append(f"{label}: {len(out)} of {len(RATIOS)} budgets out of reach ({out[-1]})")
    return made


def _knob(handlers: Handlers, sweep: str, controls: Mapping[str, Any], dense: str) -> Plan:
    made = Plan([handlers.methods[dense].label], set(), [], [])
    name = next(name for name in handlers.methods if sliders(handlers, name))
    request = handlers.ask({**controls, "method": name}).request
    knob = "Nc" if sweep == CLUSTERS else sweep
    chosen = handlers.choices(CLUSTERS) if sweep == CLUSTERS else (request.knobs[CLUSTERS],)
    for cluster in chosen:
        curve = len(made.labels)
        made.labels.append(f"{knob}, {cluster}")
        if len(chosen) == 1:
            made.bold.add(curve)
        for value in _values(handlers, knob, request.knobs):
            knobs = {**request.knobs, CLUSTERS: cluster, knob: value}
            made.settings.append(Setting(curve, described(handlers, name, knobs), name, knobs, float(value)))
    return made


def _values(handlers: Handlers, knob: str, knobs: Mapping[str, Any]) -> list[int]:
    """Values of a knob: powers of two for tokens, even steps for layers; the present one among them."""
    card, here = handlers.card, int(knobs[knob])
    if knob in ("Nc", "Np"):
        return sorted({*(2**i for i in range(card.N.bit_length()) if 2**i <= card.N), card.N, here})
    other = int(knobs["Ls" if knob == "Lc" else "Lc"])
    least, most = 0 if other else 1, card.L - other
    return sorted({*np.linspace(least, most, min(VALUES, most - least + 1)).round().astype(int).tolist(), here})


def scenes(handlers: Handlers, request: Request, count: int) -> list[tuple[Request, NDArray[np.bool_]]]:
    """Requests about the first test scenes, unchosen, with their truths: a family of queries after the other, none
    about absent things.
    """
    out = []
    for number in range(count):
        scene = handlers.album.scene(number)
        asked = [(text, mask) for _, text, mask in scene.queries if mask.any()]
        text, mask = asked[number % len(asked)]
        out.append((replace(request, image=scene.image, query=text), mask))
    return out


def sliders(handlers: Handlers, name: str) -> bool:
    """Whether a method is the one that the board's sliders turn."""
    return {knob.name for knob in handlers.methods[name].knobs} >= set(INTEGERS)


def described(handlers: Handlers, name: str, knobs: Mapping[str, Any]) -> str:
    """A setting in words, the method first."""
    card = handlers.methods[name]
    turned = setting(card.knobs, knobs)
    return f"{card.label}: {turned}" if turned else card.label


def printed(handlers: Handlers, sweep: str) -> list[tuple[Curve, list[Preset]]]:
    """What the paper prints for a model of this shape, with the rows behind: Table 6 as a curve; beside all
    methods, Table 1's rivals as points.
    """
    rows = list(handlers.session.presets().values())
    out = []
    for table, label, ours in ((6, "paper, Table 6: LVLM_CSP", True), (1, "paper, Table 1: the others", False)):
        known = [p for p in rows if p.table == table and p.drop is not None]
        dense = next((p for p in known if not p.knobs), None)
        # Where several knobs fit a printed row, the first is the likeliest.
        chosen = {(p.method, p.n_avg): p for p in reversed(known) if p.knobs and sliders(handlers, p.method) == ours}
        if dense is None or not chosen or not (ours or sweep == METHODS):
            continue
        presets = sorted(chosen.values(), key=lambda p: p.n_avg)
        points = [_printed_point(handlers, preset, dense) for preset in presets]
        out.append((Curve(label, points, LOOKS[0 if ours else 3], paper=True, joined=ours), presets))
    return out


def _printed_point(handlers: Handlers, preset: Preset, dense: Preset) -> Point:
    label = handlers.methods[preset.method].label
    at: dict[str, float | None] = dict.fromkeys(AXES)
    at["n_avg"] = preset.n_avg
    at["operations"] = round(100 * preset.tflops / dense.tflops, 2)
    at["change"] = 0.0 - (preset.drop or 0.0)
    if preset.ms and dense.ms:
        at["time"] = round(100 * preset.ms / dense.ms, 2)
    return Point(f"paper: {label}" + (f", {preset.label}" if preset.table == 6 else ""), at)
