"""Which data sets are in a folder, whether they are whole, and what to fetch for the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from csp.data import refer
from csp.data.catalogue import KNOWN, Known, open as open_data
from csp.data.items import DataSet, Item

SAMPLED = 8
SOURCES = {
    "refcoco": "refcoco.zip as lichengunc/refer lists it (LISA's README links copies), unpacked to refer_seg/refcoco",
    "refcoco+": "refcoco+.zip as lichengunc/refer lists it, unpacked to refer_seg/refcoco+",
    "refcocog": "refcocog.zip as lichengunc/refer lists it, unpacked to refer_seg/refcocog",
    "refclef": "refclef.zip as lichengunc/refer lists it, to refer_seg/refclef; IAPR TC-12's pictures to "
    "refer_seg/images/saiapr_tc-12",
    "reasonseg": "ReasonSeg as LISA's README links it, unpacked to reason_seg/ReasonSeg/{train,val,test,explanatory}",
    "rio": "RIO's JSON files as qumengxue/RIO links them, to reason_seg/RIO",
    "train2014": "COCO's train2014.zip, unpacked to refer_seg/images/mscoco/images/train2014 or coco2014/train2014",
    "val2014": "COCO's val2014.zip, unpacked to coco2014/val2014",
}


@dataclass(frozen=True)
class Found:
    """A data set as it is on disk. ``wrong`` is empty where nothing is; ``files`` maps listings to their sha256."""

    known: Known
    pictures: int = 0
    refs: int | None = None
    sentences: int | None = None
    missing: int = 0
    wrong: str = ""
    files: dict[str, str] = field(default_factory=dict)

    @property
    def there(self) -> bool:
        return self.pictures > 0

    @property
    def differs(self) -> tuple[str, ...]:
        """Counts that are not the published ones."""
        pairs = (("pictures", self.pictures), ("refs", self.refs), ("sentences", self.sentences))
        published = {name: getattr(self.known, name) for name, _ in pairs}
        return tuple(
            f"{got} {name}, published {published[name]}"
            for name, got in pairs
            if got is not None and published[name] not in (None, got)
        )

    @property
    def verdict(self) -> str:
        if not self.there:
            return f"not there: {self.wrong}"
        told = [*self.differs]
        if self.missing:
            told.append(f"{self.missing} of the pictures are missing")
        if not told and self.known.pictures is None and self.known.sentences is None:
            return "complete; no published count"
        return "; ".join(told) or "complete, as published"

    def as_dict(self) -> dict[str, Any]:
        return {
            "name": self.known.name,
            "pictures": self.pictures,
            "refs": self.refs,
            "sentences": self.sentences,
            "missing pictures": self.missing,
            "verdict": self.verdict,
            "sha256": self.files,
        }


def survey(root: Path, tell: Callable[[str], None] = lambda name: None) -> Iterator[tuple[Found, DataSet | None]]:
    """Every data set that is known, as it is below ``root``; ``tell`` hears the name of each before it is read."""
    if not root.is_dir():
        raise ValueError(f"there is no folder {root}: give the one that holds refer_seg, reason_seg and coco2014")
    hashes: dict[Path, str] = {}
    for name, known in KNOWN.items():
        tell(name)
        try:
            data = open_data(name, root)
        except ValueError as error:
            yield Found(known, wrong=str(error)), None
            continue
        for path in data.files():
            if path not in hashes:
                with path.open("rb") as file:
                    hashes[path] = hashlib.file_digest(file, "sha256").hexdigest()
        yield _count(known, data, root, {str(p.relative_to(root)): hashes[p] for p in data.files()}), data


def _count(known: Known, data: DataSet, root: Path, files: dict[str, str]) -> Found:
    paths = {data.path(index) for index in range(len(data))}
    missing = sum(not path.is_file() for path in paths)
    if known.dataset in refer.SETS:
        refs, sentences = refer.counts(root, known.dataset, known.by, known.split)
        return Found(known, len(paths), refs, sentences, missing, files=files)
    return Found(known, len(paths), None, len(data) if known.dataset == "rio" else None, missing, files=files)


def to_fetch(found: list[Found]) -> list[str]:
    """What to get for the data sets that are not whole, and where it goes."""
    needs = []
    for one in (one for one in found if one.known.main):
        if not one.there:
            needs.append(one.known.dataset)
        if (not one.there or one.missing) and one.known.dataset in ("refcoco", "refcoco+", "refcocog", "rio"):
            val = one.known.dataset == "rio" and one.known.split != "train"
            needs.append("val2014" if val else "train2014")
    return [SOURCES[need] for need in dict.fromkeys(needs)]


def sampled(data: list[DataSet], seed: int = 0) -> list[tuple[DataSet, Item, int]]:
    """Eight (data set, item, query) with pictures that are there, spread over the data sets."""
    g = np.random.default_rng(seed)
    found: list[tuple[DataSet, Item, int]] = []
    tries, data = 0, [data[at] for at in g.permutation(len(data))]
    while data and len(found) < SAMPLED and tries < 20 * SAMPLED:
        one = data[tries % len(data)]
        tries += 1
        try:
            item = one[int(g.integers(len(one)))]
        except ValueError:
            continue
        if item.path.is_file() and item.queries:
            found.append((one, item, int(g.integers(len(item.truth)))))
    return found
