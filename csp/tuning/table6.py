"""Table 6's mIoU and mIoU* on the park, with the controls without which mIoU* says nothing.

Heads: the base's; one tuned under each plan; one tuned alike under the dense plan and under a rival's at the same N_avg; one
tuned on another query's rows. Each is scored under its own plan and under others, on test scenes that are looked at once, when
every head is done. The rate is chosen on held-out training scenes with the first seed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from csp import tuned
from csp.methods import METHODS, PRESETS, Method, at_budget, build, expected_n_avg
from csp.methods.full import Full
from csp.methods.presets import SHAPES
from csp.metrics import Bootstrap, Statistic, iou, mean_of, overlap
from csp.samples import ParkSource
from csp.tuning.rows import Picture, Rows
from csp.tuning.selected import best_of
from csp.tuning.train import Recipe, Tuner, forward

SHAPE = "7B-224"
BASE, DENSE, RIVAL = "base", "dense", "rival"
PRINTED = {65: 0.1, 70: 0.7, 75: 1.7, 80: 3.8, 85: 6.5, 90: 7.2}
"""The paper's drop with a tuned head (mIoU*), in points, by ratio; `csp.PRESETS` has the drop without."""
Tell = Callable[..., AbstractContextManager[Callable[[int, int], None]]]


@dataclass(frozen=True)
class Study:
    """What is asked for: ratios of Table 6, scenes to tune on, to select by and to test on, seeds and rates to try."""

    ratios: tuple[int, ...] = tuple(PRINTED)
    scenes: int = 400
    held: int = 40
    test: int = 200
    seeds: int = 3
    rates: tuple[float, ...] = (1e-4,)
    rival: str = "pyramiddrop"
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        unknown = [ratio for ratio in self.ratios if ratio not in PRINTED]
        if unknown or not self.ratios:
            raise ValueError(f"--ratios must be among {', '.join(map(str, PRINTED))}, got {', '.join(map(str, unknown))}")
        for name in ("scenes", "held", "test", "seeds"):
            if getattr(self, name) < 1:
                raise ValueError(f"--{name} must be 1 or more, got {getattr(self, name)}")
        if self.rival not in METHODS or self.rival in ("full", "csp"):
            raise ValueError(f"--rival must be a method beside full and csp, got {self.rival!r}")


@dataclass(frozen=True)
class Head:
    """A head: the plan whose rows it was tuned on, and whether those were of another query; ``plan`` empty: the base's own."""

    name: str
    plan: str = ""
    shuffle: bool = False


def plans_of(study: Study, N: int, L: int) -> dict[str, Method]:
    """Plans by name: dense, the ratios as "75 %", and the rival at the N_avg of the first of them."""
    if (N, L) != (SHAPES[SHAPE].N, SHAPES[SHAPE].L):
        raise ValueError(f"Table 6 is made for {SHAPES[SHAPE].N} image tokens and {SHAPES[SHAPE].L} layers, not {N} and {L}")
    found: dict[str, Method] = {DENSE: Full()}
    for ratio in study.ratios:
        found[f"{ratio} %"] = build(METHODS["csp"], PRESETS[f"table6/{SHAPE}/{ratio}"].knobs or {})
    first = expected_n_avg(found[f"{study.ratios[0]} %"], N, L)
    return found | {RIVAL: at_budget(METHODS[study.rival], first, N, L)}


def heads_of(study: Study) -> tuple[Head, ...]:
    first = f"{study.ratios[0]} %"
    own = tuple(Head(f"tuned at {ratio} %", f"{ratio} %") for ratio in study.ratios)
    return (
        Head(BASE), Head("tuned dense", DENSE), *own, Head("tuned under the rival", RIVAL),
        Head("tuned on another query's rows", first, shuffle=True),
    )  # fmt: skip


def pairs(study: Study) -> Iterator[tuple[Head, str]]:
    """Which head is scored under which plan."""
    for head in heads_of(study):
        if head.name == BASE:
            yield from ((head, plan) for plan in (DENSE, *(f"{r} %" for r in study.ratios), RIVAL))
        elif head.plan == DENSE:
            yield from ((head, plan) for plan in (DENSE, *(f"{r} %" for r in study.ratios)))
        elif head.plan == RIVAL or head.shuffle:
            yield head, head.plan
        else:
            yield from ((head, plan) for plan in (head.plan, DENSE))


