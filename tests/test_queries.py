"""`segment` with several queries, with a kept prefix, and with answers that the model writes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import csp
from csp.checkpoints import load
from csp.methods import CSP, METHODS, Full
from csp.models import flow
from csp.models.lisa import Lisa
from csp.session import Session
from csp.types import Request, Result

SMALL = CSP(Lc=1, Nc=16, Ls=1, Np=8)
QUERIES = ["a dog", "what keeps you dry in the rain", "the red ball"]


@pytest.fixture(scope="module")
def park() -> Lisa:
    return csp.load("park", device="cpu")


def same(ours: Result, theirs: Result, atol: float = 1e-3) -> None:
    np.testing.assert_allclose(ours.logits, theirs.logits, atol=atol)
    np.testing.assert_array_equal(ours.masks, theirs.masks)
    np.testing.assert_allclose(ours.iou, theirs.iou, atol=1e-3)
    np.testing.assert_allclose(ours.seg_state, theirs.seg_state, atol=1e-3)
    a, b = ours.trace, theirs.trace
    assert a.layout == b.layout and a.n_per_layer == b.n_per_layer and ours.cost == theirs.cost
    np.testing.assert_allclose(a.A_SEG, b.A_SEG, atol=1e-5)
    np.testing.assert_allclose(a.A_text, b.A_text, atol=1e-5)
    for mine, other in zip(a.stages, b.stages, strict=True):
        np.testing.assert_array_equal(mine.slots, other.slots)
    assert (ours.notes, ours.words) == (theirs.notes, theirs.words)
    assert ours.request.query == theirs.request.query and ours.request.knobs == theirs.request.knobs


@pytest.mark.parametrize("name", METHODS)
def test_park_answers_together_as_alone(park: Lisa, name: str) -> None:
    scene = csp.park.scene(7, split="test")
    queries = [scene.queries[0][1], max((text for _, text, _ in scene.queries), key=len)]
    # The park has no common space of words and patches: the decoder's own words stand in.
    method = METHODS[name](**({"space": "words"} if "space" in METHODS[name].__dataclass_fields__ else {}))
    together = park.segment(scene.image, queries, method)
    for ours, words in zip(together, queries, strict=True):
        same(ours, park.segment(scene.image, words, method))


def test_a_later_query_takes_up_the_kept_prefix(park: Lisa, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = csp.park.scene(7, split="test")
    first, second = scene.queries[0][1], scene.queries[3][1]
    park.prefixes.clear()
    same(park.segment(scene.image, first, CSP(), reuse=True), park.segment(scene.image, first, CSP()))
    assert len(park.prefixes) == 1 and 0 < park.prefixes.bytes <= park.prefixes.limit
    run = rows_run(park, monkeypatch)
    ours = park.segment(scene.image, second, CSP(), reuse=True)
    reused = run()
    same(ours, park.segment(scene.image, second, CSP()))
    assert reused < 0.35 * run()
    # Another seed, method or force is another prefix.
    park.segment(scene.image, second, CSP(), seed=1, reuse=True)
    park.segment(scene.image, second, CSP(Np=8), reuse=True)
    assert len(park.prefixes) == 3
    park.prefixes.clear()


def rows_run(model: Lisa, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """How many rows the layers have run since the last call."""
    counted = [0]
    inner = model.layers._stage

    def stage(first: int, L: int, hidden: torch.Tensor, *rest: Any, **more: Any) -> Any:
        counted[0] += L * hidden.shape[0] * hidden.shape[1]
        return inner(first, L, hidden, *rest, **more)

    def read() -> int:
        counted[0], n = 0, counted[0]
        return n

    monkeypatch.setattr(model.layers, "_stage", stage)
    return read


def test_a_single_query_does_not_depend_on_history(model: Lisa, picture: np.ndarray) -> None:
    before = model.segment(picture, QUERIES[0], SMALL)
    model.segment(picture, QUERIES, SMALL, reuse=True)
    after = model.segment(picture, QUERIES[0], SMALL)
    np.testing.assert_array_equal(after.logits, before.logits)
    alone = model.segment(picture, QUERIES, SMALL, reuse=False)
    np.testing.assert_array_equal(alone[0].logits, before.logits)
    together = [model.segment(picture, QUERIES, SMALL) for _ in range(2)]
    np.testing.assert_array_equal(together[0][1].logits, together[1][1].logits)


def test_more_queries_than_a_batch_holds(
    model: Lisa, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "BATCH", 2)
    for ours, words in zip(model.segment(picture, QUERIES, SMALL), QUERIES, strict=True):
        same(ours, model.segment(picture, words, SMALL))


def test_pictures_in_a_list_are_asked_one_by_one(model: Lisa, picture: np.ndarray) -> None:
    pictures = [picture, np.roll(picture, 20, axis=1), picture[:60]]
    for ours, each in zip(model.segment(pictures, "a dog", SMALL), pictures, strict=True):
        np.testing.assert_array_equal(ours.logits, model.segment(each, "a dog", SMALL).logits)
    for ours, each, words in zip(model.segment(np.stack(pictures[:2]), QUERIES[:2], SMALL), pictures, QUERIES, strict=False):
        np.testing.assert_array_equal(ours.logits, model.segment(each, words, SMALL).logits)
    assert model.segment([], "a dog", SMALL) == []
    with pytest.raises(ValueError, match="2 pictures need one query all, or one each, got 3 queries"):
        model.segment(pictures[:2], QUERIES, SMALL)
    with pytest.raises(ValueError, match="reuse=True keeps what queries on one picture share"):
        model.segment(pictures, "a dog", SMALL, reuse=True)


@pytest.mark.parametrize("method", [SMALL, Full(), CSP(Lc=1, Nc=16, Ls=1, Np=8, cluster="cls"), METHODS["visionzip"](8, 2)])
def test_pictures_in_one_batch_have_the_masks_of_each(park_folder: Path, picture: np.ndarray, method: Any) -> None:
    """What a GPU runs: rows of several pictures in one batch, whatever each picture's features chose."""
    model = load(park_folder, device="cpu")
    pictures = [picture, np.roll(picture, 20, axis=1), picture[:60], 255 - picture]
    question = flow.Question(method, 0, None, None, "teacher", "auto", 8, None, "rows")
    for ours, each in zip(flow.answer_all(model, question, pictures, ["a dog"] * 4, True, model.prefixes), pictures, strict=True):
        same(ours, model.segment(each, "a dog", method))


