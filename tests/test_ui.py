"""The page without a browser: what handlers accept and answer. The session is a fake with synthetic results."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from fake_session import FakeSession
from PIL import Image

from csp.types import Result
from csp.ui.album import EXAMPLES, Album, plain
from csp.ui.board import presets
from csp.ui.handlers import FILES, PARK_ONLY, Handlers
from csp.ui.payload import lands, notes, objects_hit
from csp.ui.widgets import pack


@pytest.fixture(scope="module")
def handlers() -> Handlers:
    return Handlers(FakeSession())


@pytest.fixture
def asked(handlers) -> dict:
    query = handlers.album.suggestions(3)[0].text
    return {"query": query, "source": "scene:3", "method": "csp", **handlers.defaults()}


def test_a_run_is_a_packet(handlers, asked):
    out = handlers.run(**asked)
    assert [(s["name"], s["n"], s["L"]) for s in out["stages"]] == [
        ("clustering", 64, 8),
        ("scattering", 256, 6),
        ("pruning", 16, 18),
    ]
    assert all(len(stage["alt"]) > 20 for stage in out["stages"]) and len(out["alt"]) > 20
    assert out["picture"].startswith("data:image/jpeg;base64,") and out["source"] == "scene:3"
    assert "panels" not in out, "the page draws nothing here"
    assert json.loads(pack(out)) == json.loads(json.dumps(out))


def test_a_picture_that_the_browser_has_is_not_sent_again(handlers, asked):
    assert handlers.run(**asked, have="scene:3")["picture"] == ""
    assert handlers.run(**asked, have="scene:4")["picture"] != ""


def test_an_upload_is_sent_each_time(handlers, asked, tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (60, 40), (90, 120, 200)).save(path)
    assert handlers.run(**asked | {"source": "", "image": str(path)}, have="")["picture"] != ""


def test_the_bill_keeps_numbers_apart(handlers, asked):
    bill = handlers.run(**asked)["bill"]
    assert bill["this"]["n_avg"] == 73 and bill["dense"]["n_avg"] == 256
    assert bill["this"]["flops"] / bill["dense"]["flops"] != 73 / 256, "text tokens cost too"
    assert bill["this"]["ms"] == 35.5


def test_truth_is_known_for_a_scenes_own_query_only(handlers, asked):
    assert handlers.run(**asked)["iou"]["truth"] is not None
    other = handlers.run(**asked | {"query": "something else"})
    assert other["iou"]["truth"] is None and other["iou"]["dense"] is not None


def test_notes_say_what_happened_and_what_to_do(handlers, asked):
    out = handlers.run(**asked | {"query": "nothing of a zebra"})
    assert any("zebra" in note for note in out["notes"])
    assert any("lower the threshold" in note for note in out["notes"])
    assert not any(PARK_ONLY in note for note in out["notes"])


def test_an_upload_carries_the_standing_note(handlers, asked, tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (60, 40), (90, 120, 200)).save(path)
    assert PARK_ONLY in handlers.run(**asked | {"source": "", "image": str(path)})["notes"]


def test_a_mask_lands_on_the_thing_that_most_of_it_covers():
    things = np.zeros((4, 4), np.uint8)
    things[:2], things[2:] = 1, 2
    mask = np.zeros((4, 4), bool)
    assert lands(mask, things, ("the ball", "the cup")) is None
    mask[1:] = True
    assert lands(mask, things, ("the ball", "the cup")) == "the cup"
    assert lands(mask, None, ()) is None
    assert lands(mask, np.where(things == 2, 0, 3).astype(np.uint8), ("a", "b", "c")) is None, "most of it lies on nothing"


def test_things_of_a_scene_have_names_of_their_own():
    album = Album()
    for number in range(12):
        things, names = album.things(number)
        assert int(things.max()) <= len(names)
        alone = [name for name in names if "between" not in name]
        assert len(set(alone)) == len(alone)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"query": "  "}, "the query is empty"),
        ({"query": None}, "the query is empty"),
        ({"query": 7}, "the query is empty"),
        ({"source": "scene:-1"}, 'source must be "scene:" and a number'),
        ({"source": "scene:99999999999"}, 'source must be "scene:"'),
        ({"source": "/etc/passwd"}, "source must be"),
        ({"source": ""}, "there is no picture"),
        ({"method": "magic"}, "method must be one of"),
        ({"Nc": 300}, "Nc must be in 1..256 (the image has 256 tokens), got 300"),
        ({"Nc": 0}, "Nc must be"),
        ({"Nc": None}, "Nc is missing"),
        ({"Nc": "many"}, "Nc must be an integer"),
        ({"Nc": 8.5}, "got 8.5"),
        ({"Nc": float("nan")}, "got nan"),
        ({"Np": float("inf")}, "got inf"),
        ({"Lc": 30, "Ls": 30}, "Lc + Ls must be at most 32"),
        ({"Lc": 0, "Ls": 0}, "Lc + Ls must be at least 1"),
        ({"cluster": "kmeans"}, "cluster must be one of random, uniform, cls, seg-first"),
        ({"seed": -1}, "seed must be in 0..2147483647"),
        ({"seed": [1]}, "seed must be"),
        ({"knobs": 3}, "knobs must be a mapping"),
        ({"knobs": {"K": 2}}, "csp has no knob 'K'; it has Lc, Nc"),
        ({"knobs": {"Nc": 300}}, "Nc must be in 1..256 (the image has 256 tokens), got 300"),
        ({"knobs": {"layer": ["last"]}}, "layer must be one of"),
        ({"method": "fastv", "knobs": {"K": 0}}, "K must be"),
        ({"method": "sparsevlm", "knobs": {"layers": "2,6"}}, "layers must be a list of numbers"),
        ({"uniform": "both"}, "uniform must be one of"),
        ({"conf": 2}, "conf must be a number in 0.05..0.95, got 2"),
        ({"conf": "high"}, "conf must be a number"),
    ],
)
def test_what_will_not_do_is_said(handlers, asked, change, says):
    error = handlers.run(**asked | change)["error"]
    assert says in error


def test_no_file_but_a_picture_is_read(handlers, asked, tmp_path):
    path = tmp_path / "no.png"
    path.write_bytes(b"not a picture")
    assert "picture" in handlers.run(**asked | {"source": "", "image": str(path)})["error"]


def test_whole_numbers_of_either_spelling_are_one(handlers, asked):
    assert "error" not in handlers.run(**asked | {"Nc": 8.0})


@pytest.mark.parametrize(("yields", "expected"), [("Ls", (30, 2)), ("Lc", (12, 20))])
def test_the_layer_that_moved_stays(handlers, asked, yields, expected):
    request = handlers.ask(asked | {"Lc": 30, "Ls": 20, "yields": yields}).request
    assert (request.knobs["Lc"], request.knobs["Ls"]) == expected


def test_every_methods_knobs_reach_the_run(handlers, asked):
    for name, card in handlers.methods.items():
        knobs = json.loads(json.dumps({knob.name: knob.default for knob in card.knobs}))
        out = handlers.run(**{k: asked[k] for k in ("query", "source")}, method=name, knobs=knobs)
        assert "error" not in out, out
        assert handlers.session.requests[-1].method == name and set(handlers.session.requests[-1].knobs) == set(knobs)


def test_dense_is_the_same_as_itself(handlers, asked):
    out = handlers.run(**asked | {"method": "full"})
    assert out["iou"]["dense"] == 1.0 and out["bill"]["this"] == out["bill"]["dense"]


def test_four_selectors_with_their_objects(handlers, asked):
    runs = handlers.compare_clusters(**asked)["runs"]
    assert [run["cluster"] for run in runs] == ["random", "uniform", "cls", "seg-first"]
    assert all(run["objects"] == 2 and run["hit"] in (0, 1, 2) for run in runs)
    assert [bool(run["picture"]) for run in runs] == [True, False, False, False]
    assert "Lc is 0" in handlers.compare_clusters(**asked | {"Lc": 0})["error"]


def test_a_forecast_is_what_the_run_costs(handlers, asked):
    for name in ("csp", "fastv", "pyramiddrop", "full"):
        knobs = {knob.name: knob.default for knob in handlers.methods[name].knobs}
        told = handlers.forecast(name, knobs, 14)
        assert told["n_avg"] > 0 and told["dense"] >= told["flops"] > 0 and sum(stage["L"] for stage in told["stages"]) == 32
    assert handlers.forecast("csp", {"Lc": 8, "Nc": 64, "Ls": 6, "Np": 16}, 14)["n_avg"] == 73
    assert handlers.forecast("csp", {"cluster": "seg-first"}, 14)["stages"][0]["n"] is None
    unknown = handlers.forecast("prumerge", {"n": 0}, 14)
    assert unknown["n_avg"] is None and unknown["flops"] is None and unknown["dense"] > 0
    for junk in (
        ("csp", {"Lc": 33}, 1),
        ("csp", None, 1),
        ("x", {}, 1),
        ("csp", {}, "a"),
        ("csp", {}, -1),
        ("csp", {"Lc": 30, "Ls": 30}, 1),
    ):
        assert "error" in handlers.forecast(*junk), junk


def test_leaving_one_out_ends_with_the_fewest_that_keep_the_mask(handlers, asked):
    """In the fake session every mask is the same: no token matters, and one is enough."""
    told = handlers.matters(**asked)
    assert len(told["patches"]) == 16 and set(told["costs"]) == {0.0}
    assert len(told["smallest"]) == 1 and told["kept"] == 1.0
    drops = [request.force["pruning"]["drop"] for request in handlers.session.requests[-31:]]
    assert [len(drop) for drop in drops] == [1] * 16 + list(range(1, 16))
    assert "prune to at most" in handlers.matters(**asked | {"Np": 100})["error"]
    assert "0 image tokens" not in handlers.matters(**asked | {"method": "full"})["error"]


def test_objects_hit_counts_masks_that_a_token_touches(handlers, asked):
    made = handlers.session.run(handlers.ask(asked | {"Nc": 1}).request)
    patch = int(made.trace.stages[0].patches[0])
    y, x = 4 * (patch // 16), 4 * (patch % 16)
    masks = np.zeros((3, 64, 64), bool)
    masks[0, y : y + 4, x : x + 4] = True
    masks[1, y + 3, x + 3] = True
    masks[2, (y + 32) % 64, x] = True
    assert objects_hit(made, masks) == 2
    # Of masks whose pixels are no whole part of a patch, those that it touches in part.
    h = w = 50
    top, left = int(y * h / 64), int(x * w / 64)
    bottom, right = -int(-(y + 4) * h // 64) - 1, -int(-(x + 4) * w // 64) - 1
    corners = np.zeros((2, h, w), bool)
    corners[0, top, left] = corners[1, bottom, right] = True
    assert (y * h % 64 or (y + 4) * h % 64) and objects_hit(made, corners) == 2


def test_a_mask_of_nothing_and_one_of_nearly_everything_are_told(handlers, asked):
    made = handlers.session.run(handlers.ask(asked).request)
    level = np.full(made.logits.shape, -2.5, np.float32)
    level[..., 0, 0] = -1.25
    (told,) = notes(replace(made, logits=level))
    assert "The mask is empty" in told and "the highest is -1.2" in told
    (told,) = notes(replace(made, logits=-level))
    assert told.startswith("The mask covers nearly the whole picture")
    half = np.ones_like(level)
    half[..., : half.shape[-1] // 2] = -1
    assert notes(replace(made, logits=half)) == []


@pytest.mark.parametrize("file", FILES)
def test_downloads(handlers, asked, file):
    out = handlers.export(file, **asked)
    data = base64.b64decode(out["data"])
    assert out["name"] == f"csp-{file}"
    if file == "mask.png":
        image = Image.open(io.BytesIO(data))
        assert image.mode == "1" and image.size == (448, 448)
        assert np.array_equal(np.asarray(image), handlers.session.run(handlers.ask(asked).request).mask)
    elif file == "run.npz":
        opened = Result.open(io.BytesIO(data))
        assert opened.request.query == asked["query"] and opened.request.knobs["Nc"] == 64
    elif file == "run.json":
        assert json.loads(data)["request"]["knobs"]["Nc"] == 64
    elif file == "mask.rle.json":
        assert json.loads(data)["size"] == [448, 448]
    elif file == "run.html":
        assert data.startswith(b"<!doctype html>") and b"http://" not in data.replace(b"http://www.w3.org", b"")
    elif file == "run.py":
        assert data.startswith(b"import csp") and repr(asked["query"]).encode() in data
    elif file == "panel.svg":
        assert b"<svg" in data and asked["query"].encode() in data
    else:
        assert Image.open(io.BytesIO(data)).size[0] == 2100
    assert "file must be one of" in handlers.export("../../etc/passwd", **asked)["error"]


def test_same_request_same_arrays(handlers, asked):
    assert handlers.run(**asked)["block"] == handlers.run(**asked)["block"]


def test_scenes_and_suggestions(handlers):
    scene = handlers.scene(12)
    assert scene["source"] == "scene:12" and scene["image"].shape == (448, 448, 3)
    assert {s["family"] for s in scene["suggestions"]} >= {"ref", "reason"}
    assert "scene must be" in handlers.scene(-3)["error"]
    assert "scene must be" in handlers.scene("x")["error"]
    assert "scene is missing" in handlers.scene(None)["error"]
    assert [e["source"] for e in handlers.gallery()] == [f"scene:{number}" for number in EXAMPLES]


def test_the_album_keeps_a_bounded_number_of_scenes():
    album = Album()
    assert album.scene(1) is album.scene(1)
    assert album.truth("", "anything") is None
    query = album.suggestions(5)[0].text
    assert album.truth("scene:5", f" {query} ").dtype == bool


def test_suggestions_are_plain_english_and_keep_their_truth():
    album = Album()
    assert plain("who can say hello , the one nearest to the middle") == "who can say hello, the one nearest to the middle"
    assert plain("purple ball") == "the purple ball" and plain("i want to talk") == "I want to talk" and plain("a cup") == "a cup"
    for number in range(8):
        for one in album.suggestions(number):
            assert " ," not in one.text and album.truth(f"scene:{number}", one.text) is not None
    source, query = album.examples()[0]
    number, family = next(iter(EXAMPLES.items()))
    assert (source, query) == (f"scene:{number}", next(s.text for s in album.suggestions(number) if s.family == family))


def test_presets_are_the_papers_rows(handlers):
    rows = presets(handlers)
    assert rows["Table 1, 70 %"] == {"method": "csp", "knobs": {"Lc": 8, "Nc": 64, "Ls": 6, "Np": 16}}
    assert rows["Table 6, 90 %"] == {"method": "csp", "knobs": {"Lc": 12, "Nc": 32, "Ls": 2, "Np": 2}}
    assert rows["dense"] == {"method": "full", "knobs": {}}
    assert list(rows)[-1] == "dense"


def test_markup_in_a_query_stays_text(handlers, asked):
    packed = pack(handlers.run(**asked | {"query": "<script>alert(1)</script> ${7*7} {{x}}"}))
    assert "<" not in packed
    assert json.loads(packed)["query"] == "<script>alert(1)</script> ${7*7} {{x}}"


def test_the_page_brings_no_torch_of_its_own():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import csp.ui, csp.ui.handlers, csp.ui.page, csp.ui.payload, csp.ui.album\nprint('built')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": ".", "PATH": ""})
    assert done.stdout.strip() == "built", done.stderr


def test_templates_are_constant_and_fetch_nothing():
    from importlib.resources import files

    for asset in (files("csp.ui") / "assets").iterdir():
        text = asset.read_text()
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), asset.name
        assert "innerHTML" not in text, asset.name
        if asset.name.endswith(".html"):
            assert "${" not in text and "{{" not in text, asset.name
