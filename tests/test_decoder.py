import numpy as np
import pytest
import tiny_decoder as tiny
import torch
from hypothesis import given, settings, strategies as st
from tiny_decoder import run

from csp.decoder import Choice, Stage, decode, planned
from csp.methods import CSP, METHODS, Full
from csp.models.llama import Llama

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@torch.no_grad()
def reference(model):
    return model(inputs_embeds=tiny.embeds()).last_hidden_state


@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_full_is_the_models_own_forward_bit_for_bit(kv_heads):
    model = tiny.llama(kv_heads=kv_heads)
    out = run(model=model)
    expected = reference(model)
    assert torch.equal(out.seg_state, expected[0, list(tiny.layout().I_seg)])
    with torch.no_grad():
        assert torch.equal(model.norm(out.sequence.hidden), expected)


@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize(
    "method",
    [
        *(CSP(Lc=2, Nc=tiny.N, Ls=2, Np=tiny.N, cluster=cluster) for cluster in ("random", "uniform", "cls")),
        CSP(Lc=2, Nc=tiny.N, Ls=0, Np=tiny.N),
        CSP(Lc=0, Nc=3, Ls=8, Np=3),
        CSP(Lc=0, Nc=3, Ls=2, Np=tiny.N),
        CSP(Lc=8, Nc=tiny.N, Ls=0, Np=3, uniform="even"),
    ],
)
def test_csp_that_reduces_nothing_changes_nothing(method, record):
    assert torch.equal(run(method, record=record).seg_state, run(record=record).seg_state)


def test_eager_attention_is_causal_too():
    """Transformers' eager kernel without a mask would let tokens see the future."""
    eager = tiny.llama(attention="eager")
    torch.testing.assert_close(run(model=eager).seg_state, run().seg_state, atol=1e-5, rtol=0)


def eager_maps(start=None):
    with torch.no_grad():
        hidden = (start or tiny.start()).hidden
        return tiny.llama(attention="eager")(inputs_embeds=hidden, output_attentions=True).attentions


def test_recorded_rows_are_eager_attention():
    layout = tiny.layout()
    expected = torch.stack([map_[0, :, layout.I_seg[0]].mean(dim=0) for map_ in eager_maps()]).numpy()
    trace = run().trace
    # SDPA and eager states differ by rounding, and the peaked logits of this model magnify it.
    np.testing.assert_allclose(trace.A_SEG, expected[:, layout.image], atol=2e-6)
    np.testing.assert_allclose(trace.A_text, expected[:, layout.usr], atol=2e-6)


@pytest.mark.parametrize("slots", [(24,), (24, 26), (0, 2)])
def test_a_view_attends_as_the_layer_did(slots):
    seen = {}

    def look(view):
        seen["last"] = view.attention(slots)
        seen["next"] = view.attention(slots, "next")
        seen["image"] = view.attention(slots, over="image")
        return Choice(view.now.image)

    plan = (Stage("a", 3, tiny.N, lambda view: Choice(view.now.image)), Stage("b", 5, tiny.N, look))
    decode(Llama(tiny.llama()), tiny.start(), plan)
    maps, image = eager_maps(), tiny.layout().image
    torch.testing.assert_close(seen["last"], maps[2][0][:, list(slots), image], atol=2e-6, rtol=0)
    torch.testing.assert_close(seen["next"], maps[3][0][:, list(slots), image], atol=2e-6, rtol=0)
    if min(slots) > image.stop:
        share = seen["last"] / seen["last"].sum(dim=-1, keepdim=True)
        torch.testing.assert_close(seen["image"], share, atol=1e-5, rtol=0)


def test_recorded_rows_equal_the_view_of_the_same_layer():
    out = run(CSP(Lc=2, Nc=8, Ls=3, Np=4))
    pruning = out.trace.stage("pruning")
    assert out.trace.rank_layer == 4
    np.testing.assert_allclose(out.trace.A_SEG[4], pruning.score, atol=1e-8)
    np.testing.assert_allclose(out.trace.heads[4].mean(axis=0), pruning.score, atol=1e-3)


def test_without_rope_constant_content_is_seen_evenly():
    start = tiny.start()
    hidden = start.hidden.clone()
    hidden[:, start.layout.image] = hidden[:, 5:6]
    seen = {}

    def look(view):
        seen["with"] = view.attention([24], "next", rope=True)
        seen["without"] = view.attention([24], "next", rope=False, over="image")
        return Choice(view.now.image)

    decode(Llama(tiny.llama()), start.with_hidden(hidden), (Stage("a", 8, tiny.N, look),))
    torch.testing.assert_close(seen["without"], torch.full_like(seen["without"], 1 / tiny.N))
    assert seen["with"].std(dim=-1).min() > 1e-4


