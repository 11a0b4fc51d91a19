"""Figures: the panels that a plan has, readable type, the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image
from synthetic import picture, result

import csp.figures
from csp.render import typeset


def texts(figure) -> list[str]:
    return [t.get_text() for t in figure.findobj(Text) if t.get_text()]


def test_one_row_has_the_five_columns_of_the_paper():
    figure = csp.figures.stages([result()])
    assert len(figure.axes) == 5
    said = texts(figure)
    for title in ("Input", "Clustering", "Scattering: A_SEG", "Pruning", "Mask"):
        assert title in said
    joined = "\n".join(said)
    for words in (
        "“the red ball”",
        "(8, 64, 6, 16), seg-first",
        "N_avg 73 of 256",
        "|S| = 64 of 256",
        "Np = 16 of 256",
    ):
        assert words in joined


@pytest.mark.parametrize(
    ("method", "panels"), [("full", 3), ("fastv", 4), ("pyramiddrop", 6), ("visionzip", 3)]
)
def test_other_plans_show_the_stages_they_have(method, panels):
    assert len(csp.figures.stages([result(method)]).axes) == panels


def test_rows_of_different_plans_share_columns():
    figure = csp.figures.stages([result(), result("full"), result("pyramiddrop")])
    assert len(figure.axes) == 5 + 3 + 6
    assert sum(t == "no such stage" for t in texts(figure)) == 2 * 7 - 5 + 7 - 3 - 6 + 0 - 0 - 0


def test_known_masks_are_scored():
    truth = picture()[1]
    said = "\n".join(texts(csp.figures.stages([result()], truth=[truth], dense=[~truth])))
    assert "IoU with dense 0.00" in said and "IoU with truth 0.99" in said
    assert "empty mask" in "\n".join(texts(csp.figures.stages([result(empty=True)])))


@pytest.mark.parametrize("width", [3.33, 7.0, 14.0])
def test_type_is_never_below_seven_points_and_stays_on_the_page(width):
    long = result(query="which of these would keep me dry when it starts to rain in the afternoon " * 6)
    figure = csp.figures.stages([result(), long], width=width, provenance=True)
    figure.canvas.draw()
    page = figure.bbox
    for text in figure.findobj(Text):
        if text.get_text():
            assert text.get_fontsize() >= 7
            box = text.get_window_extent()
            assert box.x0 >= -1 and box.x1 <= page.x1 + 1 and box.y0 >= -1 and box.y1 <= page.y1 + 1, (
                text.get_text()
            )


def test_texts_do_not_overlap():
    figure = csp.figures.stages([result(), result("pyramiddrop")], width=7.0)
    figure.canvas.draw()
    boxes = [(t.get_text(), t.get_window_extent()) for t in figure.findobj(Text) if t.get_text()]
    for i, (a, box) in enumerate(boxes):
        for b, other in boxes[:i]:
            wide = min(box.x1, other.x1) - max(box.x0, other.x0)
            high = min(box.y1, other.y1) - max(box.y0, other.y0)
            assert wide <= 0.5 or high <= 0.5, (a, b)


def test_svg_keeps_text_as_text_and_asks_for_nothing():
    svg = typeset.to_bytes(csp.figures.stages([result(query="red & <blue>")]), "svg").decode()
    assert "red &amp; &lt;blue&gt;" in svg
    assert "<dc:date>" not in svg
    assert 'href="http' not in svg


def test_dollar_signs_in_a_query_are_plain_text():
    typeset.to_bytes(csp.figures.stages([result(query="what costs $5_{ and \\frac")]), "png")


def test_png_is_300_dpi(tmp_path):
    path = tmp_path / "stages.png"
    csp.figures.save(csp.figures.stages([result()]), path)
    assert Image.open(path).size[0] == 2100


def test_steps_draw_the_numbers_of_the_trace():
    figure = csp.figures.token_steps([result()])
    assert {"64", "256", "16"} <= set(texts(figure))
    mean = next(line for line in figure.axes[0].lines if line.get_label() == "csp, N_avg 73")
    assert np.allclose(mean.get_ydata(), 73.0)
    compared = csp.figures.token_steps(
        [result("full"), result(), result("fastv")], labels=["dense", "CSP", "FastV"]
    )
    steps = [p for p in compared.axes[0].patches if p.get_label() in ("dense", "CSP", "FastV")]
    assert len(steps) == 3
    assert np.array_equal(steps[1].get_data().values, result().trace.n_per_layer)
    assert len({str(p.get_linestyle()) for p in steps}) == 3


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: csp.figures.stages([]), "at least one result"),
        (lambda: csp.figures.stages([result()], truth=[]), r"one entry per result \(1\), got 0"),
        (lambda: csp.figures.stages([result()], width=0.1), "1..40 inches, got 0.1"),
        (lambda: csp.figures.token_steps([]), "at least one result"),
        (lambda: csp.figures.token_steps([result()], labels=["a", "b"]), "got 2"),
        (lambda: csp.figures.save(csp.figures.token_steps([result()]), "x.gif"), "svg, pdf, png, got 'gif'"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_program_draws_a_saved_run(tmp_path: Path, capsys):
    run = tmp_path / "run.npz"
    result().save(run)
    out = tmp_path / "figure.svg"
    assert csp.figures.main([str(run), "--out", str(out)]) == 0
    assert out.read_text().startswith("<?xml")
    assert csp.figures.main([str(run), "--figure", "steps", "--out", str(tmp_path / "steps.png")]) == 0
    assert csp.figures.main([str(tmp_path / "none.npz"), "--out", str(out)]) == 2
    assert "none.npz" in capsys.readouterr().err
