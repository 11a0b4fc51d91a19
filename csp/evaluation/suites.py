"""The paper's comparisons as lists of runs: Tables 1, 4, 5 and 6 and the trade-off curves of Figures 2(b) and
3(c), for any model.

The settings are the paper's for 256 image tokens and 32 layers; a model of another shape is refused rather
than scaled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from csp.evaluation import paper
from csp.evaluation.runs import DENSE, Run
from csp.methods import AFTER, METHODS, PRESETS, Control, Method, at_budget, build, expected_n_avg, knobs
from csp.methods.fastv import FastV
from csp.methods.full import Full
from csp.methods.presets import SHAPES, TABLE_1
from csp.methods.prumerge import PruMergePlus
from csp.methods.smaller import SmallerPicture
from csp.methods.without import Blind, Exit, Things

SHAPE = "7B-224"
BUDGETS = (160, 128, 96, 73, 48, 32)
"""Mean image tokens per layer at which all methods are compared."""


@dataclass(frozen=True)
class Line:
    """A row of a table or a point of a curve: a method, run once for each of ``seeds`` where it draws lots.

    ``curve`` names the curve it belongs to and ``at`` its place along it; ``paper`` is the paper's own change
    against dense. ``words``: it needs CLIP's text tower, ``guide``: a detector; not every model has them.
    """

    label: str
    method: Method
    seeds: tuple[int, ...] = (0,)
    curve: str = ""
    at: float | None = None
    paper: float | None = None
    words: bool = False
    guide: bool = False

    @property
    def runs(self) -> tuple[Run, ...]:
        """A run per seed, the dense line's being the dense run itself."""
        if isinstance(self.method, Full):
            return (Run(DENSE, self.method),)
        if self.seeds == (0,):
            return (Run(self.label, self.method),)
        return tuple(Run(f"{self.label} / seed {seed}", self.method, seed) for seed in self.seeds)


@dataclass(frozen=True)
class Suite:
    """A table of the paper in miniature. ``lines`` builds it for seeds; ``axis`` says what `Line.at` is, if
    anything.
    """

    name: str
    title: str
    lines: Callable[[tuple[int, ...]], tuple[Line, ...]]
    axis: str = ""
    claim: str = ""


def draws(method: Method) -> bool:
    """Whether a method draws lots, so that one seed says little."""
    return bool(getattr(method, "draws", False))


def check_shape(N: int, L: int) -> None:
    """Raises ValueError for a model that the paper's settings do not fit."""
    shape = SHAPES[SHAPE]
    if (N, L) != (shape.N, shape.L):
        raise ValueError(
            f"the suites are made for {shape.N} image tokens and {shape.L} layers, this model has {N} and {L}; "
            "compare single methods with --method instead"
        )


def _line(label: str, method: Method, seeds: tuple[int, ...], **more: object) -> Line:
    return Line(label, method, seeds if draws(method) else (0,), **more)  # type: ignore[arg-type]


def _preset(
    key: str, seeds: tuple[int, ...], label: str = "", curve: str = "", at: float | None = None
) -> Line:
    preset = PRESETS[key]
    method = build(METHODS[preset.method], preset.knobs or {})
    return _line(label or preset.label, method, seeds, curve=curve, at=at, paper=paper.change(key))


def _table1(seeds: tuple[int, ...]) -> tuple[Line, ...]:
    """Ten rows at the paper's own N_avg, the other row that two of them may ask, and negative controls."""
    rows = [_preset(f"table1/{SHAPE}/{name}", seeds, _asked(METHODS[name])) for name in TABLE_1]
    asked = [
        _line(_asked(METHODS[name], "prompt"), build(METHODS[name], {**(PRESETS[key].knobs or {}), "query": "prompt"}), seeds)
        for name in TABLE_1
        if getattr(METHODS[name], "asks_last", False) and (key := f"table1/{SHAPE}/{name}")
    ]
    shape = SHAPES[SHAPE]
    controls = []
    for name in ("fastv", "csp"):
        base = build(METHODS[name], PRESETS[f"table1/{SHAPE}/{name}"].knobs or {})
        for keep, words in (
            ("random", "random tokens"),
            ("even", "an even grid"),
            ("last-rows", "the last rows"),
        ):
            control = Control.like(base, shape.N, shape.L, keep)  # type: ignore[arg-type]
            controls.append(_line(f"{words}, as {base.label}", control, seeds))
    return (*rows, *asked, *controls, *_without(seeds))


