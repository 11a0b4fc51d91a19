"""Getting rows from many processes: the same rows, whatever their number and whoever started them.

Processes are spawned here (``jobs``) or by ``torchrun`` or ``accelerate launch``; every picture's rows depend on nothing
but that picture. Rows go to a file a process as they come, are merged in the end, and a second call goes on where the
first was stopped. A process that is killed costs the picture that it was at; the others do it again.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from csp.evaluation.board import BEAT, Board, host_store, own_store, reach_store, shared_store
from csp.evaluation.ranks import Rank, rank
from csp.evaluation.runs import Evaluator, Row, Run
from csp.evaluation.store import UNASKED, Rows, Store
from csp.samples import Source

BLOCK = 4
"""Neighbouring pictures that a process takes at a time where runs look at the next picture."""
DEAD = 15 * BEAT
"""Seconds without a sign of life after which a process that another machine started is given up."""
TRIES = 2
"""Times that a picture may end its process before it is named and left out."""

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Job:
    """All that another process needs: which model and how to load it, which samples, which runs.

    ``threads`` per process are part of the job, since sums in another order differ in their last bits. ``readers``
    processes read pictures ahead of each that runs the model.
    """

    model: str
    source: Source
    runs: tuple[Run, ...]
    load: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1
    readers: int = 0

    @property
    def block(self) -> int:
        return BLOCK if any(run.swap for run in self.runs) else 1

    def evaluator(self, model: Any = None) -> Evaluator:
        from csp.checkpoints import load

        return Evaluator(model or load(self.model, **self.load), self.source, self.runs)


def collect(
    job: Job,
    jobs: int = 1,
    folder: Path | None = None,
    header: Mapping[str, Any] | None = None,
    progress: Tell | None = None,
    model: Any = None,
) -> list[Row]:
    """All rows of a job in memory, in the order of the source; what `gather` leaves in a file."""
    with ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found = gather(job, place, jobs, header, progress, model)
        return [] if found is None else list(found)


def gather(
    job: Job,
    folder: Path,
    jobs: int = 1,
    header: Mapping[str, Any] | None = None,
    progress: Tell | None = None,
    model: Any = None,
) -> Rows | None:
    """All rows of a job, in the order of the source, in one file in ``folder``; pictures done before are not run again.

    ``model`` is used by this process if it runs any, so that it is not loaded twice. ``progress`` is called with pictures
    done and pictures in all. Returns None in every process but the first that a launcher started. Raises ValueError where
    rows of something else are there, or where the source is not covered in the end.
    """
    who = rank()
    progress = progress or (lambda done, of: None)
    if who.count > 1:
        return _with_ranks(job, folder, header or {}, progress, model, who)
    with _locked(folder):
        return _Coordinator(job, folder, header or {}, progress).run(jobs, model)


class _Coordinator:
    """The one process that decides what is to be done, sees to it that it is, and merges."""

    def __init__(self, job: Job, folder: Path, header: Mapping[str, Any], tell: Tell) -> None:
        self.job, self.folder, self.header, self.tell = job, folder, header, tell
        self.store = Store(folder, header)
        self.index = {job.source.picture(index): index for index in range(len(job.source))}
        self.ended: Counter[int] = Counter()
        self.prints: dict[str, str] = {}

    def missing(self) -> list[int]:
        """Pictures that have no rows yet."""
        done = self.store.done(self._still)
        return [index for name, index in self.index.items() if name not in done]

    def left(self) -> list[int]:
        """Pictures that nobody has come to, which is what a process that was killed leaves."""
        tried = self.store.tried()
        return [index for index in self.missing() if self.job.source.picture(index) not in tried]

    def _still(self, scene: str) -> str:
        """The fingerprint of a picture's files, taken once."""
        if scene not in self.prints:
            self.prints[scene] = self.job.source.fingerprint(self.index[scene]) if scene in self.index else ""
        return self.prints[scene]

    def run(self, jobs: int, model: Any) -> Rows:
        todo = self.missing()
        self.tell(0, len(todo))
        alone = jobs == 1 or len(todo) < 2
        if alone and todo:
            board = Board(own_store(), "alone")
            worker = _Worker(self.job, self.store, board, 0, lambda done: self.tell(done, len(todo)))
            worker.run(np.asarray(todo), model)
        elif todo:
            self._spawned(todo, jobs)
        return self.merge()

    def _spawned(self, todo: list[int], jobs: int) -> None:
        """Rounds of processes until nothing is missing; a second round only for what a killed process left."""
        context, store, before, shown = get_context("spawn"), host_store(), 0, 0
        for turn in range(TRIES * jobs + len(todo)):
            board = Board(store, f"turn {turn}")
            board.announce(todo)
            crew = [
                context.Process(target=_crew, args=(self.job, str(self.folder), self.header, store.port, turn, k))
                for k in range(min(jobs, len(todo)))
            ]
            for process in crew:
                process.start()
            try:
                while any(process.is_alive() for process in crew):
                    crew[0].join(0.2) if crew[0].is_alive() else time.sleep(0.2)
                    while shown < before + board.done():
                        self.tell(shown := shown + 1, before + len(todo))
                    if board.failure():
                        break
            finally:
                for process in crew:
                    if process.is_alive():
                        process.terminate()
                    process.join()
            if failed := board.failure():
                raise ValueError(failed)
            self._name_the_dead(crew, board)
            left = self.left()
            before, todo = before + len(todo) - len(left), left
            while shown < before:
                self.tell(shown := shown + 1, before + len(left))
            if not todo:
                return

    def _name_the_dead(self, crew: list[Any], board: Board) -> None:
        dead = [(board.at(k), process.exitcode) for k, process in enumerate(crew) if process.exitcode]
        if len(dead) == len(crew) and not board.done() and all(index is None for index, _ in dead):
            raise ValueError(f"every process ended ({_how(dead[0][1])}) before its first picture: try fewer --jobs")
        for index, code in dead:
            if index is not None:
                self.ended[index] += 1
                if self.ended[index] == TRIES:
                    why = f"it ended its process {TRIES} times ({_how(code)})"
                    self.store.write([bad_row(self.job.source, index, why)])

    def merge(self) -> Rows:
        """One file in the order of the source. Raises ValueError unless it covers the source."""
        self.store.close()
        done, tried = self.store.done(self._still), self.store.tried()
        spans, without = [], []
        for name in self.index:
            span = done.get(name) or tried.get(name)
            if span is None:
                without.append(name)
            else:
                spans.append(span)
        if without:
            raise ValueError(
                f"{len(without)} of {len(self.index)} pictures have no rows ({', '.join(without[:3])}, ...): call again, what is "
                "there is kept"
            )
        rows = self.store.finish(spans)
        if rows.bad and len(rows.bad) == len(self.index):
            raise ValueError(f"none of the pictures could be scored; the first: {next(iter(rows.bad.values()))}")
        if self.index and next(iter(rows), None) is None:
            count = len(self.index)
            raise ValueError(f"none of the {count} pictures admits a query of those asked for: take more, or other families")
        return rows


