"""The token viewer on a page of its own: its template and script as Gradio would run them, without a server."""

from __future__ import annotations

import json
from typing import Any

from csp.ui.viewer import component

STYLE = """body { margin: 16px; font-family: sans-serif; background: #fff; --border-color-primary: #d4d4d8;
--body-text-color: #1f2937; --background-fill-primary: #fff; --background-fill-secondary: #f4f4f5 }"""


def _text(data: Any) -> str:
    return json.dumps(data).replace("<", "\\u003c")


def stand(payload: dict[str, Any]) -> str:
    """HTML that shows a payload. `window.send(payload)` brings another, `window.told` holds the events sent out."""
    script = """
const host = document.getElementById("host"), props = { value: VALUE, look: LOOK };
let arrived = null;
window.told = [];
window.send = (payload) => { props.value = JSON.stringify(payload); arrived(); };
Function("element", "trigger", "props", "server", "upload", "watch", SCRIPT)(
  host, (name, data) => window.told.push([name, data]), props, {}, null, (_, callback) => { arrived = callback; });
"""
    parts = {
        "VALUE": _text(json.dumps(payload)),
        "LOOK": _text(json.dumps(component.look())),
        "SCRIPT": _text(component.script()),
    }
    for name, text in parts.items():
        script = script.replace(name, text, 1)
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>viewer</title>
<style>{STYLE} #host {{ {component.source("viewer.css")} }}</style></head>
<body><main id="csp-page"><div id="host">{component.template()}</div></main><script>{script}</script></body></html>"""
