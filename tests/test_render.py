"""Overlays: what is drawn where. Expected places are worked out by hand, not by the code under test."""

from __future__ import annotations

import re
import subprocess
import sys

import cv2
import numpy as np
import pytest
from synthetic import picture, result

from csp.render import figures, overlays, palette, views, words
from csp.render.canvas import covered
from csp.render.frame import Frame
from csp.types import Box, Layout, StageRecord, Trace


def test_patches_lie_inside_the_crop_of_a_wide_picture():
    layout = Layout(1, 16, 1, 1, (4, 4), Box(100, 0, 500, 400), (18,))
    frame = Frame.of(np.zeros((400, 600, 3), np.uint8), layout, side=300)
    assert frame.size == (200, 300)
    assert frame.box(0) == (50, 0, 100, 50)
    assert frame.box(7) == (200, 50, 250, 100)
    assert (
        frame.index[0, 49] == -1
        and frame.index[0, 50] == 0
        and frame.index[199, 249] == 15
        and frame.index[199, 250] == -1
    )


def test_patch_boxes_agree_with_the_layout():
    r = result(size=(480, 640))
    frame = Frame.of(r.request.image, r.trace.layout, side=1280)
    for patch in (0, 17, 255):
        assert np.allclose(frame.box(patch), 2 * np.array(r.trace.layout.patch_box(patch)), atol=0.5)


