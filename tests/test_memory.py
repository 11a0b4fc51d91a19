"""Large models in little memory: running out is survived, SAM's encoder offloaded, layers quantised, shards mapped."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from conftest import SAM_CONFIG
from torch import nn

import csp
from csp.checkpoints import load
from csp.models import quantize
from csp.models.lisa import Lisa
from csp.models.memory import OutOfMemory, is_out_of_memory, survives_out_of_memory
from csp.models.sam import SamHead, build_sam, sam_sizes
from csp.models.weights import LoadReport, read_parts, tensors

PLAN = csp.CSP(1, 16, 1, 4)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        MemoryError(),
    ],
)
def test_running_out_of_memory_is_named_and_survived(
    model: Lisa, picture: np.ndarray, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = model.segment(picture, "a dog", PLAN)

    def full(*args: object, **kwargs: object) -> Any:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(model.layers, "run", full)
        with pytest.raises(OutOfMemory, match=r"while segmenting \(.+\): load the model in a smaller dtype") as info:
            model.segment(picture, "a dog", PLAN)
    assert isinstance(info.value, ValueError) and info.value.__context__ is None  # no traceback keeps tensors alive
    np.testing.assert_array_equal(model.segment(picture, "a dog", PLAN).logits, expected.logits)


def test_a_picture_that_does_not_fit_leaves_the_cache_and_its_lock_free(
    model: Lisa, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = np.full((40, 50, 3), 77, np.uint8)
    with monkeypatch.context() as broken:
        broken.setattr(model.mask_head, "encode", lambda image: (_ for _ in ()).throw(MemoryError()))
        with pytest.raises(OutOfMemory, match="while encoding the picture"):
            model.encode(other)
    assert model.encode(other).sam_input == (90, 112)


def test_other_errors_pass() -> None:
    @survives_out_of_memory("testing", "none")
    def wrong() -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        wrong()
    assert not is_out_of_memory(ValueError("out of memory"))


def test_loading_may_run_out_too(park_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from csp import checkpoints

    def full(*args: object, **kwargs: object) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(checkpoints, "read_parts", full)
    with pytest.raises(OutOfMemory, match=r"while loading .*quantize=\"8bit\""):
        load(park_folder, device="cpu", instances=False)


def test_an_offloaded_encoder_visits_the_device_for_one_encoding() -> None:
    """The device is "meta" here: it holds no values, but says where everything was."""
    torch.manual_seed(0)
    sam: Any = build_sam(sam_sizes(SAM_CONFIG))
    rest = {name: weight.clone() for name, weight in sam.image_encoder.named_parameters()}
    for part in (sam.prompt_encoder, sam.mask_decoder):
        part.to("meta")
    sam.pixel_mean, sam.pixel_std = sam.pixel_mean.to("meta"), sam.pixel_std.to("meta")
    head = SamHead(sam, offload=True)
    during: list[str] = []
    sam.image_encoder.blocks[0].register_forward_pre_hook(
        lambda block, args: during.append(block.mlp.lin1.weight.device.type)
    )
    embedding, _ = head.encode(np.zeros((10, 20, 3), np.uint8))
    assert during == ["meta"] and embedding.device.type == "meta"
    for name, weight in sam.image_encoder.named_parameters():
        assert weight.device.type == "cpu" and torch.equal(weight, rest[name])


def test_offloading_changes_nothing_on_a_cpu(park_folder: Path, model: Lisa, picture: np.ndarray) -> None:
    other = load(park_folder, device="cpu", instances=False, offload_sam=True)
    assert other.mask_head.offload and not model.mask_head.offload
    torch.testing.assert_close(other.mask_head.encode(picture)[0], model.mask_head.encode(picture)[0], rtol=0, atol=0)


def test_encoding_is_sams_own_forward(model: Lisa, picture: np.ndarray) -> None:
    head = model.mask_head
    with torch.no_grad():
        theirs = head.sam.image_encoder(head.preprocess(picture)[0])
        assert torch.equal(head.encode(picture)[0], theirs)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_runs_and_agrees(park_folder: Path, model: Lisa, picture: np.ndarray, dtype: str) -> None:
    half = load(park_folder, device="cpu", instances=False, dtype=dtype)
    neck = half.mask_head.sam.image_encoder.neck[0].weight.dtype
    assert neck == (torch.float32 if dtype == "float16" else torch.bfloat16)
    assert half.llm.rotary_emb.inv_freq.dtype == torch.float32
    ours, theirs = (m.segment(picture, "a dog", PLAN).logits for m in (half, model))
    assert np.isfinite(ours).all() and np.abs(ours - theirs).max() < 0.1 * max(1.0, np.abs(theirs).max())


class FakeLinear(nn.Module):
    """What this code asks of a bitsandbytes layer: a weight that is quantised when it moves to its device."""

    def __init__(self, columns: int, rows: int, bias: bool = True, **settings: Any):
        super().__init__()
        self.settings, self.weight = settings, nn.Parameter(torch.empty(rows, columns), requires_grad=False)
        self.register_parameter("bias", nn.Parameter(torch.empty(rows)) if bias else None)

    def to(self, device: Any) -> FakeLinear:  # type: ignore[override]
        step = self.weight.abs().max() / 127
        self.weight.data = (self.weight / step).round() * step
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ self.weight.T.to(x.dtype)


def fake_bitsandbytes(**more: Any) -> Any:
    def params(weight: torch.Tensor, requires_grad: bool, **settings: Any) -> nn.Parameter:
        return nn.Parameter(weight, requires_grad)

    names = {"Linear8bitLt": FakeLinear, "Linear4bit": FakeLinear, "Int8Params": params, "Params4bit": params}
    return SimpleNamespace(nn=SimpleNamespace(**(names | more)), __version__="0")


@pytest.mark.parametrize("how", quantize.HOW)
def test_quantising_replaces_the_layers_linears_and_nothing_else(
    park_folder: Path, model: Lisa, picture: np.ndarray, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", fake_bitsandbytes())
    small = load(park_folder, device="cpu", instances=False, quantize=how)
    kinds = [type(m) for m in small.llm.modules()]
    assert kinds.count(FakeLinear) == 7 * small.L and nn.Linear not in kinds
    assert isinstance(small.projector, nn.Sequential) and type(small.projector[0]) is nn.Linear
    assert {p.dtype for p in small.llm.parameters()} == {torch.float32}  # norms too, which were stored in half precision
    made: Any = small.llm.layers[0].self_attn.q_proj
    assert made.settings == (
        {"has_fp16_weights": False} if how == "8bit" else {"compute_dtype": torch.float32, "quant_type": "nf4"}
    )
    assert not torch.equal(made.weight, model.llm.layers[0].self_attn.q_proj.weight)
    ours, theirs = (m.segment(picture, "a dog", PLAN) for m in (small, model))
    assert not np.array_equal(ours.logits, theirs.logits)
    assert np.abs(ours.logits - theirs.logits).max() < 0.1 * np.abs(theirs.logits).max()


def test_weights_to_be_quantised_are_not_copied_first(park_folder: Path) -> None:
    """They stay views of their file, in its dtype, until each is quantised; the fingerprint is of what is stored."""
    plain, later = LoadReport(""), LoadReport("")
    cpu, kind = torch.device("cpu"), torch.float32
    read_parts(park_folder, cpu, kind, plain)
    parts = read_parts(park_folder, cpu, kind, later, as_stored=("model.layers.",))
    assert parts["llm"]["layers.0.mlp.up_proj.weight"].dtype == torch.float16
    assert parts["llm"]["norm.weight"].dtype == kind and later.fingerprint == plain.fingerprint


def test_quantising_without_the_library_says_what_to_install(park_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(ValueError, match=r"quantize='8bit' needs bitsandbytes, .*: pip install bitsandbytes, or"):
        load(park_folder, device="cpu", quantize="8bit")
    with pytest.raises(ValueError, match="quantize must be one of 8bit, 4bit, got 'int8'"):
        load(park_folder, device="cpu", quantize="int8")


def test_quantising_where_the_library_does_not_work_is_refused_first(
    park_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(FakeLinear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise NotImplementedError("no kernel for cpu")

    monkeypatch.setitem(sys.modules, "bitsandbytes", fake_bitsandbytes(Linear4bit=Broken))
    with pytest.raises(ValueError, match=r"cannot compute weights \[64, 64\] in 4bit on cpu \(no kernel for cpu\): use"):
        load(park_folder, device="cpu", quantize="4bit")

    class Choosy(FakeLinear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            assert len(self.weight) % 64 == 0, "rows must be a multiple of 64"
            return super().forward(x)

    monkeypatch.setitem(sys.modules, "bitsandbytes", fake_bitsandbytes(Linear4bit=Choosy))
    with pytest.raises(ValueError, match=r"weights \[32, 32\] in 4bit on cpu \(rows must be a multiple of 64"):
        load(park_folder, device="cpu", quantize="4bit", instances=False)


def test_weights_are_views_of_their_files_until_they_are_cast(park_folder: Path, tmp_path: Path) -> None:
    stored = dict(tensors(park_folder))
    torch.save(stored, tmp_path / "pytorch_model.bin")
    mapped = dict(tensors(tmp_path))
    name = "model.embed_tokens.weight"
    with (tmp_path / "pytorch_model.bin").open("r+b") as file:  # what is on disk shows through
        data = file.read()
        place = data.index(stored[name].numpy().tobytes())
        file.seek(place)
        file.write(np.float16(7).tobytes())
    assert mapped[name][0, 0] == 7 and stored[name][0, 0] != 7


def test_old_files_of_weights_are_read_as_well(tmp_path: Path) -> None:
    state = {"a": torch.arange(3.0)}
    torch.save(state, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    assert torch.equal(dict(tensors(tmp_path))["a"], state["a"])
    torch.save([1, 2], tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="holds more than named tensors"):
        dict(tensors(tmp_path))
