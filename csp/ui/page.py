"""The page: the board, and below its bars the pages that Gradio's own controls make. No numbers are made here."""

from __future__ import annotations

from typing import Any

import gradio as gr

from csp.ui import api, standing
from csp.ui.board import Board
from csp.ui.compare_tab import CompareTab
from csp.ui.handlers import Handlers
from csp.ui.permalink import TABS
from csp.ui.tradeoff_tab import TradeoffTab
from csp.ui.viewer.component import component
from csp.ui.visits import asked as by_visitor
from csp.ui.widgets import pack, received, settings, stamped
from csp.ui.zero import lent

QUEUE = 40
LONG_AT_ONCE = 4
"""Comparisons and sweeps that are under way together; the next ones see their place in the queue."""
"""Visitors that may wait; the next one is told to come back."""

FOLLOW = "() => ({ __type__: 'update', selected: document.querySelector('.csp-viewer').dataset.tab })"
"""Which of Gradio's tabs is open is said by the board's own."""


def page(handlers: Handlers) -> gr.Blocks:
    """The whole page, its first result already in it."""
    board = Board(handlers, received)
    first = handlers.album.examples()[0]
    start = {"query": first[1], "source": first[0], "image": None, "method": "csp", "knobs": handlers.defaults(), "seed": 0}
    # A GPU that is lent by the call is not there yet: nothing runs while the page is built.
    idle = lent()
    begun = {"status": "Press Run: this Space lends its GPU by the call."} if idle else board.run(start)
    with gr.Blocks(
        title="LVLM_CSP: see every image token",
        analytics_enabled=False,
        fill_width=True,
        delete_cache=(3600, 3600),
    ) as demo:
        with gr.Column(elem_id="csp-page"):
            shown = component(begun, board.about(start, idle), board.functions())
            asked = {"asked": settings()}
            with gr.Tabs(selected="board", elem_id="csp-tabs") as tabs:
                for name in TABS:
                    with gr.Tab(name, id=name):
                        if name == "compare":
                            compared = CompareTab(handlers, start)
                        elif name == "trade-off":
                            traded = TradeoffTab(handlers)
        api.endpoint(handlers)

        def asking(event: gr.EventData) -> str:
            return pack(stamped(board.called("run", event._data)))

        client: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "queue": False}
        shown.tab(None, None, tabs, js=FOLLOW, **client)
        if idle:
            shown.ask(by_visitor(asking), None, shown, **model(shown))
        standing.wire(demo, {**compared.own, **traded.own})
        compared.wire(asked, model)
        traded.wire(asked, model)
    demo.queue(max_size=QUEUE, default_concurrency_limit=4, api_open=False)
    return demo


def model(queue: Any) -> dict[str, Any]:
    """Options of events that run the model many times; their runs take turns with all others at the session's door."""
    return {
        "concurrency_id": "long",
        "concurrency_limit": LONG_AT_ONCE,
        "show_progress": "minimal",
        "show_progress_on": [queue],
        "api_visibility": "private",
    }
