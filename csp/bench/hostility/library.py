"""Kinds that a program hands to the library, in this process: pictures, saved runs, folders, checkpoints, what is forced."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from csp import images
from csp.bench.hostility.cases import Case, Wrong
from csp.bench.hostility.values import PLACES, Lot, changed, damaged, image_file, junk, nested, pick
from csp.methods import METHODS
from csp.types import Request, Result

HEARD: list[str] = []
"""What this process's audit hook heard and nobody has asked for yet."""


class Here:
    """A kind whose work this process does."""

    name = ""

    def process(self) -> int:
        return os.getpid()

    def told(self) -> list[str]:
        heard = HEARD[:]
        HEARD.clear()
        return heard


def refused(work: Callable[[], Any], fine: Callable[[Any], object] = lambda _: None) -> str:
    """The words of the ValueError that work ends in; empty where it gives what is ``fine``."""
    try:
        made = work()
    except ValueError as error:
        return str(error) or "(no word)"
    fine(made)
    return ""


class Pictures(Here):
    """Files of pictures, read as every program and the page read them."""

    name = "picture files"

    def ordinary(self) -> Sequence[Case]:
        sound = image_of(np.zeros((300, 200, 3), np.uint8))
        return (Case("a PNG", lambda: refused(lambda: images.read(sound), self._fine)),)

    def case(self, lot: Lot) -> Case:
        words, data = image_file(lot)
        longest = pick(lot, (None, None, 256))
        return Case(words, lambda: refused(lambda: images.read(data, longest), self._fine))

    def _fine(self, made: Any) -> None:
        if made.dtype != np.uint8 or made.ndim != 3 or made.shape[2] != 3 or not 1 <= made.shape[0] * made.shape[1] <= 40_000_000:
            raise Wrong(f"read as {made.dtype} {made.shape}")
        if max(made.shape) > images.MAX_SIDE:
            raise Wrong(f"a side of {max(made.shape)} was let in")


