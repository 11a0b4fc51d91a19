"""Everything the engine does, on a GPU that is not there: nothing meets a tensor of another device, reads one as numpy, or
draws on the device by the CPU's dice. What runs there gives what runs here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pretend_cuda import OnDevice, pretend_cuda

from csp.checkpoints import load
from csp.clusters import CLUSTERS
from csp.decoder import Choice, Stage, View
from csp.methods import CONTROLS, CSP, METHODS, knobs
from csp.session import Session
from csp.tokens import ImageTokens
from csp.types import Request, Result
from csp.ui.handlers import Handlers

LISA = Path(__file__).parent / "data/lisa"
SMALL = CSP(Lc=1, Nc=16, Ls=1, Np=8)
QUERIES = ["the red ball", "what keeps you dry in the rain", "a dog"]


@pytest.fixture
def cuda() -> Iterator[None]:
    with pretend_cuda():
        yield


@pytest.fixture(scope="module")
def there(park_folder: Path) -> Any:
    """The tiny model on the device."""
    with pretend_cuda():
        model = load(park_folder, device="cuda:0", dtype="float32")
    assert model.device == torch.device("cuda:0") and model.instances is not None
    parts = (model.llm, model.clip.model, model.projector, model.text_hidden_fcs, model.mask_head.sam, model.instances.model)
    assert all(isinstance(weight, OnDevice) for part in parts for weight in part.parameters())
    return model


def same(ours: Result, theirs: Result) -> None:
    np.testing.assert_allclose(ours.logits, theirs.logits, atol=1e-4)
    np.testing.assert_allclose(ours.seg_state, theirs.seg_state, atol=1e-4)
    np.testing.assert_allclose(ours.trace.A_SEG, theirs.trace.A_SEG, atol=1e-5)
    assert (ours.trace.n_per_layer, ours.text, ours.notes) == (theirs.trace.n_per_layer, theirs.text, theirs.notes)
    for mine, other in zip(ours.trace.stages, theirs.trace.stages, strict=True):
        np.testing.assert_array_equal(mine.slots, other.slots)


def small(method: Any) -> Any:
    """A method whose counts of layers and tokens fit a model of 4 layers and 64 image tokens."""
    least = {"L": 1, "N": 20}
    fitting = {k.name: min(k.default, least[str(k.high)]) for k in knobs(method) if k.kind == "integer" and k.high in least}
    several = {"L": (1, 2, 3), "N": (30, 20, 10)}
    fitting |= {k.name: several[str(k.high)][: len(k.default)] for k in knobs(method) if k.kind == "integers"}
    return method(**fitting)


@pytest.mark.usefixtures("cuda")
def test_the_device_refuses_what_cuda_refuses() -> None:
    a, here = torch.zeros(3, 4, device="cuda:0"), torch.ones(3, 4)
    assert a.is_cuda and a.device == torch.device("cuda:0")
    at = torch.tensor([1])
    for mixed in (lambda: a + here, lambda: torch.cat([a, here]), lambda: here @ a.T, lambda: a.index_select(0, at)):
        with pytest.raises(RuntimeError, match="at least two devices"):
            mixed()
    for reading in (a.numpy, lambda: np.asarray(a)):
        with pytest.raises(TypeError, match="can't convert cuda:0"):
            reading()
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator"):
        torch.randperm(4, device="cuda:0", generator=torch.Generator())
    # And takes what it takes: numbers, indices from the CPU, copies either way, in place too.
    assert (a + torch.tensor(1.0)).sum().item() == 12
    assert a[:, torch.tensor([0, 2])].shape == (3, 2)
    a[:, 1] = here[:, 1].to(a.device)
    a.add_(1)
    assert (a.cpu() + here).tolist() == [[2, 3, 2, 2]] * 3


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("method", [small(method) for method in (*METHODS.values(), *CONTROLS.values())], ids=lambda m: m.name)
def test_every_method(there: Any, model: Any, picture: np.ndarray, method: Any) -> None:
    try:
        here = model.segment(picture, QUERIES[0], method, seed=2)
    except ValueError as refused:  # what this model lacks, it lacks there too
        with pytest.raises(ValueError, match=re.escape(str(refused))):
            there.segment(picture, QUERIES[0], method, seed=2)
    else:
        same(there.segment(picture, QUERIES[0], method, seed=2), here)


WAYS: dict[str, Callable[[Any, np.ndarray], list[Result]]] = {
    **{f"cluster {c}": lambda m, p, c=c: [m.segment(p, QUERIES[0], replace(SMALL, cluster=c))] for c in CLUSTERS},
    "forced": lambda m, p: [m.segment(p, QUERIES[0], SMALL, force={"pruning": {"keep": [3, 60], "drop": [9]}})],
    "rank by the answer": lambda m, p: [m.segment(p, QUERIES[0], replace(SMALL, row="answer", layer="next"))],
    "the answer cut": lambda m, p: [m.segment(p, QUERIES[0], SMALL, answer="cut")],
    "heads of every layer": lambda m, p: [m.segment(p, QUERIES[0], SMALL, record="heads")],
    "several queries": lambda m, p: m.segment(p, QUERIES, SMALL),
    "queries by themselves": lambda m, p: m.segment(p, QUERIES, SMALL, reuse=False),
    "a prefix kept": lambda m, p: [m.segment(p, query, SMALL, reuse=True) for query in QUERIES],
    "several pictures": lambda m, p: m.segment([p, 255 - p, p[:60]], QUERIES[0], SMALL),
    "pictures and queries": lambda m, p: m.segment([p, 255 - p, p[:60]], QUERIES, SMALL),
    "a tensor": lambda m, p: [m.segment(torch.from_numpy(p).to(m.device), QUERIES[0], SMALL)],
}


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_asking(there: Any, model: Any, picture: np.ndarray, way: str) -> None:
    for ours, theirs in zip(WAYS[way](there, picture), WAYS[way](model, picture), strict=True):
        same(ours, theirs)


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("load_it", [{"offload_sam": True}, {"dtype": "bfloat16"}, {"dtype": "float16"}, {"instances": False}])
def test_every_way_of_loading(park_folder: Path, model: Any, picture: np.ndarray, load_it: dict[str, Any]) -> None:
    there = load(park_folder, device="cuda:0", **{"dtype": "float32", **load_it})
    resting = {p.device.type for p in there.mask_head.sam.image_encoder.parameters()}
    assert resting == {"cpu" if "offload_sam" in load_it else "cuda"}
    ours, theirs = there.segment(picture, QUERIES[0], SMALL), model.segment(picture, QUERIES[0], SMALL)
    if load_it.get("dtype", "float32") == "float32":
        same(ours, theirs)
    assert np.isfinite(ours.logits).all() and ours.trace.n_per_layer == theirs.trace.n_per_layer


@pytest.mark.usefixtures("cuda")
def test_eager_attention(there: Any, model: Any, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(there.llm.config, "_attn_implementation", "eager")
    for queries in (QUERIES[:1], QUERIES):
        for ours, theirs in zip(there.segment(picture, queries, SMALL), model.segment(picture, queries, SMALL), strict=True):
            same(ours, theirs)


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("seg_row", ["before", "token"])
def test_answers_that_the_model_writes(seg_row: Any) -> None:
    folders = {"clip": LISA / "clip-vit-tiny-patch14", "sam": LISA / "sam_config.json", "dtype": "float32"}
    here, there = (load(LISA / "lisa-tiny", device=device, **folders) for device in ("cpu", "cuda:0"))
    with np.load(LISA / "golden.npz") as file:
        picture = file["s1/raw_image"]
    here.seg_row = there.seg_row = seg_row
    for method in (METHODS["full"](), CSP(Lc=2, Nc=64, Ls=2, Np=16)):
        asked = {"method": method, "seg_mode": "generated", "max_new_tokens": 6}
        same(there.segment(picture, "the black dog", **asked), here.segment(picture, "the black dog", **asked))


@pytest.mark.usefixtures("cuda")
def test_the_session_and_the_pages_handlers(there: Any, model: Any, picture: np.ndarray) -> None:
    session, here = Session(there), Session(model)
    assert session.card.device == "cuda:0"
    knobs = {"Lc": 1, "Nc": 16, "Ls": 1, "Np": 8}
    request = Request(picture, QUERIES[0], "csp", knobs)
    same(session.run(request), here.run(request))
    same(session.dense(request), here.dense(request))
    np.testing.assert_allclose(session.cls(picture), here.cls(picture), atol=1e-5)
    np.testing.assert_array_equal(session.objects(picture), here.objects(picture))
    handlers = Handlers(session)
    controls = {"query": QUERIES[0], "source": "scene:3", "method": "csp", **knobs}
    for answer in (handlers.run(**controls), handlers.compare_clusters(**controls), handlers.export("run.npz", **controls)):
        assert "error" not in answer


def _by_the_devices_dice(view: View) -> Choice:
    rows = torch.randperm(view.layout.N, generator=view.rng, device=view.now.hidden.device)
    return Choice(view.start.image.take(rows[:4]))


class Careless:
    """A method as one writes it where there is only a CPU."""

    name = "careless"
    __dataclass_fields__ = CSP.__dataclass_fields__
    __dataclass_params__ = CSP.__dataclass_params__  # type: ignore[attr-defined]

    def __getattr__(self, name: str) -> Any:
        return getattr(SMALL, name)

    def plan(self, N: int, L: int) -> tuple[Stage, ...]:
        return (Stage("all", L, 4, _by_the_devices_dice),)


@pytest.mark.usefixtures("cuda")
def test_carelessness_is_caught(there: Any, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """What would only break on a first GPU: lots drawn on the device, rows left on it, a picture's features not moved."""
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator"):
        there.segment(picture, QUERIES[0], Careless())
    with monkeypatch.context() as broken:
        broken.setattr(ImageTokens, "to_patches", lambda self, values: values.detach().float() @ self.source)
        with pytest.raises(RuntimeError, match="at least two devices"):
            there.segment(picture, QUERIES[0], SMALL)
    with monkeypatch.context() as broken:
        broken.setattr(type(there), "project", lambda self, features: self.projector(features.cpu()))
        with pytest.raises(RuntimeError, match="at least two devices"):
            there.segment(picture, QUERIES[0], SMALL)
