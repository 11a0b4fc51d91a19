"""What processes of one evaluation tell one another: which pictures are to be done, who took which, who is alive.

One process decides what is to be done. Pictures are handed out one by one as they are asked for, so that a slow process
holds up nobody; what a dead one took is found missing in the end and done again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any

import numpy as np

from csp.evaluation.ranks import Rank

PATIENCE = timedelta(minutes=30)
"""How long a process waits to be told what there is to do: another may still be reading rows."""
MEETING = timedelta(minutes=3)
"""How long processes try to reach one another: all load the model first."""
BEAT = 2.0
"""Seconds between signs of life."""


class Board:
    """Keys of one evaluation in a store of torch's, which many processes see."""

    def __init__(self, store: Any, name: str) -> None:
        self._store: Any = _torch().PrefixStore(name, store)

    def announce(self, todo: Sequence[int] | np.ndarray, folder: str = "") -> None:
        self._store.set("folder", folder)
        self._store.set("todo", np.asarray(todo, np.int64).tobytes() or b"-")

    def told(self) -> tuple[np.ndarray, str]:
        """What is to be done, and where rows go: waits until it is announced."""
        data = self._store.get("todo")
        return np.frombuffer(b"" if data == b"-" else data, np.int64), self._store.get("folder").decode()

    def claims(self, todo: Sequence[int] | np.ndarray, block: int = 1) -> Iterator[int]:
        """Pictures for this process, ``block`` at a time while there are many, until none is left."""
        count, taken = len(todo), 0
        while taken < count:
            size = block if count - taken > 16 * block else 1
            taken = self._store.add("taken", size)
            yield from map(int, todo[taken - size : min(taken, count)])

    @contextmanager
    def working(self, who: int, index: int) -> Iterator[None]:
        """Tells that ``who`` is at a picture, and then that it is done."""
        self._store.set(f"at/{who}", str(index))
        yield
        self._store.set(f"at/{who}", "")
        self._store.add("done", 1)

    def done(self) -> int:
        return int(self._store.add("done", 0))

    def at(self, who: int) -> int | None:
        """The picture that a process was at when it was last heard of."""
        if not self._store.check([f"at/{who}"]):
            return None
        told = self._store.get(f"at/{who}").decode()
        return int(told) if told else None

    def fail(self, message: str) -> None:
        self._store.set("failed", message)

    def failure(self) -> str | None:
        return self._store.get("failed").decode() if self._store.check(["failed"]) else None

    def leave(self, who: int) -> None:
        self._store.set(f"left/{who}", "1")

    def left(self, who: int) -> bool:
        return bool(self._store.check([f"left/{who}"]))

    def beats(self, who: int) -> int:
        return int(self._store.add(f"beat/{who}", 0))

    @contextmanager
    def alive(self, who: int) -> Iterator[None]:
        """Signs of life while the block runs."""
        stop = threading.Event()

        def beat() -> None:
            while not stop.wait(BEAT):
                try:
                    self._store.add(f"beat/{who}", 1)
                except RuntimeError:  # the store went with its host
                    return

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


def _torch() -> Any:
    """torch's stores, which its annotations do not name."""
    return import_module("torch.distributed")


def own_store() -> Any:
    """A store for this process alone."""
    return _torch().HashStore()


def host_store() -> Any:
    """A store that processes of this machine can reach at ``.port``."""
    return _torch().TCPStore("127.0.0.1", 0, None, True, PATIENCE, wait_for_workers=False)


def reach_store(port: int) -> Any:
    return _torch().TCPStore("127.0.0.1", port, None, False, PATIENCE, wait_for_workers=False)


def shared_store(who: Rank) -> Any:
    """The store at the launcher's address; its first process keeps it unless the launcher itself does."""
    agent = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    if not port:
        raise ValueError("MASTER_PORT is 0, where nobody meets: name a free port, or torchrun's --standalone")
    try:
        hosts = who.first and not agent
        store = _torch().TCPStore(address, port, None, hosts, MEETING, wait_for_workers=False, multi_tenant=True)
        store.set_timeout(PATIENCE)
        return store
    except (RuntimeError, OSError) as error:
        raise ValueError(f"process {who.index} of {who.count} cannot reach {address}:{port} ({str(error)[:100]})") from error