def _without(seeds: tuple[int, ...]) -> tuple[Line, ...]:
    """Controls for what LVLM_CSP's stages earn, each at its setting in Table 1 with one thing taken away."""
    csp = PRESETS[f"table1/{SHAPE}/csp"].knobs or {}
    K = csp["Lc"] + csp["Ls"]
    return (
        _line("LVLM_CSP, survivors by lot", build(METHODS["csp"], {**csp, "row": "lot"}), seeds),
        _line("LVLM_CSP, Nc = 1", build(METHODS["csp"], {**csp, "Nc": 1}), seeds),
        _line("instance tokens only, all layers", Things(), seeds, guide=True),
        _line(f"answer read after layer {K}, no later layer run", Exit(K), seeds),
        _line(f"no image token after layer {K}", Blind(K), seeds),
        _line("a smaller picture, all layers", SmallerPicture(T=73), seeds),
    )


def _asked(method: type[Method], row: str = "official") -> str:
    """A method's name in a table, with the row that it asks where authors' code means two rows here."""
    if not getattr(method, "asks_last", False):
        return method.label
    return f"{method.label}, {'</s> asked' if row == 'official' else 'the prompt asked'}"


def _table4(seeds: tuple[int, ...]) -> tuple[Line, ...]:
    keys = [key for key in PRESETS if key.startswith(f"table4/{SHAPE}/")]
    dense = _preset(f"table1/{SHAPE}/full", seeds, Full.label)
    return (
        dense,
        *(_preset(key, seeds, curve=key.split("/")[2], at=float(key.split("/")[3])) for key in keys),
    )


def _table5(seeds: tuple[int, ...]) -> tuple[Line, ...]:
    dense = _preset(f"table1/{SHAPE}/full", seeds, Full.label)
    rows = []
    for key in (key for key in PRESETS if key.startswith(f"table5/{SHAPE}/")):
        layers, Np = key.split("/")[2:]
        rows.append(_preset(key, seeds, curve="Lc {}, Ls {}".format(*layers.split("-")), at=float(Np)))
    return (dense, *rows)


def _table6(seeds: tuple[int, ...]) -> tuple[Line, ...]:
    keys = [key for key in PRESETS if key.startswith(f"table6/{SHAPE}/")]
    return tuple(
        _preset(key, seeds, Full.label if key.endswith("/0") else "", "LVLM_CSP", float(key.split("/")[2]))
        for key in keys
    )


def _tradeoff(seeds: tuple[int, ...]) -> tuple[Line, ...]:
    """Every method at the same budgets where it can reach them, PruMerge+ by its total, FastV by the layer at
    which it drops.
    """
    shape = SHAPES[SHAPE]
    lines = [_preset(f"table1/{SHAPE}/full", seeds, Full.label)]
    for method in map(METHODS.__getitem__, TABLE_1):
        if method is not Full:
            for N_avg, found in _at_budgets(method):
                lines.append(
                    _line(f"{method.label}, N_avg {N_avg}", found, seeds, curve=method.label, at=N_avg)
                )
    for total in (192, 128, 95, 64, 32):
        plus = PruMergePlus(total=total)
        lines.append(
            _line(f"Figure 2(b): PruMerge+, {total}", plus, seeds, curve="Figure 2(b): PruMerge+", at=total)
        )
    for K in (2, 4, 8, 12, 16, 20, 24):
        fastv = FastV(K=K, R=64)
        at = expected_n_avg(fastv, shape.N, shape.L)
        lines.append(
            _line(f"Figure 3(c): FastV, K {K}", fastv, seeds, curve="Figure 3(c): FastV over K", at=at)
        )
    return tuple(lines)