def test_image_states_do_not_depend_on_the_query():
    start = tiny.start()
    other = start.hidden.clone()
    other[:, start.layout.usr.start :] = 1.0
    a, b = run(sequence=start), run(sequence=start.with_hidden(other))
    image = start.layout.image
    assert torch.equal(a.sequence.hidden[:, image], b.sequence.hidden[:, image])
    assert not torch.equal(a.seg_state, b.seg_state)


def test_dropping_tokens_leaves_the_system_prompt_alone():
    a, b = run(), run(CSP(Lc=2, Nc=4, Ls=2, Np=2))
    torch.testing.assert_close(a.sequence.hidden[:, :3], b.sequence.hidden[:, :3])


@st.composite
def csp_settings(draw):
    Lc = draw(st.integers(0, 8))
    Ls = draw(st.integers(0 if Lc else 1, 8 - Lc))
    counts = st.integers(1, tiny.N)
    return CSP(
        Lc=Lc,
        Nc=draw(counts),
        Ls=Ls,
        Np=draw(counts),
        cluster=draw(st.sampled_from(["random", "uniform", "cls"])),
        layer=draw(st.sampled_from(["last", "next"])),
        row=draw(st.sampled_from(["seg", "answer", "last"])),
    )


@settings(max_examples=60)
@given(csp_settings(), st.integers(0, 5))
def test_what_ran_is_what_was_planned(method, seed):
    trace = run(method, seed=seed).trace
    plan = method.plan(tiny.N, 8)
    assert trace.n_per_layer == planned(plan)
    assert trace.n_avg == sum(planned(plan)) / 8
    assert [stage.name for stage in trace.stages] == [stage.name for stage in plan]
    for stage in trace.stages:
        np.testing.assert_array_equal(stage.source.sum(axis=1), 1)
        np.testing.assert_array_equal(stage.position_ids, stage.slots)
        alive = ~np.isnan(trace.A_SEG[list(stage.layers)])
        np.testing.assert_array_equal(alive, np.broadcast_to(stage.source.any(axis=0), alive.shape))


@settings(max_examples=25)
@given(csp_settings(), st.sampled_from([(24,), (25,), (24, 26)]))
def test_the_read_out_row_is_found_by_slot_under_every_plan(method, I_seg):
    """Layers that do nothing: the state read must be what stood at that slot, whatever was dropped around
    it.
    """
    model = tiny.llama(num_layers=8, kv_heads=4)
    start = tiny.start(I_seg=I_seg)

    class Still(Llama):
        def run(self, first, L, hidden, position_ids, record=None):
            out = super().run(first, L, hidden, position_ids, record)
            return type(out)(hidden, hidden, out.rows)

        def norm(self, hidden):
            return hidden

    out = decode(Still(model), start, method.plan(tiny.N, 8), tiny.vision())
    assert torch.equal(out.seg_state, start.hidden[0, list(I_seg)])


@pytest.mark.parametrize("device", DEVICES)
def test_a_seed_reproduces_on_every_device(device):
    model = tiny.llama().to(device)
    start = tiny.start().with_hidden(tiny.embeds().to(device))
    method = CSP(Lc=2, Nc=5, Ls=2, Np=3, cluster="random")
    runs = [run(method, model, start, seed=seed).trace.stage("clustering").patches for seed in (0, 0, 1)]
    on_cpu = torch.randperm(tiny.N, generator=torch.Generator().manual_seed(0))[:5].sort().values
    tiny.llama().to("cpu")
    assert runs[0].tolist() == runs[1].tolist() == on_cpu.tolist()
    assert runs[0].tolist() != runs[2].tolist()


def test_force_keeps_and_drops_after_the_selection_and_is_recorded():
    method = CSP(Lc=2, Nc=4, Ls=2, Np=3)
    free = run(method).trace.stage("pruning").patches.tolist()
    out_of_it = next(patch for patch in range(tiny.N) if patch not in free)
    forced = run(method, force={"pruning": {"keep": [out_of_it, free[1]], "drop": [free[0], out_of_it + 1]}})
    kept = forced.trace.stage("pruning").patches.tolist()
    assert kept == sorted({*free[1:], out_of_it} - {out_of_it + 1})
    changed = forced.trace.forced["pruning"]
    assert changed["keep"] == (out_of_it,)
    assert free[0] in changed["drop"]
    assert forced.trace.n_per_layer[-1] == len(kept)


def test_force_brings_a_token_in_with_the_state_it_has():
    """Kept by force at pruning: the state after scattering, so that keeping all is the same as never
    pruning.
    """
    everything = run(CSP(Lc=2, Nc=4, Ls=2, Np=3), force={"pruning": {"keep": range(tiny.N)}})
    never = run(CSP(Lc=2, Nc=4, Ls=2, Np=tiny.N))
    assert torch.equal(everything.seg_state, never.seg_state)
    clustered = run(CSP(Lc=2, Nc=4, Ls=2, Np=3), force={"clustering": {"keep": range(tiny.N)}})
    assert torch.equal(clustered.seg_state, run(CSP(Lc=2, Nc=tiny.N, Ls=2, Np=3)).seg_state)


