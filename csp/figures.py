"""Figures from results, and the program that makes them: ``python -m csp.figures --figure 5 --scenes 15 13 30 --out
figure5.svg`` runs a model on park scenes, ``python -m csp.figures run.npz [...]`` draws saved runs without one.

`figure5` is the paper's Figure 5, `dropping` its Figures 2(a) and 3(a, b), `clusterings` its Figure 4(B), `token_steps`
its Figure 4(D), `tradeoff` in the manner of its Figures 2(b) and 3(c); `stages` shows any runs, a row each;
`comparison` has a `row` a method. `runs` makes the results that a figure needs; `save` writes svg, pdf or png, the
same bytes for the same results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csp.flags import Parser
from csp.render.charts import token_steps
from csp.render.comparison import comparison, row
from csp.render.curves import tradeoff
from csp.render.cuts import clusterings, dropping
from csp.render.figure5 import figure5
from csp.render.figures import stages
from csp.render.kept import show_kept
from csp.render.notebook import to_html, to_png
from csp.render.sheet import DOUBLE, SINGLE
from csp.render.typeset import check_format, save, to_bytes
from csp.types import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "FIGURES",
    "clusterings",
    "comparison",
    "dropping",
    "figure5",
    "main",
    "row",
    "runs",
    "save",
    "show_kept",
    "stages",
    "to_bytes",
    "to_html",
    "to_png",
    "token_steps",
    "tradeoff",
]


def __dir__() -> list[str]:
    return sorted(__all__)


CSP_NAME = "csp"
SURVIVORS = (4, 16, 64)
SCENES = (15, 13, 30)
WIDTHS = {"single": SINGLE, "double": DOUBLE}


@dataclass(frozen=True)
class Kind:
    """A figure by name: what it shows, the methods to run for it given a setting and the decoder's layers, and what draws
    their results (results, true masks or None per row, width, provenance). The setting is CSP's, or of any method where
    the figure is ``open`` to all.
    """

    help: str
    methods: Callable[[Any, int], Sequence[Any]]
    draw: Callable[..., Figure]
    width: float = DOUBLE
    open: bool = False


def _figure5(csp_: Any, L: int) -> list[Any]:
    from csp.methods.full import Full
    from csp.methods.presets import TABLE_4

    others = [name for name in TABLE_4 if name != csp_.cluster]
    counts = [Np for Np in SURVIVORS if Np != csp_.Np]
    varied = [replace(csp_, cluster=name) for name in others] + [replace(csp_, Np=Np) for Np in counts]
    return [csp_, *varied, Full()]


def _clusters(csp_: Any, L: int) -> list[Any]:
    from csp.methods.presets import TABLE_4

    return [replace(csp_, cluster=name) for name in dict.fromkeys((*TABLE_4, csp_.cluster))]


def _made(name: str, **knobs: Any) -> Callable[[Any, int], list[Any]]:
    """One method of the registry, `K` cut to half of the layers."""

    def methods(csp_: Any, L: int) -> list[Any]:
        import csp

        return [csp.METHODS[name](**knobs | ({"K": min(knobs["K"], L // 2)} if "K" in knobs else {}))]

    return methods


def _schedules(own: Any, L: int) -> list[Any]:
    import csp

    beside = [csp.METHODS[name]() for name in ("csp", "prumerge+", "fastv", "pyramiddrop")]
    return [own, *(method for method in beside if method.name != own.name)]


def _steps(results: Sequence[Result], *, truth: Any, width: float, provenance: bool) -> Figure:
    return token_steps(results, width=width, provenance=provenance)


FIGURES: Mapping[str, Kind] = {
    "2a": Kind("Figure 2(a): what PruMerge+ keeps before the decoder", _made("prumerge+", total=95), dropping),
    "3a": Kind("Figure 3(a): what FastV keeps after layer 2", _made("fastv", K=2, R=64), dropping),
    "3b": Kind("Figure 3(b): what FastV keeps after layer 16", _made("fastv", K=16, R=64), dropping),
    "4B": Kind("Figure 4(B): the four clusterings", _clusters, clusterings),
    "4D": Kind("Figure 4(D): image tokens in every layer, method by method", _schedules, _steps, SINGLE, open=True),
    "5": Kind("Figure 5: clusterings, attention, survivors and mask of every example", _figure5, figure5),
    "stages": Kind("the stages of every run, a row each", lambda own, L: [own], stages, open=True),
    "steps": Kind("image tokens in every layer of every run", lambda own, L: [own], _steps, SINGLE, open=True),
}


def runs(
    figure: str, model: Any, image: Any, query: str, method: Any = None, seed: int = 0
) -> list[Result]:
    """Run `model` on a picture and a query by every method that a figure of FIGURES needs, leading run first.

    method: CSP's setting where the figure shows CSP, any method where it shows what it is given; by default Table 1's
    with Seg-First. Raises ValueError for an
    unknown figure or a setting that the model cannot run.
    """
    import csp

    kind = _kind(figure)
    from csp.methods import fitted

    start: Any = fitted(csp.CSP, model.N, model.L)
    method = method or replace(start, cluster="seg-first" if model.instances is not None else "uniform")
    methods = kind.methods(method, model.L)
    if model.instances is None:
        methods = [each for each in methods if each == method or not _needs_instances(each)]
    return [model.segment(image, query, method=each, seed=seed) for each in methods]


def _needs_instances(method: Any) -> bool:
    selector = getattr(method, "selector", None)
    return selector is not None and selector.instances


def _kind(figure: str) -> Kind:
    if figure not in FIGURES:
        raise ValueError(f"figure must be one of {', '.join(FIGURES)}, got {figure!r}")
    return FIGURES[figure]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns 0, or 2 after one line on what is wrong with the request."""
    try:
        args = _parser().parse_args(argv)
        name = args.figure or ("stages" if args.runs else "5")
        kind = _kind(name)
        width = _width(args.width) if args.width else kind.width
        check_format(args.out)
        results, truth = ([Result.open(path) for path in args.runs], None) if args.runs else _ran(name, args)
        if args.keep:
            _keep(results, args.keep)
        save(kind.draw(results, truth=truth, width=width, provenance=args.provenance), args.out)
    except (ValueError, OSError) as error:
        print(f"figures: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(args.out)
    return 0


def _parser() -> Parser:
    listed = "\n".join(f"  {name:<8}{kind.help}" for name, kind in FIGURES.items())
    main = Parser(
        prog="python -m csp.figures",
        description="Draw figures: from saved runs, or by running a model on pictures.",
        epilog=f"figures:\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main.add_argument("runs", nargs="*", metavar="run.npz", help="files that Result.save wrote; no model is read then")
    main.add_argument("--figure", choices=tuple(FIGURES), help="which (default: stages of saved runs, else 5)")
    main.add_argument("--out", default="figure.svg", help="file to write: .svg, .pdf or .png (300 dpi)")
    main.add_argument("--width", help="single (3.33), double (7) or inches (default: what suits the figure)")
    main.add_argument("--provenance", action="store_true", help="add a line with model, settings, seed and version")
    ran = main.add_argument_group("running a model")
    ran.add_argument("--model", default="park", help="park, a folder, or a hub id (default: park)")
    ran.add_argument("--scenes", nargs="+", type=int, metavar="N", help="test scenes of the park (default: 15 13 30)")
    ran.add_argument("--family", default="ref", help="which of a scene's queries: ref, ref+, refg, reason, intent, absent")
    ran.add_argument("--picture", action="append", metavar="FILE", help="a picture in place of scenes, with its --query")
    ran.add_argument("--query", action="append", metavar="TEXT", help="what to find in the --picture before it")
    ran.add_argument("--method", default="csp", help="any method, for the figures that show what they are given (default: csp)")
    ran.add_argument("--set", nargs="+", default=[], metavar="KNOB=VALUE", help="its setting, such as Nc=32 cluster=cls")
    ran.add_argument("--preset", metavar="FILE", help="method and settings of a preset.json that csp.search wrote")
    ran.add_argument("--head", help="a folder of csp.tune: the mask head tuned under a plan, drawn under the plan asked for")
    ran.add_argument("--seed", type=int, default=0, help="drives every lot that is drawn (default: 0)")
    ran.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: auto)")
    ran.add_argument("--clip", help="the vision tower's folder or hub id (default: what the model names)")
    ran.add_argument("--sam", help="SAM's sizes: vit_h, vit_l, vit_b or a JSON file (default: the model's)")
    ran.add_argument("--max-tiles", type=int, help="tiles that Sa2VA cuts a picture into at most (default: 12)")
    ran.add_argument("--keep", type=Path, metavar="FOLDER", help="also save the runs there, to draw them again without the model")
    return main


def _width(text: str) -> float:
    """Inches from a name of WIDTHS or a number."""
    try:
        return WIDTHS.get(text) or float(text)
    except ValueError:
        raise ValueError(f"--width must be {', '.join(WIDTHS)} or a number of inches, got {text!r}") from None


def _ran(figure: str, args: argparse.Namespace) -> tuple[list[Result], list[Any]]:
    """Results on the pictures asked for, and the true mask of each picture, None where none is known."""
    from csp import images
    from csp.checkpoints import load
    from csp.flags import method_of
    from csp.methods import find, knobs
    from csp.methods.found import read_preset
    from csp.park import scene

    pictures, queries = args.picture or [], args.query or []
    if len(pictures) != len(queries) or (pictures and args.scenes):
        raise ValueError(
            f"give a --query for every --picture, and no --scenes beside them, got {len(pictures)} and {len(queries)}"
        )
    given = dict(_setting(text) for text in args.set)
    asked: list[tuple[Any, str, Any]] = [
        (images.read(Path(picture)), query, None) for picture, query in zip(pictures, queries, strict=True)
    ]
    for number in [] if pictures else args.scenes or SCENES[: 1 if figure == "4D" else None]:
        drawn = scene(number, split="test")
        found = next((each for each in drawn.spoken if each[0] == args.family), None)
        if found is None:
            has = ", ".join(dict.fromkeys(family for family, _, _ in drawn.spoken))
            raise ValueError(f"scene {number} has no query of the family {args.family!r}; it has {has}")
        asked.append((drawn.image, found[1], found[2]))
    name = args.method
    if args.preset is not None:
        preset = read_preset(args.preset)
        if args.method not in (CSP_NAME, preset.method):
            raise ValueError(f"--method is {args.method} and the preset's {preset.method}: leave one of them out")
        known, name = {knob.name: knob for knob in knobs(find(preset.method))}, preset.method
        given = {key: known[key].as_text(value) for key, value in (preset.knobs or {}).items()} | given
    method = method_of(name, given) if name != CSP_NAME else None
    if method is not None and not FIGURES[figure].open:
        fit = ", ".join(name for name, kind in FIGURES.items() if kind.open)
        raise ValueError(f"figure {figure} shows LVLM_CSP's own stages, not those of {method.name}; --method is for {fit}")
    if method is None and given:
        method = method_of(CSP_NAME, {"cluster": "seg-first", **given})
    model = load(args.model, clip=args.clip, sam=args.sam, device=args.device, max_tiles=args.max_tiles, head=args.head)
    if method is not None:
        method = method_of(name, given if name != CSP_NAME else {"cluster": "seg-first", **given}, model)
    made = [runs(figure, model, image, query, method, args.seed) for image, query, _ in asked]
    return [result for row in made for result in row], [truth for _, _, truth in asked]


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set takes KNOB=VALUE such as Nc=32, got {text!r}")
    return name, value


def _keep(results: Sequence[Result], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i, result in enumerate(results):
        result.save(folder / f"run-{i:02d}.npz")


if __name__ == "__main__":
    sys.exit(main())