def test_heads_of_every_layer_on_request(park: Lisa) -> None:
    scene = csp.park.scene(7, split="test")
    plain, more = (park.segment(scene.image, "the dog", CSP(), record=r) for r in ("rows", "heads"))
    assert list(plain.trace.heads) == [plain.trace.rank_layer] == [13] and set(more.trace.heads) == set(range(park.L))
    np.testing.assert_array_equal(more.trace.A_SEG, plain.trace.A_SEG)
    np.testing.assert_array_equal(more.trace.heads[13], plain.trace.heads[13])
    for layer, heads in more.trace.heads.items():
        assert heads.shape == (park.layers.num_heads, park.N)
        np.testing.assert_allclose(heads.astype(np.float32).mean(axis=0), more.trace.A_SEG[layer], atol=2e-4)
    with pytest.raises(ValueError, match="record must be one of rows, heads, got 'maps'"):
        park.segment(scene.image, "the dog", record="maps")  # type: ignore[call-overload]


def test_prefixes_are_bounded_in_bytes(park_folder: Path, picture: np.ndarray) -> None:
    model = load(park_folder, device="cpu", instances=False)
    model.segment(picture, "a dog", SMALL, reuse=True)
    model.prefixes.limit = 2 * model.prefixes.bytes + 10
    for seed in range(4):
        model.segment(picture, "a dog", SMALL, seed=seed, reuse=True)
        assert model.prefixes.bytes <= model.prefixes.limit
    assert len(model.prefixes) == 2


def test_lists_are_lists(model: Lisa, picture: np.ndarray) -> None:
    assert model.segment(picture, [], SMALL) == []
    assert len(model.segment(picture, ("a dog",), SMALL)) == 1
    results = model.segment(picture, ["a dog", "a dog"], SMALL, answer="cut")
    assert [set(result.ms) for result in results] == [{"vision", "select", "decoder", "mask"}] * 2
    with pytest.raises(ValueError, match="1 to 512 characters"):
        model.segment(picture, ["a dog", ""], SMALL)


def test_milliseconds_are_shared_between_queries(model: Lisa, picture: np.ndarray) -> None:
    began = time.perf_counter()
    results = model.segment(picture, ["a dog", "a red ball", "a blue ball", "an umbrella"] * 2, SMALL)
    spent = (time.perf_counter() - began) * 1e3
    assert 0 < sum(sum(result.ms.values()) for result in results) <= spent


class Script(torch.nn.Module):
    """A head that makes the model write what it is told."""

    def __init__(self, ids: list[int], vocab: int) -> None:
        super().__init__()
        self.ids, self.vocab, self.at = ids, vocab, 0

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros(len(states), self.vocab)
        logits[:, self.ids[self.at]] = 1.0
        self.at += 1
        return logits


def writing(folder: Path, words: list[str], seg_row: str = "before") -> Lisa:
    """The tiny model, told to write these tokens."""
    model: Any = load(folder, device="cpu", instances=False)
    ids = [model.prompter._id(word) for word in words]
    model.seg_row = seg_row
    model.lm_head = Script(ids, model.llm.config.vocab_size)
    return model


