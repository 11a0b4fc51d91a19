"""What a saved run may hold: checked before anything is read into memory, so that no file, whoever wrote it, costs more than a
run that a model could have made. Each check raises ValueError naming the field, what it must be and what it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from csp.checks import check_choice, check_integer, check_number, shown

Check = Callable[[str, Any], None]
Shape = tuple[int, ...]

MOST_BYTES = 512 * 2**20
"""What a saved run may unpack to: a dense 7B run of a large picture needs a tenth of it."""
MOST_PIXELS = 40_000_000
"""As many as a picture may have that is asked about."""
MOST_LAYERS, MOST_TOKENS, MOST_MASKS = 254, 4096, 64
MOST_SIDE = 2048
"""Longest side of SAM's square."""
MOST_VALUES = 2**27
"""Logits of all masks at SAM's size, and at the picture's, at most: what becomes float32 in memory when a mask is drawn."""
LONG = 4096
MOST_HEADER = 4 * 2**20


def text(most: int = LONG) -> Check:
    def check(name: str, value: Any) -> None:
        if not isinstance(value, str) or len(value) > most:
            raise ValueError(f"{name} must be text of at most {most} characters, got {shown(value)}")

    return check


def whole(low: int, high: int) -> Check:
    return lambda name, value: void(check_integer(name, value, low, high))


def real(low: float = -1e30, high: float = 1e30) -> Check:
    return lambda name, value: void(check_number(name, value, low, high))


def choice(*known: str) -> Check:
    return lambda name, value: void(check_choice(name, value, known))


def maybe(check: Check) -> Check:
    return lambda name, value: None if value is None else check(name, value)


def each(check: Check, most: int) -> Check:
    def checks(name: str, value: Any) -> None:
        if not isinstance(value, tuple) or len(value) > most:
            raise ValueError(f"{name} must be a list of at most {most}, got {shown(value)}")
        for i, one in enumerate(value):
            check(f"{name}[{i}]", one)

    return checks


def by_name(check: Check, most: int = 64) -> Check:
    def checks(name: str, value: Any) -> None:
        if not isinstance(value, Mapping) or len(value) > most:
            raise ValueError(f"{name} must be an object of at most {most} names, got {shown(value)}")
        for key, one in value.items():
            text(100)(f"a name in {name}", key)
            check(f"{name}.{key}", one)

    return checks


def record(needed: Mapping[str, Check], other: Mapping[str, Check] | None = None) -> Check:
    """An object with these fields; those in ``other`` may be missing, what it has besides is refused."""
    known = {**needed, **(other or {})}

    def checks(name: str, value: Any) -> None:
        if not isinstance(value, Mapping):
            raise ValueError(f"{name} must be an object, got {shown(value)}")
        missing, strange = set(needed) - set(value), set(value) - set(known)
        if missing or strange:
            words = [f"lacks {', '.join(sorted(missing))}"] if missing else []
            words += [f"has {shown(sorted(map(str, strange))[0])}"] if strange else []
            raise ValueError(f"{name} {' and '.join(words)}")
        for key, check in known.items():
            if key in value:
                check(f"{name}.{key}" if name else key, value[key])

    return checks


def void(_: Any) -> None:
    return None


