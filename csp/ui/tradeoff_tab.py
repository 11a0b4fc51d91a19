"""The Trade-off page: layout and wiring of `Tradeoff`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gradio as gr

from csp.render.curves import X, Y
from csp.ui import standing
from csp.ui.compare_tab import drawn, stopped, streamed
from csp.ui.points import FILES, PICTURES, PRESENT, Tradeoff
from csp.ui.sweep import METHODS, MOST_SCENES, SWEEPS
from csp.ui.visits import stepwise
from csp.ui.widgets import html, pack, stamped, unchecked
from csp.ui.zero import LONG, on_gpu

if TYPE_CHECKING:
    from csp.ui.handlers import Handlers

SCENES = 4


class TradeoffTab:
    """The components of the page; made inside its tab, wired when the rest of the page is there."""

    def __init__(self, handlers: Handlers):
        self.tradeoff = Tradeoff(handlers)
        with gr.Row(elem_classes="csp-bar-row"):
            self.sweep = unchecked(
                gr.Dropdown(
                    [(words, name) for name, words in SWEEPS.items()],
                    value=METHODS,
                    label="Sweep",
                    elem_id="in_sweep",
                    scale=3,
                    min_width=190,
                )
            )
            self.pictures = unchecked(
                gr.Dropdown(list(PICTURES), value=PRESENT, label="On", elem_id="in_pictures", scale=3, min_width=160)
            )
            self.scenes = unchecked(
                gr.Slider(
                    minimum=1,
                    maximum=MOST_SCENES,
                    value=SCENES,
                    step=1,
                    precision=0,
                    label="How many",
                    elem_id="in_scenes",
                    scale=3,
                    min_width=170,
                )
            )
            self.x = unchecked(
                gr.Dropdown([(words, name) for name, words in X.items()], value="n_avg", label="Across", elem_id="in_x",
                            scale=2, min_width=150)
            )  # fmt: skip
            self.y = unchecked(
                gr.Dropdown([(words, name) for name, words in Y.items()], value="change", label="Up", elem_id="in_y",
                            scale=3, min_width=150)
            )  # fmt: skip
            self.go = gr.Button("Sweep", variant="primary", elem_id="do_sweep", min_width=90, scale=0)
            self.stop = gr.Button("Stop", size="sm", elem_id="do_sweep_stop", min_width=60, scale=0)
        self.queue = html("queue", {}, "csp-tradeoff-queue", elem_classes="csp-queue-box")
        lines = "".join(pack(line) + "\n" for line in self.tradeoff.shipped())
        self.chart = drawn("tradeoff", "csp-tradeoff", lines, ("seeds",))
        with gr.Accordion("Download", open=False, elem_id="csp-tradeoff-files"):
            with gr.Row():
                self.files = {file: gr.Button(file, size="sm", min_width=110) for file in FILES}
            self.download = html("download", {}, "csp-tradeoff-download")

    @property
    def own(self) -> dict[str, Any]:
        """What this page's curves are made with, beside the board's controls."""
        return {"sweep": self.sweep, "pictures": self.pictures, "scenes": self.scenes}

    def wire(self, board: dict[str, Any], model: Callable[[Any], dict[str, Any]]) -> None:
        """Add the page's events. board: what the board's controls say, by a handler's argument; model: options of events that
        run the model, given a place for the queue.
        """
        asked = {**self.own, **board}
        standing.began(self.go, "csp-tradeoff")
        running = self.go.click(
            stepwise(streamed(on_gpu(self.tradeoff.run, LONG))), inputs_kwargs=asked, outputs=self.chart, **model(self.queue)
        )
        stopped(self.stop, [running], "csp-tradeoff")
        for name, axis in (("x", self.x), ("y", self.y)):
            js = (
                f"(value) => {{ document.querySelector('.csp-tradeoff')"
                f"?.dispatchEvent(new CustomEvent('csp-axes', {{ detail: {{ {name}: value }} }})); }}"
            )
            axis.input(None, axis, None, js=js, show_progress="hidden", api_visibility="private", queue=False)
        for file, button in self.files.items():
            button.click(
                self._export(file),
                [self.chart, self.x, self.y],
                self.download,
                show_progress="hidden",
                api_visibility="private",
                concurrency_limit=2,
            )

    def _export(self, file: str) -> Callable[[Any, Any, Any], str]:
        return lambda table, x, y: pack(stamped(self.tradeoff.export(file, table, x, y)))
