"""Kinds that the board and the pages below it answer: private events, permalinks, uploads."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from csp.bench.hostility.cases import Case, Wrong
from csp.bench.hostility.library import image_of
from csp.bench.hostility.page import Page, Server, status_words, stream
from csp.bench.hostility.values import KEPT, MARKUP, NUMBERS, PLACES, WORDS, Lot, changed, damaged, image_file, junk, pick


class Events(Page):
    """The board's functions, and the events of the pages below it, with anything in any place."""

    name = "private events"

    def __init__(self, server: Server, image: np.ndarray, base: dict[str, Any]):
        super().__init__(server, image)
        own = {"query": base["query"], "method": "csp", "knobs": base["knobs"], "seed": 0, "image": {"url": self.data_url}}
        scene = {**own, "image": None, "source": "scene:3"}
        plan = {"method": "csp", "knobs": base["knobs"], "text": 12}
        self.functions: dict[str, Any] = {
            "run": scene,
            "forecast": plan,
            "picture": {"scene": 4},
            "link": {"scene": "7", "query": "the red ball", "method": "csp", "Nc": "8", "seed": "3", "tab": "learn", "step": "2"},
            "four": scene,
            "file": {**scene, "file": "mask.png"},
            "reopen": {"path": "run.npz", "meta": {"_type": "gradio.FileData"}},
            "clock": {**scene, "force": {"pruning": {"drop": [3]}}},
            "figure": {"rows": [scene], "clusters": ["cls"], "survivors": [1], "dense": True, "format": "svg", "width": "single"},
        }
        self.viewer = next(part["id"] for part in server.config["components"] if part["props"].get("elem_id") == "csp-viewer")
        known = [each for each in server.config["dependencies"] if each["backend_fn"] and each["api_name"] != "run"]
        self.queued = {each["id"]: each for each in known}
        self.named = {part["id"]: part["props"].get("elem_id") for part in server.config["components"]}
        row = {"name": "csp", "label": "x", "setting": "y", "n_avg": 9.0, "ms": [1, 1, 1, 3], "knobs": {}}
        point = {"curve": 0, "label": "a", "n": 1, "at": {"n_avg": 3.0, "change": -1.0, "operations": 20.0, "truth": 0.5}}
        begin = {"query": "q", "target": 9, "sweep": "Nc", "curves": [{"label": "a"}], "key": "k", "seed": 1}
        lines = [{"begin": begin}, {"row": row}, {"point": point}, {"seed": 1}, {"end": 0}]
        self.table = [json.dumps(line) for line in lines[:3]]
        self.inputs: dict[str, Any] = {
            "in_target": 9, "in_repeats": 0, "in_rows": ["csp", "full"], "csp-settings": json.dumps({**scene, "method": "csp"}),
            "in_sweep": "seeds", "in_pictures": "this picture and query", "in_scenes": 1, "in_x": "n_avg", "in_y": "dense",
            "csp-compare": "\n".join(self.table), "csp-tradeoff": "\n".join(self.table),
        }  # fmt: skip

    def ordinary(self) -> Sequence[Case]:
        # Timing repeats refuses beside others, and there is no saved run to reopen: both are cases all the same.
        sound = [name for name in self.functions if name not in ("clock", "reopen")]
        asked = [Case(name, lambda n=name: self._function(n, self.functions[n]), name) for name in sound]  # type: ignore[misc]
        return [*asked, *(Case(str(n), lambda n=n: self._queued(n, self._data(n)) and "", str(n)) for n in self.queued)]  # type: ignore[misc]

    def case(self, lot: Lot) -> Case:
        if lot.integers(3):
            name = pick(lot, tuple(self.functions))
            sent = junk(lot) if lot.integers(8) == 0 else changed(self.functions[name], lot)
            return Case(f"{name} {str(sent)[:140]}", lambda: self._function(name, sent), name)
        number = pick(lot, tuple(self.queued))
        data = self._data(number)
        for _ in range(int(lot.integers(1, 3))):
            at = int(lot.integers(len(data)))
            data[at] = self._other(lot, data[at])
        return Case(f"event {number} {str(data)[:140]}", lambda: self._queued(number, data), str(number))

    def _other(self, lot: Lot, value: Any) -> Any:
        """Another value in place of this one: a JSON text with something changed inside, or anything."""
        if not isinstance(value, str) or value[:1] != "{" or lot.integers(4) == 0:
            return junk(lot)
        lines = value.splitlines()
        at = int(lot.integers(len(lines)))
        try:
            lines[at] = json.dumps(changed(json.loads(lines[at]), lot))
        except ValueError:
            # It was damaged before.
            return junk(lot)
        text = "\n".join(lines)
        return damaged(text.encode("utf-8", "replace"), lot).decode(errors="replace") if lot.integers(5) == 0 else text

    def _data(self, number: int) -> list[Any]:
        return [self.inputs.get(self.named[each]) for each in self.queued[number]["inputs"]]

    def _function(self, name: str, sent: Any) -> str:
        told = {"data": sent, "component_id": self.viewer, "fn_name": name, "session_hash": "hostile"}
        status, body = self.server.post("/gradio_api/component_server", told)
        return status_words(status, body) or _error(json.loads(body))

    def _queued(self, number: int, data: list[Any]) -> str:
        session = f"hostile{number}{time.monotonic_ns()}"
        told = {"data": data, "fn_index": number, "session_hash": session, "event_data": None, "trigger_id": None}
        status, body = self.server.post("/gradio_api/queue/join", told)
        if words := status_words(status, body):
            return words
        status, body = self.server.ask("GET", f"/gradio_api/queue/data?session_hash={session}")
        answer = [message for _, message in stream(body.decode()) if message.get("msg") == "process_completed"]
        if not answer:
            raise Wrong(f"the queue ended without an answer: {body[-160:]!r}")
        output = answer[-1].get("output") or {}
        if not answer[-1].get("success"):
            said = output.get("error")
            if not isinstance(said, str):
                raise Wrong(f"an error without words: {str(output)[:160]}")
            return said
        last = (output.get("data") or [None])[0]
        if isinstance(last, str) and last.lstrip().startswith("{"):
            return _error(json.loads(last.strip().splitlines()[-1]))
        return ""


