"""The Compare page: layout and wiring of `Lineup`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from csp.ui import standing
from csp.ui.lineup import FILES, MOST_REPEATS, REPEATS, Lineup
from csp.ui.viewer import component
from csp.ui.visits import asked, stepwise
from csp.ui.widgets import asset, html, pack, stamped, unchecked
from csp.ui.zero import LONG, lent, on_gpu

if TYPE_CHECKING:
    from csp.ui.handlers import Handlers

OFTEN = 0.15
"""Seconds between two answers of long work, at least."""


def drawn(name: str, elem_id: str, value: str = "", parts: tuple[str, ...] = (), **props: Any) -> gr.HTML:
    """An HTML component from assets/NAME.html and NAME.js (after other ``parts``) that draws runs as the viewer does, from the
    viewer's packets.
    """
    scripts = [asset("shared.js"), *(component.source(f"{part}.js") for part in ("unpack", "trace", "paint"))]
    return gr.HTML(
        value=value,
        html_template=asset(f"{name}.html"),
        js_on_load="".join([*scripts, *(asset(f"{part}.js") for part in ("standing", *parts, name))]),
        elem_id=elem_id,
        apply_default_css=False,
        look=json.dumps(component.look()),
        elem_classes="csp-wide",
        **props,
    )


class CompareTab:
    """The components of the page; made inside its tab, wired when the rest of the page is there."""

    def __init__(self, handlers: Handlers, start: dict[str, Any]):
        self.lineup = Lineup(handlers)
        with gr.Row(elem_classes="csp-bar-row"):
            self.target = unchecked(
                gr.Slider(
                    minimum=1,
                    maximum=handlers.card.N,
                    value=handlers.card.N // 4 if lent() else self.lineup.target(**start),
                    step=1,
                    precision=0,
                    label="N_avg of every method",
                    elem_id="in_target",
                    scale=4,
                    min_width=220,
                )
            )
            self.repeats = unchecked(
                gr.Slider(
                    minimum=0,
                    maximum=MOST_REPEATS,
                    value=REPEATS,
                    step=1,
                    precision=0,
                    label="timed runs of each",
                    elem_id="in_repeats",
                    scale=2,
                    min_width=160,
                )
            )
            self.same = gr.Button("As on the board", size="sm", min_width=110, elem_id="do_same", scale=1)
            self.go = gr.Button("Compare", variant="primary", elem_id="do_compare", min_width=100, scale=1)
            self.stop = gr.Button("Stop", size="sm", min_width=60, elem_id="do_compare_stop", scale=0)
        self.queue = html("queue", {}, "csp-compare-queue", elem_classes="csp-queue-box")
        self.table = drawn("compare", "csp-compare", fill=not lent())
        with gr.Accordion("Methods and downloads", open=False, elem_id="csp-compare-files"):
            names = [(card.label, name) for name, card in handlers.methods.items()]
            self.methods = unchecked(
                gr.CheckboxGroup(names, value=[name for _, name in names], label="Methods", elem_id="in_rows")
            )
            with gr.Row():
                self.files = {file: gr.Button(file, size="sm", min_width=110) for file in FILES}
            self.download = html("download", {}, "csp-compare-download")

    @property
    def own(self) -> dict[str, Any]:
        """What this page's rows are made with, beside the board's controls."""
        return {"target": self.target, "methods": self.methods}

    def wire(self, board: dict[str, Any], model: Callable[[Any], dict[str, Any]]) -> None:
        """Add the page's events. board: what the board's controls say, by a handler's argument; model: options of events that
        run the model, given a place for the queue.
        """
        told = {**self.own, "repeats": self.repeats, **board}
        work = stepwise(streamed(on_gpu(self.lineup.run, LONG)))
        options = model(self.queue)
        filled = self.table.fill(work, inputs_kwargs=told, outputs=self.table, **options)
        standing.began(self.go, "csp-compare")
        running = self.go.click(work, inputs_kwargs=told, outputs=self.table, **options)
        stopped(self.stop, [filled, running], "csp-compare")
        client: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
        self.same.click(None, self.target, self.target, js=SAME, **client)
        for file, button in self.files.items():
            button.click(self._export(file), inputs_kwargs={"table": self.table, **board}, outputs=self.download, **options)

    def _export(self, file: str) -> Callable[..., str]:
        export = on_gpu(self.lineup.export)
        return asked(lambda table, **controls: pack(stamped(export(file, table, **controls))), long=True)


SAME = "(target) => Math.max(1, Math.round(document.querySelector('.csp-viewer')?.dataset.navg || target))"


def streamed(work: Callable[..., Iterable[Any]]) -> Callable[..., Iterator[str]]:
    """A handler that answers with all lines so far, now and then; the last answer has them all."""

    def answers(**controls: Any) -> Iterator[str]:
        text, last = "", 0.0
        for line in work(**controls):
            text += pack(line) + "\n"
            now = time.monotonic()
            if now - last >= OFTEN:
                last = now
                yield text
        yield text

    return answers


def stopped(button: Any, running: list[Any], name: str) -> None:
    """A button that ends long work; what is there stays, and the page says that it was stopped."""
    js = f"() => {{ document.querySelector('.{name}')?.dispatchEvent(new Event('csp-stop')); }}"
    button.click(None, None, None, js=js, api_visibility="private", queue=False)
    button.click(None, cancels=running, api_visibility="private")
