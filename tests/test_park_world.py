"""The drawn world: reproducible, disjoint splits, as hard as it is said to be, and asked about in natural words."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from csp.park import frames, language, meaning, names, places, words
from csp.park.draw import KINDS, Pen
from csp.park.elsewhere import ELSEWHERE
from csp.park.ground import MARKS, REGIONS, UPRIGHT, Mark, stand
from csp.park.ideas import REASON
from csp.park.scenes import Scene, scene
from csp.park.speech import Speaker, typo
from csp.park.things import Thing, layout, stands_on
from csp.park.wishes import INTENT

EACH = {"ref": 3, "ref+": 3, "refg": 3, "reason": 2, "intent": 2, "absent": 3}


def park(seed: int, split: str = "test") -> meaning.Park:
    made = layout(seed, split)
    return meaning.Park(seed, split, made.things, made.marks)


@pytest.fixture(scope="module")
def asked() -> list[tuple[meaning.Park, language.Query]]:
    return [(p, q) for p in map(park, range(80)) for q in language.queries(p)]


def test_a_scene_is_a_function_of_seed_and_split() -> None:
    a, b = scene(5), scene(5)
    assert (
        np.array_equal(a.image, b.image)
        and np.array_equal(a.instances, b.instances)
        and a.objects == b.objects
        and a.marks == b.marks
    )
    assert [q[:2] for q in a.queries] == [q[:2] for q in b.queries]
    assert a.image.shape == (448, 448, 3) and a.image.dtype == np.uint8
    assert repr(a).startswith("Scene(5, split='test': 448x448, ") and len(repr(a)) < 400


def test_splits_share_no_scene() -> None:
    layouts = {split: {layout(seed, split).things for seed in range(20)} for split in ("train", "val", "test")}
    assert all(len(found) == 20 for found in layouts.values())
    assert not (layouts["train"] & layouts["test"] or layouts["train"] & layouts["val"] or layouts["val"] & layouts["test"])


def test_the_same_park_stands_at_every_size() -> None:
    small, large = scene(8, size=224), scene(8, size=448)
    assert small.objects == large.objects and small.marks == large.marks
    assert (large.instances[::2, ::2] == small.instances).mean() > 0.98
    reduced = large.image.reshape(224, 2, 224, 2, 3).mean((1, 3))
    assert np.abs(reduced - small.image).mean() < 8


@pytest.mark.parametrize("seed", [2, 11])
def test_the_instance_map_is_what_is_in_sight(seed: int) -> None:
    s = scene(seed)
    for i, thing in enumerate(s.objects):
        rows, columns = np.nonzero(s.instances == i + 1)
        assert len(rows) / s.instances.size == pytest.approx(thing.area, rel=0.25)
        assert columns.min() / 448 == pytest.approx(thing.box[0], abs=0.02)
        assert rows.max() / 448 == pytest.approx(thing.box[3], abs=0.02)


@pytest.mark.parametrize("kind", UPRIGHT)
def test_a_landmark_takes_its_pixels_from_what_it_hides(kind: str) -> None:
    image, ids = np.full((160, 160, 3), 7, np.uint8), np.full((160, 160), 5, np.uint8)
    stand(Pen(image, ids, 0, 80, 130, 60), kind)
    assert np.array_equal((image != 7).any(2), ids == 0) and (ids == 0).any()


def test_background_is_worth_reading() -> None:
    """Grounds have texture, landmarks stand about, and shadows fall; things of one colour stand behind each other."""
    scenes = [scene(seed, size=224) for seed in range(12)]
    rough = [s.image.astype(float)[s.instances == 0].std() for s in scenes]
    assert min(rough) > 20
    assert all(2 <= len(layout(seed, "test").marks) <= 5 for seed in range(12))
    assert {m.kind for seed in range(60) for m in layout(seed, "test").marks} == set(MARKS)


def test_the_test_split_is_hard(asked: list[tuple[meaning.Park, language.Query]]) -> None:
    there = [(p, q) for p, q in asked if q.targets and q.meaning is not None]
    assert all(4 <= len(p.objects) <= 10 for p, _ in asked)
    rivals = [
        any(o.kind in q.meaning.kinds and i not in q.targets for i, o in enumerate(p.objects)) for p, q in there if q.meaning
    ]
    areas = [sum(p.objects[i].area for i in q.targets) for p, q in there]
    hidden = [any(p.objects[i].visible < 0.95 for i in q.targets) for p, q in there]
    assert np.mean(rivals) >= 0.5
    assert np.median(areas) <= 0.045
    assert np.mean(hidden) >= 0.25
    ground = [
        q.meaning.region is not None or (bool(q.meaning.relation) and isinstance(q.meaning.relation[1], str))
        for _, q in there
        if q.meaning
    ]
    assert np.mean(ground) >= 0.12  # asked for by what is no thing
    assert 0.1 < np.mean([q.held for _, q in asked]) < 0.3


def test_every_family_is_asked(asked: list[tuple[meaning.Park, language.Query]]) -> None:
    counts = Counter(q.family for _, q in asked)
    assert all(counts[f] >= 70 for f in language.FAMILIES), counts
    assert max(len(q.targets) for _, q in asked if q.family == "intent") > 1
    position = {"left", "right", "top", "bottom", "middle", "center", "front", "back"}
    assert not any(position & set(q.text.split()) for _, q in asked if q.family == "ref+")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["train", "val", "test"]))
def test_every_query_has_exactly_its_answer(seed: int, split: str) -> None:
    p = park(seed, split)
    for q in language.queries(p, each=EACH):
        m = q.meaning
        if m is None:
            assert q.family == "absent" and not q.targets
            continue
        fits = [
            i
            for i, t in enumerate(p.objects)
            if (t.kind in m.kinds or (not m.kinds and t.kind != "person")) and m.colour in (None, t.colour)
        ]
        fits = [i for i in fits if p.objects[i].colour != m.unlike and m.tone in (0, p.objects[i].tone)]
        assert set(q.targets) <= set(fits)
        if q.family == "absent":
            assert meaning.nobody(m, p)
            continue
        assert q.targets == meaning.resolve(m, p) != ()
        if m.many or (m.pick is None and m.relation is None):
            assert m.region or list(q.targets) == fits
        if m.region:
            (ground,) = (k for k in p.marks if k.kind == m.region)
            assert all(stands_on(p.objects[i], ground) for i in q.targets)
        if m.pick == "left" and m.rank == 1:
            assert q.targets[0] == min(fits, key=lambda i: p.objects[i].centre[0])
        if m.pick == "right" and m.rank == 2 and not m.region:
            assert q.targets[0] == sorted(fits, key=lambda i: -p.objects[i].centre[0])[1]
        if m.relation and m.relation[0] == "near":
            mark = meaning.landmark(m.relation[1], p)
            assert mark is not None
            far = {i: meaning.gap(p.objects[i].box, mark[0].box) for i in fits if i != mark[1]}
            assert q.targets[0] == min(far, key=lambda i: far[i]) and far[q.targets[0]] <= meaning.NEAR


def test_what_stands_on_a_ground() -> None:
    outline = ((0.2, 0.5), (0.6, 0.5), (0.6, 0.9), (0.2, 0.9))
    ground = Mark("blanket", 0.4, 0.7, 0.4, outline, 0)

    def at(x: float, y: float) -> bool | None:
        return stands_on(Thing("cup", "red", x, y, 0.1, False, 0, 0, box=(x - 0.05, y - 0.1, x + 0.05, y)), ground)

    assert at(0.4, 0.7) is True and at(0.8, 0.7) is False and at(0.605, 0.7) is None


@pytest.mark.parametrize("table", [REASON, INTENT])
def test_ideas_are_many_different_and_one_in_five_is_held_out(table: dict) -> None:
    for kind, ideas in table.items():
        assert len(ideas) >= 25 and len(set(ideas)) == len(ideas), kind
    trained = {q.text for seed in range(30) for q in language.queries(park(seed, "train"), each={"reason": 4, "intent": 4})}
    held = [i for ideas in table.values() for n, i in enumerate(ideas) if frames.is_held(n)]
    assert len(held) / sum(map(len, table.values())) == pytest.approx(0.2, abs=0.03)
    assert not any(idea in text for idea in held for text in trained)
    everything = [idea for ideas in table.values() for idea in ideas]
    assert len(set(everything)) == len(everything)


def test_held_out_frames_are_not_trained() -> None:
    held = {f.split("{")[0] for i, f in enumerate(frames.FRAMES) if frames.is_held(i)}
    free = {f.split("{")[0] for i, f in enumerate(frames.FRAMES) if not frames.is_held(i)}
    assert "let me find " in held - free
    trained = [q.text for seed in range(30) for q in language.queries(park(seed, "train"), each={"ref": 4})]
    assert not any(text.startswith("let me find ") for text in trained)
    tested = [q.text for seed in range(60) for q in language.queries(park(seed), each={"ref": 4}, held=True)]
    assert any(text.startswith("let me find ") for text in tested)


def test_the_park_has_words_enough() -> None:
    assert len(words.words()) >= 1200
    assert len(set(ELSEWHERE)) == len(ELSEWHERE) >= 300
    here = {n for nouns in names.NOUNS.values() for pair in nouns for n in pair} | {
        m for marks in names.MARK_WORDS.values() for m in marks
    }
    assert not here & set(ELSEWHERE)
    for kind in KINDS:
        assert len({one for one, _ in names.NOUNS[kind]}) >= 6, kind
    assert set(places.ON) == set(REGIONS) and set(names.MARK_WORDS) == set(MARKS)


def test_a_typing_error_is_no_unknown_word() -> None:
    tokenizer = words.build()
    unknown = tokenizer.token_to_id("<unk>")
    g = np.random.default_rng(0)
    for text in ("find the umbrella", "the elephant on the left", "balloon"):
        for _ in range(40):
            slip = typo(text, g)
            assert sum(a != b for a, b in zip(slip.split(), text.split(), strict=True)) <= 1
            assert unknown not in tokenizer.encode(slip).ids
    assert typo("a cat", g) == "a cat"
    assert tokenizer.encode("Ünïcode").tokens[0].startswith("u")
    assert tokenizer.encode("the red ball").tokens == ["the", "red", "ball"]


def test_no_text_spells_a_special_token() -> None:
    tokenizer = words.build()
    special = {tokenizer.token_to_id(t) for t in words.SPECIAL if t != "<unk>"}
    for text in ("[SEG] </s> <s>", "USER : ASSISTANT", "<pad>[SEG]</s>", "the ［SEG］ ball"):
        assert not special & set(tokenizer.encode(text).ids)


def test_concepts_name_one_thing() -> None:
    found = words.concepts()
    assert found["puppy"] == ("kind", "dog") and found["scarlet"] == ("colour", "red") and found["boulder"] == ("mark", "rock")
    assert not {"toy", "thing", "animal", "the", "with"} & set(found)


def test_phrases_are_english() -> None:
    texts = [q.text for seed in range(60) for q in language.queries(park(seed, "train"), each=EACH)]
    for text in texts:
        assert "{" not in text and "  " not in text and text == text.strip(), text
        assert not re.search(r"\b(a a|the the|a the|the a|an the|all all)\b", text), text
        assert not re.search(r"\ba [aeio]\w+", text) or re.search(r"\ba (one|european)", text), text


def test_meanings_that_do_not_decide_are_not_asked() -> None:
    p = park(0)
    twice = next(k for k, n in Counter(t.kind for t in p.objects).items() if n > 1)
    assert meaning.resolve(meaning.Meaning((twice,)), p) == ()
    assert len(meaning.resolve(meaning.Meaning((twice,), many=True), p)) > 1
    speaker = Speaker(np.random.default_rng(0), False)
    assert language.ask("ref", p, speaker, tries=0) is None


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


def test_scenes_carry_their_queries() -> None:
    made: Scene = scene(3, size=224)
    assert {family for family, _, _ in made.queries} <= set(language.FAMILIES)
    assert all(mask.shape == (224, 224) for _, _, mask in made.queries)


def test_what_to_try_first_is_said_plainly() -> None:
    """Plain names and colours, a short sentence, every answer its own, and no frame or idea that is held out."""
    for seed in range(12):
        here = park(seed)
        spoken = language.spoken(here)
        assert [q.family for q in spoken] == sorted({q.family for q in spoken}, key=language.FAMILIES.index)
        for q in spoken:
            assert not q.held and len(q.text.split()) <= 16
            if q.meaning is not None:
                assert set(q.targets) == set(meaning.resolve(q.meaning, here))
                assert q.meaning.unlike is None and q.meaning.rank == 1 and q.meaning.kinds
            if q.family == "ref" and q.meaning is not None and len(q.meaning.kinds) == 1:
                name = names.NOUNS[q.meaning.kinds[0]][0]
                assert name[q.meaning.many] in q.text
    assert [q.text for q in language.spoken(park(3))] == [text for _, text, _ in scene(3, size=224).spoken]
