"""A running page for tests, over a fake session."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from fake_session import FakeSession


@contextlib.contextmanager
def page(
    folder: Path, wait: float = 0.0, kind: type[FakeSession] = FakeSession, mcp: bool = False
) -> Iterator[tuple[str, FakeSession]]:
    """Serve the page from a free port; yields its address and the session behind it."""
    before = {name: os.environ.get(name) for name in ("GRADIO_ANALYTICS_ENABLED", "GRADIO_TEMP_DIR")}
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", GRADIO_TEMP_DIR=str(folder))
    from csp.ui import build, launch_options, offer

    session = kind(wait)
    demo = build(session)
    try:
        _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options(mcp=mcp))
        if mcp:
            offer(demo)
        yield url.rstrip("/"), session
    finally:
        demo.close()
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
