"""FastV (ECCV 2024): after K layers the last token's attention keeps R image tokens, once.

Read off pkunlp-icler/FastV at d165972. Scores are softmax probabilities of layer K - 1 over the whole
sequence, with rotary positions, mean over heads; positions are kept. Not copied: the first sample's selection
applied to the whole batch, the padding mask lost at the cut, the image block of the scripts shifted by one
token (issues 16, 51, 53). K = 0 meant random tokens there; here K is at least 1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from csp.decoder import Choice, Stage, View
from csp.methods.base import check_knobs, check_L, check_N, everything, in_counts, knob, ranked
from csp.methods.rows import ASKED, LAST_ROWS, PLACES, last_token
from csp.tokens import top


@dataclass(frozen=True)
class FastV:
    """K layers on everything, the rest on the R tokens that the query rows attend to most. Positions are
    kept either way.
    """

    K: int = knob(2, "layers that run on all image tokens", 1, "L")
    R: int = knob(64, "image tokens kept after them", 1, "N")
    query: str = knob("official", ASKED, choices=LAST_ROWS)
    positions: str = knob("official", "rotary positions; FastV keeps the original ones itself", choices=PLACES)

    name: ClassVar[str] = "fastv"
    label: ClassVar[str] = "FastV"
    paper: ClassVar[str] = "FastV, arXiv 2403.06764"
    budget: ClassVar[str] = "R"
    asks_last: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_knobs(self)

    @in_counts
    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        K = check_L("K", self.K, L, 1)
        stages = (Stage("full", K, N, everything), Stage("kept", L - K, check_N("R", self.R, N), self._keep))
        return tuple(stage for stage in stages if stage.L)

    def amounts(self, N: int) -> range:
        return range(1, N + 1)

    def spend(self, amount: int) -> FastV:
        return replace(self, R=amount)

    def _keep(self, view: View) -> Choice:
        heads = view.attention(last_token(view.layout, self.query, self.name)).mean(dim=1)
        score = heads.mean(dim=0)
        return ranked(view, view.now.image.take(top(score, self.R)), score, "attention", heads, view.layer - 1)
