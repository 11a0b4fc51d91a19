"""The rivals inside the decoder against tensors from their authors' own code."""

import numpy as np
import pytest
import tiny_decoder as tiny
import torch

from csp.decoder import decode
from csp.methods import FastV, Feather, PyramidDrop, Simignore, SparseVLM
from csp.methods.simignore import walk
from csp.methods.sparsevlm import density_peaks, find_raters
from csp.models.llama import Llama

HIDDEN, SCORE = 2e-4, 5e-6


def run(method, prompt=False):
    model = tiny.golden_llama()
    return decode(Llama(model), tiny.golden_start(prompt=prompt), method.plan(256, len(model.layers)))


def final(out):
    with torch.no_grad():
        return tiny.golden_llama().norm(out.sequence.hidden)[0]


def check_rows(out, golden):
    """Every row of the last layer, in the authors' order; merged tokens have negative names there."""
    rows = golden["rows"]
    named = rows >= 0
    assert len(rows) == out.sequence.n
    assert torch.equal(out.sequence.slots[named], rows[named])
    if "last_hidden" in golden:
        torch.testing.assert_close(final(out), golden["last_hidden"].float(), atol=HIDDEN, rtol=0)
    else:
        text = final(out)[-len(golden["text_hidden"]) :]
        torch.testing.assert_close(text, golden["text_hidden"].float(), atol=HIDDEN, rtol=0)


def check_stage(out, name, kept, scores=None):
    stage = out.trace.stage(name)
    assert (stage.slots - 11).tolist() == kept.tolist()
    if scores is not None:
        found = stage.score[~np.isnan(stage.score)] if len(scores) < 256 else stage.score
        np.testing.assert_allclose(found, scores, atol=SCORE)


@pytest.mark.parametrize(("K", "R"), [(2, 64), (3, 100)])
def test_fastv(K, R):
    golden = tiny.golden("llm").run(f"fastv.K{K}_R{R}")
    out = run(FastV(K, R))
    check_stage(out, "kept", golden["kept"], golden["scores"])
    check_rows(out, golden)
    assert out.trace.rank_layer == K - 1


@pytest.mark.parametrize(
    ("id", "query", "I_rank"),
    [("answer_mean", "paper", ()), ("before_seg", "seg", (289,)), ("prompt_end", "seg", (283,))],
)
def test_fastv_with_other_rows(id, query, I_rank):
    golden = tiny.golden("llm").run(f"variant.fastv_{id}.K2_R64")
    model = tiny.golden_llama()
    start = type(tiny.golden_start()).start(tiny.golden("llm")("input.embeds"), tiny.golden_layout(I_rank=I_rank))
    out = decode(Llama(model), start, FastV(query=query).plan(256, 18))
    check_stage(out, "kept", golden["kept"], golden["scores"])
    check_rows(out, golden)


@pytest.mark.parametrize("id", ["13b_step1_start0_k76", "13b_step2_start0_k76", "7b_step1_start1_k64"])
def test_simignore_with_fastv_on_top(id):
    golden = tiny.golden("llm").run(f"simignore.{id}")
    params = tiny.golden("llm").runs[f"simignore.{id}"]["params"]
    method = Simignore(
        K=params["K"],
        R=params["R"],
        k2=params["k2"],
        rank="attention",
        text="bos" if params["style"] == "7b" else "user",
        step=params["step"],
        i_index=params["i_index"],
    )
    if params["step"] == 1:
        out = run(method)
        check_stage(out, "alike", golden["kept"])
        attention = np.nan_to_num(out.trace.stage("kept").score)
        np.testing.assert_allclose(attention, golden["fastv_scores"], atol=SCORE)
        check_rows(out, golden)
    # The walk by 2 hangs on the order of nearly equal pairs: it is followed on the stored cosines.
    similarity = tiny.golden("llm")("simignore.13b_step1_start0_k76.similarity")
    if params["style"] == "13b":
        order = walk(similarity, params["k2"], params["step"], params["i_index"])
        assert order.tolist() == golden["order"].tolist()


def test_simignore_masks_as_dropping_does():
    golden = tiny.golden("llm").run("simignore.13b_step1_start0_k76")
    out = run(Simignore(K=0, R=76))
    check_stage(out, "kept", golden["kept"])
    torch.testing.assert_close(final(out)[-26:], golden["mask_only_text_hidden"], atol=HIDDEN, rtol=0)


def test_simignore_at_fastvs_place():
    golden = tiny.golden("llm").run("variant.simignore_drop.K2_R64")
    out = run(Simignore())
    check_stage(out, "kept", golden["kept"], golden["scores"])
    check_rows(out, golden)


