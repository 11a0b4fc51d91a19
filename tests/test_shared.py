"""Several queries over one prefix are what each is by itself, whatever the plan."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import tiny_decoder as tiny
import torch
from hypothesis import given, settings, strategies as st

from csp.decoder import Choice, Decoded, Stage, View, decode, decode_all
from csp.methods import CSP, FastV, Feather, Full, PruMerge, PyramidDrop, SparseVLM, VisionZip
from csp.models.llama import Llama
from csp.shared import Prefix, Together
from csp.tokens import TokenSequence, restore, top

METHODS = [
    Full(),
    CSP(Lc=2, Nc=8, Ls=3, Np=4),
    CSP(Lc=2, Nc=8, Ls=3, Np=4, cluster="random", layer="next"),
    FastV(2, 5),
    PyramidDrop(layers=(2, 4)),
    SparseVLM(layers=(1, 3), keep=(8, 4)),
    Feather(k=(2, 4)),
    VisionZip(6, 2),
    PruMerge(5, neighbours=4),
]


def query(seed: int, N_usr: int, I_seg: tuple[int, ...] = (-1,), picture: int = 0) -> TokenSequence:
    """A sequence that begins as all others do on the same picture; ``I_seg`` counts from the answer's start."""
    at = 3 + tiny.N + N_usr
    where = tiny.layout(N_usr=N_usr, I_seg=tuple(at + i for i in I_seg))
    embeds = tiny.embeds(seed, where.T)
    embeds[:, :3], embeds[:, where.image] = tiny.embeds(0)[:, :3], tiny.embeds(picture)[:, where.image]
    return TokenSequence.start(embeds, where)


def check(ours: Decoded, theirs: Decoded) -> None:
    torch.testing.assert_close(ours.seg_state, theirs.seg_state, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.sequence.hidden, theirs.sequence.hidden, atol=1e-4, rtol=0)
    assert torch.equal(ours.sequence.position_ids, theirs.sequence.position_ids)
    assert torch.equal(ours.sequence.slots, theirs.sequence.slots)
    a, b = ours.trace, theirs.trace
    assert (a.layout, a.n_per_layer, a.rank_layer, a.forced) == (b.layout, b.n_per_layer, b.rank_layer, b.forced)
    np.testing.assert_allclose(a.A_SEG, b.A_SEG, atol=1e-5)
    np.testing.assert_allclose(a.A_text, b.A_text, atol=1e-5)
    assert set(a.heads) == set(b.heads)
    for layer, heads in b.heads.items():
        np.testing.assert_allclose(a.heads[layer], heads, atol=1e-3)
    for mine, other in zip(a.stages, b.stages, strict=True):
        np.testing.assert_array_equal(mine.slots, other.slots)
        np.testing.assert_allclose(mine.source, other.source, atol=1e-6)
        if other.score is not None:
            np.testing.assert_allclose(mine.score, other.score, atol=1e-5)


def decode_together(
    layers: Llama, starts: list[TokenSequence], plan: Any, vision: Any = None, kept: Sequence[Prefix] = (), **options: Any
) -> tuple[list[Decoded], tuple[Prefix, ...]]:
    runner = Together(layers, kept)
    return decode_all(runner, starts, plan, [vision] * len(starts), **options), runner.prefixes


def both(
    method: Any, starts: list[TokenSequence], kept: tuple[Prefix, ...] = (), **options: Any
) -> tuple[Prefix, ...]:
    """Run together and alone, compare, and return the prefixes."""
    plan = method.plan(tiny.N, 8)
    layers, vision = Llama(options.pop("model", tiny.llama())), tiny.vision()
    together, prefixes = decode_together(layers, starts, plan, vision, kept=kept, **options)
    for ours, start in zip(together, starts, strict=True):
        check(ours, decode(layers, start, plan, vision, **options))
    return prefixes


class Counting(Llama):
    """Counts the rows that are run, layer by layer."""

    def __init__(self, llm: Any) -> None:
        super().__init__(llm)
        self.rows = 0

    def _stage(self, first: int, L: int, hidden: torch.Tensor, *rest: Any, **more: Any) -> Any:
        self.rows += L * hidden.shape[0] * hidden.shape[1]
        return super()._stage(first, L, hidden, *rest, **more)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_together_is_alone(method: Any) -> None:
    both(method, [query(1, 6), query(2, 3), query(3, 9), query(4, 3)])


@pytest.mark.parametrize("model", [tiny.llama(attention="eager"), tiny.llama(kv_heads=1)])
def test_together_is_alone_whatever_attends(model: Any) -> None:
    both(CSP(Lc=2, Nc=8, Ls=3, Np=4), [query(1, 6), query(2, 3)], model=model)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_heads_are_recorded_together_as_alone(method: Any) -> None:
    both(method, [query(1, 6, (-1, 1)), query(2, 3), query(3, 9)], record="heads")


def test_pictures_run_in_one_batch_as_each_alone() -> None:
    """Only the words before the image are the same; every sequence has features of its own."""
    starts, visions = [query(1, 6, picture=p) for p in (0, 5, 9)], [tiny.vision(seed=p) for p in (0, 5, 9)]
    for method in (CSP(Lc=2, Nc=8, Ls=3, Np=4, cluster="cls"), VisionZip(6, 2), FastV(2, 5)):
        plan, layers = method.plan(tiny.N, 8), Llama(tiny.llama())
        runs = decode_all(Together(layers), starts, plan, visions)
        for ours, start, vision in zip(runs, starts, visions, strict=True):
            check(ours, decode(layers, start, plan, vision))


