"""The seam to the app: cards in plain values, requests in, results out."""

from __future__ import annotations

import gc
import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from csp.checkpoints import load
from csp.kept import bytes_of
from csp.methods import METHODS, find, named
from csp.models.cache import ByteCache, picture_key
from csp.models.lisa import Lisa
from csp.session import Session
from csp.turns import visitor
from csp.types import Request


@pytest.fixture
def session(model: Lisa) -> Session:
    return Session(model)


def test_the_model_in_words(session: Session) -> None:
    card = session.card
    assert (card.name, card.N, card.grid, card.L, card.d) == ("park", 64, (8, 8), 4, 32)
    assert (card.device, card.dtype, card.instances) == ("cpu", "float32", True)


def test_ranges_follow_the_model(session: Session) -> None:
    cards = {card.name: card for card in session.catalogue()}
    assert list(cards) == list(METHODS)
    knobs = {knob.name: knob for knob in cards["csp"].knobs}
    assert knobs["Nc"].high == 64 and knobs["Lc"].high == 4
    for name, card in cards.items():
        named(name, {knob.name: knob.default for knob in card.knobs}).plan(64, 4)
    assert "seg-first" in knobs["cluster"].choices and knobs["Nc"].help


def test_presets_are_those_of_the_models_shape(
    session: Session, model: Lisa, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert session.presets() == {}
    monkeypatch.setattr(Lisa, "N", 256)
    monkeypatch.setattr(Lisa, "L", 32)
    presets = session.presets()
    assert "table6/7B-224/70" in presets and all(
        p.shape == "7B-224" and p.knobs is not None for p in presets.values()
    )


def test_run_fills_in_every_knob(session: Session, picture: np.ndarray) -> None:
    result = session.run(Request(picture, "a dog", "csp", {"Lc": 1, "Nc": 16, "Ls": 1, "Np": 4}, seed=2))
    assert result.request.knobs["cluster"] == "uniform" and result.request.seed == 2
    assert result.cost.n_per_layer == (16, 64, 4, 4)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"method": "magic"}, "method must be one of full, csp"),
        ({"knobs": {"Nq": 3}}, "csp has no knob 'Nq'"),
        ({"knobs": {"Nc": 65, "Lc": 1, "Ls": 1}}, r"Nc must be in 1\.\.64"),
        ({"knobs": {"Nc": float("nan")}}, "Nc must be an integer"),
        ({"knobs": {"Nc": "12"}}, "Nc must be an integer"),
        ({"knobs": {"Np": True}}, "Np must be an integer"),
        ({"knobs": {"Lc": 3, "Ls": 3}}, "at most 4"),
        ({"knobs": {"cluster": "best"}}, "cluster must be one of"),
        ({"query": "\x07"}, "control character"),
        ({"seed": float("nan")}, "seed must be an integer"),
        ({"seed": "0"}, "seed"),
    ],
)
def test_bad_requests_are_refused(
    session: Session, picture: np.ndarray, request_: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        session.run(Request(**({"image": picture, "query": "a dog"} | request_)))  # type: ignore[arg-type]


def test_seeing_a_picture_ahead(park_folder: Path, picture: np.ndarray) -> None:
    session = Session(load(park_folder, device="cpu", instances=False))
    np.testing.assert_array_equal(session.see(picture), picture)
    assert len(session.model.cache) == 1


def test_byte_cache_forgets_what_was_not_asked_for_longest() -> None:
    cache: ByteCache[str] = ByteCache(10)
    cache.put("a", "A", 4)
    cache.put("b", "B", 4)
    assert cache.get("a") == "A"
    cache.put("c", "C", 4)
    assert cache.get("b") is None and cache.get("a") == "A" and cache.bytes == 8
    cache.put("a", "AA", 1)
    assert cache.bytes == 5 and cache.get("a") == "AA"
    cache.put("huge", "H", 11)
    assert cache.get("huge") is None and len(cache) == 2
    cache.put("rest", "R", 5)
    assert len(cache) == 3, "what fills it exactly fits"
    cache.put("whole", "W", 10)
    assert cache.get("whole") == "W" and len(cache) == 1
    cache.clear()
    assert (len(cache), cache.bytes) == (0, 0)


def test_keys_are_of_content_and_shape() -> None:
    flat = np.zeros((2, 6, 3), np.uint8)
    assert picture_key(flat) == picture_key(flat.copy()) != picture_key(flat.reshape(6, 2, 3))
    other = flat.copy()
    other[0, 0, 0] = 1
    assert picture_key(other) != picture_key(flat)


@pytest.mark.parametrize("row", [0, 7, 8, 55, -1])
def test_a_pictures_key_changes_with_any_of_its_rows(row: int) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (56, 40, 3), np.uint8)
    other = picture.copy()
    other[row, 3, 1] ^= 1
    assert picture_key(other) != picture_key(picture)
    assert picture_key(picture.reshape(40, 56, 3)) != picture_key(picture)


