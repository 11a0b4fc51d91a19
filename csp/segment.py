"""From a picture and a query to a mask, with every stage recorded.

``python -m csp.segment picture.png "the red ball" --cluster seg-first --Nc 64 --Np 16 --out out/``, or ``park:7`` in place of
a file for a test scene of the park.

Writes mask.png, stages.png, stages.svg, run.json and run.npz. Bad input ends with one line on stderr and
exit code 2.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from csp.flags import Parser, add_knobs, asked, asks_nothing, parse
from csp.types import Result


def parser() -> argparse.ArgumentParser:
    """The program's options: one flag for every knob of every method, so that a new method needs no change
    here.
    """
    from csp.methods import METHODS
    from csp.models.answers import MAX_NEW_TOKENS

    main = Parser(
        prog="python -m csp.segment",
        description=(__doc__ or "").split("\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main.add_argument("picture", help="a PNG, JPEG, WebP, GIF, BMP or TIFF file, or park:N, a test scene of the park")
    main.add_argument("query", help="what to find, 1 to 512 characters")
    main.add_argument("--model", default="park", help="park, a folder, or a hub id (default: park)")
    main.add_argument("--method", help=f"{', '.join(METHODS)} (default: csp, or what --head was tuned under)")
    main.add_argument("--seed", default="0", help="drives every lot that is drawn (default: 0)")
    main.add_argument("--out", default="out", type=Path, help="folder to write to (default: out)")
    main.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    main.add_argument("--dtype", help="float32, bfloat16 or float16 (default: what the model asks for)")
    main.add_argument("--backend", default="plain", help="how layers are run: plain, onednn or compiled (default: plain)")
    main.add_argument("--clip", help="the vision tower's folder or hub id (default: what the model names)")
    main.add_argument("--sam", help="SAM's sizes: vit_h, vit_l, vit_b, of SAM 2 hiera_l or the like, or a JSON file")
    main.add_argument("--head", help="a folder of csp.tune: the mask head tuned under a plan")
    main.add_argument("--any-plan", action="store_true", help="let --head run under another plan than its own")
    main.add_argument("--max-tiles", help="tiles that Sa2VA cuts a picture into at most (default: 12)")
    main.add_argument(
        "--instances", help="a folder with a YOLO yaml and model.safetensors, or a .pt file (default: the model's own)"
    )
    main.add_argument("--answer", help="full, or cut: end the sequence at the read-out row (default: full)")
    main.add_argument(
        "--seg-mode", default="teacher", help="teacher: the answer is given, or generated (default: teacher)"
    )
    main.add_argument("--template", default="auto", help="auto, refer, phrase, sentence or chat: the form of the question")
    main.add_argument("--max-new-tokens", default=str(MAX_NEW_TOKENS), help="how long a generated answer may become")
    add_knobs(main)
    return main


def write(result: Result, folder: Path) -> list[Path]:
    """Write a run's files into `folder`, made if need be, and return them."""
    from PIL import Image

    from csp import figures

    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / name for name in ("mask.png", "stages.png", "stages.svg", "run.json", "run.npz")]
    Image.fromarray(result.mask).save(files[0])
    figure = figures.stages([result])
    for file in files[1:3]:
        figures.save(figure, file)
    files[3].write_text(
        json.dumps(result.as_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
    result.save(files[4])
    return files


def summary(result: Result) -> str:
    """The run in a few lines: what was written and found, what it cost, how long it took, what to know."""
    cost, share = result.cost, result.mask.mean()
    scores = ", ".join(f"{score:.2f}" for score in result.iou)
    lines = [
        *([] if result.text is None else [f"answer: {result.text}"]),
        f"{result.request.query!r}: "
        + (f"mask covers {share:.1%} of the picture, SAM's own score {scores}" if scores else "no mask"),
        f"{result.request.method}: {cost.n_avg:.1f} of {result.trace.layout.N} image tokens on average, "
        f"{cost.flops / 1e9:.2f} GFLOPs in the decoder",
        "ms: " + ", ".join(f"{part} {value:.0f}" for part, value in result.ms.items()),
    ]
    return "\n".join([*lines, *(f"note: {note}" for note in result.notes)])


def _picture(name: str) -> Any:
    """A file's pixels, or those of a test scene of the park."""
    from csp import images
    from csp.park import scene

    drawn = re.fullmatch(r"park:(\d{1,9})", name)
    return scene(int(drawn[1]), split="test").image if drawn else images.read(Path(name))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns 0, or 2 after one line on what is wrong with the request."""
    try:
        args = vars(parser().parse_args(argv))
        from csp.checkpoints import load

        # All that can be refused is refused before weights are read.
        method = asked(args)
        if args["head"] is not None:
            from csp import tuned

            method = tuned.plan_of(args["head"], None if asks_nothing(args) else method, args["any_plan"])
        seed, most = parse("seed", args["seed"], 0), parse("max-new-tokens", args["max_new_tokens"], 0)
        tiles = None if args["max_tiles"] is None else parse("max-tiles", args["max_tiles"], 0)
        picture = _picture(args["picture"])
        model = load(
            args["model"],
            clip=args["clip"],
            sam=args["sam"],
            instances=args["instances"],
            device=args["device"],
            dtype=args["dtype"],
            backend=args["backend"],
            max_tiles=tiles,
            head=args["head"],
        )
        if args["head"] is None:
            method = asked(args, model=model)
        result = model.segment(
            picture,
            args["query"],
            method,
            seed=seed,
            answer=args["answer"],
            seg_mode=args["seg_mode"],
            template=args["template"],
            max_new_tokens=most,
        )
        files = write(result, args["out"])
    except (ValueError, OSError) as error:
        print(f"segment: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(summary(result))
    print(", ".join(str(file) for file in files))
    return 0


if __name__ == "__main__":
    sys.exit(main())
