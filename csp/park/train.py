"""Train the embedded model from nothing, or go on from its folder.

    python -m csp.park.train --work out/park all                     # every stage, in order
    python -m csp.park.train --work out/park --from assets/park sam  # one stage, from what is shipped

Stages: `sam` (class-agnostic segmenter), `tower` (vision tower, dense labels), `reason` (a 10-layer decoder over the frozen
tower), `deepen` (made 32 layers, trained on), `instances` (YOLO11n-seg), `export` (the model folder). Each stage is bounded by
minutes and can be run again to go on. CPU only, one thread unless told otherwise.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

STAGES = ("sam", "tower", "reason", "deepen", "instances", "export")
MINUTES = {"sam": 60.0, "tower": 25.0, "reason": 40.0, "deepen": 30.0, "instances": 45.0}
PEAK = {"sam": 1.2e-3, "reason": 1.2e-3, "deepen": 6e-4}
VALIDATION = 60


@dataclass(frozen=True)
class Run:
    """Where a training run keeps its files, and how long a stage may take."""

    work: Path
    thousands: int
    minutes: float | None
    out: Path
    seed: int

    def time(self, stage: str) -> float:
        return MINUTES[stage] if self.minutes is None else self.minutes


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m csp.park.train", description=__doc__.split("\n")[0])
    parser.add_argument("stage", choices=(*STAGES, "all"))
    parser.add_argument(
        "--work", type=Path, default=Path("out/park"), help="checkpoints, logs and drawn scenes (default: out/park)"
    )
    parser.add_argument(
        "--from", dest="origin", type=Path, help="a model folder to start from instead of random weights"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("assets/park"), help="the model folder to write (default: assets/park)"
    )
    parser.add_argument("--minutes", type=float, help="length of each stage (default: " + repr(MINUTES) + ")")
    parser.add_argument("--scenes", type=int, default=14, help="thousands of training scenes (default: 14)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if find_spec("csp.park.training") is None:
        parser.error("the training is part of the repository and not of the installed package: run it from a checkout")
    if args.scenes < 1:
        parser.error(f"--scenes must be at least 1 (thousand), got {args.scenes}")

    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    args.work.mkdir(parents=True, exist_ok=True)
    run = Run(args.work, args.scenes, args.minutes, args.out, args.seed)
    if args.origin is not None:
        from csp.park.training.export import unpack

        unpack(args.origin, args.work)
    actions: dict[str, Callable[[Run], None]] = {
        "sam": sam, "tower": tower, "reason": reason, "deepen": deepen, "instances": instances, "export": export,
    }  # fmt: skip
    for stage in STAGES if args.stage == "all" else (args.stage,):
        print(f"{stage} ...", flush=True)
        actions[stage](run)


def _pool(run: Run):  # type: ignore[no-untyped-def]
    from csp.park.training.data import pool

    return pool("train", run.thousands, run.work / "scenes")


def sam(run: Run) -> None:
    from csp.park.training.early import train_sam

    again = (run.work / "sam.pt").exists()
    train_sam(_pool(run), run.time("sam"), run.work / "sam.pt", run.seed, peak=PEAK["sam"], again=again)


def tower(run: Run) -> None:
    from csp.park.training.early import train_tower

    train_tower(_pool(run), run.time("tower"), run.work / "tower.pt", run.seed)


def reason(run: Run) -> None:
    from csp.park import words
    from csp.park.training import late
    from csp.park.training.parts import CLIP, SAM
    from csp.park.training.reason import Reasoner, Shape

    stage = late.stage(_pool(run), run.work, VALIDATION)
    out, vocab = run.work / "reason.pt", words.build().get_vocab_size()
    fresh = Reasoner(Shape(), vocab, CLIP["hidden_size"], SAM["prompt_embed_dim"])
    model = late.restore(out) if out.exists() else fresh
    late.train_reason(model, stage, run.time("reason"), out, PEAK["reason"], seed=run.seed)


def deepen(run: Run) -> None:
    from csp.park.training import late
    from csp.park.training.deep import HALF, LOOK, REPEATS

    stage = late.stage(_pool(run), run.work, VALIDATION)
    out = run.work / "deep.pt"
    model = (
        late.restore(out)
        if out.exists()
        else late.deepen(late.restore(run.work / "reason.pt"), REPEATS, dict(LOOK), HALF)
    )
    late.train_reason(model, stage, run.time("deepen"), out, PEAK["deepen"], aids=0.3, seed=run.seed + 1)


def instances(run: Run) -> None:
    from csp.park.training import instances as yolo

    data = run.work / "yolo" / "data.yaml"
    if not data.exists():
        yolo.write_dataset(_pool(run), data.parent, val=100)
    yolo.train_instances(
        data, run.out / "yolo" / "yolo11n-seg.yaml", run.time("instances"), run.work / "yolo-run", run.seed
    )
    yolo.export_instances(run.work / "yolo-run" / "run" / "weights" / "last.pt", run.out / "yolo")


def export(run: Run) -> None:
    from csp.park.training import late
    from csp.park.training.export import export as write

    write(late.restore(run.work / "deep.pt"), late.load_tower(run.work), late.load_sam(run.work), run.out)


if __name__ == "__main__":
    main()
