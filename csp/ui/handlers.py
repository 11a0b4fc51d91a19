"""What the page does when it is asked: values of controls in, plain data out. Knows Gradio not at all.

Every value may come from a stranger's HTTP call, so each is checked here whatever the page would have sent.
Nothing of a visitor is kept: what a download needs is run again, on the encoded picture.
"""

from __future__ import annotations

import base64
import io
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from csp.batches import SHARED
from csp.checks import check_choice, check_integer, check_orders
from csp.reference import reference
from csp.render import figures, typeset, views
from csp.types import Request, Result
from csp.ui.album import Album, source_of
from csp.ui.payload import Payload, data_uri, lands, notes, objects_hit
from csp.ui.pictures import Pictures, Sent
from csp.ui.saved import python_lines, rle
from csp.ui.viewer import packing

if TYPE_CHECKING:
    from csp.session import Session

INTEGERS = ("Lc", "Nc", "Ls", "Np")
FILES = ("panel.png", "panel.svg", "mask.png", "mask.rle.json", "run.html", "run.json", "run.npz", "run.py")
SMALL = 132
MOST_SURVIVORS = 64
KEEPS = 0.9
"""A set of tokens keeps a mask while their masks' IoU is at least this."""


@dataclass(frozen=True)
class Asked:
    """A request with what the page knows beside it: the true mask if any, the park scene that it shows if any, and what
    names its picture; the picture as it was sent.
    """

    request: Request
    truth: NDArray[np.bool_] | None
    scene: int | None
    source: str
    sent: Sent


