"""The hand-written exam and the bars for shipping."""

from __future__ import annotations

import re
from typing import Any

import pytest

from csp.evaluation import ablations, bars, exam
from csp.evaluation.report import Report
from csp.evaluation.runs import DENSE
from csp.park.draw import KINDS
from csp.park.things import Thing


def thing(kind: str, colour: str, x: float, y: float = 0.5, side: float = 0.1) -> Thing:
    box = (x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    return Thing(kind, colour, x, y, side, False, 0, 0, box=box)


def test_an_answer_is_what_is_clear_from_the_objects() -> None:
    objects = [thing("dog", "black", 0.2), thing("dog", "brown", 0.7, side=0.3), thing("cat", "white", 0.72)]
    ask = lambda *wanted, **more: exam.answer(exam.Wanted(*wanted, **more), objects)  # noqa: E731
    assert ask("cat") == (2,) and ask("dog") is None and ask("dog", many=True) == (0, 1)
    assert ask("dog", "brown") == (1,) and ask("bird") == () and ask(None) == ()
    assert ask("dog", None, "left") == (0,) and ask("dog", None, "right") == (1,)
    assert ask("dog", None, "big") == (1,) and ask("dog", None, "small") == (0,)
    assert ask("dog", None, "top") is None  # as high as the other
    assert ask("cat", None, "left") is None  # there is nothing to tell apart


def test_the_exam_is_large_and_its_heads_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    found = exam.entries()
    assert len(found) >= 350 and {w.kind for _, w, _ in found} == {*KINDS, None}
    assert all(text and text == text.strip() for _, _, text in found)
    monkeypatch.setattr(exam, "TEXTS", {"name": "dog huge: the dog"})
    with pytest.raises(ValueError, match="no such thing to want: 'dog huge'"):
        exam.entries()


def test_the_exam_shares_no_idea_with_the_generator() -> None:
    from csp.park.ideas import REASON
    from csp.park.wishes import INTENT

    opening = re.compile(r"^(it|is|what|who|you|i|the thing|that|something|a|the|could|can|would|do)\b ?")

    def core(text: str) -> str:
        words = re.sub(r"[^a-z ]", "", text.lower().replace("'s ", " is ")).strip()
        while (rest := opening.sub("", words)) not in ("", words):
            words = rest
        return words

    assert core("What is it that purrs?") == core("it purrs") == "purrs"
    generated = {core(idea) for table in (REASON, INTENT) for ideas in table.values() for idea in ideas}
    assert not generated & {core(text) for group, _, text in exam.entries() if group in ("idea", "wish")}


def test_a_scene_is_examined_by_what_it_answers_clearly() -> None:
    source = exam.ExamSource(2, first=5)
    samples = [s for i in range(2) for s in source.samples(i)]
    assert {s.scene for s in samples} == {"exam-5", "exam-6"}
    assert all(s.truth.any() == (s.family != "absent") for s in samples)
    assert sum(s.family == "absent" for s in samples) == 4 and len(samples) > 8
    again = exam.ExamSource(2, first=5)
    assert again.describe() == source.describe() and [s.query for s in again.samples(0)] == [s.query for s in source.samples(0)]
    assert source.describe()["sha256"] != exam.ExamSource(2, first=6).describe()["sha256"]


def test_near_is_asked_alone() -> None:
    near = bars.NearSource("test", 12)
    texts = [s.query for i in range(12) for s in near.samples(i)]
    assert len(texts) > 4 and all(any(word in t for word in ("near", "close", "next", "beside", " by ")) for t in texts)


def row(scene: int, family: str, run: str = DENSE, iou: float = 0.9, **more: Any) -> dict[str, Any]:
    found = {
        "scene": f"s{scene}", "query": 0, "family": family, "held": scene % 2 == 1, "size": "<1 %", "run": run, "seed": 0,
        "I": round(100 * iou), "U": 100, "n_avg": 1.0, "flops": 1, "ms": {}, "look": "0" * 9 + "1" * 23, "rank_layer": None,
    }  # fmt: skip
    return {**found, **more}


def told(iou: float = 0.9, blind: float = 0.1, held: float = 0.0) -> list[bars.Bar]:
    park = [row(i, f, iou=iou - held * (i % 2)) for i in range(8) for f in ("ref", "reason")]
    for run in (ablations.BLIND, ablations.ELSEWHERE, ablations.MISLED):
        park += [row(i, f, run, blind, I_dense=1, U_dense=2) for i in range(8) for f in ("ref", "reason")]
    asked = [row(i, "name", iou=iou) for i in range(4)] + [row(i, "absent", I=0, U=0) for i in range(4)]
    return bars.bars(Report(park), Report(asked), Report([row(i, "refg", iou=iou) for i in range(4)]))


def test_bars_hold_goals_and_floors() -> None:
    good = told()
    assert all(bar.verdict == "goal" for bar in good), list(map(str, good))
    assert [b.what for b in told(iou=0.7) if b.verdict == "MISSED"] == ["dense gIoU overall"]
    assert {b.verdict for b in told(blind=0.28)} == {"goal", "floor"}
    assert [b.what for b in told(held=0.15) if b.verdict == "MISSED"] == ["held-out ideas below trained ones"]
    late = bars.Bar("first layer with A_SEG on target", float("inf"), 10, 13, most=True)
    assert late.verdict == "MISSED" and "none" in str(late)
    assert "goal <= 10" in str(late) and "goal >= 0.85" in str(good[0])


def test_bars_answer_bad_requests_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert bars.main(["--scenes", "0"]) == 2
    assert capsys.readouterr().err == "bars: --scenes and --jobs must be 1 or more\n"
