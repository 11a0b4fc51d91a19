"""Saved runs: one .npz of arrays beside a JSON header, no pickle.

Reading needs numpy alone, so that a run can be looked at where neither torch nor the model is installed.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from csp.trace import Layout, StageRecord, Trace, plain

SCHEMA = 1
Arrays = dict[str, NDArray[Any]]


def write(path: str | Path | IO[bytes], arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> None:
    """Write ``arrays`` and a JSON ``header`` to ``path``."""
    meta = np.frombuffer(json.dumps({"schema": SCHEMA, **header}).encode(), np.uint8)
    if isinstance(path, str | Path):
        with open(path, "wb") as file:
            np.savez_compressed(file, **arrays, meta=meta)  # type: ignore[arg-type]
    else:
        np.savez_compressed(path, **arrays, meta=meta)  # type: ignore[arg-type]


def read(path: str | Path | IO[bytes]) -> tuple[Arrays, dict[str, Any]]:
    """Arrays and header, lists as tuples, of what `write` wrote. Raises ValueError for any other file."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        meta = _tuples(json.loads(arrays.pop("meta").tobytes()))
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is not a saved run ({error}); open a file that Result.save wrote") from error
    if meta.get("schema") != SCHEMA:
        raise ValueError(f"{path} has schema {meta.get('schema')}, this version reads {SCHEMA}; run the request again")
    return arrays, meta


def pack_trace(trace: Trace) -> tuple[Arrays, dict[str, Any]]:
    """A trace's arrays by their names in the file, and its part of the header."""
    arrays: Arrays = {"A_SEG": trace.A_SEG, "A_text": trace.A_text}
    arrays |= {f"heads.{layer}": np.asarray(rows, np.float16) for layer, rows in trace.heads.items()}
    stages = []
    for i, stage in enumerate(trace.stages):
        arrays |= {f"stage.{i}.{name}": getattr(stage, name) for name in ("source", "slots", "position_ids")}
        if stage.score is not None:
            arrays[f"stage.{i}.score"] = stage.score
        stages.append({k: getattr(stage, k) for k in ("name", "first_layer", "L", "score_name", "instances")})
    return arrays, {
        "layout": asdict(trace.layout),
        "stages": stages,
        "rank_layer": trace.rank_layer,
        "n_per_layer": trace.n_per_layer,
        "n_avg": trace.n_avg,
        "forced": plain(trace.forced),
    }


def unpack_trace(arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> Trace:
    """The trace that `pack_trace` took apart."""
    stages = tuple(
        StageRecord(
            **stage,
            source=arrays[f"stage.{i}.source"],
            slots=arrays[f"stage.{i}.slots"],
            position_ids=arrays[f"stage.{i}.position_ids"],
            score=arrays.get(f"stage.{i}.score"),
        )
        for i, stage in enumerate(header["stages"])
    )
    return Trace(
        layout=Layout(**header["layout"]),
        stages=stages,
        A_SEG=arrays["A_SEG"],
        A_text=arrays["A_text"],
        rank_layer=header["rank_layer"],
        heads={int(k.removeprefix("heads.")): v for k, v in arrays.items() if k.startswith("heads.")},
        n_per_layer=header["n_per_layer"],
        n_avg=header["n_avg"],
        forced=header["forced"],
    )


def _tuples(value: Any) -> Any:
    """Undo JSON's lists: frozen records hold tuples."""
    if isinstance(value, dict):
        return {k: _tuples(v) for k, v in value.items()}
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
