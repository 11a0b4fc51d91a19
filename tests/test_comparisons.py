"""Comparisons put right: likeness to a state and not to a constant, the row that is asked, and the controls of every table."""

from dataclasses import replace

import numpy as np
import pytest
import tiny_decoder as tiny
import torch

import csp
from csp.decoder import decode, decode_all, planned
from csp.flops import cost, macs_per_layer
from csp.generation import Memory
from csp.methods import CONTROLS, CSP, Full, Simignore, named
from csp.methods.without import Blind, Exit, Things
from csp.models.llama import Llama
from csp.shared import Together
from csp.stages import Stage

SETTING = CSP(Lc=2, Nc=6, Ls=2, Np=4)


def other_words(start):
    """The same picture and answer, other words of the user's; the row before the answer holds the same token."""
    hidden = start.hidden.clone()
    hidden[0, start.layout.usr.start : start.layout.usr.stop - 1] = torch.randn(
        start.layout.N_usr - 1, hidden.shape[-1], generator=torch.Generator().manual_seed(9)
    )
    return start.with_hidden(hidden)


# --- Simignore


def test_likeness_to_seg_depends_on_the_query():
    """The embedding of the row that predicts [SEG] is a constant word's: what is compared are states entering layer K."""
    start = tiny.start(I_seg=(24,))
    method = Simignore(K=2, R=5, query="seg")
    scores = [tiny.run(method, sequence=asked).trace.stage("kept").score for asked in (start, other_words(start))]
    assert not np.allclose(*scores)


def test_likeness_to_seg_is_of_states_entering_layer_k():
    start = tiny.start(I_seg=(24,))
    model = tiny.llama()
    with torch.no_grad():
        hidden = start.hidden
        for layer in model.layers[:3]:
            positions = model.rotary_emb(hidden, position_ids=start.position_ids[None])
            hidden = layer(hidden, attention_mask=None, position_embeddings=positions)
    unit = torch.nn.functional.normalize(hidden[0], dim=-1)
    wanted = unit[3 : 3 + tiny.N] @ unit[24]
    stage = tiny.run(Simignore(K=3, R=5, query="seg"), sequence=start).trace.stage("kept")
    np.testing.assert_allclose(stage.score, wanted, atol=1e-5)
    assert set((stage.slots - 3).tolist()) == set(wanted.topk(5).indices.tolist())


def test_before_the_first_layer_seg_knows_no_query():
    with pytest.raises(ValueError, match="K must be at least 1 with query='seg'"):
        Simignore(K=0, R=5, query="seg").plan(16, 8)
    # What enters the decoder is chosen by words either way.
    both = [tiny.run(Simignore(K=2, R=3, k2=6, query=q)).trace.stage("alike").slots.tolist() for q in ("official", "seg")]
    assert both[0] == both[1]


# --- whose attention ranks


def test_the_row_is_a_knob():
    start = tiny.start(I_seg=(24,), seg_row="before")
    view_rows = {"seg": (24,), "prompt": (24,), "token": (25,), "last": (27,), "answer": (25, 26, 27)}
    for row, slots in view_rows.items():
        assert replace(SETTING, row=row)._ranking(start.layout) == slots, row
    own = tiny.layout(I_seg=(25,), seg_row="token")
    assert replace(SETTING, row="token")._ranking(own) == (25,) == replace(SETTING, row="seg")._ranking(own)
    scores = {row: tiny.run(replace(SETTING, row=row), sequence=start).trace.stage("pruning").score for row in view_rows}
    np.testing.assert_array_equal(scores["seg"], scores["prompt"])
    for row in ("token", "last", "answer"):
        assert not np.allclose(scores["seg"], scores[row])
    cut = tiny.layout(I_seg=(24,), N_out=0, answer="cut")
    for row in ("token", "last", "answer"):
        with pytest.raises(ValueError, match=f"csp with row='{row}' reads rows of"):
            replace(SETTING, row=row)._ranking(cut)


def test_survivors_by_lot_leave_the_clustering_as_it_is():
    method = replace(SETTING, cluster="random", row="lot")
    assert method.draws and not SETTING.draws
    runs = [tiny.run(m, seed=3).trace for m in (method, replace(method, row="seg"))]
    first, second = (run.stage("clustering").slots.tolist() for run in runs)
    assert first == second
    assert runs[0].n_per_layer == runs[1].n_per_layer
    drawn = [tiny.run(method, seed=seed).trace.stage("pruning").slots.tolist() for seed in range(6)]
    assert len({tuple(d) for d in drawn}) > 1
    assert drawn[3] == runs[0].stage("pruning").slots.tolist()


