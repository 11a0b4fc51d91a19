import pytest
import tiny_decoder as tiny
import torch
from hypothesis import given, strategies as st

from csp.tokens import TokenSequence, by_score, restore, top

subsets = st.sets(st.integers(0, tiny.N - 1)).map(sorted)


@given(subsets)
def test_take_carries_everything_along(patches):
    image = tiny.start().image
    taken = image.take(patches)
    assert taken.slots.tolist() == [3 + patch for patch in patches]
    assert taken.position_ids.tolist() == taken.slots.tolist()
    assert torch.equal(taken.hidden, image.hidden[:, patches])
    assert taken.source.argmax(dim=1).tolist() == patches
    assert sorted(taken.slots.tolist() + image.drop(patches).slots.tolist()) == image.slots.tolist()


@given(subsets)
def test_scattering_leaves_the_unselected_rows_bit_identical(patches):
    """Eq. 7."""
    start = tiny.start()
    image = start.image
    now = image.take(patches)
    now = type(now)(now.hidden * 3 + 1, now.position_ids, now.slots, now.source)
    back = restore(image, now)
    others = [patch for patch in range(tiny.N) if patch not in patches]
    assert torch.equal(back.hidden[:, others], image.hidden[:, others])
    assert torch.equal(back.hidden[:, patches], now.hidden)
    assert torch.equal(back.slots, image.slots)
    assert torch.equal(start.hidden, tiny.embeds())


@given(subsets, st.sampled_from(["keep", "renumber"]))
def test_text_rows_are_found_by_slot_whatever_the_image_block(patches, positions):
    start = tiny.start()
    layout = start.layout
    now = start.with_image(start.image.take(patches), positions)
    text = [*range(layout.N_sys), *range(layout.usr.start, layout.T)]
    assert torch.equal(now.hidden[:, now.rows(text)], start.hidden[:, text])
    assert now.rows(layout.I_seg).tolist() == [layout.N_sys + len(patches) + layout.N_usr - 1]
    expected = list(range(now.n)) if positions == "renumber" else now.slots.tolist()
    assert now.position_ids.tolist() == expected


def test_image_slots_and_slots_that_there_are_not_are_not_text():
    start = tiny.start()
    for wrong in ([3], [0, 3], [start.layout.T], [-1]):
        with pytest.raises(ValueError, match="not all text slots"):
            start.rows(wrong)
    assert start.rows([0, start.layout.T - 1]).tolist() == [0, start.layout.T - 1]


def test_a_kept_cls_token_beside_the_last_patch_does_not_hide_the_text():
    start = tiny.start()
    twice = start.image.append(start.image.take([tiny.N - 1]))
    now = start.with_image(twice)
    assert now.rows(start.layout.I_seg).tolist() == [start.layout.I_seg[0] + 1]


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=12), st.integers(1, 12))
def test_of_equal_scores_the_lower_row_wins(scores, k):
    k = min(k, len(scores))
    expected = sorted(range(len(scores)), key=lambda row: (-scores[row], row))
    assert by_score(torch.tensor(scores)).tolist() == expected
    assert top(torch.tensor(scores), k).tolist() == sorted(expected[:k])


def test_nan_is_not_ranked():
    with pytest.raises(ValueError, match="their scores are not numbers; run the model in bfloat16 or float32"):
        top(torch.tensor([0.5, float("nan")]), 1)


def test_values_reach_patches_through_source():
    image = tiny.start().image.take([2, 5])
    image.source[1, 5], image.source[1, 6] = 0.75, 0.25
    carried = image.to_patches(torch.tensor([[0.5, 0.4]]))[0]
    assert carried[[2, 5, 6]].tolist() == pytest.approx([0.5, 0.3, 0.1])
    assert carried.isnan().sum() == tiny.N - 3


def test_sequences_are_checked():
    with pytest.raises(ValueError, match="must have 28 rows as the layout says, got 27"):
        TokenSequence.start(tiny.embeds()[:, 1:], tiny.layout())
    with pytest.raises(ValueError, match="one sample a pass, got a batch of 2"):
        TokenSequence.start(tiny.embeds().repeat(2, 1, 1), tiny.layout())


def test_cls_attention_is_eq_3():
    vision = tiny.vision()
    torch.testing.assert_close(vision.patches, vision.states[-tiny.N :])
    logits = vision.k_last[1:] @ vision.q_last / 12**0.5
    torch.testing.assert_close(vision.cls_attention(), logits.softmax(0))
    heads = vision.cls_attention(heads=True)
    assert heads.shape == (3, tiny.N)
    by_hand = (vision.k_last[1:, 4:8] @ vision.q_last[4:8] / 4**0.5).softmax(0)
    torch.testing.assert_close(heads[1], by_hand)
    everything = vision.cls_attention("prev", over="all")
    assert everything.sum() < 1
    torch.testing.assert_close(everything / everything.sum(), vision.cls_attention("prev"))
