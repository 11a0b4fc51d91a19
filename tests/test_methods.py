import dataclasses

import pytest
import tiny_decoder as tiny
import torch
from tiny_decoder import run

from csp.methods import CSP, METHODS, Full, build, knobs, values


def test_the_registry_is_named_by_its_methods():
    for name, method in METHODS.items():
        assert method.name == name
        assert method.label
        assert dataclasses.fields(method) is not None
        assert method().plan(256, 32)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_field_is_a_knob_with_a_help(method):
    for knob in knobs(method):
        assert knob.help
        assert knob.choices or knob.high is not None or isinstance(knob.default, tuple)
        assert not knob.choices or knob.default in knob.choices


def test_csp_draws_lots_where_its_representatives_or_survivors_are_drawn():
    assert CSP(cluster="random").draws and CSP(Lc=1, cluster="random").draws and CSP(row="lot").draws
    assert not CSP().draws and not CSP(Lc=0, cluster="random").draws
    assert list(CSP().amounts(4)) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"Nc": 300}, r"Nc must be in 1\.\.256 \(the image has 256 tokens\), got 300"),
        ({"Nc": 0}, "Nc must be at least 1, got 0"),
        ({"Np": 257}, r"Np must be in 1\.\.256"),
        ({"Lc": 33}, r"Lc must be in 0\.\.32 \(the decoder has 32 layers\), got 33"),
        ({"Lc": 20, "Ls": 13}, r"Lc \+ Ls must be at most 32 \(the decoder has 32 layers\), got 20 \+ 13"),
        ({"Lc": 0, "Ls": 0}, "no layer would have run that could rank"),
        ({"Ls": -1}, "Ls must be at least 0, got -1"),
        ({"Lc": float("nan")}, "Lc must be an integer at least 0, got nan"),
        ({"Lc": 8.0}, "Lc must be an integer at least 0, got 8.0"),
        ({"Nc": "64"}, "Nc must be an integer at least 1, got '64'"),
        ({"Nc": True}, "Nc must be an integer at least 1, got True"),
        ({"Nc": None}, "got None"),
        ({"cluster": "kmeans"}, "cluster must be one of random, uniform, cls, seg-first, got 'kmeans'"),
        ({"cluster": ["cls"]}, "cluster must be one of"),
        ({"Mc": 3}, "csp has no knob 'Mc'; it has Lc, Nc, Ls, Np"),
    ],
)
def test_errors_name_value_limit_and_remedy(settings, message):
    with pytest.raises(ValueError, match=message):
        build(CSP, settings).plan(256, 32)


def test_a_knob_that_is_not_used_is_not_refused():
    assert [stage.N for stage in CSP(Lc=0, Nc=300, Ls=6, Np=16).plan(256, 32)] == [256, 16]
    assert [stage.N for stage in CSP(Lc=8, Nc=64, Ls=24, Np=300).plan(256, 32)] == [64, 256]


def names(method):
    return [(stage.name, stage.L, stage.N) for stage in method.plan(256, 32)]


def test_the_three_stages():
    assert names(CSP()) == [("clustering", 8, 64), ("scattering", 6, 256), ("pruning", 18, 16)]
    assert names(CSP(Lc=0)) == [("scattering", 6, 256), ("pruning", 26, 16)]
    assert names(CSP(Ls=0)) == [("clustering", 8, 64), ("pruning", 24, 16)]
    assert names(CSP(Ls=0, Np=80)) == [("clustering", 8, 64), ("pruning", 24, 64)]
    assert names(CSP(Ls=24)) == [("clustering", 8, 64), ("scattering", 24, 256)]
    assert names(CSP(cluster="seg-first")) == [
        ("clustering", 8, None),
        ("scattering", 6, 256),
        ("pruning", 18, 16),
    ]
    assert names(CSP(cluster="seg-first", Ls=0)) == [("clustering", 8, None), ("pruning", 24, None)]
    assert names(Full()) == [("full", 32, 256)]


def test_without_scattering_the_clustered_tokens_are_ranked():
    out = run(CSP(Lc=3, Nc=6, Ls=0, Np=4, cluster="random"), seed=3).trace
    S, kept = out.stage("clustering").patches, out.stage("pruning").patches
    assert set(kept) <= set(S)
    assert len(kept) == 4
    assert out.n_per_layer == (6,) * 3 + (4,) * 5


def test_seg_first_runs_and_tells_how_many_instances_it_saw():
    coverage = torch.zeros(2, tiny.N)
    coverage[0, :4], coverage[1, 9] = 1.0, 0.7
    out = run(CSP(Lc=2, Nc=4, Ls=2, Np=3, cluster="seg-first"), vision=tiny.vision(coverage))
    assert out.trace.stage("clustering").instances == 2
    assert out.notes == ()
    none = run(CSP(Lc=2, Nc=4, Ls=2, Np=3, cluster="seg-first"), vision=tiny.vision(coverage[:0]))
    assert none.notes == ("Seg-First found no instance: Uniform instead.",)
    assert none.trace.stage("clustering").patches.tolist() == [0, 4, 8, 12]


def test_values_build_the_same_method_again():
    method = CSP(Lc=3, cluster="cls", uniform="even")
    assert build(CSP, values(method)) == method


def test_methods_are_values():
    assert CSP() == CSP(8, 64, 6, 16)
    with pytest.raises(dataclasses.FrozenInstanceError):
        CSP().Lc = 3
