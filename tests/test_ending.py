"""The page told to stop: what runs may end, what waits is refused in words, and no folder is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from csp.bench.start import free_port, wait
from csp.bench.visitor import Visitor
from csp.ui import ending
from csp.ui.address import PREFIX

PAGE = """
import os, sys
from fake_session import FakeSession
from csp.ui import build, launch_options, leaving_cleanly, own_folder, until_stopped
port, seconds, patience = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
with leaving_cleanly():
    os.environ["GRADIO_TEMP_DIR"] = str(own_folder())
    session = FakeSession()
    demo = build(session)
    session.wait = seconds
    demo.launch(server_port=port, prevent_thread_lock=True, quiet=True, **launch_options())
    sys.exit(until_stopped(demo, session.turns, patience))
"""
TESTS = Path(__file__).parent


@contextmanager
def served(folder: Path, seconds: float, patience: float) -> Iterator[tuple[str, subprocess.Popen]]:
    port = free_port()
    environment = os.environ | {"TMPDIR": str(folder), "PYTHONPATH": f"{TESTS}:{TESTS.parent}"}
    command = [sys.executable, "-c", PAGE, str(port), str(seconds), str(patience)]
    app = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        wait(f"http://127.0.0.1:{port}/robots.txt", app)
        assert list(folder.glob(f"{PREFIX}{app.pid}-*"))
        yield f"http://127.0.0.1:{port}", app
    finally:
        app.kill()
        app.wait()


def asks(url: str, word: str, answers: dict[str, dict]) -> threading.Thread:
    visitor = Visitor(url)
    visitor.open()

    def work() -> None:
        try:
            answers[word] = visitor.call("run", {"query": word, "source": "scene:3", "method": "csp", "knobs": {}, "seed": 0})
        except Exception as error:
            answers[word] = {"broken": repr(error)}

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_the_run_at_the_model_ends_and_the_others_are_refused_in_words(tmp_path: Path) -> None:
    answers: dict[str, dict] = {}
    with served(tmp_path, 1.5, 60) as (url, app):
        threads = [asks(url, word, answers) for word in ("one", "two", "three")]
        time.sleep(1)
        began = time.monotonic()
        app.send_signal(signal.SIGTERM)
        code = app.wait(60)
        told = app.stderr.read()
        for thread in threads:
            thread.join(10)
    assert code == 0 and time.monotonic() - began < 30
    assert "broken" not in json.dumps(answers), answers
    # A board's run is a dense one and its own: the second of them comes too late.
    assert sum("error" in answer for answer in answers.values()) == 3
    assert {answer["error"] for answer in answers.values()} == {ending.WORDS}
    assert "Traceback" not in told and "stopping" in told
    assert not list(tmp_path.glob(f"{PREFIX}*"))


def test_a_run_that_takes_too_long_is_cut_off(tmp_path: Path) -> None:
    with served(tmp_path, 120, 0.5) as (url, app):
        asks(url, "slow", {})
        time.sleep(1)
        app.send_signal(signal.SIGINT)
        assert app.wait(30) == 1
        assert "was cut off" in app.stderr.read()
    assert not list(tmp_path.glob(f"{PREFIX}*"))


def test_a_page_that_is_told_to_stop_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import time; from csp.ui import leaving_cleanly, own_folder\n"
        "with leaving_cleanly():\n    print(own_folder(), flush=True)\n    time.sleep(60)"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(TESTS.parent)}
    app = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
    made = Path(app.stdout.readline().strip())
    assert made.is_dir()
    app.terminate()
    assert app.wait(30) == 128 + signal.SIGTERM
    assert not made.exists()
