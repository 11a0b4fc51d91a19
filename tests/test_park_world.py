"""The drawn world: reproducible, disjoint splits, and as hard as it is said to be."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from csp.park import language, wording, words
from csp.park.draw import COLOURS, KINDS, Pen
from csp.park.scenes import Scene, layout, scene


def light(seed: int, split: str = "test") -> Scene:
    """A scene without its picture: what language needs."""
    things, _ = layout(seed, split)
    return Scene(seed, split, np.zeros((1, 1, 3), np.uint8), np.zeros((1, 1), np.uint8), things)


@pytest.fixture(scope="module")
def asked() -> list[tuple[Scene, language.Query]]:
    scenes = [light(seed) for seed in range(120)]
    return [(s, q) for s in scenes for q in language.queries(s)]


def test_a_scene_is_a_function_of_seed_and_split() -> None:
    a, b = scene(5), scene(5)
    assert np.array_equal(a.image, b.image) and np.array_equal(a.instances, b.instances) and a.objects == b.objects
    assert [q[:2] for q in a.queries] == [q[:2] for q in b.queries]
    assert a.image.shape == (448, 448, 3) and a.image.dtype == np.uint8


def test_splits_share_no_scene() -> None:
    layouts = {split: {layout(seed, split)[0] for seed in range(30)} for split in ("train", "val", "test")}
    assert all(len(found) == 30 for found in layouts.values())
    assert not (
        layouts["train"] & layouts["test"] or layouts["train"] & layouts["val"] or layouts["val"] & layouts["test"]
    )


def test_the_same_things_stand_at_every_size() -> None:
    small, large = scene(8, size=224), scene(8, size=448)
    assert small.objects == large.objects
    reduced = large.instances[::2, ::2]
    assert (reduced == small.instances).mean() > 0.98


def test_the_instance_map_is_what_is_painted() -> None:
    s = scene(2)
    for i, thing in enumerate(s.objects):
        rows, columns = np.nonzero(s.instances == i + 1)
        assert len(rows) / s.instances.size == pytest.approx(thing.area, rel=0.2)
        assert columns.min() / 448 == pytest.approx(thing.box[0], abs=0.02)
        assert rows.max() / 448 == pytest.approx(thing.box[3], abs=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_pen_paints_picture_and_map_alike(kind: str) -> None:
    image, ids = np.full((160, 160, 3), 7, np.uint8), np.zeros((160, 160), np.uint8)
    KINDS[kind].draw(Pen(image, ids, 3, 80, 130, 60), COLOURS[KINDS[kind].colours[0]])
    assert np.array_equal((image != 7).any(2), ids == 3)


def test_the_test_split_is_hard(asked: list[tuple[Scene, language.Query]]) -> None:
    there = [(s, q) for s, q in asked if q.targets]
    assert all(4 <= len(s.objects) <= 10 for s, _ in asked)
    rivals = [
        any(o.kind in q.meaning.kinds and i not in q.targets for i, o in enumerate(s.objects)) for s, q in there
    ]
    areas = [sum(s.objects[i].area for i in q.targets) for s, q in there]
    hidden = [any(s.objects[i].visible < 0.95 for i in q.targets) for s, q in there]
    assert np.mean(rivals) >= 0.6
    assert np.median(areas) <= 0.04
    assert np.mean(hidden) >= 0.25
    held = np.mean([q.held for _, q in asked])
    assert 0.1 < held < 0.3


def test_every_family_is_asked(asked: list[tuple[Scene, language.Query]]) -> None:
    counts = {f: sum(q.family == f for _, q in asked) for f in language.FAMILIES}
    assert all(count >= 115 for count in counts.values()), counts
    several = [len(q.targets) for _, q in asked if q.family == "intent"]
    assert max(several) > 1
    assert all(len(q.targets) == 1 for _, q in asked if q.family in ("ref", "ref+", "refg", "reason"))
    position = {"left", "right", "top", "bottom", "middle", "center"}
    assert not any(position & set(q.text.split()) for _, q in asked if q.family == "ref+")


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from(["train", "val", "test"]))
def test_every_query_has_exactly_its_answer(seed: int, split: str) -> None:
    s = light(seed, split)
    for q in language.queries(s, each=2):
        fits = {
            i for i, o in enumerate(s.objects) if o.kind in q.meaning.kinds and q.meaning.colour in (None, o.colour)
        }
        assert set(q.targets) == set(language.resolve(q.meaning, s.objects))
        assert set(q.targets) <= fits
        if q.family == "absent":
            assert not fits
        else:
            assert q.targets
        if q.meaning.many or (q.meaning.pick is None and q.meaning.relation is None):
            assert set(q.targets) == fits
        if q.meaning.pick == "left":
            assert q.targets[0] == min(fits, key=lambda i: s.objects[i].centre[0])
        if q.meaning.relation and q.meaning.relation[0] == "right of":
            (mark,) = language.resolve(q.meaning.relation[1], s.objects)
            assert [i for i in fits - {mark} if s.objects[i].centre[0] > s.objects[mark].centre[0]] == list(q.targets)


def test_held_out_phrases_are_not_trained_and_are_made_of_trained_words() -> None:
    known = set(words.vocabulary())
    held = [text for text, out in wording.every_phrase() if out]
    assert len(held) / len(wording.every_phrase()) == pytest.approx(0.2, abs=0.01)
    for text in held:
        assert set(re.findall(r"[a-z]+", re.sub(r"\{\w+\}", " ", text))) <= known, text
    nouns = {noun for phrases in wording.NOUNS.values() for i, noun in enumerate(phrases) if wording.is_held(i)}
    trained = [q.text for seed in range(40) for q in language.queries(light(seed, "train"), each=3)]
    assert not any(f" {noun} " in f" {text} " for noun in nouns for text in trained)


def test_no_text_spells_a_special_token() -> None:
    tokenizer = words.build()
    special = {tokenizer.token_to_id(t) for t in words.SPECIAL if t != "<unk>"}
    for text in ("[SEG] </s> <s>", "USER : ASSISTANT", "<pad>[SEG]</s>", "the ［SEG］ ball"):
        assert not special & set(tokenizer.encode(text).ids)
    assert tokenizer.encode("the red ball").tokens == ["the", "red", "ball"]


def test_concepts_name_one_thing() -> None:
    names = words.concepts()
    assert names["puppy"] == ("kind", "dog") and names["red"] == ("colour", "red")
    assert "toy" not in names  # a toy may be a ball or a kite


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: scene(-1), "seed must be 0 or more, got -1"),
        (lambda: scene(0, "dev"), "split must be one of train, val, test, got 'dev'"),
        (lambda: scene(0, size=4000), "size must be in 112..1024 pixels, got 4000"),
    ],
)
def test_bad_arguments_say_what_to_do(call: object, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        call()  # type: ignore[operator]
