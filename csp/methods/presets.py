"""The paper's tables as data: which knobs make which row, and what the paper prints beside it.

Keys read ``table6/7B-224/70``: table, model, and pruning ratio or method. Tables 1, 4, 5 and 6 print CSP's knobs (Lc, Nc, Ls, Np); Tables 2
and 3 print N_avg alone, so their CSP rows have no knobs here. N_avg is printed truncated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    """A language model as the bill needs it: N image tokens, L layers of width d and MLP width m (Llama 2's public sizes)."""

    N: int
    L: int
    d: int
    m: int


@dataclass(frozen=True)
class Preset:
    """One row of a table. ``knobs`` None: the paper does not print them. ``n_avg`` and ``tflops`` are as printed."""

    table: int
    shape: str
    method: str
    label: str
    knobs: Mapping[str, Any] | None
    n_avg: float
    tflops: float
    note: str = ""


SHAPES = {
    "7B-224": Shape(N=256, L=32, d=4096, m=11008),
    "7B-336": Shape(N=576, L=32, d=4096, m=11008),
    "13B-224": Shape(N=256, L=40, d=5120, m=13824),
}

NOT_PRINTED = "the paper does not print this configuration"

# Ratio in percent: (Lc, Nc, Ls, Np), N_avg, TFLOPs.
_TABLE_6: dict[str, dict[int, tuple[tuple[int, int, int, int], int, float]]] = {
    "7B-224": {
        65: ((6, 96, 8, 8), 86, 1.93),
        70: ((7, 80, 7, 8), 78, 1.83),
        75: ((8, 64, 6, 4), 66, 1.68),
        80: ((10, 48, 4, 8), 51, 1.48),
        85: ((11, 32, 3, 8), 39, 1.33),
        90: ((12, 32, 2, 2), 29, 1.2),
    },
    "7B-336": {
        65: ((6, 128, 9, 32), 203, 3.44),
        70: ((6, 32, 9, 16), 176, 3.1),
        75: ((7, 64, 7, 16), 149, 2.74),
        80: ((8, 24, 6, 8), 118, 2.35),
        85: ((9, 32, 4, 8), 85, 1.92),
        90: ((11, 32, 3, 2), 66, 1.68),
    },
    "13B-224": {
        65: ((5, 64, 11, 16), 88, 3.83),
        70: ((6, 64, 10, 8), 78, 3.58),
        75: ((7, 32, 9, 8), 68, 3.32),
        80: ((9, 16, 7, 8), 53, 2.95),
        85: ((11, 16, 5, 8), 41, 2.65),
        90: ((12, 32, 2, 8), 27, 2.31),
    },
}
_TABLE_6_DENSE = {"7B-224": (256, 4.12), "7B-336": (576, 8.25), "13B-224": (256, 8.05)}

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


def _csp(Lc: int, Nc: int, Ls: int, Np: int, **more: Any) -> dict[str, Any]:
    return {"Lc": Lc, "Nc": Nc, "Ls": Ls, "Np": Np, **more}


def _rows() -> dict[str, Preset]:
    rows = {
        "table1/7B-224/full": Preset(1, "7B-224", "full", "dense", {}, 256, 4.12),
        "table1/7B-224/csp": Preset(1, "7B-224", "csp", "70 %", _csp(8, 64, 6, 16), 73, 1.76),
        "table2/7B-336/full": Preset(2, "7B-336", "full", "dense", {}, 576, 8.2),
        "table3/13B-224/full": Preset(3, "13B-224", "full", "dense", {}, 256, 8.05),
        "table3/13B-224/csp": Preset(3, "13B-224", "csp", "70 %", None, *_TABLE_3_CSP, NOT_PRINTED),
    }
    for ratio, printed in _TABLE_2_CSP.items():
        rows[f"table2/7B-336/csp/{ratio}"] = Preset(
            2, "7B-336", "csp", f"{ratio} %", None, *printed, NOT_PRINTED
        )
    for cluster, by_Nc in _TABLE_4.items():
        for Nc, printed in by_Nc.items():
            knobs = _csp(8, Nc, 6, 16, cluster=cluster)
            rows[f"table4/7B-224/{cluster}/{Nc}"] = Preset(
                4, "7B-224", "csp", f"{cluster}, Nc {Nc}", knobs, *printed
            )
    for (Lc, Ls), by_Np in _TABLE_5.items():
        for Np, printed in by_Np.items():
            label = f"Lc {Lc}, Ls {Ls}, Np {Np}"
            rows[f"table5/7B-224/{Lc}-{Ls}/{Np}"] = Preset(
                5, "7B-224", "csp", label, _csp(Lc, 64, Ls, Np), *printed
            )
    for shape, by_ratio in _TABLE_6.items():
        rows[f"table6/{shape}/0"] = Preset(6, shape, "full", "dense", {}, *_TABLE_6_DENSE[shape])
        for ratio, (config, n_avg, tflops) in by_ratio.items():
            rows[f"table6/{shape}/{ratio}"] = Preset(
                6, shape, "csp", f"{ratio} %", _csp(*config), n_avg, tflops
            )
    return rows


PRESETS: dict[str, Preset] = _rows()
