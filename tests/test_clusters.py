import math

import pytest
import tiny_decoder as tiny
import torch
from hypothesis import given, strategies as st

from csp.clusters import SELECTORS, even_grid
from csp.decoder import View
from csp.models.llama import Llama
from csp.types import Box


def pick(name, Nc, coverage=None, seed=0, grid=(4, 4), **settings):
    N = grid[0] * grid[1]
    start = tiny.start(N=N, grid=grid, I_seg=(3 + N + 5,), crop=Box(0, 0, 1, 1))
    rng = torch.Generator().manual_seed(seed)
    vision = tiny.vision(coverage, n=N)
    return SELECTORS[name](View(Llama(tiny.llama()), start, start, 0, None, vision, rng), Nc, **settings)


def test_the_paper_has_four():
    assert tuple(SELECTORS)[:4] == ("random", "uniform", "cls", "seg-first")


@given(st.sampled_from(["random", "uniform", "cls"]), st.integers(1, 16), st.integers(0, 9))
def test_three_of_them_return_exactly_Nc(name, Nc, seed):
    S = pick(name, Nc, seed=seed).S.tolist()
    assert len(S) == Nc
    assert sorted(set(S)) == S
    assert 0 <= S[0] <= S[-1] < 16
    assert pick(name, Nc, seed=seed).S.tolist() == S


def test_uniform_is_eq_2_and_knows_no_rows():
    assert pick("uniform", 16, grid=(16, 16)).S.tolist() == list(range(0, 256, 16))
    assert pick("uniform", 48, grid=(16, 16)).S.tolist() == [5 * i for i in range(48)]


def test_even_spreads_over_both_axes():
    S = pick("uniform", 16, uniform="even", grid=(16, 16)).S
    assert (S // 16).unique().tolist() == [2, 6, 10, 14]
    assert (S % 16).unique().tolist() == [2, 6, 10, 14]


@given(st.integers(1, 25), st.integers(1, 25), st.data())
def test_even_grids_hold_what_was_asked(rows, cols, data):
    n = data.draw(st.integers(1, rows * cols))
    S = even_grid(rows, cols, n).tolist()
    assert len(S) == n
    assert sorted(set(S)) == S
    assert 0 <= S[0] <= S[-1] < rows * cols


def test_cls_takes_what_cls_looks_at():
    vision = tiny.vision()
    score = vision.cls_attention()
    picked = pick("cls", 5)
    assert set(picked.S.tolist()) == set(score.topk(5).indices.tolist())
    assert picked.score_name == "CLS"
    by_heads = pick("cls", 5, cls="heads")
    assert set(by_heads.S.tolist()) == set(vision.cls_attention(heads=True).mean(0).topk(5).indices.tolist())


def cover(*masks: dict[int, float]) -> torch.Tensor:
    coverage = torch.zeros(len(masks), 16)
    for row, mask in zip(coverage, masks, strict=True):
        for patch, share in mask.items():
            row[patch] = share
    return coverage


def test_a_tiny_instance_gets_its_best_covered_token():
    big = dict.fromkeys(range(8), 1.0)
    picked = pick("seg-first", 4, cover(big, {9: 0.1, 10: 0.3, 11: 0.2}))
    assert 10 in picked.S.tolist()
    assert not {9, 11} & set(picked.S.tolist())
    assert picked.instances == 2


def test_shares_are_floors_of_Nc_by_area():
    # 6, 3 and 1 tokens of 10: floors of 7 * .6, 7 * .3, 7 * .1 are 4, 2, 0 -> 1. That is 7; with Nc = 5: 3, 1, 1 = 5.
    coverage = cover(dict.fromkeys(range(6), 1.0), dict.fromkeys(range(6, 9), 1.0), {9: 1.0})
    for Nc, counts in ((7, (4, 2, 1)), (5, (3, 1, 1)), (8, (4, 2, 1)), (1, (1, 1, 1))):
        S = pick("seg-first", Nc, coverage).S
        of_each = ((S < 6).sum().item(), ((S >= 6) & (S < 9)).sum().item(), (S == 9).sum().item())
        assert of_each == counts


def test_a_share_is_capped_at_the_instances_tokens():
    """All of Nc goes to one instance, which has three tokens of at least half: S is what it is."""
    picked = pick("seg-first", 12, cover({0: 1.0, 1: 0.5, 2: 0.8, 3: 0.49}))
    assert picked.S.tolist() == [0, 1, 2]


def test_overlapping_instances_share_tokens():
    both = dict.fromkeys(range(4), 1.0)
    sizes = {len(pick("seg-first", 8, cover(both, both), seed=seed).S) for seed in range(5)}
    assert sizes == {4}
    some = {len(pick("seg-first", 4, cover(both, both), seed=seed).S) for seed in range(30)}
    assert some == {2, 3, 4}


def test_a_full_frame_instance_is_random_over_the_frame():
    everything = cover(dict.fromkeys(range(16), 1.0))
    assert len(pick("seg-first", 6, everything).S) == 6
    assert pick("seg-first", 16, everything).S.tolist() == list(range(16))


@pytest.mark.parametrize("coverage", [torch.zeros(0, 16), torch.zeros(3, 16)])
def test_no_instance_means_uniform_and_a_note(coverage):
    picked = pick("seg-first", 4, coverage)
    assert picked.S.tolist() == [0, 4, 8, 12]
    assert picked.instances == 0
    assert picked.notes == ("Seg-First found no instance: Uniform instead.",)


def test_no_detector_is_an_error_with_a_remedy():
    with pytest.raises(ValueError, match="needs instances, but this model has no detector"):
        pick("seg-first", 4, None)


@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.2, 0.5, 1.0]), min_size=16, max_size=16), min_size=1, max_size=5),
    st.integers(1, 16),
    st.integers(0, 99),
)
def test_seg_first_by_the_rules(masks, Nc, seed):
    coverage = torch.tensor(masks)
    picked = pick("seg-first", Nc, coverage, seed)
    alive = [mask for mask in masks if sum(mask)]
    if not alive:
        return
    S = set(picked.S.tolist())
    total = sum(map(sum, alive))
    upper = 0
    for mask in alive:
        own = {patch for patch, share in enumerate(mask) if share >= 0.5} or {mask.index(max(mask))}
        share = min(len(own), max(1, math.floor(Nc * sum(mask) / total + 1e-9)))
        assert len(S & own) >= share - (abs(Nc * sum(mask) / total % 1) < 1e-6)
        upper += share
    assert 1 <= len(S) <= upper
    assert {patch for mask in alive for patch, share in enumerate(mask) if share} >= S
