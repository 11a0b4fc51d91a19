"""A visitor's own folder in ReasonSeg's or COCO's format."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from csp.data import masks
from csp.data.files import inside, read_json
from csp.data.items import DataSet, Item, Overlap, place, stacked
from csp.data.reasonseg import ReasonSeg
from csp.metrics import IGNORE

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".JPG", ".JPEG", ".PNG")
_SAID = ("query", "expression", "caption")


def open_folder(folder: Path, overlap: Overlap = "official") -> DataSet:
    """The data in a folder: COCO's if a JSON file of it has images and annotations, otherwise ReasonSeg's.

    Raises ValueError saying what a folder may hold.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}: give a data set's name, park, or a folder of your own")
    beside = {path.stem for path in folder.iterdir() if path.suffix in PICTURES}
    listings = [path for path in sorted(folder.glob("*.json")) if path.stem not in beside]
    for path in listings:
        found = read_json(path, "a list of pictures and objects in COCO's format")
        if isinstance(found, dict) and {"images", "annotations"} <= set(found):
            return Coco(path, found, overlap)
    if any((folder / f"{stem}.json").is_file() for stem in beside):
        return ReasonSeg(folder, str(folder), overlap, kinds=PICTURES)
    raise ValueError(
        f"{folder} has no samples.jsonl, no JSON file in COCO's format and no picture with a JSON file beside it as in "
        "ReasonSeg: see README.md for the three"
    )


class Coco:
    """A COCO listing: an item a picture, a query for each ``query`` (or ``expression``, ``caption``) of its
    annotations, or for each category where they have none. Annotations of one query are one target; crowds are not scored.
    """

    def __init__(self, path: Path, found: dict[str, Any], overlap: Overlap = "official") -> None:
        self.name, self.overlap, self._file = str(path.parent), overlap, path
        try:
            names = {entry["id"]: entry["name"] for entry in found.get("categories", [])}
            asked: dict[int, dict[str, list[Any]]] = {}
            for entry in found["annotations"]:
                query = next((entry[key] for key in _SAID if entry.get(key)), names.get(entry.get("category_id")))
                if not isinstance(query, str):
                    raise ValueError(f"{path}: annotation {entry.get('id')} has neither a query nor a category with a name")
                crowd = bool(entry.get("iscrowd"))
                asked.setdefault(entry["image_id"], {}).setdefault(query.strip(), []).append((crowd, entry["segmentation"]))
            self._images = [entry for entry in found["images"] if entry["id"] in asked]
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path} is not in COCO's format ({error!r:.60})") from error
        if not self._images:
            raise ValueError(f"{path} asks nothing: no annotation names one of its images")
        self._asked = asked

    def __len__(self) -> int:
        return len(self._images)

    def path(self, index: int) -> Path:
        entry = self._images[place(index, len(self), self.name)]
        return inside(self._file.parent, entry.get("file_name"), f"{self._file}: picture {entry['id']}")

    def files(self) -> tuple[Path, ...]:
        return (self._file,)

    def __getitem__(self, index: int) -> Item:
        entry, path = self._images[place(index, len(self), self.name)], self.path(index)
        where = f"{self._file}: picture {entry['id']}"
        size = masks.check_size(entry.get("height"), entry.get("width"), where)
        asked = self._asked[entry["id"]]
        # Only targets that are more than a crowd can be scored.
        queries = tuple(query for query, parts in asked.items() if not all(crowd for crowd, _ in parts))
        return Item(
            path.stem, path, queries, "refer", size, partial(self._draw, [asked[q] for q in queries], size, where), (path,)
        )

    def _draw(self, targets: list[list[Any]], size: tuple[int, int], where: str) -> masks.Mask:
        drawn = []
        for parts in targets:
            found = np.zeros(size, np.uint8)
            for crowd, segmentation in sorted(parts, key=lambda part: not part[0]):
                covered = masks.coco(segmentation, size, where) > 0
                found[covered] = IGNORE if crowd else 1
            drawn.append(found)
        return stacked(drawn, size)
