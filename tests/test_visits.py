"""Visitors over the real server: turns are taken by visit, who left frees their place, a large picture is read small."""

from __future__ import annotations

import http.client
import io
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import numpy as np
import pytest
from fake_session import FakeSession
from gradio_client import Client, handle_file
from PIL import Image
from serving import page

from csp import images
from csp.methods import METHODS
from csp.ui import pictures, visits
from csp.ui.board import FUNCTIONS

WAIT = 0.05


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, FakeSession]]:
    with page(tmp_path_factory.mktemp("gradio"), WAIT) as (url, session):
        yield url, session


class Visitor:
    """A browser's calls of the board, by its session."""

    def __init__(self, url: str, name: str):
        self.at, self.name = urlsplit(url), name
        with urllib.request.urlopen(url + "/config") as stream:
            config = json.load(stream)
        (self.board,) = (c["id"] for c in config["components"] if c["props"].get("elem_id") == "csp-viewer")
        (self.compare,) = (d for d in config["dependencies"] if d["backend_fn"] and _clicked(config, d, "do_compare"))
        self.values = {c["id"]: c["props"].get("value") for c in config["components"]}

    def send(self, function: str, sent: object, **change: object) -> http.client.HTTPConnection:
        """Ask, and leave the answer to be read."""
        body = {"session_hash": self.name, "component_id": self.board, "fn_name": function, "data": sent} | change
        return self.post("/gradio_api/component_server", body)

    def post(self, path: str, body: object) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self.at.hostname or "", self.at.port, timeout=30)
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        return connection

    def call(self, function: str, sent: object, **change: object) -> tuple[int, dict]:
        connection = self.send(function, sent, **change)
        answer = connection.getresponse()
        told = answer.status, json.loads(answer.read())
        connection.close()
        return told


def _clicked(config: dict, event: dict, name: str) -> bool:
    ids = {c["id"] for c in config["components"] if c["props"].get("elem_id") == name}
    return any(list(target) == [component, "click"] for component in ids for target in event["targets"])


def asked(word: str) -> dict:
    return {"query": word, "source": "scene:3", "method": "csp", "knobs": {}, "seed": 0}


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_comparison_gives_way_to_single_runs_of_others(served: tuple[str, FakeSession]) -> None:
    url, session = served
    sweeper, ann = Visitor(url, "sweeper"), Visitor(url, "ann")
    values = [sweeper.values[i] for i in sweeper.compare["inputs"]]
    told = [json.dumps(asked("row")) if value in ("{}", {}) else value for value in values]
    body = {"data": told, "fn_index": sweeper.compare["id"], "session_hash": sweeper.name, "event_data": None}
    begin = len(session.requests)

    def rows() -> int:
        return [r.query for r in session.requests[begin:]].count("row")

    assert sweeper.post("/gradio_api/queue/join", body).getresponse().status == 200
    stream = http.client.HTTPConnection(sweeper.at.hostname or "", sweeper.at.port, timeout=30)
    stream.request("GET", f"/gradio_api/queue/data?session_hash={sweeper.name}")
    stream.getresponse().read(10)
    until(lambda: rows() > 2)
    for i in range(4):
        before = rows()
        assert "error" not in ann.call("run", asked(f"ann {i}"))[1]
        served_at = next(n for n, r in enumerate(session.requests) if r.query == f"ann {i}")
        assert [r.query for r in session.requests[begin:served_at]].count("row") - before <= 2
    before = rows()
    single = Client(url, verbose=False).predict(handle_file(_png(40, 30)), "by the endpoint", api_name="/run")
    assert single[2]["request"]["query"] == "by the endpoint"
    until(lambda: rows() > before)
    # Who compares leaves: what is left of the table is nobody's.
    stream.close()
    until(lambda: session.turns.quiet() > 1)
    methods = len(METHODS)
    assert rows() < methods * 3, "sixty runs were asked for"


def test_a_waiting_visitor_is_told_their_place_and_one_who_left_is_not_run(served: tuple[str, FakeSession]) -> None:
    url, session = served
    stayer, leaver = Visitor(url, "stayer"), Visitor(url, "leaver")
    began = len(session.requests)
    with session.turns.take():
        left, stays = leaver.send("run", asked("left")), stayer.send("run", asked("stays"))
        until(lambda: session.turns.waiting == 3)
        places = {each.name: each.call("place", {})[1] for each in (stayer, leaver)}
        assert sorted(place["ahead"] for place in places.values()) == [1, 2] and all("seconds" in p for p in places.values())
        assert stayer.call("place", {}, session_hash="another")[1] == {}
        left.close()
        until(lambda: session.turns.waiting == 2)
    assert json.loads(stays.getresponse().read())["query"] == "stays"
    assert {r.query for r in session.requests[began:]} == {"stays"}


@pytest.mark.parametrize(
    ("change", "status", "says"),
    [
        ({"component_id": "7"}, 400, "must be an object with session_hash, component_id"),
        ({"component_id": [7]}, 400, "must be an object"),
        ({"component_id": 10**6}, 404, "there is no such component"),
        ({"session_hash": None}, 400, "must be an object"),
        ({"session_hash": "x" * 1000}, 400, "1 to 128 characters"),
        ({"fn_name": {"name": ["csp"]}}, 400, "must be an object"),
        ({"fn_name": "__class__"}, 404, ""),
        ({"data": json.loads("[" * 500 + "]" * 500)}, 400, "nested at most"),
    ],
)
def test_calls_that_no_board_made_are_answered_in_words(
    served: tuple[str, FakeSession], capfd: pytest.CaptureFixture[str], change: dict, status: int, says: str
) -> None:
    got, told = Visitor(served[0], "stranger").call("run", asked("x"), **change)
    assert got == status and says in told["detail"]
    assert "Traceback" not in capfd.readouterr().err


