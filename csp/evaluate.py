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
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csp.flags import Parser, add_knobs, given_knobs, method_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from csp.evaluation.report import Report
    from csp.evaluation.runs import Run
    from csp.models.asking import Segmenter
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
    main.add_argument("--method", default="full", help=f"{', '.join(METHODS)} (default: full)")
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
    main.add_argument("--clip", help="the vision tower's folder or hub id (default: what the model names)")
    main.add_argument("--sam", help="SAM's sizes: vit_h, vit_l, vit_b or a JSON file")
    add_knobs(main)
    return main


def source_of(args: dict[str, Any]) -> Source:
    """The pictures and queries that the options ask for. Raises ValueError for what is not there."""
    from csp.samples import FolderSource, ParkSource, source_named

    for flag in ("scenes", "limit"):
        if args[flag] is not None and args[flag] < 1:
            raise ValueError(f"--{flag} must be 1 or more, got {args[flag]}")
    chosen = tuple(args["family"])
    if args["data"] == "park":
        return ParkSource(
            args["split"], args["scenes"] or 1000, args["first"], chosen
        )
    if chosen:
        return FolderSource(Path(args["data"]), chosen, args["limit"] or args["scenes"])
    return source_named(args["data"], args["data_root"], args["overlap"], args["limit"] or args["scenes"], args["seed"])


def runs_of(args: dict[str, Any], model: Segmenter) -> tuple[Run, ...]:
    """The chosen method unless it is the dense one, and the ablations if asked for."""
    from csp.evaluation import ablations
    from csp.evaluation.runs import DENSE, Run
    from csp.methods.full import Full

    method = method_of(args["method"], given_knobs(args))
    method.plan(model.N, model.L)
    own = () if isinstance(method, Full) else (Run(method.name, method, args["seed"]),)
    return (
        Run(DENSE, Full()),
        *own,
        *(ablations.runs(model.N, model.L, args["seed"]) if args["ablate"] else ()),
    )


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

    for name in ("jobs", "threads", "seeds"):
        if args[name] < 1:
            raise ValueError(f"--{name} must be 1 or more, got {args[name]}")
    args["jobs"] = max(args["jobs"], alone_of())
    args["ablate"] |= args["gate"]
    if args["suite"] == "paper":
        return _paper(args, argv)
    source = source_of(args)
    if args["suite"]:
        return _compare(args, argv, source)
    from csp.checkpoints import load
    from csp.evaluation import ablations, proposals, provenance
    from csp.evaluation.processes import Job, gather
    from csp.evaluation.ranks import rank
    from csp.evaluation.report import Report
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
    name_bad(found_rows.bad)
    told |= provenance.record(device, argv, began)
    if args["json"]:
        args["json"].parent.mkdir(parents=True, exist_ok=True)
        args["json"].write_text(
            json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
        )
    return 1 if args["gate"] and not all(gate.holds for gate in found) else 0


def _compare(args: dict[str, Any], argv: Sequence[str] | None, source: Source) -> int:
    """Run suites, keep their rows in ``--out``, and write summaries, figures and the page below ``--docs``."""
    from csp import figures
    from csp.checkpoints import load
    from csp.evaluation import charts, frozen, page, provenance, suites, summary
    from csp.evaluation.processes import Job, collect
    from csp.evaluation.ranks import rank
    from csp.samples import ParkSource

    if not isinstance(source, ParkSource):
        raise ValueError(
            "a suite runs on the park: leave --data out, or compare single methods with --method"
        )
    if source.families == ("absent",):
        raise ValueError("a suite compares masks of what is there: name another --family than absent")
    who, options = rank(), options_of(args)
    model = load(args["model"], **options)
    suites.check_shape(model.N, model.L)
    readers, title, device = readers_of(args, model), model.name, str(model.device)
    words, guide = has_words(model), model.instances is not None
    mine = model if args["jobs"] == 1 else None
    del model
    folder, weights = (
        args["docs"] / "results",
        weights_of(args),
    )
    if who.first:
        frozen.freeze(folder, weights, args["refreeze"], args["docs"] / "log.md")
    for name in suites.SUITES if args["suite"] == "all" else (args["suite"],):
        began, suite = time.perf_counter(), suites.SUITES[name]
        lines, left_out = suites.that_run(suite.lines(tuple(range(args["seeds"]))), words, guide)
        runs = summary.runs_of(lines)
        header = header_of(weights, source, runs)
        rows_in = (args["out"] or Path("out/evaluation")) / name
        with progress(name, quiet=not who.first) as tell:
            rows = collect(
                Job(args["model"], source, runs, options, args["threads"], readers),
                args["jobs"],
                rows_in,
                header,
                tell,
                mine,
            )
        if who.first:
            told = summary.summarise(suite, lines, rows, args["seed"])
            told |= {"left out": left_out, "model": title, "weights": weights, "samples": header["samples"]}
            told |= provenance.record(device, argv, began)
            (folder / f"{name}.json").write_text(summary.as_text(told), encoding="utf-8")
            figures.save(charts.figure(told), folder / f"{name}.svg")
            page.write(folder, args["docs"] / "results.md")
            print(f"{suite.title}\n\n{page.scores(told['lines'], list(told['queries']))}\n")
    return 0


