"""The page. `build` makes it over a session; `LAUNCH` are the options that it must be launched with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from csp.turns import MOST_WAITING
from csp.ui.address import check_address, own_folder
from csp.ui.ending import leaving_cleanly, until_stopped

if TYPE_CHECKING:
    import gradio as gr

    from csp.session import Session

__all__ = [
    "build",
    "build_recorded",
    "check_address",
    "gpu_is_lent",
    "launch_options",
    "leaving_cleanly",
    "offer",
    "own_folder",
    "until_stopped",
]

MAX_UPLOAD = "24mb"
SESSIONS = 64
"""Visitors whose last values Gradio keeps: a class of thirty and what waits beside it; a page that is asked again begins anew."""


THREADS = 2 * MOST_WAITING
"""Of the server: most of them may wait for the model at once, and the page is still answered."""


def build(session: Session) -> gr.Blocks:
    """The page over a session, its first result already drawn where the model can run by now."""
    from csp.ui.handlers import Handlers
    from csp.ui.page import page
    from csp.ui.zero import lend

    handlers = Handlers(session)
    lend(handlers)
    return page(handlers)


def build_recorded(folder: str) -> gr.Blocks:
    """The page over a folder of saved runs, without a model. Raises ValueError for a folder that holds none."""
    from csp.ui.recorded import page

    return page(folder)


def gpu_is_lent() -> bool:
    """Whether this is a ZeroGPU Space; to be asked before torch is used."""
    from csp.ui.zero import lent

    return lent()


def offer(page: gr.Blocks) -> None:
    """Have a page that was launched with ``mcp`` answer agents. Raises ValueError where no MCP server runs."""
    from csp.ui.tool import serve

    serve(page)


def launch_options(host: str = "127.0.0.1", proxy: bool = False, mcp: bool = False) -> dict[str, Any]:
    """What `Blocks.launch` needs: look, limits, and nothing that calls home or keeps a visitor's runs.

    ``host`` is the address that the page is bound to; ``proxy``: one stands before it, whose headers are believed;
    ``mcp``: agents are offered `/run` as a tool.
    """
    import gradio as gr
    from starlette.middleware import Middleware

    from csp.ui import refusals
    from csp.ui.api import FIRST, LATER
    from csp.ui.calls import Completed
    from csp.ui.guard import Guard, hosts_of
    from csp.ui.room import Room
    from csp.ui.squeeze import Squeezed
    from csp.ui.strangers import Strangers
    from csp.ui.visits import Visits
    from csp.ui.widgets import asset

    font = ["system-ui", "sans-serif"]
    mono = ["ui-monospace", "monospace"]
    # Fonts of the reader's own machine: none is fetched. Contrast of 4.5 to 1 or more for text of every kind.
    theme = gr.themes.Default(primary_hue="blue", neutral_hue="slate", font=font, font_mono=mono).set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        button_primary_background_fill="#0061a8",
        button_primary_background_fill_hover="#004f8a",
        button_primary_background_fill_dark="#0061a8",
        button_primary_background_fill_hover_dark="#0072b2",
    )
    guard = Middleware(Guard, hosts=hosts_of(host, proxy), proxy=proxy)
    strangers = Middleware(Strangers, least=len(FIRST))
    completed = Middleware(Completed, least=len(FIRST), later=list(LATER.values()))
    return {
        "theme": theme,
        "css": asset("page.css") + asset("compare.css") + asset("recorded.css"),
        "app_kwargs": {
            "middleware": [guard, Middleware(Room), strangers, completed, Middleware(Visits), Middleware(Squeezed)],
            "exception_handlers": refusals.handlers(),
        },
        "max_threads": THREADS,
        "mcp_server": mcp,
        "state_session_capacity": SESSIONS,
        "max_file_size": MAX_UPLOAD,
        "show_error": True,
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
    }
