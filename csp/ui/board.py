"""What the board asks of its server: functions of plain data, called by its script, and what it is told when it opens.

Every argument may come from a stranger: what is not a mapping is refused in words, and a file that nobody uploaded is not read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import numpy as np

from csp.turns import long_work, visitor
from csp.ui import builder, documents, permalink
from csp.ui.handlers import FILES, Handlers
from csp.ui.payload import Payload
from csp.ui.saved import reopen

FUNCTIONS = ("run", "place", "forecast", "picture", "link", "four", "file", "reopen", "clock", "matters", "figure", "read")
"""What the script may call, by name; each takes one mapping and gives one."""
PRESET_TABLES = (0, 1, 6)
"""0: found by csp.search."""
REPEATS = 5
"""Runs of a method, and of dense in turn with them, behind a time that is shown."""
QUIET = 1.0
"""Seconds without any run before repeats are timed."""

FAMILIES = {
    "ref": "names a thing in a few words, as RefCOCO does",
    "ref+": "names it by its looks alone, never by its place, as RefCOCO+ does",
    "refg": "names it in a whole phrase, often beside other things, as RefCOCOg does",
    "reason": "asks for what a thing is for or does, as ReasonSeg does",
    "intent": "says what somebody wants, as RIO does",
    "absent": "asks for what is not there: the right mask is empty",
}
GLOSSARY = {
    **{f"{name} (of a suggestion)": text for name, text in FAMILIES.items()},
    "A_SEG": "the attention of the [SEG] token to each image token, heads averaged (Eq. 8): what ranks survivors",
    "N_avg": "image tokens that a decoder layer works on, mean over layers (Eq. 9)",
    "Lc, Nc": "layers of the clustering stage, and the image tokens that it runs on",
    "Ls": "layers of the scattering stage, in which all image tokens are back",
    "Lp, Np": "layers of the pruning stage, and the image tokens that survive into it",
    "tower": "the vision encoder (CLIP) that turns patches of the picture into image tokens",
    "the bill": "image tokens, operations and time, kept apart: fewer of one is not as many fewer of another",
    "preset": "a row of the paper's tables: its knobs, for this shape of model",
    "IoU dense": "fidelity: agreement with the mask that all image tokens make",
    "IoU true": "accuracy: agreement with the true mask, known for park scenes",
    "dormant": "a token that waits before the first layer and will come back by scattering; a pruned one never does",
}


class Board:
    """The board's server over the page's handlers."""

    def __init__(self, handlers: Handlers, received: Callable[[Mapping[str, Any]], Payload]):
        """received: controls as a browser sends them with an uploaded picture as its path; ValueError for another file."""
        self.handlers, self.received = handlers, received

    def functions(self) -> list[Callable[..., Any]]:
        """What the script may call."""
        return [self._function(name) for name in FUNCTIONS]

    def called(self, name: str, sent: Any) -> Payload:
        """One of FUNCTIONS with what a browser sent: a mapping whose picture, if any, was uploaded; {"error": words} for any
        other.
        """
        if not isinstance(sent, Mapping):
            got = "nothing" if sent is None else type(sent).__name__
            return {"error": f"{name} takes a mapping of settings, got {got}: reload the page"}
        try:
            return getattr(self, name)(self.received(sent))
        except ValueError as error:
            return {"error": str(error)}

    def about(self, start: Mapping[str, Any], lent: bool) -> Payload:
        """What there is to choose from, for the page as it opens; `start` is what stands on it."""
        handlers, card = self.handlers, self.handlers.card
        methods = [
            {
                "name": method.name,
                "code": documents.code(method),
                "label": method.label,
                "paper": method.paper,
                "description": " ".join(method.description.split()),
                "knobs": [
                    {"kind": k.kind, **{key: getattr(k, key) for key in ("name", "default", "help", "low", "high", "choices")}}
                    for k in method.knobs
                ],
            }
            for method in handlers.methods.values()
        ]
        drawn = handlers.album.drawn
        return {
            "card": {"name": card.name, "N": card.N, "L": card.L, "grid": list(card.grid), "device": card.device},
            "badges": badges(handlers),
            "methods": methods,
            "presets": presets(handlers),
            "start": start,
            "suggestions": handlers.picture(start["source"])["suggestions"],
            "gallery": handlers.gallery(),
            "scenes": drawn,
            "files": list(FILES),
            "families": FAMILIES,
            "glossary": GLOSSARY,
            "links": [list(link) for link in documents.links()],
            "documents": documents.offered(handlers.methods.values()),
            "linked": sorted(permalink.names(handlers)),
            "tabs": list(permalink.TABS),
            # A model that answers at once runs while a control moves; one that takes a GPU's time waits for Run.
            "live": card.device == "cpu" and card.name == "park",
            "lent": lent,
        }

    def run(self, asked: Payload) -> Payload:
        """A run as a packet, with the link to it."""
        began = time.time()
        packet = self.handlers.run(**asked)
        if "error" in packet:
            return packet
        told = {"knobs": packet["knobs"]}
        packet["link"] = permalink.link(self.handlers, {**asked, **told})
        return packet | {"server": packet["server"] | {"began": began * 1e3, "handler": (time.time() - began) * 1e3}}

    def place(self, _: Payload) -> Payload:
        """Where the caller's waiting run stands: runs `ahead` of it, and their `seconds`; nothing where none waits."""
        place = self.handlers.session.turns.place(visitor().name)
        return {} if place is None else {"ahead": place.ahead, "seconds": place.seconds}

    def forecast(self, asked: Payload) -> Payload:
        """What a plan will cost: method, knobs, `text` tokens beside the image's."""
        return self.handlers.forecast(asked.get("method"), asked.get("knobs"), asked.get("text", 0))

    def picture(self, asked: Payload) -> Payload:
        """A picture of the album by its `source`, or a `scene` by its number: what it is called and what to ask about it."""
        told = self.handlers.scene(asked["scene"]) if "scene" in asked else self.handlers.picture(asked.get("source"))
        return {name: value for name, value in told.items() if name != "image"}

    def link(self, params: Payload) -> Payload:
        """What a link sets: `asked`, the `picture` it names, and notes about what will not do."""
        words = {str(name): value for name, value in params.items() if isinstance(value, str)}
        asked, notes = permalink.read(self.handlers, words)
        if not asked:
            return {"notes": notes, "tab": permalink.tab(words)}
        picture = self.picture({"source": asked["source"]}) if asked.get("source") else None
        out = {"asked": {"seed": 0, **asked}, "notes": notes, "picture": picture, "tab": permalink.tab(words)}
        return out if picture is None or "error" not in picture else {"error": picture["error"]}

    def four(self, asked: Payload) -> Payload:
        """All selectors' clustering stages."""
        return self.handlers.compare_clusters(**asked)

    def file(self, asked: Payload) -> Payload:
        """A download."""
        return self.handlers.export(asked.pop("file", None), **asked)

    def reopen(self, sent: Payload) -> Payload:
        """A saved run that was uploaded."""
        path = self.received({"image": sent})["image"]
        return self.handlers.opened(lambda: reopen(path if isinstance(path, str) else None))

    def clock(self, asked: Payload) -> Payload:
        """Milliseconds of selection and decoder, medians of repeats in turn with dense ones: {"ours", "dense", "n"};
        {"error": why} where others are being answered, since a time would then say little.
        """
        session = self.handlers.session
        try:
            request = self.handlers.ask(asked).request
            dense = self.handlers.ask({**asked, "method": "full", "knobs": {}, "force": None}).request
            spent: dict[str, list[float]] = {"ours": [], "dense": []}
            if session.turns.quiet() < QUIET:
                return {"error": "others are being answered, so no repeats"}
            for _ in range(REPEATS):
                for name, each in (("ours", request), ("dense", dense)):
                    ms = session.run(each, fresh=True).ms
                    spent[name].append(sum(float(ms.get(part, 0.0)) for part in ("select", "decoder")))
                if session.turns.waiting:
                    return {"error": "others came meanwhile, so no repeats"}
        except ValueError as error:
            return {"error": str(error)}
        low, high = (np.quantile(spent["dense"], q) for q in (0.0, 1.0))
        if high > 2 * low:
            return {"error": "the machine is busy: repeats differ too much"}
        return {name: round(median(values), 2) for name, values in spent.items()} | {"n": REPEATS}

    def matters(self, asked: Payload) -> Payload:
        """What leaving each survivor out costs."""
        return self.handlers.matters(**asked)

    def read(self, asked: Payload) -> Payload:
        """A text to read beside the page, by its name."""
        return documents.document(asked.get("name"), self.handlers.methods.values())

    def figure(self, asked: Payload) -> Payload:
        """The paper's Figure 5 of chosen `rows`, each the settings of a run."""
        rows = asked.pop("rows", None)
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
            raise ValueError("rows must be the settings of runs: choose runs of this visit")
        with long_work():
            return builder.build(self.handlers, [self.received(row) for row in rows[: builder.MOST_ROWS + 1]], asked)

    def _function(self, name: str) -> Callable[[Any], Payload]:
        def function(sent: Any = None) -> Payload:
            return self.called(name, sent)

        function.__name__ = name
        return function


def badges(handlers: Handlers) -> list[str]:
    """What runs here, in a few words each."""
    card = handlers.card
    return [f"model {card.name}", f"{card.L} layers", f"{card.N} image tokens", card.device, card.dtype]


def presets(handlers: Handlers) -> dict[str, dict[str, Any]]:
    """The paper's rows for this model's shape, by a label for people: method and knobs; dense last."""
    out: dict[str, dict[str, Any]] = {}
    for row in handlers.session.presets().values():
        if row.table in PRESET_TABLES:
            label = f"Table {row.table}, {row.label}" if row.knobs and row.table else row.label
            out.setdefault(label, {"method": row.method, "knobs": dict(row.knobs or {})})
    return dict(sorted(out.items(), key=lambda item: (not item[1]["knobs"], item[0])))