def _paper(args: dict[str, Any], argv: Sequence[str] | None) -> int:
    """The paper's tables on its data sets below ``--data-root``, or on the park, into one report in ``--out``."""
    from csp.checkpoints import load
    from csp.evaluation import experiment_run

    began, options = time.perf_counter(), options_of(args)
    for flag in ("scenes", "limit"):
        if args[flag] is not None and args[flag] < 1:
            raise ValueError(f"--{flag} must be 1 or more, got {args[flag]}")
    model = load(args["model"], **options)
    for told in experiment_run.run(args, model, options, readers_of(args, model), progress, argv, began):
        print(told)
    return 0


def has_words(model: Segmenter) -> bool:
    """Whether the model's CLIP reads words."""
    return getattr(getattr(model, "clip", None), "words", None) is not None


def readers_of(args: dict[str, Any], model: Any) -> int:
    """Processes that read ahead of each that runs the model: two beside a GPU, none where the CPU has the work anyway."""
    if args["readers"] is not None:
        return int(args["readers"])
    return 2 if model.device.type == "cuda" else 0


@contextmanager
def kept_in(folder: Path | None) -> Iterator[Path]:
    """A folder for rows: the one given, or one that is gone afterwards."""
    import tempfile

    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def name_bad(bad: Mapping[str, str]) -> None:
    """Say which pictures could not be scored."""
    if bad:
        first = "; ".join(f"{name}: {why}" for name, why in list(bad.items())[:5])
        print(f"\n{len(bad)} pictures could not be scored and are in no number: {first}", file=sys.stderr)


def weights_of(args: Mapping[str, Any]) -> str:
    """Of the model's files, a tuned head's among them."""
    from csp.evaluation import provenance

    folders = provenance.model_folders(args["model"], args["clip"])
    return provenance.fingerprint([*folders, *([Path(args["head"])] if args["head"] else [])])


def header_of(weights: str, source: Source, runs: Sequence[Run]) -> dict[str, Any]:
    """What rows are rows of: kept with them, so that no two evaluations are mixed."""
    return {"weights": weights, "samples": source.describe(), "runs": [run.describe() for run in runs]}


def options_of(args: dict[str, Any]) -> dict[str, Any]:
    """What `csp.load` is to be told beside the model's name."""
    from csp.evaluation.ranks import rank

    device = (rank().device or "auto") if args["device"] == "auto" else args["device"]
    return {"device": device} | {key: args[key] for key in ("dtype", "clip", "sam", "head") if args[key] is not None}


def summary(report: Report) -> list[str]:
    """The scores as tables: gIoU and cIoU by family, size and wording, what they cost, the change against
    dense.
    """
    from csp.evaluation.report import show, table
    from csp.evaluation.runs import DENSE

    score = report.gIoU(DENSE)
    head = ("", "overall", *score.families, *score.sizes, *score.wording)
    blocks = []
    for run in (r for r in report.runs if not r.startswith("(")):
        bill = report.bill(run)
        lines = [("gIoU", *show(report.gIoU(run))), ("cIoU", *show(report.cIoU(run)))]
        if run != DENSE:
            lines += [("change", *show(report.change(run))), ("IoU with dense", *show(report.agreement(run)))]
        blocks.append(
            f"{run}: N_avg {bill['N_avg']:.1f}, {bill['GFLOPs']:.2f} GFLOPs and {bill['ms']:.0f} ms in the decoder, "
            f"{sum(row['run'] == run for row in report.rows + report.empty)} queries\n"
            f"{transposed(table, head, lines)}\n"
            f"empty masks where nothing fits: {report.empty_masks(run).estimate}"
        )
    return blocks


def transposed(table: Callable[..., str], head: Sequence[str], lines: Sequence[Sequence[object]]) -> str:
    """A table whose rows are the parts and whose columns are the scores: narrow enough for a terminal."""
    return table(
        ("", *(line[0] for line in lines)), zip(head[1:], *(line[1:] for line in lines), strict=True)
    )


@contextmanager
def progress(what: str, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A progress bar to be told pictures done and pictures in all."""
    from tqdm import tqdm

    with tqdm(desc=what, unit="picture", disable=quiet) as bar:

        def tell(done: int, of: int) -> None:
            bar.total = of
            bar.update(done - bar.n)

        yield tell


if __name__ == "__main__":
    sys.exit(main())
