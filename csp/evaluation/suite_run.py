"""``--suite table1`` and its like: methods compared as the paper does on the park, into docs/results.md."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from csp import figures
from csp.evaluation import charts, frozen, page, provenance, suites, summary
from csp.evaluation.processes import Job, collect
from csp.evaluation.ranks import rank
from csp.evaluation.request import has_words, header_of, options_of, readers_of, weights_of
from csp.evaluation.terminal import progress
from csp.samples import ParkSource, Source


def run(args: dict[str, Any], source: Source, argv: Sequence[str] | None) -> Iterator[str]:
    """Run suites, keep their rows in ``--out``, write summaries, figures and the page below ``--docs``; yields each table.

    Raises ValueError for data that is not the park's, or queries after nothing.
    """
    from csp.checkpoints import load

    if not isinstance(source, ParkSource):
        raise ValueError("a suite runs on the park: leave --data out, or compare single methods with --method")
    if source.families == ("absent",):
        raise ValueError("a suite compares masks of what is there: name another --family than absent")
    who, options = rank(), options_of(args)
    model = load(args["model"], **options)
    suites.check_shape(model.N, model.L)
    readers, title, device = readers_of(args, model), model.name, str(model.device)
    words, guide = has_words(model), model.instances is not None
    mine = model if args["jobs"] == 1 else None
    del model
    folder, weights = args["docs"] / "results", weights_of(args)
    if who.first:
        frozen.freeze(folder, weights, args["refreeze"], args["docs"] / "log.md")
    for name in suites.SUITES if args["suite"] == "all" else (args["suite"],):
        began, suite = time.perf_counter(), suites.SUITES[name]
        lines, left_out = suites.that_run(suite.lines(tuple(range(args["seeds"]))), words, guide)
        runs = summary.runs_of(lines)
        header = header_of(weights, source, runs)
        rows_in = (args["out"] or Path("out/evaluation")) / name
        with progress(name, quiet=not who.first) as tell:
            job = Job(args["model"], source, runs, options, args["threads"], readers)
            rows = collect(job, args["jobs"], rows_in, header, tell, mine)
        if who.first:
            told = summary.summarise(suite, lines, rows, args["seed"])
            told |= {"left out": left_out, "model": title, "weights": weights, "samples": header["samples"]}
            told |= provenance.record(device, argv, began)
            (folder / f"{name}.json").write_text(summary.as_text(told), encoding="utf-8")
            figures.save(charts.figure(told), folder / f"{name}.svg")
            page.write(folder, args["docs"] / "results.md")
            yield f"{suite.title}\n\n{page.scores(told['lines'], list(told['queries']))}\n"