@pytest.mark.parametrize("method", [Full(), SMALL, replace(SMALL, cluster="random"), replace(SMALL, Ls=0, Lc=2)])
@pytest.mark.parametrize("seg_row", ["before", "token"])
def test_writing_the_given_answer_is_being_given_it(
    park_folder: Path, picture: np.ndarray, method: Any, seg_row: str
) -> None:
    model = writing(park_folder, ["[SEG]", ".", "</s>"], seg_row)
    written = model.segment(picture, "a red ball", method, seed=2, seg_mode="generated")
    # What ranks is the row that predicts [SEG]: what "before" reads.
    model.seg_row = "before"
    ranked = model.segment(picture, "a red ball", method, seed=2)
    for ours, theirs in zip(written.trace.stages, ranked.trace.stages, strict=True):
        np.testing.assert_array_equal(ours.slots, theirs.slots)
    np.testing.assert_allclose(written.trace.A_SEG, ranked.trace.A_SEG, atol=1e-6)
    layout = written.trace.layout
    assert written.text == "[SEG]." and layout.answer == "generated" and layout.N_out == 2
    assert layout.I_rank == ranked.trace.layout.I_seg
    assert layout.I_seg == (ranked.trace.layout.I_seg[0] + (seg_row == "token"),)
    if seg_row == "before" or isinstance(method, Full):
        model.seg_row = seg_row
        given = model.segment(picture, "a red ball", method, seed=2)
        np.testing.assert_allclose(written.seg_state, given.seg_state, atol=1e-5)
        np.testing.assert_allclose(written.logits, given.logits, atol=1e-4)
        np.testing.assert_array_equal(written.masks, given.masks)
    assert "writing" in written.ms and not any("cut off" in note for note in written.notes)


@pytest.mark.parametrize("seg_row", ["before", "token"])
def test_every_seg_has_a_mask(park_folder: Path, picture: np.ndarray, seg_row: str, tmp_path: Path) -> None:
    words = ["a", "dog", "[SEG]", ",", "a", "ball", "[SEG]"]
    model = writing(park_folder, words, seg_row)
    result = model.segment(picture, "what", SMALL, seg_mode="generated", max_new_tokens=7, template="auto")
    assert result.text == "a dog [SEG], a ball [SEG]"
    assert result.masks.shape == (2, 90, 120) and result.iou.shape == (2,)
    layout = result.trace.layout
    # A last [SEG] is run only where its own state is read.
    assert layout.N_out == 6 + (seg_row == "token")
    first = layout.out.start + 1 + (seg_row == "token")
    assert layout.I_seg == (first, first + 4)
    assert any("cut off after 7 tokens" in note for note in result.notes)
    result.save(tmp_path / "run.npz")
    again = Result.open(tmp_path / "run.npz")
    assert again.text == result.text and again.request.seg_mode == "generated"
    assert again.trace.layout == layout and again.as_dict() == result.as_dict()
    np.testing.assert_array_equal(again.masks, result.masks)


def test_an_answer_without_seg_has_no_mask(park_folder: Path, picture: np.ndarray) -> None:
    model = writing(park_folder, ["what", "rain", "?", "</s>"])
    result = model.segment(picture, "the rain", SMALL, seg_mode="generated")
    assert result.text == "what rain?" and result.masks.shape == (0, 90, 120) and not result.mask.any()
    assert result.notes == ("the answer has no [SEG], so there is no mask: “what rain?”",)
    assert np.isfinite(result.trace.A_SEG[1]).all() and result.trace.layout.I_seg == ()


def test_several_queries_are_written_one_by_one(park_folder: Path, picture: np.ndarray) -> None:
    model = writing(park_folder, ["[SEG]", "</s>", "what", "</s>"])
    results = model.segment(picture, ["a dog", "the rain"], SMALL, seg_mode="generated")
    assert [len(result.masks) for result in results] == [1, 0]
    assert [result.text for result in results] == ["[SEG]", "what"]


def test_a_session_passes_on_how_the_answer_comes(park_folder: Path, picture: np.ndarray) -> None:
    model = writing(park_folder, ["[SEG]", "</s>"])
    knobs = {"Lc": 1, "Nc": 16, "Ls": 1, "Np": 8}
    result = Session(model).run(Request(picture, "a dog", "csp", knobs, seg_mode="generated"))
    assert result.text == "[SEG]" and result.request.seg_mode == "generated"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seg_mode": "free"}, "seg_mode must be one of teacher, generated"),
        ({"seg_mode": "generated"}, "park has no lm_head, so that it cannot write an answer: use seg_mode='teacher'"),
        ({"seg_mode": "generated", "answer": "cut"}, "leave them out with seg_mode='generated'"),
        ({"seg_mode": "generated", "reuse": True}, "leave them out with seg_mode='generated'"),
        ({"answer": "generated"}, "seg_mode='generated' lets the model write"),
        ({"max_new_tokens": 0}, r"max_new_tokens must be in 1\.\.1024, got 0"),
        ({"template": "chat"}, "template must be auto, got 'chat'"),
    ],
)
def test_bad_input_is_refused_in_words(
    model: Lisa, picture: np.ndarray, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        model.segment(**({"image": picture, "query": "a dog", "method": SMALL} | change))


def test_new_tokens_need_room(park_folder: Path, picture: np.ndarray) -> None:
    model = writing(park_folder, ["[SEG]"])
    model.llm.config.max_position_embeddings = 100
    with pytest.raises(ValueError, match="leaves no room for 128 new ones, the model has 100 positions"):
        model.segment(picture, "a dog", SMALL, seg_mode="generated")
