"""Saved runs: one .npz of arrays beside a JSON header, no pickle.

Reading needs numpy alone, so that a run can be looked at where neither torch nor the model is installed.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from csp import archive_bounds as bounds
from csp.checks import read_json, shorten, shown
from csp.trace import Layout, StageRecord, Trace, plain

SCHEMA = 1
MOST_MEMBERS = 1500
Arrays = dict[str, NDArray[Any]]


def write(path: str | Path | IO[bytes], arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> None:
    """Write ``arrays`` and a JSON ``header`` to ``path``."""
    meta = np.frombuffer(json.dumps({"schema": SCHEMA, **header}).encode(), np.uint8)
    if isinstance(path, str | Path):
        with open(path, "wb") as file:
            np.savez_compressed(file, **arrays, meta=meta)  # type: ignore[arg-type]
    else:
        np.savez_compressed(path, **arrays, meta=meta)  # type: ignore[arg-type]


@contextmanager
def refusing(path: str | Path | IO[bytes]) -> Iterator[None]:
    """Whatever goes wrong inside while a file is opened ends in one sentence, a ValueError; a missing file stays missing."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:  # a file made by hand can fail anywhere: in zip, in numpy, in our own checks
        name = Path(path).name if isinstance(path, str | Path) else "the file"
        why = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ValueError(f"{name} is not a saved run ({shorten(why)}); open a file that Result.save wrote") from error


def read(path: str | Path | IO[bytes]) -> tuple[Arrays, dict[str, Any]]:
    """Arrays and header, lists as tuples, of what `write` wrote. Nothing is read before its size and type are known to fit."""
    with zipfile.ZipFile(path) as file:
        return _read(file)


def _read(file: zipfile.ZipFile) -> tuple[Arrays, dict[str, Any]]:
    members = {item.filename.removesuffix(".npy"): item for item in file.infolist()}
    size = sum(item.file_size for item in file.infolist())
    if size > bounds.MOST_BYTES or len(members) > MOST_MEMBERS:
        raise ValueError(
            f"it unpacks to {size >> 20} MB in {len(members)} parts, "
            f"at most {bounds.MOST_BYTES >> 20} MB in {MOST_MEMBERS} are read"
        )
    found = {name: _described(file, item) for name, item in members.items()}
    shape, kind = found.pop("meta", ((), ""))
    if kind != "u1" or len(shape) != 1 or shape[0] > bounds.MOST_HEADER:
        raise ValueError("it has no header of a run")
    meta = read_json(_array(file, members.pop("meta")).tobytes().decode(), "the header", bounds.MOST_HEADER)
    if not isinstance(meta, dict) or meta.get("schema") != SCHEMA:
        schema = meta.get("schema") if isinstance(meta, dict) else None
        raise ValueError(f"its schema is {shown(schema)}, this version reads {SCHEMA}; run the request again")
    meta = _tuples(meta)
    bounds.HEADER("", meta)
    bounds.arrays_of(meta, found)
    arrays = {name: _array(file, item) for name, item in members.items()}
    bounds.contents(meta, arrays)
    return arrays, meta


def _described(file: zipfile.ZipFile, item: zipfile.ZipInfo) -> tuple[tuple[int, ...], str]:
    """Shape and type (such as "f4") of an array, from its own header alone."""
    with file.open(item) as stream:
        version = np.lib.format.read_magic(stream)
        headers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in headers:
            raise ValueError(f"{item.filename} is of another numpy")
        shape, _, dtype = headers[version](stream)
    if dtype.hasobject or math.prod(shape) * dtype.itemsize > item.file_size:
        raise ValueError(f"{item.filename} is no plain array of the size it says")
    return shape, f"{dtype.kind}{dtype.itemsize}"


def _array(file: zipfile.ZipFile, item: zipfile.ZipInfo) -> NDArray[Any]:
    with file.open(item) as stream:
        return np.asarray(np.lib.format.read_array(stream, allow_pickle=False))


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
