"""A run that leaves the page and comes back: reopened from its file, written as RLE, told as Python."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csp.checks import check_integer
from csp.types import Result

MOST_BYTES = 512 * 2**20
"""What a saved run may unpack to: a dense 7B run of a large picture needs a tenth of it."""


def reopen(path: str | Path | None) -> Result:
    """The run in a file that `Result.save` wrote, whatever model made it; the model is not needed.

    Raises ValueError for a file that is no such run, that would unpack to more than MOST_BYTES, or whose
    parts do not fit together.
    """
    if path is None:
        raise ValueError("no file was sent; choose a run.npz that was downloaded here")
    name = Path(path).name
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(item.file_size for item in archive.infolist())
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(f"{name} is not a saved run ({error}); open a run.npz from this page") from error
    if size > MOST_BYTES:
        raise ValueError(
            f"{name} unpacks to {size >> 20} MB, at most {MOST_BYTES >> 20} MB are opened; save the run again"
        )
    try:
        result = Result.open(path)
        _check(result)
    except ValueError:
        raise
    except Exception as error:  # a file made by hand can fail anywhere on its way into a Result
        raise ValueError(
            f"{name} is not a saved run ({type(error).__name__}: {error}); open a run.npz from this page"
        ) from error
    return result


def _check(result: Result) -> None:
    """Raise ValueError unless shapes and indices of a run agree with each other."""
    trace, layout = result.trace, result.trace.layout
    L = check_integer("layers", len(trace.n_per_layer), 1, 254)
    check_integer("image tokens", layout.N, 1, 4096)
    wanted: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
        "A_SEG": (trace.A_SEG, (L, layout.N)),
        "A_text": (trace.A_text, (L, layout.N_usr)),
        "logits": (result.logits, (len(result.logits), *result.logits.shape[1:])),
    }
    done = 0
    for stage in trace.stages:
        wanted[f"{stage.name}.source"] = (stage.source, (len(stage.source), layout.N))
        wanted[f"{stage.name}.slots"] = (stage.slots, (stage.n,))
        wanted[f"{stage.name}.position_ids"] = (stage.position_ids, (stage.n,))
        if stage.score is not None:
            wanted[f"{stage.name}.score"] = (stage.score, (layout.N,))
        if stage.first_layer != done or stage.L < 1:
            raise ValueError(
                f"stage {stage.name} must start at layer {done}, got {stage.first_layer}; save the run again"
            )
        done += stage.L
    if done != L:
        raise ValueError(f"the stages run {done} layers, the run has {L}; save it again")
    for name, (array, shape) in wanted.items():
        if array.shape != shape or (name == "logits" and array.ndim != 3):
            raise ValueError(f"{name} must be {list(shape)}, got {list(array.shape)}; save the run again")


def rle(mask: NDArray[np.bool_]) -> dict[str, Any]:
    """A mask, bool [H, W], as COCO's uncompressed RLE: lengths of runs down the columns, background first."""
    flat = np.asarray(mask, bool).ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat.size and flat[0] else counts}


def python_lines(result: Result, scene: int | None) -> str:
    """The lines of Python that make this run again; `scene` is a park scene's number, None for a picture of one's own."""
    request = result.request
    knobs = ", ".join(f"{name}={value!r}" for name, value in request.knobs.items())
    extra = f", seed={request.seed}" + (f", force={_plain(request.force)!r}" if request.force else "")
    picture = (
        f'csp.park.scene({scene}, split="test").image'
        if scene is not None
        else 'PIL.Image.open("picture.png")'
    )
    lines = [
        "import csp" if scene is not None else "import csp, PIL.Image",
        f"model = csp.load({request.model!r})",
        f"image = {picture}",
        f"result = model.segment(image, {request.query!r}, method=csp.METHODS[{request.method!r}]({knobs}){extra})",
        "print(result.cost.n_avg, result.mask.sum(), result.notes)",
    ]
    return "\n".join(lines) + "\n"


def _plain(force: Any) -> dict[str, dict[str, list[int]]]:
    return {
        stage: {order: list(patches) for order, patches in orders.items()} for stage, orders in force.items()
    }
