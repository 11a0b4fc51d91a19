"""Files as they come: each that is missing, damaged or hostile is answered with one sentence.

The sentence is a ValueError that says which file, what was expected of it, and what to do.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

from csp.data.opcodes import Forbidden, scan

MOST_BYTES = 256 * 2**20
CHUNK = 2**20


def need(path: Path, what: str) -> Path:
    """``path`` if there is such a file."""
    if not path.is_file():
        raise ValueError(f"there is no {path}: {what} belongs there")
    if not path.stat().st_size:
        raise ValueError(f"{path} is empty: fetch {what} again")
    return path


def inside(folder: Path, name: Any, where: str) -> Path:
    """The file ``name`` below ``folder``. Raises ValueError for a name that leads out of it."""
    if not isinstance(name, str) or not name:
        raise ValueError(f"{where} must name a file, got {name!r:.80}")
    parts = PureWindowsPath(name)
    if "\0" in name or parts.anchor or ".." in parts.parts:
        raise ValueError(f"{where} names {name[:80]!r}, which leads out of {folder}: give a name below that folder")
    return folder / name


def read_json(path: Path, what: str) -> Any:
    """What a JSON file holds, read as UTF-8."""
    need(path, what)
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({str(error)[:120]}): fetch {what} again") from error


def stream_json(path: Path, what: str) -> Iterator[tuple[int, int, Any]]:
    """The entries of a JSON list one by one, as (first byte, bytes, value): of a large file, only one is in memory."""
    need(path, what)
    decoder, text, at, start = json.JSONDecoder(), "", 0, 0

    def damaged(why: object) -> ValueError:
        return ValueError(f"{path} is damaged ({str(why)[:120]}): fetch {what} again")

    def past(chars: str, at: int) -> int:
        while at < len(text) and text[at] in chars:
            at += 1
        return at

    with path.open(encoding="utf-8", newline="") as file:
        try:
            text = file.read(CHUNK)
            at = past(" \t\r\n", 0)
            if text[at : at + 1] != "[":
                raise damaged("it must hold a list")
            at += 1
            done = 0  # characters of text that `start` has counted
            while True:
                at = past(" \t\r\n,", at)
                if text[at : at + 1] == "]":
                    return
                start, done = start + len(text[done:at].encode()), at
                try:
                    value, end = decoder.raw_decode(text, at)
                except json.JSONDecodeError as error:
                    more = file.read(CHUNK)
                    if not more:
                        raise damaged(error) from error
                    text, at, done = text[at:] + more, 0, 0
                    continue
                length = len(text[at:end].encode())
                yield start, length, value
                start, done, at = start + length, end, end
        except (UnicodeDecodeError, RecursionError) as error:
            raise damaged(error) from error


class _Plain(pickle.Unpickler):
    """Builds lists, dicts, texts and numbers; knows no global at all."""

    def find_class(self, module: str, name: str) -> Any:
        raise Forbidden(f"the global {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise Forbidden(f"the persistent object {pid!r:.40}")


def read_pickle(path: Path, what: str) -> Any:
    """What a pickle of protocol 0 to 2 holds, if that is built of lists, dicts, texts and numbers alone.

    Raises ValueError naming whatever else stands in it, before anything is built.
    """
    need(path, what)
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} has more than {MOST_BYTES // 2**20} MB: {what} is smaller")
    try:
        with path.open("rb") as file:
            scan(file.read())
        # Python 2 wrote bytes for text: ASCII in the published files.
        with path.open("rb") as file:
            try:
                return _Plain(file, encoding="utf-8").load()
            except UnicodeDecodeError:
                file.seek(0)
                return _Plain(file, encoding="latin-1").load()
    except Forbidden as error:
        raise ValueError(f"{path} is refused: it holds {error}, which {what} has no use for") from error
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ValueError(f"{path} is damaged ({str(error)[:120]}): fetch {what} again") from error
