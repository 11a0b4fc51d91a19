"""From rows to statements: scores, drops, gates, tables, pages and figures, on rows written by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csp.evaluation import ablations, charts, found_page, frozen, page, paper, summary as summaries
from csp.evaluation.proposals import LEAST_PIXELS, Found, matches, measure
from csp.evaluation.report import Report, table
from csp.evaluation.runs import DENSE, Row
from csp.evaluation.suites import SUITES, Line, Suite, check_shape, draws
from csp.methods import CSP, METHODS, PRESETS, Control, Full
from csp.methods.presets import TABLE_1
from csp.metrics import Bootstrap
from csp.samples import ParkSource

FAMILIES = ("ref", "reason")


def row(
    scene: int, family: str, run: str = DENSE, iou: float = 0.8, size: str | None = "1-4 %", **more: Any
) -> Row:
    inside = round(100 * iou)
    found: Row = {
        "scene": f"s{scene}",
        "query": (*FAMILIES, "absent").index(family),
        "family": family,
        "held": scene % 2 == 1,
        "size": size,
        "run": run,
        "seed": 0,
        "I": inside,
        "U": 100,
        "n_avg": 256.0,
        "flops": 2 * 10**9,
        "ms": {"decoder": 10.0, "select": 1.0, "mask": 50.0},
        "look": "0110",
        "rank_layer": None,
    }
    if run != DENSE:
        found |= {"I_dense": inside, "U_dense": 100}
    return {**found, **more}


def scenes(run: str = DENSE, n: int = 12, **scores: float) -> list[Row]:
    return [row(i, family, run, scores.get(family, 0.8)) for i in range(n) for family in FAMILIES]


def test_overall_is_the_mean_of_families_and_absent_stands_apart() -> None:
    rows = [*scenes(ref=0.9, reason=0.5), row(0, "ref", iou=0.9, query=7)]
    rows += [row(0, "absent", U=0, I=0, size=None), row(1, "absent", U=40, I=0, size=None)]
    score = Report(rows).gIoU(DENSE)
    assert score.overall.value == pytest.approx(0.7)  # families alike, though ref has a query more
    assert list(score.families) == ["ref", "reason"]
    assert Report(rows).empty_masks(DENSE).value == 0.5


def test_cIoU_weighs_pixels() -> None:
    rows = [row(0, "ref", I=10, U=10), row(1, "ref", I=0, U=990)]
    assert Report(rows).cIoU(DENSE).overall.value == pytest.approx(0.01)
    assert Report(rows).gIoU(DENSE).overall.value == pytest.approx(0.5)


def test_parts_by_size_and_wording() -> None:
    rows = [row(0, "ref", iou=0.2, size="<1 %"), row(1, "ref", iou=0.6, size=">4 %")]
    score = Report(rows).gIoU(DENSE)
    assert score.sizes["<1 %"].value == pytest.approx(0.2) and np.isnan(score.sizes["1-4 %"].value)
    assert score.wording["trained"].value == pytest.approx(0.2)
    assert score.wording["held out"].value == pytest.approx(0.6)
    assert "by wording" not in Report([row(0, "ref", held=None)]).gIoU(DENSE).as_dict()


def test_a_drop_is_paired_with_the_same_queries() -> None:
    # The run was made on half of the queries, which are the hard ones: its own drop is 0.1, not 0.4.
    rows = [row(i, "ref", iou=0.3 if i < 6 else 0.9) for i in range(12)]
    rows += [row(i, "ref", "csp", iou=0.2) for i in range(6)]
    change = Report(rows).change("csp")
    assert change.overall.value == pytest.approx(-0.1)
    assert change.overall.estimate.high - change.overall.estimate.low < 1e-9


def test_the_bill_is_what_ran() -> None:
    assert Report(scenes()).bill(DENSE) == {"N_avg": 256.0, "GFLOPs": 2.0, "ms": 11.0}


def test_what_is_left_of_the_target_and_where_nobody_counted() -> None:
    rows = [row(0, "ref", kept=0.5), row(1, "ref", kept=0.25), row(2, "ref"), row(0, "ref", "old")]
    report = Report(rows)
    assert report.kept(DENSE).value == pytest.approx(0.375)
    assert report.kept("old") is None


def test_looking_is_a_share_of_queries_at_the_ranking_layer() -> None:
    rows = [row(i, "ref", "(d) csp", look="01--", rank_layer=1) for i in range(3)]
    rows += [row(3, "reason", "(d) csp", look="10--", rank_layer=1), *scenes(n=4)]
    report = Report(rows)
    assert report.looking("(d) csp").overall.value == pytest.approx(0.75)
    assert report.looking("(d) csp").families["reason"].value == 0
    assert [s.value for s in report.curve()] == [0, 1, 1, 0]
    assert ablations.first_layer(report) == 1
    assert ablations.first_layer(Report([row(0, "ref", look="0000")])) is None


def ablated(**scores: float) -> Report:
    """Rows that keep every bound, but for what is given."""
    good = {ablations.BLIND: 0.1, ablations.ELSEWHERE: 0.1, ablations.MISLED: 0.1, ablations.EARLY: 0.5}
    rows = scenes(ref=scores.get("ref", 0.8), reason=0.8)
    for name, value in good.items():
        rows += scenes(name, ref=scores.get(name, value), reason=scores.get(name, value))
    look = "0010" if scores.get("look", 1) else "1000"
    rows += [{**r, "look": look, "rank_layer": 2} for r in scenes(ablations.STAGED)]
    return Report(rows)


def test_gates_hold_and_fail_one_by_one() -> None:
    assert all(gate.holds for gate in ablations.gates(ablated()))

    def failing(**scores: float) -> list[str]:
        return [gate.what for gate in ablations.gates(ablated(**scores)) if not gate.holds]

    assert failing(ref=0.44) == ["dense gIoU, ref"]
    for run in (ablations.BLIND, ablations.ELSEWHERE, ablations.MISLED):
        assert failing(**{run: 0.31}) == [f"gIoU of {run}"]
        assert failing(**{run: 0.56}) == [f"gIoU of {run}", f"dense less {run}"]
    assert failing(look=0) == ["(d) share on target"]


def test_gates_watch_held_out_wording_and_late_looking() -> None:
    rows = [row(i, f, iou=0.9 - 0.11 * (i % 2)) for i in range(8) for f in FAMILIES]
    late = [{**r, "look": "0" * 14 + "1"} for r in rows]
    failed = [g.what for g in ablations.gates(Report(rows)) if not g.holds]
    assert failed == ["gIoU lost on held-out wording"]
    staged = [{**r, "run": ablations.STAGED, "rank_layer": 14, "I_dense": 1, "U_dense": 1} for r in late]
    failed = [g.what for g in ablations.gates(Report([*late, *staged])) if not g.holds]
    assert failed == ["gIoU lost on held-out wording", "first layer on target, counted from 1"]


def test_the_ablations_say_everything_that_is_asked() -> None:
    text = ablations.text(ablated())
    assert "-0.700 [-0.700, -0.700]" in text and "first layer where it reaches 0.5: 2" in text
    for words in (
        ablations.BLIND,
        ablations.ELSEWHERE,
        ablations.MISLED,
        ablations.EARLY,
        "layer 3:",
        "<1 %",
        "held out",
    ):
        assert words in text
    json.dumps(ablations.as_dict(ablated()), allow_nan=False)
    json.dumps(ablated().as_dict(), allow_nan=False)
    assert json.dumps(
        ablations.gate_dicts(ablations.gates(Report([row(0, "ref", "x"), row(0, "ref")]))), allow_nan=False
    )


def test_the_paper_setting_shrinks_with_the_model() -> None:
    assert ablations.fitted(ablations.SETTING, 256, 32) == CSP(8, 64, 6, 16)
    small = ablations.fitted(ablations.SETTING, 49, 4)
    assert small.plan(49, 4)[-1].name == "pruning"


def test_tables_line_up_and_are_markdown() -> None:
    assert table(("", "a"), [("x", 1), ("long", 22)]).splitlines() == [
        "|      |  a |",
        "|------|---:|",
        "| x    |  1 |",
        "| long | 22 |",
    ]


def test_instances_match_at_half_overlap() -> None:
    truths = np.zeros((2, 8, 8), bool)
    truths[0, :4, :4] = truths[1, 4:, 4:] = True
    masks = np.zeros((3, 4, 4), bool)  # half the picture's size
    masks[0, :2, :2] = True  # all of the first
    masks[1, 2:, 3:] = True  # half of the second, and nothing else: exactly 0.5
    masks[2, 0, 0] = True  # a quarter of the first
    assert matches(truths, masks).tolist() == [[True, False, False], [False, True, False]]
    assert matches(truths, np.zeros((0, 4, 4), bool)).shape == (2, 0)


def test_recall_counts_objects_and_precision_proposals() -> None:
    source = ParkSource("test", 2)
    objects = [len(source.scene(index).objects) for index in range(2)]
    instances = [source.scene(index).instances for index in range(2)]
    pictures = [source.scene(index).image for index in range(2)]

    def first_only(image: np.ndarray) -> np.ndarray:
        if np.array_equal(image, pictures[0]):
            return np.stack([instances[0] == value for value in range(1, objects[0] + 1)])
        return np.ones((1, 10, 10), bool)

    found = measure(first_only, source)
    assert found.recall[LEAST_PIXELS[0]].value == pytest.approx(objects[0] / sum(objects))
    assert found.precision.value == pytest.approx(objects[0] / (objects[0] + 1))
    assert found.confidence is None and "precision" in str(found)
    perfect = Found({196: Bootstrap(["a"]).ratio(["a"], [1.0])}, found.precision, 0.25)
    assert ablations.recall_gate(perfect).holds
    assert not ablations.recall_gate(found).holds
    json.dumps(found.as_dict(), allow_nan=False)


@pytest.mark.parametrize("name", SUITES)
def test_suites_build_with_names_of_their_own(name: str) -> None:
    lines = SUITES[name].lines((0, 1, 2))
    labels = [line.label for line in lines]
    assert len(set(labels)) == len(labels) and isinstance(lines[0].method, Full)
    for line in lines:
        line.method.plan(256, 32)
        assert len(line.runs) == (3 if draws(line.method) else 1)
    assert len(summaries.runs_of(lines)) == sum(len(line.runs) for line in lines)


def test_suites_hold_the_papers_rows() -> None:
    ten = SUITES["table1"].lines((0,))[: len(TABLE_1)]
    assert [line.method.name for line in ten] == list(TABLE_1) and all(line.paper is not None for line in ten)
    for name in ("table4", "table5", "table6"):
        printed = [key for key in PRESETS if key.startswith(f"{name}/7B-224/")]
        lines = SUITES[name].lines((0,))
        assert len([line for line in lines if not isinstance(line.method, Full)]) == len(
            [k for k in printed if not k.endswith("/0")]
        )
        assert all(line.paper is not None for line in lines)
    curves = {line.curve for line in SUITES["tradeoff"].lines((0,)) if line.curve}
    assert {METHODS[name].label for name in TABLE_1 if name != "full"} < curves
    with pytest.raises(ValueError, match="256 image tokens and 32 layers, this model has 64 and 4"):
        check_shape(64, 4)


def test_the_papers_own_changes() -> None:
    # Table 1's drop, and Table 4's five columns against Table 1's dense row: (56.9+61.3+50.6+62.7+63.9 - 312.7) / 5.
    assert paper.change("table1/7B-224/csp") == pytest.approx(-0.025)
    assert paper.change("table4/7B-224/uniform/64") == pytest.approx(-0.0346)
    assert paper.change("table6/7B-224/90") == pytest.approx(-0.081)
    assert paper.change("table2/7B-336/fastv/70") is None


MINI = Suite("table6", "Mini", lambda seeds: (), "ratio", "something")


def summary(axis: str = "ratio", weights: str = "w") -> dict[str, Any]:
    lines = (
        Line("Dense", Full()),
        Line("lots", Control((0,), (9,), "random"), (0, 1), "curve", 30.0, -0.05),
        Line("steady", CSP(), (0,), "curve", 60.0, None),
    )
    rows = scenes()
    rows += (
        scenes("lots / seed 0", ref=0.6, reason=0.6)
        + scenes("lots / seed 1", ref=0.4, reason=0.6)
        + scenes("steady", ref=0.7)
    )
    rows += [row(i, "absent", run, U=i, I=0, size=None) for i in range(2) for run in {r["run"] for r in rows}]
    told = summaries.summarise(Suite("table6", "Mini", MINI.lines, axis, "something"), lines, rows)
    extra = {
        "weights": weights,
        "samples": {"source": "park/test"},
        "command": "c",
        "finished": "2030-01-01T",
    }
    return json.loads(
        json.dumps({**told, **extra, "machine": {"device": "cpu", "cores": 2}}, allow_nan=False)
    )


def test_a_summary_pools_seeds_and_keeps_each() -> None:
    dense, lots, steady = summary()["lines"]
    assert "change" not in dense and dense["gIoU"]["overall"]["value"] == pytest.approx(0.8)
    assert lots["change"]["overall"]["value"] == pytest.approx(-0.25)
    assert lots["change by seed"] == pytest.approx([-0.2, -0.3])
    assert lots["seeds"] == [0, 1] and steady["change by seed"] == pytest.approx([-0.05])
    assert dense["empty"]["value"] == 0.5 and summary()["queries"] == {"ref": 12, "reason": 12}


def test_the_page_tells_scores_remarks_and_what_is_missing(tmp_path: Path) -> None:
    folder = tmp_path / "docs/results"
    folder.mkdir(parents=True)
    (folder / "frozen.json").write_text(json.dumps({"weights": "w", "frozen": "2030-01-01T00:00:00"}))
    (folder / "table6.json").write_text(json.dumps(summary()))
    (folder / "table6.md").write_text("Lots lose a quarter.\n")
    (folder / "table1.json").write_text(json.dumps(summary(weights="older")))
    page.write(folder, tmp_path / "docs/results.md")
    text = (tmp_path / "docs/results.md").read_text()
    assert "## Mini\n\nThe paper: something.\n\n![Mini](results/table6.svg)" in text
    assert "-25.0 [-25.0, -25.0] (-30.0 to -20.0)" in text and "-5.0 |\n" in text
    assert "Lots lose a quarter." in text and "50 %" in text
    assert text.count("Not run on these weights yet") == len(SUITES) - 1 and "--suite table1`" in text
    page.write(folder, tmp_path / "docs/results.md")
    assert (tmp_path / "docs/results.md").read_text() == text


@pytest.mark.parametrize("axis", ["", "ratio"])
def test_figures_show_every_line(axis: str, tmp_path: Path) -> None:
    from csp import figures

    figure = charts.figure(summary(axis))
    figures.save(figure, tmp_path / "figure.svg")
    text = (tmp_path / "figure.svg").read_text()
    assert "change of gIoU against dense" in text
    assert (
        ("the paper, on its own data" in text)
        if axis
        else ("lots" in text and "steady" in text and "reason" in text)
    )
    drawn = [
        value
        for ax in figure.axes
        for line in ax.lines
        for value in np.ravel(line.get_xdata() if not axis else line.get_ydata())
    ]
    for expected in (-25.0, -20.0, -30.0, -5.0):
        assert np.isclose(np.asarray(drawn, float), expected).any()


def test_weights_are_frozen_before_the_first_comparison(tmp_path: Path) -> None:
    first = frozen.freeze(tmp_path, "aaaa")
    assert frozen.freeze(tmp_path, "aaaa") == first and first["world"]["seeds"] == [0, 999]
    with pytest.raises(ValueError, match=r"weights differ from those frozen on .*--refreeze"):
        frozen.freeze(tmp_path, "bbbb")
    log = tmp_path / "log.md"
    log.write_text("# Log\n\nNewest first.\n\n## Older\n\nText.\n")
    again = frozen.freeze(tmp_path, "bbbb", "It did not look.", log)
    assert again["weights"] == "bbbb" and frozen.freeze(tmp_path, "bbbb") == again
    lines = [line for line in log.read_text().splitlines() if line]
    assert lines[:2] == ["# Log", "Newest first."] and lines[2].startswith("## Comparisons frozen anew")
    assert lines[3].startswith("It did not look.") and lines[4:] == ["## Older", "Text."]


def test_tuned_heads_and_searches_have_sections_of_their_own(tmp_path: Path) -> None:
    results = Path(__file__).parents[1] / "docs/results"
    made_on = {"weights": "these"}
    for name in ("tuned.json", "search.json"):
        (tmp_path / name).write_text(json.dumps(json.loads((results / name).read_text()) | made_on))
    (tmp_path / "search.md").write_text("A remark.\n")
    tuned, searched, remark = found_page.sections(tmp_path, made_on)
    assert "| tuned on another query's rows |" in tuned and "python -m csp.tune table6" in tuned and remark == "A remark.\n"
    assert "![What the search left](results/search.svg)" in searched and "python -m csp.search" in searched
    now = found_page.sections(results, json.loads((results / "frozen.json").read_text()))
    written = (results.parent / "results.md").read_text()
    assert now and all(block in written for block in now), "docs/results.md is older than what it is made from"
    others = found_page.sections(tmp_path, {"weights": "others"})
    assert [block.splitlines()[2] for block in others] == [
        "Not run on these weights yet: `python -m csp.tune table6`.",
        "Not run on these weights yet: `python -m csp.search --tokens 73`.",
    ]
    assert found_page.sections(tmp_path / "none", made_on) == []
