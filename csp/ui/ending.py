"""How a page ends: told to stop, it lets the run at the model end, refuses the others in words, and leaves nothing behind."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from csp.ui.address import remove_own_folder
from csp.ui.cores import give_back

if TYPE_CHECKING:
    import gradio as gr

    from csp.turns import Turns

PATIENCE = 10.0
"""Seconds that runs under way have to end, and answers to be sent."""
TIDYING = 3.0
"""Seconds between two times that free memory is handed back: what runs leave free between them counts as the page's."""
WORDS = "the page is being stopped: ask again when it runs again"
SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def leaving_cleanly() -> Iterator[None]:
    """Have a signal to stop end the program as `sys.exit` does while it starts, so that its temporary folder goes with it."""

    def leave(number: int, _: Any) -> None:
        sys.exit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.signal(each, leave) for each in SIGNALS}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def until_stopped(page: gr.Blocks, turns: Turns | None = None, patience: float = PATIENCE) -> int:
    """Serve a launched page until SIGTERM or Ctrl-C, handing free memory back now and then; returns 0. A second signal ends the
    program at once, and a run that outlasts `patience` is cut off: the program then ends here, with 1.
    """
    told = threading.Event()
    before = {each: signal.signal(each, lambda *_: told.set()) for each in SIGNALS}
    gc.freeze()  # what is here to stay need not be looked through each time
    tidied = time.monotonic()
    while not told.wait(0.5):
        if time.monotonic() - tidied >= TIDYING:
            give_back()
            tidied = time.monotonic()
    gc.unfreeze()
    for each in SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    try:
        _say(f"stopping; what is under way has {patience:g} s to end")
        if turns is not None and not _drained(page, turns, patience):
            remove_own_folder()
            _say("a run took longer and was cut off")
            os._exit(1)
        page.close(verbose=False)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    return 0


def _say(words: str) -> None:
    sys.stderr.write(f"app: {words}\n")
    sys.stderr.flush()


def _drained(page: gr.Blocks, turns: Turns, patience: float) -> bool:
    """Let nobody in any more, and wait for the run at the model and for the answers of Gradio's queue."""
    turns.close(WORDS)
    end = time.monotonic() + patience
    while turns.waiting and time.monotonic() < end:
        time.sleep(0.02)
    queue = getattr(page, "_queue", None)
    while any(getattr(queue, "active_jobs", ())) and time.monotonic() < end:
        time.sleep(0.02)
    return not turns.waiting
