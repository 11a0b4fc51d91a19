"""The program of the page with official-format checkpoints: it starts and answers, or says in one sentence what is wrong."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import app
import csp
from csp import tuned
from csp.bench.start import free_port
from csp.bench.visitor import Visitor

DATA = Path(__file__).parent / "data"
LISA = DATA / "lisa/lisa-tiny"
CLIP, SAM = str(DATA / "lisa/clip-vit-tiny-patch14"), str(DATA / "lisa/sam_config.json")
TINY = ["--model", str(LISA), "--clip", CLIP, "--sam", SAM]
SA2VA = ["--model", str(DATA / "sa2va/sa2va-tiny"), "--sam", str(DATA / "sa2va/sam2_config.json"), "--dtype", "float32"]

Visit = Callable[[Visitor], Any]
Serve = Callable[[list[str], Visit], Any]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """The program itself, up to where it waits: there somebody visits, and then it is told to stop."""
    import csp.ui

    for name in ("GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY", "FORWARDED_ALLOW_IPS"):
        monkeypatch.setenv(name, "1" if name.startswith("HF") else "")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.delenv("SPACE_ID", raising=False)
    port = free_port()

    def run(flags: list[str], visit: Visit) -> Any:
        told: list[Any] = []

        def visited(page: Any, turns: Any = None) -> int:
            visitor = Visitor(f"http://127.0.0.1:{port}")
            try:
                visitor.open()
                told.append(visit(visitor))
            finally:
                visitor.close()
                page.close()
            return 0

        monkeypatch.setattr(csp.ui, "until_stopped", visited)
        assert app.main([*flags, "--device", "cpu", "--port", str(port)]) == 0
        return told[0]

    yield run
    gc.unfreeze()
    gc.enable()


def ran(visitor: Visitor, method: str = "csp", **more: Any) -> dict[str, Any]:
    return visitor.call("run", {"query": "the red ball", "source": "scene:3", "seed": 0, "method": method, **more})


def test_a_checkpoint_of_six_layers_with_its_parts_named(serve: Serve, tmp_path: Path) -> None:
    base = csp.load(LISA, clip=CLIP, sam=SAM, device="cpu")
    own = {"Lc": 1, "Nc": 9, "Ls": 2, "Np": 3, "cluster": "cls"}
    tuned.save(tmp_path / "head", base, "decoder", {"base": tuned.fingerprint(base), "method": "csp", "knobs": own})

    def visit(visitor: Visitor) -> Any:
        # What words and patches are compared in is not part of LISA's tower.
        able = [name for name in csp.METHODS if name not in ("litelvlm", "cdpruner")]
        half = ran(visitor, "pyramiddrop", knobs={"lam": 0.25})
        return {name: ran(visitor, name) for name in able}, ran(visitor, knobs={"Nc": 4}), half

    told, other, half = serve([*TINY, "--head", str(tmp_path / "head")], visit)
    assert [name for name, run in told.items() if "error" in run or run["L"] != 6] == []
    assert told["csp"]["knobs"].items() >= own.items() and not told["csp"]["notes"]  # the plan that the head was tuned under
    assert other["knobs"]["Nc"] == 4 and other["knobs"]["Ls"] == 2 and "tuned under" in " ".join(other["notes"])
    assert sum(stage["L"] for stage in half["stages"]) == 6 and half["knobs"]["lam"] == 0.25


def test_tiles_of_a_picture_are_as_many_as_was_said(serve: Serve, tmp_path: Path) -> None:
    wide = tmp_path / "wide.png"
    Image.fromarray(np.hstack([csp.park.scene(3).image] * 2)).save(wide)

    def visit(visitor: Visitor) -> Any:
        return ran(visitor, source="", image={"path": visitor.upload("wide.png", wide.read_bytes())})

    one, two = serve(SA2VA, visit), serve([*SA2VA, "--max-tiles", "2"], visit)
    assert (one["N"], two["N"]) == (16, 3 * 16)  # two tiles, and the whole in small


SAYS = {
    "no tower": ([*TINY[:2]], "--clip"),
    "a tower that is not there": ([*TINY[:2], "--clip", "nowhere", "--sam", SAM], "nowhere"),
    "a tower of something else": ([*TINY[:2], "--clip", str(LISA), "--sam", SAM], "clip"),
    "SAM's sizes of another": ([*TINY[:4], "--sam", "vit_b"], "SAM"),
    "no SAM's sizes": ([*TINY[:4], "--sam", "vit_x"], "vit_x"),
    "no head": ([*TINY, "--head", "nowhere"], "give the folder that csp.tune wrote"),
    "no tiles": ([*SA2VA, "--max-tiles", "0"], "max_tiles"),
    "tiles of LISA": ([*TINY, "--max-tiles", "2"], "tiles"),
    "no preset": ([*TINY, "--preset", "nowhere.json"], "preset.json"),
    "no port": (["--port", "70000"], "port"),
}


@pytest.mark.parametrize("wrong", SAYS)
def test_what_is_wrong_is_said_in_one_sentence(
    wrong: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flags, says = SAYS[wrong]
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, str(tmp_path) if name.endswith("DIR") else "False")
    assert app.main(["--port", str(free_port()), "--device", "cpu", *flags]) == 2
    told = capsys.readouterr().err
    assert told.startswith("app: ") and told.count("\n") == 1 and says in told and "Traceback" not in told


def test_a_head_of_another_base_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = csp.load(LISA, clip=CLIP, sam=SAM, device="cpu")
    tuned.save(tmp_path, base, "decoder", {"base": "0" * 64, "method": "csp", "knobs": {}})
    assert app.main([*TINY, "--head", str(tmp_path), "--port", str(free_port()), "--device", "cpu"]) == 2
    assert "load the one that it was tuned on" in capsys.readouterr().err
