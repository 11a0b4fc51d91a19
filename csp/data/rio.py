"""RIO: intentions, an entry a task; a picture has several.

The files are lists of tens of thousands of entries: only where each stands is kept, and one is read when it is wanted.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from csp.data import masks
from csp.data.files import need, stream_json
from csp.data.items import Item, Overlap, check_query, place

WHAT = "RIO's list of intentions"


class RIO:
    """``common`` or ``uncommon`` (both tests, on COCO's val2014) or ``train`` (train2014), below ``root``."""

    def __init__(self, root: Path, kind: str, overlap: Overlap = "official") -> None:
        self.name, self.overlap = f"rio:{kind}", overlap
        base = root / "reason_seg/RIO" if (root / "reason_seg").is_dir() else root / "RIO"
        pattern = "*train*.json" if kind == "train" else f"*_{kind}*.json"
        self._file = next(iter(sorted(base.glob(pattern))), base / f"RIO_{kind}_all_thing.json")
        need(self._file, WHAT)
        years = "train2014" if kind == "train" else "val2014"
        there = (root / "coco2014" / years, root / "refer_seg/images/mscoco/images" / years)
        self._pictures = next((folder for folder in there if folder.is_dir()), there[0])
        self._years = years
        spans, ids = [], []
        for number, (start, length, entry) in enumerate(stream_json(self._file, WHAT)):
            image_id = entry.get("image_id") if isinstance(entry, dict) else None
            if type(image_id) is not int or image_id < 0:
                raise ValueError(f"{self._file}: entry {number} has no image_id: fetch it again")
            spans.append((start, length))
            ids.append(image_id)
        if not spans:
            raise ValueError(f"{self._file} lists nothing: fetch {WHAT} again")
        self._spans, self._ids = np.asarray(spans, np.int64), np.asarray(ids, np.int64)

    def __len__(self) -> int:
        return len(self._ids)

    def path(self, index: int) -> Path:
        image_id = int(self._ids[place(index, len(self), self.name)])
        return self._pictures / f"COCO_{self._years}_{image_id:012d}.jpg"

    def files(self) -> tuple[Path, ...]:
        return (self._file,)

    def __getitem__(self, index: int) -> Item:
        index = place(index, len(self), self.name)
        entry, where = self._entry(index), f"{self._file}: entry {index}"
        told = entry.get("expressions")
        told = [told] if isinstance(told, str) else told
        if not isinstance(told, list) or not told:
            raise ValueError(f"{where} has no expressions: fetch {WHAT} again")
        queries = tuple(check_query(text, f"{where}: an expression").strip() for text in told)
        size = masks.check_size(entry.get("height"), entry.get("width"), where)
        task = entry.get("task_id")
        if not isinstance(task, int | str):
            raise ValueError(f"{where} has no task_id: fetch {WHAT} again")
        path, draw = self.path(index), partial(self._draw, entry.get("mask_list"), size, where)
        return Item(f"{index}_{task}", path, queries, "sentence", size, draw, (path,))

    def _entry(self, index: int) -> dict[str, Any]:
        start, length = self._spans[index]
        with self._file.open("rb") as file:
            file.seek(start)
            return dict(json.loads(file.read(length)))

    def _draw(self, instances: Any, size: tuple[int, int], where: str) -> masks.Mask:
        """Instances joined bit by bit on the number of their parts, as VLTP's reader does: 2 or 1 makes 3."""
        if not isinstance(instances, list):
            raise ValueError(f"{where} has no mask_list: fetch {WHAT} again")
        joined = np.zeros(size, np.int64)
        for instance in instances:
            joined |= masks.coco(instance, size, where)
        return masks.settled(joined, self.overlap)[None]
