"""What the paper prints of its own models, to stand beside the park's numbers: mIoU in points, and its change
against dense.

Transcribed from LVLM_CSP, arXiv 2504.10854v1. Tables 4 and 5 have five columns (RefCOCO+ val, testA, testB;
RefCOCOg val, test), whose dense row stands in Table 1.
"""

from __future__ import annotations

from statistics import mean

from csp.methods.presets import PRESETS

_DENSE_5 = (60.9, 65.2, 53.9, 65.9, 66.8)
_TABLE_4 = {
    "random/16": (53.5, 58.2, 46.8, 59.8, 61.2),
    "uniform/16": (52.9, 57.8, 47.1, 59.5, 60.9),
    "cls/16": (52.7, 57.6, 47.8, 59.3, 60.8),
    "seg-first/16": (54.2, 58.6, 47.9, 60.9, 61.9),
    "random/32": (54.5, 59.7, 48.0, 60.4, 62.3),
    "uniform/32": (54.7, 59.5, 48.8, 61.1, 62.0),
    "cls/32": (54.2, 58.7, 48.9, 60.4, 61.7),
    "seg-first/32": (55.3, 60.1, 48.9, 61.7, 63.3),
    "random/64": (56.1, 60.7, 49.1, 61.8, 63.2),
    "uniform/64": (56.9, 61.3, 50.6, 62.7, 63.9),
    "cls/64": (55.4, 59.5, 49.8, 62.4, 61.3),
    "seg-first/64": (57.1, 61.6, 50.8, 63.2, 64.3),
}
_TABLE_5 = {
    "6-8/4": (59.1, 63.9, 52.2, 64.7, 65.9),
    "6-8/8": (59.3, 64.0, 52.5, 64.9, 66.0),
    "6-8/16": (59.3, 64.1, 52.5, 64.9, 66.0),
    "6-8/32": (59.3, 63.8, 52.6, 65.0, 66.0),
    "7-7/4": (58.3, 63.3, 51.8, 64.1, 65.3),
    "7-7/8": (58.7, 63.3, 51.8, 64.5, 65.4),
    "7-7/16": (58.7, 63.3, 52.1, 64.5, 65.5),
    "7-7/32": (58.8, 63.2, 52.1, 64.7, 65.6),
    "8-6/4": (56.4, 61.4, 50.5, 62.8, 63.8),
    "8-6/8": (56.8, 61.9, 50.8, 62.5, 64.1),
    "8-6/16": (56.9, 61.8, 51.0, 63.1, 64.2),
    "8-6/32": (56.9, 62.0, 50.7, 63.4, 64.5),
}


def change(preset: str) -> float | None:
    """The paper's change of mIoU against dense for a key of ``PRESETS``, as a share (-0.025 for 2.5 points);
    None if not printed.
    """
    table, shape, key = preset.split("/", 2)
    if shape != "7B-224":
        return None
    if (drop := PRESETS[preset].drop) is not None:
        return -drop / 100
    columns = {"table4": _TABLE_4, "table5": _TABLE_5}.get(table, {}).get(key)
    return None if columns is None else round((mean(columns) - mean(_DENSE_5)) / 100, 4)