def knob(name: str, value: Any) -> None:
    """A setting of a method: a word, a number, or a few of either."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, tuple):
        each(knob, 256)(name, value)
    elif isinstance(value, str):
        text(200)(name, value)
    else:
        real()(name, value)


def box(name: str, value: Any) -> None:
    """A rectangle with some area, in picture pixels."""
    each(real(-1e5, 1e5), 4)(name, value)
    if len(value) != 4 or not (value[0] < value[2] and value[1] < value[3]):
        raise ValueError(f"{name} must be a box x0, y0, x1, y1, got {shown(value)}")


def grid(name: str, value: Any) -> None:
    """Rows and columns of image tokens."""
    each(whole(1, MOST_TOKENS), 2)(name, value)
    if len(value) != 2:
        raise ValueError(f"{name} must be rows and columns, got {shown(value)}")


def tile(name: str, value: Any) -> None:
    """A part of the picture: its box, its grid, whether it shows others once more."""
    if not isinstance(value, tuple) or len(value) != 3 or not isinstance(value[2], bool):
        raise ValueError(f"{name} must be a box, a grid and true or false, got {shown(value)}")
    box(f"{name}[0]", value[0])
    grid(f"{name}[1]", value[1])


COUNT = whole(0, 2**20)
FORCE = by_name(by_name(each(whole(0, MOST_TOKENS - 1), MOST_TOKENS), 2))
COST = record(
    {
        "n_per_layer": each(COUNT, MOST_LAYERS),
        "n_avg": real(0, 2**20),
        "macs": whole(0, 2**62),
        "flops": whole(0, 2**62),
        "paper_tflops": real(0),
    },
    {"guide_macs": whole(0, 2**62)},
)
MS = by_name(real(0, 1e9))
REFERENCE = record(
    {"shapes": by_name(each(whole(0, MOST_PIXELS), 3), 3), "dense": maybe(record({"cost": COST, "ms": MS}))}
)
HEADER = record(
    {
        "schema": whole(1, 1),
        "request": record(
            {"query": text(), "method": text(100), "knobs": by_name(knob), "seed": whole(-(2**63), 2**63), "model": text()},
            {
                "force": maybe(FORCE),
                "seg_mode": choice("teacher", "generated"),
                "template": choice("auto", "refer", "phrase", "sentence", "chat"),
            },
        ),
        "layout": record(
            {
                **{name: whole(0, 2**16) for name in ("N_sys", "N_usr", "N_out")},
                "N": whole(1, MOST_TOKENS),
                "grid": grid,
                "crop": box,
                "I_seg": each(COUNT, 4096),
            },
            {"I_rank": each(COUNT, 4096), "answer": choice("full", "cut", "generated"), "tiles": each(tile, 64)}
            | {"seg_row": choice("before", "token", "fed")},
        ),
        "stages": each(
            record(
                {
                    "name": text(100),
                    "first_layer": whole(0, MOST_LAYERS),
                    "L": whole(1, MOST_LAYERS),
                    "score_name": text(100),
                    "instances": maybe(whole(0, 2**16)),
                }
            ),
            MOST_LAYERS,
        ),
        "rank_layer": maybe(whole(0, MOST_LAYERS - 1)),
        "n_per_layer": each(COUNT, MOST_LAYERS),
        "n_avg": real(0, 2**20),
        "forced": FORCE,
        "cost": COST,
        "sam_input": each(whole(1, MOST_SIDE), 2),
        "sam_size": whole(1, MOST_SIDE),
        "ms": MS,
        "notes": each(text(), 200),
    },
    {"words": each(text(), 2**16), "text": maybe(text(2**16)), "reference": maybe(REFERENCE)},
)

KINDS = {"uint8": ("u1",), "floating": ("f2", "f4", "f8"), "integer": ("i4", "i8")}


def arrays_of(header: Mapping[str, Any], found: Mapping[str, tuple[Shape, str]]) -> None:
    """Raise ValueError unless the arrays of a file, their shapes and types (such as "f4") by name, fit its header and each
    other, and drawing them stays within bounds. ``found`` comes from the arrays' own headers: none has been read.
    """
    layout, stages = header["layout"], header["stages"]
    L, N = len(header["n_per_layer"]), layout["N"]
    check_integer("layers", L, 1, MOST_LAYERS)
    if math.prod(layout["grid"]) != N:
        raise ValueError(f"layout.grid must hold N = {N} tokens, got {shown(layout['grid'])}")
    image = _shape(found, "image", "uint8", (None, None, 3))
    if not 1 <= image[0] * image[1] <= MOST_PIXELS:
        raise ValueError(f"image may have 1 to {MOST_PIXELS:,} pixels, got {image[1]} x {image[0]}")
    K, h, w = _shape(found, "logits", "floating", (None, None, None))
    check_integer("masks", K, 0, MOST_MASKS)
    if not (1 <= h <= MOST_SIDE and 1 <= w <= MOST_SIDE):
        raise ValueError(f"logits must be 1 to {MOST_SIDE} a side, got {h} x {w}")
    side, inner = header["sam_size"], header["sam_input"]
    if len(inner) != 2 or max(inner) > side:
        raise ValueError(f"sam_input must be two sides of at most sam_size {side}, got {shown(inner)}")
    for name, size in (("sam_size", side * side), ("image", image[0] * image[1])):
        if K * size > MOST_VALUES:
            raise ValueError(f"{K} masks at {name} make {K * size:,} values, at most {MOST_VALUES:,} are drawn")
    _shape(found, "iou", "floating", (K,))
    _shape(found, "seg_state", "floating", (None, None))
    _shape(found, "A_SEG", "floating", (L, N))
    _shape(found, "A_text", "floating", (L, layout["N_usr"]))
    words = header.get("words", ())
    if words and len(words) != layout["N_usr"]:
        raise ValueError(f"words must be {layout['N_usr']} or none, got {len(words)}")
    done = 0
    for i, stage in enumerate(stages):
        n = _shape(found, f"stage.{i}.source", "floating", (None, N))[0]
        for name in ("slots", "position_ids"):
            _shape(found, f"stage.{i}.{name}", "integer", (n,))
        if f"stage.{i}.score" in found:
            _shape(found, f"stage.{i}.score", "floating", (N,))
        if stage["first_layer"] != done:
            raise ValueError(f"stage {stage['name']} must start at layer {done}, got {stage['first_layer']}")
        done += stage["L"]
    if done != L or len(header["cost"]["n_per_layer"]) != L:
        raise ValueError(f"the stages run {done} layers and the bill has {len(header['cost']['n_per_layer'])}, the run has {L}")
    if header["rank_layer"] is not None:
        check_integer("rank_layer", header["rank_layer"], 0, L - 1)
    for name in found:
        if name.startswith("heads."):
            check_integer("a layer of heads", int(name[6:]) if name[6:].isdecimal() and len(name) < 12 else name[6:], 0, L - 1)
            check_integer("heads", _shape(found, name, "floating", (None, N))[0], 1, 1024)
    _reference(header.get("reference"), found, image[:2], N)


def contents(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise ValueError unless the numbers themselves are such as a run has: finite, in their ranges."""
    layout = header["layout"]
    T = sum(layout[name] for name in ("N_sys", "N", "N_usr", "N_out"))
    for name, array in arrays.items():
        if array.dtype.kind != "f":
            continue
        # What was not ranked, and where no token stands, is NaN; nothing is infinite.
        holes = name == "A_SEG" or name.endswith(".score") or name.startswith("heads.")
        if np.isinf(array).any() or (not holes and np.isnan(array).any()):
            raise ValueError(f"{name} holds numbers that are not finite")
        if name.endswith(".source") and array.size and array.min() < 0:
            raise ValueError(f"{name} must not be negative, got {array.min():g}")
        most = 1000.0 if name.endswith(".source") or name.startswith(("A_", "heads.")) else 1e30
        if array.size and np.nanmax(np.abs(array), initial=0.0) > most:
            raise ValueError(f"{name} must be at most {most:g}, got {np.nanmax(np.abs(array)):g}")
    for i in range(len(header["stages"])):
        for name, most_id in (("slots", T - 1), ("position_ids", 2**15 - 1)):
            ids = arrays[f"stage.{i}.{name}"]
            if ids.size and not (0 <= ids.min() and ids.max() <= most_id):
                raise ValueError(f"stage.{i}.{name} must be in 0..{most_id}, got {ids.min()}..{ids.max()}")