NAN = float("nan")


@pytest.mark.parametrize("path", ["cancel", "reset", "run/predict", "run/run", "call/run", "queue/join"])
@pytest.mark.parametrize(
    "sent", [{"data": NAN}, {"session_hash": float("inf"), "data": [NAN]}, {"fn_index": {"a": NAN}}, {"data": [1]}, [NAN], None]
)
def test_calls_of_gradios_own_routes_that_will_not_do_are_refused_in_words(
    served: tuple[str, FakeSession], capfd: pytest.CaptureFixture[str], path: str, sent: object
) -> None:
    answer = Visitor(served[0], "stranger").post(f"/gradio_api/{path}", sent).getresponse()
    told = json.loads(answer.read())["detail"]
    assert 400 <= answer.status < 500 and isinstance(told, str) and len(told) < 300
    assert "Traceback" not in capfd.readouterr().err


def test_nothing_runs_beside_the_queue(served: tuple[str, FakeSession]) -> None:
    url, session = served
    before = len(session.requests)
    answer = Visitor(url, "hasty").post("/gradio_api/run/run", {"data": [None] * 13}).getresponse()
    assert answer.status == 404 and "queue" in json.loads(answer.read())["detail"] and len(session.requests) == before


@pytest.mark.parametrize("function", [name for name in FUNCTIONS if name != "place"])
def test_odd_numbers_and_names_are_answered_in_words(
    served: tuple[str, FakeSession], capfd: pytest.CaptureFixture[str], function: str
) -> None:
    stranger = Visitor(served[0], "stranger")
    junk = [NAN, float("inf"), {"name": ["csp"]}, "\0", {"scene": NAN, "source": "\0", "path": "a\0b", "file": NAN, "text": NAN}]
    junk += [{"query": "x", "image": {"path": "/tmp/a\0b"}, "rows": [NAN], "method": NAN, "scene": "\0"}]
    # What one function leaves alone is another's to refuse.
    odd = [asked("x") | {"seed": NAN, "knobs": {"Nc": NAN}, "rows": [{"query": NAN}]}]
    odd += [asked("\0") | {"method": {"name": ["csp"]}}, asked("x") | {"force": {"\0": {"keep": "x"}}}]
    odd += [asked("x") | {"force": force} for force in (NAN, [7], {"pruning": NAN}, {"pruning": {"drop": NAN}})]
    for each in (*junk, *odd):
        status, told = stranger.call(function, each)
        assert status == 200 and isinstance(told, dict), (each, told)
        assert "error" in told or each in odd or function in ("link", "four"), (each, told)
    assert "Traceback" not in capfd.readouterr().err


def _png(width: int, height: int) -> str:
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".png", delete=False) as file:
        Image.new("RGB", (width, height), (90, 140, 60)).save(file)
    return file.name


def test_a_large_picture_is_read_small_and_its_mask_is_its_own_size(served: tuple[str, FakeSession]) -> None:
    url, session = served
    mask, _, run = Client(url, verbose=False).predict(handle_file(_png(4100, 1000)), "a wide ball", api_name="/run")
    assert next(r for r in session.requests if r.query == "a wide ball").image.shape == (500, 2048, 3)
    assert np.asarray(Image.open(mask)).shape[:2] == (1000, 4100)
    assert run["request"]["image_size"] == [500, 2048]
    assert any("has 4100x1000 pixels and was read at 2048x500" in note for note in run["notes"])


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_pictures_own_size_is_read_upright_from_its_head(orientation: int) -> None:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (3000, 60)).save(file, "JPEG", exif=exif)
    assert images.size_of(file.getvalue()) == images.read(file.getvalue()).shape[:2]
    sent = pictures.Pictures()(file.getvalue())
    assert max(sent.image.shape) == pictures.LONGEST and max(sent.size) == 3000
    assert sent.enlarged(np.ones(sent.image.shape[:2], bool)).shape == sent.size


def test_few_pictures_are_kept_and_each_by_what_it_holds() -> None:
    read, made = pictures.Pictures(), []
    for shade in range(pictures.KEPT + 3):
        file = io.BytesIO()
        Image.new("RGB", (9, 9), (shade, 0, 0)).save(file, "PNG")
        made.append(file.getvalue())
        assert read(made[-1]).image[0, 0, 0] == shade
    assert read(made[-1]) is read(bytes(made[-1]))
    assert len(read._kept) == pictures.KEPT


def test_a_name_holds_for_a_visit_within_each_line_of_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    from csp.turns import Visitor as Who, visitor

    monkeypatch.setattr(visits, "_present", lambda: Who("ann"))
    seen = []

    def lines() -> Iterator[int]:
        for i in range(3):
            seen.append((visitor().name, visitor().long))
            yield i

    handler = visits.stepwise(lambda: lines())()
    out = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: out.append(next(handler)))
        thread.start()
        thread.join()
    assert out == [0, 1, 2] and seen == [("ann", True)] * 3
    assert visitor().name == ""
