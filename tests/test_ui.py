"""The page without a browser: what handlers accept and answer. The session is a fake with synthetic results."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
from fake_session import FakeSession
from PIL import Image

from csp.types import Result
from csp.ui import controls as page_controls
from csp.ui.album import EXAMPLES, Album
from csp.ui.explore import FILES, PARK_ONLY, Explore
from csp.ui.payload import Look, objects_hit, payload
from csp.ui.widgets import pack


@pytest.fixture(scope="module")
def explore() -> Explore:
    return Explore(FakeSession())


@pytest.fixture
def asked(explore) -> dict:
    query = explore.album.suggestions(3)[0].text
    return {"query": query, "source": "scene:3", "method": "csp", **explore.defaults()}


def decode(uri: str) -> np.ndarray:
    head, data = uri.split(",")
    assert head == "data:image/jpeg;base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)


def test_a_run_shows_every_stage(explore, asked):
    out = explore.run(**asked)
    assert [p["id"] for p in out["panels"]] == ["seen", "clustering", "scattering", "pruning", "mask"]
    for panel in out["panels"]:
        assert decode(panel["src"]).shape == (448, 448, 3)
        assert panel["title"] and panel["caption"] and len(panel["alt"]) > 20
    assert [m["label"] for m in out["layers"]["maps"]] == ["9", "10", "11", "12", "13", "14"]
    assert [(s["name"], s["n"], s["L"]) for s in out["steps"]["stages"]] == [
        ("Clustering", 64, 8),
        ("Scattering", 256, 6),
        ("Pruning", 16, 18),
    ]
    assert json.loads(pack(out)) == json.loads(json.dumps(out))


def test_the_bill_keeps_three_numbers_apart(explore, asked):
    bill = {row["name"]: row for row in explore.run(**asked)["bill"]}
    assert list(bill) == ["Image tokens", "Operations", "Time"]
    assert bill["Image tokens"]["ours"] == "73" and bill["Image tokens"]["dense"] == "256"
    assert bill["Image tokens"]["change"] == "−71 %"
    assert bill["Operations"]["change"] != bill["Image tokens"]["change"], "text tokens cost too"
    assert bill["Time"]["ours"] == "36 ms"


def test_truth_is_known_for_a_scenes_own_query_only(explore, asked):
    names = [s["name"] for s in explore.run(**asked)["scores"]]
    assert names == ["IoU with the dense mask", "IoU with the true mask"]
    names = [s["name"] for s in explore.run(**asked | {"query": "something else"})["scores"]]
    assert names == ["IoU with the dense mask"]


def test_notes_say_what_happened_and_what_to_do(explore, asked):
    out = explore.run(**asked | {"query": "nothing of a zebra"})
    assert any("zebra" in note for note in out["notes"])
    assert any("lower the threshold" in note for note in out["notes"])
    assert out["panels"][-1]["caption"].startswith("empty mask")
    assert not any(PARK_ONLY in note for note in out["notes"])


def test_an_upload_carries_the_standing_note(explore, asked, tmp_path):
    path = tmp_path / "photo.png"
    Image.new("RGB", (60, 40), (90, 120, 200)).save(path)
    out = explore.run(**asked | {"source": "", "image": str(path)})
    assert PARK_ONLY in out["notes"]
    assert "hatched" in explore.run(**asked | {"source": "", "image": str(path)})["panels"][0]["caption"]


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
        ({"opacity": 3}, "opacity must be a number in 0..1"),
        ({"scale": "jet"}, "scale must be one of"),
        ({"cmap": "jet"}, "cmap must be one of"),
        ({"head": "9"}, "head must be mean or in 0..3"),
        ({"head": "<b>"}, "head must be mean or a number"),
        ({"threshold": "a"}, "threshold must be a number"),
        ({"uniform": "both"}, "uniform must be one of"),
        ({"conf": 2}, "conf must be a number in 0.05..0.95, got 2"),
        ({"conf": "high"}, "conf must be a number"),
    ],
)
def test_what_will_not_do_is_said(explore, asked, change, says):
    error = explore.run(**asked | change)["error"]
    assert says in error


def test_no_file_but_a_picture_is_read(explore, asked, tmp_path):
    path = tmp_path / "no.png"
    path.write_bytes(b"not a picture")
    assert "picture" in explore.run(**asked | {"source": "", "image": str(path)})["error"]


def test_whole_numbers_of_either_spelling_are_one(explore, asked):
    assert "error" not in explore.run(**asked | {"Nc": 8.0})


@pytest.mark.parametrize(("yields", "expected"), [("Ls", (30, 2)), ("Lc", (12, 20))])
def test_the_layer_that_moved_stays(explore, asked, yields, expected):
    request = explore.ask(asked | {"Lc": 30, "Ls": 20, "yields": yields}).request
    assert (request.knobs["Lc"], request.knobs["Ls"]) == expected


def test_threshold_moves_the_mask(explore, asked):
    low = explore.run(**asked | {"threshold": -3.9})["panels"][-1]["caption"]
    high = explore.run(**asked | {"threshold": 3.9})["panels"][-1]["caption"]
    assert float(low.split(" %")[0]) > float(high.split(" %")[0])


def test_one_head_differs_from_the_mean(explore, asked):
    mean, one = explore.run(**asked), explore.run(**asked | {"head": "2"})
    assert mean["layers"]["maps"][-1]["src"] != one["layers"]["maps"][-1]["src"]
    assert mean["layers"]["maps"][0]["src"] == one["layers"]["maps"][0]["src"], (
        "heads are known where ranks are made"
    )
    assert "head 2 in layer 14" in one["layers"]["title"]


def test_dense_runs_and_is_the_same_as_itself(explore, asked):
    out = explore.run(**asked | {"method": "full"})
    assert [p["id"] for p in out["panels"]] == ["seen", "stage-0", "mask"]
    assert {row["change"] for row in out["bill"]} == {"same"}
    assert out["scores"][0]["value"] == "1.00"


def test_four_selectors_with_their_objects(explore, asked):
    out = explore.compare_clusters(**asked)
    assert [p["id"] for p in out["panels"]] == ["random", "uniform", "cls", "seg-first"]
    assert re.fullmatch(r"\|S\| = 64 of 256, [0-2] of 2 objects", out["panels"][0]["caption"])
    assert "Lc is 0" in explore.compare_clusters(**asked | {"Lc": 0})["error"]


def test_objects_hit_counts_masks_that_a_token_touches(explore, asked):
    made = explore.session.run(explore.ask(asked | {"Nc": 1}).request)
    patch = int(made.trace.stages[0].patches[0])
    y, x = 4 * (patch // 16), 4 * (patch % 16)
    masks = np.zeros((3, 64, 64), bool)
    masks[0, y : y + 4, x : x + 4] = True
    masks[1, y + 3, x + 3] = True
    masks[2, (y + 32) % 64, x] = True
    assert objects_hit(made, masks) == 2


@pytest.mark.parametrize("file", FILES)
def test_downloads(explore, asked, file):
    out = explore.export(file, **asked)
    data = base64.b64decode(out["data"])
    assert out["name"] == f"csp-{file}"
    if file == "mask.png":
        image = Image.open(io.BytesIO(data))
        assert image.mode == "1" and image.size == (448, 448)
        assert np.array_equal(np.asarray(image), explore.session.run(explore.ask(asked).request).mask)
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
    assert "file must be one of" in explore.export("../../etc/passwd", **asked)["error"]


def test_same_request_same_pictures(explore, asked):
    first, second = explore.run(**asked), explore.run(**asked)
    assert first["panels"] == second["panels"]


def test_scenes_and_suggestions(explore):
    scene = explore.scene(12)
    assert scene["source"] == "scene:12" and scene["image"].shape == (448, 448, 3)
    assert {s["family"] for s in scene["suggestions"]} >= {"ref", "reason"}
    assert "scene must be" in explore.scene(-3)["error"]
    assert "scene must be" in explore.scene("x")["error"]
    assert "scene is missing" in explore.scene(None)["error"]
    assert [e["source"] for e in explore.gallery()] == [f"scene:{number}" for number in EXAMPLES]


def test_the_album_keeps_a_bounded_number_of_scenes():
    album = Album()
    assert album.scene(1) is album.scene(1)
    assert album.truth("", "anything") is None
    query = album.suggestions(5)[0].text
    assert album.truth("scene:5", f" {query} ").dtype == bool


def test_presets_are_the_papers_rows(explore):
    rows = page_controls.presets(explore)
    assert rows["Table 1, 70 %"] == {"method": "csp", "Lc": 8, "Nc": 64, "Ls": 6, "Np": 16}
    assert rows["Table 6, 90 %"] == {"method": "csp", "Lc": 12, "Nc": 32, "Ls": 2, "Np": 2}
    assert rows["dense"] == {"method": "full"}
    assert page_controls.preset_of(explore, explore.defaults()) == "Table 1, 70 %"


def test_markup_in_a_query_stays_text(explore, asked):
    packed = pack(explore.run(**asked | {"query": "<script>alert(1)</script> ${7*7} {{x}}"}))
    assert "<" not in packed
    assert json.loads(packed)["query"] == "<script>alert(1)</script> ${7*7} {{x}}"


def test_pictures_may_be_drawn_another_way(explore, asked):
    made = explore.session.run(explore.ask(asked).request)
    plain = payload(made, look=Look(opacity=0.2, scale="percentile", cmap="gray"))
    assert plain["scores"] == [] and plain["bill"][0]["dense"] == ""
    assert plain["panels"][2]["src"] != payload(made)["panels"][2]["src"]


def test_the_page_brings_no_torch_of_its_own():
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import csp.ui, csp.ui.explore, csp.ui.page, csp.ui.payload, csp.ui.album\nprint('built')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": ".", "PATH": ""}
    )
    assert done.stdout.strip() == "built", done.stderr


def test_templates_are_constant_and_fetch_nothing():
    from importlib.resources import files

    for asset in (files("csp.ui") / "assets").iterdir():
        text = asset.read_text()
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), asset.name
        assert "innerHTML" not in text, asset.name
        if asset.name.endswith(".html"):
            assert "${" not in text and "{{" not in text, asset.name
