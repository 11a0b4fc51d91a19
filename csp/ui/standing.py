"""What the page's controls say at this moment, told to whatever shows the outcome of longer work: a comparison or a sweep
knows by it that picture, query or a setting is no longer what it was made with. Nothing here asks the server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr

DRAWN = ("opacity", "scale", "cmap", "head", "threshold")
"""Controls that say how a run is drawn, not what is run."""

TELL = """(...values) => {{
  const asked = Object.fromEntries({names}.map((name, i) => [name, values[i]]));
  asked.image = asked.source ? null : asked.image?.url || asked.image?.path || null;
  const page = document.querySelector('#csp-page');
  if (!page) return;
  page.dataset.asked = JSON.stringify(asked);
  document.dispatchEvent(new Event('csp-asked'));
}}"""


def wire(demo: gr.Blocks, controls: Mapping[str, Any]) -> None:
    """Keep `#csp-page`'s data-asked at what these components say, by name, and tell the document at every change."""
    asked = {name: one for name, one in controls.items() if name not in DRAWN}
    moved = [event for one in asked.values() for event in (getattr(one, "change", None),) if event is not None]
    gr.on(
        [demo.load, *moved],
        None,
        list(asked.values()),
        None,
        js=TELL.format(names=json.dumps(list(asked))),
        show_progress="hidden",
        api_visibility="private",
        queue=False,
    )


def began(button: Any, name: str) -> None:
    """Tell the component of this class that its work was asked for now."""
    js = f"() => {{ document.querySelector('.{name}')?.dispatchEvent(new Event('csp-go')); }}"
    button.click(None, None, None, js=js, api_visibility="private", queue=False)
