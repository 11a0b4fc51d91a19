"""ReasonSeg: a picture and a JSON file beside it, with the question and polygons in their own drawing order."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from csp.data import masks
from csp.data.files import inside, need, read_json
from csp.data.items import Form, Item, Overlap, place, stacked

WHAT = "ReasonSeg"
_TURNED = (5, 6, 7, 8)


class ReasonSeg:
    """Pictures of a folder by name, each with the JSON file of its name.

    ``every``: all wordings of a picture (training), where validation takes the first alone. Masks hold 1 for the target
    and 255 for what is not scored; training takes what is not 1 as background.
    """

    def __init__(
        self, folder: Path, name: str, overlap: Overlap = "official", every: bool = False, kinds: tuple[str, ...] = (".jpg",)
    ) -> None:
        self.name, self.overlap, self.folder, self._every = name, overlap, folder, every
        if not folder.is_dir():
            raise ValueError(f"there is no folder {folder}: {WHAT}'s pictures and their JSON files belong there")
        self._paths = sorted(p for p in folder.iterdir() if p.suffix in kinds and p.name[0] != "." and p.is_file())
        if not self._paths:
            raise ValueError(f"{folder} holds no {' or '.join(kinds)} picture: {WHAT}'s pictures and JSON files belong there")

    def __len__(self) -> int:
        return len(self._paths)

    def path(self, index: int) -> Path:
        return self._paths[place(index, len(self), self.name)]

    def files(self) -> tuple[Path, ...]:
        return ()

    def __getitem__(self, index: int) -> Item:
        path = self.path(index)
        texts, form, shapes, beside = annotation(path)
        queries = tuple(text.strip() for text in (texts if self._every else texts[:1]))
        if form == "refer" and not self._every:  # LISA lowers what it trains on, not what it validates with
            form = "phrase"
        return item(path, queries, form, shapes, (path, beside))


class Explanatory:
    """The questions of ``explanatory/train.json`` with their written answers (`Item.note`), on training pictures."""

    def __init__(self, base: Path, name: str, overlap: Overlap = "official") -> None:
        self.name, self.overlap, self._base = name, overlap, base
        self._file = base / "explanatory/train.json"
        found = read_json(self._file, f"{WHAT}'s explanations")
        right = isinstance(found, list) and all(
            isinstance(e, dict) and all(isinstance(e.get(key), str) for key in ("image", "query", "outputs")) for e in found
        )
        if not right:
            raise ValueError(f"{self._file} must hold a list of image, query and outputs: fetch it again")
        self._entries = found

    def __len__(self) -> int:
        return len(self._entries)

    def path(self, index: int) -> Path:
        entry = self._entries[place(index, len(self), self.name)]
        return inside(self._base / "train", entry["image"], f"{self._file}: entry {index}")

    def files(self) -> tuple[Path, ...]:
        return (self._file,)

    def __getitem__(self, index: int) -> Item:
        path, entry = self.path(index), self._entries[index]
        _, form, shapes, beside = annotation(path)
        return item(path, (entry["query"].strip(),), form, shapes, (path, beside), entry["outputs"])


def item(path: Path, queries: tuple[str, ...], form: Form, shapes: list[Any], sources: tuple[Path, ...], note: str = "") -> Item:
    size = picture_size(path)
    return Item(path.stem, path, queries, form, size, partial(_draw, shapes, size, len(queries), sources[-1]), sources, note)


def _draw(shapes: list[Any], size: tuple[int, int], K: int, path: Path) -> masks.Mask:
    return stacked([masks.reasonseg(shapes, size, str(path))] * K, size)


def annotation(picture: Path) -> tuple[list[str], Form, list[Any], Path]:
    """The wordings, their form and the shapes that the JSON file beside a picture holds, and that file.

    It is read as UTF-8, and again as cp1252 where that fails, as LISA does.
    """
    path = need(picture.with_suffix(".json"), f"the question about {picture.name}")
    data = path.read_bytes()
    try:
        found = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        try:
            found = json.loads(data.decode("cp1252"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path} is damaged ({str(error)[:120]}): fetch {WHAT} again") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} must hold text, is_sentence and shapes, got {type(found).__name__}")
    missing = [key for key in ("text", "is_sentence", "shapes") if key not in found]
    if missing:
        lacking = " and ".join(missing)
        raise ValueError(f"{path} lacks {lacking}, as two files of the published test set do: leave it out, or fetch it again")
    texts, shapes = found["text"], found["shapes"]
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{path}: text must be a list of at least one question, got {texts!r:.60}")
    if not isinstance(shapes, list):
        raise ValueError(f"{path}: shapes must be a list, got {shapes!r:.60}")
    return texts, "sentence" if found["is_sentence"] else "refer", shapes, path


def picture_size(path: Path) -> tuple[int, int]:
    """(H, W) of a picture as it is shown, EXIF's rotation applied, from its header alone."""
    from PIL import Image

    from csp.images import FORMATS

    need(path, "a picture")
    try:
        with Image.open(path, formats=FORMATS) as opened:
            width, height = opened.size
            if opened.getexif().get(0x0112) in _TURNED:
                width, height = height, width
    except Exception as error:  # damaged headers raise OSError, SyntaxError, struct.error, ...
        raise ValueError(f"{path} is no picture that can be read ({str(error)[:80]}): fetch it again") from error
    return masks.check_size(height, width, str(path))