def test_force_can_leave_the_decoder_blind():
    blind = run(force={"full": {"drop": range(tiny.N)}})
    start = tiny.start()
    text = torch.cat([start.hidden[:, :3], start.hidden[:, start.layout.usr.start :]], dim=1)
    ids = torch.cat([start.slots[:3], start.slots[start.layout.usr.start :]])
    expected = Llama(tiny.llama()).run(0, 8, text, ids).hidden
    with torch.no_grad():
        torch.testing.assert_close(blind.seg_state[0], tiny.llama().norm(expected)[0, 8])
    assert blind.trace.n_avg == 0


@pytest.mark.parametrize(
    ("force", "message"),
    [
        ({"fusing": {"keep": [1]}}, "names the stage 'fusing', this run has clustering, scattering, pruning"),
        ({"pruning": {"keep": [16]}}, r"force\['pruning'\]\['keep'\] must be in 0\.\.15, got 16"),
        ({"pruning": {"drop": [-1]}}, r"must be in 0\.\.15, got -1"),
        ({"pruning": {"hold": [1]}}, "knows keep and drop, each a list of patches, got {'hold'"),
        ({"pruning": {"keep": "ab"}}, "must be an integer in 0..15, got 'a'"),
        ({"pruning": [1]}, "each a list of patches, got \\[1\\]"),
        ([1], "force maps stages to patches"),
        ({"pruning": {"keep": [1], "drop": [1, 2]}}, r"keeps and drops the same patches \[1\]"),
    ],
)
def test_force_is_checked(force, message):
    with pytest.raises(ValueError, match=message):
        run(CSP(Lc=2, Nc=4, Ls=2, Np=3), force=force)


@pytest.mark.parametrize(
    ("method", "stage", "ran"),
    [
        (CSP(Lc=2, Nc=4, Ls=2, Np=16), "scattering", (4, 4, 15, 15, 15, 15, 15, 15)),
        (CSP(Lc=0, Ls=2, Np=16), "scattering", (15,) * 8),
        (CSP(Lc=2, Nc=4, Ls=0, Np=4), "clustering", (3,) * 8),
        (METHODS["fastv"](K=2, R=16), "full", (15,) * 8),
    ],
)
def test_a_later_stage_follows_where_fewer_tokens_are_left_than_it_planned(method, stage, ran):
    patch = int(run(method).trace.stage(stage).patches[0])
    forced = run(method, force={stage: {"drop": [patch]}})
    assert forced.trace.n_per_layer == ran
    assert patch not in forced.trace.stages[-1].patches


def test_a_plan_must_cover_the_decoder():
    with pytest.raises(ValueError, match="the stages run 7 layers, the decoder has 8"):
        decode(Llama(tiny.llama()), tiny.start(), Full().plan(tiny.N, 7))


def test_a_stage_must_keep_its_word():
    plan = (Stage("short", 8, 5, lambda view: Choice(view.now.image)),)
    with pytest.raises(RuntimeError, match="planned 5 image tokens and chose 16"):
        decode(Llama(tiny.llama()), tiny.start(), plan)


def test_nothing_can_rank_before_a_layer_has_run():
    plan = (Stage("early", 8, None, lambda view: Choice(view.now.image, view.attention([24]))),)
    with pytest.raises(ValueError, match="no layer has run that could rank"):
        decode(Llama(tiny.llama()), tiny.start(), plan)


def test_methods_that_read_the_tower_say_so():
    with pytest.raises(ValueError, match=r"decode\(\) was given no vision features"):
        run(CSP(Lc=2, Nc=4, Ls=2, Np=2, cluster="cls"), vision=None)


def test_ending_the_sequence_at_the_read_out_changes_nothing_for_csp():
    method = CSP(Lc=2, Nc=4, Ls=2, Np=3)
    cut = tiny.start(N_out=0, answer="cut")
    cut = cut.with_hidden(tiny.embeds()[:, : cut.n])
    torch.testing.assert_close(run(method, sequence=cut).seg_state, run(method).seg_state, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="csp with row='answer' reads rows of the whole answer"):
        run(CSP(Lc=2, Nc=4, Ls=2, Np=3, row="answer"), sequence=cut)


def test_unrecorded_runs_choose_the_same():
    method = CSP(Lc=2, Nc=4, Ls=2, Np=3)
    quick, whole = run(method, record=False), run(method)
    assert torch.equal(quick.seg_state, whole.seg_state)
    assert np.isnan(quick.trace.A_SEG).all()
    assert set(quick.ms) == {"select", "decoder"}