def _variants(seeds: tuple[int, ...]) -> tuple[Line, ...]:
    """Table 1's rivals by their official rule, budgets inferred from the printed N_avg; then with every token at its own
    position, then ranked by the prompt's end where the rule asks the last row, then by [SEG].
    """
    steps = (
        ("own positions", {"positions": "original"}),
        ("own positions, ranked by the prompt's end", {"query": "prompt"}),
        ("own positions, ranked by [SEG]", {"query": "seg"}),
    )
    lines = []
    for name in TABLE_1:
        method = METHODS[name]
        settings = dict(PRESETS[f"table1/{SHAPE}/{name}"].knobs or {})
        there = {knob.name for knob in knobs(method)}
        lines.append(_line(_asked(method), build(method, settings), seeds))
        for words, turned in steps:
            if turned.get("query") == "prompt" and not getattr(method, "asks_last", False):
                continue
            if set(turned) <= there:
                settings |= turned
                lines.append(_line(f"{method.label}, {words}", build(method, settings), seeds))
    return (*lines, *_without(seeds))


def _after(seeds: tuple[int, ...]) -> tuple[Line, ...]:
    """Dense, CSP, and what came after the paper at CSP's budget: by the official rule, then with every token at its own
    position.
    """
    rows = [_preset(f"table1/{SHAPE}/{name}", seeds, METHODS[name].label) for name in (Full.name, "csp")]
    for key, preset in AFTER.items():
        _, _, variant = key.removeprefix("after/").partition("/")[2].partition("/")
        label = METHODS[preset.method].label + (f", {variant}" if variant else "")
        official = build(METHODS[preset.method], preset.knobs or {})
        for words, turned in (("", {}), (", own positions", {"positions": "original"})):
            method = build(METHODS[preset.method], {**(preset.knobs or {}), **turned})
            needs = getattr(method, "space", "") == "clip" and getattr(method, "relevance", "") != "none"
            # A rule that keeps positions by itself has no second row.
            if not words or _positions(method) != _positions(official):
                rows.append(_line(label + words, method, seeds, words=needs))
    return tuple(rows)


def _positions(method: Method) -> list[str]:
    N, L = SHAPES[SHAPE].N, SHAPES[SHAPE].L
    return [stage.positions for stage in method.plan(N, L)]


def that_run(lines: Iterable[Line], words: bool, guide: bool) -> tuple[tuple[Line, ...], tuple[str, ...]]:
    """The lines that a model can run, whose CLIP reads ``words`` or not, and which has a ``guide`` or not; and the labels of
    the others.
    """
    lines = tuple(lines)
    fit = tuple(line for line in lines if (words or not line.words) and (guide or not line.guide))
    return fit, tuple(line.label for line in lines if line not in fit)


def _at_budgets(method: type[Method]) -> Iterable[tuple[int, Method]]:
    """The budgets that a method reaches, others left out."""
    shape = SHAPES[SHAPE]
    for N_avg in BUDGETS:
        try:
            yield N_avg, at_budget(method, N_avg, shape.N, shape.L)
        except ValueError:
            continue


SUITES: dict[str, Suite] = {
    suite.name: suite
    for suite in (
        Suite(
            "table1",
            "Table 1: ten rows at about 70 % reduction",
            _table1,
            claim="LVLM_CSP loses 2.5 points, every rival 7.3 to 10.2",
        ),
        Suite(
            "table4",
            "Table 4: four selectors by Nc",
            _table4,
            "Nc",
            "Seg-First loses least at every Nc, and more tokens lose less",
        ),
        Suite(
            "table5",
            "Table 5: layers of clustering and scattering by Np",
            _table5,
            "Np",
            "two more layers of scattering gain about 2 points, Np hardly matters",
        ),
        Suite(
            "table6",
            "Table 6: six pruning ratios",
            _table6,
            "pruning ratio, %",
            "0.3 points are lost at 65 %, 8.1 at 90 %",
        ),
        Suite(
            "variants",
            "Why rivals lose: positions and the ranking row; what LVLM_CSP's stages earn",
            _variants,
        ),
        Suite(
            "after",
            "After the paper: newer rivals and the smaller picture at CSP's budget",
            _after,
        ),
        Suite(
            "tradeoff",
            "Figures 2(b) and 3(c): quality against cost",
            _tradeoff,
            "N_avg",
            "reducing before or early in the decoder costs most, and FastV recovers as K grows",
        ),
    )
}
