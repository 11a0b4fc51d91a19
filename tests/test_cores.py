"""Threads fitted to what a process may use, as containers tell it."""

from __future__ import annotations

import gc
import os
import platform
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path
from types import SimpleNamespace

import pytest

import app
from csp.ui import cores, until_stopped

ROOT = Path(__file__).parents[1]


def groups(folder: Path, own: str, **files: str) -> tuple[Path, Path]:
    for name, words in files.items():
        file = folder / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(words)
    (folder / "own").write_text(own)
    return folder / "groups", folder / "own"


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "10000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {}, None),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, 3),
        ("0::/a/b\n", {"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "100000 100000\n"}, 1),
        ("4:memory:/x\n3:cpu,cpuacct:/x\n", {"cpu/x/cpu.cfs_quota_us": "400000", "cpu/x/cpu.cfs_period_us": "100000"}, 4),
        ("3:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("0::/../up\n", {"cpu.max": "rubbish\n"}, None),
    ],
)
def test_what_control_groups_grant(tmp_path: Path, own: str, files: dict[str, str], expected: int | None) -> None:
    assert cores.granted(*groups(tmp_path, own, **files)) == expected


@pytest.mark.parametrize(("granted", "expected"), [(None, None), (1, 1), (2, 2), (3, 3), (4, None), (9, None)])
def test_only_a_share_below_what_torch_would_take_is_told(
    monkeypatch: pytest.MonkeyPatch, granted: int | None, expected: int | None
) -> None:
    monkeypatch.setattr(cores, "granted", lambda: granted)
    monkeypatch.setattr(cores, "bound", lambda: 4)
    assert cores.fitted() == expected


@pytest.mark.parametrize(
    ("flags", "told", "expected"),
    [([], {}, "3"), ([], {"OMP_NUM_THREADS": "2"}, "2"), (["--threads", "5"], {"OMP_NUM_THREADS": "2"}, "5")],
)
def test_the_page_begins_with_as_many(
    monkeypatch: pytest.MonkeyPatch, flags: list[str], told: dict[str, str], expected: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "")  # put back in the end, whatever the program makes of it
    monkeypatch.delenv("OMP_NUM_THREADS")
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cores, "fitted", lambda: 3)
    monkeypatch.setattr(app, "_serve", lambda *_: int(os.environ["OMP_NUM_THREADS"]))
    monkeypatch.setattr("csp.ui.check_address", lambda *_: None)
    assert app.main(flags) == int(expected)


def test_the_memory_of_many_threads_is_kept_in_few_places(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(cores.ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=lambda *args: asked.append(args)))
    cores.steady_heap()
    assert (-8, 2) in asked, "M_ARENA_MAX of glibc's malloc.h"
    # A library that has no such choice is left as it is.
    monkeypatch.setattr(cores.ctypes, "CDLL", lambda _: SimpleNamespace())
    cores.steady_heap()


def test_torch_takes_them() -> None:
    """The variable is there before torch is: nothing that the page needs to set it loads torch."""
    lines = "import sys, os; import csp.ui, csp.ui.cores; assert 'torch' not in sys.modules; os.environ['OMP_NUM_THREADS'] = '1'"
    lines += "; import torch; assert torch.get_num_threads() == 1"
    subprocess.run([sys.executable, "-c", lines], cwd=ROOT, check=True)


@pytest.mark.parametrize("value", ["0", "-1", "1000", "two"])
def test_a_number_of_threads_that_will_not_do(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = app.main(["--threads", value])
    except SystemExit as error:
        code = error.code
    assert code == 2 and "threads" in capsys.readouterr().err


APART = """
from pathlib import Path
import numpy as np
from csp.ui.cores import steady_heap
def resident(): return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
def work(): # arrays come and go while small things between them stay
    kept = []
    for _ in range(40):
        large = [np.ones(3_000_000, np.uint8) for _ in range(4)]
        kept.append(np.ones(100_000, np.uint8))
    return kept, large
steady_heap()
np.ones(3_000_000, np.uint8)
before = resident()
for _ in range(3):
    kept, large = work()
del large
print(resident() - before - 40 * 100_000)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told where arrays lie")
def test_what_comes_and_goes_leaves_nothing_between_what_is_kept() -> None:
    told = subprocess.run([sys.executable, "-c", APART], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(told.stdout) < 8e6, "else some 29 MB"


RESIDENT = """
import sys
from pathlib import Path
import numpy as np
from csp.ui.cores import give_back
def resident(): return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
held = [np.ones(100_000, np.uint8) for _ in range(3000)]
held = held[::50]
before = resident()
give_back()
print(before - resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc hands memory back when told to")
def test_memory_between_what_is_kept_is_handed_back() -> None:
    told = subprocess.run([sys.executable, "-c", RESIDENT], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(told.stdout) > 200e6, "of 300 MB all but 6"


def test_what_only_holds_itself_is_let_go() -> None:
    class Call:
        def __init__(self) -> None:
            self.own = self

    gc.disable()
    try:
        seen = weakref.ref(Call())
        assert seen() is not None
        cores.give_back()
        assert seen() is None
    finally:
        gc.enable()


def test_a_system_without_glibc_goes_on_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows has no library by no name."""

    def refuse(name: str | None) -> None:
        raise TypeError(f"LoadLibrary() argument 1 must be str, not {name}")

    monkeypatch.setattr(cores.ctypes, "CDLL", refuse)
    cores.steady_heap()
    cores.give_back()


def test_a_page_hands_memory_back_while_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[float] = []

    def give_back() -> None:
        handed.append(time.monotonic())
        assert gc.get_freeze_count() > 1000, "what was there before the page is not looked through again"
        if len(handed) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("csp.ui.ending.give_back", give_back)
    monkeypatch.setattr("csp.ui.ending.TIDYING", 0.1)
    page = SimpleNamespace(close=lambda verbose: None)
    assert until_stopped(page) == 0 and len(handed) == 3  # type: ignore[arg-type]
    assert gc.get_freeze_count() == 0
