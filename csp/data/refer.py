"""RefCOCO, RefCOCO+, RefCOCOg and refclef: expressions for objects, an item a picture with all that is said of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from csp.data import masks
from csp.data.files import inside, need, read_json, read_pickle
from csp.data.items import Item, Overlap, place, stacked

SETS = ("refcoco", "refcoco+", "refcocog", "refclef")


@dataclass(frozen=True)
class _Said:
    sentence: str
    ann_id: int


class Refer:
    """``split`` of ``<dataset>/refs(<by>).p`` below ``root``, which is ``refer_seg`` or the folder that holds it.

    Items come in the official order, which is that of a Python set of their ids; queries in the order of the refs, in
    lower case. Raises ValueError for what is missing or damaged.
    """

    def __init__(self, root: Path, dataset: str, by: str, split: str, overlap: Overlap = "official", name: str = "") -> None:
        self.name, self.overlap = name or f"{dataset}-{by}:{split}", overlap
        base = root / "refer_seg" if (root / "refer_seg").is_dir() else root
        self._refs_file, self._instances_file = base / dataset / f"refs({by}).p", base / dataset / "instances.json"
        self._pictures = _pictures(base, root, dataset)
        refs = _chosen(_refs(read_pickle(self._refs_file, f"{dataset}'s list of expressions"), self._refs_file), split)
        if not refs:
            raise ValueError(f"{self._refs_file} has no expression of the split {split}: choose another")
        images, annotations = _tables(read_json(self._instances_file, f"{dataset}'s objects"), self._instances_file)
        self._said: dict[int, list[_Said]] = {}
        self._segmentations: dict[int, Any] = {}
        for ref in refs:
            ann_id, image_id = ref["ann_id"], ref["image_id"]
            for kind, number, table in (("annotation", ann_id, annotations), ("picture", image_id, images)):
                if number not in table:
                    raise ValueError(
                        f"{self._refs_file}: ref {ref['ref_id']} is about {kind} {number}, which {self._instances_file} "
                        "has not: fetch both again, from one source"
                    )
            self._segmentations[ann_id] = annotations[ann_id]
            said = [_Said(sentence["sent"].strip().lower(), ann_id) for sentence in ref["sentences"]]
            self._said.setdefault(image_id, []).extend(said)
        # The official reader passes the ids through a set of the refs' pictures: same ids put in, same order.
        self._ids = list(set([ref["image_id"] for ref in refs]))  # noqa: C403
        self._images = {image_id: self._image(images[image_id]) for image_id in self._ids}

    def _image(self, entry: Mapping[str, Any]) -> tuple[Path, tuple[int, int]]:
        where = f"{self._instances_file}: picture {entry['id']}"
        path = inside(self._pictures, entry.get("file_name"), where)
        return path, masks.check_size(entry.get("height"), entry.get("width"), where)

    def __len__(self) -> int:
        return len(self._ids)

    def path(self, index: int) -> Path:
        return self._images[self._ids[place(index, len(self), self.name)]][0]

    def files(self) -> tuple[Path, ...]:
        return self._refs_file, self._instances_file

    def __getitem__(self, index: int) -> Item:
        image_id = self._ids[place(index, len(self), self.name)]
        (path, size), said = self._images[image_id], self._said[image_id]
        return Item(
            path.stem, path, tuple(s.sentence for s in said), "refer", size, partial(self._draw, said, size), (path,)
        )

    def _draw(self, said: Sequence[_Said], size: tuple[int, int]) -> masks.Mask:
        drawn: dict[int, masks.Mask] = {}
        for ann_id in (s.ann_id for s in said):
            if ann_id not in drawn:
                where = f"{self._instances_file}: annotation {ann_id}"
                drawn[ann_id] = masks.settled(masks.coco(self._segmentations[ann_id], size, where), self.overlap)
        return stacked([drawn[s.ann_id] for s in said], size)


def _pictures(base: Path, root: Path, dataset: str) -> Path:
    if dataset == "refclef":
        return base / "images/saiapr_tc-12"
    there = (base / "images/mscoco/images/train2014", root / "coco2014/train2014")
    return next((folder for folder in there if folder.is_dir()), there[0])


def _refs(found: Any, path: Path) -> list[dict[str, Any]]:
    if not isinstance(found, list):
        raise ValueError(f"{path} must hold a list of expressions, got {type(found).__name__}")
    for number, ref in enumerate(found):
        right = (
            isinstance(ref, dict)
            and all(type(ref.get(key)) is int for key in ("ref_id", "ann_id", "image_id"))
            and isinstance(ref.get("split"), str)
            and isinstance(ref.get("sentences"), list)
            and all(isinstance(s, dict) and isinstance(s.get("sent"), str) for s in ref["sentences"])
        )
        if not right:
            raise ValueError(f"{path}: entry {number} is not an expression with its ids, split and sentences: fetch it again")
    return found


def _chosen(refs: list[dict[str, Any]], split: str) -> list[dict[str, Any]]:
    """The refs of a split, by the official rules: "testA" by its letter, "test" by the word. Of one id the last holds."""
    by_id = {ref["ref_id"]: ref for ref in refs}
    if split in ("testA", "testB", "testC"):
        ids = [ref["ref_id"] for ref in refs if split[-1] in ref["split"]]
    elif split == "test":
        ids = [ref["ref_id"] for ref in refs if "test" in ref["split"]]
    else:
        ids = [ref["ref_id"] for ref in refs if ref["split"] == split]
    return [by_id[ref_id] for ref_id in ids]


def _tables(found: Any, path: Path) -> tuple[dict[int, Any], dict[int, Any]]:
    """Pictures by id, and segmentations by annotation id."""
    try:
        images = {entry["id"]: entry for entry in found["images"]}
        return images, {entry["id"]: entry["segmentation"] for entry in found["annotations"]}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} must hold COCO's images and annotations with ids ({error!r:.60}): fetch it again") from error


def counts(root: Path, dataset: str, by: str, split: str) -> tuple[int, int]:
    """Refs and sentences of a split, from the list of expressions alone."""
    base = root / "refer_seg" if (root / "refer_seg").is_dir() else root
    path = need(base / dataset / f"refs({by}).p", f"{dataset}'s list of expressions")
    refs = _chosen(_refs(read_pickle(path, f"{dataset}'s list of expressions"), path), split)
    return len(refs), sum(len(ref["sentences"]) for ref in refs)
