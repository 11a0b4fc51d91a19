"""What the page's controls say at this moment, told to whatever shows the outcome of longer work: a comparison or a sweep
knows by it that picture, query or a setting is no longer what it was made with. Nothing here asks the server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import gradio as gr

TELL = """(...values) => {{
  const page = document.querySelector('#csp-page');
  if (!page) return;
  const own = Object.fromEntries({names}.map((name, i) => [name, values[i]]));
  page.dataset.asked = JSON.stringify({{ ...JSON.parse(page.dataset.asked || '{{}}'), ...own }});
  document.dispatchEvent(new Event('csp-asked'));
}}"""
"""The board puts what its controls say beside these, at the same place."""


def wire(demo: gr.Blocks, controls: Mapping[str, Any]) -> None:
    """Keep `#csp-page`'s data-asked at what these components say, by name, and tell the document at every change."""
    moved = [event for one in controls.values() for event in (getattr(one, "change", None),) if event is not None]
    gr.on(
        [demo.load, *moved],
        None,
        list(controls.values()),
        None,
        js=TELL.format(names=json.dumps(list(controls))),
        show_progress="hidden",
        api_visibility="private",
        queue=False,
    )


def began(button: Any, name: str) -> None:
    """Tell the component of this class that its work was asked for now."""
    js = f"() => {{ document.querySelector('.{name}')?.dispatchEvent(new Event('csp-go')); }}"
    button.click(None, None, None, js=js, api_visibility="private", queue=False)
