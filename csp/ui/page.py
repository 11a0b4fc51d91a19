"""The page: layout and wiring of Gradio components over `Explore`. No numbers are made here."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import gradio as gr

from csp.ui import api, controls as make, permalink, standing, tokens
from csp.ui.compare_tab import CompareTab
from csp.ui.controls import Controls
from csp.ui.explore import FILES, INTEGERS, Explore
from csp.ui.tradeoff_tab import TradeoffTab
from csp.ui.viewer.component import component
from csp.ui.widgets import html, pack, unchecked
from csp.ui.zero import lent

if TYPE_CHECKING:
    from csp.types import Result

QUEUE = 40
"""Visitors that may wait; the next one is told to come back."""


def page(explore: Explore) -> gr.Blocks:
    """The whole page, its first result already in it."""
    examples = explore.gallery()
    scene = explore.picture(examples[0]["source"])
    query = examples[0]["query"]
    start = {"query": query, "source": scene["source"], "method": "csp", **explore.defaults()}
    # A GPU that is lent by the call is not there yet: nothing runs while the page is built.
    idle = lent()
    heads = explore.card.heads if idle else explore.heads(start)
    shown = Shown(explore)
    controls = Controls()
    make.picture_controls(controls, query, scene["image"], scene["source"])
    with gr.Blocks(
        title="LVLM_CSP: see every image token",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(3600, 3600),
    ) as demo:
        with gr.Column(elem_id="csp-page"):
            html("head", {"badges": badges(explore)}, "csp-head")
            with gr.Row(elem_id="csp-band"):
                with gr.Column(scale=2, min_width=240):
                    controls.asked["image"].render()
                    controls.asked["source"].render()
                with gr.Column(scale=5, min_width=320):
                    controls.asked["query"].render()
                    with gr.Row(elem_id="csp-actions"):
                        run = gr.Button("Run", variant="primary", elem_id="do_run", scale=3, min_width=100)
                        stop = gr.Button("Stop", elem_id="do_stop", scale=1, min_width=80)
                    chips = html("chips", {"suggestions": scene["suggestions"]}, "csp-suggestions")
                with gr.Column(scale=2, min_width=240):
                    gallery = html("gallery", {"examples": examples}, "csp-examples")
                    # A model that knows the world is shown photographs: drawn scenes would tell little about it.
                    with gr.Row(visible=explore.album.drawn):
                        number = unchecked(
                            gr.Number(
                                scene["number"],
                                minimum=0,
                                precision=0,
                                label="Scene",
                                elem_id="in_scene",
                                min_width=90,
                            )
                        )
                        new = gr.Button("New scene", elem_id="do_scene", min_width=110)
            with gr.Tabs(selected="explore", elem_id="csp-tabs") as tabs:
                # Explore, Tokens and Learn share the row below: one rail, one run, three ways to look at it.
                for name in ("Explore", "Tokens"):
                    gr.Tab(name, id=name.lower())
                with gr.Tab("Compare", id="compare"):
                    compared = CompareTab(shown, start)
                with gr.Tab("Trade-off", id="trade-off"):
                    traded = TradeoffTab(shown)
                gr.Tab("Learn", id="learn")
            with gr.Row(elem_id="csp-main"):
                with gr.Column(scale=3, min_width=300, elem_id="csp-rail"):
                    make.stage_controls(explore, controls)
                    make.other_controls(explore, controls, heads)
                with gr.Column(scale=10, min_width=340):
                    queue = html("queue", {}, "csp-queue")
                    begun = {"status": "Press Run: this Space lends its GPU by the call."} if idle else explore.run(**start)
                    first, packet = shown.answers(begun, start)
                    results = html("results", first, "csp-out")
                    viewer = component(packet)
                    with gr.Accordion("All four selectors side by side", open=False, elem_id="csp-four-box"):
                        compare = gr.Button("Compare clusterings with these settings", elem_id="do_four")
                        four = html("four", {}, "csp-four")
                    with gr.Accordion("Download", open=False, elem_id="csp-downloads"):
                        with gr.Row():
                            files = {file: gr.Button(file, size="sm", min_width=90) for file in FILES}
                        download = html("download", {}, "csp-download")
                        upload = gr.UploadButton(
                            "Open a saved run (run.npz)", file_types=[".npz"], size="sm", elem_id="do_open"
                        )
        api.endpoint(explore)

        both, model = [results, viewer], _model(queue)
        started = _runs(shown, controls, run, both, queue)
        started += _pictures(shown, controls, number, new, gallery, chips, both, queue)
        parts = {
            "tabs": tabs,
            "number": number,
            "chips": chips,
            "results": results,
            "viewer": viewer,
            "upload": upload,
        }
        started += tokens.wire(demo, shown, controls, parts, model)
        standing.wire(demo, {**controls.asked, **compared.own, **traded.own})
        started += compared.wire(controls, tabs, both, _model)
        started += traded.wire(controls, tabs, both, _model)
        started.append(compare.click(shown.four, inputs_kwargs=controls.asked, outputs=four, **model))
        for file, button in files.items():
            started.append(
                button.click(shown.export(file), inputs_kwargs=controls.asked, outputs=download, **model)
            )
        stop.click(None, cancels=started, api_visibility="private")
    demo.queue(max_size=QUEUE, default_concurrency_limit=4)
    return demo


def badges(explore: Explore) -> list[str]:
    """What runs here, for the header."""
    card = explore.card
    return [f"model {card.name}", f"{card.L} layers", f"{card.N} image tokens", card.device, card.dtype]


class Shown:
    """`Explore`'s answers packed for the page's components, each stamped so that none is taken for the one
    before.
    """

    def __init__(self, explore: Explore):
        self.explore = explore

    @staticmethod
    def stamped(answer: dict[str, Any], began: float | None = None) -> dict[str, Any]:
        """An answer with a stamp; `began`, seconds since the epoch, adds when and how long the server worked."""
        now = time.time()
        spent = {} if began is None else {"began": began * 1e3, "handler": (now - began) * 1e3}
        return answer | {
            "stamp": time.time_ns(),
            "server": spent | answer.get("waited", {}) | answer.get("ms", {}),
        }

    def answers(
        self, answer: dict[str, Any], controls: dict[str, Any], began: float | None = None
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """A run's answer for the results component, and its packet for the viewer with the link to it; None
        where nothing ran.
        """
        answer = dict(answer)
        packet = answer.pop("viewer", None)
        if packet is not None:
            # What ran, where a pair of Lc and Ls was cut.
            now = controls | {name: packet["knobs"][name] for name in INTEGERS if name in packet["knobs"]}
            packet = self.stamped(packet | {"link": permalink.link(self.explore, now)})
        return self.stamped(answer, began), packet

    def run(self, notes: Sequence[str] = (), **controls: Any) -> tuple[str, Any]:
        """A run for the results component and the viewer, `notes` before its own."""
        began = time.time()
        answer = self.explore.run(**controls)
        if "notes" in answer:
            answer["notes"] = [*notes, *answer["notes"]]
        first, packet = self.answers(answer, controls, began)
        return pack(first), gr.skip() if packet is None else pack(packet)

    def opened(self, file: Callable[[], Result]) -> tuple[str, Any]:
        """A saved run for the results component and the viewer; no control moves."""
        first, packet = self.answers(self.explore.opened(file), {"query": ""})
        if packet is not None:
            packet["link"] = None
        return pack(first), gr.skip() if packet is None else pack(packet)

    def moved(self, yields: str) -> Callable[..., Any]:
        """A run because a control moved, if runs are live; `yields` is the one of Lc and Ls that gives way."""

        def live(live: Any, **controls: Any) -> Any:
            return self.run(**controls, yields=yields) if live else (gr.skip(), gr.skip())

        return live

    def four(self, **controls: Any) -> str:
        return pack(self.stamped(self.explore.compare_clusters(**controls)))

    def export(self, file: str) -> Callable[..., str]:
        return lambda **controls: pack(self.stamped(self.explore.export(file, **controls)))

    def picture(self, told: dict[str, Any], words: str | None = None, /, **controls: Any) -> tuple[Any, ...]:
        """Another picture, as Explore gives it: number, picture, source, query, suggestions, result."""
        if "error" in told:
            return *(gr.skip() for _ in range(5)), pack(self.stamped(told)), gr.skip()
        query = words or told["suggestions"][0]["text"]
        result = self.run(**controls | {"query": query, "source": told["source"]})
        chips = pack(self.stamped({"suggestions": told["suggestions"]}))
        return told["number"], told["image"], told["source"], query, chips, *result

    def upload(self, **controls: Any) -> tuple[Any, ...]:
        """A picture of the visitor's own: source, suggestions, result."""
        controls["source"] = ""
        note = "No suggestions for a picture of your own. Examples and new scenes have some."
        return "", pack(self.stamped({"note": note})), *self.run(**controls)

    def cleared(self) -> tuple[Any, ...]:
        """No picture: source, suggestions, result."""
        empty = {"status": "No picture: choose an example, make a new scene or upload one."}
        return "", pack(self.stamped({})), pack(self.stamped(empty)), gr.skip()


