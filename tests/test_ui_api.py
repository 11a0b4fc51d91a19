"""The page over HTTP: the public endpoint, hostile calls, two clients, what is and is not served."""

from __future__ import annotations

import base64
import json
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from serving import page

from csp.methods import METHODS, knobs

NAMES = ["image", "query", "method", "Lc", "Nc", "Ls", "Np", "cluster", "seed"]
LATER = ["knobs", "template", "seg_mode", "strip"]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with page(tmp_path_factory.mktemp("gradio")) as (url, session):
        yield url, session


@pytest.fixture(scope="module")
def url(served) -> str:
    return served[0]


@pytest.fixture(scope="module")
def client(url) -> Client:
    return Client(url, verbose=False)


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("pictures") / "photo.png"
    y, x = np.mgrid[0:60, 0:80]
    Image.fromarray(np.stack([x * 3, y * 4, x + y], -1).astype(np.uint8)).save(path)
    return str(path)


def post(url: str, path: str, body: object) -> tuple[int, str]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def call(url: str, data: list) -> str:
    """What curl would do: post to /call/run, read the event's stream to its end."""
    status, answer = post(url, "/gradio_api/call/run", {"data": data})
    assert status == 200, answer
    event = json.loads(answer)["event_id"]
    with urllib.request.urlopen(f"{url}/gradio_api/call/run/{event}", timeout=60) as stream:
        return stream.read().decode()


def test_one_public_endpoint_with_the_documented_parameters(client):
    info = client.view_api(return_format="dict")
    assert list(info["named_endpoints"]) == ["/run"]
    assert info["unnamed_endpoints"] == {}
    run = info["named_endpoints"]["/run"]
    assert [p["parameter_name"] for p in run["parameters"]] == NAMES + LATER
    assert [p["parameter_name"] for p in run["parameters"] if not p["parameter_has_default"]] == ["image", "query"]
    assert [r["label"] for r in run["returns"]] == ["mask", "stages", "run"]


def test_run_answers_with_mask_strip_and_numbers(client, photo):
    mask, stages, run = client.predict(
        handle_file(photo), "the red ball", "csp", 7, 80, 7, 8, "seg-first", 3, strip=True, api_name="/run"
    )
    seen = np.asarray(Image.open(mask))
    assert seen.shape == (60, 80) and set(np.unique(seen)) <= {0, 255} and seen.any()
    assert Image.open(stages).size[0] == 2100
    assert run["request"]["knobs"] == {"Lc": 7, "Nc": 80, "Ls": 7, "Np": 8, "cluster": "seg-first"}
    assert run["request"]["seed"] == 3


def test_a_strip_is_drawn_only_when_asked_for(client, photo, monkeypatch):
    monkeypatch.setattr("csp.render.figures.stages", lambda *args, **more: pytest.fail("drawn"))
    mask, stages, run = client.predict(handle_file(photo), "the red ball", api_name="/run")
    assert stages is None and Image.open(mask).size == (80, 60) and run["request"]["query"] == "the red ball"


@pytest.mark.parametrize("method", [name for name, method in METHODS.items() if knobs(method)])
def test_every_knob_of_every_method_gets_through(client, served, photo, method):
    """As JSON carries them: lists for tuples, and a whole float where an integer is meant."""
    own = {knob.name: knob.default for knob in knobs(METHODS[method])}
    sent = {name: float(value) if isinstance(value, int) else value for name, value in own.items()}
    _, _, run = client.predict(handle_file(photo), "the red ball", method=method, knobs=sent, api_name="/run")
    assert run["request"]["method"] == method
    assert served[1].requests[-1].knobs == own
    assert all(type(served[1].requests[-1].knobs[name]) is type(value) for name, value in own.items())


def test_knobs_stand_over_the_papers_parameters(client, served, photo):
    client.predict(handle_file(photo), "x", Nc=80, Np=4, knobs={"Nc": 32}, api_name="/run")
    assert served[1].requests[-1].knobs == {"Lc": 8, "Nc": 32, "Ls": 6, "Np": 4, "cluster": "uniform"}


