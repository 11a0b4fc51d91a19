"""Getting rows from many processes: the same rows, whatever their number and whoever started them.

Processes are spawned here (``jobs``) or by ``accelerate launch``; each takes whole pictures, and every
picture's rows depend on nothing but that picture. Rows go to ``results.jsonl`` as they come, and a second
call goes on where the first was stopped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from csp.evaluation.runs import Evaluator, Row, Run
from csp.samples import Source

BLOCK = 8
"""Pictures that a process takes at a time: neighbours, since swapped runs look at the next picture."""


@dataclass(frozen=True)
class Job:
    """All that another process needs: which model and how to load it, which samples, which runs.

    ``threads`` per process are part of the job, since sums in another order differ in their last bits.
    """

    model: str
    source: Source
    runs: tuple[Run, ...]
    load: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1

    def evaluator(self) -> Evaluator:
        from csp.checkpoints import load

        return Evaluator(load(self.model, **self.load), self.source, self.runs)


# Set in spawned processes only, once each: a pool hands its processes nothing else that lasts.
_HERE: list[Evaluator] = []


def _begin(job: Job) -> None:
    import torch

    torch.set_num_threads(job.threads)
    _HERE[:] = [job.evaluator()]


def _block(indices: Sequence[int]) -> list[tuple[int, list[Row]]]:
    return [(index, _HERE[0].rows(index)) for index in indices]


def compute(job: Job, indices: Sequence[int], jobs: int) -> Iterator[tuple[int, list[Row]]]:
    """(picture, its rows) for the given pictures, in order, from ``jobs`` processes."""
    if jobs == 1 or len(indices) < 2:
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(job.threads)
        try:
            evaluator = job.evaluator()
            for index in indices:
                yield index, evaluator.rows(index)
        finally:
            torch.set_num_threads(threads)
        return
    size = max(1, min(BLOCK, len(indices) // jobs))
    blocks = [indices[at : at + size] for at in range(0, len(indices), size)]
    with ProcessPoolExecutor(jobs, get_context("spawn"), _begin, (job,)) as pool:
        for block in pool.map(_block, blocks):
            yield from block


@dataclass(frozen=True)
class Rank:
    """This process among those that ``accelerate launch`` started: number ``index`` of ``count``, on a device of its own."""

    index: int = 0
    count: int = 1
    device: str | None = None

    @property
    def first(self) -> bool:
        return self.index == 0

    def share(self, indices: Sequence[int]) -> Sequence[int]:
        """A contiguous part of the pictures, so that neighbours stay together."""
        return indices[
            self.index * len(indices) // self.count : (self.index + 1) * len(indices) // self.count
        ]


def rank() -> Rank:
    """Who this process is, by what ``accelerate launch`` (or torchrun) put into the environment."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return Rank()
    state = _accelerate()
    return Rank(state.process_index, state.num_processes, str(state.device))


def _accelerate() -> Any:
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise ValueError(
            "several processes need accelerate: pip install accelerate, or use --jobs"
        ) from error
    return PartialState(cpu=os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes"))


def gather(found: list[tuple[int, list[Row]]], who: Rank) -> list[tuple[int, list[Row]]]:
    """What all processes found, in every one of them."""
    if who.count == 1:
        return found
    from accelerate.utils import gather_object

    return list(gather_object(found))


class Store:
    """Rows on disk, a line each, below one header line that says what they are rows of.

    Opening a store of something else raises ValueError. A picture whose rows are not all there, because a run
    was stopped, counts as not done.
    """

    def __init__(self, folder: Path, header: Mapping[str, Any], who: Rank = Rank()) -> None:
        self.folder, self.who = folder, who
        self._header = json.loads(json.dumps(header))
        self.file = folder / (
            "results.jsonl" if who.count == 1 else f"results-{who.index}-of-{who.count}.jsonl"
        )
        self._out: Any = None

    def load(self) -> dict[str, list[Row]]:
        """Complete pictures found in the folder, whoever wrote them: name -> rows."""
        kept: dict[str, dict[tuple[int, str], Row]] = {}
        for file in sorted(self.folder.glob("results*.jsonl")):
            header, *rows = list(_lines(file)) or [None]
            if header is not None and header != {"header": self._header}:
                raise ValueError(
                    f"{file} holds rows of another evaluation (model, samples or runs differ): "
                    "choose another --out folder, or delete it"
                )
            for row in rows:
                kept.setdefault(row["scene"], {})[row["query"], row["run"]] = row
        return {
            name: list(rows.values())
            for name, rows in kept.items()
            if len(rows) == next(iter(rows.values()))["of"]
        }

    def write(self, rows: Iterable[Row]) -> None:
        if self._out is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._mend()
            self._out = self.file.open("a", encoding="utf-8")
            if not self._out.tell():
                self._out.write(json.dumps({"header": self._header}) + "\n")
        self._out.write("".join(json.dumps(row) + "\n" for row in rows))
        self._out.flush()

    def _mend(self) -> None:
        """Cut off a last line that was not written to its end."""
        if self.file.is_file():
            data = self.file.read_bytes()
            self.file.write_bytes(data[: data.rfind(b"\n") + 1])

    def finish(self, rows: Iterable[Row]) -> None:
        """One file with all rows in order, in place of what the processes wrote."""
        whole = self.folder / "results.jsonl"
        draft = whole.with_suffix(".part")
        draft.write_text(
            "".join(json.dumps(row) + "\n" for row in ({"header": self._header}, *rows)), encoding="utf-8"
        )
        draft.replace(whole)
        for file in self.folder.glob("results-*.jsonl"):
            file.unlink()

    def close(self) -> None:
        if self._out is not None:
            self._out.close()
            self._out = None


def _lines(file: Path) -> Iterator[Any]:
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return


def collect(
    job: Job,
    jobs: int = 1,
    folder: Path | None = None,
    header: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """All rows of a job, in the order of the source. With a ``folder`` they are kept there, and pictures done
    before are not run again.

    ``progress`` is called with pictures done and pictures in all, of this process.
    """
    who = rank()
    store = Store(folder, header or {}, who) if folder else None
    done = store.load() if store else {}
    names = [job.source.picture(index) for index in range(len(job.source))]
    mine = who.share([index for index, name in enumerate(names) if name not in done])
    fresh: list[tuple[int, list[Row]]] = []
    if progress:
        progress(0, len(mine))
    try:
        for index, rows in compute(job, mine, jobs) if mine else ():
            fresh.append((index, rows))
            if store:
                store.write(rows)
            if progress:
                progress(len(fresh), len(mine))
    finally:
        if store:
            store.close()
    found = {index: done[name] for index, name in enumerate(names) if name in done} | dict(gather(fresh, who))
    rows = [row for index in sorted(found) for row in found[index]]
    if store and who.first:
        store.finish(rows)
    return rows
