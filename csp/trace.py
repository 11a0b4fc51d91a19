"""What one pass through a decoder was: where everything stood, what every stage ran on, what it cost.

Numpy arrays in frozen dataclasses, no torch. Names are those of LVLM_CSP with the subscripts flattened (``Lc``, ``N_sys``,
``A_SEG``). A *slot* is a place in E_llm = E_sys | E_img | E_usr | E_out before anything was reduced; a *patch* is an image
token of that sequence, counted row by row from 0; a *row* is a place in the sequence as a layer sees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

Force = Mapping[str, Mapping[str, Sequence[int]]]
"""Stage name -> {"keep": patches, "drop": patches}, applied after that stage's own selection."""


class Box(NamedTuple):
    """A rectangle in picture pixels, edges not centres: x0 <= x < x1, y0 <= y < y1."""

    x0: float
    y0: float
    x1: float
    y1: float


class Tile(NamedTuple):
    """A part of the picture that the vision tower looked at by itself: ``crop``, in picture pixels, under ``grid`` (rows,
    cols) of image tokens. A ``thumbnail`` shows once more, smaller, what other tiles show.
    """

    crop: Box
    grid: tuple[int, int]
    thumbnail: bool = False

    @property
    def N(self) -> int:
        """Image tokens of this tile."""
        return self.grid[0] * self.grid[1]


@dataclass(frozen=True)
class Layout:
    """Where everything stands in E_llm = E_sys | E_img | E_usr | E_out (Eq. 1 and 10), nothing reduced.

    ``crop`` is the part of the picture that the vision tower saw, under ``grid`` (rows, cols) of image tokens. A tower that
    looks at a picture tile by tile says so in ``tiles``, in the order of their tokens: ``grid`` then stands their grids one
    below the other, and places are those of the tiles (``views``, ``patch_box``). ``I_seg`` are the slots whose states feed
    the masks, one per mask; ``I_rank`` the slots whose attention rows Eq. 8 averages (``I_seg`` unless told
    otherwise). ``answer`` "cut" says that the sequence ends at the read-out row, so that N_out counts less
    than the teacher-forced answer; "generated" that the model wrote it, N_out counting the tokens that were run.
    ``seg_row`` says which rows ``I_seg`` are: "before", those that predict [SEG] (as LISA was trained), "token", [SEG]'s
    own, or "fed", its own after it was written and fed in.
    """

    N_sys: int
    N: int
    N_usr: int
    N_out: int
    grid: tuple[int, int]
    crop: Box
    I_seg: tuple[int, ...]
    I_rank: tuple[int, ...] = ()
    answer: Literal["full", "cut", "generated"] = "full"
    tiles: tuple[Tile, ...] = ()
    seg_row: Literal["before", "token", "fed"] = "before"

    def __post_init__(self) -> None:
        rows, cols = self.grid
        if rows * cols != self.N:
            raise ValueError(f"grid must hold N tokens, got {rows} x {cols} for N = {self.N}")
        tiles = tuple(Tile(Box(*crop), (grid[0], grid[1]), bool(small)) for crop, grid, small in self.tiles)
        object.__setattr__(self, "tiles", tiles)
        if tiles and sum(tile.N for tile in tiles) != self.N:
            raise ValueError(f"tiles must hold N tokens together, got {[tile.grid for tile in tiles]} for N = {self.N}")
        if not self.I_rank:
            object.__setattr__(self, "I_rank", self.I_seg)
        object.__setattr__(self, "crop", Box(*self.crop))
        for slot in (*self.I_seg, *self.I_rank):
            if not self.N_sys + self.N <= slot < self.T:
                raise ValueError(f"a read-out slot must follow the image, in {self.N_sys + self.N}..{self.T - 1}, got {slot}")

    @property
    def T(self) -> int:
        """Length of E_llm before any reduction."""
        return self.N_sys + self.N + self.N_usr + self.N_out

    @property
    def N_text(self) -> int:
        """Tokens that no method may drop: T - N."""
        return self.T - self.N

    @property
    def image(self) -> slice:
        """Slots of the image tokens."""
        return slice(self.N_sys, self.N_sys + self.N)

    @property
    def usr(self) -> slice:
        """Slots of the user's words."""
        return slice(self.N_sys + self.N, self.N_sys + self.N + self.N_usr)

    @property
    def out(self) -> slice:
        """Slots of the answer, as far as it was run."""
        return slice(self.T - self.N_out, self.T)

    @property
    def views(self) -> tuple[Tile, ...]:
        """What the tower looked at, in the order of the image tokens: the tiles, or all of its crop at once."""
        return self.tiles or (Tile(self.crop, self.grid),)

    def place(self, patch: int) -> tuple[int, int, int]:
        """Which view a patch belongs to, and its row and column there."""
        for at, view in enumerate(self.views):
            if patch < view.N:
                return at, *divmod(patch, view.grid[1])
            patch -= view.N
        raise ValueError(f"a patch must be in 0..{self.N - 1}, got {patch + self.N}")

    def patch_box(self, patch: int) -> Box:
        """The part of the picture under one patch, in picture pixels."""
        at, row, col = self.place(patch)
        crop, (rows, cols), _ = self.views[at]
        x, y = (crop.x1 - crop.x0) / cols, (crop.y1 - crop.y0) / rows
        left, top = crop.x0 + col * x, crop.y0 + row * y
        return Box(left, top, left + x, top + y)


