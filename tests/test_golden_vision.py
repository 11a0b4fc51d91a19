"""The rivals before the projector against tensors from their authors' own code."""

from functools import cache

import pytest
import tiny_decoder as tiny
import torch
from torch.nn.functional import layer_norm, linear

from csp.decoder import View
from csp.methods import PruMerge, PruMergePlus, VisionZip
from csp.methods.visionzip import contextual_weights
from csp.models.llama import Llama
from csp.tokens import TokenSequence, VisionFeatures
from csp.types import Box, Layout

WIDTH = 32


@cache
def tower() -> VisionFeatures:
    """Queries and keys of the last two layers, from the stored states and weights; no projector."""
    data, index = tiny.golden("vision"), tiny.golden("vision").index

    def projected(states, layer, name):
        weights = [data(f"layers.{layer}.layer_norm1.{part}") for part in ("weight", "bias")]
        normed = layer_norm(states, [WIDTH], *weights, eps=index["layer_norm_eps"])
        return linear(normed, *(data(f"layers.{layer}.self_attn.{name}_proj.{part}") for part in ("weight", "bias")))

    before, states = data("input.hidden_states_minus_3"), data("input.hidden_states_minus_2")
    return VisionFeatures(
        states=states,
        q_last=projected(states, 23, "q")[0],
        k_last=projected(states, 23, "k"),
        q_prev=projected(before, 22, "q")[0],
        k_prev=projected(before, 22, "k"),
        num_heads=index["heads"],
        project=lambda features: features,
    )


def enter(method):
    """The first stage's choice for a sequence whose embeddings are the tower's features."""
    layout = Layout(2, 256, 3, 2, (16, 16), Box(0, 0, 224, 224), (260,))
    text = torch.zeros(7, WIDTH)
    start = TokenSequence.start(torch.cat([text[:2], tower().patches, text[2:]]), layout)
    view = View(Llama(tiny.llama()), start, start, 0, None, tower(), torch.Generator())
    (stage,) = method.plan(256, 32)
    choice = stage.enter(view)
    assert stage.N in (None, choice.image.n)
    return start.with_image(choice.image, stage.positions), choice


def test_the_towers_attention():
    data = tiny.golden("vision")
    torch.testing.assert_close(tower().cls_attention(over="all"), data("layer23.cls_attention"), atol=5e-6, rtol=0)
    heads = tower().cls_attention("prev", heads=True, over="all")
    torch.testing.assert_close(heads, data("layer22.cls_attention_heads")[:, 1:], atol=5e-6, rtol=0)
    torch.testing.assert_close(tower().k_last, data("layer23.k"), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("id", "method"),
    [
        ("prumerge.adaptive", PruMerge(n=0)),
        ("prumerge.fixed", PruMerge(n=74)),
        ("prumerge.fixed_1_8", PruMerge(n=32)),
        ("prumerge_plus.adaptive", PruMergePlus(total=0)),
    ],
)
def test_prumerge(id, method):
    golden = tiny.golden("vision").run(id)
    sequence, choice = enter(method)
    kept, image = golden["kept"], choice.image
    assert (image.slots[:-1] - 2).tolist() == kept.tolist()
    torch.testing.assert_close(image.hidden[0], golden["out"], atol=1e-5, rtol=0)
    assert sequence.position_ids.tolist() == list(range(sequence.n))
    # Provenance: each token is itself and its neighbours, the last one everything not kept.
    for row, patch, near in zip(image.source, kept.tolist(), golden["neighbours"], strict=False):
        assert set(torch.nonzero(row).flatten().tolist()) == {patch, *near.tolist()}
        assert row.argmax() == patch
    assert set(torch.nonzero(image.source[-1]).flatten().tolist()) == set(range(256)) - set(kept.tolist())
    torch.testing.assert_close(image.source.sum(dim=1), torch.ones(image.n))


@pytest.mark.parametrize("method", [PruMerge(n=20), PruMergePlus(total=40), VisionZip(20, 6)])
def test_original_positions_bring_the_order_back(method):
    (_, official), (sequence, original) = (
        enter(method),
        enter(type(method)(**vars(method) | {"positions": "original"})),
    )
    order = official.image.position_ids.argsort(stable=True)
    assert torch.equal(original.image.hidden, official.image.hidden[:, order])
    assert torch.equal(sequence.position_ids, sequence.slots)
    assert (sequence.position_ids.diff() >= 0).all()
    assert sequence.position_ids[-5:].tolist() == [258, 259, 260, 261, 262]


@pytest.mark.parametrize(("id", "method"), [("d68_c12", VisionZip(68, 12)), ("d64_c16", VisionZip(64, 16))])
def test_visionzip(id, method):
    golden = tiny.golden("vision").run(f"visionzip.{id}")
    sequence, choice = enter(method)
    image = choice.image
    torch.testing.assert_close(choice.score, golden["score"], atol=5e-6, rtol=0)
    dominant = golden["dominant"]
    assert (image.slots[1 : method.dominant] - 2 + 1).tolist() == dominant[1:].tolist()
    assert (image.slots[method.dominant :] - 2 + 1).tolist() == golden["targets"].tolist()
    torch.testing.assert_close(image.hidden[0], golden["out"], atol=1e-5, rtol=0)
    assert sequence.position_ids.tolist() == list(range(sequence.n))
    assert not image.source[0].any()
    torch.testing.assert_close(image.source[1:].sum(dim=1), torch.ones(image.n - 1))
    for other, target in zip(golden["others"].tolist(), golden["assign"].tolist(), strict=True):
        assert image.source[method.dominant + target, other - 1] > 0
    # Every patch is used exactly once.
    assert ((image.source > 0).sum(dim=0) == 1).all()


@pytest.mark.parametrize(
    ("N", "dominant", "n", "step"),
    [(256, 64, 16, 12), (256, 68, 12, 15), (576, 54, 10, 52), (576, 160, 16, 26)],
)
def test_visionzips_targets(N, dominant, n, step):
    rest = torch.arange(N - dominant + 1)
    targets, weights = contextual_weights(rest, torch.randn(N, 4, generator=torch.Generator().manual_seed(0)), n)
    assert targets.tolist() == [step * i for i in range(n)]
    assert weights.count_nonzero() == len(rest)


def test_visionzip_by_hand():
    """Eight patches, the scores and counts of a worked example: targets 0 and 5, members that equal their
    target double it.
    """
    rest = torch.tensor([0, 2, 3, 5, 6, 7])
    metric = torch.tensor([[1.0, 0], [0, 0], [1, 0], [1, 0], [0, 0], [0, 1], [0, 1], [0, 1]])
    targets, weights = contextual_weights(rest, metric, 2)
    assert targets.tolist() == [0, 5]
    x = metric
    assert (weights @ x).tolist() == [[2, 0], [0, 2]]
