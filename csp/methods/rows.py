"""Whose attention ranks: the query rows of the methods that read the decoder (one choice of words for all of
them).

``official`` is what the authors' code reads, carried over to a sequence whose answer is already there; for FastV and FEATHER
that is the last row at prefill: </s> where the answer is given, as in LISA's own validation, the read-out row where it is cut.
``prompt`` is the end of the prompt, the last row at prefill when the model writes; ``paper`` what LVLM_CSP says of earlier
methods, "the average over all generated tokens"; ``seg`` the row that LVLM_CSP reads itself, to tell rows from schedules.
"""

from __future__ import annotations

from csp.tokens import Positions
from csp.types import Layout

QUERIES = ("official", "paper", "seg")
LAST_ROWS = ("official", "prompt", "paper", "seg")
ASKED = "rows that rank: the last (</s> of a given answer), the prompt's last (as when it is written), the answer's mean, [SEG]"
PLACES = ("official", "original")


def whole_answer(layout: Layout, who: str) -> None:
    """Refuse a sequence whose answer was cut off, by name, where rows of the answer are read."""
    if layout.answer == "cut":
        raise ValueError(f"{who} reads rows of the whole answer, but answer='cut' ended it at the read-out; use answer='full'")


def answer_rows(layout: Layout, who: str) -> tuple[int, ...]:
    """Every row of the answer. Raises ValueError where it was cut off, or is yet to be written."""
    whole_answer(layout, who)
    if not layout.N_out:
        raise ValueError(f"{who} reads rows of the answer, which is not written yet when tokens go; use seg_mode='teacher'")
    return tuple(range(layout.out.start, layout.out.stop))


def last_token(layout: Layout, query: str, who: str) -> tuple[int, ...]:
    """FastV, FEATHER: the last row of the sequence, the prompt's last, the mean over the answer, or [SEG]."""
    if query == "seg":
        return layout.I_rank
    if query == "paper":
        return answer_rows(layout, f"{who} with query={query!r}")
    return (layout.T - 1,) if query == "official" else (layout.usr.stop - 1,)


def prompt_end(layout: Layout, query: str) -> tuple[int, ...]:
    """PyramidDrop: the last token before the answer, or [SEG]."""
    return layout.I_rank if query == "seg" else (layout.usr.stop - 1,)


def numbering(positions: str) -> Positions:
    """How a stage numbers its tokens: "official" counts anew from 0, for methods whose authors do; "original" keeps places."""
    return "renumber" if positions == "official" else "keep"
