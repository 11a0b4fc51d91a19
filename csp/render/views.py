"""What a trace says, in the arrays that drawing needs: which patches, in what state, in what order, with
what weight.

Pure numpy over `csp.types`; knows nothing of pixels or colours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from csp.types import StageRecord, Trace

Kind = Literal["selected", "all", "kept"]
"""How a stage stands to the picture: "selected" some patches first, "all" every patch, "kept" what a later
cut left.
"""

SCALES = ("linear", "sqrt", "percentile", "log")


def covered(record: StageRecord, N: int) -> NDArray[np.bool_]:
    """Patches that some token of the stage stands for, bool [N]; merged ones included."""
    out = np.zeros(N, bool)
    out[record.patches] = True
    return out


def kind(trace: Trace, record: StageRecord) -> Kind:
    """Whether a stage starts small, sees everything, or is what a cut left."""
    if len(record.patches) == trace.layout.N and record.n >= trace.layout.N:
        return "all"
    return "selected" if record is trace.stages[0] else "kept"


def states(trace: Trace, record: StageRecord) -> NDArray[np.str_]:
    """State of every patch while a stage runs, str [N], words of `palette.STATES`.

    A patch without a token is dormant when a later stage brings it back and pruned when none does; a patch
    with one is a representative in the first stage, restored where the stage before went without it, else a
    survivor.
    """
    N = trace.layout.N
    here = covered(record, N)
    i = next(k for k, stage in enumerate(trace.stages) if stage is record)
    later = np.zeros(N, bool)
    for stage in trace.stages[i + 1 :]:
        later |= covered(stage, N)
    out = np.where(later, "dormant", "pruned").astype("<U14")
    if kind(trace, record) == "all":
        before = covered(trace.stages[i - 1], N) if i else here
        out[here] = np.where(before[here], "representative", "restored")
    else:
        out[here] = "representative" if i == 0 else "survivor"
    return out


def centres(trace: Trace, record: StageRecord) -> NDArray[np.int64]:
    """Patch at whose place each token of the stage stands, int [n]; -1 for a token with no patch (a kept
    [CLS]).
    """
    patch = record.slots - trace.layout.N_sys
    inside = (patch >= 0) & (patch < trace.layout.N) & (record.source.sum(axis=1) > 0)
    return np.where(inside, patch, -1)


def ranking(trace: Trace, record: StageRecord) -> list[int]:
    """Patches of a stage's tokens from the highest score to the lowest, ties by place; unranked ones last."""
    patch = centres(trace, record)
    patch = np.unique(patch[patch >= 0])
    if record.score is None:
        return patch.tolist()
    score = record.score[patch]
    order = np.argsort(np.where(np.isnan(score), np.inf, -score), kind="stable")
    return patch[order].tolist()


def attention(trace: Trace, layers: Iterable[int]) -> NDArray[np.float32]:
    """Mean over layers of the [SEG] row (Eq. 8), float32 [N]; NaN where none of these layers had a token
    for the patch.
    """
    rows = trace.A_SEG[list(layers)]
    seen = ~np.isnan(rows)
    total = np.where(seen, rows, 0).sum(axis=0)
    with np.errstate(invalid="ignore"):
        return (total / seen.sum(axis=0)).astype(np.float32)


def focus_layers(trace: Trace) -> range:
    """Layers whose attention tells most about all patches: the scattering stage, else the last stage that
    saw them all, else the last.
    """
    whole = [record for record in trace.stages if kind(trace, record) == "all"]
    named = trace.stage("scattering")
    record = named or (whole or list(trace.stages))[-1]
    return record.layers


def scaled(values: NDArray[np.floating], scale: str = "sqrt") -> NDArray[np.float32]:
    """Values [N] brought to 0..1 for a colour map, NaN kept.

    "linear" and "sqrt" divide by the largest value, "log" spans three decades below it, "percentile" is the
    rank among the finite values. Raises ValueError for another scale or for negative values.
    """
    if scale not in SCALES:
        raise ValueError(f"heat scale must be one of {', '.join(SCALES)}, got {scale!r}")
    values = np.asarray(values, np.float32)
    finite = np.isfinite(values)
    out = np.full(values.shape, np.nan, np.float32)
    if not finite.any():
        return out
    v = values[finite]
    if v.min() < 0:
        raise ValueError(f"attention must be non-negative, got {v.min()}; pass a row of A_SEG")
    top = float(v.max()) or 1.0
    if scale == "linear":
        out[finite] = v / top
    elif scale == "sqrt":
        out[finite] = np.sqrt(v / top)
    elif scale == "log":
        out[finite] = np.clip(1 + np.log10(np.maximum(v / top, 1e-3)) / 3, 0, 1)
    else:
        # Mean rank of ties, so that equal attention never shows as unequal colour.
        values_, inverse, counts = np.unique(v, return_inverse=True, return_counts=True)
        high = np.cumsum(counts) - 1
        mean_rank = (high + high - counts + 1) / 2
        out[finite] = mean_rank[inverse] / max(len(v) - 1, 1) if len(values_) > 1 else 0.5
    return out


def iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union of two masks of one shape; two empty masks agree fully (1.0)."""
    union = int((a | b).sum())
    return float((a & b).sum()) / union if union else 1.0
