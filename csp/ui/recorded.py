"""A page over saved runs alone: a gallery, and the board to look at one of them. No model is loaded, none is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from csp import recordings
from csp.recordings import Entry
from csp.types import Result
from csp.ui.payload import Payload
from csp.ui.viewer import packing
from csp.ui.viewer.component import component
from csp.ui.widgets import html, pack


class Recorded:
    """The runs of a folder, by the names that its gallery gave out; no other file is ever opened."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.entries, self.refused = recordings.read(self.folder)

    def gallery(self) -> Payload:
        """What the gallery shows."""
        return {"runs": [_shown(one) for one in self.entries], "notes": self.refused[:5]}

    def packet(self, file: Any) -> Payload:
        """A run for the board; {"error": words} where there is none."""
        if not isinstance(file, str) or file not in {one.file for one in self.entries}:
            return {"error": "there is no such run here: choose one of the gallery"}
        try:
            result = Result.open(self.folder / file)
        except (ValueError, OSError) as error:
            return {"error": str(error)}
        # What a board with a model offers to run again cannot be run here.
        return packing.saved(result) | {"opened": True, "link": {"run": file}, "file": file}


def _shown(one: Entry) -> Payload:
    known = {"true": one.iou_truth, "dense": one.iou_dense}
    scores = [f"IoU {name} {value:.2f}" for name, value in known.items() if value is not None]
    numbers = " \u00b7 ".join([f"N_avg {one.n_avg:g} of {one.N}", *scores])
    return {
        "file": one.file,
        "src": one.thumb,
        "alt": one.alt,
        "query": one.query,
        "title": one.title,
        "model": one.model,
        "numbers": numbers,
    }


def page(folder: str | Path) -> gr.Blocks:
    """The page over a folder of runs, the first of them on the board. Raises ValueError for a folder without one."""
    recorded = Recorded(folder)
    first = recorded.packet(recorded.entries[0].file)
    with gr.Blocks(title="LVLM_CSP: recorded runs", analytics_enabled=False, fill_width=True) as demo:
        with gr.Column(elem_id="csp-recorded-page"):
            shown = recorded.gallery() | {"shown": recorded.entries[0].file}
            gallery = html("recorded", shown, "csp-recorded", elem_classes="csp-wide")
            viewer = component(first)

        def pick(event: gr.EventData) -> str:
            told = event._data if isinstance(event._data, dict) else {}
            return pack(recorded.packet(told.get("file")))

        gallery.pick(pick, None, viewer, show_progress="hidden", api_visibility="private", trigger_mode="always_last")
    demo.queue(max_size=200, default_concurrency_limit=4, api_open=False)
    return demo
