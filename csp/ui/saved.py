"""A run that leaves the page and comes back: reopened from its file, written as RLE, told as Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csp.types import Result


def reopen(path: str | Path | None) -> Result:
    """The run in a file that `Result.save` wrote, whatever model made it; the model is not needed.

    Raises ValueError for a file that is no such run, or that holds more than a model could have made.
    """
    if path is None:
        raise ValueError("no file was sent; choose a run.npz that was downloaded here")
    try:
        return Result.open(path)
    except OSError as error:
        raise ValueError(f"{Path(path).name} cannot be read ({error.strerror}); send it again") from error


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
