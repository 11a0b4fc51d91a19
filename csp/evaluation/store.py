"""Rows on disk: a line each below a header that says what they are rows of; a file a process, one file in the end.

Only where a picture's rows stand is kept in memory, so that a million samples take no more of it than a thousand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

Row = dict[str, Any]
WHOLE = "results.jsonl"
UNASKED = "unasked"  # in the one line of a picture that admits no query of those asked for


class Span(NamedTuple):
    """Where the rows of a picture stand."""

    file: Path
    start: int
    end: int


class Rows:
    """The rows of a finished evaluation, read from its file each time they are gone through.

    ``bad`` names the pictures that could not be scored and why; their lines are not among the rows, nor those that say that
    a picture was asked nothing.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.bad: dict[str, str] = {row["scene"]: row["bad"] for row in self._lines() if "bad" in row}

    def __iter__(self) -> Iterator[Row]:
        return (row for row in self._lines() if "bad" not in row and UNASKED not in row)

    def _lines(self) -> Iterator[Row]:
        with self.file.open(encoding="utf-8") as file:
            next(file)
            yield from map(json.loads, file)


class Store:
    """The files of one evaluation in a folder. ``name`` is this process's own file; the first line of each is the header.

    Opening a folder with rows of something else raises ValueError.
    """

    def __init__(self, folder: Path, header: Mapping[str, Any], name: str = WHOLE) -> None:
        self.folder, self.file = folder, folder / name
        self._header = json.loads(json.dumps(header))
        self._out: Any = None

    def done(self, still: Callable[[str], str] = lambda scene: "") -> dict[str, Span]:
        """Pictures whose rows are all there, whoever wrote them, and whose files are as they were: ``still`` gives the
        fingerprint of a picture's files today. What a stopped process left half-written counts as not done, and a picture
        that could not be scored is tried again.
        """
        found: dict[str, Span] = {}
        for file in sorted(self.folder.glob("results*.jsonl")):
            for scene, span, rows in self._pictures(file):
                whole = len(rows) == rows[0].get("of")
                if whole and "bad" not in rows[0] and rows[0].get("file", "") == still(scene):
                    found[scene] = span
        return found

    def tried(self) -> dict[str, Span]:
        """Pictures that could not be scored, as the last that tried them says."""
        found: dict[str, Span] = {}
        # A process's own file is newer than what was merged before.
        for file in sorted(self.folder.glob("results*.jsonl"), reverse=True):
            found |= {scene: span for scene, span, rows in self._pictures(file) if "bad" in rows[0]}
        return found

    def _pictures(self, file: Path) -> Iterator[tuple[str, Span, list[Row]]]:
        """Each picture's rows together. Those of a picture that was begun and stopped stand apart from those of its second
        try, since a query and run is met again.
        """
        rows: list[Row] = []
        keys: set[tuple[Any, Any]] = set()
        start = end = 0
        with file.open("rb") as lines:
            for number, line in enumerate(lines):
                try:
                    row = json.loads(line) if line.endswith(b"\n") else None
                except ValueError:
                    row = None
                if row is None:
                    break
                if number == 0:
                    if row != {"header": self._header}:
                        raise ValueError(
                            f"{file} holds rows of another evaluation (model, samples or runs differ): "
                            "choose another --out folder, or delete it"
                        )
                else:
                    key = (row.get("query"), row.get("run"))
                    if rows and (rows[0]["scene"] != row["scene"] or "bad" in rows[0] or "bad" in row or key in keys):
                        yield rows[0]["scene"], Span(file, start, end), rows
                        rows, keys = [], set()
                    start = start if rows else end
                    rows.append(row)
                    keys.add(key)
                end += len(line)
        if rows:
            yield rows[0]["scene"], Span(file, start, end), rows

    def write(self, rows: Sequence[Row]) -> None:
        if self._out is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._mend()
            self._out = self.file.open("a", encoding="utf-8")
            if not self._out.tell():
                self._out.write(json.dumps({"header": self._header}) + "\n")
        self._out.write("".join(json.dumps(row) + "\n" for row in rows))
        self._out.flush()

    def _mend(self) -> None:
        """Cut off a last line that was not written to its end."""
        if not self.file.is_file():
            return
        whole = 0
        with self.file.open("rb") as file:
            for line in file:
                whole += len(line) if line.endswith(b"\n") else 0
        with self.file.open("r+b") as file:
            file.truncate(whole)

    def finish(self, spans: Sequence[Span]) -> Rows:
        """One file with the given pictures in order, in place of what the processes wrote."""
        self.folder.mkdir(parents=True, exist_ok=True)
        whole = self.folder / WHOLE
        draft = whole.with_suffix(".part")
        opened = {}
        try:
            with draft.open("wb") as out:
                out.write(json.dumps({"header": self._header}).encode() + b"\n")
                for span in spans:
                    if span.file not in opened:
                        opened[span.file] = span.file.open("rb")
                    opened[span.file].seek(span.start)
                    out.write(opened[span.file].read(span.end - span.start))
        finally:
            for file in opened.values():
                file.close()
        draft.replace(whole)
        for left in self.folder.glob("results-*.jsonl"):
            left.unlink()
        return Rows(whole)

    def close(self) -> None:
        if self._out is not None:
            self._out.close()
            self._out = None
