"""Pictures read, decoded and their truths drawn by other processes, ahead of the one that runs the model."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from csp.models.prompt import clean_query
from csp.samples import Sample, Source

KEPT = 4
"""Pictures whose samples are kept: the next are wanted again where tokens or words are swapped."""
DEPTH = 3
"""Pictures that each reader is ahead."""

# Set in reading processes only, once each: a pool hands its processes nothing else that lasts.
_HERE: list[Source] = []


def checked(source: Source, index: int) -> tuple[Sample, ...]:
    """All samples of a picture. Raises ValueError where one of its files is damaged or a query cannot be asked."""
    found = source.samples(index)
    for sample in found:
        clean_query(sample.query)
    return found


class Samples:
    """The samples of a source, read here or ahead by others."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._kept: OrderedDict[int, tuple[Sample, ...]] = OrderedDict()
        self._coming: dict[int, Future[tuple[Sample, ...]]] = {}

    def __call__(self, index: int) -> tuple[Sample, ...]:
        """Those of picture ``index``. Raises what reading raised."""
        if index not in self._kept:
            coming = self._coming.pop(index, None)
            self._kept[index] = checked(self._source, index) if coming is None else coming.result()
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(index)
        return self._kept[index]

    @contextmanager
    def ahead(self, indices: Iterable[int], readers: int) -> Iterator[Iterator[int]]:
        """The same indices, while ``readers`` processes read what comes next."""
        if not readers:
            yield iter(indices)
            return
        with ProcessPoolExecutor(readers, get_context("spawn"), _begin, (self._source,)) as pool:
            yield self._passed_on(indices, pool, readers * DEPTH)
            pool.shutdown(cancel_futures=True)

    def _passed_on(self, indices: Iterable[int], pool: ProcessPoolExecutor, depth: int) -> Iterator[int]:
        waiting: deque[int] = deque()
        for index in indices:
            self._coming[index] = pool.submit(_read, index)
            waiting.append(index)
            if len(waiting) > depth:
                yield waiting.popleft()
        yield from waiting


def _begin(source: Source) -> None:
    _HERE[:] = [source]


def _read(index: int) -> tuple[Sample, ...]:
    return checked(_HERE[0], index)
