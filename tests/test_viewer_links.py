"""Links, saved runs and the lines of Python: what leaves the page comes back as it was, and nothing else does."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from fake_session import FakeSession
from hypothesis import given, settings, strategies as st
from synthetic import result

from csp import archive_bounds
from csp.types import Result
from csp.ui import permalink, saved
from csp.ui.explore import Explore
from csp.ui.page import Shown


@pytest.fixture(scope="module")
def explore() -> Explore:
    return Explore(FakeSession())


def controls(explore: Explore, **changes) -> dict:
    start = {"source": "scene:17", "query": "the red ball", "image": None, **permalink.defaults(explore)}
    return start | changes


@settings(max_examples=40)
@given(drawn=st.data())
def test_a_link_says_what_was_set(drawn):
    explore = Explore(SimpleNamespace(card=FakeSession().card, catalogue=FakeSession().catalogue))
    Lc = drawn.draw(st.integers(0, 32))
    now = controls(
        explore,
        source=f"scene:{drawn.draw(st.integers(0, 2**31 - 1))}",
        query=drawn.draw(st.text(min_size=1, max_size=60).filter(str.strip)).strip(),
        Lc=Lc,
        Ls=drawn.draw(st.integers(0, 32 - Lc)),
        Nc=drawn.draw(st.integers(1, 256)),
        Np=drawn.draw(st.integers(1, 256)),
        cluster=drawn.draw(st.sampled_from(explore.choices("cluster"))),
        row=drawn.draw(st.sampled_from(explore.choices("row"))),
        method=drawn.draw(st.sampled_from(sorted(explore.methods))),
        seed=drawn.draw(st.integers(0, 2**31 - 1)),
        threshold=drawn.draw(st.integers(-80, 80)) / 10,
        opacity=drawn.draw(st.integers(0, 20)) / 20,
        head=drawn.draw(st.sampled_from(["mean", "0", "3"])),
    )
    read, notes = permalink.read(explore, permalink.link(explore, now))
    assert notes == []
    for name, value in now.items():
        if name != "image":
            assert read.get(name, permalink.defaults(explore).get(name)) == value, name


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"Nc": "300"}, "Nc must be in 1..256, got 300"),
        ({"Nc": "8.5"}, "Nc must be an integer in 1..256, got '8.5'"),
        ({"Nc": "-1"}, "Nc must be an integer"),
        ({"Nc": "٣"}, "Nc must be an integer"),
        ({"Lc": "9" * 400}, "Lc must be an integer"),
        ({"scene": "x"}, "scene must be an integer"),
        ({"cluster": "kmeans"}, "cluster must be one of random, uniform, cls, seg-first, got 'kmeans'"),
        ({"method": "<script>"}, "method must be one of"),
        ({"threshold": "nan"}, "threshold must be a number in -8.0..8.0"),
        ({"threshold": "1e9"}, "threshold must be a number"),
        ({"opacity": ""}, "opacity must be a number"),
        ({"head": "../1"}, "head must be mean or a number"),
        ({"query": " "}, "query must have 1 to 512 characters"),
        ({"query": "a" * 513}, "query must have 1 to 512 characters"),
        ({"cmap": "jet"}, "cmap must be one of"),
        ({"seed": str(2**31)}, "seed must be in 0..2147483647"),
        ({"picked": "[]"}, "picked must be"),
    ],
)
def test_a_link_is_checked_on_its_way_in(explore, params, says):
    read, notes = permalink.read(explore, params)
    assert read == {} and len(notes) == 1 and says in notes[0]
    assert notes[0].startswith(f"The link's {next(iter(params))} was ignored")


def test_layers_of_a_link_fit_together(explore):
    read, notes = permalink.read(explore, {"Lc": "20", "Ls": "20", "scene": "3"})
    assert (read["Lc"], read["Ls"]) == (20, 12) and "Lc + Ls must be at most 32" in notes[0]
    assert read["source"] == "scene:3"


def test_an_upload_is_not_in_a_link(explore):
    link = permalink.link(explore, controls(explore, source=""))
    assert "scene" not in link
    assert "upload" in permalink.read(explore, link)[1][0]


def test_what_is_not_ours_is_let_be(explore):
    assert permalink.read(explore, {"__theme": "dark", "utm_source": "x", "at": "14"}) == ({}, [])
    assert permalink.tab({"tab": "learn"}) == "learn" and permalink.tab({"tab": "../x"}) is None


def test_a_rivals_knobs_do_not_reach_the_words(explore):
    """FastV has a knob called query: the link keeps the visitor's."""
    now = controls(explore, method="fastv")
    packet = {"knobs": {"query": "official", "K": 2}, "notes": []}
    _, packet = Shown(explore).answers({"viewer": packet}, now)
    assert packet is not None and packet["link"]["query"] == "the red ball" and packet["link"]["method"] == "fastv"


