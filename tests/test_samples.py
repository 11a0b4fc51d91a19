"""Where samples come from: the park's families and seeds, and a folder of triples with all that can be wrong in it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from csp.park import language, scenes
from csp.samples import SIZES, FolderSource, ParkSource, Sample, families, read_mask


def test_the_park_gives_one_query_per_family_with_its_own_truth() -> None:
    source = ParkSource("test", 3, first=5)
    assert len(source) == 3 and source.picture(2) == "test-7"
    for sample in source.samples(2):
        scene = scenes.scene(7, "test")
        np.testing.assert_array_equal(sample.image, scene.image)
        query = next(q for q in language.queries(scene.park, each=1) if q.family == sample.family)
        assert (sample.query, sample.held) == (query.text, query.held)
        np.testing.assert_array_equal(sample.truth, scene.mask(query.targets))
        assert (sample.size is None) == (sample.family == "absent")


def test_choosing_a_family_changes_no_query() -> None:
    every = {s.family: (s.number, s.query) for s in ParkSource("test", 1).samples(0)}
    alone = ParkSource("test", 1, families=("refg",)).samples(0)
    assert [(s.family, (s.number, s.query)) for s in alone] == [("refg", every["refg"])]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"split": "exam"}, "split must be one of train, val, test"),
        ({"count": 0}, "scenes must be 1 or more"),
        ({"first": -1}, "first must be 0 or more"),
        ({"families": ("refs",)}, "family must be one of ref, "),
    ],
)
def test_the_park_refuses_what_it_has_not(wrong: dict, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ParkSource(**wrong)


@pytest.mark.parametrize(
    ("pixels", "size"), [(0, None), (1, SIZES[0]), (99, SIZES[0]), (100, SIZES[1]), (400, SIZES[1]), (401, SIZES[2])]
)
def test_sizes_by_share_of_the_picture(pixels: int, size: str | None) -> None:
    truth = (np.arange(10_000) < pixels).reshape(100, 100)
    assert Sample("s", 0, np.zeros((100, 100, 3), np.uint8), "q", truth).size == size


def test_a_fingerprint_tells_seeds_and_worlds_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    source = ParkSource("test", 2)
    assert source.describe() == ParkSource("test", 2).describe()
    assert source.describe()["sha256"] != ParkSource("val", 2).describe()["sha256"]
    before = source.describe()
    monkeypatch.setattr(language, "RELATION_ODDS", (0.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    assert source.describe()["sha256"] != before["sha256"]


def write(folder: Path, *lines: object) -> Path:
    folder.mkdir(exist_ok=True)
    for name, size in (("a.png", (8, 6)), ("b.png", (5, 5))):
        Image.new("RGB", size, "red").save(folder / name)
    mask = np.zeros((6, 8), np.uint8)
    mask[2:4, 3:6] = 1
    Image.fromarray(mask).save(folder / "mask.png")
    (folder / "samples.jsonl").write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines))
    return folder


TRIPLE = {"image": "a.png", "query": "the red one", "mask": "mask.png"}


def test_a_folder_groups_queries_by_picture(tmp_path: Path) -> None:
    source = FolderSource(write(tmp_path / "own", TRIPLE, "", {**TRIPLE, "query": "it", "family": "ref"}))
    assert len(source) == 1 and source.picture(0) == "a.png"
    first, second = source.samples(0)
    assert (first.query, first.family, first.number, first.held) == ("the red one", "all", 0, None)
    assert (second.query, second.family, second.number) == ("it", "ref", 1)
    assert first.image.shape == (6, 8, 3) and first.truth.sum() == 6
    copy = pickle.loads(pickle.dumps(source))
    assert [s.query for s in copy.samples(0)] == ["the red one", "it"]
    assert [s.query for s in FolderSource(source.folder, ("ref",)).samples(0)] == ["it"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 1 is not JSON"),
        ("[]", "needs image, query, mask"),
        ({"image": "a.png", "mask": "mask.png"}, "line 1 needs query"),
        ({**TRIPLE, "mask": "none.png"}, "line 1 names the mask 'none.png'"),
        ("", "lists no triple"),
    ],
)
def test_a_folder_names_the_line_that_is_wrong(tmp_path: Path, line: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        FolderSource(write(tmp_path, line))


def test_a_folder_needs_its_list_and_masks_of_their_pictures_size(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"has no samples\.jsonl"):
        FolderSource(tmp_path)
    source = FolderSource(write(tmp_path, {**TRIPLE, "image": "b.png"}))
    with pytest.raises(ValueError, match="is 8 x 6 and its image 5 x 5"):
        source.samples(0)


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "P", "RGB", "RGBA", "LA"])
def test_masks_of_every_mode(tmp_path: Path, mode: str) -> None:
    truth = np.array([[True, False], [False, True]])
    if mode == "I;16":
        picture = Image.fromarray(truth.astype(np.uint16))
    elif mode == "P":
        picture = Image.fromarray(truth.astype(np.uint8)).convert("P")
        picture.putpalette([255, 255, 255, 0, 0, 0])
    else:
        picture = Image.fromarray(np.where(truth, 255, 0).astype(np.uint8)).convert(mode)
    picture.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), truth)
    (tmp_path / "mask.png").write_bytes(b"no")
    with pytest.raises(ValueError, match="cannot be read"):
        read_mask(tmp_path / "mask.png")


def test_families_stand_in_the_parks_order() -> None:
    assert families(["mine", "intent", "ref", "intent"]) == ("ref", "intent", "mine")