@pytest.fixture(scope="module")
def lisa() -> Session:
    """A session over a model that knows several forms of question."""
    data = Path(__file__).parent / "data/lisa"
    parts = {"clip": data / "clip-vit-tiny-patch14", "sam": data / "sam_config.json", "instances": False}
    return Session(load(data / "lisa-tiny", device="cpu", dtype="float32", **parts))


def test_the_dense_run_belongs_to_picture_query_and_form(lisa: Session, picture: np.ndarray) -> None:
    first = Request(picture, "a dog", "csp", {"Lc": 1, "Ls": 1, "Nc": 4, "Np": 2})
    kept = lisa.dense(first)
    assert lisa.dense(replace(first, knobs={"Lc": 1, "Ls": 1, "Nc": 2, "Np": 1}, seed=3)).ms is kept.ms
    for change in ({"query": "a red ball"}, {"image": picture[::-1].copy()}, {"template": "chat"}, {"seg_mode": "generated"}):
        other = lisa.dense(replace(first, **change))
        alone = lisa.run(replace(first, method="full", knobs={}, **change), fresh=True)
        np.testing.assert_array_equal(other.logits, alone.logits)
        assert not np.array_equal(other.logits, kept.logits), change


def test_a_run_is_asked_in_the_form_that_was_requested(lisa: Session, picture: np.ndarray) -> None:
    forms = {}
    for template in ("chat", "sentence", "refer"):
        result = lisa.run(Request(picture, "a dog", "full", template=template))
        alone = lisa.model.segment(picture, "a dog", find("full")(), template=template)
        assert result.request.template == template and result.words == alone.words
        np.testing.assert_array_equal(result.logits, alone.logits)
        forms[template] = result.words
    assert len(set(forms.values())) == 3


SMALL = {"Lc": 1, "Nc": 16, "Ls": 1, "Np": 4}
ASKED: tuple[tuple[str, dict[str, int]], ...] = (("csp", SMALL), ("full", {}))


def test_equal_requests_of_many_are_run_once(model: Lisa, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    session, ran = Session(model), []
    segment = type(model).segment
    monkeypatch.setattr(type(model), "segment", lambda self, *args, **more: ran.append(args) or segment(self, *args, **more))
    asked = Request(picture, "a dog", "csp", SMALL)
    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda _: session.run(replace(asked, image=picture.copy())), range(6)))
    assert len(ran) == 1 and all(result.ms is results[0].ms for result in results)
    assert session.run(replace(asked, force={"pruning": {"drop": ()}}), fresh=True).ms is not results[0].ms
    assert len(ran) == 2
    changes = ({"query": "a  dog"}, {"seed": 1}, {"knobs": SMALL | {"Np": 3}}, {"method": "full", "knobs": {}})
    changes += ({"image": picture[::-1].copy()}, {"force": {"pruning": {"drop": [int(results[0].trace.stages[-1].patches[0])]}}})
    for number, change in enumerate(changes, 3):
        other = session.run(replace(asked, **change))
        assert len(ran) == number and other.ms is not results[0].ms, change
        for name, value in change.items():
            told = getattr(other.request, name)
            assert np.array_equal(told, value) if name == "image" else name == "knobs" or told == value


