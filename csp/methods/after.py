"""Settings for what came after the paper, at the budgets of its Table 1: the same form as its rows, with nothing in print.

Keys read ``after/7B-224/divprune``. ``n_avg`` is exact (IVC-Prune's own shares: expected), ``tflops`` by the convention
behind the paper's printed columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from csp.flops import paper_tflops
from csp.methods.base import Method
from csp.methods.budget import expected_n_avg
from csp.methods.cdpruner import CDPruner
from csp.methods.divprune import DivPrune
from csp.methods.ivcprune import IVCPrune
from csp.methods.litelvlm import LiteLVLM
from csp.methods.presets import SHAPES, Preset
from csp.methods.smaller import SmallerPicture

WORDS = "stand-in: word embeddings for CLIP's text tower"
OURS = "ours: the official rule, scaled down to this budget; the authors' k is 16"

# Key, method, knobs, note. 73 tokens a layer are CSP's budget in Table 1, 76 FastV's.
_ROWS: tuple[tuple[str, type[Method], Mapping[str, Any], str], ...] = (
    ("litelvlm", LiteLVLM, {"T": 73}, "official rule; one text"),
    ("litelvlm/words", LiteLVLM, {"T": 73, "space": "words"}, WORDS),
    ("litelvlm/highest", LiteLVLM, {"T": 73, "space": "words", "like": "highest"}, f"{WORDS}; the likest stay"),
    ("cdpruner", CDPruner, {"T": 73}, "official rule"),
    ("cdpruner/words", CDPruner, {"T": 73, "space": "words"}, WORDS),
    ("cdpruner/direct", CDPruner, {"T": 73, "space": "words", "relevance": "direct"}, f"{WORDS}; like the words"),
    ("cdpruner/dpp", CDPruner, {"T": 73, "relevance": "none"}, "diversity alone: a plain DPP"),
    ("divprune", DivPrune, {"T": 73}, "official rule"),
    ("divprune/xy", DivPrune, {"T": 73, "xy": 1.0}, "ours: k-centre over features and places"),
    ("divprune/25", DivPrune, {"T": 25}, "official rule at the authors' own ratio, .098"),
    ("ivcprune", IVCPrune, {"k": 4, "T": 47}, OURS),
    ("ivcprune/2", IVCPrune, {"k": 2, "T": 61}, OURS),
    ("ivcprune/8", IVCPrune, {"k": 8, "T": 12}, OURS),
    ("ivcprune/official", IVCPrune, {"k": 16}, "the authors' setting: more than twice the budget"),
    ("smaller", SmallerPicture, {"T": 73}, "control: 8 x 9 tokens are made, none is dropped"),
)


def _rows(shape: str) -> dict[str, Preset]:
    size = SHAPES[shape]
    rows = {}
    for key, method, knobs, note in _ROWS:
        mean = expected_n_avg(method(**knobs), size.N, size.L)
        tflops = round(paper_tflops(mean, size.L, size.d), 2)
        rows[f"after/{shape}/{key}"] = Preset(0, shape, method.name, key, knobs, mean, tflops, note)
    return rows


AFTER: dict[str, Preset] = _rows("7B-224")
