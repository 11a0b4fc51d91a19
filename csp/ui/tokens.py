"""What the token viewer asks of the page: layers from the stage bar, forced tokens, runs recalled; links and files opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gradio as gr

from csp.ui import permalink
from csp.ui.saved import reopen
from csp.ui.widgets import pack

if TYPE_CHECKING:
    from csp.ui.controls import Controls
    from csp.ui.page import Shown

FOLLOW_TAB = """() => {{
  const page = document.querySelector('#csp-page'), tab = '{tab}';
  if (!page || page.dataset.tab === tab) return;
  page.dataset.tab = tab;
  document.querySelector('#csp-viewer .csp-viewer')?.dispatchEvent(new CustomEvent('csp-tab', {{ detail: tab }}));
}}"""
"""Explore, Tokens and Learn share the rail and the results: which of them shows is a matter of style."""

FOLLOW_SLIDERS = """(Lc, Nc, Ls, Np) => {
  document.querySelector('#csp-viewer .csp-viewer')?.dispatchEvent(new CustomEvent('csp-knobs', { detail: { Lc, Nc, Ls, Np } }));
}"""


def wire(
    demo: gr.Blocks,
    shown: Shown,
    controls: Controls,
    parts: Mapping[str, Any],
    model: dict[str, Any],
) -> list[Any]:
    """Add the viewer's events to the page being built; returns those that run the model.

    parts: components by name: tabs, number, chips, results, viewer, upload (an UploadButton for saved runs).
    """
    asked, explore = controls.asked, shown.explore
    results = [parts["results"], parts["viewer"]]
    client: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
    for tab in parts["tabs"].children:
        tab.select(None, None, None, js=FOLLOW_TAB.format(tab=tab.id), **client)
    knobs = [asked[name] for name in ("Lc", "Nc", "Ls", "Np")]
    moved = [event for knob in knobs for event in (knob.input, knob.release)]
    gr.on(moved, None, knobs, None, js=FOLLOW_SLIDERS, **client)

    def layers(event: gr.EventData, **values: Any) -> tuple[Any, ...]:
        told = {name: _told(event).get(name) for name in ("Lc", "Ls")}
        values |= {**told, "method": "csp"}
        out = shown.run(**values)
        lc, ls = told["Lc"], told["Ls"]
        if not (isinstance(lc, int) and isinstance(ls, int) and 0 <= lc + ls <= explore.card.L):
            return *(gr.skip() for _ in range(5)), *out
        return lc, ls, explore.card.L - lc - ls, "custom", "csp", *out

    def force(event: gr.EventData, **values: Any) -> tuple[Any, Any]:
        return shown.run(**values, force=_told(event).get("force"))

    set_by_link = [
        parts["number"],
        *asked.values(),
        controls.Lp,
        controls.preset,
        parts["chips"],
        *results,
    ]

    def recalled(params: Mapping[str, str], values: dict[str, Any]) -> tuple[Any, ...]:
        """Every control of `set_by_link`, and the run with them."""
        read, notes = permalink.read(explore, params)
        if not read:
            said = " ".join(notes) or "The link holds no settings: choose another run, or set the controls."
            return *(gr.skip() for _ in set_by_link[:-2]), pack(shown.stamped({"error": said})), gr.skip()
        now = values | permalink.defaults(explore) | read
        scene = explore.picture(now["source"]) if read.get("source") else {}
        if scene:
            now["image"] = None
        chips = pack(shown.stamped({"suggestions": scene["suggestions"]})) if scene else gr.skip()
        out = shown.run(notes=notes, **now)
        named = [now[name] if name != "image" else scene.get("image", gr.skip()) for name in asked]
        return (
            scene.get("number", gr.skip()),
            *named,
            explore.card.L - now["Lc"] - now["Ls"],
            "custom",
            chips,
            *out,
        )

    def recall(event: gr.EventData, **values: Any) -> tuple[Any, ...]:
        told = _told(event).get("link")
        params = (
            {str(k): v for k, v in told.items() if isinstance(v, str)} if isinstance(told, Mapping) else {}
        )
        return recalled(params, values)

    def arrived(request: gr.Request, **values: Any) -> tuple[Any, ...]:
        params = {name: str(value) for name, value in request.query_params.items()}
        tab = permalink.tab(params)
        leads = gr.skip() if tab is None else gr.Tabs(selected=tab)
        if not permalink.names(explore) & set(params):
            return leads, *(gr.skip() for _ in set_by_link)
        return leads, *recalled(params, values)

    def opened(path: Any) -> tuple[Any, Any]:
        return shown.opened(lambda: reopen(path))

    viewer = parts["viewer"]
    bar = [asked["Lc"], asked["Ls"], controls.Lp, controls.preset, asked["method"]]
    demo.load(arrived, inputs_kwargs=asked, outputs=[parts["tabs"], *set_by_link], **model)
    parts["upload"].upload(opened, parts["upload"], results, **client)
    return [
        viewer.layers(layers, inputs_kwargs=asked, outputs=[*bar, *results], **model),
        viewer.force(force, inputs_kwargs=asked, outputs=results, **model),
        viewer.recall(recall, inputs_kwargs=asked, outputs=set_by_link, **model),
    ]


def _told(event: gr.EventData) -> Mapping[str, Any]:
    """What the viewer sent: anything at all, since a stranger may have sent it."""
    told = event._data
    return told if isinstance(told, Mapping) else {}
