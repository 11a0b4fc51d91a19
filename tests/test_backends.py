"""Other ways to run the same layers give the plain backend's results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import tiny_decoder as tiny
import torch
from torch._dynamo.backends.registry import lookup_backend
from torch.nn import functional as F

import csp
from csp.decoder import Decoded, decode
from csp.methods import CSP, FastV, Full, Method, PruMerge, PyramidDrop, SparseVLM, VisionZip
from csp.models import compiled
from csp.models.backends import BACKENDS
from csp.models.compiled import CompiledLlama
from csp.models.llama import Llama
from csp.models.onednn import OneDNN, OneDNNLlama


def test_the_plain_one_comes_first() -> None:
    assert next(iter(BACKENDS)) == "plain" and BACKENDS["plain"] is Llama


@pytest.mark.parametrize("bias", [True, False])
def test_onednn_multiplies_as_mkl_does(bias: bool) -> None:
    x, weight, b = torch.randn(2, 5, 48), torch.randn(7, 48), torch.randn(7) if bias else None
    with OneDNN():
        ours = F.linear(x, weight, b)
    torch.testing.assert_close(ours, F.linear(x, weight, b), rtol=1e-5, atol=1e-5)


def test_onednn_is_asked_for_float32_only_and_only_inside() -> None:
    from torch.profiler import profile

    x, weight = torch.randn(4, 8), torch.randn(3, 8)
    counts = []
    for inside, kind in ((True, torch.float32), (True, torch.float64), (False, torch.float32)):
        with profile() as seen:
            if inside:
                with OneDNN():
                    F.linear(x.to(kind), weight.to(kind))
            else:
                F.linear(x.to(kind), weight.to(kind))
        counts.append(sum("mkldnn::_linear_pointwise" in event.name for event in seen.events()))
    assert counts == [1, 0, 0]


class Counted:
    """A torch.compile backend that needs no compiler and counts the graphs that it is given."""

    def __init__(self) -> None:
        self.graphs = 0
        self.backend = "eager"

    def __call__(self, graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., Any]:
        self.graphs += 1
        return lookup_backend(self.backend)(graph, inputs)


@pytest.fixture
def counted() -> Iterator[Counted]:
    torch._dynamo.reset()
    yield Counted()
    torch._dynamo.reset()


PLANS: dict[str, Method] = {
    "full": Full(),
    "csp": CSP(3, 6, 2, 4),
    "cls": CSP(2, 8, 3, 5, cluster="cls"),
    "prumerge": PruMerge(n=5, neighbours=3),
    "visionzip": VisionZip(dominant=4, contextual=2),
    "fastv": FastV(K=2, R=6),
    "sparsevlm": SparseVLM(layers=(2, 4), keep=(8, 4)),
    "pyramiddrop": PyramidDrop(layers=(2, 5), lam=0.5),
}


def same(plain: Decoded, other: Decoded) -> None:
    close = partial(torch.testing.assert_close, rtol=1e-4, atol=1e-5, equal_nan=True)
    close(other.seg_state, plain.seg_state)
    close(other.sequence.hidden, plain.sequence.hidden)
    close(torch.tensor(other.trace.A_SEG), torch.tensor(plain.trace.A_SEG))
    close(torch.tensor(other.trace.A_text), torch.tensor(plain.trace.A_text))
    assert other.trace.n_per_layer == plain.trace.n_per_layer
    assert other.sequence.slots.tolist() == plain.sequence.slots.tolist()


@pytest.mark.parametrize("method", PLANS)
def test_onednn_gives_the_plain_ones_results(method: str) -> None:
    plan = PLANS[method].plan(tiny.N, 8)
    plain, other = (decode(made(tiny.llama()), tiny.start(), plan, tiny.vision()) for made in (Llama, OneDNNLlama))
    same(plain, other)


def test_compiled_gives_the_plain_ones_results(counted: Counted) -> None:
    """Every plan, padded (28 rows become 32), through all that happens before code is generated."""
    counted.backend = "aot_eager"
    layers = CompiledLlama(tiny.llama(), backend=counted)
    for method in PLANS.values():
        for record in (True, False):
            plan = method.plan(tiny.N, 8)
            plain, other = (
                decode(each, tiny.start(), plan, tiny.vision(), record=record) for each in (Llama(tiny.llama()), layers)
            )
            same(plain, other)
    assert counted.graphs


def test_moving_a_slider_compiles_nothing(counted: Counted) -> None:
    """Every Np, then every Lc: one compiled layer serves all layers, stages and numbers of tokens."""
    sizes = {"grid": (16, 16), "N": 256, "I_seg": (3 + 256 + 5,)}
    start, model = tiny.start(**sizes), tiny.llama()
    layers = CompiledLlama(model, backend=counted)
    for Np in (4, 9, 40):
        decode(layers, start, CSP(3, 64, 2, Np).plan(256, 8))
    first = counted.graphs
    assert 1 <= first <= 4
    for Np in range(1, 257, 15):
        decode(layers, start, CSP(3, 64, 2, Np).plan(256, 8))
    for Lc in range(6):
        decode(layers, start, CSP(Lc, 40, 2, 16).plan(256, 8))
    assert counted.graphs == first


def test_padding_rows_follow_the_real_ones(counted: Counted) -> None:
    shapes: list[tuple[int, int]] = []

    class Watched(CompiledLlama):
        def _layers(self, first, L, hidden, *rest):
            shapes.append((L, hidden.shape[1]))
            return super()._layers(first, L, hidden, *rest)

    out = decode(Watched(tiny.llama(), backend=counted), tiny.start(), PLANS["csp"].plan(tiny.N, 8))
    assert shapes == [(3, 32), (2, 32), (3, 32)]
    assert out.sequence.hidden.shape[1] == 4 + tiny.layout().N_text


def test_a_stage_is_captured_once_a_bucket(counted: Counted) -> None:
    """A capture that, as a CUDA graph does, reads and writes buffers of its own."""
    captured: list[tuple[int, ...]] = []

    def capture(run, inputs):
        own = tuple(part.clone() for part in inputs)
        captured.append(tuple(own[0].shape))
        made = run(*own)

        def replay(*given):
            for mine, part in zip(own, given, strict=True):
                mine.copy_(part)
            for kept, part in zip(made, run(*own), strict=True):
                kept.copy_(part)
            return tuple(part.clone() for part in made)

        return replay

    sizes = {"grid": (16, 16), "N": 256, "I_seg": (3 + 256 + 5,)}
    start = tiny.start(**sizes)
    plain, layers = Llama(tiny.llama()), CompiledLlama(tiny.llama(), backend=counted, capture=capture)
    for Np in (4, 9, 20, 21, 30, 4):
        plan = CSP(3, 64, 2, Np).plan(256, 8)
        same(decode(plain, start, plan), decode(layers, start, plan))
    # 64 + 12, 256 + 12 and Np + 12 rows; 20 still fits into 32.
    assert captured == [(1, 96, 32), (1, 288, 32), (1, 32, 32), (1, 64, 32)]


def test_captures_are_bounded(counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "MOST_GRAPHS", 2)
    kept: list[int] = []
    layers = CompiledLlama(tiny.llama(), backend=counted, capture=lambda run, inputs: kept.append(len(kept)) or run)
    hidden = torch.randn(1, 32, 32)
    with torch.no_grad():
        for first in (0, 1, 2, 2, 1, 0):
            layers.run(first, 1, hidden, torch.arange(32))
    assert len(kept) == 4 and len(layers._captured) == 2


def test_what_follows_others_runs_plainly() -> None:
    """Keys and values that are kept come from the plain path, without padding among them."""
    plain, layers = Llama(tiny.llama()), CompiledLlama(tiny.llama(), backend="eager")
    hidden, ids = torch.randn(1, 20, 32), torch.arange(20)[None]
    with torch.no_grad():
        ours, theirs = (each.extend(0, 8, hidden, ids) for each in (layers, plain))
    assert torch.equal(ours.hidden, theirs.hidden) and ours.past[0][0].shape[2] == 20


def test_without_a_compiler_the_remedy_is_named() -> None:
    def none(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., Any]:
        raise RuntimeError("No working C++ compiler found")

    torch._dynamo.reset()
    with pytest.raises(ValueError, match=r"No working C\+\+ compiler.*backend='plain'"):
        decode(CompiledLlama(tiny.llama(), backend=none), tiny.start(), PLANS["full"].plan(tiny.N, 8))


def test_a_model_is_loaded_with_a_backend() -> None:
    scene = csp.park.scene(7, split="test")
    plain, other = (csp.load("park", device="cpu", backend=name) for name in ("plain", "onednn"))
    assert type(other.layers) is OneDNNLlama
    ours, theirs = (model.segment(scene.image, scene.queries[0][1]) for model in (other, plain))
    assert (ours.mask == theirs.mask).mean() > 0.999
    assert abs(ours.logits - theirs.logits).max() < 1e-3
    with pytest.raises(ValueError, match="backend must be one of plain, onednn, compiled, got 'fast'"):
        csp.load("park", backend="fast")
