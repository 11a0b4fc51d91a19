"""Many processes: nothing lost, nothing counted twice, nobody waited for in vain, whoever is killed."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import write_park_folder
from PIL import Image

from csp import evaluate
from csp.evaluation import processes
from csp.evaluation.board import Board, host_store, own_store, reach_store
from csp.evaluation.processes import Job, collect, gather
from csp.evaluation.ranks import Rank, alone_of, rank
from csp.evaluation.runs import DENSE, Run
from csp.evaluation.store import Row, Store
from csp.methods.full import Full
from csp.samples import DataSource, FolderSource, ParkSource

SETS = Path(__file__).parent / "data/sets"


def row(scene: str, of: int = 1, query: int = 0, **more: Any) -> Row:
    return {"scene": scene, "query": query, "run": DENSE, "of": of, **more}


def without_time(rows: Sequence[Row]) -> list[Row]:
    return [{k: v for k, v in r.items() if k != "ms"} for r in rows]


PICTURES = 12


def job(folder: Path, count: int = PICTURES) -> Job:
    return Job(str(folder), ParkSource("test", count, families=("ref",)), (Run(DENSE, Full()),), {"device": "cpu"})


def test_pictures_are_handed_out_once_each_to_whoever_asks() -> None:
    store = host_store()
    Board(store, "x").announce(range(40))
    taken: dict[int, list[int]] = {k: [] for k in range(4)}

    def ask(k: int) -> None:
        board = Board(reach_store(store.port), "x")
        todo, _ = board.told()
        for index in board.claims(todo):
            taken[k].append(index)
            time.sleep(0.02 if k == 0 else 0.001)

    threads = [threading.Thread(target=ask, args=(k,)) for k in taken]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert sorted(index for taken_by in taken.values() for index in taken_by) == list(range(40))
    assert len(taken[0]) < 10  # the slow one holds nobody up


def test_a_process_that_looks_later_is_told_the_same_list(tmp_path: Path) -> None:
    # The first decides. A second that listed what is done by itself, once rows were there, got another list: silent loss.
    store = own_store()
    first, second = Board(store, "x"), Board(store, "x")
    first.announce([0, 1, 2, 3])
    claims = first.claims(first.told()[0])
    assert next(claims) == 0
    writing = Store(tmp_path, {}, "results-0.jsonl")
    writing.write([row("s0")])
    assert list(second.claims(second.told()[0])) == [1, 2, 3]


def test_a_store_tells_whole_pictures_from_half_written_ones(tmp_path: Path) -> None:
    one, two = Store(tmp_path, {"a": 1}, "results-0-0.jsonl"), Store(tmp_path, {"a": 1}, "results-0-1.jsonl")
    one.write([row("s0", 2), row("s0", 2, 1)])
    one.write([row("s1", 2)])  # stopped here
    one.write([row("s1", 2), row("s1", 2, 1)])  # and done again
    two.write([row("s2", 2)])
    two.write([{"scene": "s3", "bad": "torn", "of": 1}])
    one.close(), two.close()
    with (tmp_path / "results-0-1.jsonl").open("a") as file:
        file.write('{"scene": "s4", "que')
    store = Store(tmp_path, {"a": 1})
    done, tried = store.done(), store.tried()
    assert set(done) == {"s0", "s1"} and set(tried) == {"s3"}
    rows = store.finish([done["s1"], tried["s3"], done["s0"]])
    assert [r["scene"] for r in rows] == ["s1", "s1", "s0", "s0"] and rows.bad == {"s3": "torn"}
    assert [file.name for file in tmp_path.iterdir()] == ["results.jsonl"]
    assert set(Store(tmp_path, {"a": 1}).done()) == {"s0", "s1"}
    with pytest.raises(ValueError, match="another evaluation"):
        Store(tmp_path, {"a": 2}).done()


def test_a_million_rows_take_no_more_memory_than_a_thousand(tmp_path: Path) -> None:
    import tracemalloc

    def peak(rows_a_picture: int) -> int:
        folder = tmp_path / str(rows_a_picture)
        store = Store(folder, {}, "results-0.jsonl")
        for i in range(20):
            store.write([row(f"s{i}", rows_a_picture, q, pad="x" * 200) for q in range(rows_a_picture)])
        store.close()
        tracemalloc.start()
        rows = Store(folder, {}).finish(list(Store(folder, {}).done().values()))
        assert sum(1 for _ in rows) == 20 * rows_a_picture
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    # Twenty times the rows; what is held at once is one picture's.
    assert peak(400) < 400 * 20 * 100


def test_the_end_checks_that_every_picture_has_rows(
    park_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Board, "claims", lambda self, todo, block=1: iter([int(todo[0])]))
    with pytest.raises(ValueError, match=r"3 of 4 pictures have no rows \(test-1, test-2, test-3"):
        gather(job(park_folder, 4), tmp_path)


def test_the_model_is_loaded_once(park_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from csp import checkpoints
    from csp.evaluate import main

    loaded: list[str] = []
    real = checkpoints.load
    monkeypatch.setattr(checkpoints, "load", lambda name, **options: loaded.append(name) or real(name, **options))
    arguments = ["--model", str(park_folder), "--device", "cpu", "--scenes", "1", "--family", "ref", "--out", str(tmp_path)]
    assert main(arguments) == 0 and len(loaded) == 1


@pytest.fixture(scope="module")
def alone(park_folder: Path) -> list[Row]:
    return without_time(collect(job(park_folder)))


def kill_at(folder: Path, pictures: int, signal_at: int, start: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start an evaluation, and once rows of so many pictures are there, kill one of the processes below it."""
    process = subprocess.Popen(start, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    until = time.monotonic() + 200
    while time.monotonic() < until and process.poll() is None:
        rows = sum(len(f.read_text().splitlines()) - 1 for f in folder.glob("results-*.jsonl"))
        if rows >= pictures:
            below = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            workers = [pid for pid in below if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            if workers:
                os.kill(int(workers[0]), signal_at)
                return process
        time.sleep(0.005)
    raise AssertionError(f"it was over before a process could be killed: {process.communicate()}")


def arguments(folder: Path, out: Path, scenes: int = PICTURES) -> list[str]:
    return [
        sys.executable, "-m", "csp.evaluate", "--model", str(folder), "--device", "cpu", "--family", "ref",
        "--scenes", str(scenes), "--out", str(out),
    ]  # fmt: skip


def test_one_of_two_is_killed_and_the_other_finishes(park_folder: Path, alone: list[Row], tmp_path: Path) -> None:
    process = kill_at(tmp_path, 1, signal.SIGKILL, [*arguments(park_folder, tmp_path), "--jobs", "2"])
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said.decode()
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert without_time(lines[1:]) == alone


def test_the_papers_tables_on_two_processes_with_a_kill(tmp_path: Path) -> None:
    """`--suite paper` as it is called, on the golden RefCOCOg: the report of a run in which one of two is killed is that of a
    run by one process.
    """
    model = write_park_folder(tmp_path / "model", layers=32, image_size=224, yolo=False)
    root = tmp_path / "sets/refer_seg"
    shutil.copytree(SETS / "refer_seg/refcocog", root / "refcocog")
    shutil.copytree(SETS / "refer_seg/images", root / "images")
    asked = ["--model", str(model), "--device", "cpu", "--suite", "paper", "--tables", "5", "--seeds", "1"]
    asked += ["--data-root", str(root.parent)]
    out, one = tmp_path / "two", tmp_path / "one"
    start = [sys.executable, "-m", "csp.evaluate", *asked, "--out", str(out), "--jobs", "2"]
    process = kill_at(out / "refcocog-val", 1, signal.SIGKILL, start)
    _, said = process.communicate(timeout=400)
    assert process.returncode == 0, said.decode()
    assert evaluate.main([*asked, "--out", str(one)]) == 0

    def told(folder: Path) -> tuple[list[list[str]], Any]:
        rows = [line[:-1] for line in csv.reader((folder / "rows.csv").open())]
        tables = json.loads((folder / "report.json").read_text())["tables"]
        return rows, [[{k: v for k, v in row.items() if k != "ms"} for row in table["rows"]] for table in tables]

    rows, tables = told(out)
    assert (rows, tables) == told(one) and len(tables[0]) >= 10
    assert {row[0] for row in rows[1:]} == {"refcocog:val", "refcocog:test"} and not list(out.glob("*/results-*.jsonl"))


def test_all_are_killed_and_another_number_of_processes_goes_on(park_folder: Path, tmp_path: Path) -> None:
    many = 60
    process = subprocess.Popen([*arguments(park_folder, tmp_path, many), "--jobs", "2"], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 200
    while time.monotonic() < until and not any(f.stat().st_size > 900 for f in tmp_path.glob("results-*.jsonl")):
        time.sleep(0.01)
    process.kill()
    process.wait()
    ran: list[int] = []
    rows = gather(job(park_folder, many), tmp_path, 1, header_in(tmp_path), lambda done, of: ran.append(of))
    assert 0 < ran[0] < many
    assert rows is not None and without_time(list(rows)) == without_time(collect(job(park_folder, many)))


def header_in(folder: Path) -> Any:
    first = next(iter(folder.glob("results-*.jsonl"))).read_text().splitlines()[0]
    time.sleep(1)  # orphans end when they miss their parent
    return json.loads(first)["header"]


@pytest.mark.parametrize(
    "launcher",
    [
        ["torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
        ["accelerate.commands.launch", "--cpu", "--num_processes", "2", "--main_process_port", "0"],
    ],
    ids=["torchrun", "accelerate"],
)
def test_launchers_give_the_same_rows(launcher: list[str], park_folder: Path, alone: list[Row], tmp_path: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if k not in ("WORLD_SIZE", "RANK", "LOCAL_RANK")}
    start = [sys.executable, "-m", *launcher, *arguments(park_folder, tmp_path)[1:]]
    done = subprocess.run(start, capture_output=True, text=True, timeout=400, env=clean)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert without_time(lines[1:]) == alone and [f.name for f in tmp_path.glob("*.jsonl")] == ["results.jsonl"]


def test_a_dead_process_of_another_machine_is_not_waited_for(
    park_folder: Path, alone: list[Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = own_store()
    monkeypatch.setattr(processes, "shared_store", lambda who: store)
    monkeypatch.setattr(processes, "rank", lambda: Rank(0, 2))
    monkeypatch.setattr(processes, "DEAD", 0.5)
    real = Board.announce

    def taken_by_the_other(self: Board, todo: Any, folder: str = "") -> None:
        real(self, todo, folder)
        self._store.add("taken", 1)  # and never heard of again

    monkeypatch.setattr(Board, "announce", taken_by_the_other)
    rows = gather(job(park_folder), tmp_path)
    assert rows is not None and without_time(list(rows)) == alone


def triples(folder: Path) -> FolderSource:
    lines = []
    for name in "abc":
        Image.new("RGB", (40, 30), "red").save(folder / f"{name}.png")
        Image.fromarray(np.eye(30, 40, dtype=bool)).save(folder / f"{name}-mask.png")
        lines.append({"image": f"{name}.png", "query": "the red ball", "mask": f"{name}-mask.png"})
    (folder / "samples.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return FolderSource(folder)


def test_a_damaged_picture_is_named_and_alone_made_again(park_folder: Path, tmp_path: Path) -> None:
    own, out = tmp_path / "own", tmp_path / "out"
    own.mkdir()
    source = triples(own)
    whole = (own / "b.png").read_bytes()
    (own / "b.png").write_bytes(whole[:40])
    work = Job(str(park_folder), source, (Run(DENSE, Full()),), {"device": "cpu"})
    rows = gather(work, out, header={"samples": source.describe()})
    assert rows is not None and [r["scene"] for r in rows] == ["a.png", "c.png"]
    assert list(rows.bad) == ["b.png"] and "not a picture that can be read" in rows.bad["b.png"]
    (own / "b.png").write_bytes(whole)
    ran: list[int] = []
    rows = gather(work, out, 1, {"samples": FolderSource(own).describe()}, lambda done, of: ran.append(of))
    assert rows is not None and [r["scene"] for r in rows] == ["a.png", "b.png", "c.png"] and not rows.bad
    assert ran[0] == 1
    Image.new("RGB", (40, 30), "blue").save(own / "c.png")
    assert gather(work, out, 1, {"samples": source.describe()}, lambda done, of: ran.append(of)) is not None
    assert ran[-1] == 1


def test_nothing_but_damaged_pictures_is_an_error(park_folder: Path, tmp_path: Path) -> None:
    source = triples(tmp_path)
    for path in tmp_path.glob("?.png"):
        path.write_bytes(b"no")
    with pytest.raises(ValueError, match="none of the pictures could be scored; the first: this file is not a picture"):
        gather(Job(str(park_folder), source, (Run(DENSE, Full()),), {"device": "cpu"}), tmp_path / "out")


class Deadly(ParkSource):
    """Its second picture ends whoever reads it."""

    def samples(self, index: int) -> Any:
        if index == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().samples(index)


def test_a_picture_that_ends_its_process_is_named_in_the_end(park_folder: Path, tmp_path: Path) -> None:
    work = Job(str(park_folder), Deadly("test", 3, families=("ref",)), (Run(DENSE, Full()),), {"device": "cpu"})
    rows = gather(work, tmp_path, jobs=2)
    assert rows is not None and rows.bad == {"test-1": "it ended its process 2 times (signal 9)"}
    assert [r["scene"] for r in rows] == ["test-0", "test-2"]


def test_two_evaluations_do_not_write_to_one_folder(park_folder: Path, tmp_path: Path) -> None:
    with processes._locked(tmp_path), pytest.raises(ValueError, match="another evaluation is writing"):
        gather(job(park_folder), tmp_path)


def test_readers_change_nothing(park_folder: Path) -> None:
    source = DataSource("refcoco:testA", SETS)
    runs = (Run(DENSE, Full()),)
    plain = collect(Job(str(park_folder), source, runs, {"device": "cpu"}))
    ahead = collect(Job(str(park_folder), source, runs, {"device": "cpu"}, readers=1))
    assert without_time(plain) == without_time(ahead) and len(plain) == 6


def test_who_a_process_is() -> None:
    met = {"MASTER_ADDR": "a", "MASTER_PORT": "1"}
    assert rank({}) == Rank() and rank({"WORLD_SIZE": "1", "RANK": "0"}) == Rank()
    assert rank({"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1", **met}) == Rank(3, 4, 1)
    assert rank({"PMI_SIZE": "2", "PMI_RANK": "1", **met}) == Rank(1, 2, 1)
    with pytest.raises(ValueError, match="WORLD_SIZE is 2, but RANK"):
        rank({"WORLD_SIZE": "2"})
    assert alone_of({}) == 1 and alone_of({"WORLD_SIZE": "2", "ACCELERATE_MIXED_PRECISION": "no", **met}) == 1
    with pytest.raises(ValueError, match=r"started one.*torchrun"):
        alone_of({"ACCELERATE_MIXED_PRECISION": "no", **met})