def _error(told: Any) -> str:
    """The words of an answer that is an error."""
    words = told.get("error") if isinstance(told, dict) else None
    if words is not None and not isinstance(words, str):
        raise Wrong(f"an error without words: {str(told)[:160]}")
    if isinstance(told, dict) and KEPT in json.dumps(told):
        raise Wrong("told what stands in a file that nobody sent")
    return words or ""


class Links(Events):
    """Permalinks: as addresses of the page, and as what the board makes of them."""

    name = "permalinks"

    def ordinary(self) -> Sequence[Case]:
        return (Case("a link", lambda: self._link({"scene": "7", "query": "the red ball", "Nc": "8"})),)

    def case(self, lot: Lot) -> Case:
        names = (
            *("scene", "photo", "query", "method", "picked", "seed", "Lc", "Nc", "Ls", "Np", "cluster", "knob_query"),
            *("tab", "step", "threshold", "head", "at", "show", "run", "view", "__theme", "deep_link", "__proto__", "<b>"),
        )
        told = ("[" * 1500, '{"method": "csp", "knobs": {"Nc": [[]]}}', '{"method": ["csp"]}')
        params: dict[str, Any] = {}
        for _ in range(int(lot.integers(1, 5))):
            params[pick(lot, names)] = str(pick(lot, pick(lot, (WORDS, MARKUP, PLACES, NUMBERS, told))))
        return Case(str(params)[:160], lambda: self._link(params))

    def _link(self, params: dict[str, str]) -> str:
        text = urlencode({name: value[:4000] for name, value in params.items()}, errors="replace")
        status, body = self.server.ask("GET", f"/?{text}")
        if status >= 500 or KEPT.encode() in body:
            raise Wrong(f"status {status} for the page itself")
        return self._function("link", params)


class Uploads(Page):
    """Files sent to the page, sound and not, under any name; then asked about, or reopened as a run."""

    name = "uploads"

    def __init__(self, server: Server, image: np.ndarray, base: dict[str, Any], run: bytes, folder: Path):
        super().__init__(server, image)
        self.events, self.run, self.folder = Events(server, image, base), run, folder

    def ordinary(self) -> Sequence[Case]:
        return (
            Case("a picture", lambda: self._sent("a.png", image_of(self.image), False)),
            Case("a run", lambda: self._sent("run.npz", self.run, True), "run"),
        )

    def case(self, lot: Lot) -> Case:
        odd = ("../../evil.png", "/etc/passwd", "x" * 300 + ".png", "a\x00.png", "<img src=x>.png", "", "..", "漢.png")
        name = pick(lot, ("a.png", "a.npz", *odd))
        if lot.integers(2):
            words, data, run = "a run", self.run if lot.integers(4) == 0 else damaged(self.run, lot), True
        else:
            (words, data), run = image_file(lot), False
        return Case(f"{words} as {name[:30]!r}", lambda: self._sent(name, data, run), "run" if run else "")

    def _sent(self, name: str, data: bytes, run: bool) -> str:
        status, body = self.upload(name, data)
        if words := status_words(status, body):
            return words
        (path,) = json.loads(body)
        if not Path(path).resolve().is_relative_to(self.folder.resolve()):
            raise Wrong(f"the file was put at {path}")
        told = {"path": path, "meta": {"_type": "gradio.FileData"}}
        if run:
            return self.events._function("reopen", told)
        asked = {**self.events.functions["run"], "image": told, "source": ""}
        return self.events._function("run", asked)
