"""Sections of ``docs/results.md`` that other programs than csp.evaluate make: tuned heads, plans that were searched
for, and what follows the layer that training supervises.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from csp.evaluation.experiment_page import points
from csp.evaluation.report import table
from csp.evaluation.summary import is_current

Summary = Mapping[str, Any]


def keep(docs: Path, name: str, told: Summary) -> None:
    """Put a summary beside those of the suites."""
    (docs / "results").mkdir(parents=True, exist_ok=True)
    (docs / "results" / f"{name}.json").write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def sections(folder: Path, frozen: Summary) -> list[str]:
    """Of every summary in ``folder`` its section and its remark by hand; of one that other weights gave, how to make it again."""
    blocks = []
    for name, section in SECTIONS.items():
        file, remark = folder / f"{name}.json", folder / f"{name}.md"
        told = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
        if told is None:
            continue
        if name in MADE_BY and not is_current(told, frozen):
            title = section(told).partition("\n")[0]
            blocks.append(f"{title}\n\nNot run on these weights yet: `{MADE_BY[name]}`.\n")
            continue
        blocks.append(section(told))
        if remark.is_file():
            blocks.append(remark.read_text(encoding="utf-8").strip() + "\n")
    return blocks


def tuned(told: Summary) -> str:
    """Table 6 with a tuned head: what was asked, the table, what the hold-out chose."""
    study = told["study"]
    chosen = "; ".join(
        f"{name}: rate {head['rate']:g}, best after update {', '.join(str(look['update']) for look in head['held out'].values())}"
        for name, head in told["heads"].items()
    )
    recipe = study["recipe"]
    blocks = (
        "## mIoU*: the mask head tuned under a plan",
        "Only SAM's mask decoder is trained, on rows that the frozen model makes under one plan, with LISA's losses and rates: "
        f"{recipe['updates']} updates of {recipe['pictures']} pictures with up to {recipe['queries']} queries each, "
        f"{study['scenes']} training scenes, {study['held']} more to choose rate and update by, {study['seeds']} seeds (gIoU is "
        "their mean, the range beside it), scored once on test scenes. The first change is against the base's head under the "
        f"same plan; a loss is against the dense plan, with the base's head and with the head that was tuned dense as long: "
        f"that is the fair one. The rival is {told['settings']['rival'][0]} with as many tokens as the first plan.",
        tuned_table(told),
        f"Chosen on held-out scenes: {chosen}.",
        _made_by(told, told["samples"]["test"]["pictures"]),
    )
    return "\n\n".join(blocks) + "\n"


def tuned_table(told: Summary) -> str:
    head = ("head", "plan", "N_avg", "gIoU", "by seed", "to the base's head", "lost, base dense", "lost, tuned dense", "paper")
    lines = []
    for line in told["table"]:
        seeds = [100 * value for value in line["by seed"]]
        lines.append((
            line["head"], line["plan"], f"{line['N_avg']:.1f}", points(line["gIoU"]),
            f"{min(seeds):.1f} to {max(seeds):.1f}" if len(seeds) > 1 else "",
            "" if line["head"] == "base" else points(line["gain"], True),
            points(line["drop"], True), points(line["drop, both tuned"], True) if line["head"] != "base" else "",
            "" if (paper := line["paper's drop"]) is None else f"{paper:g}",
        ))  # fmt: skip
    return table(head, lines)


def searched(told: Summary) -> str:
    """A search's front, against dense, on pictures that it never saw, beside the last round's numbers that chose."""
    last = {line["label"]: line["shown"] for line in told["rounds"][-1]["plans"]}
    marks = (("paper's setting", "the paper's"), ("chosen", "chosen"))
    lines = [
        (
            line["label"], f"{line['N_avg']:.1f}", f"{line['GFLOPs']:.2f}", last.get(line["label"], ""), line["shown"],
            points(line["to the paper's"], True) if "to the paper's" in line else "",
            ", ".join(word for key, word in marks if line.get(key)),
        )
        for line in told["front"]
    ]  # fmt: skip
    rounds = ", ".join(f"{len(r['plans'])} plans on {r['pictures']} scenes" for r in told["rounds"])
    fit = "are within the budget" if set(told.get("budget", ())) == {"ms"} else "spend 85 to 100 % of the budget"
    blocks = (
        "## A plan found for a budget",
        f"Of {told['fit']} plans of {told['method']} that {fit}, {told['tried']} were tried by successive halving on "
        f"validation scenes ({rounds}; every round on scenes of its own). What was left, in points of gIoU against dense: in "
        "the last round, which chose, and on test scenes, which nothing saw before; then paired with the paper's setting on the "
        "same test scenes:",
        "![What the search left](results/search.svg)",
        table(("plan", "N_avg", "GFLOPs", "last round", "test", "test, to the paper's", ""), lines),
        _made_by(told, told["test pictures"]),
    )
    return "\n\n".join(blocks) + "\n"


def _made_by(told: Summary, pictures: int) -> str:
    machine = told["machine"]
    return (
        f"{pictures} pictures of park/test. `{told['command']}`, {told['finished'][:10]}, {machine['device']} with "
        f"{machine['cores']} cores."
    )


def supervised(told: Summary) -> str:
    """The experiment on where the attention loss stands: short trainings that differ in nothing else."""
    machine = told["machine"]
    blocks = (
        "## Does CSP's margin follow the layer that training supervises?",
        f"A decoder of 8 layers was deepened to 32 and trained on for {told['minutes']:g} minutes, with the attention loss bound "
        "to three layers around 7, 13 or 19, on a layer drawn anew each step as the recipe has it, or without one; it weighs "
        f"{told['stress']:g} times what the recipe has, since runs are short and the start has learnt where to look. The rest is "
        f"the same. LVLM_CSP ranks at layer 13, FastV at 7, PyramidDrop at several. {told['queries']} queries on validation "
        "scenes; changes in points of gIoU against the dense run of the same weights.",
        "![Top A_SEG on target by layer](results/supervised.svg)",
        supervised_table(told),
        f"`{told['command']}`, {told['finished'][:10]}, {machine['device']} with {machine['cores']} cores.",
    )
    return "\n\n".join(blocks) + "\n"


def supervised_table(told: Summary) -> str:
    """A row per condition and seed: dense gIoU, what each method changes, and the first layer that finds the target."""
    others = [name for name in told["methods"] if name != "full"]
    lines = []
    for key, result in told["results"].items():
        name, seed = key.split("/")
        score = result["gIoU"]
        first = next((i for i, share in enumerate(result["on target"]) if share >= 0.5), None)
        changes = [f"{100 * (score[other] - score['full']):+.1f}" for other in others]
        lines.append([name, seed, f"{score['full']:.3f}", *changes, "none" if first is None else str(first)])
    return table(("attention loss", "seed", "dense", *others, "first layer on target"), lines)


SECTIONS: Mapping[str, Callable[[Summary], str]] = {"tuned": tuned, "search": searched, "supervised": supervised}
MADE_BY: Mapping[str, str] = {"tuned": "python -m csp.tune table6", "search": "python -m csp.search --tokens 73"}
"""Those of one model's weights, each with its command; the others train their own."""
