"""Recorded runs: a list becomes a folder, a folder a gallery, and neither a list nor a folder is believed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_session import FakeSession
from PIL import Image
from synthetic import picture, result

from csp import record, recordings
from csp.reference import reference
from csp.types import Result
from csp.ui.recorded import Recorded, page


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    image, mask = picture(64, 96)
    Image.fromarray(image).save(tmp_path / "a.png")
    Image.fromarray(mask).save(tmp_path / "a-mask.png")
    rows = [
        {"image": "a.png", "query": "the red ball", "mask": "a-mask.png", "family": "ref"},
        {"scene": 3, "query": "a bench", "method": "fastv", "knobs": {"K": 2, "R": 61}, "seed": 5},
        {"image": "a.png", "query": "../../<b>&", "method": "full", "template": "chat"},
    ]
    (tmp_path / "runs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path / "runs.jsonl"


@pytest.fixture
def folder(listed: Path, tmp_path: Path) -> Path:
    record.record(FakeSession(), record.read_list(listed), tmp_path / "out")
    return tmp_path / "out"


def test_a_list_becomes_runs_with_all_that_they_are_looked_at_beside(folder):
    entries, refused = recordings.read(folder)
    assert refused == [] and [one.query for one in entries] == ["the red ball", "a bench", "../../<b>&"]
    assert [Result.open(folder / one.file).request.method for one in entries] == ["csp", "fastv", "full"]
    assert entries[0].iou_truth is not None and entries[1].iou_truth is None and entries[0].iou_dense is not None
    for one in entries:
        run = Result.open(folder / one.file)
        known = run.reference
        assert known is not None and known.dense is not None and known.cls is not None and known.instances is not None
        assert "/" not in one.file and (folder / one.file).stat().st_size == one.size
    assert Result.open(folder / entries[1].file).request.knobs["R"] == 61
    assert Result.open(folder / entries[2].file).request.template == "chat"
    assert list(folder.glob("*.partial")) == []


def test_it_goes_on_where_it_stopped(listed, tmp_path):
    session, out = FakeSession(), tmp_path / "out"
    lines = record.read_list(listed)
    record.record(session, lines[:1], out)
    ran = len(session.requests)
    told: list[str] = []
    made = record.record(session, lines, out, told.append)
    assert len(told) == 2 and len(session.requests) > ran and len(made) == 3
    ran = len(session.requests)
    assert record.record(session, lines, out) == made and len(session.requests) == ran, "all is there: nothing runs"
    (out / made[1].file).unlink()
    assert record.record(session, lines, out)[1].query == "a bench" and (out / made[1].file).exists()


def test_another_list_into_the_same_folder_keeps_what_was_there(listed, tmp_path):
    session, out = FakeSession(), tmp_path / "out"
    record.record(session, record.read_list(listed), out)
    listed.write_text(json.dumps({"scene": 1, "query": "the tree"}) + "\n")
    assert len(record.record(session, record.read_list(listed), out)) == 1
    assert [one.query for one in recordings.read(out)[0]] == ["the tree", "the red ball", "a bench", "../../<b>&"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("{", "line 1: it is not JSON"),
        ("[1]", "line 1: it must be an object"),
        ({"query": "x"}, "give an image or a scene"),
        ({"image": "a.png", "scene": 1, "query": "x"}, "give an image or a scene"),
        ({"image": "b.png", "query": "x"}, "image 'b.png' is no file"),
        ({"image": 7, "query": "x"}, "image 7 is no file"),
        ({"image": "a\0.png", "query": "x"}, "is no file"),
        ({"image": "a.png", "query": "x", "mask": "b.png"}, "mask 'b.png' is no file"),
        ({"scene": -1, "query": "x"}, "scene must be in 0.."),
        ({"scene": 1, "query": "  "}, "query must have 1 to 512 characters"),
        ({"scene": 1, "query": 3}, "query must have 1 to 512 characters"),
        ({"scene": 1, "query": "x", "method": "magic"}, "method must be one of"),
        ({"scene": 1, "query": "x", "knobs": {"Nc": 0}}, "Nc must be"),
        ({"scene": 1, "query": "x", "knobs": 3}, "knobs must be an object"),
        ({"scene": 1, "query": "x", "seed": -1}, "seed must be in 0.."),
        ({"scene": 1, "query": "x", "template": "loud"}, "template must be one of"),
        ({"scene": 1, "query": "x", "colour": "red"}, "'colour' is not one of image, scene"),
    ],
)
def test_a_line_that_will_not_do_is_named_before_anything_runs(listed, capsys, monkeypatch, tmp_path, row, says):
    monkeypatch.setattr("csp.checkpoints.load", lambda *a, **k: pytest.fail("a weight was read"))
    listed.write_text(row if isinstance(row, str) else json.dumps(row))
    assert record.main(["--list", str(listed), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert says in said and said.startswith("record: runs.jsonl, line 1") and said.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_mask_of_another_size_is_named_with_its_line(listed, tmp_path):
    Image.new("1", (5, 5), 1).save(tmp_path / "a-mask.png")
    with pytest.raises(ValueError, match=r"runs\.jsonl, line 1: the mask is \[5, 5\]"):
        record.record(FakeSession(), record.read_list(listed), tmp_path / "out")


def test_the_program_on_the_embedded_model(listed, tmp_path, capsys):
    listed.write_text('{"scene": 18, "query": "the dog"}\n')
    assert record.main(["--list", str(listed), "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr()
    assert "1 runs in" in shown.out and "1 of 1" in shown.err
    run = Result.open(next((tmp_path / "out").glob("*.npz")))
    known = run.reference
    assert known is not None and known.truth is not None and known.truth.any() and known.dense is not None
    assert (known.dense.mask & known.truth).any() and known.cls is not None and known.cls.shape == (256,)


def test_runs_without_an_index_and_files_that_are_none(tmp_path):
    result().save(tmp_path / "b.npz")
    replace(result("full"), request=replace(result().request, model="LISA-13B-v1")).save(tmp_path / "a.npz")
    (tmp_path / "c.npz").write_bytes(b"no run")
    entries, refused = recordings.read(tmp_path)
    assert [one.file for one in entries] == ["a.npz", "b.npz"] and entries[0].model == "LISA-13B-v1"
    assert len(refused) == 1 and refused[0].startswith("c.npz is not a saved run")


@pytest.mark.parametrize(
    "index",
    [
        "",
        "{",
        "[" * 5000,
        '{"runs": 3}',
        '{"runs": [3, {"file": "../../etc/passwd", "thumb": "data:image/jpeg;base64,"}]}',
        '{"runs": [{"file": "b.npz", "size": "large", "thumb": "data:image/svg+xml,<svg onload=alert(1)>"}]}',
    ],
)
def test_an_index_is_not_believed(tmp_path, index):
    result().save(tmp_path / "b.npz")
    (tmp_path / "index.json").write_text(index)
    entries, _ = recordings.read(tmp_path)
    assert [one.file for one in entries] == ["b.npz"] and entries[0].thumb.startswith("data:image/jpeg;base64,/9j/")


def test_a_run_that_was_written_anew_is_opened_anew(folder):
    entries, _ = recordings.read(folder)
    Result.open(folder / entries[0].file)
    replace(result(query="another one"), reference=None).save(folder / entries[0].file)
    assert recordings.read(folder)[0][0].query == "another one"


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"holds no saved run: put files there"):
        recordings.read(tmp_path)
    with pytest.raises(ValueError, match=r"is no folder: make one with python -m csp.record"):
        recordings.read(tmp_path / "nowhere")


def test_the_page_opens_only_what_its_gallery_shows(folder):
    recorded = Recorded(folder)
    (folder.parent / "secret.npz").write_bytes((folder / recorded.entries[0].file).read_bytes())
    for file in (None, 7, ["a"], "", "../secret.npz", str(folder.parent / "secret.npz"), "nothing.npz"):
        assert recorded.packet(file) == {"error": "there is no such run here: choose one of the gallery"}
    packet = recorded.packet(recorded.entries[0].file)
    assert packet["opened"] and {"cls", "instance", "dense", "truth"} <= set(packet["arrays"])


def test_the_page_says_when_a_file_went_away(folder):
    recorded = Recorded(folder)
    file = recorded.entries[0].file
    (folder / file).write_bytes(b"gone")
    assert "is not a saved run" in recorded.packet(file)["error"]
    (folder / file).unlink()
    assert "error" in recorded.packet(file)


def test_the_page_needs_neither_torch_nor_a_model(folder):
    code = (
        "import sys; sys.modules['torch'] = None; from csp.ui import build_recorded, launch_options; "
        f"demo = build_recorded({str(folder)!r}); launch_options(); "
        "assert not {'transformers', 'csp.models', 'csp.session'} & set(sys.modules); print(len(demo.blocks))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert out.returncode == 0, out.stderr[-2000:]


def test_app_says_what_is_wrong_with_the_folder(tmp_path):
    app = Path(__file__).parents[1] / "app.py"
    run = [sys.executable, str(app), "--runs", str(tmp_path), "--port", "39417"]
    out = subprocess.run(run, capture_output=True, text=True, cwd=app.parent)
    assert out.returncode == 2 and "holds no saved run" in out.stderr and "Traceback" not in out.stderr


def test_what_a_gallery_shows_of_a_run(folder):
    shown = Recorded(folder).gallery()["runs"][0]
    assert shown["numbers"].startswith("N_avg 73 of 256 · IoU true ") and shown["alt"] and shown["model"] == "park"
    assert page(folder).title == "LVLM_CSP: recorded runs"


def test_large_instances_do_not_make_large_files(tmp_path):
    class Large(FakeSession):
        def objects(self, image: np.ndarray, conf: float = 0.25) -> np.ndarray:
            return np.ones((40, 3000, 3000), bool)

    run = result()
    replace(run, reference=reference(Large(), run.request)).save(tmp_path / "run.npz")
    assert (tmp_path / "run.npz").stat().st_size < 2 * 2**20