def waiting_together(session: Session, asked: list[Request]) -> list[Any]:
    """Results, or errors, of requests that all wait before the first of them is run."""

    def one(request: Request) -> Any:
        try:
            return session.run(request)
        except ValueError as error:
            return error

    with ThreadPoolExecutor(len(asked)) as pool:
        with session.turns.take():
            told = []
            for i, request in enumerate(asked):
                told.append(pool.submit(one, request))
                while session.turns.waiting < i + 2:
                    time.sleep(0.001)
        return [each.result() for each in told]


def test_who_waits_with_another_query_is_answered_in_the_same_batch(
    model: Lisa, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("csp.session.TOGETHER", 3)
    session, ran = Session(model), []
    segment = type(model).segment
    monkeypatch.setattr(type(model), "segment", lambda self, *args, **more: ran.append(args[1]) or segment(self, *args, **more))
    first = Request(picture, "a dog", "csp", SMALL | {"cluster": "random"}, seed=3, force={"pruning": {"keep": [5]}})
    words = ["a dog", "the red ball", "you sit down", "a dog", "i want rain"]
    asked = [replace(first, query=query, image=picture.copy()) for query in words]
    # Nothing of these joins the others: another lot, another plan, another picture, nothing forced.
    apart = [{"seed": 4}, {"knobs": SMALL}, {"image": picture[::-1].copy()}, {"force": None}]
    results = waiting_together(session, asked + [replace(first, **change) for change in apart])
    assert ran == [["a dog", "the red ball", "you sit down"], "i want rain", *["a dog"] * 4]
    assert results[0].ms is results[3].ms is not results[5].ms
    told = ["answered in one batch with 2 other queries on this picture: its milliseconds are a share of the batch's"]
    for result, request, batched in zip(results, asked, (True, True, True, True, False), strict=False):
        alone = session.run(request, fresh=True)
        assert result.request.query == request.query and result.request.force == request.force
        assert [note for note in result.notes if note not in alone.notes] == told * batched
        np.testing.assert_allclose(result.logits, alone.logits, atol=1e-4)
        for ours, theirs in zip(result.trace.stages, alone.trace.stages, strict=True):
            np.testing.assert_array_equal(ours.patches, theirs.patches)


def test_one_of_a_batch_that_will_not_do_is_told_and_the_others_are_answered(model: Lisa, picture: np.ndarray) -> None:
    session = Session(model)
    asked = [Request(picture, query, "csp", SMALL) for query in ("a dog", "\x07", "the red ball")]
    dog, bell, ball = waiting_together(session, asked)
    assert isinstance(bell, ValueError) and "control character" in str(bell)
    assert (dog.request.query, ball.request.query) == ("a dog", "the red ball")


def test_several_queries_are_bounded_and_kept_as_one_is(
    model: Lisa, session: Session, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Request(picture, "", "csp", SMALL)
    one = session.run(replace(asked, query="a dog"))
    again, ball, twice = session.run_all(asked, ["a dog", "the red ball", "the red ball"])
    assert len(session.kept.results) == 2 and again.ms is one.ms and again.logits.tobytes() == one.logits.tobytes()
    assert ball is twice and session.run(replace(asked, query="the red ball")).ms is ball.ms
    assert [run.ms for run in session.run_all(asked, ["a dog"])] == [one.ms]
    # A picture that makes fewer tokens than the largest: what is beyond them is all it has.
    monkeypatch.setattr(type(model), "tokens", lambda *_: 32)
    method, (note,) = session._within(replace(asked, knobs=SMALL | {"Nc": 48}))
    assert method.Nc == 32  # type: ignore[attr-defined]
    assert session._within(replace(asked, knobs=SMALL | {"Nc": model.N}))[0].Nc == 32  # type: ignore[attr-defined]
    assert session._within(replace(asked, knobs=SMALL | {"Nc": 32}))[1] == ()
    seen = []
    monkeypatch.setattr(type(model), "segment", lambda self, image, queries, method, **_: seen.append(method) or [one] * 2)
    few = session.run_all(replace(asked, knobs=SMALL | {"Nc": 48}), ["a dog", "a cat"])
    assert [made.Nc for made in seen] == [32] and all(note in run.notes for run in few)


def test_what_is_kept_of_an_answer_is_neither_picture_nor_mask_and_an_identity_once(model: Lisa, picture: np.ndarray) -> None:
    session = Session(model)
    asked = [Request(picture.copy(), query, method, knobs) for query in ("a dog", "the red ball") for method, knobs in ASKED]
    first = [session.run(request) for request in asked]
    assert all(run.mask.shape == picture.shape[:2] for run in first)
    light = [kept for kept, _ in session.kept.results._items.values()]
    assert len(light) == len(asked) and not any(run.request.image.size or "masks" in vars(run) for run in light)
    assert all(run.logits.base.nbytes == run.logits.nbytes for run in light), "no part of a larger array"
    every = [stage.source for run in light for stage in run.trace.stages if stage.n == model.N]
    assert len(every) == 4 and len({id(source.base) for source in every}) == 1
    np.testing.assert_array_equal(every[0], np.eye(model.N))
    # Who asks again has the same answer, on the picture that they sent.
    for request, run in zip(asked, first, strict=True):
        sent = replace(request, image=picture.copy())
        again = session.run(sent)
        assert again.request.image.base is sent.image.base and again.ms is run.ms
        told = {name: value for name, value in vars(again.request).items() if name != "image"}
        assert told == {name: value for name, value in vars(run.request).items() if name != "image"}
        assert told["knobs"].keys() > request.knobs.keys() or request.method == "full"
        np.testing.assert_array_equal(again.masks, run.masks)
        for ours, theirs in zip(again.trace.stages, run.trace.stages, strict=True):
            np.testing.assert_array_equal(ours.source, theirs.source)
    # As many tokens as patches, in another order: no identity.
    (stage,) = first[1].trace.stages
    turned = replace(first[1], trace=replace(first[1].trace, stages=(replace(stage, source=stage.source[::-1]),)))
    session.kept.put("turned", turned)
    found = session.kept.get("turned", picture)
    assert found is not None
    np.testing.assert_array_equal(found.trace.stages[0].source, stage.source[::-1])
    session.kept.results.clear()
    del stage, turned, found, light, every, first, again, run, ours, theirs
    gc.collect()
    assert not len(session.kept._identities), "nothing stays when the answers went"


def test_a_forecast_is_the_plans_bill_and_none_where_the_picture_decides(session: Session) -> None:
    L, N = session.model.L, session.model.N
    told = session.forecast("csp", SMALL, 8)
    counts = [n for _, layers, n in told.stages for _ in range(layers) if n is not None]
    assert told.cost is not None and len(counts) == L
    assert told.cost.n_avg == sum(counts) / L < N == told.dense.n_avg
    assert session.forecast("things", {}, 8).cost is None


def test_objects_are_those_that_the_detector_is_sure_of(
    model: Lisa, session: Session, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = np.eye(3, dtype=bool).reshape(3, 1, 3)
    for sure, conf, left in (([0.2, 0.25, 0.9], {}, 2), ([0.2, 0.25, 0.9], {"conf": 0.95}, 0), (None, {"conf": 0.95}, 3)):
        vision = SimpleNamespace(confidence=None if sure is None else torch.tensor(sure))
        monkeypatch.setattr(type(model), "encode", lambda *_, v=vision: SimpleNamespace(vision=v, masks=masks))
        assert len(session.objects(picture, **conf)) == left  # type: ignore[arg-type]
    monkeypatch.setattr(type(model), "encode", lambda *_: SimpleNamespace(vision=vision, masks=None))
    assert session.objects(picture) is None


def test_what_is_kept_is_bounded(model: Lisa, picture: np.ndarray) -> None:
    one = Session(model).run(Request(picture, "a dog", "csp", SMALL))
    weight = bytes_of(one)
    held = one.logits.nbytes + one.trace.A_SEG.nbytes + sum(s.source.nbytes for s in one.trace.stages if s.n < model.N)
    assert held < weight < held + 2 * picture.nbytes
    session = Session(model, kept_bytes=3 * weight + 100)
    for seed in range(8):
        session.run(Request(picture, "a dog", "csp", SMALL, seed=seed))
    assert len(session.kept.results) == 3 and session.kept.results.bytes <= session.kept.results.limit


def test_leaving_out_gives_way_between_its_batches(
    model: Lisa, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("csp.session.TOGETHER", 3)
    session, asked = Session(model), Request(picture, "a dog", "csp", SMALL)
    first = session.run(asked)
    patches = [[int(patch)] for patch in first.trace.stages[-1].patches]
    took: list[bool] = []
    take = session.turns.take
    session.turns.take = lambda: took.append(visitor().long) or take()  # type: ignore[method-assign]
    left = session.without(asked, "pruning", patches)
    assert len(patches) == 4 and took == [True] * 2, "three and one"
    assert [set(run.trace.stages[-1].patches) for run in left] == [set(first.trace.stages[-1].patches) - set(p) for p in patches]
    assert len(session.kept.results) == 1


def test_leaving_tokens_out_is_one_batch_over_one_prefix(model: Lisa, session: Session, picture: np.ndarray) -> None:
    """As each by itself, to rounding, in a fraction of the rows."""
    request = Request(picture, "the red ball", "csp", {"Lc": 1, "Nc": 16, "Ls": 1, "Np": 8}, force={"pruning": {"keep": [1]}})
    whole = session.run(request)
    drops = [[int(patch)] for patch in whole.trace.stages[-1].patches[:3]] + [[2, 5, 7]]
    rows: list[int] = []
    extend = model.layers.extend

    def counted(first: int, L: int, hidden: torch.Tensor, *more: Any, **how: Any) -> Any:
        rows.append(L * hidden.shape[0] * hidden.shape[1])
        return extend(first, L, hidden, *more, **how)

    model.layers.extend = counted  # type: ignore[method-assign]
    together = session.without(request, "pruning", drops)
    del model.layers.extend
    for patches, run in zip(drops, together, strict=True):
        force = {"pruning": {"keep": [] if 1 in patches else [1], "drop": patches}}
        alone = session.run(replace(request, force=force))
        assert run.request.force == force and run.trace.forced == alone.trace.forced
        np.testing.assert_allclose(run.logits, alone.logits, atol=1e-4)
        for ours, theirs in zip(run.trace.stages, alone.trace.stages, strict=True):
            assert ours.patches.tolist() == theirs.patches.tolist()
    assert sum(rows) < 0.6 * len(drops) * sum(n + whole.trace.layout.N_text for n in whole.trace.n_per_layer)
    with pytest.raises(ValueError, match="one for all queries or a list of one each: got 2 for 3"):
        model.segment(picture, ["a", "b", "c"], force=[None, None])


def test_a_plan_that_was_searched_for_stands_beside_the_papers(park_folder: Path, tmp_path: Path) -> None:
    from csp.methods.found import read_preset

    file = tmp_path / "search/preset.json"
    file.parent.mkdir()
    file.write_text(json.dumps({"method": "csp", "knobs": {"Lc": 1, "Nc": 9, "Ls": 1, "Np": 4}}))
    model = load(park_folder, device="cpu", instances=False)
    session = Session(model, found=[read_preset(file)])
    (found,) = session.presets().values()
    assert found.label == "found by search (search)" and found.table == 0 and found.knobs["Nc"] == 9
    file.write_text(json.dumps({"method": "csp", "knobs": {"Lc": 1, "Nc": 900, "Ls": 1, "Np": 4}}))
    with pytest.raises(ValueError, match=r"Nc must be in 1\.\.64"):
        Session(model, found=[read_preset(file)])


def test_a_head_under_another_plan_is_told(session: Session, picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    own = find("csp")(Lc=1, Ls=1, Nc=16, Np=8)
    monkeypatch.setattr(session.model, "tuned_under", own)
    request = Request(picture, "a dog", "csp", {name: getattr(own, name) for name in ("Lc", "Ls", "Nc", "Np")})
    assert session.run(request).notes == ()
    (note,) = session.run(replace(request, knobs={**request.knobs, "Np": 9})).notes
    assert note == f"the mask head was tuned under {own}, not under this plan"