def test_pyramiddrop():
    golden = tiny.golden("llm").run("pyramiddrop.4_8_12_r0.5")
    out = run(PyramidDrop(layers=(4, 8, 12), lam=0.5))
    for s in range(3):
        check_stage(out, f"pyramid-{s + 1}", golden[f"stage{s}.kept"], golden[f"stage{s}.scores"])
    check_rows(out, golden)
    assert out.sequence.position_ids.tolist() == list(range(69))


def test_pyramiddrop_with_original_positions():
    golden = tiny.golden("llm").run("variant.pyramiddrop_original_ids")
    out = run(PyramidDrop(layers=(4, 8, 12), lam=0.5, positions="original"))
    for s in range(3):
        check_stage(out, f"pyramid-{s + 1}", golden[f"stage{s}.kept"])
    check_rows(out, golden)
    assert torch.equal(out.sequence.position_ids, out.sequence.slots)


@pytest.mark.parametrize("r", [0.7, 0.8])
@pytest.mark.parametrize("sequence", ["full", "prompt"])
def test_feather(r, sequence):
    golden = tiny.golden("llm").run(f"feather.r{r}_s3.{sequence}")
    out = run(Feather(k=(8, 16), r=r, stride=3), prompt=sequence == "prompt")
    check_stage(out, "thin-1", golden["drop1_kept"], golden["drop1_scores"])
    check_stage(out, "thin-2", golden["drop2_kept"], golden["drop2_scores"])
    check_rows(out, golden)
    assert set(golden["grid"].tolist()) <= set((out.trace.stage("thin-1").slots - 11).tolist())


LISTS = {"list_64": (66, 30, 17), "rescaled": (100, 67, 37), "custom": (150, 80, 10)}


def check_block(stage, block):
    """Image indices as they are; merged tokens, negative there, by their number only."""
    assert stage.n == len(block)
    named = np.asarray(block >= 0)
    assert (stage.source[named].max(axis=1) == 1).all()
    assert (stage.slots[named] - 11).tolist() == block[block >= 0].tolist()


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("sequence", ["full", "prompt"])
def test_sparsevlm(name, sequence):
    golden = tiny.golden("llm").run(f"sparsevlm.{name}.{sequence}")
    method = SparseVLM(keep=LISTS[name], raters="all" if sequence == "full" else "user")
    out = run(method, prompt=sequence == "prompt")
    for s in range(3):
        check_block(out.trace.stage(f"sparse-{s + 1}"), golden[f"stage{s}.block"])
    first = out.trace.stage("sparse-1")
    np.testing.assert_allclose(first.score, golden["stage0.scores"], atol=SCORE)
    check_rows(out, golden)
    assert out.sequence.position_ids.tolist() == list(range(out.sequence.n))


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("positions", ["official", "original"])
def test_sparsevlm_with_user_raters(name, positions):
    golden = tiny.golden("llm").run(f"variant.sparsevlm_user_raters_{positions}_ids.{name}")
    out = run(SparseVLM(keep=LISTS[name], positions=positions))
    for s in range(3):
        check_block(out.trace.stage(f"sparse-{s + 1}"), golden[f"stage{s}.block"])
    check_rows(out, golden)
    assert out.sequence.position_ids.tolist() == golden["position_ids"].tolist()


@pytest.mark.parametrize("sequence", ["full", "prompt"])
def test_sparsevlm_raters(sequence):
    golden = tiny.golden("llm").run(f"sparsevlm.list_64.{sequence}")
    start = tiny.golden_start(prompt=sequence == "prompt")
    found = find_raters(start.image.hidden[0], start.hidden[0, 267:])
    assert found.tolist() == golden["raters"].tolist()


@pytest.mark.parametrize("id", range(5))
def test_sparsevlm_clusters(id):
    golden = tiny.golden("llm").run(f"sparsevlm_cluster.{id}")
    params = tiny.golden("llm").runs[f"sparsevlm_cluster.{id}"]["params"]
    centres, assign = density_peaks(golden["x"], params["clusters"], golden["noise"])
    assert assign.tolist() == golden["assign"].tolist()
    if "centres" in golden:
        assert centres.tolist() == golden["centres"].tolist()
    for cluster, mean in enumerate(golden["merged"]):
        torch.testing.assert_close(golden["x"][assign == cluster].mean(dim=0), mean, atol=1e-5, rtol=0)


def test_counts_per_layer():
    runs = {
        "fastv.K2_R64": FastV(2, 64),
        "pyramiddrop.4_8_12_r0.5": PyramidDrop(layers=(4, 8, 12)),
        "feather.r0.7_s3.full": Feather(r=0.7),
        **{f"sparsevlm.{name}.full": SparseVLM(keep=keep, raters="all") for name, keep in LISTS.items()},
    }
    for id, method in runs.items():
        described = tiny.golden("llm").runs[id]
        trace = run(method).trace
        assert list(trace.n_per_layer) == described["image_tokens_per_layer"], id
        assert trace.n_avg == pytest.approx(described["N_avg"])
