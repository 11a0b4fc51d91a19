"""The paper's tables as data: which knobs make which row, and what the paper prints beside it.

Keys read ``table6/7B-224/70``: table, model, and pruning ratio or method. Tables 1, 4, 5 and 6 print CSP's
knobs (Lc, Nc, Ls, Np); Tables 2 and 3 print N_avg alone, so their CSP rows have no knobs here. Rivals' knobs
are not printed either: those here are inferred from the printed N_avg, and their notes say how surely. N_avg
is printed truncated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    """A language model as the bill needs it: N image tokens, L layers of width d and MLP width m (Llama
    2's public sizes).
    """

    N: int
    L: int
    d: int
    m: int


@dataclass(frozen=True)
class Preset:
    """One row of a table. ``knobs`` None: the paper does not print them. ``n_avg`` and ``tflops`` are as
    printed, and so are, in Tables 1 and 6, ``drop``, points of mIoU lost against dense without training, and in
    Table 6 ``ms``, a pass through the language model on one RTX A6000.
    """

    table: int
    shape: str
    method: str
    label: str
    knobs: Mapping[str, Any] | None
    n_avg: float
    tflops: float
    note: str = ""
    drop: float | None = None
    ms: float | None = None


SHAPES = {
    "7B-224": Shape(N=256, L=32, d=4096, m=11008),
    "7B-336": Shape(N=576, L=32, d=4096, m=11008),
    "13B-224": Shape(N=256, L=40, d=5120, m=13824),
}

NOT_PRINTED = "the paper does not print this configuration"

# Ratio in percent: (Lc, Nc, Ls, Np), N_avg, TFLOPs, ms, drop.
_TABLE_6: dict[str, dict[int, tuple[tuple[int, int, int, int], int, float, float, float]]] = {
    "7B-224": {
        65: ((6, 96, 8, 8), 86, 1.93, 31.28, 0.3),
        70: ((7, 80, 7, 8), 78, 1.83, 30.02, 1.1),
        75: ((8, 64, 6, 4), 66, 1.68, 28.88, 2.8),
        80: ((10, 48, 4, 8), 51, 1.48, 27.5, 5),
        85: ((11, 32, 3, 8), 39, 1.33, 25.45, 7.4),
        90: ((12, 32, 2, 2), 29, 1.2, 22.8, 8.1),
    },
    "7B-336": {
        65: ((6, 128, 9, 32), 203, 3.44, 58.3, 0.3),
        70: ((6, 32, 9, 16), 176, 3.1, 55.33, 1),
        75: ((7, 64, 7, 16), 149, 2.74, 50.46, 1.4),
        80: ((8, 24, 6, 8), 118, 2.35, 45.3, 4.4),
        85: ((9, 32, 4, 8), 85, 1.92, 39.16, 7.5),
        90: ((11, 32, 3, 2), 66, 1.68, 35.16, 8.5),
    },
    "13B-224": {
        65: ((5, 64, 11, 16), 88, 3.83, 54.5, 1.9),
        70: ((6, 64, 10, 8), 78, 3.58, 52.63, 2.5),
        75: ((7, 32, 9, 8), 68, 3.32, 49.8, 3.6),
        80: ((9, 16, 7, 8), 53, 2.95, 45.2, 6.6),
        85: ((11, 16, 5, 8), 41, 2.65, 42, 9.7),
        90: ((12, 32, 2, 8), 27, 2.31, 40.08, 11.1),
    },
}
_TABLE_6_DENSE = {"7B-224": (256, 4.12, 60.39), "7B-336": (576, 8.25, 123.5), "13B-224": (256, 8.05, 104)}

# Selector: {Nc: (N_avg, TFLOPs)}, all with Lc = 8, Ls = 6, Np = 16.
_TABLE_4 = {
    "random": {16: (61, 1.61), 32: (65, 1.66), 64: (73, 1.76)},
    "uniform": {16: (61, 1.61), 32: (65, 1.66), 64: (73, 1.76)},
    "cls": {16: (60, 1.59), 32: (65, 1.66), 64: (74, 1.77)},
    "seg-first": {16: (60, 1.59), 32: (65, 1.66), 64: (72, 1.75)},
}

# (Lc, Ls): {Np: (N_avg, TFLOPs)}, all with Nc = 64.
_TABLE_5 = {
    (6, 8): {4: (78, 1.82), 8: (80, 1.85), 16: (85, 1.92), 32: (94, 2.03)},
    (7, 7): {4: (72, 1.75), 8: (74, 1.78), 16: (79, 1.84), 32: (88, 1.96)},
    (8, 6): {4: (66, 1.68), 8: (68, 1.7), 16: (73, 1.77), 32: (82, 1.88)},
}

# Table 2 on 7B-336 at 70, 80 and 90 percent, Table 3 on 13B-224 at 70: N_avg, TFLOPs.
_TABLE_2_CSP = {70: (170, 3.01), 80: (115, 2.3), 90: (66, 1.67)}
_TABLE_3_CSP = (74.8, 3.37)

# Points of mIoU, mean over the twelve columns of Table 1.
_TABLE_1_DROPS = {
    "full": 0.0, "csp": 2.5, "prumerge": 9.8, "prumerge+": 7.3, "visionzip": 7.8, "fastv": 10.1, "simignore": 10.2,
    "sparsevlm": 9.6, "pyramiddrop": 8.9, "feather": 8.7,
}

TABLE_1 = tuple(_TABLE_1_DROPS)
"""The methods that the paper compares, by name. The registry may hold more: what it holds can be run, these are in print."""
TABLE_4 = tuple(_TABLE_4)
"""The selectors that the paper compares."""

FIXED_N = "count certain; whether a ratio or an outlier rule gave it is not known"
SPLIT = "total certain; split by the authors' ratio of 27 to 5"
LIKE_FASTV = "the budget of FastV, hence its schedule; medium certainty"
NATURAL = "not identifiable; a natural schedule with this N_avg"

# Table, model, key, method, knobs, printed N_avg and TFLOPs, how sure the knobs are.
_RIVALS: tuple[tuple[int, str, str, str, dict[str, Any], float, float, str], ...] = (
    (1, "7B-224", "prumerge", "prumerge", {"n": 74}, 75, 1.79, FIXED_N),
    (
        1,
        "7B-224",
        "prumerge+",
        "prumerge+",
        {"total": 95},
        95,
        2.04,
        "count certain; the adaptive rule is plausible",
    ),
    (1, "7B-224", "visionzip", "visionzip", {"dominant": 68, "contextual": 12}, 80, 1.85, SPLIT),
    (1, "7B-224", "fastv", "fastv", {"K": 2, "R": 64}, 76, 1.8, "the paper's Figure 3 names K = 2, R = 64"),
    (1, "7B-224", "simignore", "simignore", {"K": 2, "R": 64}, 76, 1.8, LIKE_FASTV),
    (
        1,
        "7B-224",
        "simignore/entry",
        "simignore",
        {"K": 0, "R": 76},
        76,
        1.8,
        "alternative: 0.3 N before the decoder",
    ),
    (
        1,
        "7B-224",
        "sparsevlm",
        "sparsevlm",
        {"layers": (1,), "keep": (64,), "recycle": "no"},
        76,
        1.8,
        LIKE_FASTV,
    ),
    (
        1,
        "7B-224",
        "sparsevlm/official",
        "sparsevlm",
        {"layers": (2, 6, 15), "keep": (100, 67, 37)},
        76,
        1.8,
        "the authors' shape (300, 200, 110 of 576), rescaled",
    ),
    (1, "7B-224", "pyramiddrop", "pyramiddrop", {"layers": (5, 10, 15, 20), "lam": 0.5}, 81, 1.87, NATURAL),
    (1, "7B-224", "pyramiddrop/2", "pyramiddrop", {"layers": (3, 10, 17), "lam": 0.5}, 81, 1.87, NATURAL),
    (
        1,
        "7B-224",
        "feather",
        "feather",
        {"k": (8, 16), "r": 0.8, "stride": 3},
        85,
        1.92,
        "high: r alone differs from the authors' default; N_avg is the expected one",
    ),
    (2, "7B-336", "prumerge/70", "prumerge", {"n": 171}, 172, 3.04, FIXED_N),
    (2, "7B-336", "visionzip/70", "visionzip", {"dominant": 149, "contextual": 27}, 176, 3.01, SPLIT),
    (2, "7B-336", "fastv/70", "fastv", {"K": 2, "R": 150}, 176, 3.1, "K = 2 fits all five rows"),
    (2, "7B-336", "pyramiddrop/70", "pyramiddrop", {"layers": (4, 8, 16), "lam": 0.5}, 180, 3.14, NATURAL),
    (2, "7B-336", "prumerge/80", "prumerge", {"n": 114}, 115, 2.3, FIXED_N),
    (2, "7B-336", "visionzip/80", "visionzip", {"dominant": 98, "contextual": 17}, 115, 2.3, SPLIT),
    (2, "7B-336", "fastv/80", "fastv", {"K": 2, "R": 80}, 111, 2.25, "K = 2 fits all five rows"),
    (2, "7B-336", "pyramiddrop/80", "pyramiddrop", {"layers": (4, 8, 16), "lam": 0.3}, 114, 2.29, NATURAL),
    (2, "7B-336", "prumerge/90", "prumerge", {"n": 57}, 58, 1.57, FIXED_N),
    (2, "7B-336", "visionzip/90", "visionzip", {"dominant": 51, "contextual": 9}, 60, 1.59, SPLIT),
    (2, "7B-336", "fastv/90", "fastv", {"K": 2, "R": 30}, 64, 1.64, "K = 2 fits all five rows"),
    (2, "7B-336", "pyramiddrop/90", "pyramiddrop", {"layers": (2, 6, 10, 14), "lam": 0.3}, 68, 1.7, NATURAL),
    (2, "7B-336", "pyramiddrop/90/2", "pyramiddrop", {"layers": (2, 9, 16), "lam": 0.2}, 68, 1.7, NATURAL),
    (3, "13B-224", "prumerge", "prumerge", {"n": 74}, 75, 3.49, FIXED_N),
    (3, "13B-224", "visionzip", "visionzip", {"dominant": 68, "contextual": 12}, 80, 3.62, SPLIT),
    (3, "13B-224", "fastv", "fastv", {"K": 2, "R": 64}, 73, 3.45, "K = 2 fits all five rows"),
)


def _csp(Lc: int, Nc: int, Ls: int, Np: int, **more: Any) -> dict[str, Any]:
    return {"Lc": Lc, "Nc": Nc, "Ls": Ls, "Np": Np, **more}


def _rows() -> dict[str, Preset]:
    rows = {
        "table1/7B-224/full": Preset(1, "7B-224", "full", "dense", {}, 256, 4.12, drop=0.0),
        "table1/7B-224/csp": Preset(1, "7B-224", "csp", "70 %", _csp(8, 64, 6, 16), 73, 1.76, drop=_TABLE_1_DROPS["csp"]),
        "table2/7B-336/full": Preset(2, "7B-336", "full", "dense", {}, 576, 8.2),
        "table3/13B-224/full": Preset(3, "13B-224", "full", "dense", {}, 256, 8.05),
        "table3/13B-224/csp": Preset(3, "13B-224", "csp", "70 %", None, *_TABLE_3_CSP, NOT_PRINTED),
    }
    for ratio, printed in _TABLE_2_CSP.items():
        rows[f"table2/7B-336/csp/{ratio}"] = Preset(2, "7B-336", "csp", f"{ratio} %", None, *printed, NOT_PRINTED)
    for cluster, by_Nc in _TABLE_4.items():
        for Nc, printed in by_Nc.items():
            knobs = _csp(8, Nc, 6, 16, cluster=cluster)
            rows[f"table4/7B-224/{cluster}/{Nc}"] = Preset(4, "7B-224", "csp", f"{cluster}, Nc {Nc}", knobs, *printed)
    for (Lc, Ls), by_Np in _TABLE_5.items():
        for Np, printed in by_Np.items():
            label = f"Lc {Lc}, Ls {Ls}, Np {Np}"
            rows[f"table5/7B-224/{Lc}-{Ls}/{Np}"] = Preset(5, "7B-224", "csp", label, _csp(Lc, 64, Ls, Np), *printed)
    for shape, by_ratio in _TABLE_6.items():
        n_avg, tflops, ms = _TABLE_6_DENSE[shape]
        rows[f"table6/{shape}/0"] = Preset(6, shape, "full", "dense", {}, n_avg, tflops, drop=0.0, ms=ms)
        for ratio, (config, n_avg, tflops, ms, drop) in by_ratio.items():
            row = Preset(6, shape, "csp", f"{ratio} %", _csp(*config), n_avg, tflops, drop=drop, ms=ms)
            rows[f"table6/{shape}/{ratio}"] = row
    for table, shape, key, method, knobs, mean, tflops, note in _RIVALS:
        lost = _TABLE_1_DROPS[method] if table == 1 else None
        rows[f"table{table}/{shape}/{key}"] = Preset(table, shape, method, key, knobs, mean, tflops, note, lost)
    return rows


PRESETS: dict[str, Preset] = _rows()
