"""What is kept of answers: by what was asked, as long as it is light enough. Equal questions are then answered once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from csp.models.cache import picture_key
from csp.types import Request, Result


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
    """What a result holds in memory: its arrays, the masks that are made of its logits, and its picture."""
    trace, image = result.trace, result.request.image
    arrays: list[NDArray[Any]] = [result.logits, result.seg_state, trace.A_SEG, trace.A_text, *trace.heads.values()]
    arrays += [one for stage in trace.stages for one in (stage.source, stage.slots, stage.position_ids)]
    masks = (len(result.logits) + 1) * image.shape[0] * image.shape[1]
    return image.nbytes + masks + sum(array.nbytes for array in arrays)
