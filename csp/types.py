"""What the parts of this package tell each other: a `Request`, and the `Result` that answers it.

Numpy arrays in frozen dataclasses, no torch; `csp.trace` has the words for what happened in between, which can be had from here
as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from csp import archive, reference
from csp.checks import shown
from csp.reference import Reference
from csp.trace import Box, Cost, Force, Layout, StageRecord, Trace, freeze, plain

__all__ = [
    "Box",
    "Cost",
    "Force",
    "Layout",
    "Reference",
    "Request",
    "Result",
    "SegMode",
    "StageRecord",
    "Template",
    "Trace",
    "plain",
    "resize_bilinear",
]

SegMode = Literal["teacher", "generated"]
"""Whether the answer, [SEG], is given to the model, or the model writes it."""

Template = Literal["auto", "refer", "phrase", "sentence", "chat"]
"""The form of a question: around an expression, around a sentence, or the words alone."""

REQUEST = ("query", "method", "knobs", "seed", "model", "force", "seg_mode", "template")
RESULT = ("sam_input", "sam_size", "ms", "notes", "words", "text")
"""Fields that a saved run holds in words and numbers, beside its arrays."""


@dataclass(frozen=True, eq=False)
class Request:
    """What was asked: ``image`` uint8 RGB [H, W, 3], the query's words, a method by name with its knobs,
    seed and model; whether the answer was given ("teacher") or "generated", and in which ``template`` it was asked.
    """

    image: NDArray[np.uint8]
    query: str
    method: str = "csp"
    knobs: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    model: str = "park"
    force: Force | None = None
    seg_mode: SegMode = "teacher"
    template: Template = "auto"

    def __post_init__(self) -> None:
        image = np.asarray(self.image)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"image must be uint8 RGB [H, W, 3], got {image.dtype} {list(image.shape)}; convert it to RGB first")
        if not isinstance(self.query, str):
            raise ValueError(f"query must be text, got {shown(self.query)}: ask one query at a time")
        freeze(self, image=np.uint8)

    def in_words(self) -> str:
        """The request on one line: what was asked, of which picture and model, by which method."""
        height, width = self.image.shape[:2]
        knobs = ", ".join(f"{name}={value!r}" for name, value in self.knobs.items())
        return f"{self.query!r}, {width}x{height} picture, {self.method}({knobs}), seed {self.seed}, {self.model}"

    def __repr__(self) -> str:
        return f"Request({self.in_words()})"


@dataclass(frozen=True, eq=False)
class Result:
    """The answer to a `Request`, K masks for K [SEG] tokens, with all that is needed to draw it again.

    ``logits`` float32 [K, h, w] as SAM's mask decoder returns them; ``iou`` float32 [K] SAM's own score;
    ``seg_state`` float32 [K, d] after the final norm. ``ms`` are measured milliseconds by part; ``notes`` the
    fallbacks taken; ``words`` the user's part of the sequence token by token, as the columns of ``A_text``.
    ``sam_input`` is the size (height, width) to which SAM's preprocessing brought the
    picture, ``sam_size`` the side of the square it was padded to. ``text`` is what the model wrote, None where the
    answer was given. ``reference`` is what the run is looked at beside (the dense mask, the tower's own attention), where
    it was kept with it.
    """

    request: Request
    logits: NDArray[np.float32]
    iou: NDArray[np.float32]
    seg_state: NDArray[np.float32]
    trace: Trace
    cost: Cost
    sam_input: tuple[int, int]
    sam_size: int
    ms: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    text: str | None = None
    reference: Reference | None = None

    def __post_init__(self) -> None:
        freeze(self, logits=np.float32, iou=np.float32, seg_state=np.float32)

    def __repr__(self) -> str:
        made = f"{len(self.logits)} mask{'' if len(self.logits) == 1 else 's'}"
        kept = f"N_avg {self.cost.n_avg:.1f} of {self.trace.layout.N}"
        bill = f"{self.cost.flops / 1e9:.2f} GFLOPs, {sum(self.ms.values()):.0f} ms"
        return f"Result({self.request.in_words()} -> {made}, {kept}, {bill})"

    def _repr_html_(self) -> str:
        return _figures().to_html(self)

    def _repr_png_(self) -> bytes:
        return _figures().to_png(self)

    def full_logits(self, size: tuple[int, int] | None = None) -> NDArray[np.float32]:
        """Logits at the picture's own size or at another (H, W), float32 [K, H, W]: upsample to SAM's square,
        cut off its padding, resize.
        """
        height, width = size or self.request.image.shape[:2]
        square = resize_bilinear(self.logits, (self.sam_size, self.sam_size))
        return resize_bilinear(square[:, : self.sam_input[0], : self.sam_input[1]], (height, width))

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """bool [K, H, W] at the picture's own size, one per [SEG]."""
        # One at a time: many masks of a large picture are small as bits and large as numbers.
        each = [replace(self, logits=self.logits[k : k + 1]).full_logits()[0] > 0 for k in range(len(self.logits))]
        masks = np.stack(each) if each else np.zeros((0, *self.request.image.shape[:2]), bool)
        masks.flags.writeable = False
        return masks

    @cached_property
    def mask(self) -> NDArray[np.bool_]:
        """bool [H, W], the union of `masks`."""
        mask = np.logical_or.reduce(self.masks, axis=0)
        mask.flags.writeable = False
        return mask

    def as_dict(self) -> dict[str, Any]:
        """The run in words and numbers, ready for JSON: no picture, no maps; tokens by their patches."""
        request = self.request
        stages = [
            {
                "name": stage.name,
                "layers": [stage.first_layer, stage.first_layer + stage.L],
                "n": stage.n,
                "patches": stage.patches.tolist(),
                "score": stage.score_name or None,
                "instances": stage.instances,
            }
            for stage in self.trace.stages
        ]
        return {
            "request": {
                "query": request.query,
                "method": request.method,
                "knobs": plain(request.knobs),
                "seed": request.seed,
                "model": request.model,
                "force": plain(request.force),
                "seg_mode": request.seg_mode,
                "template": request.template,
                "image_size": list(request.image.shape[:2]),
            },
            "layout": plain(asdict(self.trace.layout)),
            "stages": stages,
            "forced": plain(self.trace.forced),
            "rank_layer": self.trace.rank_layer,
            "cost": plain(asdict(self.cost)),
            "ms": dict(self.ms),
            "iou": self.iou.tolist(),
            "mask_pixels": int(self.mask.sum()),
            "notes": list(self.notes),
            "text": self.text,
        }

    def save(self, path: str | Path | IO[bytes]) -> None:
        """Write the run as one .npz without pickle; `Result.open` reads it back with numpy alone."""
        arrays, trace_meta = archive.pack_trace(self.trace)
        arrays |= {"image": self.request.image, "logits": self.logits, "iou": self.iou, "seg_state": self.seg_state}
        request = {name: plain(getattr(self.request, name)) for name in REQUEST}
        rest = {name: plain(getattr(self, name)) for name in RESULT}
        if self.reference is not None:
            beside, rest["reference"] = reference.pack(self.reference)
            arrays |= beside
        archive.write(path, arrays, {"request": request, **trace_meta, "cost": plain(asdict(self.cost)), **rest})

    @classmethod
    def open(cls, path: str | Path | IO[bytes]) -> Result:
        """Read what `save` wrote. Needs neither torch nor the model.

        Raises FileNotFoundError, or ValueError for a file that is not such a run.
        """
        with archive.refusing(path):
            arrays, meta = archive.read(path)
            return cls(
                request=Request(image=arrays["image"], **meta["request"]),
                trace=archive.unpack_trace(arrays, meta),
                cost=Cost(**meta["cost"]),
                logits=arrays["logits"],
                iou=arrays["iou"],
                seg_state=arrays["seg_state"],
                reference=reference.unpack(arrays, meta["reference"]) if meta.get("reference") else None,
                **{name: meta[name] for name in RESULT if name in meta},
            )


def _figures() -> Any:
    """What draws, fetched from the package's front when a notebook asks for it: nothing here is built on it."""
    import csp

    return csp.figures


def resize_bilinear(maps: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize float [K, h, w] to float32 [K, *size], half-pixel centres, no antialiasing: torch's
    ``interpolate(mode="bilinear")``.
    """
    maps = np.asarray(maps, np.float32)
    for axis, n_out in ((1, size[0]), (2, size[1])):
        n_in = maps.shape[axis]
        if n_in == n_out:
            continue
        at = np.clip((np.arange(n_out) + 0.5) * (n_in / n_out) - 0.5, 0, n_in - 1)
        low = np.floor(at).astype(np.intp)
        high = np.minimum(low + 1, n_in - 1)
        weight = (at - low).astype(np.float32).reshape((-1, 1) if axis == 1 else (1, -1))
        maps = maps.take(low, axis) * (1 - weight) + maps.take(high, axis) * weight
    return maps
