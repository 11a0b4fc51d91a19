"""A checkpoint that came damaged: one sentence for each, with the remedy, from `load` and from `inspect`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import csp
from csp.checkpoints import load
from csp.inspect import inspect

LISA = Path(__file__).parent / "data/lisa"
SHARD = "pytorch_model-00001-of-00002.bin"
POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 1234567\n"
Change = Callable[[Path], object]


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """An official checkpoint of six layers, its tower and the sizes of its SAM, to break."""
    shutil.copytree(LISA / "lisa-tiny", tmp_path / "model")
    shutil.copytree(LISA / "clip-vit-tiny-patch14", tmp_path / "clip")
    shutil.copy(LISA / "sam_config.json", tmp_path / "sam.json")
    return tmp_path


def parts(whole: Path) -> dict[str, Any]:
    return {"clip": whole / "clip", "sam": whole / "sam.json"}


def config(**values: Any) -> Change:
    return edited("model/config.json", **values)


def edited(name: str, **values: Any) -> Change:
    return lambda whole: (whole / name).write_text(json.dumps(json.loads((whole / name).read_text()) | values))


def written(name: str, text: str) -> Change:
    return lambda whole: (whole / name).write_text(text)


def cut(name: str, share: float) -> Change:
    return lambda whole: (whole / name).write_bytes((data := (whole / name).read_bytes())[: int(len(data) * share)])


def without_its_end(whole: Path) -> None:
    """The file as far as the end of a piece: sentencepiece reads that without a word."""
    from csp.models.build import _whole

    file = whole / "model/tokenizer.model"
    data, at = file.read_bytes(), 0
    while data[at] >> 3 == 1 and at < 500:  # each piece: its field, its length in one byte, itself
        at += 2 + data[at + 1]
    assert _whole(data) and not _whole(data[:at])
    file.write_bytes(data[:at])


DAMAGES: dict[str, tuple[Change, str]] = {
    "fewer layers": (config(num_hidden_layers=2), "speaks of 2 layers and the weights hold 6: fetch both again"),
    "more layers": (config(num_hidden_layers=9), "speaks of 9 layers and the weights hold 6: fetch both again"),
    "no layer": (config(num_hidden_layers=0), "num_hidden_layers must be a whole number from 1, got 0"),
    "heads that do not divide": (config(num_attention_heads=5), "hidden_size 64 is no multiple of num_attention_heads 5"),
    "heads of another width": (
        config(num_attention_heads=8, num_key_value_heads=8),
        "8 heads are 8 wide and those of the weights 16",
    ),
    "keys that do not divide": (config(num_key_value_heads=3), "4 is no multiple of num_key_value_heads 3: config.json is not"),
    "heads as words": (config(num_attention_heads="four"), "must be a whole number from 1, got 'four'"),
    "an unknown activation": (config(hidden_act="swish2"), "'swish2', which transformers does not have"),
    "rotary scaling unknown": (config(rope_scaling={"type": "nope"}), "'nope', which transformers does not have"),
    "epsilon as words": (config(rms_norm_eps="small"), "rms_norm_eps"),
    "a tower's layer as words": (config(mm_vision_select_layer="last"), "mm_vision_select_layer must be in -4..-2"),
    "config a list": (written("model/config.json", "[]"), "must hold an object of names and values, got list"),
    "tokenizer cut": (cut("model/tokenizer.model", 0.5), "no sentencepiece model, or cut short: fetch it again"),
    "tokenizer empty": (cut("model/tokenizer.model", 0.0), "no sentencepiece model, or cut short"),
    "a page in place of the tokenizer": (written("model/tokenizer.model", "<html>404</html>"), "no sentencepiece model"),
    "tokenizer cut between pieces": (without_its_end, r"is cut short after \d+ pieces.*begin at 64: fetch it again"),
    "an id as words": (written("model/added_tokens.json", '{"[SEG]": "last"}'), r"gives '\[SEG\]' no id"),
    "settings a list": (written("model/tokenizer_config.json", "[]"), "tokenizer_config.json must hold an object"),
    "tokenizer a pointer": (written("model/tokenizer.model", POINTER), "tokenizer.model is a pointer of Git LFS.*git lfs pull"),
    "config a pointer": (written("model/config.json", POINTER), "config.json is a pointer of Git LFS"),
    "weights a pointer": (written(f"model/{SHARD}", POINTER), f"{SHARD} is a pointer of Git LFS"),
    "tower a pointer": (written("clip/model.safetensors", POINTER), "model.safetensors is a pointer of Git LFS"),
    "weights cut": (cut(f"model/{SHARD}", 0.5), f"{SHARD} cannot be read"),
    "index without a map": (written("model/pytorch_model.bin.index.json", "{}"), "has no weight_map from tensors to files"),
    "index that leads out": (
        written("model/pytorch_model.bin.index.json", '{"weight_map": {"a": "../x.bin"}}'),
        r"names '\.\./x\.bin', which is not in its folder",
    ),
    "no tower's config": (lambda whole: (whole / "clip/config.json").unlink(), "has no config.json.*pass --clip"),
    "tower's heads": (
        written("clip/config.json", '{"hidden_size": 32, "num_attention_heads": 5}'),
        "does not describe a CLIP tower",
    ),
    "colours": (edited("clip/preprocessor_config.json", image_std=[0, 0, 0]), "image_std must be above 0"),
    "SAM's sizes cut": (cut("sam.json", 0.5), r"sam\.json is not JSON"),
    "SAM's sizes a list": (written("sam.json", "[]"), r"sam\.json must hold an object"),
    "SAM's size as words": (edited("sam.json", image_size="large"), "image_size among the sizes of SAM must be like 1024"),
    "SAM of another size": (
        edited("sam.json", image_size=96),
        "its SAM has 2 layers of width 32 at 256 pixels, and 2 of 32 at 96 were asked for .*pass --sam a JSON file",
    ),
    "SAM of fewer layers": (edited("sam.json", encoder_depth=1), "its SAM has 2 layers .* and 1 of 32 .*pass --sam"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damage_is_one_sentence(whole: Path, damage: str) -> None:
    change, says = DAMAGES[damage]
    change(whole)
    with pytest.raises(ValueError, match=says) as raised:
        load(whole / "model", **parts(whole), device="meta", instances=False)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 600
    try:
        problems = inspect(whole / "model", **parts(whole)).problems
    except ValueError as error:
        problems = (str(error),)
    assert any(part in " ".join(problems) for part in (str(raised.value), str(raised.value).partition(": ")[2]))


def test_what_was_not_given_is_named(whole: Path) -> None:
    with pytest.raises(ValueError, match=r"no vision tower 'clip-vit-tiny-patch14' \(config\.json names it.*pass --clip"):
        load(whole / "model", sam=whole / "sam.json", device="meta")
    # Nothing says which SAM: vit_h is taken, and is not what the file holds.
    with pytest.raises(ValueError, match=r"its SAM has 2 layers.*asked for \(vit_h where nothing is said\): pass --sam"):
        load(whole / "model", clip=whole / "clip", device="meta")
    assert inspect(whole / "model", **parts(whole)).problems == ()


@pytest.mark.parametrize(
    ("broken", "says", "several"),
    [
        ("llm.layers.3.mlp.down_proj.weight", "layer 4 of the decoder's 6 gives numbers that are NaN or infinite", False),
        ("llm.layers.0.self_attn.v_proj.weight", "layer 1 of the decoder's 6", True),
        ("text_hidden_fcs.0.weight", "text_hidden_fcs", True),
        ("projector.weight", "the projector or the word embedding gives", False),
        ("clip.model.encoder.layers.1.mlp.fc1.weight", "the vision tower gives", False),
        ("mask_head.sam.image_encoder.patch_embed.proj.weight", "SAM's image encoder gives", False),
    ],
)
def test_numbers_that_are_none_are_traced_to_where_they_began(broken: str, says: str, several: bool) -> None:
    model = load(LISA / "lisa-tiny", LISA / "clip-vit-tiny-patch14", LISA / "sam_config.json", device="cpu", dtype="float32")
    part: Any = model
    *path, last = broken.split(".")
    for name in path:
        part = part[int(name)] if name.isdigit() else getattr(part, name)
    getattr(part, last).data.view(-1)[0] = torch.nan
    picture = np.full((40, 60, 3), 90, np.uint8)
    asked: Any = ["the tree", "the cat"] if several else "the tree"
    with pytest.raises(ValueError, match=says) as raised:
        model.segment(picture, asked, csp.CSP(1, 16, 2, 4))
    assert "fetch them again, or load with dtype=float32" in str(raised.value)
