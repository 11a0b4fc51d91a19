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

from csp import images
from csp.checks import check_choice, check_integer, check_number, read_json
from csp.reference import reference
from csp.render import figures, overlays, palette, typeset, views
from csp.types import Request, Result
from csp.ui.album import Album, source_of
from csp.ui.payload import SMALL, Look, Payload, data_uri, four, payload
from csp.ui.saved import python_lines, rle
from csp.ui.viewer import packing

if TYPE_CHECKING:
    from csp.session import Session

INTEGERS = ("Lc", "Nc", "Ls", "Np")
FILES = ("panel.png", "panel.svg", "mask.png", "mask.rle.json", "run.html", "run.json", "run.npz", "run.py")
THRESHOLDS = (-8.0, 8.0)
PICKED = 2000
"""Characters of a picked setting, at most."""


@dataclass(frozen=True)
class Asked:
    """A request with what the page knows beside it: the true mask if any, the park scene that it shows if
    any, how to draw the run.
    """

    request: Request
    truth: NDArray[np.bool_] | None
    scene: int | None
    look: Look


class Explore:
    """Handlers of the page over one session."""

    def __init__(self, session: Session):
        self.session = session
        self.card = session.card
        self.album = Album(drawn=self.card.name == "park")
        self.methods = {card.name: card for card in session.catalogue()}

    def run(self, **controls: Any) -> Payload:
        """A run and the dense run beside it, drawn; {"error": words} where the request will not do."""
        return self._guard(lambda: self._run(self.ask(controls)))

    def opened(self, file: Callable[[], Result]) -> Payload:
        """A saved run, drawn; {"error": words} where `file` cannot give one. Its model is not needed."""

        def work() -> Payload:
            result = file()
            out = payload(result)
            out["notes"].insert(
                0,
                f"Opened from a file, made by {result.request.model}: the controls did not move, and Download is of their "
                "run, not of this one.",
            )
            # What the viewer offers to run again would run on the page's own picture and model.
            return out | {"viewer": packing.saved(result) | {"opened": True}}

        return self._guard(work)

    def compare_clusters(self, **controls: Any) -> Payload:
        """The clustering stage of all selectors side by side."""

        def work() -> Payload:
            runs = []
            for name in self.choices("cluster"):
                asked = self.ask(dict(controls) | {"method": "csp", "cluster": name})
                runs.append((name, self.session.run(asked.request)))
            if runs[0][1].trace.stage("clustering") is None:
                raise ValueError("Lc is 0, so there is no clustering stage to compare; set Lc to 1 or more")
            return {"panels": four(runs, self._objects(runs[0][1].request))}

        return self._guard(work)

    def export(self, file: str, **controls: Any) -> Payload:
        """One of FILES made from a fresh run: {"name", "type", "data"} with base64 data."""

        def work() -> Payload:
            check_choice("file", file, FILES)
            asked = self.ask(controls)
            result = self.session.run(asked.request)
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
            out.append({"source": source, "query": query, "src": data_uri(square), "alt": alt})
        return out

    def defaults(self) -> dict[str, Any]:
        """The knobs of CSP with this model's defaults."""
        return {knob.name: knob.default for knob in self.methods["csp"].knobs}

    def heads(self, controls: Mapping[str, Any]) -> int:
        """Attention heads of the layer that ranks. Runs once, which also warms the model up."""
        result = self.session.run(self.ask(controls).request)
        return max((len(rows) for rows in result.trace.heads.values()), default=0)

    def choices(self, knob: str) -> tuple[str, ...]:
        """The choices of one of CSP's knobs."""
        return next(k.choices for k in self.methods["csp"].knobs if k.name == knob)

    def ask(self, controls: Mapping[str, Any]) -> Asked:
        """Check the values of all controls. Raises ValueError naming the first that will not do."""
        query = controls.get("query")
        if not isinstance(query, str) or not query.strip():
            raise ValueError("the query is empty: type what to look for, or choose a suggestion")
        source = controls.get("source", "")
        known = self.album.of(source)
        if known is not None:
            image = known
        elif controls.get("image") is None:
            raise ValueError("there is no picture: choose an example, make a new scene or upload one")
        else:
            image = images.read(controls["image"])
        method = check_choice("method", controls.get("method", "csp"), tuple(self.methods))
        seed = check_integer("seed", whole("seed", controls.get("seed", 0)), 0, 2**31 - 1)
        knobs, force = self._knobs(method, controls), controls.get("force") or None
        request = Request(image, query, method, knobs, seed, self.card.name, force)
        truth = self.album.truth(source, query)
        return Asked(request, truth, self.album.number(source), self._look(controls))

    def _knobs(self, method: str, controls: Mapping[str, Any]) -> dict[str, Any]:
        """The knobs that the page has a control for; a pair of Lc and Ls that does not fit is cut where the
        page would cut it.
        """
        known = {knob.name for knob in self.methods[method].knobs}
        # The sliders are of the method that has them all: others mean something else by "query" or "cls".
        knobs = {name: controls[name] for name in known & set(controls)} if known >= set(INTEGERS) else {}
        knobs |= self._picked(method, controls.get("picked") or "{}")
        for name in set(INTEGERS) & set(knobs):
            knobs[name] = whole(name, knobs[name])
        yields = controls.get("yields")
        if yields in ("Lc", "Ls") and {"Lc", "Ls"} <= set(knobs):
            L, firm = self.card.L, knobs["Ls" if yields == "Lc" else "Lc"]
            if 0 <= firm <= L:
                knobs[yields] = min(knobs[yields], L - firm)
        return knobs

    def _picked(self, method: str, picked: Any) -> dict[str, Any]:
        """Knobs that came with a point picked on another page, as the JSON text {"method", "knobs"}; only for
        its method.
        """
        try:
            told = read_json(picked, "picked", PICKED) if isinstance(picked, str) else None
        except ValueError:
            told = None
        if not isinstance(told, dict) or not isinstance(told.get("knobs", {}), dict):
            raise ValueError('picked must be {"method": ..., "knobs": {...}} as JSON, or empty')
        return dict(told.get("knobs", {})) if told.get("method") == method else {}

    def _look(self, controls: Mapping[str, Any]) -> Look:
        default = Look()
        head = str(controls.get("head", "mean"))
        if head != "mean" and not head.isdecimal():
            raise ValueError(f"head must be mean or a number, got {head!r}")
        return Look(
            opacity=check_number("opacity", controls.get("opacity", default.opacity), 0, 1),
            scale=check_choice("scale", controls.get("scale", default.scale), views.SCALES),
            cmap=check_choice("cmap", controls.get("cmap", default.cmap), palette.COLORMAPS),
            head=head,
            threshold=check_number("threshold", controls.get("threshold", 0.0), *THRESHOLDS),
        )

    def _run(self, asked: Asked) -> Payload:
        began = time.perf_counter()
        dense = self.session.dense(asked.request)
        waited = (time.perf_counter() - began) * 1e3
        result = self.session.run(asked.request)
        out = payload(result, dense, asked.truth, asked.look) | {"waited": {"dense": waited}}
        if self.card.name == "park" and asked.scene is None:
            out["notes"].append(PARK_ONLY)
        out["viewer"] = self._packet(result, dense, asked)
        return out

    def _packet(self, result: Result, dense: Result, asked: Asked) -> Payload:
        """A run for the token viewer."""
        cls = self.session.cls(result.request.image)
        return packing.payload(result, dense, asked.truth, cls=cls, objects=self._objects(asked.request))

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
            return mask_png(result), "image/png"
        if file == "mask.rle.json":
            return json.dumps(rle(result.mask)).encode(), "application/json"
        if file == "run.html":
            # Here alone the viewer's component is needed, and with it Gradio.
            from csp.ui.viewer.alone import alone

            packet = self._packet(result, self.session.dense(asked.request), asked)
            return alone(packet).encode(), "text/html"
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


def whole(name: str, value: Any) -> Any:
    """A number from a browser as an int where it is one: JSON does not tell 8 from 8.0. Others are returned
    to be refused.
    """
    if value is None:
        raise ValueError(f"{name} is missing: give a whole number")
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)
    return value


def mask_png(result: Result) -> bytes:
    """The union mask as PNG at the picture's own size, one bit a pixel."""
    ok, data = cv2.imencode(".png", overlays.mask_png(result), [cv2.IMWRITE_PNG_BILEVEL, 1])
    assert ok
    return data.tobytes()
