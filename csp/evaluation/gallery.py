"""The worst and best cases of a run as pictures: its mask, the dense one's and the true one's outlines."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from csp.evaluation.experiments import Table
from csp.evaluation.runs import DENSE, Run
from csp.evaluation.tally import Tally
from csp.methods.full import Full
from csp.samples import Source

MOST = 12
SIDE = 420


def cases(
    model: Any, sources: Mapping[str, Source], tallies: Mapping[str, Tally], tables: Sequence[Table]
) -> list[tuple[str, str]]:
    """(caption, JPEG in base64) for the two worst and the two best samples of each data set, twelve at most."""
    run = next((run for table in tables for row in table.rows for run in row.runs if run.method.name == "csp"), None)
    found: list[tuple[str, str]] = []
    for column, tally in tallies.items():
        source = sources[column]
        if run is None or run.name not in tally.runs or len(found) >= MOST:
            continue
        index = {source.picture(at): at for at in range(len(source))}
        for name, query, change in tally.extremes(run.name):
            with suppress(ValueError, OSError):
                found.append(_case(model, source, index[name], query, run, f"{column}, {name}", change))
    return found


def _case(model: Any, source: Source, at: int, query: int, run: Run, where: str, change: float) -> tuple[str, str]:
    from PIL import Image

    from csp.render import overlays

    sample = next(s for s in source.samples(at) if s.number == query)
    dense, ours = (model.segment(sample.image, sample.query, method) for method in (Full(), run.method))
    truth = sample.target if sample.target.shape == sample.image.shape[:2] else None
    drawn = overlays.mask(ours, SIDE, dense=dense.mask, truth=truth)
    data = io.BytesIO()
    Image.fromarray(drawn).save(data, "JPEG", quality=82)
    words = f"{where}: “{sample.query}”, {100 * change:+.0f} points of IoU against {DENSE} (dashed; truth dotted)"
    return words, base64.b64encode(data.getvalue()).decode()
