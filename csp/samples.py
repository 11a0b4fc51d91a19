"""Where evaluation gets its queries: a source numbers its pictures and gives all queries about one of them.

A new data set is one class here. Sources are small, hold no picture and can be sent to another process.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from csp import images
from csp.checks import is_file, read_json, shown
from csp.park import language, scenes, things
from csp.types import Template

SIZES = ("<1 %", "1-4 %", ">4 %")
LEAST_SHARE, MOST_SHARE = 0.01, 0.04


@dataclass(frozen=True, eq=False)
class Sample:
    """One query about one picture: ``image`` uint8 RGB [H, W, 3], ``truth`` [H, W], empty where nothing fits the
    words: bool, or uint8 with the values that `csp.metrics.overlap` tells apart, at a size of its own where a data set
    says so.

    ``scene`` names the picture and ``number`` the query among those about it. ``held``: worded with phrases
    that training never saw; None where that is not known. ``template`` is the form in which the query is put to a model
    that knows several.
    """

    scene: str
    number: int
    image: np.ndarray
    query: str
    truth: np.ndarray
    family: str = "all"
    held: bool | None = None
    template: Template = "auto"

    @property
    def target(self) -> np.ndarray:
        """bool [H, W]: the pixels of the target."""
        return self.truth if self.truth.dtype == np.bool_ else self.truth == 1

    @cached_property
    def share(self) -> float:
        """Share of the picture that the target covers."""
        return float(self.target.mean())

    @property
    def size(self) -> str | None:
        """The target's size as one of `SIZES`, None for an empty target."""
        if not self.share:
            return None
        return SIZES[(self.share >= LEAST_SHARE) + (self.share > MOST_SHARE)]


class Source(Protocol):
    """Pictures by number, 0 to len - 1, each with its queries, always the same."""

    @property
    def name(self) -> str: ...

    def __len__(self) -> int: ...

    def picture(self, index: int) -> str:
        """The name of picture ``index``: `Sample.scene` of its queries."""
        ...

    def samples(self, index: int) -> tuple[Sample, ...]:
        """All queries about picture ``index``."""
        ...

    def describe(self) -> dict[str, Any]:
        """What decides the queries and truths, for a report and its fingerprint; not the pictures one by one."""
        ...

    def fingerprint(self, index: int) -> str:
        """Of the files of picture ``index``, so that rows of a file that has changed are made again; empty without files."""
        ...


