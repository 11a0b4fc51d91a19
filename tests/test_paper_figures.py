"""The paper's figures: from runs in any order, saved or fresh, and by the program that runs a model."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image
from synthetic import picture, result

import csp.figures
from csp.render import cuts, sheet, words
from csp.types import Box, Layout, Result

CLUSTERS = ("random", "uniform", "cls", "seg-first")


def example(query: str = "the red ball", seed: int = 0) -> list[Result]:
    """The runs of a row of Figure 5, the leading one first, as the program makes them."""
    knobs = [{}, *({"cluster": name} for name in CLUSTERS[:3]), {"Np": 4}, {"Np": 64}]
    return [*(result(query=query, knobs=each, seed=seed) for each in knobs), result("full", query=query, seed=seed)]


def drawings() -> dict[str, object]:
    """Every kind of figure, small."""
    rows = example()
    cut = [result("fastv"), result("visionzip")]
    return {
        "5": csp.figures.figure5(rows, truth=[picture()[1]], provenance=True),
        "2a": csp.figures.dropping(cut, truth=[picture()[1]] * 2, provenance=True),
        "4B": csp.figures.clusterings(rows[:4], provenance=True),
        "4D": csp.figures.token_steps([rows[0], *cut], provenance=True),
        "steps": csp.figures.token_steps(rows[:1]),
        "stages": csp.figures.stages(rows[:1]),
    }


@pytest.fixture(scope="module")
def drawn() -> dict[str, object]:
    return drawings()


def texts(figure) -> list[str]:
    return [t.get_text() for t in figure.findobj(Text) if t.get_text()]


def undrawn(figure) -> set[Text]:
    """Labels of ticks beyond the limits of their axis, which matplotlib makes and leaves out."""
    out = set()
    for axis in (axis for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)):
        low, high = sorted(axis.get_view_interval())
        out |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    return out


def titles(figure) -> list[str]:
    """Column titles from left to right, of the first line."""
    known = {"Input", "Random", "Uniform", "CLS", "Seg-First", "A_SEG", "Np = 4", "Np = 16", "Np = 64", "Mask"}
    found = [t for t in figure.findobj(Text) if t.get_text() in known]
    return [t.get_text() for t in sorted(found, key=lambda t: t.get_position()[0])]


def test_figure_5_has_the_columns_of_the_paper(drawn):
    figure = drawn["5"]
    assert len(figure.axes) == 10
    assert titles(figure) == ["Input", "Random", "Uniform", "CLS", "Seg-First", "A_SEG", "Np = 4", "Np = 16", "Np = 64", "Mask"]
    said = "\n".join(texts(figure))
    for words_ in ("“the red ball”", "Clustering, Nc = 64", "Scattering", "Pruning", "layers 9–14", "IoU 0.99", "dense 1.00"):
        assert words_ in said, words_
    assert "Seg-First clustering; mask at Np = 16" in said.replace("\n", " ")


def test_rows_are_pictures_with_queries_whatever_the_order_of_runs():
    one, two = example("the red ball"), example("the tree")
    mixed = [one[0], two[0], *two[1:], *one[1:]]
    figure = csp.figures.figure5(mixed, truth=[None, picture()[1]])
    assert len(figure.axes) == 20
    asked = [t for t in texts(figure) if t.startswith("“")]
    assert asked == ["“the red ball”", "“the tree”"]
    assert sum(t.startswith("IoU") and t[-1].isdigit() for t in texts(figure)) == 4, "only the second row's truth is known"


def test_what_was_not_run_is_left_empty():
    figure = csp.figures.figure5([*example()[:1], *example("the tree")])
    assert texts(figure).count("not run") == 3 + 2


def test_panels_show_the_runs_that_they_name(drawn):
    """The survivors under Np = 4 are four ringed tokens: drawn from the run of that knob, not from the leading one."""
    from csp.render import overlays

    rows = example()
    side = sheet.side((7 - 9 * sheet.GAP) / 10)
    shown = [np.asarray(ax.images[0].get_array()) for ax in drawn["5"].axes]
    assert np.array_equal(shown[1], overlays.tokens(rows[1], "clustering", side))
    assert np.array_equal(shown[6], overlays.tokens(rows[4], "pruning", side))
    assert np.array_equal(shown[7], overlays.tokens(rows[0], "pruning", side))
    assert not np.array_equal(shown[6], shown[7])


def test_a_single_column_breaks_after_the_clusterings():
    figure = csp.figures.figure5(example(), width=3.33)
    tops = sorted({round(ax.get_position().y0, 3) for ax in figure.axes}, reverse=True)
    assert len(tops) == 2
    assert [sum(round(ax.get_position().y0, 3) == y for ax in figure.axes) for y in tops] == [5, 5]


@pytest.mark.parametrize("kind", ["5", "2a", "4B", "4D", "steps", "5 single", "2a single"])
def test_type_is_readable_on_the_page_and_apart(drawn, kind):
    figures = drawn | {
        "5 single": csp.figures.figure5(example("which of these would keep me dry in the rain " * 4), width=3.33),
        "2a single": csp.figures.dropping([result("pyramiddrop"), result("visionzip")], width=3.33, provenance=True),
    }
    figure = figures[kind]
    figure.draw_without_rendering()
    boxes = []
    for text in figure.findobj(Text):
        if not text.get_text() or not text.get_visible() or text in undrawn(figure):
            continue
        assert text.get_fontsize() >= 7, text.get_text()
        box = text.get_window_extent()
        assert box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y0 >= -1 and box.y1 <= figure.bbox.y1 + 1, text.get_text()
        boxes.append((text.get_text(), box))
    for i, (a, box) in enumerate(boxes):
        for b, other in boxes[:i]:
            wide, high = min(box.x1, other.x1) - max(box.x0, other.x0), min(box.y1, other.y1) - max(box.y0, other.y0)
            assert wide <= 0.5 or high <= 1.5, (a, b)


def test_neighbouring_captions_stand_level(drawn):
    captions = [t for t in drawn["5"].findobj(Text) if t.get_text() in ("16 × 16", "|S| = 64", "layers 9–14")]
    assert len(captions) == 6
    assert len({round(t.get_position()[1], 6) for t in captions}) == 1


def test_cuts_show_what_was_kept_ranked_and_found(drawn):
    said = "\n".join(texts(drawn["2a"]))
    for words_ in ("Tokens kept", "Ranked by", "A_SEG after", "56 of 256", "last row", "nothing was ranked", "IoU with truth"):
        assert words_ in said, words_
    assert len(drawn["2a"].axes) == 5 + 4


def test_scores_of_any_sign_can_be_drawn():
    run = result("fastv")
    last = run.trace.stages[-1]
    negative = replace(last, score=last.score - 1)
    run = replace(run, trace=replace(run.trace, stages=(*run.trace.stages[:-1], negative)))
    assert len(csp.figures.dropping([run]).axes) == 5


def test_tokens_on_the_target_are_at_least_half_on_it():
    layout = Layout(1, 16, 1, 1, (4, 4), Box(100, 0, 500, 400), (18,))
    mask = np.zeros((400, 600), bool)
    mask[0:100, 100:300] = True  # patches 0 and 1
    mask[100:149, 100:200] = True  # not half of patch 4
    assert np.flatnonzero(cuts.on_target(layout, mask)).tolist() == [0, 1]
    mask[:] = False
    mask[310:320, 410:420] = True
    assert np.flatnonzero(cuts.on_target(layout, mask)).tolist() == [15], "a small thing has its best covered patch"
    mask[:] = False
    mask[:, :100] = True
    assert not cuts.on_target(layout, mask).any(), "what the tower did not see has no patch"


def test_clusterings_stand_in_the_papers_order(drawn):
    found = [t for t in drawn["4B"].findobj(Text) if t.get_text() in ("Random", "Uniform", "CLS attention", "Seg-First")]
    assert [t.get_text() for t in sorted(found, key=lambda t: t.get_position()[0])] == [
        "Random", "Uniform", "CLS attention", "Seg-First"
    ]  # fmt: skip


def test_provenance_tells_model_settings_seed_and_version():
    other = result("fastv")
    told = words.provenance([result(seed=3), replace(other, request=replace(other.request, model="7B"))])
    assert told == (
        "model 7B, park; CSP (Lc, Nc, Ls, Np) = (8, 64, 6, 16), seg-first; fastv (K = 3, keep = 56); "
        f"seed 0, 3; csp {csp.__version__}"
    )


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: csp.figures.figure5([]), "figure5 needs results"),
        (lambda: csp.figures.figure5([result("fastv")]), "no run of 'the red ball' has a pruning stage"),
        (lambda: csp.figures.figure5([result(), result(knobs={"Nc": 32})]), "differs from its row's first in Nc"),
        (lambda: csp.figures.figure5([result(), result(knobs={"Np": 4, "cluster": "cls"})]), "in Np, cluster"),
        (lambda: csp.figures.figure5([result(), result("fastv")]), "differs from its row's first in .*method"),
        (lambda: csp.figures.figure5(example(), truth=[]), r"one entry per picture and query \(1\), got 0"),
        (lambda: csp.figures.figure5(example(), width=50), "1..40 inches, got 50"),
        (lambda: csp.figures.dropping([]), "dropping needs at least one result"),
        (lambda: csp.figures.dropping([result()], truth=[]), r"one entry per result \(1\), got 0"),
        (lambda: csp.figures.clusterings([]), "clusterings needs results"),
        (lambda: csp.figures.clusterings([result("full")]), "no clustering stage"),
        (lambda: csp.figures.runs("6", None, None, ""), "figure must be one of 2a, .*, got '6'"),
    ],
)
def test_bad_input_is_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_two_processes_write_the_same_bytes_for_every_kind(tmp_path):
    code = (
        "import sys; import csp.figures; from test_paper_figures import drawings\n"
        "for name, figure in drawings().items():\n"
        "    for ending in ('svg', 'pdf', 'png'):\n"
        "        csp.figures.save(figure, f'{sys.argv[1]}/{name}.{ending}')"
    )
    folders = [tmp_path / "a", tmp_path / "b"]
    processes = []
    for folder in folders:
        folder.mkdir()
        env = {"PYTHONPATH": "tests:.", "PATH": "", "PYTHONHASHSEED": "random", "MPLCONFIGDIR": str(tmp_path)}
        processes.append(subprocess.Popen([sys.executable, "-c", code, str(folder)], env=env))
    assert [process.wait() for process in processes] == [0, 0]
    digests = [{f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir())} for folder in folders]
    assert digests[0] == digests[1] and len(digests[0]) == 18
    assert len(set(digests[0].values())) == 18, "no two files are one"
    svg = (tmp_path / "a" / "5.svg").read_text()
    assert ">Seg-First<" in svg and ">“the red ball”<" in svg, "text stays text"
    pdf = (tmp_path / "a" / "5.pdf").read_bytes()
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf, "fonts are embedded as outlines that text can be read from"


def test_saved_runs_are_drawn_without_torch(tmp_path):
    for i, run in enumerate(example()):
        run.save(tmp_path / f"{i}.npz")
    code = "import sys; sys.modules['torch'] = None; from csp.figures import main; sys.exit(main(sys.argv[1:]))"
    files = [str(tmp_path / f"{i}.npz") for i in range(7)]
    out = tmp_path / "figure5.png"
    command = [sys.executable, "-c", code, *files, "--figure", "5", "--out", str(out), "--width", "single"]
    subprocess.run(command, check=True)
    assert Image.open(out).size[0] == 999
    fresh = tmp_path / "fresh.png"
    csp.figures.save(csp.figures.figure5(example(), width=sheet.SINGLE), fresh)
    assert fresh.read_bytes() == out.read_bytes(), "a reopened run is the run"


@pytest.mark.parametrize(("figure", "made"), [("5", 7), ("3a", 1), ("4B", 4), ("steps", 1)])
def test_the_program_runs_a_model_for_every_figure(figure, made, model, picture, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("csp.checkpoints.load", lambda name, **options: model)
    file, out = tmp_path / "picture.png", tmp_path / "figure.svg"
    Image.fromarray(picture).save(file)
    argv = ["--figure", figure, "--picture", str(file), "--query", "the red ball", "--seed", "5", "--out", str(out)]
    argv += ["--set", "Lc=1", "Ls=2", "Nc=16", "Np=16", "--keep", str(tmp_path / "kept")]
    assert csp.figures.main(argv) == 0, capsys.readouterr().err
    assert out.read_text().startswith("<?xml")
    kept = [Result.open(run) for run in sorted((tmp_path / "kept").iterdir())]
    assert len(kept) == made and {run.request.seed for run in kept} == {5}
    if figure == "5":
        assert [run.request.knobs.get("Np") for run in kept] == [16, 16, 16, 16, 4, 64, None]
        assert [run.request.knobs.get("cluster") for run in kept[:4]] == ["seg-first", *CLUSTERS[:3]]


def test_a_model_without_instances_leaves_seg_first_out(model, picture, monkeypatch):
    monkeypatch.setattr(model, "instances", None)
    made = csp.figures.runs("4B", model, picture, "the red ball", csp.CSP(Lc=1, Ls=2, Nc=16))
    assert [run.request.knobs["cluster"] for run in made] == ["random", "uniform", "cls"]


def test_the_program_draws_any_method(model, tmp_path, monkeypatch):
    monkeypatch.setattr("csp.checkpoints.load", lambda *args, **more: model)
    monkeypatch.setattr("csp.images.read", lambda path: np.zeros((60, 80, 3), np.uint8))
    flags = ["--picture", "a.png", "--query", "the red ball", "--method", "fastv", "--set", "K=1", "R=5"]
    out, kept = tmp_path / "stages.svg", tmp_path / "runs"
    assert csp.figures.main([*flags, "--figure", "stages", "--out", str(out), "--keep", str(kept)]) == 0
    (run,) = [csp.Result.open(file) for file in kept.iterdir()]
    assert run.request.method == "fastv" and run.request.knobs["R"] == 5 and out.stat().st_size > 1000


def test_a_preset_that_was_searched_for_is_drawn(model, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("csp.checkpoints.load", lambda *args, **more: model)
    monkeypatch.setattr("csp.images.read", lambda path: np.zeros((60, 80, 3), np.uint8))
    preset, kept = tmp_path / "preset.json", tmp_path / "runs"
    preset.write_text(json.dumps({"method": "csp", "knobs": {"Lc": 1, "Nc": 9, "Ls": 2, "Np": 7, "cluster": "cls"}}))
    asked = ["--picture", "a.png", "--query", "the red ball", "--preset", str(preset), "--out", str(tmp_path / "f.svg")]
    assert csp.figures.main([*asked, "--figure", "stages", "--set", "Np=5", "--keep", str(kept)]) == 0
    (run,) = [csp.Result.open(file) for file in kept.iterdir()]
    assert {name: run.request.knobs[name] for name in ("Lc", "Nc", "Ls", "Np", "cluster")} == {
        "Lc": 1, "Nc": 9, "Ls": 2, "Np": 5, "cluster": "cls",
    }  # fmt: skip
    assert csp.figures.main([*asked, "--method", "fastv"]) == 2
    assert "the preset's csp" in capsys.readouterr().err


@pytest.mark.parametrize(("method", "columns"), [({"Lc": 0, "Ls": 2}, 5), ({"Lc": 2, "Ls": 0}, 10)])
def test_a_setting_without_a_stage_has_no_column_for_it(model, picture, method, columns):
    made = csp.figures.runs("5", model, picture, "the red ball", csp.CSP(**method, Nc=32, Np=16))
    # Of 64 tokens, Np = 64 prunes none: without clustering that is the dense run, and has no column either.
    figure = csp.figures.figure5(made)
    said = texts(figure)
    assert len(figure.axes) == columns, said
    assert ("Clustering, Nc = 32" in said) == (method["Lc"] > 0)
    assert ("Scattering" in said) == (method["Ls"] > 0)


def test_scenes_are_drawn_with_their_truth(model, tmp_path, monkeypatch):
    monkeypatch.setattr("csp.checkpoints.load", lambda name, **options: model)
    seen = {}
    kind = csp.figures.FIGURES["3a"]

    def draw(*args, **more):
        seen.update(more)
        return kind.draw(*args, **more)

    monkeypatch.setattr(csp.figures, "FIGURES", {"3a": replace(kind, draw=draw)})
    assert csp.figures.main(["--figure", "3a", "--scenes", "7", "--family", "reason", "--out", str(tmp_path / "f.png")]) == 0
    _, _, truth = next(each for each in csp.park.scene(7).queries if each[0] == "reason")
    assert len(seen["truth"]) == 1 and np.array_equal(seen["truth"][0], truth)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--out", "figure.gif"], "svg, pdf, png, got 'gif'"),
        (["--width", "wide"], "--width must be single, double or a number of inches, got 'wide'"),
        (["--figure", "9"], "invalid choice: '9'"),
        (["--picture", "a.png"], "give a --query for every --picture"),
        (["--scenes", "7", "--family", "poem"], "scene 7 has no query of the family 'poem'; it has ref"),
        (["--scenes", "7", "--set", "Nc"], "--set takes KNOB=VALUE such as Nc=32, got 'Nc'"),
        (["--scenes", "7", "--set", "Nd=3"], "csp has no knob 'Nd'"),
        (["--scenes", "7", "--method", "fastv"], "figure 5 shows LVLM_CSP's own stages, not those of fastv; --method is for 4D"),
        (["nowhere.npz"], "nowhere.npz"),
    ],
)
def test_the_program_refuses_in_one_line_before_a_model_is_read(argv, says, capsys, monkeypatch):
    monkeypatch.setattr("csp.checkpoints.load", lambda *args, **more: pytest.fail("a model was read"))
    assert csp.figures.main(argv) == 2
    said = capsys.readouterr().err
    assert says in said and said.count("\n") == 1