def test_template_and_mode_get_through(client, served, photo):
    client.predict(handle_file(photo), "x", template="sentence", seg_mode="generated", api_name="/run")
    asked = served[1].requests[-1]
    assert asked.template == "sentence" and asked.seg_mode == "generated"


def test_several_queries_come_back_in_order_each_with_its_mask(client, photo):
    mask, _, runs = client.predict(handle_file(photo), ["the red ball", "nothing", "a tree"], api_name="/run")
    assert [run["request"]["query"] for run in runs] == ["the red ball", "nothing", "a tree"]
    assert all(run["mask"]["size"] == [60, 80] and sum(run["mask"]["counts"]) == 4800 for run in runs)
    assert runs[1]["mask"]["counts"] == [4800] and runs[0]["mask_pixels"] == sum(runs[0]["mask"]["counts"][1::2])
    assert np.asarray(Image.open(mask)).any()
    (alone,) = client.predict(handle_file(photo), ["the red ball"], api_name="/run")[2]
    assert alone["mask"] == runs[0]["mask"]


def test_nine_values_are_enough(url, photo):
    """A call in plain HTTP, made before there were more, and one with some of the later values."""
    data = "data:image/png;base64," + base64.b64encode(Path(photo).read_bytes()).decode()
    first = [{"url": data}, "the red ball", "csp", 8, 64, 6, 16, "uniform", 0]
    for more in ([], [{"Nc": 32}], [None, "chat"], ['{"Nc": 32}', "chat", "teacher", False]):
        answer = call(url, first + more)
        assert "event: complete" in answer and ('"Nc": 32' in answer) == (bool(more) and more[0] is not None)


def test_the_openapi_description_is_where_the_docs_say(url):
    with urllib.request.urlopen(url + "/gradio_api/openapi.json") as stream:
        described = json.load(stream)
    assert described["openapi"].startswith("3.")
    assert [path for path in described["paths"] if "run" in path]


def test_defaults_and_names(client, photo):
    _, _, run = client.predict(image=handle_file(photo), query="the red ball", api_name="/run")
    assert run["request"]["method"] == "csp" and run["request"]["knobs"]["Nc"] == 64
    _, _, run = client.predict(image=handle_file(photo), query="all of it", method="full", api_name="/run")
    assert run["cost"]["n_avg"] == 256


def test_a_plain_http_call_with_the_picture_inside(url, photo):
    data = "data:image/png;base64," + base64.b64encode(Path(photo).read_bytes()).decode()
    answer = call(url, [{"url": data}, "the red ball", "csp", 8, 64, 6, 16, "uniform", 0])
    assert "event: complete" in answer and '"n_avg"' in answer


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"query": ""}, "the query is empty"),
        ({"query": 5}, "the query is empty"),
        ({"Nc": 300}, "Nc must be in 1..256"),
        ({"Nc": "lots"}, "Nc must be an integer"),
        ({"Lc": 20, "Ls": 20}, "Lc + Ls must be at most 32"),
        ({"seed": -4}, "seed must be"),
        ({"cluster": "best"}, "cluster must be one of"),
        ({"method": "../x"}, "method must be one of"),
        ({"knobs": {"K": 2}}, "csp has no knob 'K'; it has Lc, Nc"),
        ({"knobs": {"Nc": [1, [2]]}}, "Nc must be an integer"),
        ({"knobs": [1]}, 'knobs must be an object such as {"K": 2'),
        ({"knobs": "[" * 3000}, "knobs"),
        ({"method": "sparsevlm", "knobs": {"layers": [[2], 5]}}, "layers must be an integer"),
        ({"template": "poem"}, "template must be one of auto, refer, phrase, sentence, chat"),
        ({"seg_mode": 3}, "seg_mode must be one of teacher, generated"),
        ({"query": []}, "the number of queries must be in 1..16, got 0"),
        ({"query": ["x"] * 17}, "the number of queries must be in 1..16, got 17"),
        ({"query": ["x", ""]}, "the query is empty"),
        ({"image": None}, "there is no picture"),
        ({"image": {"url": "data:image/png;base64,@@"}}, "cannot be decoded"),
        ({"image": {"url": "data:image/png;base64,aGVsbG8="}}, "picture"),
    ],
)
def test_bad_values_get_our_words(client, served, photo, change, says):
    given = {"image": handle_file(photo), "query": "the red ball"} | change
    with pytest.raises(AppError) as raised:
        client.predict(**given, api_name="/run")
    assert says in str(raised.value)
    assert (
        client.predict(handle_file(photo), "still alive", api_name="/run")[2]["request"]["query"]
        == "still alive"
    )


