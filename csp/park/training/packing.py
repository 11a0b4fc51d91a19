"""Scenes and their queries as one batch: many queries share one picture, for image tokens stand first and attention is causal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from csp.park import words
from csp.park.draw import COLOURS, KINDS
from csp.park.ground import MARKS
from csp.park.language import Park, Query
from csp.park.meaning import Meaning, candidates, landmark, sighted
from csp.park.training.facts import LEAST_COVER, Facts
from csp.park.training.vision import COLOUR_IDS, KIND_IDS, MARK_IDS, NO_KIND

N_SYS = len(words.SYSTEM)
N = 256
CONCEPTS = len(KINDS) + len(COLOURS) + len(MARKS)
MOST = 10  # things in a picture
GROUPS = 5


@dataclass(frozen=True)
class Batch:
    """Packed queries. B scenes, M queries each, Q tokens a scene in G groups of q, N patches, K things at most.

    A query lies in one group, so that rows of other groups need not be masked: they are not there.
    """

    ids: Tensor  # [B, Q]
    positions: Tensor  # [B, Q]
    mask: Tensor  # bool [B, G, q, q]: same query, not later
    rows: Tensor  # [B, M]: the read-out row ":" of every query, an index into Q
    real: Tensor  # bool [B, M]
    cover: Tensor  # [B, M, N]: share of each patch covered by the target
    mark: Tensor  # [B, M, N]: covered by the landmark or ground that the words go by; zeros without one
    fits: Tensor  # [B, M, N]: covered by all that the name and its attributes fit, whichever is meant
    absent: Tensor  # bool [B, M]
    code: Tensor  # [B, M, width]: mean place code of the targets, each with the same weight
    box: Tensor  # [B, M, 4]
    things: Tensor  # [B, K, width]: place code of every thing
    chosen: Tensor  # bool [B, M, K]: the targets; all False where nothing is there
    kinds: Tensor  # [B, M, kinds]: asked for
    colour: Tensor  # [B, M]: asked for, len(COLOURS) = none
    concept: Tensor  # [B, Q]: what a word names, -1 otherwise
    shows: Tensor  # bool [B, CONCEPTS, N]: patches showing it
    patch_kind: Tensor  # [B, N]
    patch_colour: Tensor  # [B, N], -100 on the background
    patch_mark: Tensor  # [B, N], len(MARKS): none; -100 on things


def grouped(lengths: list[int]) -> list[tuple[int, int]]:
    """For texts of these lengths the group of each and where it ends there; long ones are placed first, into the emptiest."""
    full, found = [0] * GROUPS, [(0, 0)] * len(lengths)
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        group = full.index(min(full))
        full[group] += lengths[i]
        found[i] = (group, full[group])
    return found


class Packer:
    """Scenes and their queries -> Batch."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.endings = [self._id(t) for t in (".", "?", "!")]
        self.after = [self._id(t) for t in words.AFTER]
        self.system = [self._id(t) for t in words.SYSTEM]
        first = {"kind": 0, "colour": len(KINDS), "mark": len(KINDS) + len(COLOURS)}
        numbers = {"kind": KIND_IDS, "colour": COLOUR_IDS, "mark": MARK_IDS}
        self.concept = {self._id(w): first[what] + numbers[what][n] for w, (what, n) in words.concepts().items()}

    def __call__(
        self, known: list[Facts], parks: list[Park], queries: list[list[Query]], g: np.random.Generator | None = None
    ) -> Batch:
        """With `g`, some texts end in a mark, as visitors' texts will."""
        B, M = len(known), max(len(q) for q in queries)
        tokens = [[self._tokens(q.text, g) + self.after for q in qs] for qs in queries]
        groups = [grouped([len(t) for t in ts]) for ts in tokens]
        q_most = max(end for placed in groups for _, end in placed)
        Q = GROUPS * q_most
        width = known[0].codes.shape[1]
        zeros = lambda *shape: np.zeros(shape, np.float32)  # noqa: E731
        out: dict[str, np.ndarray] = dict(
            ids=np.zeros((B, Q), np.int64), positions=np.zeros((B, Q), np.int64),
            mask=np.zeros((B, GROUPS, q_most, q_most), bool),
            rows=np.zeros((B, M), np.int64), real=np.zeros((B, M), bool), cover=zeros(B, M, N), mark=zeros(B, M, N),
            fits=zeros(B, M, N),
            absent=np.zeros((B, M), bool), code=zeros(B, M, width), box=zeros(B, M, 4), things=zeros(B, MOST, width),
            chosen=np.zeros((B, M, MOST), bool), kinds=zeros(B, M, len(KINDS)), colour=np.full((B, M), len(COLOURS), np.int64),
            concept=np.full((B, Q), -1, np.int64), shows=np.zeros((B, CONCEPTS, N), bool), patch_kind=np.full((B, N), NO_KIND,
            np.int64),
            patch_colour=np.full((B, N), -100, np.int64), patch_mark=np.full((B, N), len(MARKS), np.int64),
        )  # fmt: skip
        out["mask"][:, :, np.arange(q_most), np.arange(q_most)] = True
        for b, (fact, park, qs) in enumerate(zip(known, parks, queries, strict=True)):
            row = {name: value[b] for name, value in out.items()}
            self._scene(row, fact, park)
            for m, (q, toks, (group, end)) in enumerate(zip(qs, tokens[b], groups[b], strict=True)):
                n = len(toks)
                inside = slice(end - n, end)
                span = slice(group * q_most + end - n, group * q_most + end)
                row["ids"][span] = toks
                row["positions"][span] = N_SYS + N + np.arange(n)
                row["mask"][group, inside, inside] = np.tril(np.ones((n, n), bool))
                row["concept"][span] = [self.concept.get(t, -1) for t in toks]
                row["rows"][m], row["real"][m], row["absent"][m] = span.stop - 1, True, not q.targets
                self._query(row, m, q, fact, park)
        return Batch(**{k: torch.from_numpy(v) for k, v in out.items()})

    @staticmethod
    def _scene(row: dict[str, np.ndarray], fact: Facts, park: Park) -> None:
        cover = fact.cover
        owner = np.where(cover.max(0) >= LEAST_COVER, cover.argmax(0), -1)
        row["things"][: len(cover)] = fact.codes
        row["patch_mark"][owner >= 0] = -100
        for k, t in enumerate(park.objects):
            row["shows"][KIND_IDS[t.kind]] |= cover[k] > LEAST_COVER
            row["shows"][len(KINDS) + COLOUR_IDS[t.colour]] |= cover[k] > LEAST_COVER
            row["patch_kind"][owner == k] = KIND_IDS[t.kind]
            row["patch_colour"][owner == k] = COLOUR_IDS[t.colour]
        for k, mark in enumerate(park.marks):
            there = fact.mark_cover[k] > LEAST_COVER
            row["shows"][len(KINDS) + len(COLOURS) + MARK_IDS[mark.kind]] |= there
            row["patch_mark"][there & (owner < 0)] = MARK_IDS[mark.kind]

    @staticmethod
    def _query(row: dict[str, np.ndarray], m: int, q: Query, fact: Facts, park: Park) -> None:
        asked = q.meaning
        if asked is not None:
            for kind in asked.kinds:
                row["kinds"][m, KIND_IDS[kind]] = 1
            if asked.colour:
                row["colour"][m] = COLOUR_IDS[asked.colour]
        if not q.targets or asked is None:
            return
        at = list(q.targets)
        row["cover"][m] = fact.cover[at].sum(0)
        row["code"][m] = fact.codes[at].mean(0)
        row["chosen"][m, at] = True
        boxes = np.array([park.objects[i].box for i in at])
        x0, y0, x1, y1 = boxes[:, 0].min(), boxes[:, 1].min(), boxes[:, 2].max(), boxes[:, 3].max()
        row["box"][m] = ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)
        row["fits"][m] = fact.cover[candidates(Meaning(asked.kinds, asked.colour, asked.tone), park) or at].sum(0)
        if asked.relation is not None:
            found = landmark(asked.relation[1], park)
            if found is not None:
                row["mark"][m] = fact.cover[found[1]] if found[1] is not None else fact.mark_cover[park.marks.index(found[0])]
        elif asked.region is not None and (ground := sighted(park, asked.region)) is not None:
            row["mark"][m] = fact.mark_cover[park.marks.index(ground)]

    def _id(self, token: str) -> int:
        found = self.tokenizer.token_to_id(token)
        if found is None:
            raise ValueError(f"the tokenizer has no token {token!r}")
        return found

    def _tokens(self, text: str, g: np.random.Generator | None) -> list[int]:
        ids = list(self.tokenizer.encode(text).ids)
        if g is None or ids[-1] in self.endings:
            return ids
        return [*ids, self.endings[int(g.integers(3))]] if g.random() < 0.15 else ids