def _model(queue: Any) -> dict[str, Any]:
    """Options of events that run the model: one at a time over all visitors, so that a measured time is a
    run's own.
    """
    return {
        "concurrency_id": "model",
        "concurrency_limit": 1,
        "show_progress": "minimal",
        "show_progress_on": [queue],
        "api_visibility": "private",
    }


def _runs(shown: Shown, controls: Controls, run: Any, results: list[Any], queue: Any) -> list[Any]:
    """Run and Enter always run; a moved control marks the result stale and runs when runs are live."""
    asked, model = controls.asked, _model(queue)
    lc, ls = asked["Lc"], asked["Ls"]
    client: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
    # A slider's release misses the arrow keys and its input misses the reset button: both are needed.
    for moved, other in ((lc, ls), (ls, lc)):
        gr.on(
            [moved.input, moved.release],
            None,
            [lc, ls],
            [other, controls.Lp, controls.preset, asked["method"]],
            js=make.js_layers(shown.explore.card.L, moved.label),
            **client,
        )
    for moved in (asked["Nc"], asked["Np"]):
        gr.on(
            [moved.input, moved.release],
            None,
            None,
            [controls.preset, asked["method"]],
            js=make.js_custom(),
            **client,
        )
    rest = [c for c in controls.sliders if c not in (lc, ls, asked["Nc"], asked["Np"])]
    quiet = [
        *(c.input for c in (*rest, *controls.choices, asked["seed"], asked["query"])),
        *(c.release for c in rest),
    ]
    gr.on(quiet, None, None, None, js=make.js_stale(), **client)

    def live(triggers: list[Any], yields: str) -> Any:
        inputs = {"live": controls.live, **asked}
        return gr.on(
            triggers,
            shown.moved(yields),
            inputs_kwargs=inputs,
            outputs=results,
            trigger_mode="always_last",
            **model,
        )

    others = [c for c in controls.sliders if c is not ls]
    triggers = [
        *(c.input for c in others),
        *(c.release for c in others),
        *(c.input for c in controls.choices),
    ]
    started = [
        live([*triggers, asked["seed"].input, controls.live.input], "Ls"),
        live([ls.input, ls.release], "Lc"),
        gr.on([run.click, asked["query"].submit], shown.run, inputs_kwargs=asked, outputs=results, **model),
    ]
    filled = [asked[name] for name in ("method", "Lc", "Nc", "Ls", "Np", "cluster")]
    chosen = controls.preset.input(
        None, [controls.preset, *filled], [*filled, controls.Lp], js=make.js_preset(shown.explore), **client
    )
    started.append(chosen.then(shown.run, inputs_kwargs=asked, outputs=results, **model))
    return started


