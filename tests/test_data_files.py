"""Damaged, missing and hostile files of a data set: one sentence each, and nothing run or read that was not given."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

import csp
from csp.data.__main__ import main
from csp.data.files import read_pickle, stream_json

ROOT = Path(__file__).parent / "data/sets"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(ROOT, tmp_path / "root")
    return tmp_path / "root"


def every(root: Path, name: str) -> list[Any]:
    data = csp.data.open(name, root)
    return [(data[i].queries, data[i].truth) for i in range(len(data))]


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/never",)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (pickle.dumps(Evil(), 2), "the pickle opcode GLOBAL"),
        (pickle.dumps(Evil(), 0), "the pickle opcode GLOBAL"),
        (pickle.dumps([], 4), "pickle protocol 4"),
        (pickle.dumps({1, 2}, 2), "the pickle opcode GLOBAL"),
        (b"(S'touch /tmp/never'\nios\nsystem\n.", "the pickle opcode INST"),
        (b"Pos.system\n.", "the pickle opcode PERSID"),
        (b"\x80\x02\x82\x01.", "the pickle opcode EXT1"),
        (b"\x80\x02]r\xff\xff\xff\x7f.", "the memo index 2147483647"),
        (b"]p999999999999\n.", "the memo index 999999999999"),
        (pickle.dumps([1, 2, 3], 2)[:-1], "damaged"),
        (b"\x80\x02}q\x00(U\xffabc", "damaged"),
        (b"", "is empty"),
        (pickle.dumps([{"ref_id": "1"}], 2), "entry 0 is not an expression"),
        (pickle.dumps({"a": 1}, 2), "must hold a list"),
    ],
)
def test_a_pickle_holds_data_or_is_refused(root: Path, data: bytes, said: str) -> None:
    (root / "refer_seg/refcoco/refs(unc).p").write_bytes(data)
    with pytest.raises(ValueError, match=said.replace("(", r"\(")) as told:
        csp.data.open("refcoco:val", root)
    assert "refs(unc).p" in str(told.value) and not Path("/tmp/never").exists()


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4) | st.tuples(inner, inner),
    max_leaves=20,
)


@given(PLAIN, st.sampled_from([0, 1, 2]))
def test_every_plain_pickle_of_the_old_protocols_is_read(tmp_path_factory: Any, value: Any, protocol: int) -> None:
    path = tmp_path_factory.getbasetemp() / "plain.p"
    path.write_bytes(pickle.dumps(value, protocol))
    assert read_pickle(path, "it") == value


@given(st.binary(max_size=60))
def test_no_bytes_get_more_than_a_sentence(tmp_path_factory: Any, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "noise.p"
    path.write_bytes(data)
    # A file that is read holds plain data; any other raises ValueError, and nothing else gets out.
    with suppress(ValueError):
        assert type(read_pickle(path, "it")) in (bool, int, float, str, list, dict, tuple, type(None))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(path: Path, change: Callable[[Any], None]) -> None:
    found = json.loads(path.read_text())
    change(found)
    path.write_text(json.dumps(found))


def drawn(path: Path, segmentation: Any) -> None:
    edit(path, lambda d: d["annotations"][0].update(segmentation=segmentation))


def masked(path: Path, instance: Any) -> None:
    edit(path, lambda d: d[1].update(mask_list=[instance]))


REFS, OBJECTS = "refer_seg/refcoco/refs(unc).p", "refer_seg/refcoco/instances.json"
RIO, REASON = "reason_seg/RIO/RIO_common_all_thing.json", "reason_seg/ReasonSeg/val/200_a_o.json"


@pytest.mark.parametrize(
    ("name", "path", "damage", "said"),
    [
        ("refcoco:val", REFS, Path.unlink, "there is no"),
        ("refcoco:val", OBJECTS, Path.unlink, "there is no"),
        ("refcoco:val", OBJECTS, cut, "is damaged"),
        ("refcoco:val", OBJECTS, lambda p: p.write_text("[]"), "COCO's images and annotations"),
        ("refcoco:val", OBJECTS, lambda p: p.write_text("[" * 100_000), "is damaged"),
        ("refcoco:val", OBJECTS, lambda p: edit(p, lambda d: d["annotations"].clear()), "is about annotation"),
        ("refcoco:val", OBJECTS, lambda p: edit(p, lambda d: d["images"][0].update(file_name="../../x")), "leads out of"),
        ("refcoco:val", OBJECTS, lambda p: edit(p, lambda d: d["images"][0].update(file_name="/etc/x")), "leads out of"),
        ("refcoco:val", OBJECTS, lambda p: edit(p, lambda d: d["images"][0].update(file_name="a\\..\\..\\x")), "leads out of"),
        ("refcoco:val", OBJECTS, lambda p: edit(p, lambda d: d["images"][0].update(height=10**9)), "megapixels"),
        ("refcoco:val", OBJECTS, lambda p: edit(p, lambda d: d["images"][0].update(height="48")), "whole numbers"),
        ("refcoco:val", OBJECTS, lambda p: drawn(p, [[1, 2, 3, 4]]), "three points"),
        ("refcoco:val", OBJECTS, lambda p: drawn(p, [[1e300] * 8]), "no number or beyond"),
        ("refcoco:val", OBJECTS, lambda p: drawn(p, "x"), "a segmentation is"),
        ("rio:common", RIO, Path.unlink, "there is no"),
        ("rio:common", RIO, cut, "is damaged"),
        ("rio:common", RIO, lambda p: p.write_text("{}"), "must hold a list"),
        ("rio:common", RIO, lambda p: p.write_text("[]"), "lists nothing"),
        ("rio:common", RIO, lambda p: edit(p, lambda d: d[1].pop("image_id")), "entry 1 has no image_id"),
        ("rio:common", RIO, lambda p: edit(p, lambda d: d[1].pop("expressions")), "entry 1 has no expressions"),
        ("rio:common", RIO, lambda p: masked(p, {"counts": [3, 4]}), "sum to 3072"),
        ("rio:common", RIO, lambda p: masked(p, {"size": [1, 1], "counts": "0"}), "in a picture of"),
        ("reasonseg:val", REASON, Path.unlink, "there is no"),
        ("reasonseg:val", REASON, cut, "is damaged"),
        ("reasonseg:val", REASON, lambda p: edit(p, lambda d: d.pop("shapes")), "lacks shapes"),
        ("reasonseg:val", REASON, lambda p: edit(p, lambda d: d.update(text=[])), "at least one question"),
        ("reasonseg:val", REASON, lambda p: edit(p, lambda d: d["shapes"][0].update(points=[[1]])), "pairs of numbers"),
        ("reasonseg:val", "reason_seg/ReasonSeg/val/200_a_o.jpg", lambda p: p.write_bytes(b"no"), "no picture that can be read"),
        ("reasonseg:val", "reason_seg/ReasonSeg/val", lambda p: shutil.rmtree(p), "there is no folder"),
    ],
)
def test_what_is_missing_or_damaged_is_named(
    root: Path, name: str, path: str, damage: Callable[[Path], None], said: str
) -> None:
    damage(root / path)
    with pytest.raises(ValueError, match=said) as told:
        every(root, name)
    assert "\n" not in str(told.value) and len(str(told.value)) < 600


def test_names_that_are_not_known_are_answered_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"'refcoco:exam' is no data set and no folder: give one of refcoco:train"):
        csp.data.open("refcoco:exam", ROOT)
    with pytest.raises(ValueError, match="needs the folder"):
        csp.data.open("refcoco:val")
    with pytest.raises(ValueError, match="overlap must be official or union"):
        csp.data.open("refcoco:val", ROOT, overlap="both")
    with pytest.raises(IndexError, match="has 2 pictures"):
        csp.data.open("refcoco:val", ROOT)[2]


def test_union_joins_parts_that_the_official_count_leaves_out() -> None:
    for name in ("refcoco:val", "rio:common"):
        official, union = every(ROOT, name), [t for _, t in every_union(name)]
        assert name != "refcoco:val" or any((truth > 1).any() for _, truth in official)
        for (_, truth), joined in zip(official, union, strict=True):
            np.testing.assert_array_equal(joined, truth > 0)


def every_union(name: str) -> list[Any]:
    data = csp.data.open(name, ROOT, overlap="union")
    return [(data[i].queries, data[i].truth) for i in range(len(data))]


def test_either_root_and_either_place_of_pictures(tmp_path: Path, root: Path) -> None:
    assert csp.data.open("refcoco:val", root / "refer_seg")[0].path.is_file()
    (root / "coco2014/train2014").mkdir()
    for path in (root / "refer_seg/images/mscoco/images/train2014").iterdir():
        path.rename(root / "coco2014/train2014" / path.name)
    shutil.rmtree(root / "refer_seg/images")
    assert csp.data.open("refcoco:val", root)[0].path.is_file()


ENTRIES = st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=9) | st.integers(), max_size=4), max_size=6)


@given(ENTRIES, st.integers(1, 40))
def test_a_list_is_read_an_entry_at_a_time(tmp_path_factory: Any, entries: list[Any], chunk: int) -> None:
    from csp.data import files

    path = tmp_path_factory.getbasetemp() / "list.json"
    path.write_text(json.dumps(entries, ensure_ascii=False, indent=chunk % 3 or None), encoding="utf-8", newline="")
    before, files.CHUNK = files.CHUNK, chunk
    try:
        found = list(stream_json(path, "it"))
    finally:
        files.CHUNK = before
    assert [value for _, _, value in found] == entries
    data = path.read_bytes()
    assert [json.loads(data[start : start + length]) for start, length, _ in found] == entries


def test_exif_and_old_encodings(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20), "white").save(tmp_path / "a.jpg", exif=exif)
    shape = {"label": "Target", "points": [[1, 1], [5, 1], [5, 25.9]]}
    told = {"text": [" the café "], "is_sentence": True, "shapes": [shape, {"label": "FLAG", "points": "any"}]}
    (tmp_path / "a.json").write_bytes(json.dumps(told, ensure_ascii=False).encode("cp1252"))
    item = csp.data.open(tmp_path)[0]
    assert item.size == (30, 20) and item.truth.shape == (1, 30, 20) and item.queries == ("the café",)
    assert item.truth[0, 25, 5] == 1 and item.truth[0, 26].sum() == 0


def test_a_folder_in_cocos_format(tmp_path: Path) -> None:
    Image.new("RGB", (20, 10), "white").save(tmp_path / "a.png")
    box = [[2, 2, 8, 2, 8, 6, 2, 6]]
    found = {
        "images": [{"id": 5, "file_name": "a.png", "height": 10, "width": 20}, {"id": 6, "file_name": "b.png"}],
        "categories": [{"id": 1, "name": "cup"}],
        "annotations": [
            {"id": 1, "image_id": 5, "category_id": 1, "segmentation": box, "iscrowd": 0},
            {"id": 2, "image_id": 5, "category_id": 1, "segmentation": {"size": [10, 20], "counts": [150, 50]}, "iscrowd": 1},
            {"id": 3, "image_id": 5, "category_id": 1, "query": "the red one", "segmentation": box},
        ],
    }
    (tmp_path / "objects.json").write_text(json.dumps(found))
    data = csp.data.open(tmp_path)
    assert len(data) == 1 and data[0].queries == ("cup", "the red one")
    assert set(np.unique(data[0].truth[0])) == {0, 1, 255} and (data[0].truth[1] == 1).sum() == 24


def test_check_counts_draws_and_says_what_to_fetch(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "refer_seg/images/mscoco/images/train2014/COCO_train2014_000000001001.jpg").unlink()
    sheet, told = tmp_path / "sheet.png", tmp_path / "told.json"
    assert main(["check", str(root), "--sheet", str(sheet), "--json", str(told)]) == 1
    printed = capsys.readouterr().out
    assert "2 pictures, published 1500" in printed and "1 of the pictures are missing" in printed
    assert "COCO's train2014.zip" in printed and "refclef.zip" in printed and "OpenCV" in printed
    assert Image.open(sheet).size[0] == 4 * 360
    found = {one["name"]: one for one in json.loads(told.read_text())}
    assert found["refcoco:val"]["sentences"] == 6 and len(found["rio:common"]["sha256"]) == 1


def test_show_draws_one_and_prints_its_conversations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(ROOT), "refcoco:testA", "1", "--out", str(tmp_path / "one.png")]) == 0
    assert "What is guy in this image?" in capsys.readouterr().out and (tmp_path / "one.png").is_file()
    assert main(["show", str(ROOT), "refcoco:testA", "9", "--out", str(tmp_path / "one.png")]) == 2
    assert main(["check", str(tmp_path / "none")]) == 2
    errors = capsys.readouterr().err
    assert "has 2 pictures, numbered 0 to 1" in errors and errors.count("data: ") == 2


def test_refclef_has_lists_of_run_lengths_and_pictures_of_its_own(tmp_path: Path) -> None:
    """No golden set has it: its rules are those of the official reader, on a set written here in protocol 0."""
    from pycocotools import mask

    first, second = np.zeros((2, 4, 6), np.uint8)
    first[1:3, 1:4] = second[2:4, 2:6] = 1
    code = mask.encode(np.asfortranarray(first))
    listed = [10, 2, 2, 2, 2, 2, 2, 2]  # column by column, as COCO counts
    parts = [{"size": [4, 6], "counts": code["counts"].decode()}, {"size": [4, 6], "counts": listed}]
    folder = tmp_path / "refer_seg/refclef"
    folder.mkdir(parents=True)
    images = [{"id": 5, "file_name": "12/5.jpg", "height": 4, "width": 6}]
    (folder / "instances.json").write_text(
        json.dumps({"images": images, "annotations": [{"id": 9, "segmentation": parts}], "categories": []})
    )
    said = [{"sent": " The LAKE ", "sent_id": 0, "raw": "", "tokens": []}]
    refs = [{"ref_id": 1, "ann_id": 9, "image_id": 5, "category_id": 1, "split": "testAB", "sentences": said}]
    (folder / "refs(unc).p").write_bytes(pickle.dumps(refs, 0))
    for split in ("testA", "testB", "test"):
        (item,) = (csp.data.open(f"refclef:{split}", tmp_path)[0],)
        assert item.queries == ("the lake",) and item.path == tmp_path / "refer_seg/images/saiapr_tc-12/12/5.jpg"
        np.testing.assert_array_equal(item.truth[0], first + second)
    np.testing.assert_array_equal(csp.data.open("refclef:testA", tmp_path, overlap="union")[0].truth[0], first | second)
    with pytest.raises(ValueError, match="has no expression of the split val"):
        csp.data.open("refclef:val", tmp_path)