class Handlers:
    """Handlers of the page over one session."""

    def __init__(self, session: Session):
        self.session = session
        self.card = session.card
        self.album = Album(drawn=self.card.name == "park")
        self.methods = {card.name: card for card in session.catalogue()}
        self.pictures = Pictures()

    def run(self, **controls: Any) -> Payload:
        """A run and the dense run beside it as a packet for the browser; {"error": words} where the request will not do.

        ``have``: the source of a picture that the browser has already; it is then not sent again.
        """
        return self._guard(lambda: self._run(self.ask(controls), controls.get("have")))

    def opened(self, file: Callable[[], Result]) -> Payload:
        """A saved run as a packet; {"error": words} where `file` cannot give one. Its model is not needed."""

        def work() -> Payload:
            result = file()
            note = (
                f"Opened from a file, made by {result.request.model}: the controls did not move, and downloads are of their "
                "run, not of this one."
            )
            # What the board offers to run again would run on the page's own picture and model.
            told = {"opened": True, "notes": [note, *notes(result)], "link": None}
            return packing.saved(result) | told

        return self._guard(work)

    def compare_clusters(self, **controls: Any) -> Payload:
        """A packet of every selector's run, and how many of the objects hold one of its tokens: {"runs": [...]}."""

        def work() -> Payload:
            out: list[Payload] = []
            for name in self.choices("cluster"):
                asked = self.ask({**controls, "method": "csp"})
                asked = replace(asked, request=replace(asked.request, knobs={**asked.request.knobs, "cluster": name}))
                result = self.session.run(asked.request)
                if result.trace.stage("clustering") is None:
                    raise ValueError("Lc is 0, so there is no clustering stage to compare; set Lc to 1 or more")
                packet = packing.payload(result, picture=not out)
                objects = self._objects(asked.request)
                if objects is not None and len(objects):
                    packet |= {"hit": objects_hit(result, objects), "objects": len(objects)}
                out.append(packet | {"cluster": name})
            return {"runs": out}

        return self._guard(work)

    def matters(self, **controls: Any) -> Payload:
        """What leaving each survivor out costs: {"patches", "costs", "smallest", "kept"}, costs as 1 - IoU with the mask of all,
        `smallest` the fewest that keep it, and their IoU with it.
        """

        def work() -> Payload:
            request = self.ask(controls).request
            whole = self.session.run(request)
            last = whole.trace.stages[-1]
            if views.kind(whole.trace, last) != "kept" or last.n > MOST_SURVIVORS:
                raise ValueError(f"this run keeps {last.n} image tokens to the end: prune to at most {MOST_SURVIVORS} first")
            patches = [int(patch) for patch in last.patches]
            without = self.session.without(request, last.name, [[patch] for patch in patches])
            costs = [1 - views.iou(run.mask, whole.mask) for run in without]
            order = [patches[i] for i in np.argsort(costs, kind="stable")]
            # The cheapest go first. What is left after k of them went is tried for every k: agreement need not fall evenly.
            left = self.session.without(request, last.name, [order[:k] for k in range(1, len(order))])
            agreed = [views.iou(run.mask, whole.mask) for run in left]
            gone = max((k for k, iou in enumerate(agreed, 1) if iou >= KEEPS), default=0)
            smallest = order[gone:][::-1]
            kept = agreed[gone - 1] if gone else 1.0
            return {"patches": patches, "costs": [round(cost, 4) for cost in costs], "smallest": smallest, "kept": round(kept, 4)}

        return self._guard(work)

    def export(self, file: str, **controls: Any) -> Payload:
        """One of FILES made from a fresh run: {"name", "type", "data"} with base64 data."""

        def work() -> Payload:
            check_choice("file", file, FILES)
            asked = self.ask(controls)
            result = asked.sent.noted(self.session.run(asked.request))
            data, kind = self._file(file, result, asked)
            return {"name": f"csp-{file}", "type": kind, "data": base64.b64encode(data).decode("ascii")}

        return self._guard(work)

    def scene(self, number: Any) -> Payload:
        """A park scene: its number, picture, source and suggested queries."""
        return self._guard(lambda: self._picture(source_of(self._numbered(number))))

    def picture(self, source: Any) -> Payload:
        """A picture of the album by its source: its number (None for a photograph), picture, source, suggestions."""
        return self._guard(lambda: self._picture(source))

    def _numbered(self, number: Any) -> int:
        n = whole("scene", number)
        self.album.scene(n)
        return n

    def _picture(self, source: Any) -> Payload:
        image = self.album.of(source)
        if image is None:
            raise ValueError("there is no picture: choose an example, make a new scene or upload one")
        asked = [{"family": one.family, "text": one.text} for one in self.album.offered(source)]
        return {"number": self.album.number(source), "image": image, "source": source, "suggestions": asked}

    def gallery(self) -> list[Payload]:
        """Thumbnails of the example pictures with a query each."""
        out = []
        for source, query in self.album.examples():
            image = self.album.of(source)
            assert image is not None
            scale = SMALL / min(image.shape[:2])
            size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
            small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
            kind, _, name = source.partition(":")
            alt = f"Park scene {name}, ask: {query}" if kind == "scene" else f"Photograph: {name}, ask: {query}"
            top, left = (small.shape[0] - SMALL) // 2, (small.shape[1] - SMALL) // 2
            square = small[top : top + SMALL, left : left + SMALL]
            out.append({"source": source, "query": query, "src": data_uri(square, 80), "alt": alt})
        return out

    def defaults(self, method: str = "csp") -> dict[str, Any]:
        """The knobs of a method with this model's defaults."""
        return {knob.name: knob.default for knob in self.methods[method].knobs}

    def choices(self, knob: str) -> tuple[str, ...]:
        """The choices of one of CSP's knobs."""
        return next(k.choices for k in self.methods["csp"].knobs if k.name == knob)

    def forecast(self, method: Any, knobs: Any, N_text: Any) -> Payload:
        """What a method's plan will cost before a layer runs: {"stages", "n_avg", "flops", "dense"}; n_avg and flops None
        where the picture decides; {"error": words} where it will not run.
        """

        def work() -> Payload:
            name = check_choice("method", method, tuple(self.methods))
            told = self.session.forecast(name, self._checked(name, knobs), N_text)
            stages = [{"name": stage, "L": L, "n": n} for stage, L, n in told.stages]
            known = {"n_avg": None, "flops": None} if told.cost is None else {"n_avg": told.cost.n_avg, "flops": told.cost.flops}
            return {"stages": stages, **known, "dense": told.dense.flops}

        return self._guard(work)

    def ask(self, controls: Mapping[str, Any]) -> Asked:
        """Check the values of all controls. Raises ValueError naming the first that will not do.

        Knobs come as a mapping ``knobs`` of the method that ``controls`` names, or one by one by their names. A mapping
        ``asked`` holds controls itself; what stands beside it wins.
        """
        controls = spread(controls)
        query = controls.get("query")
        if not isinstance(query, str) or not query.strip():
            raise ValueError("the query is empty: type what to look for, or choose a suggestion")
        source = controls.get("source", "")
        known = self.album.of(source)
        if known is not None:
            sent = Sent(known, known.shape[:2])
        elif controls.get("image") is None:
            raise ValueError("there is no picture: choose an example, make a new scene or upload one")
        else:
            sent = self.pictures(controls["image"])
        method = check_choice("method", controls.get("method", "csp"), tuple(self.methods))
        seed = check_integer("seed", whole("seed", controls.get("seed", 0)), 0, 2**31 - 1)
        knobs, force = self._knobs(method, controls), check_orders(controls.get("force")) or None
        request = Request(sent.image, query, method, knobs, seed, self.card.name, force)
        truth = self.album.truth(source, query)
        return Asked(request, truth, self.album.number(source), str(source or ""), sent)

    def _knobs(self, method: str, controls: Mapping[str, Any]) -> dict[str, Any]:
        """A method's knobs; a pair of Lc and Ls that does not fit is cut where the page would cut it."""
        if controls.get("knobs") is not None:
            knobs = self._checked(method, controls["knobs"])
        else:
            known = {knob.name for knob in self.methods[method].knobs}
            # One by one they are of the method that has them all: others mean something else by "query" or "cls".
            knobs = {name: controls[name] for name in known & set(controls)} if known >= set(INTEGERS) else {}
        for name in set(INTEGERS) & set(knobs):
            knobs[name] = whole(name, knobs[name])
        yields = controls.get("yields")
        if yields in ("Lc", "Ls") and {"Lc", "Ls"} <= set(knobs):
            L, firm = self.card.L, knobs["Ls" if yields == "Lc" else "Lc"]
            if 0 <= firm <= L:
                knobs[yields] = min(knobs[yields], L - firm)
        return knobs

    def _checked(self, method: str, told: Any) -> dict[str, Any]:
        """Knobs as a browser tells them, a mapping of names that the method has; it checks their values itself."""
        if not isinstance(told, Mapping):
            raise ValueError(f"knobs must be a mapping of names to values, got {type(told).__name__}")
        known = {knob.name: knob for knob in self.methods[method].knobs}
        for name in told:
            if name not in known:
                raise ValueError(f"{method} has no knob {str(name)[:40]!r}; it has {', '.join(known) or 'none'}")
        return {name: known[name].from_json(value) for name, value in told.items()}

    def _run(self, asked: Asked, have: Any = None) -> Payload:
        began = time.perf_counter()
        dense = self.session.dense(asked.request)
        waited = (time.perf_counter() - began) * 1e3
        result = asked.sent.noted(self.session.run(asked.request))
        began = time.perf_counter()
        packet = self.packet(result, dense, asked, picture=not asked.source or have != asked.source)
        packed = (time.perf_counter() - began) * 1e3
        return packet | {"server": {"dense": waited, "pack": packed, **packet["ms"]}}

    def packet(self, result: Result, dense: Result | None, asked: Asked, picture: bool = True) -> Payload:
        """A run with all that the board shows of it; without its picture where the browser has that."""
        cls = self.session.cls(result.request.image)
        objects = self._objects(asked.request)
        told = notes(result)
        told += [f"the dense run: {words}" for words in dense.notes if words.startswith(SHARED)] if dense is not None else []
        if self.card.name == "park" and asked.scene is None:
            told.append(PARK_ONLY)
        things, names = (None, ()) if asked.scene is None else self.album.things(asked.scene)
        out = packing.payload(result, dense, asked.truth, cls=cls, objects=objects, picture=picture)
        return out | {"notes": told, "lands": lands(result.mask, things, names), "source": asked.source}

    def _objects(self, request: Request) -> NDArray[np.bool_] | None:
        """The instances that Seg-First works from in this request."""
        return self.session.objects(request.image, request.knobs.get("conf", 0.25))

    def _file(self, file: str, result: Result, asked: Asked) -> tuple[bytes, str]:
        if file.startswith("panel"):
            dense = self.session.dense(asked.request)
            figure = figures.stages([result], dense=[dense.mask], truth=[asked.truth], provenance=True)
            suffix = file.split(".")[1]
            return typeset.to_bytes(figure, suffix), "image/png" if suffix == "png" else "image/svg+xml"
        if file == "mask.png":
            return mask_png(asked.sent.enlarged(result.mask)), "image/png"
        if file == "mask.rle.json":
            return json.dumps(rle(asked.sent.enlarged(result.mask))).encode(), "application/json"
        if file == "run.html":
            # Here alone the viewer's component is needed, and with it Gradio.
            from csp.ui.viewer.alone import alone

            return alone(self.packet(result, self.session.dense(asked.request), asked)).encode(), "text/html"
        if file == "run.py":
            return python_lines(result, asked.scene).encode(), "text/x-python"
        if file == "run.json":
            return json.dumps(result.as_dict(), indent=1).encode(), "application/json"
        buffer = io.BytesIO()
        replace(result, reference=reference(self.session, asked.request, asked.truth)).save(buffer)
        return buffer.getvalue(), "application/octet-stream"

    def _guard(self, work: Callable[[], Payload]) -> Payload:
        try:
            return work()
        except ValueError as error:
            return {"error": str(error)}