def _pictures(
    shown: Shown,
    controls: Controls,
    number: Any,
    new: Any,
    gallery: Any,
    chips: Any,
    results: list[Any],
    queue: Any,
) -> list[Any]:
    """Examples, scenes by number, new scenes, uploads and suggestions; each runs at once."""
    asked, model = controls.asked, _model(queue)
    image, source, query = asked["image"], asked["source"], asked["query"]
    outputs = [number, image, source, query, chips, *results]

    def pick(event: gr.EventData, **controls: Any) -> tuple[Any, ...]:
        told = event._data or {}
        words = told.get("query")
        picture = shown.explore.picture(told.get("source"))
        return shown.picture(picture, words if isinstance(words, str) else None, **controls)

    def by_number(scene: Any, **controls: Any) -> tuple[Any, ...]:
        return shown.picture(shown.explore.scene(scene), **controls)

    def choose(event: gr.EventData, **controls: Any) -> tuple[Any, ...]:
        words = (event._data or {}).get("text")
        return words, *shown.run(**controls | {"query": words})

    draw = "(...values) => { values[0] = Math.floor(Math.random() * 1e6); return values; }"
    numbered = {"scene": number, **asked}
    return [
        gallery.pick(pick, inputs_kwargs=asked, outputs=outputs, **model),
        number.submit(by_number, inputs_kwargs=numbered, outputs=outputs, **model),
        new.click(by_number, inputs_kwargs=numbered, outputs=outputs, js=draw, **model),
        image.upload(shown.upload, inputs_kwargs=asked, outputs=[source, chips, *results], **model),
        image.clear(shown.cleared, None, [source, chips, *results], api_visibility="private"),
        chips.choose(choose, inputs_kwargs=asked, outputs=[query, *results], **model),
    ]
