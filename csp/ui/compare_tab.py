"""The Compare page: layout and wiring of `Compare`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import gradio as gr

from csp.ui import picked
from csp.ui.compare import FILES, MOST_REPEATS, REPEATS, Compare
from csp.ui.widgets import html, pack, unchecked
from csp.ui.zero import LONG, lent, on_gpu

if TYPE_CHECKING:
    from csp.ui.controls import Controls
    from csp.ui.page import Shown

OFTEN = 0.15
"""Seconds between two answers of long work, at least."""


class CompareTab:
    """The components of the page; made inside its tab, wired when the rest of the page is there."""

    def __init__(self, shown: Shown, start: dict[str, Any]):
        explore = shown.explore
        self.shown, self.compare = shown, Compare(explore)
        with gr.Row(elem_classes="csp-bar-row"):
            with gr.Column(scale=4, min_width=260):
                self.target = unchecked(
                    gr.Slider(
                        minimum=1,
                        maximum=explore.card.N,
                        value=explore.card.N // 4 if lent() else self.compare.target(**start),
                        step=1,
                        precision=0,
                        label="Target N_avg",
                        info="mean image tokens per layer (Eq. 9); each method's budget knob is solved for it",
                        elem_id="in_target",
                    )
                )
            with gr.Column(scale=3, min_width=220):
                self.repeats = unchecked(
                    gr.Slider(
                        minimum=0,
                        maximum=MOST_REPEATS,
                        value=REPEATS,
                        step=1,
                        precision=0,
                        label="Timed runs",
                        info="of each method, in random order; one more before them is dropped",
                        elem_id="in_repeats",
                    )
                )
            with gr.Column(scale=3, min_width=220, elem_classes="csp-buttons"):
                self.go = gr.Button("Compare", variant="primary", elem_id="do_compare")
                with gr.Row():
                    self.same = gr.Button("N_avg of Explore", size="sm", min_width=110, elem_id="do_same")
                    self.stop = gr.Button("Stop", size="sm", min_width=80, elem_id="do_compare_stop")
        with gr.Accordion("Methods", open=False):
            names = [(card.label, name) for name, card in explore.methods.items()]
            self.methods = unchecked(
                gr.CheckboxGroup(
                    names,
                    value=[name for _, name in names],
                    label="Rows",
                    elem_id="in_rows",
                )
            )
        self.queue = html("queue", {}, "csp-compare-queue", elem_classes="csp-queue-box")
        self.table = html("compare", {}, "csp-compare", elem_classes="csp-wide")
        with gr.Accordion("Download", open=False, elem_id="csp-compare-files"):
            with gr.Row():
                self.files = {file: gr.Button(file, size="sm", min_width=110) for file in FILES}
            self.download = html("download", {}, "csp-compare-download")

    def wire(
        self, controls: Controls, tabs: Any, results: list[Any], model: Callable[[Any], dict[str, Any]]
    ) -> list[Any]:
        """Add the page's events; returns those that run the model. model: their options, given a place for
        the queue.
        """
        asked = {"target": self.target, "repeats": self.repeats, "methods": self.methods, **controls.asked}
        running = self.go.click(
            streamed(on_gpu(self.compare.run, LONG)), inputs_kwargs=asked, outputs=self.table, **model(self.queue)
        )
        stopped(self.stop, running, "csp-compare")
        client: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
        self.same.click(None, [results[0], self.target], self.target, js=SAME, **client)
        opened = self.table.open_point(
            picked.opener(self.shown, controls),
            inputs_kwargs=controls.asked,
            outputs=picked.outputs(tabs, controls, results),
            **model(self.queue),
        )
        for file, button in self.files.items():
            button.click(
                self._export(file),
                self.table,
                self.download,
                show_progress="hidden",
                api_visibility="private",
                concurrency_limit=2,
            )
        return [opened]

    def _export(self, file: str) -> Callable[[Any], str]:
        return lambda table: pack(self.shown.stamped(self.compare.export(file, table)))


SAME = """(shown, target) => {
  try { return Math.max(1, Math.round(JSON.parse(shown).steps.n_avg)); } catch (error) { return target; }
}"""


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


def stopped(button: Any, running: Any, name: str) -> None:
    """A button that ends long work; what is there stays, and the page says that it was stopped."""
    js = f"() => {{ document.querySelector('.{name}')?.dispatchEvent(new Event('csp-stop')); }}"
    button.click(None, None, None, js=js, api_visibility="private", queue=False)
    button.click(None, cancels=[running], api_visibility="private")
