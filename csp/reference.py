"""What a run is looked at beside, carried with it so that a reopened run shows all that it showed when it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from csp.trace import Cost, freeze

Mask = NDArray[np.bool_]
SIDE = 512
"""Longest side of instance masks as they are kept: patches are coarser than that."""


class Asked(Protocol):
    """A session, as far as it is asked here."""

    def dense(self, request: Any) -> Any: ...

    def cls(self, image: Any) -> Any: ...

    def objects(self, image: Any, conf: float = ...) -> Any: ...


@dataclass(frozen=True, eq=False)
class Dense:
    """The run with every image token in every layer: its ``mask`` bool [H, W] and its bill, ``ms`` by part."""

    mask: Mask
    cost: Cost
    ms: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        freeze(self, mask=bool)


@dataclass(frozen=True, eq=False)
class Reference:
    """Each None where it is not known: the ``dense`` run, the ``truth`` bool [H, W], the vision tower's [CLS] attention
    ``cls`` float32 [N] (Eq. 3), and the ``instances`` that Seg-First works from, bool [K, h, w] over the whole picture.
    """

    dense: Dense | None = None
    truth: Mask | None = None
    cls: NDArray[np.float32] | None = None
    instances: Mask | None = None

    def __post_init__(self) -> None:
        freeze(self, truth=bool, cls=np.float32, instances=bool)


def reference(session: Asked, request: Any, truth: Mask | None = None) -> Reference:
    """All that a session knows beside a request; the dense run is made unless the session kept it."""
    dense = session.dense(request)
    objects = session.objects(request.image, request.knobs.get("conf", 0.25))
    if objects is not None and objects.size:
        step = -(-max(objects.shape[1:]) // SIDE)
        objects = np.asarray(objects, bool)[:, ::step, ::step]
    return Reference(Dense(dense.mask, dense.cost, dict(dense.ms)), truth, session.cls(request.image), objects)


def pack(known: Reference) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """A reference's arrays by their names in a file, masks as bits, and its part of the header."""
    arrays: dict[str, NDArray[Any]] = {}
    shapes: dict[str, list[int]] = {}
    dense = None if known.dense is None else known.dense.mask
    masks = {"dense": dense, "truth": known.truth, "instances": known.instances}
    for name, mask in masks.items():
        if mask is not None:
            arrays[f"reference.{name}"] = np.packbits(mask)
            shapes[name] = list(mask.shape)
    if known.cls is not None:
        arrays["reference.cls"] = known.cls
    bill = None if known.dense is None else {"cost": asdict(known.dense.cost), "ms": dict(known.dense.ms)}
    return arrays, {"shapes": shapes, "dense": bill}


def unpack(arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> Reference:
    """The reference that `pack` took apart."""

    def mask(name: str) -> Mask | None:
        shape = header["shapes"].get(name)
        if shape is None:
            return None
        bits = arrays[f"reference.{name}"]
        return np.unpackbits(bits, count=int(np.prod(shape))).astype(bool).reshape(shape)

    dense, bill = mask("dense"), header["dense"]
    known = None if dense is None or bill is None else Dense(dense, Cost(**bill["cost"]), bill["ms"])
    return Reference(known, mask("truth"), arrays.get("reference.cls"), mask("instances"))