PARK_ONLY = (
    "This model knows only its drawn park: on a photo its answers mean little. "
    "Choose an example or make a new scene."
)


def spread(controls: Mapping[str, Any]) -> dict[str, Any]:
    """Controls with those inside ``asked`` beside the others, which win; another method leaves its knobs behind. A text in place
    of a mapping says what was wrong with it.
    """
    inside = controls.get("asked")
    if inside is None:
        return dict(controls)
    if isinstance(inside, str):
        raise ValueError(inside)
    if not isinstance(inside, Mapping):
        raise ValueError(f"asked must be a mapping of controls, got {type(inside).__name__}")
    out = {**inside, **{name: value for name, value in controls.items() if name != "asked"}}
    if out.get("method") != inside.get("method") and "knobs" not in controls:
        out["knobs"] = {}
    return out


def whole(name: str, value: Any) -> Any:
    """A number from a browser as an int where it is one: JSON does not tell 8 from 8.0. Others are returned
    to be refused.
    """
    if value is None:
        raise ValueError(f"{name} is missing: give a whole number")
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)
    return value


def mask_png(mask: NDArray[np.bool_]) -> bytes:
    """A mask, bool [H, W], as PNG, one bit a pixel."""
    ok, data = cv2.imencode(".png", mask.astype(np.uint8) * 255, [cv2.IMWRITE_PNG_BILEVEL, 1])
    assert ok
    return data.tobytes()