def bytes_of(run: Result) -> io.BytesIO:
    file = io.BytesIO()
    run.save(file)
    return file


def test_a_saved_run_opens_without_its_model(explore, tmp_path):
    run = replace(result("fastv", side=24), request=replace(result().request, model="a 7B model"))
    (tmp_path / "run.npz").write_bytes(bytes_of(run).getvalue())
    out = explore.opened(lambda: saved.reopen(tmp_path / "run.npz"))
    assert out["viewer"]["N"] == 576 and out["viewer"]["model"] == "a 7B model"
    assert "made by a 7B model" in out["notes"][0]
    assert next(panel["id"] for panel in out["panels"]) == "seen"


@pytest.mark.parametrize("data", [b"", b"hello", bytes_of(result()).getvalue()[:900]])
def test_other_files_are_refused(tmp_path, data):
    path = tmp_path / "some.npz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"some\.npz is not a saved run"):
        saved.reopen(path)


def tampered(path, **changes):
    """A saved run with arrays replaced, or its head edited."""
    buffer = bytes_of(result())
    buffer.seek(0)
    arrays = dict(np.load(buffer))
    meta = json.loads(arrays["meta"].tobytes())
    for name, value in changes.items():
        if name in arrays:
            arrays[name] = value
        else:
            meta[name] = value
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    np.savez(path, **arrays)
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"A_SEG": np.zeros((32, 255), np.float32)},
        {"A_text": np.zeros((3, 3), np.float32)},
        {"logits": np.zeros((2, 2), np.float32)},
        {"stage.0.slots": np.zeros(5, np.int64)},
        {"stage.2.score": np.zeros(5, np.float32)},
        {"image": np.zeros((4, 4), np.uint8)},
        {"n_per_layer": [1, 2]},
        {"layout": {"N": 3}},
        {"stages": "none"},
    ],
)
def test_parts_that_do_not_fit_are_refused(tmp_path, changes):
    with pytest.raises(ValueError, match=r"must|again|not a saved run"):
        saved.reopen(tampered(tmp_path / "run.npz", **changes))


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_bounds, "MOST_BYTES", 10**6)
    with zipfile.ZipFile(tmp_path / "run.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("image.npy", bytes(2 * 10**6))
    with pytest.raises(ValueError, match=r"unpacks to 1 MB in 1 parts, at most 0 MB"):
        saved.reopen(tmp_path / "run.npz")


@given(st.integers(1, 9), st.integers(1, 9), st.randoms(use_true_random=False))
def test_rle_counts_down_the_columns(h, w, random):
    mask = np.array([[random.random() < 0.5 for _ in range(w)] for _ in range(h)])
    code = saved.rle(mask)
    flat, value = [], False
    for count in code["counts"]:
        flat += [value] * count
        value = not value
    assert code["size"] == [h, w]
    assert np.array_equal(np.array(flat).reshape(w, h).T, mask)


def test_the_lines_of_python_are_the_run():
    run = result()
    request = replace(run.request, query='the "red" ball', knobs={"Lc": 8, "cluster": "cls"}, force={"pruning": {"keep": (3,)}})
    text = saved.python_lines(replace(run, request=request), 17)
    compile(text, "run.py", "exec")
    assert len(text.splitlines()) == 5
    assert "csp.park.scene(17" in text and "Lc=8, cluster='cls'" in text and "{'pruning': {'keep': [3]}}" in text
    assert 'PIL.Image.open("picture.png")' in saved.python_lines(run, None)


def test_forced_tokens_reach_the_model(explore):
    out = explore.run(**controls(explore), force={"pruning": {"keep": [3], "drop": [9]}})
    assert out["viewer"]["forced"] == {"pruning": {"keep": [3], "drop": [9]}}
    assert explore.session.requests[-1].force == {"pruning": {"keep": [3], "drop": [9]}}
    assert explore.session.requests[-2].method == "full"


def test_brackets_without_end_are_refused_in_words() -> None:
    explore = Explore(FakeSession())
    _, notes = permalink.read(explore, {"method": "fastv", "picked": "[" * 1500})
    assert any("picked must be" in note for note in notes)
