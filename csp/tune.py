"""The mask head tuned under a plan (the paper's mIoU*): ``python -m csp.tune --model park --method csp --out out/head``

Trains SAM's mask decoder (``--train decoder``, the paper's sentence) or text_hidden_fcs as well (``decoder+fcs``), with
everything before frozen, on rows made once under the plan; a second call goes on where the first stopped. ``python -m
csp.tune merge BASE HEAD OUT`` writes a LISA folder with the head in it; ``csp.load(name, head=FOLDER)`` loads one. ``python -m
csp.tune table6`` makes Table 6's mIoU and mIoU* on the park with their controls. Bad input ends with one line on stderr and
exit code 2.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from csp.flags import Parser, add_knobs, asked

HELD_OUT = 0.1


def parser() -> argparse.ArgumentParser:
    main = Parser(prog="python -m csp.tune", description=(__doc__ or "").split("\n")[0])
    main.add_argument("--model", default="park", help="park, a folder, or a hub id (default: park)")
    main.add_argument(
        "--data", action="append", help="park, a data set such as refcoco:train, or a folder, repeatable (default: park)"
    )
    main.add_argument("--data-root", type=Path, metavar="ROOT", help="holds refer_seg, reason_seg and coco2014")
    main.add_argument("--limit", type=int, metavar="PICTURES", help="of each data set (default: all; of the park 2000)")
    main.add_argument("--as-lisa", action="store_true", help="keep pictures that a val or test split has, as LISA does")
    main.add_argument("--method", help="the plan to tune under (default: csp)")
    main.add_argument("--train", default="decoder", help="decoder, or decoder+fcs (default: decoder)")
    main.add_argument("--updates", type=int, default=1000, help="(default: 1000)")
    main.add_argument("--rate", type=float, default=1e-4, help="top learning rate (default: 1e-4)")
    main.add_argument("--warmup", type=int, default=100, help="updates until the top (default: 100, or a tenth if fewer)")
    main.add_argument("--pictures", type=int, default=16, help="a batch (default: 16)")
    main.add_argument("--queries", type=int, default=3, help="of a picture in a batch, at most (default: 3)")
    main.add_argument("--shuffle", action="store_true", help="control: train on another picture's rows")
    main.add_argument("--select", action="store_true", help="keep the best of four looks at the hold-out, not the last update")
    main.add_argument("--seed", type=int, default=0, help="drives batches, hold-out and lots (default: 0)")
    main.add_argument("--out", type=Path, default=Path("out/head"), help="folder to write to (default: out/head)")
    main.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")
    main.add_argument("--dtype", help="float32, bfloat16 or float16 (default: what the model asks for)")
    main.add_argument("--clip", help="the vision tower's folder or hub id (default: what the model names)")
    main.add_argument("--sam", help="SAM's sizes: vit_h, vit_l, vit_b or a JSON file")
    add_knobs(main)
    return main


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns 0, or 2 after one line on what is wrong with the request."""
    given = list(sys.argv[1:] if argv is None else argv)
    tasks = {"merge": _merge, "table6": _table6}
    try:
        if given and given[0] in tasks:
            return tasks[given[0]](given[1:])
        return _tune(vars(parser().parse_args(given)), given)
    except (ValueError, OSError) as error:
        print(f"tune: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _merge(given: Sequence[str]) -> int:
    from csp import tuned
    from csp.checkpoints import find

    flags = Parser(prog="python -m csp.tune merge", description="A LISA folder with a tuned head in it.")
    flags.add_argument("base", help="park, a folder, or a hub id")
    flags.add_argument("head", type=Path, help="the folder that csp.tune wrote")
    flags.add_argument("out", type=Path, help="the folder to write")
    args = flags.parse_args(given)
    names = tuned.merge(find(args.base), args.head, args.out)
    print(f"{args.out}: {len(names)} tensors replaced")
    return 0


def table6_parser() -> argparse.ArgumentParser:
    made = Parser(prog="python -m csp.tune table6", description="Table 6's mIoU and mIoU* on the park, with their controls.")
    made.add_argument("--model", default="park", help="park, or a folder of its shape (default: park)")
    made.add_argument("--ratios", type=int, nargs="+", default=[65, 70, 75, 80, 85, 90], help="rows of Table 6 (default: all)")
    made.add_argument("--scenes", type=int, default=400, help="training scenes (default: 400)")
    made.add_argument("--held", type=int, default=40, help="training scenes to select by (default: 40)")
    made.add_argument("--test", type=int, default=200, help="test scenes (default: 200)")
    made.add_argument("--seeds", type=int, default=3, help="of each head (default: 3)")
    made.add_argument("--rates", type=float, nargs="+", default=[1e-4, 3e-4], help="the best on held-out scenes is taken")
    made.add_argument("--rival", default="pyramiddrop", help="tuned alike, at the first row's N_avg (default: pyramiddrop)")
    made.add_argument("--updates", type=int, default=1000, help="of each head (default: 1000)")
    made.add_argument("--pictures", type=int, default=8, help="a batch (default: 8)")
    made.add_argument("--queries", type=int, default=3, help="of a picture in a batch, at most (default: 3)")
    made.add_argument("--out", type=Path, default=Path("out/table6"), help="folder that a second call goes on in")
    made.add_argument("--docs", type=Path, metavar="DIR", help="also write DIR/results/tuned.json and DIR/results.md")
    made.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")
    return made


def _table6(given: Sequence[str]) -> int:
    from csp.checkpoints import load
    from csp.evaluation import found_page, page, provenance
    from csp.evaluation.terminal import progress
    from csp.tuning.table6 import Study, run
    from csp.tuning.train import Recipe

    args, began = table6_parser().parse_args(given), time.perf_counter()
    recipe = Recipe("decoder", args.updates, warmup=args.updates // 10, pictures=args.pictures, queries=args.queries)
    study = Study(
        tuple(args.ratios), args.scenes, args.held, args.test, args.seeds, tuple(args.rates), args.rival, recipe
    )  # fmt: skip
    model = load(args.model, device=args.device, instances=False)
    told = run(model, study, args.out, progress)
    told |= {"model": model.name, "weights": provenance.fingerprint(provenance.model_folders(args.model))}
    told |= provenance.record(str(model.device), ["table6", *given], began, "csp.tune")
    (args.out / "table6.json").write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(found_page.tuned_table(told))
    if args.docs is not None:
        found_page.keep(args.docs, "tuned", told)
        page.write(args.docs / "results", args.docs / "results.md")
    print(args.out / "table6.json")
    return 0


def _tune(args: dict[str, Any], argv: Sequence[str]) -> int:
    import numpy as np

    from csp import tuned
    from csp.checkpoints import load
    from csp.evaluation import provenance
    from csp.evaluation.terminal import progress
    from csp.tuning.rows import Rows, manifest
    from csp.tuning.selected import best_of
    from csp.tuning.train import Recipe, Tuner, score_fit

    began = time.perf_counter()
    recipe = Recipe(
        args["train"], args["updates"], args["rate"], min(args["warmup"], args["updates"] // 10), args["pictures"],
        args["queries"], args["seed"], args["shuffle"],
    )  # fmt: skip
    asked(args)  # what is wrong with it is said before weights are read
    options = {key: args[key] for key in ("device", "dtype", "clip", "sam") if args[key] is not None}
    model = load(args["model"], **options)
    method = asked(args, model=model)
    method.plan(model.N, model.L)
    base = tuned.fingerprint(model)
    source = training(args)
    rows = Rows(args["out"] / "rows", model, source, method, base, args["seed"])
    with progress("rows") as tell:
        there = rows.make(tell)
    order = np.random.default_rng((args["seed"], 1)).permutation(there)
    held = [int(i) for i in order[: max(1, round(len(order) * HELD_OUT))]] if len(order) > 1 else [int(order[0])]
    train = [int(i) for i in order if int(i) not in set(held)] or held
    tuner = Tuner(model, rows, train, recipe, args["out"])
    before = tuner.evaluate(held) if not tuner.curve else None
    with progress("updates", unit="update") as bar:
        look = best_of(tuner, held, lambda done, of, loss: bar(done, of)) if args["select"] else None
        curve = tuner.run(lambda done, of, loss: bar(done, of))
    loss, score, pairs = tuner.evaluate(held)
    card = {
        "model": model.name, "base": base, "method": method.name, "knobs": json.loads(json.dumps(asdict(method))),
        "recipe": asdict(recipe), "data": manifest(rows, train), "held out": [source.picture(i) for i in held],
        "bad pictures": rows.bad, "score": score_fit(pairs), "curve": [round(value, 6) for value in curve],
        "hold-out": {
            "loss": loss, "gIoU": score, "selected": look,
            "before": None if before is None else list(before[:2]),
        },
        **provenance.record(str(model.device), argv, began, "csp.tune"),
    }  # fmt: skip
    tuned.save(args["out"], model, recipe.train, card)
    if before is not None:
        print(f"hold-out of {len(held)} pictures: loss {before[0]:.4f} to {loss:.4f}, gIoU {before[1]:.3f} to {score:.3f}")
    print(f"{args['out'] / tuned.TENSORS}, {args['out'] / tuned.CARD}")
    return 0


def training(args: dict[str, Any]) -> Any:
    """Training pictures, those that a val or test split of the same root has left out."""
    from csp.samples import ParkSource, Several, source_named

    limit = args["limit"]
    if limit is not None and limit < 1:
        raise ValueError(f"--limit must be 1 or more, got {limit}")
    chosen: list[Any] = []
    for name in args["data"] or ["park"]:
        if name == "park":
            chosen.append(ParkSource("train", limit or 2000))
        else:
            if ":" in name and not name.endswith(":train"):
                raise ValueError(f"a head is tuned on training pictures, got {name}: give {name.split(':')[0]}:train")
            chosen.append(source_named(name, args["data_root"], "union", limit, args["seed"]))
    tested = set() if args["as_lisa"] or args["data_root"] is None else tested_pictures(args["data_root"])
    return Several(tuple(chosen), frozenset(tested)) if tested or len(chosen) > 1 else chosen[0]


def tested_pictures(root: Path) -> set[str]:
    """Names of the pictures that a val or test split below ``root`` has."""
    from csp import data

    found: set[str] = set()
    for name in data.names():
        if name.split(":")[1] not in ("train", "explanatory"):
            try:
                there = data.open(name, root)
            except ValueError:
                continue
            found |= {there.path(index).name for index in range(len(there))}
    return found


if __name__ == "__main__":
    sys.exit(main())