@pytest.mark.parametrize("image", ["junk", 5, [1], {"path": 5}, {"url": 5}])
def test_a_picture_of_a_wrong_type(url, image):
    answer = call(url, [image, "x", "csp", 8, 64, 6, 16, "uniform", 0])
    assert "event: error" in answer and "the picture must be" in answer and "pydantic" not in answer


def test_a_picture_that_nobody_uploaded(url, tmp_path):
    """Gradio checks a path only where the caller calls it a file."""
    private = tmp_path / "private.png"
    Image.new("RGB", (40, 40)).save(private)
    for path in (str(private), "assets/readme.png", "../assets/readme.png"):
        answer = call(url, [{"path": path}, "x", "csp", 8, 64, 6, 16, "uniform", 0])
        assert "event: error" in answer and "was not uploaded" in answer


@pytest.mark.parametrize("data", [[], [None], [1] * 40, {"a": 1}, None, "x"])
def test_malformed_calls_leave_the_server_alive(url, data):
    status, answer = post(url, "/gradio_api/call/run", {"data": data})
    if status == 200:
        event = json.loads(answer)["event_id"]
        with urllib.request.urlopen(f"{url}/gradio_api/call/run/{event}", timeout=30) as stream:
            assert "event: error" in stream.read().decode()
    else:
        assert 400 <= status < 600
    with urllib.request.urlopen(url + "/config") as answer_:
        assert answer_.status == 200


def test_bytes_that_are_no_json(url):
    assert 400 <= post(url, "/gradio_api/call/run", b"\xff\x00{")[0] < 600


@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", "../../etc/passwd", "app.py"])
def test_other_files_are_not_read(url, path):
    answer = call(
        url, [{"path": path, "meta": {"_type": "gradio.FileData"}}, "x", "csp", 8, 64, 6, 16, "uniform", 0]
    )
    assert "event: error" in answer and "root:" not in answer
    request = urllib.request.Request(f"{url}/gradio_api/file={path}")
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request, timeout=10)
    assert raised.value.code in (403, 404)


def completed(url: str, event: dict, values: list) -> dict:
    """Post to an event by its number, as any stranger can, and wait for what it answers."""
    session = f"stranger{event['id']}"
    body = {"data": values, "fn_index": event["id"], "session_hash": session, "event_data": None}
    status, answer = post(url, "/gradio_api/queue/join", body)
    assert status == 200, answer
    with urllib.request.urlopen(f"{url}/gradio_api/queue/data?session_hash={session}", timeout=30) as stream:
        for line in stream:
            message = json.loads(line.decode().removeprefix("data:")) if line.startswith(b"data:") else {}
            if message.get("msg") == "process_completed":
                return message
    raise AssertionError("no answer")


def test_private_events_validate_all_the_same(url):
    with urllib.request.urlopen(url + "/config") as stream:
        config = json.load(stream)
    kinds = {c["id"]: c["type"] for c in config["components"]}
    # Opening the page is no event of ours to refuse: without a link it changes nothing.
    opening = [d["id"] for d in config["dependencies"] if any(name == "load" for _, name in d["targets"])]
    events = [d for d in config["dependencies"] if d["backend_fn"] and d["api_name"] != "run" and d["id"] not in opening]
    assert len(events) >= 4
    for event in events:
        junk = [None if kinds[i] in ("image", "uploadbutton") else "junk" for i in event["inputs"]]
        message = completed(url, event, junk)
        said = json.dumps(message["output"])
        assert "Traceback" not in said
        assert message["success"], said
        assert "error" in said or "own" in said or "hoose an example" in said, said


