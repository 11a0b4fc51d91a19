"""What a prompt and a notebook show of a run, a scene and anybody's kept tokens."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from synthetic import picture, result

import csp
from csp.render import overlays, palette


def test_a_run_is_one_line():
    run = result("csp", query="the red ball")
    assert repr(run) == (
        "Result('the red ball', 448x448 picture, csp(Lc=8, Nc=64, Ls=6, Np=16, cluster='seg-first'), seed 0, "
        f"{run.request.model} -> 1 mask, N_avg {run.cost.n_avg:.1f} of 256, {run.cost.flops / 1e9:.2f} GFLOPs, "
        f"{sum(run.ms.values()):.0f} ms)"
    )
    for part in (run.request, run.trace, *run.trace.stages):
        assert len(repr(part)) < 240 and "\n" not in repr(part)
    assert repr(run.trace).startswith("Trace(clustering 8x64, scattering 6x256, pruning 18x16; N_avg 73.0")


def test_a_line_costs_no_mask():
    run = result("csp")
    assert repr(run) and "masks" not in vars(run), "a debugger that lists variables must not resize pictures"


def test_a_scene_is_one_line():
    scene = csp.park.scene(7, split="test")
    said = repr(scene)
    assert said.startswith("Scene(7, split='test': ") and f"{len(scene.objects)} objects: " in said and "\n" not in said
    assert f"{scene.objects[0].colour} {scene.objects[0].kind}" in said


def test_a_notebook_shows_the_stages():
    run = result("csp", query="the <b>red</b> ball")
    drawn = Image.open(io.BytesIO(run._repr_png_()))
    assert drawn.size[0] == 1050 and len(np.unique(np.asarray(drawn))) > 50
    html = run._repr_html_()
    assert "&lt;b&gt;red&lt;/b&gt;" in html and "<b>red</b>" not in html
    assert html.count("<img ") == 1 and 'src="data:image/png;base64,' in html
    assert re.search(r'alt="The stages of CSP [^"]+"', html)
    assert "73 of 256 image tokens on average" in html


def test_notes_are_escaped_too():
    run = replace(result("csp"), notes=("unknown: <script>",))
    assert "<script>" not in run._repr_html_() and "unknown: &lt;script&gt;" in run._repr_html_()


def test_kept_tokens_are_drawn_as_our_own_survivors_are():
    run = result("csp")
    record = run.trace.stage("pruning")
    ours = overlays.tokens(run, record, 512)
    theirs = np.asarray(csp.show_kept(run.request.image, record.patches, run.trace.layout.grid))
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    "kept",
    [[3, 5, 3], (5, 3), np.array([3, 5]), torch.tensor([5, 3]), np.isin(np.arange(16), [3, 5]), torch.eye(16)[[3, 5]].any(0)],
)
def test_kept_comes_in_any_form(kept):
    image, _ = picture(60, 80)
    assert np.array_equal(csp.show_kept(image, kept, 4), csp.show_kept(image, [3, 5], (4, 4)))


def test_rings_stand_where_the_patches_are():
    """Patch 1 of a 2 x 2 grid is the upper right quarter: there is the ring's colour, and the rest is dark."""
    image = np.full((200, 300, 3), 200, np.uint8)
    drawn = np.asarray(csp.show_kept(image, [1], 2, side=300)).astype(int)
    ring = np.abs(drawn - palette.STATES["survivor"].color).sum(axis=2) < 30
    rows, cols = np.nonzero(ring)
    assert len(rows) and rows.max() < 100 and cols.min() >= 150
    assert drawn[150, 75].sum() < drawn[50, 225].sum()


def test_a_centre_crop_moves_the_grid():
    image = np.full((100, 300, 3), 200, np.uint8)
    whole, centre = (np.asarray(csp.show_kept(image, [0], 2, side=300, crop=crop)).astype(int) for crop in ("whole", "center"))
    ringed = [np.nonzero(np.abs(d - palette.STATES["survivor"].color).sum(axis=2) < 30)[1] for d in (whole, centre)]
    assert ringed[0].min() < 20 and 100 <= ringed[1].min() < 120 and ringed[1].max() < 150
    assert np.array_equal(centre, csp.show_kept(image, [0], 2, side=300, crop=(100, 0, 200, 100)))


def test_scores_number_the_best():
    image, _ = picture()
    score = np.linspace(0, 1, 16)
    plain, numbered = csp.show_kept(image, [1, 9], 4), csp.show_kept(image, [1, 9], 4, score=score)
    assert not np.array_equal(plain, numbered)


def test_nothing_kept_is_dark_everywhere():
    image = np.full((64, 64, 3), 200, np.uint8)
    assert np.asarray(csp.show_kept(image, [], 4)).mean() < 150


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kept": [16]}, r"kept must be in 0\.\.15 \(4 x 4 patches; .*\), got 16"),
        ({"kept": [-1]}, r"kept must be in 0\.\.15"),
        ({"kept": [0.5]}, "indices of patches or a bool per patch, got float64"),
        ({"kept": [True] * 9}, r"a bool for each of 16 patches \(4 x 4\), got 9"),
        ({"grid": (0, 4)}, r"rows must be in 1\.\.512"),
        ({"score": [1, 2]}, "score must have a number for each of 16 patches, got 2"),
        ({"crop": "left"}, "crop must be whole, center or"),
        ({"crop": (9, 0, 3, 4)}, "x0 < x1"),
        ({"picture": "nowhere.png"}, "no picture file"),
    ],
)
def test_what_will_not_do_is_named(given, says):
    with pytest.raises(ValueError, match=says):
        csp.show_kept(**{"picture": np.zeros((32, 32, 3), np.uint8), "kept": [1], "grid": (4, 4)} | given)
