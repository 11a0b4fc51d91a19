"""Rows: what is run on a sample, what is kept of it, and that processes, stops and restarts change nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from csp.decoder import decode
from csp.evaluation.ablations import ELSEWHERE, MISLED, runs
from csp.evaluation.processes import Job, collect
from csp.evaluation.runs import DENSE, Evaluator, NoImage, OtherPicture, Row, Run, kept, looks, lot, on_target
from csp.methods import CSP, METHODS, Control, Full
from csp.metrics import overlap
from csp.samples import ParkSource, Sample
from csp.tokens import TokenSequence
from csp.types import Box, Layout

SOURCE = ParkSource("test", 3)


@pytest.fixture(scope="module")
def rows(model: Any) -> list[Row]:
    evaluator = Evaluator(model, SOURCE, (Run(DENSE, Full()), *runs(model.N, model.L)))
    return [row for index in range(len(SOURCE)) for row in evaluator.rows(index)]


def find(rows: Sequence[Row], run: str, family: str = "ref") -> Row:
    return next(row for row in rows if row["run"] == run and row["family"] == family)


def test_rows_tell_what_the_model_answers(model: Any, rows: list[Row]) -> None:
    sample = next(s for s in SOURCE.samples(0) if s.family == "ref")
    result = model.segment(sample.image, sample.query, Full())
    row = find(rows, DENSE)
    assert (row["I"], row["U"]) == overlap(result.mask, sample.truth)
    assert row["n_avg"] == model.N and row["flops"] == result.cost.flops
    assert len(row["look"]) == model.L and json.loads(json.dumps(row)) == row
    pixels = {
        (s.scene, s.number): int(s.truth.sum()) for index in range(len(SOURCE)) for s in SOURCE.samples(index)
    }
    for row in rows:
        assert row["U"] >= pixels[row["scene"], row["query"]] >= row["I"]


def test_ablations_leave_out_queries_without_a_target(rows: list[Row]) -> None:
    assert {row["run"] for row in rows if row["family"] == "absent"} == {DENSE}
    counts = {
        run: sum(row["run"] == run for row in rows if row["family"] != "absent")
        for run in {r["run"] for r in rows}
    }
    assert len(set(counts.values())) == 1


def test_without_image_tokens_the_text_keeps_its_positions(model: Any, picture: np.ndarray) -> None:
    embeds, layout = model.assemble(picture, "the red ball")
    decoded = decode(model.layers, TokenSequence.start(embeds, layout), NoImage().plan(layout.N, model.L))
    text = [slot for slot in range(layout.T) if not layout.N_sys <= slot < layout.N_sys + layout.N]
    assert decoded.sequence.position_ids.tolist() == text
    assert decoded.trace.n_per_layer == (0,) * model.L
    assert looks(decoded.trace, np.ones(layout.N, bool)) == "-" * model.L


def test_another_pictures_tokens_meet_this_pictures_mask_head(model: Any, rows: list[Row]) -> None:
    sample = next(s for s in SOURCE.samples(0) if s.family == "ref")
    seen, other = model.encode(sample.image), model.encode(SOURCE.samples(1)[0].image)
    prompt = model.prompter(sample.query, model.answer, model.seg_row)
    with torch.no_grad():
        embeds, layout = model.embed(replace(other, crop=seen.crop), prompt)
        decoded = decode(model.layers, TokenSequence.start(embeds, layout), Full().plan(model.N, model.L))
        logits, _ = model.masks(seen, decoded.seg_state)
    result = model.segment(sample.image, sample.query, OtherPicture(other.vision.patches))
    np.testing.assert_array_equal(result.logits, logits.numpy())
    assert result.request.knobs == {}
    row = find(rows, ELSEWHERE)
    assert (row["I"], row["U"]) == overlap(result.mask, sample.truth)


def test_another_query_is_the_next_pictures_of_the_same_family(model: Any, rows: list[Row]) -> None:
    sample = next(s for s in SOURCE.samples(2) if s.family == "reason")
    words = next(s.query for s in SOURCE.samples(0) if s.family == "reason")
    result = model.segment(sample.image, words, Full())
    row = next(r for r in rows if (r["scene"], r["run"], r["family"]) == ("test-2", MISLED, "reason"))
    assert (row["I"], row["U"]) == overlap(result.mask, sample.truth)


def test_nothing_is_swapped_where_there_is_no_other_picture(model: Any) -> None:
    evaluator = Evaluator(model, ParkSource("test", 1, families=("ref",)), runs(model.N, model.L))
    assert {row["run"] for row in evaluator.rows(0)}.isdisjoint({ELSEWHERE, MISLED})


def test_the_same_words_are_no_other_query(model: Any) -> None:
    class Same(ParkSource):
        def samples(self, index: int) -> tuple[Sample, ...]:
            first, *_ = super().samples(0)
            return (replace(first, scene=str(index), query="it" if index < 2 else "them"),)

    evaluator = Evaluator(model, Same("test", 3), ())
    assert evaluator._other_words(0, evaluator.source.samples(0)[0]) == "them"


def test_lots_differ_between_queries_and_repeat(model: Any) -> None:
    first, second = SOURCE.samples(0)[:2]
    assert len({lot(0, first), lot(0, second), lot(1, first)}) == 3
    assert lot(0, first) == lot(0, SOURCE.samples(0)[0])
    evaluator = Evaluator(model, SOURCE, (Run("random", Control((0,), (9,), "random")),))
    method = evaluator.runs[0].method
    drawn = [
        model.segment(s.image, s.query, method, seed=lot(0, s)).trace.stages[0].patches
        for s in (first, second)
    ]
    assert drawn[0].tolist() != drawn[1].tolist()


def test_runs_need_names_of_their_own(model: Any) -> None:
    with pytest.raises(ValueError, match="names of their own, got x, x"):
        Evaluator(model, SOURCE, (Run("x", CSP()), Run("x", Full())))


def test_a_patch_is_on_target_from_a_quarter_on() -> None:
    layout = Layout(1, 4, 1, 1, (2, 2), Box(0, 0, 40, 40), (5,))
    truth = np.zeros((40, 40), bool)
    truth[:10, :10] = True  # a quarter of patch 0
    truth[:5, 20:40] = True  # a quarter of patch 1
    truth[20:24, :20] = True  # a fifth of patch 2
    assert on_target(truth, layout).tolist() == [True, True, False, False]
    small = np.zeros((40, 40), bool)
    small[30:33, 18:24] = True  # nowhere a quarter: most of it in patch 3
    assert on_target(small, layout).tolist() == [False, False, False, True]
    assert not on_target(np.zeros((40, 40), bool), layout).any()
    outside = np.zeros((40, 60), bool)
    outside[:, 45:] = True
    assert not on_target(outside, layout).any()


def test_looking_follows_the_highest_attention(model: Any) -> None:
    sample = next(s for s in SOURCE.samples(0) if s.family == "ref")
    result = model.segment(sample.image, sample.query, CSP(1, 16, 2, 4))
    trace = result.trace
    truth = np.zeros(sample.image.shape[:2], bool)
    best = int(np.nanargmax(trace.A_SEG[2]))
    x0, y0, x1, y1 = map(round, trace.layout.patch_box(best))
    truth[y0:y1, x0:x1] = True
    told = looks(trace, on_target(truth, trace.layout))
    assert told[2] == "1"
    assert told == "".join("01"[int(np.nanargmax(row) == best)] for row in trace.A_SEG)


def test_what_is_kept_of_the_target_is_counted_in_the_last_layer(model: Any) -> None:
    scene = SOURCE.samples(0)[0]
    four = model.segment(scene.image, scene.query, CSP(1, 16, 2, 4)).trace
    left = four.stages[-1].source.sum(axis=0) > 0
    assert left.sum() == 4 and kept(four, left) == 1
    assert kept(four, ~left) == 0
    half = left.copy()
    half[np.flatnonzero(left)[:2]] = False
    half[np.flatnonzero(~left)[:2]] = True
    assert kept(four, half) == 0.5
    merged = model.segment(scene.image, scene.query, METHODS["prumerge"](n=12)).trace
    assert 0 < kept(merged, np.ones(merged.layout.N, bool)) <= 1


def job(folder: Path, count: int = 3) -> Job:
    chosen = (Run(DENSE, Full()), Run("random", CSP(1, 16, 1, 4, cluster="random"), seed=7))
    return Job(str(folder), ParkSource("test", count, families=("ref", "absent")), chosen, {"device": "cpu"})


def without_time(rows: Sequence[Row]) -> list[Row]:
    return [{k: v for k, v in row.items() if k != "ms"} for row in rows]


@pytest.fixture(scope="module")
def alone(park_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    out = tmp_path_factory.mktemp("alone")
    return out, collect(job(park_folder), folder=out, header={"a": 1})


def test_two_processes_give_the_same_rows(park_folder: Path, alone: tuple[Path, list[Row]]) -> None:
    told: list[tuple[int, int]] = []
    rows = collect(job(park_folder), jobs=2, progress=lambda *at: told.append(at))
    assert without_time(rows) == without_time(alone[1])
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_threads_are_put_back(park_folder: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        during: list[int] = []
        collect(job(park_folder, 1), progress=lambda done, of: during.append(torch.get_num_threads()))
        assert during == [3, 1] and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_a_stopped_evaluation_goes_on(
    park_folder: Path, alone: tuple[Path, list[Row]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (alone[0] / "results.jsonl").read_text().splitlines(keepends=True)
    assert len(lines) == 1 + len(alone[1])
    # The first picture is whole, the second lacks a row, and the last line was cut off.
    of = json.loads(lines[1])["of"]
    (tmp_path / "results.jsonl").write_text("".join(lines[: of + 2]) + lines[of + 2][:30])
    ran: list[int] = []
    real = Evaluator.rows

    def counted(self: Evaluator, index: int) -> list[Row]:
        ran.append(index)
        return real(self, index)

    monkeypatch.setattr(Evaluator, "rows", counted)
    rows = collect(job(park_folder), folder=tmp_path, header={"a": 1})
    assert ran == [1, 2]
    assert without_time(rows) == without_time(alone[1])
    assert collect(job(park_folder), folder=tmp_path, header={"a": 1}) == rows and ran == [1, 2]
    assert [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()] == [
        {"header": {"a": 1}},
        *rows,
    ]


def test_rows_of_something_else_are_not_mixed_in(park_folder: Path, alone: tuple[Path, list[Row]]) -> None:
    with pytest.raises(ValueError, match=r"another evaluation.*choose another --out"):
        collect(job(park_folder), folder=alone[0], header={"a": 2})


def test_a_picture_that_admits_no_query_is_done_all_the_same(
    park_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ParkSource("test", 3, first=17, families=("refg",))
    assert [len(source.samples(index)) for index in range(3)] == [1, 0, 1]
    asked = replace(job(park_folder), source=source)
    rows = list(collect(asked, folder=tmp_path))
    assert {row["scene"] for row in rows} == {"test-17", "test-19"}
    monkeypatch.setattr(Evaluator, "rows", lambda *_: pytest.fail("it was done"))
    assert list(collect(asked, folder=tmp_path)) == rows
    monkeypatch.undo()
    with pytest.raises(ValueError, match="none of the 1 pictures admits a query of those asked for"):
        collect(replace(asked, source=ParkSource("test", 1, first=18, families=("refg",))))