def _reference(known: Mapping[str, Any] | None, found: Mapping[str, tuple[Shape, str]], image: Shape, N: int) -> None:
    if known is None:
        return
    for name, shape in known["shapes"].items():
        check_choice("a mask in reference", name, ("dense", "truth", "instances"))
        fits = shape == image if name != "instances" else len(shape) == 3 and shape[0] <= 2**10
        if not fits or math.prod(shape) > MOST_VALUES:
            raise ValueError(f"reference.{name} must be a mask of the picture, {list(image)}, got {list(shape)}")
        _shape(found, f"reference.{name}", "uint8", (-(-math.prod(shape) // 8),))
    if "reference.cls" in found:
        _shape(found, "reference.cls", "floating", (N,))


def _shape(found: Mapping[str, tuple[Shape, str]], name: str, kind: str, wanted: tuple[int | None, ...]) -> Shape:
    """The shape of an array of this kind; None in ``wanted`` stands for any length."""
    if name not in found:
        raise ValueError(f"{name} is missing")
    shape, dtype = found[name]
    if dtype not in KINDS[kind]:
        raise ValueError(f"{name} must be {kind}, got {dtype}")
    if len(shape) != len(wanted) or any(w is not None and w != s for s, w in zip(shape, wanted, strict=True)):
        sizes = ", ".join("any" if w is None else str(w) for w in wanted)
        raise ValueError(f"{name} must be [{sizes}], got {list(shape)}")
    return shape
