"""How well a model segments, and whether it looks: ``python -m csp.evaluate --model park --split test
--scenes 1000 --ablate``

Scores one method beside the dense run on the drawn park, or on a folder of your own triples (``--data
FOLDER``), with 95 % intervals. ``--suite table1`` (table4, table5, table6, tradeoff, all) compares methods as
the paper does on the park and writes docs/results.md; ``--suite paper --data-root ROOT`` runs its tables on its data
sets and writes one report. Several processes: ``--jobs 2`` here, or ``accelerate launch -m
csp.evaluate ...``; the numbers are the same. Bad input ends with one line on stderr and exit code 2, a gate
that fails with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csp.flags import Parser, add_knobs

if TYPE_CHECKING:
    from csp.samples import Source

LEAST_GATED = 100
"""Pictures from which on a bound says something of the weights and not of the draw; fewer are judged with --gate alone."""


def parser() -> argparse.ArgumentParser:
    """The program's options."""
    from csp.evaluation.suites import SUITES
    from csp.methods import METHODS
    from csp.park.language import FAMILIES

    main = Parser(
        prog="python -m csp.evaluate",
        description=(__doc__ or "").split("\n")[0],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main.add_argument("--model", default="park", help="park, a folder, or a hub id (default: park)")
    main.add_argument(
        "--data", default="park", help="park, a data set such as refcoco:val, or a folder of your own (default: park)"
    )
    main.add_argument("--data-root", type=Path, metavar="ROOT", help="holds refer_seg, reason_seg and coco2014")
    main.add_argument(
        "--overlap", default="official", help="where parts of a truth overlap: official, as published, or union"
    )
    main.add_argument("--limit", type=int, metavar="PICTURES", help="of a data set, drawn by --seed (default: all)")
    main.add_argument("--split", default="test", help="the park's train, val or test (default: test)")
    main.add_argument(
        "--scenes", type=int, help="pictures to use (default: 1000 of the park, all of a folder)"
    )
    main.add_argument("--first", type=int, default=0, help="number of the park's first scene (default: 0)")
    main.add_argument(
        "--family",
        action="append",
        default=[],
        metavar="F",
        help=f"only this one, repeatable: {', '.join(FAMILIES)}",
    )
    main.add_argument("--method", help=f"{', '.join(METHODS)} (default: full, or what --head was tuned under)")
    main.add_argument(
        "--seed", type=int, default=0, help="drives every lot that is drawn, and the resampling (default: 0)"
    )
    main.add_argument(
        "--ablate", action="store_true", help="does the decoder look? five ablations beside the dense run"
    )
    main.add_argument(
        "--instances", action="store_true", help="also: how many objects the instance proposer finds (park)"
    )
    main.add_argument("--gate", action="store_true", help="ablate, and exit code 1 unless the weights keep every bound")
    main.add_argument(
        "--suite",
        choices=(*SUITES, "all", "paper"),
        help="compare methods as the paper does and write it down; paper: its tables on its data sets, in one report",
    )
    main.add_argument("--tables", type=int, nargs="+", metavar="N", help="of --suite paper (default: all that fit the model)")
    main.add_argument("--seeds", type=int, default=3, help="of a suite's methods that draw lots (default: 3)")
    main.add_argument(
        "--docs", type=Path, default=Path("docs"), help="where a suite writes results.md (default: docs)"
    )
    main.add_argument(
        "--refreeze",
        metavar="WHY",
        help="the weights changed since the first comparison; the reason, for the log",
    )
    main.add_argument("--json", type=Path, metavar="FILE", help="write every number and what it came from")
    main.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="keep a row per query in DIR/results.jsonl; a second call goes on there",
    )
    main.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    main.add_argument(
        "--readers", type=int, help="processes reading pictures ahead of each (default: 2 beside a GPU, else 0)"
    )
    main.add_argument("--threads", type=int, default=1, help="threads of each process (default: 1)")
    main.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (default: auto)")
    main.add_argument("--dtype", help="float32, bfloat16 or float16 (default: what the model asks for)")
    main.add_argument("--head", help="a folder of csp.tune: the mask head tuned under a plan")
    main.add_argument("--any-plan", action="store_true", help="let --head run under another plan than its own")
    main.add_argument("--max-tiles", type=int, help="tiles that Sa2VA cuts a picture into at most (default: 12)")
    main.add_argument("--clip", help="the vision tower's folder or hub id (default: what the model names)")
    main.add_argument("--sam", help="SAM's sizes: vit_h, vit_l, vit_b or a JSON file")
    add_knobs(main)
    return main


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns 0, 1 where a gate fails, or 2 after one line on what is wrong with the
    request.
    """
    try:
        return _evaluate(vars(parser().parse_args(argv)), argv)
    except (ValueError, OSError) as error:
        print(f"evaluate: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _evaluate(args: dict[str, Any], argv: Sequence[str] | None) -> int:
    from csp.evaluation.ranks import alone_of
    from csp.evaluation.request import source_of

    for name in ("jobs", "threads", "seeds"):
        if args[name] < 1:
            raise ValueError(f"--{name} must be 1 or more, got {args[name]}")
    args["jobs"] = max(args["jobs"], alone_of())
    args["ablate"] |= args["gate"]
    if args["suite"] == "paper":
        return _paper(args, argv)
    source = source_of(args)
    if args["suite"]:
        from csp.evaluation import suite_run

        for told in suite_run.run(args, source, argv):
            print(told)
        return 0
    return _score(args, source, argv)


def _score(args: dict[str, Any], source: Source, argv: Sequence[str] | None) -> int:
    """One method beside the dense run."""
    from csp.checkpoints import load
    from csp.evaluation import ablations, proposals, provenance
    from csp.evaluation.processes import Job, gather
    from csp.evaluation.ranks import rank
    from csp.evaluation.report import Report
    from csp.evaluation.request import header_of, kept_in, options_of, readers_of, runs_of, weights_of
    from csp.evaluation.terminal import bad_pictures, progress, summary
    from csp.samples import ParkSource

    for flag in ("instances", "gate"):
        if args[flag] and not isinstance(source, ParkSource):
            raise ValueError(f"--{flag} is about the drawn park: use it with --data park")
    began = time.perf_counter()
    options = options_of(args)
    model = load(args["model"], **options)
    if args["instances"] and model.instances is None:
        raise ValueError(f"{model.name} has no instance proposer: leave --instances out")
    runs = runs_of(args, model)
    weights = weights_of(args)
    header = header_of(weights, source, runs)
    job = Job(args["model"], source, runs, options, args["threads"], readers_of(args, model))
    who, name, device, proposer = rank(), model.name, str(model.device), model.instances
    mine = model if args["jobs"] == 1 else None
    del model  # processes of their own load their own: it is not kept twice
    with kept_in(args["out"]) as folder, progress("queries", quiet=not who.first) as tell:
        found_rows = gather(job, folder, args["jobs"], header, tell, mine)
        rows = list(found_rows or ())
    if found_rows is None:
        return 0
    if not rows:
        raise ValueError(f"{source.name} asks nothing: there is no query with a truth")
    report = Report(rows, args["seed"])
    told: dict[str, Any] = {
        "model": name,
        "bad pictures": found_rows.bad,
        **header,
        "scores": report.as_dict(),
        "bootstrap": {"seed": args["seed"], "unit": "picture", "level": 0.95},
    }
    print("\n\n".join(summary(report)))
    found = ablations.gates(report) if isinstance(source, ParkSource) else []
    if args["ablate"]:
        print("\n" + ablations.text(report))
        told["look"] = ablations.as_dict(report)
    if args["instances"] and isinstance(source, ParkSource) and proposer is not None:
        with progress("instances") as tell:
            proposed = proposals.measure(proposer, source, args["seed"], tell)
        print(f"\n{proposed}")
        told["instances"] = proposed.as_dict()
        found.append(ablations.recall_gate(proposed))
    told["gates"] = ablations.gate_dicts(found)
    if found and (args["gate"] or (args["ablate"] and len(source) >= LEAST_GATED)):
        print("\n" + "\n".join(map(str, found)))
    if missed := bad_pictures(found_rows.bad):
        print(f"\n{missed}", file=sys.stderr)
    told |= provenance.record(device, argv, began)
    if args["json"]:
        args["json"].parent.mkdir(parents=True, exist_ok=True)
        args["json"].write_text(
            json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
        )
    return 1 if args["gate"] and not all(gate.holds for gate in found) else 0


def _paper(args: dict[str, Any], argv: Sequence[str] | None) -> int:
    """The paper's tables on its data sets below ``--data-root``, or on the park, into one report in ``--out``."""
    from csp.checkpoints import load
    from csp.evaluation import experiment_run
    from csp.evaluation.request import options_of, readers_of
    from csp.evaluation.terminal import progress

    began, options = time.perf_counter(), options_of(args)
    for flag in ("scenes", "limit"):
        if args[flag] is not None and args[flag] < 1:
            raise ValueError(f"--{flag} must be 1 or more, got {args[flag]}")
    model = load(args["model"], **options)
    for told in experiment_run.run(args, model, options, readers_of(args, model), progress, argv, began):
        print(told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
