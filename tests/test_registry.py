"""What can be run is the registry, under every name that a user may try; what the paper prints is another list."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import csp
from csp import figures
from csp.methods import FILES, METHODS, find, fitted, named, resolve
from csp.methods.presets import PRESETS, SHAPES, TABLE_1, TABLE_4

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_every_method_is_an_attribute(method):
    assert getattr(csp, method.__name__) is method
    assert getattr(csp.methods, method.__name__) is method
    assert method.__name__ in dir(csp)


def test_the_surface_is_what_dir_shows():
    assert {"load", "METHODS", "PRESETS", "CLUSTERS", "Result", "figures", "park", "FastV", "PruMergePlus"} <= set(dir(csp))
    assert {method.__name__ for method in METHODS.values()} <= set(dir(csp))
    for name in dir(csp):
        getattr(csp, name)
    assert not hasattr(csp, "FastW")
    assert dir(figures) == sorted(figures.__all__)
    assert {"stages", "figure5", "tradeoff"} <= set(dir(figures)) and "argparse" not in dir(figures)


def test_a_word_that_is_no_class_loads_nothing():
    program = "import csp, sys; hasattr(csp, 'plot'); hasattr(csp, '_ipython_display_'); assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=60).returncode == 0


def test_every_file_holds_a_method():
    for file in FILES:
        assert any(method.__module__ == f"csp.methods.{file}" for method in METHODS.values()), file


def test_the_papers_rows_can_be_run():
    assert set(TABLE_1) <= set(METHODS) and set(TABLE_4) <= set(csp.CLUSTERS)
    for name in TABLE_1:
        preset = PRESETS[f"table1/7B-224/{name}"]
        named(name, preset.knobs).plan(SHAPES[preset.shape].N, SHAPES[preset.shape].L)


def test_names_and_instances_are_methods():
    assert resolve("fastv", 256, 32) == csp.FastV() and resolve(None, 576, 40) == csp.CSP()
    own = csp.CSP(Nc=32)
    assert resolve(own, 256, 32) is own
    assert find("csp") is csp.CSP


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (csp.FastV, r"got the class FastV: call it, FastV\(\)"),
        (dict, r"got the class dict"),
        ("fastV", r"method must be one of full, csp, .*got 'fastV'; did you mean 'fastv'\?"),
        ("Prumerge", "did you mean 'prumerge'"),
        ("zzz", r"got 'zzz'$"),
        (7, r"a name of csp\.METHODS or an instance such as csp\.CSP\(Nc=64\), got 7"),
    ],
)
def test_anything_else_is_answered_with_the_remedy(given, says):
    with pytest.raises(ValueError, match=says):
        resolve(given, 256, 32)


def test_a_model_runs_a_method_by_its_name():
    model, scene = csp.load("park"), csp.park.scene(7, split="test")
    query = scene.queries[0][1]
    by_name = model.segment(scene.image, query, method="fastv")
    assert by_name.request.method == "fastv" and by_name.request.knobs["R"] == 64
    assert np.array_equal(by_name.logits, model.segment(scene.image, query, method=csp.FastV()).logits)
    assert model.segment(scene.image, query).request.method == "csp"
    said = repr(model)
    assert said.startswith("park, on ") and said.count("\n") == 4
    for part in ("LlamaModel, 32 layers of width", "16 x 16 = 256 image tokens", "mask head  ", "guide      "):
        assert part in said
    for wrong, says in ((csp.FastV, r"call it, FastV\(\)"), ("fastw", "did you mean 'fastv'")):
        with pytest.raises(ValueError, match=says):
            model.segment(scene.image, query, method=wrong)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
@pytest.mark.parametrize(("N", "L"), [(256, 32), (576, 40), (64, 4), (64, 6), (16, 8)])
def test_defaults_fit_every_model(method, N, L):
    made = fitted(method, N, L)
    stages = made.plan(N, L)
    assert sum(stage.L for stage in stages) == L and all(stage.N is None or stage.N <= N for stage in stages)
    if N >= 256 and L >= 32:
        assert made == method()