def image_of(array: np.ndarray) -> bytes:
    """A PNG."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(array).save(out, "PNG")
    return out.getvalue()


class SavedRuns(Here):
    """Files of `Result.save`, opened and drawn in every way that the page and the programs draw them."""

    name = "saved runs"

    def __init__(self, run: Result, folder: Path):
        out = io.BytesIO()
        run.save(out)
        self.sound, self.folder = out.getvalue(), folder
        with np.load(io.BytesIO(self.sound)) as file:
            self.arrays = dict(file)
        self.header = json.loads(self.arrays.pop("meta").tobytes())

    def ordinary(self) -> Sequence[Case]:
        return tuple(Case("a run", lambda d=d: self._open(self.sound, d), like) for d, like in ((False, ""), (True, "drawn")))  # type: ignore[misc]

    def case(self, lot: Lot) -> Case:
        words, data = self._file(lot)
        drawn = bool(lot.integers(12) == 0)
        return Case(words, lambda: self._open(data, drawn), "drawn" if drawn else "")

    def _file(self, lot: Lot) -> tuple[str, bytes]:
        what, sound = int(lot.integers(10)), json.dumps(self.header).encode()
        if what < 3:
            return "damaged bytes", damaged(self.sound, lot)
        if what < 7:
            return "another header", self._made(self.arrays, json.dumps(changed(self.header, lot)).encode("utf-8", "replace"))
        if what == 7:
            deep = json.dumps(nested(900)).encode()
            head = pick(lot, (b"", b"{", b"\xff\xfe", b"[]", b"null", deep, b"[" * 90_000, b"9" * 9999))
            return f"a header of {head[:12]!r}", self._made(self.arrays, head)
        if what == 8:
            outside = ("../../evil.npy", "/etc/cron.d/x.npy")
            extra = pick(lot, (*outside, "meta.npy", "image.npy", "a\x00b.npy", "x" * 3000 + ".npy"))
            return f"a member {extra[:20]!r} besides", self._made(self.arrays, sound, {extra: lot.bytes(200)})
        name = pick(lot, sorted(self.arrays))
        dtype = pick(lot, ("f2", "f4", "f8", "i8", "u1", "U3", "c8", "M8[s]", "O", "V4", "?"))
        shape = tuple(int(n) for n in lot.integers(0, 40, int(lot.integers(0, 4))))
        array = np.full(shape, None) if dtype == "O" else np.ones(shape, "u1").astype(dtype)
        if lot.integers(3) == 0 and self.arrays[name].dtype.kind == "f":
            array = np.full_like(self.arrays[name], pick(lot, (np.nan, np.inf, -1e30, 6e4, -1.0)))
        return f"{name} as {array.dtype} {array.shape}", self._made({**self.arrays, name: array}, sound)

    def _made(self, arrays: dict[str, np.ndarray], header: bytes, more: dict[str, bytes] | None = None) -> bytes:
        out = io.BytesIO()
        np.savez_compressed(out, **arrays, meta=np.frombuffer(header, np.uint8))  # type: ignore[arg-type]
        with zipfile.ZipFile(out, "a") as file:
            for name, data in (more or {}).items():
                file.writestr(zipfile.ZipInfo(name) if name else "x", data)
        return out.getvalue()

    def _open(self, data: bytes, drawn: bool) -> str:
        from csp.render import figures, typeset
        from csp.ui.viewer import packing

        def draw(run: Result) -> None:
            packing.saved(run)
            json.dumps(run.as_dict())
            run.save(io.BytesIO())
            if drawn:
                typeset.to_bytes(figures.stages([run]), "png")

        file = self.folder / "run.npz"
        file.write_bytes(data)
        return refused(lambda: Result.open(file), draw)


class Forcing(Here):
    """What a request forces, its method, knobs, seed and form, asked of the model itself."""

    name = "requests"

    def __init__(self, session: Any, image: np.ndarray):
        self.session, self.image = session, image
        N, L = session.card.N, session.card.L
        knobs = {"Lc": L // 4, "Nc": N // 4, "Ls": L // 4, "Np": N // 16, "cluster": "uniform"}
        self.base: dict[str, Any] = {
            "query": "the red ball",
            "method": "csp",
            "knobs": knobs,
            "seed": 0,
            "force": {"clustering": {"keep": [1, 2], "drop": [3]}, "pruning": {"keep": [0], "drop": [5]}},
            "template": "auto",
            "seg_mode": "teacher",
        }
        self.extremes: tuple[dict[str, Any], ...] = tuple(
            {"knobs": {**knobs, **turned}, "force": {"pruning": orders}}
            for turned in ({"Np": N}, {"Np": N, "Nc": N}, {"Np": 1}, {"Nc": 1, "Np": 1}, {"Lc": 0}, {"Ls": 0}, {"Lc": 0, "Ls": L})
            for orders in ({"drop": [0]}, {"drop": list(range(N))}, {"keep": list(range(N))}, {"keep": [0], "drop": [1]})
        )

    def ordinary(self) -> Sequence[Case]:
        return (Case("a request", lambda: self._ask(self.base)),)

    def case(self, lot: Lot) -> Case:
        if lot.integers(3) == 0:
            asked = {**self.base, **pick(lot, self.extremes), "method": pick(lot, ("csp", "csp", *METHODS))}
            if asked["method"] != "csp":
                asked["knobs"] = {}
        else:
            asked = changed(self.base, lot)
        return Case(f"{str(asked)[:120]}", lambda: self._ask(asked))

    def _ask(self, asked: dict[str, Any]) -> str:
        known = {"query": ""} | {name: asked[name] for name in self.base if name in asked}
        return refused(lambda: self.session.run(Request(self.image, **known)), self._fine)

    def _fine(self, run: Result) -> None:
        counted = 0 <= run.cost.n_avg <= self.session.card.N
        if run.mask.shape != self.image.shape[:2] or not np.isfinite(run.logits).all() or not counted:
            raise Wrong("the answer is no mask of the picture")


class Folders(Here):
    """A folder of one's own triples, and a folder of recorded runs with its index."""

    name = "folders of samples and runs"

    def __init__(self, run: Result, folder: Path):
        self.folder = folder / "samples"
        self.folder.mkdir(parents=True)
        (self.folder / "a.png").write_bytes(image_of(run.request.image))
        (self.folder / "m.png").write_bytes(image_of(run.mask.astype(np.uint8) * 255))
        run.save(self.folder / "one.npz")
        from csp import recordings

        entries, _ = recordings.read(self.folder)
        recordings.write_index(self.folder, entries)
        self.index = json.loads((self.folder / recordings.INDEX).read_text())
        self.line = {"image": "a.png", "query": "the red ball", "mask": "m.png", "family": "ref"}

    def ordinary(self) -> Sequence[Case]:
        return (
            Case("samples", lambda: self._samples(json.dumps(self.line).encode()), "samples"),
            Case("runs", lambda: self._runs(json.dumps(self.index).encode()), "runs"),
        )

    def case(self, lot: Lot) -> Case:
        base, act, like = pick(lot, ((self.line, self._samples, "samples"), (self.index, self._runs, "runs")))
        if lot.integers(3) == 0:
            data = damaged(json.dumps(base).encode(), lot)
        else:
            told = changed(base, lot)
            if like == "samples" and isinstance(told, dict) and lot.integers(3) == 0:
                told[pick(lot, ("image", "mask"))] = pick(lot, PLACES)
            data = json.dumps(told).encode("utf-8", "replace")
        return Case(f"{like} {data[:90]!r}", lambda: act(data), like)

    def _samples(self, data: bytes) -> str:
        from csp.samples import FolderSource

        (self.folder / "samples.jsonl").write_bytes(data)
        return refused(lambda: FolderSource(self.folder).samples(0))

    def _runs(self, data: bytes) -> str:
        from csp.ui.recorded import Recorded

        (self.folder / "index.json").write_bytes(data)

        def look(made: Recorded) -> None:
            json.dumps(made.gallery())
            made.packet(made.entries[0].file)

        return refused(lambda: Recorded(self.folder), look)


