"""Which data sets there are, where each lies, and what its publishers count in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from csp.data.items import DataSet, Overlap, check_overlap


@dataclass(frozen=True)
class Known:
    """A published split: pictures, refs and sentences as its authors count them, None where nobody says."""

    dataset: str
    by: str
    split: str
    pictures: int | None = None
    refs: int | None = None
    sentences: int | None = None

    @property
    def name(self) -> str:
        return f"{self.dataset if self.main else f'{self.dataset}-{self.by}'}:{self.split}"

    @property
    def main(self) -> bool:
        """Whether this is the division that the set's plain name stands for."""
        return self.by == _MAIN.get(self.dataset, self.by)


_MAIN = {"refcoco": "unc", "refcoco+": "unc", "refcocog": "umd", "refclef": "unc"}


# Pictures and refs: the docstring of tensorflow/datasets' refcoco; sentences: constants of public evaluation scripts;
# ReasonSeg: LISA's README; RIO: the output of its authors' notebook.
KNOWN: dict[str, Known] = {
    known.name: known
    for known in (
        Known("refcoco", "unc", "train", 16994, 42404, 120624),
        Known("refcoco", "unc", "val", 1500, 3811, 10834),
        Known("refcoco", "unc", "testA", 750, 1975, 5657),
        Known("refcoco", "unc", "testB", 750, 1810, 5095),
        Known("refcoco", "unc", "test"),
        Known("refcoco+", "unc", "train", 16992, 42278),
        Known("refcoco+", "unc", "val", 1500, 3805, 10758),
        Known("refcoco+", "unc", "testA", 750, 1975, 5726),
        Known("refcoco+", "unc", "testB", 750, 1798, 4889),
        Known("refcoco+", "unc", "test"),
        Known("refcocog", "umd", "train", 21899, 42226),
        Known("refcocog", "umd", "val", 1300, 2573, 4896),
        Known("refcocog", "umd", "test", 2600, 5023, 9602),
        Known("refcocog", "google", "train", 24698, 44822),
        Known("refcocog", "google", "val", 4650, 5000),
        Known("refcoco", "google", "train", 19213, 40000),
        Known("refcoco", "google", "val", 4559, 5000),
        Known("refcoco", "google", "test", 4527, 5000),
        Known("refclef", "unc", "train"),
        Known("refclef", "unc", "val"),
        Known("refclef", "unc", "testA"),
        Known("refclef", "unc", "testB"),
        Known("refclef", "unc", "testC"),
        Known("refclef", "unc", "test"),
        Known("refclef", "berkeley", "train"),
        Known("refclef", "berkeley", "val"),
        Known("refclef", "berkeley", "test"),
        Known("reasonseg", "", "train", 239),
        Known("reasonseg", "", "val", 200),
        Known("reasonseg", "", "test", 779),
        Known("reasonseg", "", "explanatory"),
        Known("rio", "", "common", None, None, 29344),
        Known("rio", "", "uncommon"),
        Known("rio", "", "train"),
    )
}


def names() -> tuple[str, ...]:
    """Every name that `open` knows."""
    return tuple(KNOWN)


def open(name: str | Path, root: str | Path | None = None, overlap: str = "official") -> DataSet:
    """A data set by its name, such as ``refcoco:val``, below ``root``; or a folder of one's own, without ``root``.

    ``overlap="official"`` counts the parts of a mask where they overlap, as published numbers were made; ``"union"``
    joins them. Raises ValueError for a name that is not known and for files that are missing or damaged.
    """
    way = check_overlap(overlap)
    if isinstance(name, str) and name in KNOWN:
        if root is None:
            raise ValueError(f"{name} needs the folder that holds refer_seg, reason_seg and coco2014")
        folder = Path(root)
        if not folder.is_dir():
            raise ValueError(f"there is no folder {folder}: give the one that holds refer_seg, reason_seg and coco2014")
        return _published(KNOWN[name], folder, way)
    if Path(name).is_dir():
        from csp.data.own import open_folder

        return open_folder(Path(name), way)
    raise ValueError(f"{str(name)!r:.80} is no data set and no folder: give one of {', '.join(KNOWN)}, or a folder")


def _published(known: Known, root: Path, overlap: Overlap) -> Any:
    if known.dataset == "rio":
        from csp.data.rio import RIO

        return RIO(root, known.split, overlap)
    if known.dataset == "reasonseg":
        from csp.data.reasonseg import Explanatory, ReasonSeg

        base = reasonseg_folder(root)
        if known.split == "explanatory":
            return Explanatory(base, known.name, overlap)
        return ReasonSeg(base / known.split, known.name, overlap, every=known.split == "train")
    from csp.data.refer import Refer

    return Refer(root, known.dataset, known.by, known.split, overlap, known.name)


def reasonseg_folder(root: Path) -> Path:
    return root / "reason_seg/ReasonSeg" if (root / "reason_seg").is_dir() else root / "ReasonSeg"