@dataclass(frozen=True)
class ParkSource:
    """One query per family and picture of the drawn park; picture i is number ``first + i`` of ``split``.

    ``families`` empty means all. Raises ValueError for an unknown family or split.
    """

    split: str = "test"
    count: int = 1000
    first: int = 0
    families: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for family in self.families:
            if family not in language.FAMILIES:
                raise ValueError(f"family must be one of {', '.join(language.FAMILIES)}, got {family!r}")
        if self.split not in things.SPLITS:
            raise ValueError(f"split must be one of {', '.join(things.SPLITS)}, got {self.split!r}")
        for name, value, least in (("scenes", self.count, 1), ("first", self.first, 0)):
            if value < least:
                raise ValueError(f"{name} must be {least} or more, got {value}")

    @property
    def name(self) -> str:
        return f"park/{self.split}"

    def __len__(self) -> int:
        return self.count

    def picture(self, index: int) -> str:
        return f"{self.split}-{self.first + index}"

    def scene(self, index: int) -> scenes.Scene:
        """The drawn scene behind picture ``index``, with its instance map."""
        return scenes.scene(self.first + index, self.split)

    def samples(self, index: int) -> tuple[Sample, ...]:
        scene, name = self.scene(index), self.picture(index)
        return tuple(
            Sample(name, number, scene.image, q.text, scene.mask(q.targets), q.family, q.held)
            for number, q in enumerate(language.queries(scene.park))
            if self._wanted(q.family)
        )

    def fingerprint(self, index: int) -> str:
        return ""

    def _wanted(self, family: str) -> bool:
        return not self.families or family in self.families

    def describe(self) -> dict[str, Any]:
        """Seeds, and a digest of pictures, truths and words of a few scenes: the world's code counts too."""
        digest = hashlib.sha256()
        for index in sorted({0, self.count // 2, self.count - 1}):
            for sample in self.samples(index):
                for part in (sample.query.encode(), sample.image.tobytes(), sample.truth.tobytes()):
                    digest.update(part)
        last = self.first + self.count - 1
        families = self.families or language.FAMILIES
        return {
            "source": self.name,
            "seeds": [self.first, last],
            "pictures": self.count,
            "families": list(families),
            "sha256": digest.hexdigest(),
        }


@dataclass(frozen=True)
class FolderSource:
    """A folder of a user's own triples, listed in its ``samples.jsonl``, one a line:
    {"image": "a.jpg", "query": "the red one", "mask": "a-red.png"}.

    ``family`` is optional; queries of one image stand in any order. A mask is a picture of the image's size,
    whose target is every pixel that is not 0. Paths are relative to the folder. Raises ValueError naming the
    line that will not do.
    """

    folder: Path
    families: tuple[str, ...] = ()
    count: int | None = None
    _pictures: tuple[tuple[str, tuple[dict[str, Any], ...]], ...] = field(init=False, repr=False, default=())

    def __post_init__(self) -> None:
        listing = Path(self.folder) / "samples.jsonl"
        if not listing.is_file():
            raise ValueError(
                f'{self.folder} has no samples.jsonl: list your triples there, one {{"image", "query", "mask"}} a line'
            )
        pictures: dict[str, list[dict[str, Any]]] = {}
        for number, line in enumerate(listing.read_text(encoding="utf-8").splitlines(), 1):
            if line.strip():
                entry = self._entry(line, f"{listing}, line {number}")
                if not self.families or entry["family"] in self.families:
                    pictures.setdefault(entry["image"], []).append(entry)
        if not pictures:
            raise ValueError(
                f"{listing} lists no triple" + (f" of {', '.join(self.families)}" if self.families else "")
            )
        chosen = tuple((image, tuple(entries)) for image, entries in pictures.items())[: self.count]
        object.__setattr__(self, "_pictures", chosen)

    def _entry(self, line: str, where: str) -> dict[str, Any]:
        entry = read_json(line, where)
        missing = [
            k
            for k in ("image", "query", "mask")
            if not isinstance(entry, dict) or not isinstance(entry.get(k), str)
        ]
        if missing:
            raise ValueError(f"{where} needs {', '.join(missing)} as text")
        for key in ("image", "mask"):
            if Path(entry[key]).is_absolute() or ".." in Path(entry[key]).parts or "\0" in entry[key]:
                raise ValueError(f"{where}: {key} must be a path inside the folder, got {shown(entry[key])}")
            if not is_file(Path(self.folder) / entry[key]):
                raise ValueError(f"{where} names the {key} {shown(entry[key])}, which is not in {self.folder}")
        return {**entry, "family": str(entry.get("family", "all"))}

    @property
    def name(self) -> str:
        return str(self.folder)

    def __len__(self) -> int:
        return len(self._pictures)

    def picture(self, index: int) -> str:
        return self._pictures[index][0]

    def samples(self, index: int) -> tuple[Sample, ...]:
        name, entries = self._pictures[index]
        image = images.read(Path(self.folder) / name)
        return tuple(
            Sample(name, number, image, e["query"], self._mask(e, image), e["family"])
            for number, e in enumerate(entries)
        )

    def _mask(self, entry: dict[str, Any], image: np.ndarray) -> np.ndarray:
        mask = read_mask(Path(self.folder) / entry["mask"])
        if mask.shape != image.shape[:2]:
            raise ValueError(
                f"the mask {entry['mask']!r} is {mask.shape[1]} x {mask.shape[0]} and its image "
                f"{image.shape[1]} x {image.shape[0]}: a mask needs the size of its image"
            )
        return mask

    def describe(self) -> dict[str, Any]:
        """Digest over the listing."""
        digest = hashlib.sha256(json.dumps(self._pictures, sort_keys=True).encode())
        return {"source": self.name, "pictures": len(self), "sha256": digest.hexdigest()}

    def fingerprint(self, index: int) -> str:
        image, entries = self._pictures[index]
        return printed([Path(self.folder) / name for name in (image, *(entry["mask"] for entry in entries))])


class DataSource:
    """Pictures of a data set of `csp.data`, each with the queries of all its items: RIO has several a picture.

    ``limit`` pictures are drawn by ``seed``, in their order. A truth with no mask of its own for a query leaves the query
    out, as LISA does.
    """

    def __init__(
        self, name: str, root: str | Path | None = None, overlap: str = "official", limit: int | None = None, seed: int = 0
    ) -> None:
        from csp import data

        self._asked = (name, root, overlap, limit, seed)
        self._data = data.open(name, root, overlap)
        places: dict[Path, list[int]] = {}
        for index in range(len(self._data)):
            places.setdefault(self._data.path(index), []).append(index)
        pictures = list(places.items())
        if limit is not None and limit < len(pictures):
            drawn = np.random.default_rng(seed).permutation(len(pictures))[:limit]
            pictures = [pictures[at] for at in sorted(drawn)]
        self._pictures = pictures

    def __reduce__(self) -> tuple[Any, ...]:
        # Another process opens it for itself.
        return DataSource, self._asked

    @property
    def name(self) -> str:
        return self._data.name

    def __len__(self) -> int:
        return len(self._pictures)

    def picture(self, index: int) -> str:
        return self._pictures[index][0].name

    def samples(self, index: int) -> tuple[Sample, ...]:
        path, places = self._pictures[index]
        image = images.read(path)
        found: list[Sample] = []
        for item in (self._data[place] for place in places):
            for query, truth in zip(item.queries, item.truth, strict=False):
                found.append(Sample(path.name, len(found), image, query, truth, self.name, template=item.form))
        return tuple(found)

    def fingerprint(self, index: int) -> str:
        _, places = self._pictures[index]
        return printed(dict.fromkeys(source for place in places for source in self._data[place].sources))

    def describe(self) -> dict[str, Any]:
        """The listings by their sha256, how truths are drawn, and which pictures were drawn."""
        import cv2

        name, _, overlap, limit, seed = self._asked
        listings = {path.name: printed([path], 64) for path in self._data.files()}
        drawn = {} if limit is None else {"limit": limit, "seed": seed}
        return {
            "source": name, "overlap": overlap, "pictures": len(self), **drawn, "listings": listings, "opencv": cv2.__version__
        }  # fmt: skip


class Several:
    """Several sources one after the other, without the pictures whose names are in ``left_out``."""

    def __init__(self, sources: tuple[Source, ...], left_out: frozenset[str] = frozenset()) -> None:
        self.sources, self.left_out = sources, left_out
        self._places = [
            (source, index)
            for source in sources
            for index in range(len(source))
            if not isinstance(source, DataSource) or source.picture(index) not in left_out
        ]

    def __reduce__(self) -> tuple[Any, ...]:
        return Several, (self.sources, self.left_out)

    @property
    def name(self) -> str:
        return " + ".join(source.name for source in self.sources)

    def __len__(self) -> int:
        return len(self._places)

    def picture(self, index: int) -> str:
        source, place = self._places[index]
        return f"{source.name}/{source.picture(place)}"

    def samples(self, index: int) -> tuple[Sample, ...]:
        source, place = self._places[index]
        return source.samples(place)

    def fingerprint(self, index: int) -> str:
        source, place = self._places[index]
        return source.fingerprint(place)

    def describe(self) -> dict[str, Any]:
        left = hashlib.sha256("\n".join(sorted(self.left_out)).encode()).hexdigest()
        return {
            "source": self.name, "pictures": len(self), "of": [source.describe() for source in self.sources],
            "pictures of val and test left out": left,
        }  # fmt: skip


def source_named(name: str, root: str | Path | None, overlap: str, limit: int | None, seed: int) -> Source:
    """A data set by its name, or a folder of one's own: triples in ``samples.jsonl``, ReasonSeg's format or COCO's."""
    if Path(name).is_dir() and (Path(name) / "samples.jsonl").is_file():
        return FolderSource(Path(name), (), limit)
    return DataSource(name, root, overlap, limit, seed)


def printed(paths: Iterable[Path], length: int = 16) -> str:
    """A fingerprint of files, of ``length`` hexadecimal digits."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError:
            digest.update(b"missing")
    return digest.hexdigest()[:length]


def read_mask(path: Path) -> np.ndarray:
    """A mask from a file, bool [H, W]: every value or palette index but 0, alpha left aside. ValueError for
    what is no picture.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=images.FORMATS) as opened:
            mask = np.asarray(ImageOps.exif_transpose(opened))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"the mask {str(path)!r} cannot be read ({error}): save it as PNG") from error
    if mask.ndim == 2:
        return mask.astype(bool)
    colours = mask[..., : 1 if mask.shape[2] == 2 else 3]
    return np.asarray(colours.any(axis=2))


def families(rows: Sequence[str]) -> tuple[str, ...]:
    """The families that occur, the park's in their usual order, others after them as they come."""
    there = dict.fromkeys(rows)
    return tuple(f for f in language.FAMILIES if f in there) + tuple(
        f for f in there if f not in language.FAMILIES
    )
