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
from csp.ui.board import Board
from csp.ui.handlers import Handlers


@pytest.fixture(scope="module")
def handlers() -> Handlers:
    return Handlers(FakeSession())


def controls(handlers: Handlers, method: str = "csp", **knobs) -> dict:
    turned = handlers.defaults(method) | knobs
    return {"source": "scene:17", "query": "the red ball", "method": method, "seed": 0, "knobs": turned}


@settings(max_examples=60)
@given(drawn=st.data())
def test_a_link_says_what_was_set(drawn):
    """Every method, every knob: what a link was made of is what it sets."""
    handlers = Handlers(SimpleNamespace(card=FakeSession().card, catalogue=FakeSession().catalogue))
    method = drawn.draw(st.sampled_from(sorted(handlers.methods)))
    now = controls(handlers, method)
    now |= {
        "source": f"scene:{drawn.draw(st.integers(0, 2**31 - 1))}",
        "query": drawn.draw(st.text(min_size=1, max_size=60).filter(str.strip)).strip(),
        "seed": drawn.draw(st.integers(0, 2**31 - 1)),
    }
    for knob in handlers.methods[method].knobs:
        one = st.integers(int(knob.low), int(knob.high or 64)) if knob.kind in ("integer", "integers") else None
        if knob.kind in ("number", "numbers"):
            one = st.integers(1, 19).map(lambda n, knob=knob: knob.low + (knob.high - knob.low) * n / 20)
        value = drawn.draw(st.sampled_from(knob.choices)) if one is None else drawn.draw(one)
        now["knobs"][knob.name] = (value, value) if knob.kind in ("integers", "numbers") else value
    if method == "csp":
        now["knobs"]["Ls"] = min(now["knobs"]["Ls"], 32 - now["knobs"]["Lc"])
    read, notes = permalink.read(handlers, permalink.link(handlers, now))
    assert notes == []
    assert {**handlers.defaults(method), **read["knobs"]} == now["knobs"]
    assert {name: read.get(name, 0) for name in ("source", "query", "method", "seed")} == {
        k: v for k, v in now.items() if k != "knobs"
    }


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"Nc": "300"}, "Nc must be in 1..256, got 300"),
        ({"Nc": "8.5"}, "Nc must be an integer, got '8.5'"),
        ({"Nc": "-1"}, "Nc must be in 1..256"),
        ({"Lc": "9" * 400}, "Lc must be in 0..32"),
        ({"Lc": "9" * 9000}, "Lc must be an integer"),
        ({"scene": "x"}, "scene must be an integer"),
        ({"cluster": "kmeans"}, "cluster must be one of random, uniform, cls, seg-first, got 'kmeans'"),
        ({"method": "<script>"}, "method must be one of"),
        ({"query": " "}, "query must have 1 to 512 characters"),
        ({"query": "a" * 513}, "query must have 1 to 512 characters"),
        ({"seed": str(2**31)}, "seed must be in 0..2147483647"),
        ({"picked": "[]"}, "picked must be"),
        ({"picked": "[" * 1500}, "picked"),
        ({"picked": '{"method": "x", "knobs": {}}'}, "method must be one of"),
    ],
)
def test_a_link_is_checked_on_its_way_in(handlers, params, says):
    read, notes = permalink.read(handlers, params)
    assert read == {} and len(notes) == 1 and says in notes[0]
    assert notes[0].startswith(f"The link's {next(iter(params))} was ignored")


def test_layers_of_a_link_fit_together(handlers):
    read, notes = permalink.read(handlers, {"Lc": "20", "Ls": "20", "scene": "3"})
    assert (read["knobs"]["Lc"], read["knobs"]["Ls"]) == (20, 12) and "Lc + Ls must be at most 32" in notes[0]
    assert read["source"] == "scene:3"


def test_an_upload_is_not_in_a_link(handlers):
    link = permalink.link(handlers, controls(handlers) | {"source": ""})
    assert "scene" not in link
    assert "upload" in permalink.read(handlers, link)[1][0]


def test_what_is_not_ours_is_let_be(handlers):
    assert permalink.read(handlers, {"__theme": "dark", "utm_source": "x", "at": "14"}) == ({}, [])
    assert (
        permalink.tab({"tab": "tokens"}) == "board"
        and permalink.tab({"tab": "learn"}) == "learn"
        and permalink.tab({"tab": "../x"}) is None
    )


def test_a_rivals_knobs_do_not_reach_the_words(handlers):
    """FastV has a knob called query: the link keeps the visitor's."""
    now = controls(handlers, "fastv", query="paper", K=3)
    link = permalink.link(handlers, now)
    assert (link["query"], link["knob_query"], link["K"], link["method"]) == ("the red ball", "paper", "3", "fastv")
    read, _ = permalink.read(handlers, link)
    assert read["query"] == "the red ball" and read["knobs"]["query"] == "paper"


def test_a_link_of_an_older_page_still_leads_to_its_run(handlers):
    picked = json.dumps({"method": "fastv", "knobs": {"K": 3, "R": 20}})
    read, notes = permalink.read(handlers, {"scene": "3", "query": "a ball", "method": "fastv", "picked": picked, "Lc": "4"})
    assert read["method"] == "fastv" and read["knobs"] == {"K": 3, "R": 20} and notes == []


def test_the_board_gives_each_run_its_link(handlers):
    board = Board(handlers, dict)
    packet = board.called("run", controls(handlers, Nc=96))
    assert packet["link"] == {
        "scene": "17",
        "query": "the red ball",
        "Lc": "8",
        "Nc": "96",
        "Ls": "6",
        "Np": "16",
        "cluster": "uniform",
    }
    told = board.called("link", packet["link"])
    assert told["asked"]["knobs"]["Nc"] == 96 and told["picture"]["number"] == 17 and told["picture"]["suggestions"]
    assert "image" not in told["picture"]


def bytes_of(run: Result) -> io.BytesIO:
    file = io.BytesIO()
    run.save(file)
    return file


def test_a_saved_run_opens_without_its_model(handlers, tmp_path):
    run = replace(result("fastv", side=24), request=replace(result().request, model="a 7B model"))
    (tmp_path / "run.npz").write_bytes(bytes_of(run).getvalue())
    out = handlers.opened(lambda: saved.reopen(tmp_path / "run.npz"))
    assert out["N"] == 576 and out["model"] == "a 7B model"
    assert "made by a 7B model" in out["notes"][0]


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


def test_forced_tokens_reach_the_model(handlers):
    out = handlers.run(**controls(handlers), force={"pruning": {"keep": [3], "drop": [9]}})
    assert out["forced"] == {"pruning": {"keep": [3], "drop": [9]}}
    assert handlers.session.requests[-1].force == {"pruning": {"keep": [3], "drop": [9]}}
    assert handlers.session.requests[-2].method == "full"


def test_brackets_without_end_are_refused_in_words() -> None:
    handlers = Handlers(FakeSession())
    _, notes = permalink.read(handlers, {"method": "fastv", "picked": "[" * 1500})
    assert any("picked" in note and "deep" in note for note in notes)