def test_queries_may_have_different_numbers_of_read_outs() -> None:
    both(CSP(Lc=2, Nc=8, Ls=3, Np=4), [query(1, 6, (-1, 1)), query(2, 3), query(3, 4, (0, 1, 2))])


def test_force_and_seed_reach_every_query() -> None:
    method = CSP(Lc=2, Nc=8, Ls=3, Np=4, cluster="random")
    both(method, [query(1, 6), query(2, 3)], seed=7, force={"pruning": {"keep": [3], "drop": [4]}})


def test_without_recording() -> None:
    runs, _ = decode_together(
        Llama(tiny.llama()), [query(1, 6), query(2, 3)], Full().plan(tiny.N, 8), record=False
    )
    assert all(np.isnan(run.trace.A_SEG).all() for run in runs)


Enter = Callable[[View], Choice]


def by_lot(n: int, view: View) -> Choice:
    return Choice(restore(view.start.image, view.now.image).take(torch.randperm(tiny.N, generator=view.rng)[:n].sort().values))


def by_attention(n: int, view: View) -> Choice:
    image = view.now.image
    return Choice(image.take(top(view.attention(view.layout.I_rank, "next").mean(dim=(0, 1)), min(n, image.n))))


def back(n: int, view: View) -> Choice:
    return Choice(restore(view.start.image, view.now.image))


@st.composite
def plans(draw: st.DrawFn) -> tuple[Stage, ...]:
    """Any stages over 8 layers: by lot, by attention, all back; positions kept or counted anew."""
    stages, left = [], 8
    while left:
        L = draw(st.integers(1, left))
        enter = partial(draw(st.sampled_from([by_lot, by_attention, back])), draw(st.integers(1, tiny.N)))
        stages.append(Stage(f"s{left}", L, None, enter, draw(st.sampled_from(["keep", "renumber"]))))
        left -= L
    return tuple(stages)


@settings(max_examples=15, derandomize=True)
@given(plans(), st.lists(st.tuples(st.integers(1, 50), st.integers(1, 9)), min_size=1, max_size=3))
def test_any_plan_runs_together_and_later_as_alone(plan: tuple[Stage, ...], asked: list[tuple[int, int]]) -> None:
    layers, starts = Llama(tiny.llama()), [query(seed, N_usr) for seed, N_usr in asked]
    together, kept = decode_together(layers, starts, plan)
    later, kept = decode_together(layers, [query(77, 5)], plan, kept=kept)
    again, _ = decode_together(layers, starts[:1], plan, kept=kept)
    for ours, start in zip([*together, *later, *again], [*starts, query(77, 5), starts[0]], strict=True):
        check(ours, decode(layers, start, plan))


def test_the_picture_is_run_once() -> None:
    """Clustering and scattering are shared whole, pruning from the system prompt's rows on."""
    method, starts = CSP(Lc=2, Nc=8, Ls=3, Np=4), [query(1, 6), query(2, 3), query(3, 9)]
    layers = Counting(tiny.llama())
    _, prefixes = decode_together(layers, starts, method.plan(tiny.N, 8), tiny.vision())
    assert [prefix.P for prefix in prefixes[:2]] == [3 + 8, 3 + 16] and 3 <= prefixes[2].P < 3 + 4
    text = 9 + 3
    shared = 2 * (3 + 8) + 3 * (3 + 16) + 3 * prefixes[2].P
    assert layers.rows == shared + 3 * (8 * text + 3 * (3 + 4 - prefixes[2].P))
    before = layers.rows
    decode_together(layers, [query(4, 6)], method.plan(tiny.N, 8), tiny.vision(), kept=prefixes)
    # One query more: its own words, and the tokens that pruning left for it alone.
    assert layers.rows - before <= 8 * (6 + 3) + 3 * 4


def test_a_kept_prefix_shrinks_to_what_queries_share() -> None:
    method = FastV(2, 5)
    first = both(method, [query(1, 6)])
    assert [prefix.P for prefix in first] == [3 + 16, 3 + 5]
    second = both(method, [query(2, 3)], kept=first)
    assert second[0] is first[0] and 3 <= second[1].P < 3 + 5
    assert second[1].nbytes < first[1].nbytes


def test_another_picture_takes_nothing_from_a_kept_prefix() -> None:
    method = CSP(Lc=2, Nc=8, Ls=3, Np=4)
    kept = both(method, [query(1, 6)])
    other = both(method, [query(1, 6, picture=5)], kept=kept)
    # The words before the image are the same, its tokens are not.
    assert [prefix.P for prefix in other] == [3, 3, 3]


def test_prefixes_of_another_plan_are_of_no_use() -> None:
    """The same tokens in the first stage, but through another number of layers."""
    kept = both(CSP(Lc=2, Nc=8, Ls=3, Np=4), [query(1, 6)])
    both(CSP(Lc=3, Nc=8, Ls=3, Np=4), [query(1, 6), query(2, 4)], kept=kept)
    both(CSP(Lc=1, Nc=8, Ls=3, Np=4), [query(1, 6)], kept=kept)


def test_no_query_runs_nothing() -> None:
    assert decode_together(Llama(tiny.llama()), [], Full().plan(tiny.N, 8)) == ([], ())


def test_a_plan_must_cover_the_decoder_here_too() -> None:
    with pytest.raises(ValueError, match="the stages run 7 layers, the decoder has 8"):
        decode_together(Llama(tiny.llama()), [query(1, 3)], Full().plan(tiny.N, 7))
