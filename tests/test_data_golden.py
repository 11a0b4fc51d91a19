"""The readers and the metric against what the official code returned on the same tiny sets: bit for bit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import csp
from csp.data import masks

ROOT = Path(__file__).parent / "data/sets"
CV = "expected_cv5" if tuple(map(int, cv2.__version__.split(".")[:2])) >= (4, 11) else "expected"
SETS = {
    **{f"refcoco:{s}": f"refcoco-unc-{s}" for s in ("val", "testA", "testB")},
    **{f"refcoco+:{s}": f"refcoco+-unc-{s}" for s in ("val", "testA", "testB")},
    **{f"refcocog:{s}": f"refcocog-umd-{s}" for s in ("val", "test")},
    "refcocog-google:val": "refcocog-google-val",
    **{f"reasonseg:{s}": f"ReasonSeg-{s}" for s in ("val", "test")},
    **{f"rio:{s}": f"RIO-val-{s}" for s in ("common", "uncommon")},
}


def expected(stem: str) -> tuple[dict[str, Any], Any, Any]:
    """What was told of a set, its masks, and the logits to score."""
    folder = ROOT / (CV if stem.startswith("ReasonSeg") else "expected")
    return json.loads((folder / f"{stem}.json").read_text()), np.load(folder / f"{stem}.npz"), np.load(
        ROOT / f"expected/{stem}.npz"
    )


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_read_as_the_official_reader_reads_it(name: str) -> None:
    told, truths, _ = expected(SETS[name])
    data = csp.data.open(name, ROOT)
    found = {item.key: item for item in (data[i] for i in range(len(data)))}
    assert len(data) == len(found) == len(told["items"])
    if not name.startswith("reasonseg"):  # whose official order is the file system's
        assert list(found) == [item["key"] for item in told["items"]]
    for wanted in told["items"]:
        item = found[wanted["key"]]
        assert item.path.is_file() and item.path.as_posix().endswith(wanted["file"])
        assert list(item.conversations) == wanted["conversations"] and len(item.queries) == len(wanted["conversations"])
        assert item.truth.dtype == np.uint8 and item.truth.shape[1:] == item.size
        np.testing.assert_array_equal(item.truth, truths[f"mask/{item.key}"])


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_scored_as_validate_scores_it(name: str) -> None:
    told, _, logits = expected(SETS[name])
    data = csp.data.open(name, ROOT)
    found = {item.key: item for item in (data[i] for i in range(len(data)))}
    pairs = [csp.metrics.official(logits[f"logits/{i['key']}"], found[i["key"]].truth) for i in told["items"]]
    inside, union = (np.concatenate(part) for part in zip(*pairs, strict=True))
    assert inside.tolist() == [s["intersection"][1] for s in told["samples"]]
    assert union.tolist() == [s["union"][1] for s in told["samples"]]
    scores = csp.metrics.scores(inside, union)
    assert scores.gIoU == pytest.approx(told["giou"], abs=2e-6) and scores.cIoU == pytest.approx(told["ciou"], abs=2e-6)


def test_training_pictures_have_every_wording() -> None:
    told = json.loads((ROOT / "expected/ReasonSeg-train.json").read_text())
    truths = np.load(ROOT / "expected/ReasonSeg-train.npz")
    # Drawn under OpenCV 4.8 alone: a later one fills a few pixels of an edge otherwise.
    most = 0 if CV == "expected" else 6
    data = csp.data.open("reasonseg:train", ROOT)
    for item, wanted in zip((data[i] for i in range(len(data))), told, strict=True):
        assert (item.key, list(item.queries)) == (wanted["key"], wanted["text"])
        assert item.form == ("sentence" if wanted["is_sentence"] else "refer")
        for truth in item.truth:
            assert ((truth == 1) != (truths[f"train_target/{item.key}"] == 1)).sum() <= most


def test_a_phrase_keeps_its_letters_where_lisa_validates() -> None:
    forms = {item.form for name in ("val", "test") for data in [csp.data.open(f"reasonseg:{name}", ROOT)] for item in data}
    assert forms == {"phrase", "sentence"}
    assert {item.form for item in csp.data.open("refcoco:val", ROOT)} == {"refer"}


def test_explanations_come_with_their_answers() -> None:
    item = csp.data.open("reasonseg:explanatory", ROOT)[0]
    assert item.queries == ("Where can the driver see the speed?",) and item.note.startswith("The driver can see")
    assert item.truth.shape[0] == 1


@pytest.mark.parametrize("which", ["unc", "umd", "google"])
def test_splits_match_as_the_official_code_matches_them(which: str) -> None:
    told = json.loads((ROOT / "expected/refer.json").read_text())
    for title, splits in told.items():
        dataset, by = title.split("|")
        if by != which:
            continue
        for split in ("val", "testA", "testB", "test", "train"):
            name = f"{dataset}{'-google' if by == 'google' else ''}:{split}"
            if name not in csp.data.names() or not splits[split]["ref_ids"]:
                continue
            data = csp.data.open(name, ROOT)
            items = [data[i] for i in range(len(data))]
            assert sum(len(item.queries) for item in items) == splits[split]["n_sents"]
            assert sorted(int(item.key[-12:]) for item in items) == sorted(splits[split]["image_ids"])


CASES = json.loads((ROOT / f"{CV}/rasterise.json").read_text())


@pytest.mark.parametrize("case", CASES["cases"])
def test_shapes_are_drawn_pixel_by_pixel(case: str) -> None:
    told, drawn = CASES["cases"][case], np.load(ROOT / f"{CV}/rasterise.npz")
    coco = np.load(ROOT / "expected/rasterise.npz")
    size = (CASES["height"], CASES["width"])
    if f"coco/{case}" in coco:
        np.testing.assert_array_equal(masks.settled(masks.coco(told["polygons"], size, "it"), "official"), coco[f"coco/{case}"])
    elif "coco_error" in told:
        with pytest.raises(ValueError, match="it: not a polygon of three points"):
            masks.coco(told["polygons"], size, "it")
    if f"reasonseg/{case}" in drawn:
        shapes = [{"label": "target", "points": np.reshape(p, (-1, 2)).tolist()} for p in told["polygons"]]
        np.testing.assert_array_equal(masks.reasonseg(shapes, size, "it"), drawn[f"reasonseg/{case}"])
    if case.startswith("rle_"):
        for counts in (told["counts"], told["compressed"]):
            found = masks.coco({"size": list(size), "counts": counts}, size, "it")
            np.testing.assert_array_equal(found, coco[f"rle/{case.removeprefix('rle_')}"])


@pytest.mark.parametrize("case", json.loads((ROOT / "expected/metric_cases.json").read_text()), ids=lambda c: c["name"])
def test_hand_made_cases_of_the_metric(case: dict[str, Any]) -> None:
    inside, union = csp.metrics.official(np.array(case["pred"])[None] - 0.5, np.array(case["gt"])[None])
    assert (inside[0], union[0]) == (case["intersection"][1], case["union"][1])
    single = inside[0] / (union[0] + 1e-5) + (union[0] == 0)
    assert single == pytest.approx(case["iou"][1], abs=2e-6)
