"""The token viewer as one Gradio component: constant templates, data through `props` alone.

Gradio evaluates templates as code, so nothing of a visitor may meet one: the script reads JSON and draws it
with textContent and on a canvas.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import gradio as gr

from csp.render import palette
from csp.ui.widgets import asset, pack

SCRIPTS = (
    *("unpack", "trace", "paint", "charts", "panels", "cards", "stagebar", "export", "history", "builder", "steps", "learn"),
    *("rail", "top", "choices", "bill", "whatif", "layout", "viewer", "sending", "wiring", "four", "replay", "start"),
)
"""One function's body in this order: pure parts first, the wiring last."""
GHOST = {"ghost": {"label": "mask before", "color": (170, 0, 120), "dash": (3, 3)}}
"""The mask of the run before, beside that of a run with forced tokens."""
PINS = (
    (0, 0, 0),
    palette.RESTORED.color,
    palette.OTHER_STAGE,
    palette.MASK.color,
    palette.DENSE.color,
    palette.SURVIVOR.color,
)
"""Colours of pinned tokens, in the order of pinning."""


def source(name: str) -> str:
    """A script, style or template of the viewer."""
    return (files("csp.ui.viewer") / name).read_text(encoding="utf-8")


def template() -> str:
    """The viewer's HTML with the lessons inside; the same for every visitor and every run."""
    lessons = source("lessons.html")
    return source("viewer.html").replace('<div class="v-lesson" hidden></div>', f'<div class="v-lesson" hidden>{lessons}</div>')


def script() -> str:
    """The viewer's script; what the page's other components share comes first."""
    return asset("shared.js") + "".join(source(f"{name}.js") for name in SCRIPTS)


def look() -> dict[str, Any]:
    """Colours and their second channels from `csp.render.palette`, as the script reads them."""
    states = {
        name: {
            "label": state.label,
            "color": state.color,
            "ring": state.ring,
            "veil": state.veil,
            "alpha": state.veil_alpha,
            "texture": state.texture,
        }
        for name, state in palette.STATES.items()
    }
    lines = {"mask": palette.MASK, "dense": palette.DENSE, "truth": palette.TRUTH}
    return {
        "states": states,
        "lines": {name: {"label": line.label, "color": line.color, "dash": line.dash} for name, line in lines.items()} | GHOST,
        "mask_alpha": palette.MASK_ALPHA,
        "heat": palette.colormap().ravel().tolist(),
        "heats": {name: palette.colormap(name).ravel().tolist() for name in palette.COLORMAPS},
        "stages": {name: palette.hex_of(color) for name, color in palette.STAGE_COLORS.items()},
        "stage": palette.hex_of(palette.OTHER_STAGE),
        "pins": PINS,
    }


def component(
    value: dict[str, Any] | None = None,
    about: dict[str, Any] | None = None,
    server: Sequence[Callable[..., Any]] = (),
    elem_id: str = "csp-viewer",
) -> gr.HTML:
    """The board, holding a packet of `packing.payload`; `about` is what there is to choose from (`Board.about`).

    Its script asks the functions in ``server``. Events: `tab` when another page is chosen, and `ask` with a request, to be
    read through `gr.EventData`, where runs must pass through Gradio's queue (a GPU that is lent by the call).
    """
    return gr.HTML(
        value=pack(value or {}),
        html_template=template(),
        css_template=source("viewer.css"),
        js_on_load=script(),
        elem_id=elem_id,
        apply_default_css=False,
        look=json.dumps(look()),
        about=pack(about),
        server_functions=list(server),
    )
