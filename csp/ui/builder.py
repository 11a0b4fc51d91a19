"""The paper's Figure 5 from runs of the page: rows are runs, columns clusterings and survivors, both chosen there."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from csp.checks import check_choice, check_integer, shown
from csp.render import sheet, typeset
from csp.render.figure5 import figure5
from csp.types import Result
from csp.ui.handlers import Handlers, whole
from csp.ui.payload import Payload

FORMATS = {"svg": "image/svg+xml", "pdf": "application/pdf", "png": "image/png"}
WIDTHS = {"double": sheet.DOUBLE, "single": sheet.SINGLE}
MOST_ROWS, MOST_COUNTS = 6, 6


def build(handlers: Handlers, rows: Sequence[Mapping[str, Any]], chosen: Mapping[str, Any]) -> Payload:
    """A file: {"name", "type", "data"} with base64 data.

    rows: the settings of each row's leading run, as the board asks for one. chosen: "clusters" and "survivors" (columns beside
    the run's own), "dense" whether the dense mask is outlined, "width" and "format". Raises ValueError naming what will not do.
    """
    kind = check_choice("format", chosen.get("format", "svg"), tuple(FORMATS))
    width = check_choice("width", chosen.get("width", "double"), tuple(WIDTHS))
    if not 1 <= len(rows) <= MOST_ROWS:
        raise ValueError(f"choose 1 to {MOST_ROWS} runs, a row each, got {len(rows)}")
    known = handlers.choices("cluster")
    clusters = [check_choice("cluster", name, known) for name in _listed(chosen, "clusters")]
    survivors = [check_integer("Np", whole("Np", Np), 1, handlers.card.N) for Np in _listed(chosen, "survivors")]
    if len(survivors) > MOST_COUNTS:
        raise ValueError(f"at most {MOST_COUNTS} columns of survivors, got {len(survivors)}")
    results: list[Result] = []
    truths = []
    seen: set[tuple[bytes, str]] = set()
    for i, controls in enumerate(rows, 1):
        asked = handlers.ask({**controls, "force": None})
        request = asked.request
        if not {"cluster", "Np"} <= set(request.knobs):
            label = handlers.methods[request.method].label
            raise ValueError(f"run {i} is by {label}: Figure 5 shows LVLM_CSP, choose such a run")
        key = (request.image.tobytes(), request.query.strip())
        if key in seen:
            raise ValueError(f"run {i} asks the same of the same picture as one before it: choose one of them")
        seen.add(key)
        turned: list[dict[str, Any]] = [{"cluster": name} for name in clusters if name != request.knobs["cluster"]]
        turned += [{"Np": Np} for Np in sorted(set(survivors)) if Np != request.knobs["Np"]]
        made = [replace(request, knobs={**request.knobs, **change}) for change in ({}, *turned)]
        results += [handlers.session.run(each) for each in made]
        if chosen.get("dense"):
            results.append(handlers.session.dense(request))
        truths.append(asked.truth)
    figure = figure5(results, truth=truths, width=WIDTHS[width], provenance=True)
    data = base64.b64encode(typeset.to_bytes(figure, kind)).decode("ascii")
    return {"name": f"csp-figure5.{kind}", "type": FORMATS[kind], "data": data}


def _listed(chosen: Mapping[str, Any], name: str) -> list[Any]:
    value = chosen.get(name, [])
    if not isinstance(value, list) or len(value) > 20:
        raise ValueError(f"{name} must be a list, got {shown(value)}")
    return value
