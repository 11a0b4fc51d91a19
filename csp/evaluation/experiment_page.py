"""The paper's tables as measured here: one HTML file, and the same tables as text."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any


def points(estimate: Mapping[str, Any], sign: bool = False) -> str:
    if estimate["value"] is None:
        return "-"
    form = "+.1f" if sign else ".1f"
    shown = format(100 * estimate["value"], form)
    if estimate["low"] is None:
        return shown
    return f"{shown} [{format(100 * estimate['low'], form)}, {format(100 * estimate['high'], form)}]"


def head_of(table: Mapping[str, Any]) -> list[str]:
    return ["", "N_avg", "TFLOPs", *table["columns"], "mean change"]


def cells_of(table: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    """A row as text: ours with its interval, and the paper's in round brackets."""

    def beside(text: str, paper: Any) -> str:
        return text if paper is None else f"{text} ({paper:g})"

    cells = [beside(points(row["cells"][c]["gIoU"]), row["cells"][c]["paper"]) for c in table["columns"]]
    drop = row["paper's mean drop"]
    change = beside(points(row["mean change"], True), None if drop is None else -drop) if row["label"] != "Dense" else ""
    tokens = beside(f"{row['N_avg']:.1f}", row["paper's N_avg"])
    return [row["label"], tokens, beside(f"{row['TFLOPs']:.3g}", row["paper's TFLOPs"]), *cells, change]


def text(table: Mapping[str, Any]) -> str:
    from csp.evaluation.report import table as columns

    return columns(head_of(table), [cells_of(table, row) for row in table["rows"]])


_STYLE = """body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1500px;padding:0 1rem;color:#111;background:#fff}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;display:block;overflow-x:auto}td,th{padding:.25rem .6rem;
border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}td:first-child,th:first-child{text-align:left}
tr.control td{color:#555;font-style:italic}small{color:#555}figure{display:inline-block;margin:.5rem 1rem .5rem 0;width:340px;
vertical-align:top}img{max-width:100%}pre{white-space:pre-wrap;overflow-wrap:anywhere}
@media(prefers-color-scheme:dark){body{background:#111;color:#eee}td,th{border-color:#333}small,tr.control td{color:#aaa}}"""


def page(told: Mapping[str, Any], pictures: Sequence[tuple[str, str]]) -> str:
    """One HTML file: tables with intervals and the paper's numbers, the whole way's time, cases as pictures, provenance."""
    say = html.escape
    blocks = [
        f"<h1>The paper's tables on {say(told['model'])}</h1>",
        "<p>gIoU in points with its 95 % interval over pictures; <b>in round brackets what the paper prints</b>, on its own "
        "model. gIoU is taken for the paper's mIoU: an inference, since the paper says no more than “standard protocol”. "
        "Mean change: points of gIoU against the dense run on the same samples, the mean over the columns that are there. "
        f"Where parts of a truth overlap: {say(str(_overlap(told)))}. OpenCV {say(_opencv(told))} drew ReasonSeg's truths; its "
        "fillPoly changed in 4.11.</p>",
    ]
    if told["not there"]:
        blocks.append(f"<p>Not there: {say(', '.join(told['not there']))}.</p>")
    if told["bad pictures"]:
        listed = "".join(f"<li>{say(name)}: {say(why)}</li>" for name, why in list(told["bad pictures"].items())[:50])
        blocks.append(f"<p>{len(told['bad pictures'])} pictures could not be scored; no number has them:</p><ul>{listed}</ul>")
    for table in told["tables"]:
        rows, columns = table["rows"], table["columns"]
        blocks.append(f"<h2>{say(table['title'])}</h2>{_html_table(head_of(table), [cells_of(table, row) for row in rows])}")
        cIoU = [[row["label"], *(points(row["cells"][column]["cIoU"]) for column in columns)] for row in rows]
        blocks.append(f"<details><summary>cIoU</summary>{_html_table(['', *columns], cIoU)}</details>")
    whole = []
    for t in told["whole way"]:
        each = [f"{part} {ms:.1f}" for part, ms in t["ms"].items()]
        whole.append([t["label"], f"{t['T_LVLM']:.1f}", f"{t['T_total']:.1f}", *each])
    parts = max((len(row) for row in whole), default=3) - 3
    blocks.append(
        "<h2>From picture to mask</h2><p>Milliseconds on the machine named below, a query by itself with nothing kept; other "
        "work may have run there.</p>" + _html_table(["", "T_LVLM", "T_total", *[""] * parts], whole)
    )
    if pictures:
        shown = "".join(
            f'<figure><img alt="{say(words)}" src="data:image/jpeg;base64,{data}"><figcaption><small>{say(words)}</small>'
            "</figcaption></figure>"
            for words, data in pictures
        )
        blocks.append(f"<h2>Worst and best cases of LVLM_CSP against dense</h2>{shown}")
    kept = {key: told[key] for key in ("command", "finished", "seconds", "machine", "versions", "code", "weights", "data")}
    blocks.append(f"<h2>Provenance</h2><pre>{say(json.dumps(kept, indent=1))}</pre>")
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>The paper\'s tables</title><style>{_STYLE}</style>'
    return "\n".join((head, *blocks))


def _overlap(told: Mapping[str, Any]) -> str:
    return next((data["overlap"] for data in told["data"].values() if "overlap" in data), "there are none")


def _opencv(told: Mapping[str, Any]) -> str:
    import cv2

    return next((data["opencv"] for data in told["data"].values() if "opencv" in data), cv2.__version__)


def _html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    say = html.escape
    top = "".join(f"<th>{say(cell)}</th>" for cell in head)
    body = ""
    for row in rows:
        kind = " class=control" if row[0].startswith("control") else ""
        body += f"<tr{kind}>" + "".join(f"<td>{say(cell)}</td>" for cell in row) + "</tr>"
    return f"<table><tr>{top}</tr>{body}</table>"