def run(model: Any, study: Study, folder: Path, progress: Tell) -> dict[str, Any]:
    """The table's numbers. Raises ValueError for a model that it is not made for, and a folder of something else."""
    base, plans = tuned.fingerprint(model), plans_of(study, model.N, model.L)
    kept = {name: p.detach().clone() for name, p in model.mask_head.sam.mask_decoder.state_dict().items()}
    source, test = ParkSource("train", study.scenes + study.held), ParkSource("test", study.test)
    rows, there = {}, {}
    for name, method in plans.items():
        for where, of in (("train", source), ("test", test)):
            made = Rows(folder / "rows" / f"{where} {_slug(name)}", model, of, method, base)
            with progress(f"rows, {where}, {name}") as tell:
                there[name, where] = made.make(tell)
            rows[name, where] = made
    heads: dict[tuple[str, int], Path] = {}
    chosen: dict[str, Any] = {}
    for head in (head for head in heads_of(study) if head.plan):
        usable = there[head.plan, "train"]
        train, held = usable[: study.scenes], usable[study.scenes :] or usable[-1:]
        rate: float | None = None
        looks = {}
        for seed in range(study.seeds):
            tried = {}
            for each in study.rates if rate is None else (rate,):
                recipe = replace(study.recipe, rate=each, seed=seed, shuffle=head.shuffle)
                place = folder / "heads" / _slug(head.name) / f"seed {seed}, rate {each:g}"
                model.mask_head.sam.mask_decoder.load_state_dict(kept)
                tuner = Tuner(model, rows[head.plan, "train"], train, recipe, place)
                with progress(f"{head.name}, seed {seed}, rate {each:g}", unit="update") as bar:
                    found = best_of(tuner, held, lambda done, of, loss, bar=bar: bar(done, of))  # type: ignore[misc]
                tried[each] = found | {"place": place}
            best = max(tried, key=lambda each: tried[each]["gIoU"])
            rate = best if rate is None else rate
            heads[head.name, seed] = tried[best].pop("place")
            looks[seed] = {key: tried[best][key] for key in ("update", "loss", "gIoU")}
        chosen[head.name] = {"rate": rate, "held out": looks}
    lines = []
    for head, plan in pairs(study):
        for seed in range(study.seeds if head.plan else 1):
            model.mask_head.sam.mask_decoder.load_state_dict(kept)
            if head.plan:
                _put(model, heads[head.name, seed])
            file = folder / "scores" / f"{_slug(head.name)}, seed {seed}, under {_slug(plan)}.json"
            with progress(f"test: {head.name}, seed {seed}, under {plan}") as bar:
                lines += _scored(model, rows[plan, "test"], there[plan, "test"], file, (head.name, plan, seed), bar)
    model.mask_head.sam.mask_decoder.load_state_dict(kept)
    return {
        "study": asdict(study), "base": base, "heads": chosen, "settings": {n: [m.name, asdict(m)] for n, m in plans.items()},
        "samples": {"train": source.describe(), "test": test.describe()},
        "table": table(study, lines, {name: expected_n_avg(m, model.N, model.L) for name, m in plans.items()}),
    }  # fmt: skip


def _slug(name: str) -> str:
    return name.replace(" %", "").replace("'", "")


def _put(model: Any, place: Path) -> None:
    from safetensors.torch import load_file

    from csp.tuning.selected import BEST

    weights = {name.removeprefix(tuned.DECODER): tensor for name, tensor in load_file(place / BEST).items()}
    model.mask_head.sam.mask_decoder.load_state_dict(weights, strict=True)


@torch.no_grad()
def _scored(
    model: Any, rows: Rows, there: Sequence[int], file: Path, key: tuple[str, str, int], tell: Callable[[int, int], None]
) -> list[dict[str, Any]]:
    """Intersections and unions of every test query, kept in a file: test scenes are scored once."""
    if not file.is_file():
        found = []
        for done, index in enumerate(there, 1):
            read = rows.read(index, model.device)
            picture = Picture(read.embedding.float(), read.states, read.targets, read.seen)
            logits = (forward(model, picture) > 0).cpu().numpy()
            for k, target in enumerate(picture.targets.bool().cpu().numpy()):
                found.append([rows.source.picture(index), k, *overlap(logits[k], target)])
            tell(done, len(there))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found), encoding="utf-8")
    head, plan, seed = key
    return [
        {"head": head, "plan": plan, "seed": seed, "scene": scene, "query": query, "I": inside, "U": union}
        for scene, query, inside, union in json.loads(file.read_text(encoding="utf-8"))
    ]


def table(study: Study, lines: Sequence[Mapping[str, Any]], N_avg: Mapping[str, float]) -> list[dict[str, Any]]:
    """A line a head and plan: gIoU, its change against the base's head under the same plan, the drop against the dense
    plan with the base's head and with the one tuned dense; each over pictures and seeds.
    """
    resamples = Bootstrap([line["scene"] for line in lines])
    found: dict[tuple[str, str], list[Statistic]] = {}
    for head, plan in pairs(study):
        for seed in range(study.seeds if head.plan else 1):
            mine = [e for e in lines if (e["head"], e["plan"], e["seed"]) == (head.name, plan, seed)]
            value = resamples.ratio([e["scene"] for e in mine], iou([e["I"] for e in mine], [e["U"] for e in mine]))
            found.setdefault((head.name, plan), []).append(value)
    mean = {key: mean_of(values) for key, values in found.items()}
    told = []
    for (name, plan), value in mean.items():
        same, dense, fair = mean[BASE, plan], mean[BASE, DENSE], mean["tuned dense", DENSE]
        ratio = int(plan.removesuffix(" %")) if plan.endswith("%") else None
        own = name in (BASE, f"tuned at {plan}")
        preset = PRESETS.get(f"table6/{SHAPE}/{ratio}")
        paper = None if ratio is None or not own else PRINTED[ratio] if name != BASE else getattr(preset, "drop", None)
        told.append({
            "head": name, "plan": plan, "N_avg": round(N_avg[plan], 2), "gIoU": value.estimate.as_dict(),
            "by seed": [round(s.value, 6) for s in found[name, plan]], "gain": (value - same).estimate.as_dict(),
            "drop": (dense - value).estimate.as_dict(), "drop, both tuned": (fair - value).estimate.as_dict(),
            "paper's drop": paper,
        })  # fmt: skip
    return told
