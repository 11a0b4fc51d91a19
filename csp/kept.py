"""What is kept of answers: by what was asked, as long as it is light enough. Equal questions are then answered once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from csp.models.cache import ByteCache, picture_key
from csp.trace import Trace
from csp.types import Request, Result

NO_PICTURE = np.zeros((0, 0, 3), np.uint8)
"""In the request of a kept result: the picture is the asker's."""


def common_of(request: Request, method: object) -> str:
    """What decides about a result beside the query: one batch can answer all that have it in common."""
    asked = (request.seed, _plain(request.force), request.seg_mode, request.template)
    return f"{picture_key(request.image)} {method!r} {asked!r}"


def key_of(common: str, query: str) -> str:
    """What decides about a result: equal keys, equal results."""
    return f"{common} {query!r}"


def _plain(value: Any) -> Any:
    """Mappings and lists as tuples in one order, whoever wrote them."""
    if isinstance(value, Mapping):
        return tuple((name, _plain(value[name])) for name in sorted(value, key=str))
    return tuple(_plain(each) for each in value) if isinstance(value, list | tuple) else value


def bytes_of(result: Result) -> int:
    """What a kept result holds in memory: its arrays, without what others hold as well."""
    trace = result.trace
    arrays: list[NDArray[Any]] = [result.logits, result.iou, result.seg_state, trace.A_SEG, trace.A_text, *trace.heads.values()]
    for stage in trace.stages:
        arrays += [stage.slots, stage.position_ids]
        arrays += [] if stage.score is None else [stage.score]
        arrays += [] if _every_patch(stage.source) else [stage.source]
    return sum(array.nbytes for array in arrays)


def _every_patch(source: NDArray[np.float32]) -> bool:
    """Whether a stage has a token for each patch, in their order."""
    n, N = source.shape
    return n == N and bool((source == np.eye(N, dtype=source.dtype)).all())


class Kept:
    """Results by what was asked, those not asked for longest forgotten beyond ``limit`` bytes.

    What an asker brings, and what is made of a result in a moment, is not kept: the picture, and masks at its size. One
    identity matrix serves all stages that have every patch.
    """

    def __init__(self, limit: int):
        self.results: ByteCache[Result] = ByteCache(limit)
        self._identities: WeakValueDictionary[int, NDArray[np.float32]] = WeakValueDictionary()

    def get(self, key: str, image: NDArray[np.uint8]) -> Result | None:
        """The result kept, of this picture again; its request tells every knob, as the run that was made did."""
        found = self.results.get(key)
        return None if found is None else replace(found, request=replace(found.request, image=image))

    def put(self, key: str, result: Result) -> None:
        """Keep a result."""
        # A copy: the logits are a part of the array of all masks that were proposed, in a batch of all its queries'.
        light = replace(
            result,
            request=replace(result.request, image=NO_PICTURE),
            logits=result.logits.copy(),
            trace=self._lighter(result.trace),
        )
        self.results.put(key, light, bytes_of(light))

    def _lighter(self, trace: Trace) -> Trace:
        stages = tuple(
            replace(stage, source=self._identity(len(stage.source))) if _every_patch(stage.source) else stage
            for stage in trace.stages
        )
        return replace(trace, stages=stages)

    def _identity(self, N: int) -> NDArray[np.float32]:
        found = self._identities.get(N)
        if found is None:
            found = self._identities[N] = np.eye(N, dtype=np.float32)
        return found