class _Worker:
    """A process that asks for pictures and writes their rows to a file of its own."""

    def __init__(self, job: Job, store: Store, board: Board, who: int, tell: Callable[[int], None]) -> None:
        self.job, self.store, self.board, self.who, self.tell = job, store, board, who, tell

    def run(self, todo: np.ndarray, model: Any = None) -> None:
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(self.job.threads)
        try:
            evaluator = self.job.evaluator(model)
            with evaluator.reading(self.board.claims(todo, self.job.block), self.job.readers) as pictures:
                for index in pictures:
                    with self.board.working(self.who, index):
                        self.store.write(self._rows(evaluator, index))
                    self.tell(self.board.done())
        finally:
            self.store.close()
            torch.set_num_threads(threads)

    def _rows(self, evaluator: Evaluator, index: int) -> list[Row]:
        """A picture's rows, or the one that says why there are none."""
        source = self.job.source
        try:
            evaluator.read(index)
        except (ValueError, OSError) as error:
            return [bad_row(source, index, " ".join(str(error).split()))]
        printed = source.fingerprint(index)
        rows = list(evaluator.rows(index)) or [{"scene": source.picture(index), UNASKED: True, "of": 1}]
        return [{**row, "file": printed} if printed else row for row in rows]


def bad_row(source: Source, index: int, why: str) -> Row:
    return {"scene": source.picture(index), "bad": why, "of": 1}


def _crew(job: Job, folder: str, header: Mapping[str, Any], port: int, turn: int, k: int) -> None:
    """A spawned process. What ends it in words is told to the others; it leaves a traceback only for a bug."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    board = Board(reach_store(port), f"turn {turn}")
    try:
        todo, _ = board.told()
        _Worker(job, Store(Path(folder), header, f"results-{turn}-{k}.jsonl"), board, k, lambda done: None).run(todo)
    except (ValueError, OSError) as error:
        board.fail(str(error))
    except Exception as error:
        board.fail(f"a process ended in an error ({type(error).__name__}: {str(error)[:300]}); see above")
        traceback.print_exc()


def _with_ranks(
    job: Job, folder: Path, header: Mapping[str, Any], tell: Tell, model: Any, who: Rank
) -> Rows | None:
    """The same among processes that a launcher started. The first decides, works as the others do, and in the end waits
    for those that live, does what the dead left, and merges.
    """
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()[:16]
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    board = Board(shared_store(who), f"csp {digest} {attempt}")
    own = Store(folder, header, f"results-{attempt}-{who.index}-of-{who.count}.jsonl")
    if not who.first:
        with board.alive(who.index):
            todo, place = board.told()
            if not Path(place).is_dir():
                raise ValueError(f"process {who.index} does not see {place}: --out must be a folder that all machines share")
            _Worker(job, own, board, who.index, lambda done: None).run(todo, model)
        board.leave(who.index)
        return None
    with _locked(folder):
        coordinator = _Coordinator(job, folder, header, tell)
        todo = np.asarray(coordinator.missing(), np.int64)
        folder.mkdir(parents=True, exist_ok=True)
        board.announce(todo, str(folder.resolve()))
        tell(0, len(todo))
        if len(todo):
            _Worker(job, own, board, 0, lambda done: tell(done, len(todo))).run(todo, model)
        _wait(board, who, lambda: tell(board.done(), len(todo)))
        left = np.asarray(coordinator.left(), np.int64)
        if len(left):
            again = Board(own_store(), "left")
            _Worker(job, coordinator.store, again, 0, lambda done: None).run(left, model)
        return coordinator.merge()


def _wait(board: Board, who: Rank, tell: Callable[[], None]) -> None:
    """Until every other process has left or has given no sign of life for a while."""
    heard = {other: (-1, time.monotonic()) for other in range(1, who.count)}
    while heard:
        for other, (beats, since) in list(heard.items()):
            now = board.beats(other)
            if now != beats:
                heard[other] = (now, time.monotonic())
            if board.left(other) or (now == beats and time.monotonic() - since > DEAD):
                del heard[other]
        tell()
        if heard:
            time.sleep(0.2)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep a second evaluation out of the folder. Raises ValueError where one is at work."""
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ValueError(f"another evaluation is writing to {folder}: choose another --out folder, or wait") from error
        yield


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
