"""Train the embedded model, in slices that go on from each other.

    python -m csp.park.train all                     # every stage once: minutes to try it, hours to ship it
    python -m csp.park.train decoder --minutes 60    # one stage, on from where the folder stands
    python -m csp.park.train resume --minutes 120    # on from the committed checkpoint, decoder beside segmenter
    python -m csp.park.train mean --with FOLDER      # halfway to the decoder of an earlier checkpoint
    python -m csp.park.train supervise --minutes 10  # the experiment: does CSP's margin follow a supervised layer?

Stages: `tower` (vision tower, dense labels), `segmenter` (SAM, told places alone), `decoder` (a few layers over the frozen
tower), `deepen` (made 32 layers, trained on), `mean` (of the decoder and an earlier one), `attune` (SAM on the decoder's own
prompts), `instances` (YOLO11n-seg), `keep` (a checkpoint to commit), `export` (the model folder). Each is bounded by minutes
and goes on from `--work`, or from `--from` where that is empty. The shipped model is not touched: `--out` says where to write
one. CPU only, one thread unless told otherwise; progress is in the stages' .log files and printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from shutil import copyfile, copytree

STAGES = ("tower", "segmenter", "decoder", "deepen", "attune", "instances", "keep", "export")
ALL = ("tower", "segmenter", "decoder", "deepen", "attune", "instances", "export")
MINUTES = {
    "tower": 60.0,
    "segmenter": 120.0,
    "decoder": 60.0,
    "deepen": 240.0,
    "attune": 60.0,
    "instances": 45.0,
    "supervise": 10.0,
    "resume": 60.0,
}
PEAK = {"decoder": 1.2e-3, "deepen": 6e-4}
VALIDATION = 60
SAID = 2500  # scenes that the decoder speaks of
SHIPPED = Path("assets/park")
KEPT = Path("assets/park-training")


@dataclass(frozen=True)
class Run:
    """Where a training run keeps its files, and how long a stage may take."""

    work: Path
    scenes: int
    minutes: float | None
    out: Path
    kept: Path
    seed: int
    workers: int
    other: Path | None = None

    def time(self, stage: str) -> float:
        return MINUTES[stage] if self.minutes is None else self.minutes


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m csp.park.train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("stage", choices=(*STAGES, "all", "mean", "resume", "supervise"))
    made.add_argument(
        "--work", type=Path, default=Path("out/park"), help="checkpoints, logs and drawn scenes (default: %(default)s)"
    )
    made.add_argument("--from", dest="origin", type=Path, help="a committed checkpoint to go on from, as `keep` writes it")
    made.add_argument("--with", dest="other", type=Path, help="for `mean`: an earlier checkpoint of the run, as `keep` wrote it")
    made.add_argument("--out", type=Path, default=Path("out/park/model"), help="the model folder to write (default: %(default)s)")
    made.add_argument("--keep", type=Path, default=KEPT, help="where `keep` writes (default: %(default)s)")
    made.add_argument("--minutes", type=float, help="length of each stage (default: " + repr(MINUTES) + ")")
    made.add_argument("--scenes", type=int, default=6000, help="training scenes (default: %(default)s)")
    made.add_argument("--threads", type=int, default=1)
    made.add_argument("--workers", type=int, default=1, help="processes that draw scenes (default: %(default)s)")
    made.add_argument("--seed", type=int, default=0)
    made.add_argument("--overwrite", action="store_true", help=f"let --out be the shipped model, {SHIPPED}")
    return made


def main(argv: list[str] | None = None) -> None:
    made = parser()
    args = made.parse_args(argv)
    if find_spec("csp.park.training") is None:
        made.error("the training is part of the repository and not of the installed package: run it from a checkout")
    if args.scenes < 1:
        made.error(f"--scenes must be 1 or more, got {args.scenes}")
    if args.minutes is not None and args.minutes <= 0:
        made.error(f"--minutes must be above 0, got {args.minutes}")
    if (args.stage == "mean") != (args.other is not None):
        made.error("mean takes --with, a folder that `keep` wrote, and no other stage does")
    if args.out.resolve() == SHIPPED.resolve() and not args.overwrite:
        made.error(f"--out {args.out} is the shipped model: choose another folder, or say --overwrite")

    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    args.work.mkdir(parents=True, exist_ok=True)
    run = Run(args.work, args.scenes, args.minutes, args.out, args.keep, args.seed, args.workers, args.other)
    origin = args.origin or (KEPT if args.stage == "resume" else None)
    if origin is not None:
        from csp.park.training.checkpoint import unpack

        unpack(origin, args.work)
    for stage in ALL if args.stage == "all" else (args.stage,):
        print(f"{stage} ...", flush=True)
        ACTIONS[stage](run)


def _pool(run: Run):  # type: ignore[no-untyped-def]
    from csp.park.training.data import pool

    return pool("train", run.scenes, run.work / "scenes", run.workers)


def _room(run: Run):  # type: ignore[no-untyped-def]
    from csp.park.training.data import drawn
    from csp.park.training.teaching import classroom

    return classroom(_pool(run), drawn("val", range(VALIDATION)), run.work)


def segmenter(run: Run) -> None:
    from csp.park.training.seeing import train_segmenter

    train_segmenter(_pool(run), run.time("segmenter"), run.work / "segmenter.pt", run.seed, start=SHIPPED)


def attune(run: Run) -> None:
    """The segmenter on prompts that the decoder says."""
    from csp.park.training.saying import say
    from csp.park.training.seeing import train_segmenter
    from csp.park.training.teaching import restore

    room, out = _room(run), run.work / "segmenter.pt"
    said = say(restore(run.work / "decoder.pt"), room.train, SAID, run.seed)
    train_segmenter(room.train.pool, run.time("attune"), out, run.seed, said=said)


def tower(run: Run) -> None:
    from csp.park.training.seeing import train_tower

    train_tower(_pool(run), run.time("tower"), run.work / "tower.pt", run.seed)


def decoder(run: Run) -> None:
    """Goes on at the depth that the checkpoint has; 8 layers from nothing."""
    from csp.park.training.decoder import Shape
    from csp.park.training.teaching import fresh, restore, train_decoder

    room, out = _room(run), run.work / "decoder.pt"
    model = restore(out) if out.exists() else fresh(Shape())
    peak = PEAK["decoder" if model.shape.depth < 32 else "deepen"]
    train_decoder(model, room, run.time("decoder"), out, peak, seed=run.seed)


def deepen(run: Run) -> None:
    from csp.park.training.depth import DEPTH, deepen as deeper
    from csp.park.training.teaching import restore, train_decoder

    room, out = _room(run), run.work / "decoder.pt"
    model = restore(out)
    if model.shape.depth < DEPTH:
        (run.work / "shallow.pt").write_bytes(out.read_bytes())
        model = deeper(model)
    train_decoder(model, room, run.time("deepen"), out, PEAK["deepen"], seed=run.seed)


def mean(run: Run) -> None:
    """Of the decoder in the folder and that of another checkpoint; the folder then has the mean."""
    from tempfile import TemporaryDirectory

    from csp.park.training.checkpoint import unpack
    from csp.park.training.teaching import mean as halfway, restore, save

    assert run.other is not None
    with TemporaryDirectory() as folder:
        unpack(run.other, Path(folder))
        other = restore(Path(folder) / "decoder.pt")
    save(halfway(other, restore(run.work / "decoder.pt")), run.work / "decoder.pt")


def resume(run: Run) -> None:
    """One slice of the segmenter in a process of its own, one of the decoder here, then a checkpoint to commit."""
    import subprocess
    import sys

    _pool(run)  # drawn once, before both read it
    same = ["--work", str(run.work), "--scenes", str(run.scenes), "--minutes", str(run.time("resume")), "--seed", str(run.seed)]
    beside = subprocess.Popen([sys.executable, "-m", "csp.park.train", "segmenter", *same])
    try:
        decoder(Run(run.work, run.scenes, run.time("resume"), run.out, run.kept, run.seed, run.workers))
    finally:
        code = beside.wait()
    if code:
        raise SystemExit(f"the segmenter ended with {code}: its slice is lost, the decoder's is kept in {run.work}")
    keep(run)


def supervise(run: Run) -> None:
    from csp.park.training.experiment import supervise as experiment

    experiment(_room(run), run.work, run.time("supervise"))


def instances(run: Run) -> None:
    from csp.park.training import instances as yolo

    data = run.work / "yolo" / "data.yaml"
    if not data.exists():
        yolo.write_dataset(_pool(run), data.parent, val=100)
    begun = (run.out / "yolo", run.kept / "yolo", SHIPPED / "yolo")
    start = next(folder for folder in begun if (folder / "model.safetensors").exists())
    yolo.train_instances(data, start, run.time("instances"), run.work / "yolo-run", run.seed)
    yolo.export_instances(run.work / "yolo-run" / "run" / "weights" / "last.pt", run.out / "yolo")
    (run.out / "yolo" / "yolo11n-seg.yaml").write_bytes((SHIPPED / "yolo" / "yolo11n-seg.yaml").read_bytes())


def keep(run: Run) -> None:
    from csp.park.training.checkpoint import pack

    for file in pack(run.work, run.kept):
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
    if (run.out / "yolo").is_dir():
        copytree(run.out / "yolo", run.kept / "yolo", dirs_exist_ok=True, copy_function=copyfile)


def export(run: Run) -> None:
    from csp.park.training.export import export as write
    from csp.park.training.teaching import load_segmenter, load_tower, restore

    write(restore(run.work / "decoder.pt"), load_tower(run.work / "tower.pt"), load_segmenter(run.work / "segmenter.pt"), run.out)
    print(f"{run.out}: csp.load reads it")


ACTIONS: dict[str, Callable[[Run], None]] = {
    "tower": tower, "segmenter": segmenter, "decoder": decoder, "deepen": deepen, "attune": attune, "instances": instances,
    "keep": keep, "export": export, "mean": mean, "resume": resume, "supervise": supervise,
}  # fmt: skip


if __name__ == "__main__":
    main()
