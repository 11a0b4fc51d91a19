"""What a folder is told to hold before anything of it is read."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from published import DATA, write_published
from safetensors.torch import load_file, save_file

from csp.checkpoints import load
from csp.inspect import inspect, main
from csp.models.footprint import footprint
from csp.models.lisa import Lisa

TINY = ["--clip", str(DATA / "clip-vit-tiny-patch14"), "--sam", str(DATA / "sam_config.json")]


@pytest.fixture(scope="module")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_published(tmp_path_factory.mktemp("published") / "LISA-7B-v1", "xinlai/LISA-7B-v1")


def told(capsys: pytest.CaptureFixture[str], *args: str, code: int = 0) -> Any:
    assert main([*args, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_park_is_told_and_would_load(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["park"]) == 0
    text = capsys.readouterr().out
    assert "32 layers of width 128" in text and "16 x 16 = 256 image tokens" in text and "yolo11n-seg" in text
    assert "missing          none" in text and text.endswith("It would load.\n")


def test_the_golden_checkpoint_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    data = told(capsys, str(DATA / "lisa-tiny"), *TINY)
    config = json.loads((DATA / "lisa-tiny/config.json").read_text())
    added = json.loads((DATA / "lisa-tiny/added_tokens.json").read_text())
    model = load(DATA / "lisa-tiny", clip=TINY[1], sam=TINY[3], device="cpu", dtype="float32")
    assert f"{config['num_hidden_layers']} layers of width {config['hidden_size']}" in data["sizes"]["decoder"]
    assert data["check"]["[SEG] id"] == added["[SEG]"] and data["problems"] == []
    assert data["weights"]["left out"] == config["num_hidden_layers"] and data["weights"]["missing"] == []
    assert data["weights"]["stored as"] == {"bfloat16": 59, "float32": 249}
    first, last = data["check"]["image slots"]
    assert last - first + 1 == model.N
    # The row that is read predicts [SEG]: the slot before it, where the answer's colon stands.
    assert data["check"]["read-out slots"] == [slot - 1 for slot in data["check"]["[SEG] slots"]]


def test_the_self_check_is_what_a_run_does(park_folder: Path, model: Lisa, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    check = told(capsys, str(park_folder))["check"]
    _, layout = model.assemble(np.zeros((480, 640, 3), np.uint8), check["query"])
    assert check["image slots"] == [layout.N_sys, layout.N_sys + layout.N - 1]
    assert check["read-out slots"] == list(layout.I_seg) and check["sequence"] == layout.T
    assert check["crop"] == pytest.approx(list(layout.crop), abs=0.06) and check["read-out tokens"] == [":"]


def test_full_size_is_told_without_values(full_size: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = told(capsys, str(full_size))
    rows = {(row["dtype"], row["quantize"], row["offload_sam"]): row for row in data["memory"]}
    dense = rows["bfloat16", None, False]
    # 6.74 G of Llama with its head, 641 M of SAM, 303 M of CLIP and the small networks, two bytes each.
    assert dense["weights"] == pytest.approx(15.41e9, rel=0.002)
    assert rows["float32", None, False]["weights"] == 2 * dense["weights"]
    assert dense["weights"] - rows["bfloat16", None, True]["weights"] == rows["bfloat16", None, True]["visiting"]
    assert rows["bfloat16", None, True]["visiting"] == pytest.approx(2 * 637e6, rel=0.01)
    linears = 32 * (4 * 4096**2 + 3 * 4096 * 11008)
    saved = rows["float16", None, False]["weights"] - rows["float16", "8bit", False]["weights"]
    assert saved == pytest.approx(linears, rel=0.002)
    assert rows["float16", "4bit", False]["weights"] < rows["float16", "8bit", False]["weights"]
    assert all(row["peak"] > row["weights"] for row in data["memory"]) and data["devices"]["cpu"] > 0


def test_weights_as_counted_are_weights_as_loaded(park_folder: Path) -> None:
    """Float32 is what park runs in: the sum of its own tensors' bytes, its loading says the same."""
    model = load(park_folder, device="cpu", instances=False, dtype="float32")
    parts = [model.llm, model.clip.model, model.projector, model.text_hidden_fcs, model.mask_head.sam]
    assert footprint(model, "float32").weights == sum(p.nbytes for part in parts for p in part.parameters())


def test_no_value_is_read(full_size: Path) -> None:
    """Shards without values stand for shards whose values nobody touches: loading them for use raises."""
    assert inspect(full_size).problems == ()
    with pytest.raises((NotImplementedError, TypeError), match="meta"):
        load(full_size, device="cpu")


def test_what_is_missing_is_listed_and_the_exit_code_says_so(
    park_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(park_folder, tmp_path / "copy"))
    for file in sorted(folder.glob("model-*.safetensors")):
        state = load_file(file)
        state.pop("model.layers.2.mlp.up_proj.weight", None)
        if "model.norm.weight" in state:
            state["model.norm.weight"] = torch.ones(7)
        save_file(state | {f"other.{file.stem}": torch.ones(1)}, file)
    data = told(capsys, str(folder), code=1)
    assert data["weights"]["missing"] == ["model.layers.2.mlp.up_proj.weight"]
    assert data["weights"]["of another shape"] == ["model.norm.weight is [7], config.json asks for [32]"]
    assert len(data["weights"]["unexpected"]) == 2
    assert data["problems"] == ["1 tensors are missing", "1 tensors have another shape"]
    assert main([str(folder)]) == 1
    assert "PROBLEM: 1 tensors are missing" in capsys.readouterr().out
    next(iter(folder.glob("model-00002*"))).unlink()
    (problem,) = told(capsys, str(folder), code=1)["problems"]
    assert "lacks model-00002-of-00002.safetensors" in problem


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nowhere"], "there is no model 'nowhere'"),
        ([], "the following arguments are required: model"),
        (["park", "--clipp", "x"], "unrecognized arguments"),
        ([str(DATA)], r"has no config.json"),
        ([str(DATA / "clip-vit-tiny-patch14")], "does not describe a Llama decoder"),
    ],
)
def test_bad_input_is_one_line_and_code_2(args: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.startswith("inspect: ") and err.count("\n") == 1


def test_a_reader_that_has_seen_enough_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    read, write = os.pipe()
    os.close(read)  # as `| head` leaves it
    with os.fdopen(write, "w") as pipe:
        monkeypatch.setattr(sys, "stdout", pipe)
        assert main(["park", "--json"]) == 0
