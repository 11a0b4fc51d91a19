"""The answer behind a mask: given to the model (teacher-forced), or written by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from csp.decoder import Decoded, Record, Stage, Stopwatch, attended, decode_all
from csp.generation import Memory, Written, write
from csp.models.parts import Parts
from csp.tokens import TokenSequence, VisionFeatures
from csp.trace import Trace
from csp.types import Force

MAX_NEW_TOKENS = 128
MOST_NEW_TOKENS = 1024


class Writer:
    """A model that can write. Raises ValueError for one without lm_head."""

    def __init__(self, model: Parts) -> None:
        if model.lm_head is None:
            raise ValueError(
                f"{model.name} has no lm_head, so that it cannot write an answer: use seg_mode='teacher', or load a "
                "checkpoint that holds lm_head.weight"
            )
        self.model = model

    def __call__(
        self,
        start: TokenSequence,
        plan: Sequence[Stage],
        vision: VisionFeatures | None = None,
        *,
        seed: int = 0,
        force: Force | None = None,
        record: Record = True,
        most: int = MAX_NEW_TOKENS,
    ) -> tuple[Decoded, tuple[int, ...]]:
        """Run a prompt by ``plan``, write at most ``most`` tokens after it, and read a state for each [SEG] among them:
        what the loop gives, and the tokens.

        ``start`` ends with the prompt. While tokens are chosen no [SEG] is there yet: the prompt's last row ranks
        (``layout.I_rank``), the one that predicts the answer's first token. It equals the row of a teacher-forced
        answer that begins with [SEG], read before it. The trace holds this row's attention, where [SEG] is "fed" that of
        [SEG] itself, the mean where there are several; its layout counts the written tokens that were run, and has a
        read-out slot for each [SEG].
        """
        model = self.model
        memory = Memory(model.layers)
        (decoded,) = decode_all(memory, [start], plan, [vision], seed=seed, force=force, record=record)
        watch = Stopwatch(start.hidden.device)
        seg, ended = model.prompter.seg_id, model.prompter.ended
        shift = 0 if model.seg_row == "before" else 1
        written = write(
            memory,
            decoded.sequence.hidden[:, -1],
            model.layers.embed,
            model.lm_head,
            most,
            stop=ended,
            run_last={seg} if model.seg_row == "token" else (),
            watch={seg} if model.seg_row == "fed" and record else (),
        )
        said = [i for i, token in enumerate(written.ids) if token == seg]
        at = [i for i in said if i + shift <= written.n_run]
        watch.lap("writing")
        before = start.layout.T - 1 + shift
        layout = replace(start.layout, N_out=written.n_run, I_seg=tuple(before + i for i in at))
        notes = decoded.notes
        if not ended(written.ids):
            notes += (f"the answer was cut off after {len(written.ids)} tokens: allow more by max_new_tokens",)
        if len(at) < len(said):
            notes += ("the last [SEG] ended the answer before its own state could be read: there is no mask for it",)
        if not said:
            notes += (f"the answer has no [SEG], so there is no mask: “{model.prompter.decode(written.ids)}”",)
        wrote = replace(
            decoded,
            seg_state=written.states[[i + shift for i in at]],
            trace=_shown(replace(decoded.trace, layout=layout), memory, written),
            notes=notes,
            ms=decoded.ms | watch.ms,
        )
        return wrote, written.ids


def _shown(trace: Trace, memory: Memory, written: Written) -> Trace:
    """The trace with what watched tokens attended to, on average, where there were any."""
    if not written.rows:
        return trace
    # A stage that is not run is nowhere in the memory.
    stages = zip(trace.stages[: len(memory.ran)], memory.ran, zip(*written.rows, strict=True), strict=True)
    seen = [attended(now, torch.stack(rows).mean(dim=0), stage.L) for stage, now, rows in stages]
    ran = sum(stage.L for stage in trace.stages[: len(memory.ran)])
    seen.append((trace.A_SEG[ran:], trace.A_text[ran:]))
    A_SEG, A_text = (np.concatenate(part) for part in zip(*seen, strict=True))
    return replace(trace, A_SEG=A_SEG, A_text=A_text)
