"""A folder of saved runs with an index: made by ``python -m csp.record``, shown by ``python app.py --runs FOLDER``.

Runs are files of `Result.save`, of any models; index.json holds what a gallery shows of each, so that none needs to be opened for
it. The index can be lost or wrong: what it says is checked, and a run that it does not know is opened instead.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2

from csp.checks import read_json
from csp.render import overlays, views, words
from csp.types import Reference, Result

INDEX = "index.json"
SIDE = 160
MOST_RUNS = 1000
MOST_INDEX = 32 * 2**20
MOST_NUMBER = 1e15
PICTURE = "data:image/jpeg;base64,"


@dataclass(frozen=True)
class Entry:
    """What a gallery shows of a run: `file` in its folder and the file's `size` in bytes, words, numbers, and a small
    picture with the mask as a JPEG inside a URI. `asked` tells one request of a list from another.
    """

    file: str
    size: int
    query: str
    model: str
    title: str
    n_avg: float
    N: int
    alt: str
    thumb: str
    iou_dense: float | None = None
    iou_truth: float | None = None
    asked: str = ""


def entry(result: Result, file: Path, asked: str = "") -> Entry:
    """A run that lies in `file` as the index holds it."""
    known = result.reference or Reference()
    dense, truth = None if known.dense is None else known.dense.mask, known.truth
    picture = overlays.mask(result, SIDE, dense=dense, truth=truth)
    ok, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])
    assert ok, picture.shape
    return Entry(
        file.name,
        file.stat().st_size,
        result.request.query.strip(),
        result.request.model,
        words.method(result),
        round(float(result.trace.n_avg), 2),
        result.trace.layout.N,
        words.alt_mask(result, dense, truth),
        PICTURE + base64.b64encode(data.tobytes()).decode("ascii"),
        None if dense is None else round(views.iou(result.mask, dense), 4),
        None if truth is None else round(views.iou(result.mask, truth), 4),
        asked,
    )


def write_index(folder: Path, entries: Sequence[Entry]) -> None:
    """Write the folder's index, whole or not at all."""
    text = json.dumps({"runs": [asdict(one) for one in entries]}, ensure_ascii=False, indent=1)
    partial = folder / f"{INDEX}.partial"
    partial.write_text(text + "\n", encoding="utf-8")
    os.replace(partial, folder / INDEX)


def read_index(folder: Path) -> dict[str, Entry]:
    """The entries of a folder's index by file; none where there is no index, and none that is not well formed."""
    try:
        text = (folder / INDEX).read_text(encoding="utf-8")
        told = read_json(text, INDEX, MOST_INDEX, finite=True)
    except (OSError, ValueError):
        return {}
    rows = told.get("runs") if isinstance(told, dict) else None
    made = [_entry(row) for row in rows[:MOST_RUNS]] if isinstance(rows, list) else []
    return {one.file: one for one in made if one is not None}


def _entry(row: Any) -> Entry | None:
    if not isinstance(row, dict) or not isinstance(row.get("thumb"), str) or not row["thumb"].startswith(PICTURE):
        return None
    text = {name: row.get(name) for name in ("file", "query", "model", "title", "alt", "thumb")}
    numbers = {name: row.get(name) for name in ("size", "n_avg", "N")}
    scores = {name: row.get(name) for name in ("iou_dense", "iou_truth")}
    fine = all(isinstance(value, str) for value in text.values())
    fine = fine and all(_number(value) for value in numbers.values())
    fine = fine and all(value is None or _number(value) for value in scores.values())
    asked = row.get("asked") if isinstance(row.get("asked"), str) else ""
    return Entry(**text, **numbers, **scores, asked=asked) if fine else None  # type: ignore[arg-type]


def _number(value: Any) -> bool:
    # A comparison takes whole numbers of any length, and NaN is within nothing.
    return isinstance(value, int | float) and not isinstance(value, bool) and -MOST_NUMBER < value < MOST_NUMBER


def read(folder: str | Path) -> tuple[list[Entry], list[str]]:
    """All runs of a folder, in the index's order and then by name; and a sentence about each file that is no run.

    Raises ValueError for what is no folder, or holds no run.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder: make one with python -m csp.record --list runs.jsonl --out {folder}")
    known = read_index(folder)
    files = {file.name: file for file in sorted(folder.glob("*.npz")) if file.is_file()}
    order = [*(name for name in known if name in files), *(name for name in files if name not in known)]
    out, refused = [], []
    for name in order[:MOST_RUNS]:
        one = known.get(name)
        if one is not None and one.size == files[name].stat().st_size:
            out.append(one)
            continue
        try:
            out.append(entry(Result.open(files[name]), files[name]))
        except (ValueError, OSError) as error:
            refused.append(str(error))
    if not out:
        said = f" ({refused[0]})" if refused else ""
        raise ValueError(f"{folder} holds no saved run{said}: put files there that Result.save or csp.record wrote")
    if len(order) > MOST_RUNS:
        refused.append(f"{folder} holds {len(order)} runs, the first {MOST_RUNS} are shown")
    return out, refused
