"""The trade-off that was measured once and travels with the app: `docs/results/tradeoff.json` as lines of the Trade-off page.

Its points are means over hundreds of queries, each with its 95 % interval; a sweep on the page is a handful.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from csp.checks import read_json
from csp.ui.payload import Payload

NAME = "tradeoff.json"
MOST_CURVES = 20


def file() -> Path:
    """Where the results lie: in an installed package, or in its checkout."""
    package = Path(__file__).parents[1]
    places = [package / "assets/results" / NAME, package.parent / "docs/results" / NAME]
    return next((place for place in places if place.is_file()), places[-1])


@lru_cache(maxsize=1)
def summary() -> dict[str, Any] | None:
    """What `python -m csp.evaluate --suite tradeoff` wrote; None where it did not come along."""
    try:
        told = read_json(file().read_text(encoding="utf-8"), NAME, 2**23)
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) and told.get("lines") else None


def points(told: dict[str, Any]) -> tuple[list[str], list[Payload]]:
    """Names of the curves, dense first, and the points of all, placed on the page's axes against dense."""
    dense = told["lines"][0]
    labels = [dense["label"]]
    out = []
    for line in told["lines"]:
        # Figures of their own, such as FastV over K, are on the results page.
        if line["curve"].startswith("Figure"):
            continue
        name = line["curve"] or dense["label"]
        if name not in labels:
            labels.append(name)
        out.append(_point(line, dense, labels.index(name)))
    return labels[:MOST_CURVES], out


def _point(line: dict[str, Any], dense: dict[str, Any], curve: int) -> Payload:
    overall = {name: _overall(line.get(key)) for name, key in KEYS.items()}
    at = {
        "n_avg": line["N_avg"],
        "operations": round(100 * line["GFLOPs"] / dense["GFLOPs"], 3),
        "time": round(100 * line["ms"] / dense["ms"], 2) if line.get("ms") and dense.get("ms") else None,
        "knob": None,
        **{name: None if found is None else found["value"] * SCALE[name] for name, found in overall.items()},
    }
    if line is dense:
        at |= {"change": 0.0, "dense": 1.0}
    span = {name: [found["low"] * SCALE[name], found["high"] * SCALE[name]] for name, found in overall.items() if found}
    label = f"{line['label']}, {', '.join(f'{k} {v}' for k, v in line['knobs'].items() if isinstance(v, int))}".rstrip(", ")
    n = 1 if overall["truth"] is None else overall["truth"]["n"]
    return {"curve": curve, "label": label, "at": at, "span": span, "n": n, "method": line["method"], "knobs": line["knobs"]}


KEYS = {"truth": "gIoU", "dense": "IoU with dense", "change": "change"}
SCALE = {"truth": 1.0, "dense": 1.0, "change": 100.0}


def _overall(found: Any) -> dict[str, float] | None:
    found = found.get("overall", found) if isinstance(found, dict) else None
    return found if found and found.get("value") is not None else None


def origin(told: dict[str, Any]) -> Payload:
    """Where the numbers come from, in words and numbers."""
    return {
        "queries": sum(told["queries"].values()),
        "pictures": told["pictures"],
        "model": told["model"],
        "command": told["command"],
        "finished": str(told["finished"])[:10],
    }
