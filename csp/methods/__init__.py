"""The registry: a new method is one file here and one word in ``METHODS``."""

from __future__ import annotations

from csp.methods.base import Knob, Method, build, knobs, values
from csp.methods.budget import at_budget, expected_n_avg, solve
from csp.methods.controls import Control
from csp.methods.csp import CSP
from csp.methods.fastv import FastV
from csp.methods.feather import Feather
from csp.methods.full import Full
from csp.methods.presets import PRESETS, Preset
from csp.methods.prumerge import PruMerge, PruMergePlus
from csp.methods.pyramiddrop import PyramidDrop
from csp.methods.simignore import Simignore
from csp.methods.sparsevlm import SparseVLM
from csp.methods.visionzip import VisionZip

METHODS: dict[str, type[Method]] = {
    method.name: method
    for method in (
        Full,
        CSP,
        PruMerge,
        PruMergePlus,
        VisionZip,
        FastV,
        Simignore,
        SparseVLM,
        PyramidDrop,
        Feather,
    )
}
# Not in the paper's comparison: what any of its methods must beat at the same schedule.
CONTROLS: dict[str, type[Method]] = {Control.name: Control}

__all__ = [
    "CONTROLS",
    "CSP",
    "METHODS",
    "PRESETS",
    "Control",
    "FastV",
    "Feather",
    "Full",
    "Knob",
    "Method",
    "Preset",
    "PruMerge",
    "PruMergePlus",
    "PyramidDrop",
    "Simignore",
    "SparseVLM",
    "VisionZip",
    "at_budget",
    "build",
    "expected_n_avg",
    "knobs",
    "solve",
    "values",
]
