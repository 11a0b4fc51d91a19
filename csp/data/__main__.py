"""Data sets in a folder: ``python -m csp.data check ROOT`` and ``python -m csp.data show ROOT refcoco:testA 17``

check counts pictures, refs and sentences against the published sizes, hashes the listings, draws eight pictures with
their masks into one sheet, and says what to fetch. Bad input ends with one line on stderr and exit code 2; check with
exit code 1 where a data set that is there is not whole.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from csp.flags import Parser


def parser() -> argparse.ArgumentParser:
    main = Parser(prog="python -m csp.data", description=(__doc__ or "").split("\n")[0])
    tasks = main.add_subparsers(dest="task", required=True)
    check = tasks.add_parser("check", help="which data sets are there, whether they are whole, and what to fetch")
    check.add_argument("root", type=Path, help="the folder that holds refer_seg, reason_seg and coco2014")
    check.add_argument("--sheet", type=Path, default=Path("data-check.png"), help="the sheet of samples (default: %(default)s)")
    check.add_argument("--json", type=Path, metavar="FILE", help="write counts and hashes")
    show = tasks.add_parser("show", help="draw one picture with the truth of its queries")
    show.add_argument("root", type=Path, help="the folder that holds refer_seg, reason_seg and coco2014")
    show.add_argument("name", help="a data set, such as refcoco:testA")
    show.add_argument("index", type=int, help="number of the picture, from 0")
    show.add_argument("--overlap", default="official", help="official or union (default: official)")
    show.add_argument("--out", type=Path, default=Path("data-show.png"), help="the PNG to write (default: %(default)s)")
    return main


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns 0, 1 where a data set is not whole, or 2 after one line on what is wrong."""
    try:
        args = parser().parse_args(argv)
        return _check(args) if args.task == "check" else _show(args)
    except (ValueError, IndexError, OSError) as error:
        print(f"data: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _check(args: argparse.Namespace) -> int:
    import cv2

    from csp.data import check, sheet

    found, there = [], []
    for one, data in check.survey(args.root, _tell):
        found.append(one)
        if data is not None:
            there.append(data)
    _tell("")
    shown = [one for one in found if one.there]
    if shown:
        print(f"{'data set':<22}{'pictures':>9}{'refs':>8}{'sentences':>11}")
        for f in shown:
            print(f"{f.known.name:<22}{f.pictures:>9}{_cell(f.refs):>8}{_cell(f.sentences):>11}  {f.verdict}")
    missing = [one for one in found if not one.there]
    if missing:
        print("\nnot there: " + ", ".join(one.known.name for one in missing))
    fetch = check.to_fetch(found)
    if fetch:
        print("\nto fetch:\n" + "\n".join(f"- {line}" for line in fetch))
    print(f"\nReasonSeg's masks are drawn by OpenCV {cv2.__version__}; fillPoly changed in 4.11, after the published numbers.")
    samples = check.sampled(there)
    if samples:
        _write(args.sheet, sheet.contact([sheet.panel(item, query) for _, item, query in samples], str(args.root)))
        print(f"{len(samples)} samples: {args.sheet}")
    if args.json:
        args.json.write_text(json.dumps([one.as_dict() for one in shown], indent=1) + "\n", encoding="utf-8")
    if not shown:
        raise ValueError(f"{args.root} holds none of the data sets")
    return 1 if any(one.missing or one.differs for one in shown) else 0


def _tell(name: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{name:<24}\r", end="", file=sys.stderr, flush=True)


def _cell(value: int | None) -> str:
    return "" if value is None else str(value)


def _show(args: argparse.Namespace) -> int:
    from csp.data import sheet
    from csp.data.catalogue import open as open_data

    data = open_data(args.name, args.root, args.overlap)
    item = data[args.index]
    panels = [sheet.panel(item, query) for query in range(len(item.queries))]
    _write(args.out, sheet.contact(panels, f"{args.name} {args.index}: {item.path}"))
    print("\n".join((f"{item.key}: {item.path}", *item.conversations, str(args.out))))
    return 0


def _write(path: Path, picture: object) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)  # type: ignore[arg-type]


if __name__ == "__main__":
    sys.exit(main())