def test_selected_tokens_are_ringed_and_the_rest_veiled():
    r = result()
    image = overlays.tokens(r, "clustering", side=448)
    assert image.dtype == np.uint8 and image.shape == (448, 448, 3)
    record = r.trace.stage("clustering")
    for patch in range(256):
        y, x = 28 * (patch // 16) + 1, 28 * (patch % 16) + 14
        ringed = tuple(image[y, x]) == palette.REPRESENTATIVE.color
        assert ringed == (patch in record.patches), patch
    waiting = np.setdiff1d(np.arange(256), record.patches)[0]
    y, x = 28 * (waiting // 16) + 5, 28 * (waiting % 16) + 5
    clear = r.request.image[y, x].astype(float)
    expected = clear * (1 - palette.DORMANT.veil_alpha) + 128 * palette.DORMANT.veil_alpha
    assert np.allclose(image[y, x], expected, atol=2)


def test_survivors_stand_out_and_the_pruned_go_dark():
    r = result()
    image = overlays.tokens(r, "pruning", side=448, ranks=16)
    kept = r.trace.stage("pruning").patches
    assert len(kept) == 16
    ringed = {
        p for p in range(256) if tuple(image[28 * (p // 16) + 1, 28 * (p % 16) + 2]) == palette.SURVIVOR.color
    }
    assert ringed == set(kept)
    gone = 0
    assert gone not in kept
    assert image[4, 4].mean() < 0.5 * r.request.image[4, 4].mean()


def test_outside_the_crop_nothing_is_ringed_or_veiled_but_hatched():
    r = result(size=(480, 640))
    for image in (
        overlays.tokens(r, "scattering", 640),
        overlays.attention(r, side=640),
        overlays.seen(r, 640),
    ):
        strip = image[:, :78].reshape(-1, 3)
        assert not (strip == palette.RESTORED.color).all(1).any()
        assert len(np.unique(strip, axis=0)) > 40, "the hatch keeps the picture below it"
        assert not np.array_equal(image[:, :80], r.request.image[:, :80])


def test_merged_tokens_show_their_members_and_ring_their_centre():
    r = result("visionzip")
    record = r.trace.stages[0]
    centre = views.centres(r.trace, record)
    assert centre[24] == -1, "the kept [CLS] stands for no patch"
    assert (centre[:24] >= 0).all() and (centre[25:] >= 0).all()
    covered = views.covered(record, 256)
    assert covered.sum() > 24 + 8
    state = views.states(r.trace, record)
    assert (state[covered] == "representative").all() and (state[~covered] == "pruned").all()


@pytest.mark.parametrize(
    ("method", "kinds"),
    [
        ("csp", ["selected", "all", "kept"]),
        ("full", ["all"]),
        ("fastv", ["all", "kept"]),
        ("pyramiddrop", ["all", "kept", "kept", "kept"]),
        ("visionzip", ["selected"]),
    ],
)
def test_kinds_of_stage(method, kinds):
    r = result(method)
    assert [views.kind(r.trace, record) for record in r.trace.stages] == kinds
    for record in r.trace.stages:
        assert set(views.states(r.trace, record)) <= set(palette.STATES)


def test_states_of_the_three_stages():
    r = result()
    clustering, scattering, pruning = r.trace.stages
    chosen = views.covered(clustering, 256)
    assert (views.states(r.trace, clustering)[~chosen] == "dormant").all()
    assert (views.states(r.trace, scattering)[~chosen] == "restored").all()
    assert (views.states(r.trace, scattering)[chosen] == "representative").all()
    assert (views.states(r.trace, pruning)[~views.covered(pruning, 256)] == "pruned").all()


def test_ranking_goes_by_score_and_leaves_unranked_last():
    score = np.full(9, np.nan, np.float32)
    score[[2, 5, 7]] = 0.1, 0.9, 0.4
    patches = np.array([2, 5, 7, 8])
    record = StageRecord(
        "pruning", 0, 1, np.eye(9, dtype=np.float32)[patches], patches + 2, patches + 2, score, "A_SEG"
    )
    layout = Layout(2, 9, 1, 1, (3, 3), Box(0, 0, 9, 9), (11,))
    trace = Trace(layout, (record,), np.zeros((1, 9)), np.zeros((1, 1)), 0, {}, (4,), 4.0)
    assert views.ranking(trace, record) == [5, 7, 2, 8]


def test_attention_is_the_mean_over_layers_that_saw_the_patch():
    r = result()
    both = views.attention(r.trace, [0, 8])
    chosen = views.covered(r.trace.stages[0], 256)
    assert np.allclose(both[chosen], (r.trace.A_SEG[0] + r.trace.A_SEG[8])[chosen] / 2)
    assert np.allclose(both[~chosen], r.trace.A_SEG[8][~chosen])
    assert np.isnan(views.attention(r.trace, [0])[~chosen]).all()
    assert list(views.focus_layers(r.trace)) == [8, 9, 10, 11, 12, 13]
    assert list(views.focus_layers(result("fastv").trace)) == [0, 1, 2]


def test_scales_keep_order_and_ends():
    v = np.array([0.0, 0.01, 0.04, 0.16, np.nan], np.float32)
    assert np.allclose(views.scaled(v, "linear")[:4], [0, 0.0625, 0.25, 1])
    assert np.allclose(views.scaled(v, "sqrt")[:4], [0, 0.25, 0.5, 1])
    assert np.allclose(views.scaled(v, "percentile")[:4], [0, 1 / 3, 2 / 3, 1])
    assert np.allclose(views.scaled(np.array([1.0, 0.1, 1e-9]), "log"), [1, 2 / 3, 0])
    assert np.allclose(views.scaled(np.array([3.0, 3.0, 3.0]), "percentile"), 0.5)
    assert np.isnan(views.scaled(v, "log")[4])
    assert np.isnan(views.scaled(np.full(3, np.nan))).all()
    assert np.allclose(views.scaled(np.zeros(3)), 0)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda r: overlays.tokens(r, "merging"), "this run has clustering, scattering, pruning"),
        (lambda r: overlays.heat(r, np.zeros(255)), r"\[256\], got \[255\]"),
        (lambda r: overlays.attention(r, opacity=1.5), "opacity must be in 0..1, got 1.5"),
        (lambda r: overlays.attention(r, scale="cube"), "linear, sqrt, percentile, log, got 'cube'"),
        (lambda r: overlays.attention(r, cmap="jet"), "colormap must be one of"),
        (lambda r: overlays.mask(r, dense=np.zeros((5, 5), bool)), r"size \[448, 448\], got \[5, 5\]"),
        (lambda r: views.scaled(np.array([-1.0])), "non-negative"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(ValueError, match=says):
        call(result())


def test_mask_is_filled_outlined_and_spotlit():
    r = result()
    truth = picture()[1]
    image = overlays.mask(r, side=448)
    inside = r.request.image[278, 296].astype(float)
    expected = inside * (1 - palette.MASK_ALPHA) + np.array(palette.MASK.color) * palette.MASK_ALPHA
    assert np.allclose(image[278, 296], expected, atol=2)
    line = (np.abs(image.astype(int) - palette.MASK.color).sum(2) < 12).astype(np.uint8)
    edge = cv2.morphologyEx(truth.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((9, 9), np.uint8))
    assert line.sum() > 100 and not (line & (1 - edge)).any()
    grey = image[10, 200].astype(int)
    assert np.ptp(grey) < np.ptp(r.request.image[10, 200].astype(int)), "colour is kept for the mask"


def test_outlines_of_dense_and_truth_are_broken_lines():
    r = result()
    truth = picture()[1]
    solid = overlays.mask(r, side=448, fill=False)
    dashed = overlays.mask(r, side=448, fill=False, dense=np.roll(truth, 60, 0))
    changed = (solid != dashed).any(2)
    ring = (
        cv2.morphologyEx(
            np.roll(truth, 60, 0).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)
        )
        > 0
    )
    share = (changed & ring).sum() / ring.sum()
    assert 0.35 < share < 0.9


def test_empty_mask_draws_no_outline_and_says_so():
    r = result(empty=True)
    image = overlays.mask(r, side=448)
    assert not (np.abs(image.astype(int) - palette.MASK.color).sum(2) < 12).any()
    assert "the mask is empty" in words.alt_mask(r)
    assert overlays.mask_png(r).shape == (448, 448) and not overlays.mask_png(r).any()


def test_difference_tells_ours_from_theirs():
    r = result()
    ours = r.mask
    theirs = np.roll(ours, 40, 1)
    image = overlays.difference(r, theirs, side=448).astype(int)
    only_ours = np.argwhere(ours & ~theirs)[len(np.argwhere(ours & ~theirs)) // 2]
    assert np.abs(image[tuple(only_ours)] - palette.MASK.color).sum() < 60


@pytest.mark.parametrize("size", [(1, 1), (8, 600), (600, 8), (37, 53)])
def test_odd_pictures_are_drawn(size):
    r = result(size=size)
    for image in (
        overlays.seen(r),
        overlays.tokens(r, "pruning", ranks=3),
        overlays.attention(r, mark=2),
        overlays.mask(r),
    ):
        assert max(image.shape[:2]) == overlays.SIDE and image.dtype == np.uint8


def test_captions_use_the_papers_symbols():
    r = result()
    text = [words.stage_caption(r, record) for record in r.trace.stages]
    assert text == [
        "|S| = 64 of 256\nLc = 8: layers 1–8",
        "all 256 tokens\nLs = 6: layers 9–14",
        "Np = 16 of 256\nLp = 18: layers 15–32",
    ]
    assert words.bill(r) == "N_avg 73 of 256 image tokens (−71 %)"
    assert words.method(r) == "CSP (Lc, Nc, Ls, Np) = (8, 64, 6, 16), seg-first"


def test_alternative_text_names_place_and_agreement():
    r = result()
    truth = picture()[1]
    assert words.alt_stage(r, r.trace.stage("pruning")).startswith(
        "Pruning stage, layers 15–32: 16 of 256 image tokens take part, rows 9 to 12"
    )
    assert "5 objects found" in words.alt_stage(r, r.trace.stage("clustering"))
    assert "highest at row 10, column 11" in words.alt_attention(r, [12])
    sentence = words.alt_mask(r, dense=truth, truth=~truth)
    assert (
        "the mask covers 4 % of the picture, middle centre" in sentence
        and "IoU with the true mask 0.00" in sentence
    )
    assert words.where([], (16, 16)) == "nowhere"
    assert [words.tokens(n) for n in (0, 1, 2)] == ["0 tokens", "1 token", "2 tokens"]


def test_states_differ_by_more_than_their_hue():
    looks = {(s.ring, s.texture, s.veil, s.veil_alpha) for s in palette.STATES.values()}
    assert len(looks) == len(palette.STATES)
    assert len({palette.MASK.dash, palette.DENSE.dash, palette.TRUTH.dash}) == 3


def test_drawing_needs_no_torch():
    code = (
        "import sys; sys.modules['torch'] = None; sys.modules['gradio'] = None\n"
        "from synthetic import result\nfrom csp.render import overlays, figures, charts, typeset\n"
        "typeset.to_bytes(figures.stages([result()]), 'svg')\nprint('drawn')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": "tests:.", "PATH": ""},
    )
    assert done.stdout.strip() == "drawn", done.stderr


TILED = [((300, 450), (2, 3)), ((480, 320), (3, 2))]


@pytest.mark.parametrize(("size", "tiles"), TILED, ids=["landscape", "portrait"])
def test_tiles_lie_where_they_were_cut(size: tuple[int, int], tiles: tuple[int, int]) -> None:
    run = result(size=size, tiles=tiles, side=4)
    layout = run.trace.layout
    frame = Frame.of(run.request.image, layout, 600)
    H, W = size
    below = W >= H
    h, w = frame.size
    assert max(h, w) == pytest.approx(600, abs=2) and (h / w > H / W if below else w / h > W / H)
    apart = frame.canvas.apart
    assert apart is not None
    x0, y0 = apart.x0 * frame.scale[0], apart.y0 * frame.scale[1]
    for y in range(2, h, 7):
        for x in range(2, w, 7):
            small = y >= y0 if below else x >= x0
            factor = 0.4 if small else 1
            at = ((x + 0.5 - small * x0) / frame.scale[0] / factor, (y + 0.5 - small * y0) / frame.scale[1] / factor)
            patch = frame.index[y, x]
            if patch < 0:
                assert not (0 <= at[0] < W - 1 and 0 <= at[1] < H - 1) and (frame.picture[y, x] == 255).all()
                continue
            box = layout.patch_box(int(patch))
            assert layout.views[layout.place(int(patch))[0]].thumbnail == small
            assert box.x0 - 2 / factor <= at[0] <= box.x1 + 2 / factor and box.y0 - 2 / factor <= at[1] <= box.y1 + 2 / factor
    assert not frame.unseen.any()


@pytest.mark.parametrize(("size", "tiles"), TILED, ids=["landscape", "portrait"])
def test_overlays_of_tiles_meet_the_thing_in_the_picture(size: tuple[int, int], tiles: tuple[int, int]) -> None:
    """The patches that are ranked highest are those on the ball, in its tile and in the thumbnail."""
    run = result(size=size, tiles=tiles, side=8)
    layout, (H, W) = run.trace.layout, size
    _, ball = picture(*size)
    best = views.ranking(run.trace, run.trace.stages[-1])[:9]
    assert {layout.tiles[layout.place(p)[0]].thumbnail for p in best} == {True, False}
    share = covered(layout, ball)
    assert share[best].min() > 0 and share.max() == pytest.approx(1, abs=0.01)
    drawn = overlays.tokens(run, "pruning", 500)
    plain = overlays.seen(run, 500)
    assert drawn.shape == plain.shape
    frame = Frame.of(run.request.image, layout, 500)
    for patch in best:
        x0, y0, x1, y1 = frame.box(patch)
        assert tuple(drawn[y0, x0]) == palette.STATES["survivor"].color and x1 > x0 and y1 > y0
    # The mask is the picture's alone.
    mask = overlays.mask(run, 500)
    assert max(mask.shape) == 500 and mask.shape[0] / mask.shape[1] == pytest.approx(H / W, rel=0.01)
    assert frame.mask(ball).shape == frame.size and not frame.mask(ball)[frame.index < 0].any()
    figure = figures.stages([run])
    assert figure.get_size_inches()[0] == pytest.approx(7, abs=0.1)


def test_words_for_tiles() -> None:
    run = result(size=(300, 450), tiles=(2, 3), side=4)
    assert words.grid(run.trace.layout) == "2 \u00d7 3 tiles and a thumbnail of 4 \u00d7 4"
    assert "in 7 of 7 tiles, the thumbnail among them" in words.alt_stage(run, run.trace.stages[0])
    assert re.search(r"highest at row \d, column \d of (tile \d|the thumbnail), ", words.alt_attention(run, [9]))
    assert words.grid(result().trace.layout) == "16 \u00d7 16"
