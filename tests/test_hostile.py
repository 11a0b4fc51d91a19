"""A thousand hostile inputs, and that the campaign which hands them in would see what is wrong."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import page

import csp
from csp import recordings
from csp.bench import hostile
from csp.bench.hostility import cases, library, values, watch
from csp.bench.hostility.cases import Case, Wrong
from csp.forcing import check_force
from csp.methods import named
from csp.models.prompt import WordPrompt
from csp.models.sam import sam_sizes
from csp.samples import FolderSource
from csp.types import Request

ROOT = Path(__file__).parents[1]


def test_a_thousand_cases_find_nothing(park_folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "csp.bench", "hostile", "--model", str(park_folder), "--json", str(tmp_path / "found.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert hostile.findings(found) == []
    assert sum(kind["cases"] for kind in found["kinds"]) == 1000
    # A campaign that answers everything, or refuses everything, hands in the wrong things.
    total = {name: sum(kind[name] for kind in found["kinds"]) for name in ("answered", "refused")}
    assert total["answered"] > 200 and total["refused"] > 400, done.stdout


class Made(library.Here):
    """One case over and over."""

    name = "made"

    def __init__(self, act: Any):
        self.act = act

    def ordinary(self) -> list[Case]:
        return [Case("nothing", lambda: "")]

    def case(self, lot: Any) -> Case:
        return Case("made", self.act)


def _hungry() -> str:
    # Far more than the bound: what the system takes back of an old process meanwhile is in the count.
    return "" if np.ones(2**25).any() else "never said"


def _busy() -> str:
    end = time.process_time() + cases.LEAST + 0.3
    while time.process_time() < end:
        pass
    return ""


def _asleep() -> str:
    time.sleep(30)
    return ""


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda: [][1], "IndexError"),
        (lambda: "'NoneType' object is not subscriptable in this file", "in Python's words"),
        (lambda: "x" * 5000, "refused in 5,000 characters"),
        (lambda: "error", "hardly any words"),
        (lambda: f"the file says {values.KEPT} and no more", "told what stands in a file"),
        (_hungry, "needed"),
        (_busy, "processor seconds"),
        (_asleep, "did not end within 1 s"),
    ],
)
def test_the_campaign_sees(act: Any, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cases, "MOST_BYTES", 2**25)
    monkeypatch.setattr(cases, "PATIENCE", 1 if act is _asleep else 60)
    tally = cases.run(Made(act), 0, [4])
    assert (tally.answered, tally.refused, len(tally.findings)) == (0, 0, 1)
    assert tally.findings[0].startswith("made:4 made: ") and says in tally.findings[0]


def test_the_campaign_counts_answers_and_refusals() -> None:
    assert cases.run(Made(lambda: ""), 0, range(3)).answered == 3
    assert cases.run(Made(lambda: "Nc must be in 1..64, got 65"), 0, range(2)).refused == 2
    made = Made(lambda: "")
    made.ordinary = lambda: [Case("nothing", lambda: "no")]  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="an ordinary case of made, nothing, was refused: no"):
        cases.run(made, 0, [0])


def test_cases_follow_from_seed_kind_and_number_alone() -> None:
    def drawn(seed: int, kind: str, number: int) -> tuple[str, bytes]:
        return values.image_file(cases.lot_of(seed, kind, number))

    assert drawn(1, "a", 5) == drawn(1, "a", 5)
    assert len({drawn(*key)[1] for key in ((1, "a", 5), (2, "a", 5), (1, "b", 5), (1, "a", 6))}) > 1


@pytest.mark.parametrize(
    ("event", "args", "wrong"),
    [
        ("open", ("/etc/passwd", "r", 0), True),
        ("open", (f"/tmp/{values.CANARY}/secret.txt", "r", 0), True),
        ("open", ("/usr/lib/x.so", "r", 0), False),
        ("socket.connect", (None, ("127.0.0.1", 80)), False),
        ("socket.connect", (None, ("192.0.2.1", 80)), True),
        ("socket.getaddrinfo", (b"dns.google", 443, 0, 0, 0), True),
        ("pickle.find_class", ("os", "system"), True),
        ("subprocess.Popen", ("sh", ["sh"], None, None), True),
    ],
)
def test_doors_are_watched(event: str, args: tuple[Any, ...], wrong: bool) -> None:
    assert bool(watch.forbidden(event, args)) == wrong


# What the campaign found, each with the words that it is refused in now.


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with page(tmp_path_factory.mktemp("gradio")) as (url, _):
        yield url


def post(url: str, told: Any) -> tuple[int, str]:
    request = urllib.request.Request(url, json.dumps(told).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("place", ["http://192.0.2.1/x.png", "/etc/passwd", "../x", "a\0b", 7])
@pytest.mark.parametrize("meta", [{"_type": "gradio.FileData"}, 3])
def test_what_nobody_uploaded_is_neither_fetched_nor_a_traceback(
    url: str, place: Any, meta: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    monkeypatch.setattr("socket.getaddrinfo", _telling(asked))
    sent = {"path": place, "meta": meta}
    for data in ([sent, "the red ball", *["csp", 8, 64, 6, 16, "uniform", 0]], [None, "a", "csp", sent, 64, 6, 16, "uniform", 0]):
        _, answer = post(f"{url}/gradio_api/call/run", {"data": data})
        event = json.loads(answer)["event_id"]
        with urllib.request.urlopen(f"{url}/gradio_api/call/run/{event}", timeout=30) as stream:
            told = stream.read().decode()
        assert "event: error" in told and ("picture" in told or "was not uploaded" in told), told
    assert not [host for host in asked if host not in ("127.0.0.1", "localhost")]
    assert "Traceback" not in "".join(capfd.readouterr())


def _telling(asked: list[str]) -> Any:
    import socket

    real = socket.getaddrinfo

    def told(host: Any, *args: Any, **more: Any) -> Any:
        asked.append(host.decode() if isinstance(host, bytes) else str(host))
        return real(host, *args, **more)

    return told


def test_a_call_with_too_few_values_is_told_so_and_not_repeated(url: str) -> None:
    status, answer = post(f"{url}/gradio_api/call/run", {"data": ["x" * 50_000, "a ball"]})
    assert status == 400 and json.loads(answer)["error"].startswith("a call of /run lists at least 9 values in data, got 2")


def test_so_is_an_event_of_the_page(url: str) -> None:
    with urllib.request.urlopen(f"{url}/config", timeout=30) as page:
        event = next(e for e in json.loads(page.read())["dependencies"] if len(e["inputs"]) > 2)
    told = {"data": ["x" * 50_000], "fn_index": event["id"], "session_hash": "few"}
    status, answer = post(f"{url}/gradio_api/queue/join", told)
    assert status == 400
    assert json.loads(answer)["error"].startswith(f"this event lists at least {len(event['inputs'])} values in data, got 1")
    assert "xxx" not in answer


ELSEWHERE = ("file=http://192.0.2.1/x", "file=HTTPS://192.0.2.1", "proxy=http://192.0.2.1", "file%3Dhttp%3A//192.0.2.1")


@pytest.mark.parametrize("path", ELSEWHERE)
def test_no_file_of_another_machine_is_given_out(url: str, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("socket.getaddrinfo", _telling(asked))
    with pytest.raises(urllib.error.HTTPError) as told:
        urllib.request.urlopen(f"{url}/gradio_api/{path}", timeout=30)
    assert told.value.code in (403, 404)
    assert not [host for host in asked if host not in ("127.0.0.1", "localhost")]


def test_an_event_that_there_is_not_is_told(url: str, capfd: pytest.CaptureFixture[str]) -> None:
    with urllib.request.urlopen(f"{url}/gradio_api/call/run/nothing", timeout=30) as stream:
        assert "there is no such event" in stream.read().decode()
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_tokenizer_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text('{"model": 3}')
    with pytest.raises(ValueError, match=r"tokenizer\.json is no tokenizer \(.*\): fetch it again"):
        WordPrompt(tmp_path / "tokenizer.json", {})


def test_a_prompt_is_lists_of_tokens(park_folder: Path) -> None:
    with pytest.raises(ValueError, match=r"lists of tokens sys, usr and out, usr is \[\{\}\]"):
        WordPrompt(park_folder / "tokenizer.json", {"sys": ["<s>"], "usr": [{}], "out": []})  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"csp": [1]}, r"csp in config\.json must map names to values, got \[1\]"),
        ({"csp": {"prompt": "aaaa"}}, r"the prompt in config\.json must map names to values, got 'aaaa'"),
        ({"csp": {"dtype": [9.5] * 9000}}, r"dtype must be one of float32, bfloat16, float16, got \[9\.5.*…$"),
        ({"architectures": 0.5, "hidden_size": 0}, "hidden_size must be a whole number from 1, got 0"),
        ({"rope_theta": [1.0]}, r"rope_theta must be a number in 1\..*, got \[1\.0\]"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": "1"}}, "rope_theta must be a number in"),
    ],
)
def test_a_config_that_will_not_do_is_told_in_a_line(
    park_folder: Path, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    folder = tmp_path / "changed"
    shutil.copytree(park_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ValueError, match=words) as told:
        csp.load(folder, device="cpu", instances=False)
    assert len(str(told.value)) < 400


def test_names_that_no_system_takes_and_numbers_of_any_length(tmp_path: Path) -> None:
    listing = tmp_path / "samples.jsonl"
    listing.write_text(json.dumps({"image": "a" * 5000, "query": "a", "mask": "b.png"}))
    with pytest.raises(ValueError, match=r"line 1 names the image 'a+…, which is not in"):
        FolderSource(tmp_path)
    row = {"file": "a.npz", "query": "", "model": "", "title": "", "alt": "", "thumb": recordings.PICTURE, "n_avg": 1.0, "N": 2}
    for size, known in ((10, 1), (10**400, 0), (float("nan"), 0), (True, 0)):
        (tmp_path / recordings.INDEX).write_text(json.dumps({"runs": [row | {"size": size}]}))
        assert len(recordings.read_index(tmp_path)) == known


@pytest.mark.parametrize("knobs", [7, "Nc", [["Nc", 3]]])
def test_knobs_are_told_by_name(knobs: Any) -> None:
    with pytest.raises(ValueError, match="knobs must map names to values, got"):
        named("csp", knobs)


def test_sams_sizes_are_held_by_name() -> None:
    with pytest.raises(ValueError, match="encoder among the sizes of SAM must hold sizes by name, got"):
        sam_sizes({"encoder": [1]})


def test_errors_of_forcing_are_cut() -> None:
    with pytest.raises(ValueError) as told:  # noqa: PT011 - the length is what is asked about
        check_force({"x" * 100_000: {}}, ["pruning"], 64)
    assert len(str(told.value)) < 200


def test_a_query_is_text() -> None:
    with pytest.raises(ValueError, match=r"query must be text, got \['csp'\]"):
        Request(np.zeros((2, 2, 3), np.uint8), ["csp"])  # type: ignore[arg-type]


@pytest.mark.parametrize("place", ["/etc/passwd", "../m.png", "a\0b"])
def test_a_listing_names_files_of_its_folder(tmp_path: Path, place: str) -> None:
    (tmp_path / "samples.jsonl").write_text(json.dumps({"image": "a.png", "query": "x", "mask": place}))
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match="mask must be a path inside the folder, got"):
        FolderSource(tmp_path)


def test_wrong_is_no_value_error() -> None:
    """Else the library's own refusals would hide a finding."""
    assert not issubclass(Wrong, ValueError)


def test_nothing_unpickles() -> None:
    """Tensors are loaded as such, arrays without objects, YAML as data; training's own cache, which nobody sends, aside."""
    found = []
    for file in [ROOT / "app.py", *sorted((ROOT / "csp").rglob("*.py"))]:
        if file == ROOT / "csp/park/training/data.py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            given = {word.arg: ast.unparse(word.value) for word in node.keywords} if isinstance(node, ast.Call) else {}
            runs = name.endswith(("pickle.load", "pickle.loads", "Unpickler", "marshal.loads", "yaml.load", "joblib.load"))
            runs |= name == "torch.load" and given.get("weights_only") != "True"
            runs |= given.get("allow_pickle", "False") != "False" or name in ("eval", "exec")
            if runs:
                found.append(f"{file.relative_to(ROOT)}:{node.lineno} {ast.unparse(node)[:80]}")
    assert found == []
