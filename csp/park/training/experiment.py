"""Does CSP's margin follow the layer that training supervises?

The same shallow decoder is deepened to 32 layers and trained on, with the attention loss bound to layers around 7, 13 or 19,
drawn from all, or left out, two seeds each. Runs are short and start from a decoder whose attention was trained already, so
that the loss weighs more than in the recipe (`STRESS`), of which the rest is the same. Then dense and staged runs answer the same
queries of validation scenes. A run that is finished is not run again, so that the experiment can be made in pieces.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from csp.evaluation import found_page, provenance
from csp.park.training import teaching
from csp.park.training.depth import deepen
from csp.park.training.export import export

AROUND: dict[str, tuple[int, ...] | None] = {
    "7": (6, 7, 8),
    "13": (12, 13, 14),
    "19": (18, 19, 20),
    "drawn": (),
    "none": None,
}
SEEDS = (0, 1)
STRESS = 4.0
"""Times the recipe's weight of the attention loss."""
METHODS: dict[str, dict[str, Any]] = {
    "full": {},
    "csp": {"Lc": 8, "Nc": 64, "Ls": 6, "Np": 16, "cluster": "uniform"},
    "fastv": {"K": 8},
    "pyramiddrop": {},
}
"""CSP ranks at layer 13 here, FastV at 7, PyramidDrop at several."""
SCENES = 40
FIRST = 500  # of the validation scenes; those of the training curves come before


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 1.0


def measure(folder: Path, scenes: int = SCENES) -> dict[str, Any]:
    """gIoU of every method on the same queries, and the share of queries whose best patch is on the target, by layer."""
    import csp
    from csp.methods import METHODS as made, build
    from csp.park import language
    from csp.park.scenes import scene

    model = csp.load(str(folder))
    scores: dict[str, list[float]] = {name: [] for name in METHODS}
    on: list[np.ndarray] = []
    for number in range(FIRST, FIRST + scenes):
        s = scene(number, "val", 224)
        park = language.Park(number, "val", s.objects, s.marks)
        for q in language.queries(park):
            truth = s.mask(q.targets)
            for name, knobs in METHODS.items():
                result = model.segment(s.image, q.text, method=build(made[name], knobs))
                scores[name].append(_iou(np.asarray(result.mask), truth))
                if name == "full" and q.targets:
                    cover = truth.reshape(16, 14, 16, 14).mean((1, 3)).ravel()
                    on.append(cover[np.asarray(result.trace.A_SEG).argmax(1)] >= 0.3)
    return {
        "gIoU": {k: float(np.mean(v)) for k, v in scores.items()},
        "on target": np.mean(on, 0).round(4).tolist(),
        "queries": len(on),
    }


def supervise(room: teaching.Classroom, work: Path, minutes: float, docs: Path = Path("docs")) -> None:
    """Train and measure what is missing, then write summary and figure below `docs`; `docs/results.md` has the table.

    Raises ValueError without a decoder of fewer than 32 layers, or without a segmenter.
    """
    began, shallow = time.perf_counter(), work / "shallow.pt"
    if not shallow.exists():
        if not (work / "decoder.pt").exists() or teaching.restore(work / "decoder.pt").shape.depth >= 32:
            raise ValueError(f"{work} has no decoder of fewer than 32 layers: run `decoder` in an empty --work first")
        shallow.write_bytes((work / "decoder.pt").read_bytes())
    if room.sam is None:
        raise ValueError(f"{work} has no segmenter: run `segmenter` first")
    tower = teaching.load_tower(work / "tower.pt")
    found: dict[str, Any] = {}
    for name, layers in AROUND.items():
        for seed in SEEDS:
            folder = work / f"supervised-{name}-{seed}"
            result = folder / "result.json"
            if not result.exists():
                folder.mkdir(exist_ok=True)
                print(f"attention loss: {name}, seed {seed} ...", flush=True)
                model = deepen(teaching.restore(shallow))
                teaching.train_decoder(
                    model, room, minutes, folder / "decoder.pt", 6e-4, seed=100 + seed, every=1e9, attention=layers, stress=STRESS
                )
                export(model, tower, room.sam, folder / "model")
                result.write_text(json.dumps(measure(folder / "model") | {"minutes": minutes}))
            found[f"{name}/{seed}"] = json.loads(result.read_text())
    told = {
        "results": found,
        "methods": list(METHODS),
        "minutes": minutes,
        "stress": STRESS,
        "queries": min(result["queries"] for result in found.values()),
        **provenance.record("cpu", None, began, "csp.park.train"),
    }
    found_page.keep(docs, "supervised", told)
    figure(found, docs / "results/supervised.svg")
    print(found_page.supervised_table(told))


def figure(found: dict[str, Any], file: Path) -> None:
    """Share of queries whose best patch lies on the target, by layer, a line per condition (mean of its seeds)."""
    from matplotlib.figure import Figure

    made = Figure(figsize=(6, 3.2), layout="constrained")
    axes = made.subplots()
    for name in AROUND:
        rows = [result["on target"] for key, result in found.items() if key.split("/")[0] == name]
        if rows:
            axes.plot(
                np.mean(rows, 0),
                label={"drawn": "a layer drawn each step", "none": "no attention loss"}.get(name, f"around {name}"),
            )
    axes.set(xlabel="decoder layer", ylabel="top A_SEG on target", ylim=(0, 1), title="where the attention loss stands")
    axes.legend(frameon=False, fontsize=8)
    made.savefig(file)
