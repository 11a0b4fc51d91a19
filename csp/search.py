"""The plan found for a budget: ``python -m csp.search --method csp --tokens 73 --out out/search``

Tries plans of a method that fit a budget (mean image tokens a layer, decoder GFLOPs, measured milliseconds, or several) by
successive halving on validation pictures: each round scores what is left on pictures that no round before had, and keeps the
best share by the paired change against dense. What is left stands beside the paper's setting on test pictures that the search
never saw; the plan that is written was chosen before.
Resumable; bad input ends with one line on stderr and exit code 2.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

from csp.flags import Parser

ROUNDS = 4
LEAST_SPENT = 0.85
"""Share of the budget that a plan spends at least: a cheaper one is another budget's."""


def parser() -> argparse.ArgumentParser:
    from csp.methods import METHODS

    main = Parser(prog="python -m csp.search", description=(__doc__ or "").split("\n")[0])
    main.add_argument("--model", default="park", help="park, a folder, or a hub id (default: park)")
    main.add_argument("--method", default="csp", help=f"{', '.join(METHODS)} (default: csp)")
    main.add_argument("--tokens", type=float, metavar="N_AVG", help="budget: mean image tokens a layer")
    main.add_argument("--gflops", type=float, help="budget: of the decoder, for a sequence with 64 tokens of text")
    main.add_argument("--ms", type=float, help="budget: measured in the decoder on this machine")
    main.add_argument("--plans", type=int, default=81, help="to begin with, of all that fit (default: 81)")
    main.add_argument("--keep", type=int, default=3, help="one of so many plans is kept after each round (default: 3)")
    main.add_argument("--pictures", type=int, default=16, help="of the first round, --keep times more in each later one")
    main.add_argument("--test", type=int, default=200, help="pictures for the final comparison (default: 200)")
    main.add_argument("--data", default="park", help="park, or a data set to search on (default: park)")
    main.add_argument("--test-data", help="a data set for the final comparison: needed with --data")
    main.add_argument("--data-root", type=Path, metavar="ROOT", help="holds refer_seg, reason_seg and coco2014")
    main.add_argument("--seed", type=int, default=0, help="drives plans, pictures and the resampling (default: 0)")
    main.add_argument("--jobs", type=int, default=1, help="processes (default: 1)")
    main.add_argument("--threads", type=int, default=1, help="threads of each process (default: 1)")
    main.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")
    main.add_argument("--clip", help="the vision tower's folder or hub id (default: what the model names)")
    main.add_argument("--sam", help="SAM's sizes: vit_h, vit_l, vit_b or a JSON file")
    main.add_argument("--out", type=Path, default=Path("out/search"), help="folder to write to (default: out/search)")
    main.add_argument("--docs", type=Path, metavar="DIR", help="also write DIR/results/search.json and DIR/results.md")
    return main


