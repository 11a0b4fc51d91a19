"""One run as one HTML file: the viewer with its data inside, for a browser without a server."""

from __future__ import annotations

import html
import json
from typing import Any

from csp.ui.viewer import component

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>TITLE</title>
<style>
body { margin: 0; font-family: system-ui, sans-serif; color: var(--body-text-color);
  background: var(--background-fill-primary); --border-color-primary: #d4d4d8; --body-text-color: #1f2937;
  --background-fill-primary: #fff; --background-fill-secondary: #f4f4f5; }
.dark body { --border-color-primary: #3f3f46; --body-text-color: #f3f4f6; --background-fill-primary: #0b0f19;
  --background-fill-secondary: #1f2937; }
#host { CSS }
</style></head>
<body><main id="host">TEMPLATE</main>
<script>
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark", dark.matches);
dark.addEventListener("change", follow);
follow();
const host = document.getElementById("host"), props = { value: VALUE, look: LOOK, about: "null" };
let arrived = null;
window.told = [];
window.send = (payload) => { props.value = JSON.stringify(payload); arrived(); };
Function("element", "trigger", "props", "server", "upload", "watch", SCRIPT)(
  host, (name, data) => window.told.push([name, data]), props, {}, null, (_, callback) => { arrived = callback; });
if (ALONE) host.querySelector(".v-stagebar").inert = true;
</script></body></html>
"""


def alone(payload: dict[str, Any], live: bool = False) -> str:
    """HTML that shows a payload of `packing.payload`, nothing loaded from anywhere.

    What needs the model is switched off, unless `live`: then `window.told` gathers the events that the viewer
    sends and `window.send(payload)` brings another run, for programs that drive it.
    """
    parts = {
        "TITLE": html.escape(f"{payload['query']} · {payload['title']}"),
        "CSS": component.source("viewer.css"),
        "TEMPLATE": component.template(),
        "ALONE": "false" if live else "true",
        "LOOK": _script(json.dumps(component.look())),
        "SCRIPT": _script(component.script()),
        "VALUE": _script(json.dumps({**payload, "link": payload.get("link") if live else None})),
    }
    # Cut at the names before anything is put in: no text from outside is searched for them.
    out, page = "", PAGE
    for name in sorted(parts, key=page.index):
        before, _, page = page.partition(name)
        out += before + parts[name]
    return out + page


def _script(text: str) -> str:
    """A text as a JavaScript string inside a script element."""
    return json.dumps(text).replace("<", "\\u003c")
