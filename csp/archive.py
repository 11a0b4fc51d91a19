"""A `csp.types.Result` as one .npz file: arrays beside a JSON header, no pickle.

``open_run`` needs numpy alone, so that a run can be read where neither torch nor the model is installed.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from csp.types import Cost, Layout, Request, Result, StageRecord, Trace, plain

SCHEMA = 1
ASKED = ("query", "method", "knobs", "seed", "model", "force", "seg_mode", "template")


def save(result: Result, path: str | Path | IO[bytes]) -> None:
    """Write ``result`` to ``path``."""
    trace, request = result.trace, result.request
    arrays: dict[str, NDArray[Any]] = {
        "image": request.image,
        "logits": result.logits,
        "iou": result.iou,
        "seg_state": result.seg_state,
        "A_SEG": trace.A_SEG,
        "A_text": trace.A_text,
    }
    for layer, rows in trace.heads.items():
        arrays[f"heads.{layer}"] = np.asarray(rows, np.float16)
    stages = []
    for i, stage in enumerate(trace.stages):
        arrays |= {f"stage.{i}.{name}": getattr(stage, name) for name in ("source", "slots", "position_ids")}
        if stage.score is not None:
            arrays[f"stage.{i}.score"] = stage.score
        stages.append({k: getattr(stage, k) for k in ("name", "first_layer", "L", "score_name", "instances")})
    meta = {
        "schema": SCHEMA,
        "request": {k: plain(getattr(request, k)) for k in ASKED},
        "layout": asdict(trace.layout),
        "stages": stages,
        "rank_layer": trace.rank_layer,
        "n_per_layer": trace.n_per_layer,
        "n_avg": trace.n_avg,
        "forced": plain(trace.forced),
        "cost": asdict(result.cost),
        "sam_input": result.sam_input,
        "sam_size": result.sam_size,
        "ms": dict(result.ms),
        "notes": result.notes,
        "words": result.words,
        "text": result.text,
    }
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    if isinstance(path, str | Path):
        with open(path, "wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    else:
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def open_run(path: str | Path | IO[bytes]) -> Result:
    """Read a run that `save` wrote. Raises ValueError for any other file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = _tuples(json.loads(arrays.pop("meta").tobytes()))
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is not a saved run ({error}); open a file that Result.save wrote") from error
    if meta.get("schema") != SCHEMA:
        raise ValueError(f"{path} has schema {meta.get('schema')}, this version reads {SCHEMA}; run the request again")
    stages = tuple(
        StageRecord(
            **stage,
            source=arrays[f"stage.{i}.source"],
            slots=arrays[f"stage.{i}.slots"],
            position_ids=arrays[f"stage.{i}.position_ids"],
            score=arrays.get(f"stage.{i}.score"),
        )
        for i, stage in enumerate(meta["stages"])
    )
    trace = Trace(
        layout=Layout(**meta["layout"]),
        stages=stages,
        A_SEG=arrays["A_SEG"],
        A_text=arrays["A_text"],
        rank_layer=meta["rank_layer"],
        heads={int(k.removeprefix("heads.")): v for k, v in arrays.items() if k.startswith("heads.")},
        n_per_layer=meta["n_per_layer"],
        n_avg=meta["n_avg"],
        forced=meta["forced"],
    )
    return Result(
        request=Request(image=arrays["image"], **meta["request"]),
        logits=arrays["logits"],
        iou=arrays["iou"],
        seg_state=arrays["seg_state"],
        trace=trace,
        cost=Cost(**meta["cost"]),
        sam_input=meta["sam_input"],
        sam_size=meta["sam_size"],
        ms=meta["ms"],
        notes=meta["notes"],
        words=meta.get("words", ()),
        text=meta.get("text"),
    )


def _tuples(value: Any) -> Any:
    """Undo JSON's lists: frozen records hold tuples."""
    if isinstance(value, dict):
        return {k: _tuples(v) for k, v in value.items()}
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