def plans(method: type, N: int, L: int, fits: Any) -> Iterator[Any]:
    """Settings of a method over its whole numbers of layers and tokens, others at their defaults, whose budget fits."""
    from csp.methods import build, knobs

    steps = sorted({2**k for k in range(11)} | {3 * 2**k for k in range(9)})
    values: dict[str, list[int]] = {}
    for knob in knobs(method):
        if isinstance(knob.default, int) and not isinstance(knob.default, bool):
            if knob.high == "L":
                values[knob.name] = list(range(int(knob.low), L + 1, max(1, L // 32)))
            elif knob.high == "N":
                values[knob.name] = [n for n in {*steps, min(knob.default, N), N} if knob.low <= n <= N]
    if not values:
        raise ValueError(f"{method.__name__} has no number of layers or tokens to search over")
    for chosen in product(*(sorted(v) for v in values.values())):
        try:
            made = build(method, dict(zip(values, chosen, strict=True)))
            if fits(made):
                yield made
        except ValueError:
            continue


def cost_of(method: Any, model: Any) -> tuple[float, float]:
    """(N_avg, GFLOPs) by the plan, for 64 tokens of text."""
    from csp.flops import cost
    from csp.methods import expected_n_avg
    from csp.stages import planned

    counts = planned(method.plan(model.N, model.L))
    N_avg = expected_n_avg(method, model.N, model.L)
    rows = [round(N_avg)] * model.L if None in counts else [count or 0 for count in counts]
    return N_avg, cost(tuple(rows), 64, model.layers.hidden_size, model.layers.intermediate_size).flops / 1e9


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns 0, or 2 after one line on what is wrong with the request."""
    try:
        return _search(vars(parser().parse_args(argv)), argv)
    except (ValueError, OSError) as error:
        print(f"search: {' '.join(str(error).split())}", file=sys.stderr)
        return 2


def _search(args: dict[str, Any], argv: Sequence[str] | None) -> int:
    import numpy as np

    from csp.checkpoints import load
    from csp.evaluation import provenance
    from csp.methods import METHODS, fitted

    began = time.perf_counter()
    if args["method"] not in METHODS:
        raise ValueError(f"--method must be one of {', '.join(METHODS)}, got {args['method']!r}")
    for name, least in (("plans", 2), ("keep", 2), ("pictures", 2), ("test", 2), ("jobs", 1), ("threads", 1)):
        if args[name] < least:
            raise ValueError(f"--{name} must be {least} or more, got {args[name]}")
    budget = {name: args[name] for name in ("tokens", "gflops", "ms") if args[name] is not None}
    if not budget:
        raise ValueError("a budget is needed: --tokens, --gflops or --ms")
    if args["data"] != "park" and args["test_data"] is None:
        raise ValueError("--test-data is needed with --data: plans are compared on pictures that the search never saw")
    model = load(args["model"], **{key: args[key] for key in ("device", "clip", "sam") if args[key] is not None})

    def fits(method: Any) -> bool:
        for spent, most in zip(cost_of(method, model), (args["tokens"], args["gflops"]), strict=True):
            if most is not None and not LEAST_SPENT * most <= spent <= most:
                return False
        return True

    all_plans = list(plans(METHODS[args["method"]], model.N, model.L, fits))
    if not all_plans:
        raise ValueError(f"no plan of {args['method']} spends {100 * LEAST_SPENT:.0f} to 100 % of that budget on this model")
    drawn = np.random.default_rng(args["seed"]).permutation(len(all_plans))[: args["plans"]]
    like = fitted(METHODS[args["method"]], model.N, model.L) if args["gflops"] is None else all_plans[0]
    reference = papers(args["method"], model, args["tokens"] or cost_of(like, model)[0])
    left = list({repr(m): m for m in [*reference, *(all_plans[i] for i in sorted(drawn))]}.values())
    rounds, left_at_first, first = [], left, 0
    for turn in range(ROUNDS):
        count = args["pictures"] * args["keep"] ** turn
        tally = score(args, model, left, "val", count, first, args["out"] / f"round-{turn}")
        first += count
        ranked = ranking(left, tally, args["ms"] if turn == 0 else None)
        rounds.append({"pictures": len(tally.pictures), "plans": [told(m, tally) for m in ranked]})
        best = ranked[: max(1, -(-len(ranked) // args["keep"]))]
        left = [*best, *(m for m in reference if m not in best)]
        if len(best) == 1:
            break
    tally = score(args, model, left, "test", args["test"], 0, args["out"] / "test")
    front = [
        told(m, tally) | {"paper's setting": m in reference, "chosen": m == best[0]} | beside(m, reference, tally)
        for m in sorted(left, key=lambda m: -change(m, tally).value)
    ]
    found: dict[str, Any] = {
        "weights": provenance.fingerprint(provenance.model_folders(args["model"], args["clip"])),
        "method": args["method"], "knobs": told(best[0], tally)["knobs"],
        "budget": budget, "fit": len(all_plans), "tried": len(left_at_first), "test pictures": len(tally.pictures),
        "front": front, "rounds": rounds,
        **provenance.record(str(model.device), argv, began, "csp.search"),
    }  # fmt: skip
    args["out"].mkdir(parents=True, exist_ok=True)
    (args["out"] / "preset.json").write_text(json.dumps(found, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    draw(found, args["out"] / "front.svg")
    if args["docs"] is not None:
        from csp.evaluation import found_page, page

        found_page.keep(args["docs"], "search", found)
        draw(found, args["docs"] / "results/search.svg")
        page.write(args["docs"] / "results", args["docs"] / "results.md")
    print(f"{found['tried']} of {found['fit']} plans that fit were tried; on {len(tally.pictures)} test pictures, against dense:")
    for line in front:
        marks = [word for key, word in (("paper's setting", "the paper's"), ("chosen", "chosen on validation")) if line[key]]
        print(f"  {line['label']}: N_avg {line['N_avg']:.1f}, {line['shown']} points{'; ' * bool(marks)}{', '.join(marks)}")
    print(f"{args['out'] / 'preset.json'}, {args['out'] / 'front.svg'}")
    return 0


def papers(name: str, model: Any, N_avg: float) -> list[Any]:
    """The paper's own setting of a method for such a model that is nearest to the budget, if it prints one."""
    from csp.methods import METHODS, PRESETS, build
    from csp.methods.presets import SHAPES

    known = [p for p in PRESETS.values() if p.method == name and p.knobs]
    here = [p for p in known if (SHAPES[p.shape].N, SHAPES[p.shape].L) == (model.N, model.L)]
    near = sorted(here, key=lambda p: abs(p.n_avg - N_avg))[:1]
    return [build(METHODS[name], p.knobs or {}) for p in near]


def score(args: Mapping[str, Any], model: Any, methods: Sequence[Any], split: str, count: int, first: int, folder: Path) -> Any:
    """A tally of methods and dense on ``count`` pictures; rows that are in ``folder`` are not made again."""
    from csp.evaluation import provenance
    from csp.evaluation.experiments import named
    from csp.evaluation.processes import Job, gather
    from csp.evaluation.runs import DENSE, Run
    from csp.evaluation.tally import Tally
    from csp.evaluation.terminal import progress
    from csp.methods.full import Full
    from csp.samples import DataSource, ParkSource

    source: Any = ParkSource(split, count, first)
    if args["data"] != "park":
        name = args["data"] if split == "val" else args["test_data"]
        # Another seed for each round: mostly other pictures; the test set is another set altogether.
        source = DataSource(name, args["data_root"], "official", count, args["seed"] + first)
    runs = (Run(DENSE, Full(), empty=False), *(Run(named(m, args["seed"]), m, args["seed"], empty=False) for m in methods))
    options = {key: args[key] for key in ("device", "clip", "sam") if args[key] is not None}
    weights = provenance.fingerprint(provenance.model_folders(args["model"], args["clip"]))
    header = {"weights": weights, "samples": source.describe(), "runs": [run.describe() for run in runs]}
    job = Job(args["model"], source, runs, options, args["threads"])
    with progress(folder.name) as tell:
        rows = gather(job, folder, args["jobs"], header, tell, model if args["jobs"] == 1 else None)
    if rows is None:
        raise ValueError("a search decides between its rounds: use --jobs instead of torchrun")
    return Tally((row for row in rows if row["family"] != "absent"), args["seed"])


def change(method: Any, tally: Any) -> Any:
    return tally.change(_runs(method, tally))


def _runs(method: Any, tally: Any) -> list[str]:
    from csp.evaluation.experiments import named

    plain = named(method)
    return [run for run in tally.runs if run == plain or run.startswith(plain.removesuffix("seed=0)") + "seed=")]


def ranking(methods: Sequence[Any], tally: Any, most_ms: float | None) -> list[Any]:
    """Methods by their paired change, the best first; those that measured slower than ``most_ms`` left out."""
    fast = [m for m in methods if most_ms is None or tally.bill(_runs(m, tally))["ms"] <= most_ms]
    if not fast:
        raise ValueError(f"no plan ran within {most_ms:g} ms here: give a larger --ms")
    return sorted(fast, key=lambda m: -change(m, tally).value)


def told(method: Any, tally: Any) -> dict[str, Any]:
    """A plan's line: setting, cost, and its change against dense with the interval."""
    from csp.evaluation.experiment_page import points
    from csp.evaluation.experiments import named

    estimate = change(method, tally).estimate.as_dict()
    bill = tally.bill(_runs(method, tally))
    return {
        "label": named(method), "knobs": json.loads(json.dumps(asdict(method))), "N_avg": round(bill["N_avg"], 3),
        "GFLOPs": round(1000 * bill["TFLOPs"], 4), "ms": round(bill["ms"], 2), "change": estimate,
        "shown": points(estimate, True),
    }  # fmt: skip


def beside(method: Any, reference: Sequence[Any], tally: Any) -> dict[str, Any]:
    """What a plan gains on the paper's setting, paired on the same pictures; empty where there is none to compare with."""
    if not reference or method in reference:
        return {}
    return {"to the paper's": (change(method, tally) - change(reference[0], tally)).estimate.as_dict()}


def draw(found: Mapping[str, Any], path: Path) -> None:
    """Every plan's change in every round, and on test pictures with intervals: what a lead on few pictures is worth."""
    from matplotlib.figure import Figure

    from csp.render import palette, typeset

    papers = {line["label"] for line in found["front"] if line["paper's setting"]}
    chosen = {line["label"] for line in found["front"] if line["chosen"]} - papers
    blue, orange = (palette.hex_of(look.color) for look in (palette.REPRESENTATIVE, palette.SURVIVOR))
    looks: dict[str, dict[str, Any]] = {
        "others that were tried": {"color": "0.62", "marker": "o", "ms": 2, "lw": 0.4, "zorder": 2},
        "chosen on validation": {"color": blue, "marker": "o", "ms": 5, "lw": 1.1, "zorder": 4},
        "the paper's": {"color": orange, "marker": "s", "ms": 5, "lw": 1.1, "zorder": 3},
    }
    columns = [({e["label"]: 100 * e["change"]["value"] for e in r["plans"]}, r["pictures"]) for r in found["rounds"]]
    columns.append(({e["label"]: 100 * e["change"]["value"] for e in found["front"]}, found["test pictures"]))
    with typeset.style():
        figure = Figure(figsize=(5.2, 3.1), dpi=typeset.DPI / 2, layout="constrained")
        ax = figure.add_subplot()
        ax.axhline(0, color="0.4", lw=0.5)
        for label in columns[0][0]:
            kind = "the paper's" if label in papers else "chosen on validation" if label in chosen else "others that were tried"
            there = [(at, values[label]) for at, (values, _) in enumerate(columns) if label in values]
            ax.plot(*zip(*there, strict=True), **looks[kind])
        for line in found["front"]:
            low, value, high = (100 * line["change"][key] for key in ("low", "value", "high"))
            ax.errorbar(len(columns) - 1, value, [[value - low], [high - value]], color="0.3", lw=0.7, capsize=2, zorder=1)
        words = [f"{len(values)} plans\n{pictures} validation" for values, pictures in columns[:-1]]
        ax.set_xticks(range(len(columns)), [*words, f"{len(columns[-1][0])} plans\n{columns[-1][1]} test"])
        ax.tick_params(labelsize=typeset.SMALL, width=0.5)
        ax.set_xlabel("plans left, and pictures that no round before had", fontsize=typeset.FONT)
        ax.set_ylabel("change of gIoU against dense, points", fontsize=typeset.FONT)
        shown = [kind for kind in looks if kind != "chosen on validation" or chosen]
        ax.legend([ax.plot([], [], **looks[kind])[0] for kind in shown], shown, fontsize=typeset.SMALL, frameon=False)
        typeset.save(figure, path)


if __name__ == "__main__":
    sys.exit(main())