# --- what is taken away


def test_an_early_exit_is_the_norm_of_what_stands_there():
    model, start = tiny.llama(), tiny.start()
    out = tiny.run(Exit(3))
    with torch.no_grad():
        hidden = start.hidden
        for layer in model.layers[:3]:
            hidden = layer(
                hidden, attention_mask=None, position_embeddings=model.rotary_emb(hidden, position_ids=start.position_ids[None])
            )
        wanted = model.norm(hidden[:, list(start.layout.I_seg)])[0]
    torch.testing.assert_close(out.seg_state, wanted, atol=1e-6, rtol=0)
    assert out.trace.n_per_layer == (16,) * 3 + (0,) * 5
    assert np.isnan(out.trace.A_SEG[3:]).all() and not np.isnan(out.trace.A_SEG[:3]).any()
    assert torch.equal(tiny.run(Exit(8)).seg_state, tiny.run(Full()).seg_state)


def test_layers_that_are_not_run_cost_nothing():
    dense, early = cost((4, 4, 4), 2, 8, 16), cost((4, 4, 0), 2, 8, 16, skipped=1)
    assert early.macs == 2 * macs_per_layer(6, 8, 16) and dense.macs == 3 * macs_per_layer(6, 8, 16)
    blind = cost((4, 4, 0), 2, 8, 16)
    assert blind.macs == early.macs + macs_per_layer(2, 8, 16)


def test_an_exit_runs_in_company_and_while_writing():
    starts = [tiny.start(), other_words(tiny.start())]
    both = decode_all(Together(Llama(tiny.llama())), starts, Exit(3).plan(16, 8), [None, None])
    for start, run in zip(starts, both, strict=True):
        torch.testing.assert_close(run.seg_state, tiny.run(Exit(3), sequence=start).seg_state, atol=1e-5, rtol=0)
    memory = Memory(Llama(tiny.llama()))
    decode_all(memory, [tiny.start()], Exit(3).plan(16, 8), [None])
    assert memory.step(torch.zeros(1, 1, 32)).shape == (1, 1, 32)


def test_only_the_end_can_be_left_out():
    keep = Full().plan(16, 8)[0].enter
    plan = [Stage("not run", 3, 16, keep, skip=True), Stage("full", 5, 16, keep)]
    with pytest.raises(ValueError, match="only the last stage can be skipped, and with no image token"):
        decode(Llama(tiny.llama()), tiny.start(), plan)


def test_blind_layers_see_words_alone():
    out = tiny.run(Blind(3))
    assert out.trace.n_per_layer == (16,) * 3 + (0,) * 5 and out.sequence.n_image == 0
    assert torch.equal(tiny.run(Blind(8)).seg_state, tiny.run(Full()).seg_state)
    assert not torch.equal(out.seg_state, tiny.run(Exit(3)).seg_state)


def test_things_are_what_instances_cover():
    coverage = torch.zeros(3, tiny.N)
    coverage[0, [2, 3]], coverage[1, 9], coverage[2, 5] = 0.9, 0.2, 0.8
    seen = replace(tiny.vision(coverage), confidence=torch.tensor([0.9, 0.6, 0.1]))
    out = tiny.run(Things(), vision=seen).trace
    assert out.stages[0].patches.tolist() == [2, 3, 9] and out.stages[0].instances == 2
    assert out.n_per_layer == (3,) * 8
    assert tiny.run(Things(conf=0.05), vision=seen).trace.stages[0].patches.tolist() == [2, 3, 5, 9]
    none = tiny.run(Things(), vision=tiny.vision(coverage[:0]))
    assert none.notes == ("No instance was found: no image token at all.",) and none.trace.n_per_layer == (0,) * 8
    with pytest.raises(ValueError, match="this model has no detector"):
        tiny.run(Things())


@pytest.mark.parametrize("name", CONTROLS)
def test_controls_are_asked_by_name(name, park_folder, picture):
    model = csp.load(park_folder)
    method = named(name, {"K": 2} if name in ("exit", "blind") else {"layers": (2,), "tokens": (9,)} if name == "control" else {})
    result = model.segment(picture, "the red ball", method)
    assert result.request.method == name
    assert planned(method.plan(model.N, model.L))[0] in (None, result.trace.n_per_layer[0])
    if name == "things":
        assert result.cost.guide_macs > 0
    if name == "exit":
        whole = model.segment(picture, "the red ball", Full()).cost
        assert result.cost.macs == whole.macs // 4 * 2
