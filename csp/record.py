"""Runs for a gallery: ``python -m csp.record --model xinlai/LISA-7B-v1 --list runs.jsonl --out runs/`` runs a list of requests
and saves each with all that it is looked at beside; ``python app.py --runs runs/`` then shows them where there is no model.

A line of the list is a JSON object: a picture ("image": "a.jpg", beside the list, or a park "scene": 7) and a "query"; if wanted
"method": "fastv", "knobs": {"K": 2}, "seed", "seg_mode", "template", and the true mask as a picture, "mask": "a-cup.png".
Everything is checked before a weight is read; runs that are there already are kept, so that an ended program goes on where it
stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from csp import images, recordings
from csp.checks import check_choice, check_integer, read_json, shorten, shown
from csp.flags import Parser
from csp.recordings import Entry
from csp.reference import reference
from csp.types import Request

if TYPE_CHECKING:
    from csp.session import Session

FIELDS = ("image", "scene", "query", "mask", "method", "knobs", "seed", "seg_mode", "template", "family")
MOST_LINES = recordings.MOST_RUNS
LONGEST = 2**16


@dataclass(frozen=True)
class Line:
    """One request of a list, checked: its picture is read when its turn comes. ``key`` tells it from others."""

    where: str
    query: str
    method: str
    knobs: dict[str, Any]
    seed: int
    key: str
    image: Path | None = None
    scene: int | None = None
    mask: Path | None = None
    how: tuple[tuple[str, str], ...] = ()

    def request(self, model: str) -> tuple[Request, np.ndarray | None]:
        """The request, and the true mask bool [H, W] where one is known. Raises ValueError for a picture that will not do."""
        if self.image is None:
            from csp.park import scene

            drawn = scene(self.scene or 0, split="test")
            known = (*drawn.spoken, *drawn.queries)
            picture, truth = drawn.image, next((mask for _, text, mask in known if text == self.query), None)
        else:
            from csp.samples import read_mask

            picture, truth = images.read(self.image), None if self.mask is None else read_mask(self.mask)
        if truth is not None and truth.shape != picture.shape[:2]:
            raise ValueError(f"the mask is {list(truth.shape)} and its picture {list(picture.shape[:2])}: they must agree")
        asked = Request(picture, self.query, self.method, self.knobs, self.seed, model)
        return replace(asked, **dict(self.how)), truth  # type: ignore[arg-type]


def read_list(path: Path) -> list[Line]:
    """The requests of a list. Raises ValueError naming the line that will not do."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"--list {path} cannot be read ({error}): give a text file of one JSON object a line") from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not 1 <= len(lines) <= MOST_LINES:
        raise ValueError(f"{path} must have 1 to {MOST_LINES} requests, one a line, got {len(lines)}")
    out: list[Line] = []
    for number, line in lines:
        where = f"{path.name}, line {number}"
        try:
            out.append(_line(read_json(line, "it", LONGEST), where, path.parent))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    return out


def _line(told: Any, where: str, folder: Path) -> Line:
    from csp.methods import METHODS, build

    if not isinstance(told, dict):
        raise ValueError(f'it must be an object such as {{"image": "a.jpg", "query": "the red cup"}}, got {shown(told)}')
    strange = sorted(set(told) - set(FIELDS))
    if strange:
        raise ValueError(f"{shown(strange[0])} is not one of {', '.join(FIELDS)}")
    if ("image" in told) == ("scene" in told):
        raise ValueError("give an image or a scene, one of the two")
    query = told.get("query")
    if not isinstance(query, str) or not 1 <= len(query.strip()) <= 512:
        raise ValueError(f"query must have 1 to 512 characters, got {shown(query)}")
    files = {name: _file(name, told[name], folder) for name in ("image", "mask") if name in told}
    scene = check_integer("scene", told["scene"], 0, 2**31 - 1) if "scene" in told else None
    method = check_choice("method", told.get("method", "csp"), tuple(METHODS))
    knobs = told.get("knobs", {})
    if not isinstance(knobs, dict):
        raise ValueError(f"knobs must be an object, got {shown(knobs)}")
    build(METHODS[method], knobs)
    seed = check_integer("seed", told.get("seed", 0), 0, 2**31 - 1)
    known = {"seg_mode": ("teacher", "generated"), "template": ("auto", "refer", "phrase", "sentence", "chat")}
    how = tuple((name, check_choice(name, told[name], choices)) for name, choices in known.items() if name in told)
    key = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    return Line(where, query.strip(), method, knobs, seed, key, files.get("image"), scene, files.get("mask"), how)


