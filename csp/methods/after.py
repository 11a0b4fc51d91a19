"""Settings for what came after the paper, at the budgets of its Table 1: the same form as its rows, with nothing in print.

Keys read ``after/7B-224/divprune``. ``n_avg`` is exact (IVC-Prune's own shares: expected), ``tflops`` by the convention
behind the paper's printed columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from csp.flops import paper_tflops
from csp.methods.presets import SHAPES, Preset

WORDS = "stand-in: word embeddings for CLIP's text tower"
OURS = "ours: the official rule, scaled down to this budget; the authors' k is 16"

# Key, method, knobs, N_avg, note. 73 tokens a layer are CSP's budget in Table 1.
_ROWS: tuple[tuple[str, str, Mapping[str, Any], float, str], ...] = (
    ("litelvlm", "litelvlm", {"T": 73}, 73, "official rule; one text"),
    ("litelvlm/words", "litelvlm", {"T": 73, "space": "words"}, 73, WORDS),
    ("litelvlm/highest", "litelvlm", {"T": 73, "space": "words", "like": "highest"}, 73, f"{WORDS}; the likest stay"),
    ("cdpruner", "cdpruner", {"T": 73}, 73, "official rule"),
    ("cdpruner/words", "cdpruner", {"T": 73, "space": "words"}, 73, WORDS),
    ("cdpruner/direct", "cdpruner", {"T": 73, "space": "words", "relevance": "direct"}, 73, f"{WORDS}; like the words"),
    ("cdpruner/dpp", "cdpruner", {"T": 73, "relevance": "none"}, 73, "diversity alone: a plain DPP"),
    ("divprune", "divprune", {"T": 73}, 73, "official rule"),
    ("divprune/xy", "divprune", {"T": 73, "xy": 1.0}, 73, "ours: k-centre over features and places"),
    ("divprune/25", "divprune", {"T": 25}, 25, "official rule at the authors' own ratio, .098"),
    ("ivcprune", "ivcprune", {"k": 4, "T": 47}, 73.125, OURS),
    ("ivcprune/2", "ivcprune", {"k": 2, "T": 61}, 73.1875, OURS),
    ("ivcprune/8", "ivcprune", {"k": 8, "T": 12}, 73, OURS),
    ("ivcprune/official", "ivcprune", {"k": 16}, 164, "the authors' setting: more than twice the budget"),
    ("smaller", "smaller", {"T": 73}, 72, "control: 8 x 9 tokens are made, none is dropped"),
)
_SHAPE = "7B-224"

AFTER: dict[str, Preset] = {
    f"after/{_SHAPE}/{key}": Preset(
        0, _SHAPE, method, key, knobs, n_avg, round(paper_tflops(n_avg, SHAPES[_SHAPE].L, SHAPES[_SHAPE].d), 2), note
    )
    for key, method, knobs, n_avg, note in _ROWS
}