_SCENE = {"query": "x", "source": "scene:3"}
JUNK = [None, "junk", 7, [], {}, {"query": "a ball"}, {"query": 3, "source": "scene:3"}, {**_SCENE, "knobs": []}]
JUNK += [{"query": "x", "image": {"path": "/etc/passwd"}}, {**_SCENE, "method": "csp", "knobs": {"<b>": 1}}]
JUNK += [{**_SCENE, "method": {"name": ["csp"]}}, {"path": "/etc/passwd"}, {"scene": "NaN"}, {"file": "../x"}]


def test_what_the_board_calls_validates_all_the_same(url):
    from csp.ui.board import FUNCTIONS

    with urllib.request.urlopen(url + "/config") as stream:
        config = json.load(stream)
    (board,) = (c["id"] for c in config["components"] if c["props"].get("elem_id") == "csp-viewer")

    def asked(name: str, sent: object) -> tuple[int, str]:
        body = {"session_hash": "stranger", "component_id": board, "fn_name": name, "data": sent}
        return post(url, "/gradio_api/component_server", body)

    for name in FUNCTIONS:
        for junk in JUNK:
            status, answer = asked(name, junk)
            assert status == 200, (name, junk, answer)
            assert "Traceback" not in answer and "root:" not in answer
            # a link sets what it can; the four selectors are always this method's; a place is the caller's, whatever is sent
            shown = name == "picture" and isinstance(junk, dict) and junk.get("source") == "scene:3"
            known = name in ("link", "four", "place") or shown
            assert "error" in json.loads(answer) or known, (name, junk, answer)
    assert asked("about", {})[0] == 404, "nothing else is called from outside"


def test_the_page_is_small_on_its_way(url):
    request = urllib.request.Request(url + "/", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers["content-encoding"] == "gzip"
        assert len(answer.read()) < 400_000


def test_only_run_has_a_name_of_its_own(url):
    with urllib.request.urlopen(url + "/config") as stream:
        config = json.load(stream)
    public = [d["api_name"] for d in config["dependencies"] if d.get("api_visibility") == "public"]
    assert public == ["run"]
    sliders = {c["id"] for c in config["components"] if c["type"] == "slider"}
    for event in config["dependencies"]:
        on_slider = [name for component, name in event["targets"] if component in sliders]
        if event["backend_fn"]:
            assert "change" not in on_slider, "change fires on programmatic updates too"
        if on_slider and event["backend_fn"]:
            assert event["trigger_mode"] == "always_last"


def test_two_clients_get_their_own_answers(url, photo):
    answers: dict[str, dict] = {}

    def ask(name: str) -> None:
        mine = Client(url, verbose=False)
        answers[name] = mine.predict(handle_file(photo), f"for {name}", seed=len(name), api_name="/run")[2]

    threads = [threading.Thread(target=ask, args=(name,)) for name in ("one", "three", "fourteen")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in ("one", "three", "fourteen"):
        assert answers[name]["request"]["query"] == f"for {name}"
        assert answers[name]["request"]["seed"] == len(name)


def test_uploads_are_limited(url):
    boundary = "xx"
    body = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'.encode()
        + b"0" * (25 * 2**20)
        + f"\r\n--{boundary}--\r\n".encode()
    )
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    request = urllib.request.Request(url + "/gradio_api/upload", body, headers)
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request, timeout=60)
    assert raised.value.code == 413


def test_nothing_calls_home(url):
    with urllib.request.urlopen(url + "/config") as stream:
        config = json.load(stream)
    assert config["analytics_enabled"] is False
    assert not config.get("run_history", False)
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(url + "/monitoring", timeout=10)