def _file(name: str, told: Any, folder: Path) -> Path:
    path = folder / told if isinstance(told, str) and told and "\0" not in told else None
    if path is None or not path.is_file():
        raise ValueError(f"{name} {shown(told)} is no file; paths are relative to the list")
    return path


def record(session: Session, lines: Sequence[Line], out: Path, tell: Callable[[str], None] = lambda text: None) -> list[Entry]:
    """Run what is not there yet and save it in `out` with an index; the index of all.

    A run is a file or it is not: each is written beside its place and then moved there. Raises ValueError naming the line
    whose picture or setting the model refuses; what was made before it stays.
    """
    out.mkdir(parents=True, exist_ok=True)
    before = [one for one in recordings.read_index(out).values() if (out / one.file).is_file()]
    had = {one.asked: one for one in before if one.asked}
    made: list[Entry] = []
    keys = [f"{session.card.name} {line.key}" for line in lines]
    began, fresh = time.perf_counter(), 0
    for i, (line, key) in enumerate(zip(lines, keys, strict=True)):
        if key in had:
            made.append(had[key])
            continue
        try:
            request, truth = line.request(session.card.name)
            result = session.run(request)
            result = replace(result, reference=reference(session, request, truth))
        except ValueError as error:
            raise ValueError(f"{line.where}: {error}") from error
        slug = re.sub(r"[^a-z0-9]+", "-", line.query.lower())[:40].strip("-") or "query"
        file = out / f"{i + 1:03d}-{slug}-{line.method}-{line.key[:6]}.npz"
        with open(partial := file.with_suffix(".partial"), "wb") as stream:
            result.save(stream)
        os.replace(partial, file)
        made.append(recordings.entry(result, file, key))
        fresh += 1
        spent = (time.perf_counter() - began) / fresh
        tell(f"{i + 1} of {len(lines)}: {file.name}, about {spent * (len(lines) - i - 1):.0f} s left")
        recordings.write_index(out, _together(made, before))
    recordings.write_index(out, _together(made, before))
    return made


def _together(made: Sequence[Entry], before: Sequence[Entry]) -> list[Entry]:
    """This list's runs in its order, then what else was in the folder."""
    files = {one.file for one in made}
    return [*made, *(one for one in before if one.file not in files)]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns 0, or 2 after one line on what is wrong with the request."""
    try:
        args = _parser().parse_args(argv)
        # All that can be refused is refused before weights are read.
        lines = read_list(args.list)
        if args.out.exists() and not args.out.is_dir():
            raise ValueError(f"--out {args.out} is a file: give a folder")
        from csp.checkpoints import load
        from csp.session import Session

        told = ("clip", "sam", "instances", "device", "dtype", "quantize", "offload_sam", "backend")
        session = Session(load(args.model, **{name: getattr(args, name) for name in told}))
        made = record(session, lines, args.out, lambda text: print(text, file=sys.stderr))
    except (ValueError, OSError) as error:
        print(f"record: {shorten(str(error), 600)}", file=sys.stderr)
        return 2
    print(f"{len(made)} runs in {args.out}; python app.py --runs {args.out} shows them")
    return 0


def _parser() -> Parser:
    main = Parser(
        prog="python -m csp.record",
        description=(__doc__ or "").split("\n\n")[0],
        epilog=(__doc__ or "").split("\n\n")[1],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main.add_argument("--model", default="park", help="park, a folder, or a hub id (default: park)")
    main.add_argument("--list", required=True, type=Path, help="requests, one JSON object a line")
    main.add_argument("--out", default="runs", type=Path, help="folder to write to (default: runs)")
    main.add_argument("--clip", help="the vision tower's folder or hub id (default: what the model names)")
    main.add_argument("--sam", help="SAM's sizes: vit_h, vit_l, vit_b or a JSON file")
    main.add_argument("--instances", help="for Seg-First: a YOLO folder or .pt file, or one on the hub (default: the model's)")
    main.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    main.add_argument("--dtype", help="float32, bfloat16 or float16 (default: what the model asks for)")
    main.add_argument("--quantize", help="the decoder in 8bit or 4bit (needs bitsandbytes)")
    main.add_argument("--offload-sam", action="store_true", help="SAM's encoder on the GPU only while it encodes")
    main.add_argument("--backend", default="plain", help="how layers are run: plain, onednn or compiled (default: plain)")
    return main


if __name__ == "__main__":
    sys.exit(main())