class Checkpoints(Here):
    """Folders of models with something missing, cut, misshapen, pointing elsewhere; loaded, and looked at by csp.inspect."""

    name = "checkpoints"

    def __init__(self, model: Path, folder: Path):
        self.model, self.folder = model, folder / "checkpoint"
        self.files = sorted(file.relative_to(model) for file in model.rglob("*") if file.is_file() and "yolo" not in file.parts)
        self.json = [file for file in self.files if file.suffix == ".json"]

    def ordinary(self) -> Sequence[Case]:
        return (Case("the model itself", lambda: self._load(lambda: None)),)

    def case(self, lot: Lot) -> Case:
        file = pick(lot, self.files)
        what = int(lot.integers(8))
        if what == 0:
            return Case(f"{file} missing", lambda: self._load(lambda: (self.folder / file).unlink()))
        if what == 1:
            return Case(f"{file} is a folder", lambda: self._load(lambda: self._put(file, None)))
        if what == 2:
            return Case(f"{file} is a link to itself", lambda: self._load(lambda: self._link(file)))
        if what == 3:
            data = damaged((self.model / file).read_bytes()[:20_000], lot)
            return Case(f"{file} damaged and cut", lambda: self._load(lambda: self._put(file, data)))
        if what == 4:
            endless = (1 << 62).to_bytes(8, "little") + b"{"
            data = pick(lot, (b"", b"{}", b"[]", b"null", b"\x80\x04.", b"PK\x03\x04", b"[" * 50_000, endless))
            return Case(f"{file} holds {data[:12]!r}", lambda: self._load(lambda: self._put(file, data)))
        file = pick(lot, self.json)
        told = json.loads((self.model / file).read_text())
        if "weight_map" in told and lot.integers(2):
            told["weight_map"][pick(lot, sorted(told["weight_map"]))] = pick(lot, (*PLACES, junk(lot)))
        else:
            told = changed(told, lot)
        data = json.dumps(told).encode("utf-8", "replace")
        return Case(f"{file} changed", lambda: self._load(lambda: self._put(file, data)))

    def _put(self, file: Path, data: bytes | None) -> None:
        (self.folder / file).unlink()
        (self.folder / file).mkdir() if data is None else (self.folder / file).write_bytes(data)

    def _link(self, file: Path) -> None:
        (self.folder / file).unlink()
        (self.folder / file).symlink_to(self.folder / file)

    def _load(self, spoil: Callable[[], object]) -> str:
        from csp.checkpoints import load
        from csp.inspect import inspect

        shutil.rmtree(self.folder, ignore_errors=True)
        for file in self.files:
            (self.folder / file).parent.mkdir(parents=True, exist_ok=True)
            put = os.link if _same(self.model, self.folder) else shutil.copy
            put(self.model / file, self.folder / file)
        spoil()
        looked = refused(lambda: inspect(self.folder))
        return refused(lambda: load(self.folder, device="cpu", instances=False)) or looked


def _same(one: Path, other: Path) -> bool:
    """Whether both lie on one file system, so that files may be linked."""
    return one.stat().st_dev == other.parent.stat().st_dev
