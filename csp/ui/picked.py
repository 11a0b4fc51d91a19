"""Opening a setting of another page in Explore: its method, its knobs, its run."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr

from csp.ui import controls as make
from csp.ui.controls import Controls
from csp.ui.explore import INTEGERS

if TYPE_CHECKING:
    from csp.ui.page import Shown


def outputs(tabs: Any, controls: Controls, results: list[Any]) -> list[Any]:
    """What `opener` fills, in its order."""
    asked = [controls.asked[name] for name in ("method", "picked", *_shown(controls))]
    return [tabs, *asked, controls.Lp, controls.preset, *results]


def opener(shown: Shown, controls: Controls) -> Callable[..., Any]:
    """A handler for an event that tells {"method", "knobs"}: leads to Explore and runs the setting there."""
    explore, known = shown.explore, _shown(controls)

    def open_point(event: gr.EventData, **values: Any) -> tuple[Any, ...]:
        told = event._data if isinstance(event._data, Mapping) else {}
        method, knobs = told.get("method"), told.get("knobs")
        knobs = knobs if isinstance(knobs, dict) else {}
        # The method of the sliders sets them; knobs of the others travel beside them.
        ours = set(INTEGERS) <= set(knobs)
        sliders = {name: knobs[name] for name in known if name in knobs} if ours else {}
        picked = "" if ours or not knobs else json.dumps({"method": method, "knobs": knobs})
        values = values | sliders | {"method": method, "picked": picked}
        to_explore, run = gr.Tabs(selected="explore"), shown.run(**values)
        try:
            explore.ask(values)
        except ValueError:
            return to_explore, *(gr.skip() for _ in range(len(known) + 4)), *run
        Lp = explore.card.L - values["Lc"] - values["Ls"]
        preset = make.preset_of(explore, values) if ours else make.CUSTOM
        return to_explore, method, picked, *(values[name] for name in known), Lp, preset, *run

    return open_point


def _shown(controls: Controls) -> tuple[str, ...]:
    """Controls that a setting can set: the knobs of the method with the sliders."""
    knobs = (*INTEGERS, "cluster", *make.OFF_PAPER, "conf")
    return tuple(name for name in knobs if name in controls.asked)