@dataclass(frozen=True, eq=False)
class StageRecord:
    """What one stage ran on. Stages of zero layers leave no record: look stages up by name.

    ``source`` is float32 [n, N]: which patches each image token stands for. A row is one-hot unless the token
    was merged; rows are non-negative and sum to 1, or are all zero (a kept [CLS]). ``slots`` int64 [n] is
    each token's place in E_llm (merged: that of its centre), ``position_ids`` int64 [n] its rotary position.
    ``score`` float32 [N] holds what was ranked on entry, NaN where a patch was not ranked; ``instances`` how
    many objects Seg-First found.
    """

    name: str
    first_layer: int
    L: int
    source: NDArray[np.float32]
    slots: NDArray[np.int64]
    position_ids: NDArray[np.int64]
    score: NDArray[np.float32] | None = None
    score_name: str = ""
    instances: int | None = None

    def __post_init__(self) -> None:
        freeze(self, source=np.float32, slots=np.int64, position_ids=np.int64, score=np.float32)

    def __repr__(self) -> str:
        return f"StageRecord({self.name!r}, first_layer={self.first_layer}, L={self.L}, {self.n} image tokens)"

    @property
    def n(self) -> int:
        """Image tokens that took part."""
        return len(self.source)

    @property
    def patches(self) -> NDArray[np.int64]:
        """Patches that a token of this stage stands for, ascending, merged ones included."""
        return np.flatnonzero(self.source.sum(axis=0) > 0)

    @property
    def layers(self) -> range:
        """0-based decoder layers that this stage ran."""
        return range(self.first_layer, self.first_layer + self.L)


@dataclass(frozen=True, eq=False)
class Trace:
    """Everything that happened in one pass through the decoder.

    ``A_SEG`` float32 [L, N] is Eq. 8 at every layer, carried to patches through ``source``, NaN where no
    token stands for the patch; ``A_text`` float32 [L, N_usr] are the same rows over the user's words.
    ``heads`` holds float16 [H, N] rows per head for the layer that ranked (``rank_layer``), and for every layer where that was
    asked for (``record="heads"``). ``n_per_layer``
    counts what ran and ``n_avg`` is its exact mean (Eq. 9). ``forced`` lists what ``force`` changed, stage by
    stage.
    """

    layout: Layout
    stages: tuple[StageRecord, ...]
    A_SEG: NDArray[np.float32]
    A_text: NDArray[np.float32]
    rank_layer: int | None
    heads: Mapping[int, NDArray[np.float16]]
    n_per_layer: tuple[int, ...]
    n_avg: float
    forced: Force = field(default_factory=dict)

    def __post_init__(self) -> None:
        freeze(self, A_SEG=np.float32, A_text=np.float32)

    def __repr__(self) -> str:
        stages = ", ".join(f"{stage.name} {stage.L}x{stage.n}" for stage in self.stages)
        return f"Trace({stages}; N_avg {self.n_avg:.1f} of {self.layout.N})"

    def stage(self, name: str) -> StageRecord | None:
        """The record of the stage of this name, None where it did not run."""
        return next((stage for stage in self.stages if stage.name == name), None)

    def stage_at(self, layer: int) -> StageRecord:
        """The record of the stage that ran this 0-based layer."""
        for stage in self.stages:
            if layer in stage.layers:
                return stage
        raise ValueError(f"layer must be in 0..{len(self.n_per_layer) - 1}, got {layer}")


@dataclass(frozen=True)
class Cost:
    """The bill of one pass: image tokens per layer, their exact mean (Eq. 9), and arithmetic by two
    conventions.

    ``macs`` is Eq. 10-11 as written, multiply-accumulates over all tokens; ``flops`` is twice that.
    ``paper_tflops`` is the convention behind the paper's printed columns, 24 L d^2 (N_avg + 64) / 1e12. ``guide_macs`` are
    those of the detector whose instances chose tokens (Seg-First), outside the decoder; 0 where none did, or none counted.
    """

    n_per_layer: tuple[int, ...]
    n_avg: float
    macs: int
    flops: int
    paper_tflops: float
    guide_macs: int = 0

    @property
    def total_flops(self) -> int:
        """The decoder's operations and the guide's."""
        return self.flops + 2 * self.guide_macs


def freeze(instance: object, **dtypes: DTypeLike) -> None:
    """Give an instance read-only arrays of the named dtypes, so that a run can be shared between readers."""
    for name, dtype in dtypes.items():
        value = getattr(instance, name)
        if value is not None:
            view = np.asarray(value, dtype).view()
            view.flags.writeable = False
            object.__setattr__(instance, name, view)


def plain(value: Any) -> Any:
    """Mappings and sequences as JSON knows them, numpy scalars as Python numbers."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | list | tuple | set | frozenset):
        return [plain(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value
