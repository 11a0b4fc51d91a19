"""What an evaluation's options ask for: pictures, runs, how to load the model, and the header that its rows stand under."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csp.flags import asked, asks_nothing

if TYPE_CHECKING:
    from csp.evaluation.runs import Run
    from csp.models.asking import Segmenter
    from csp.samples import Source


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

    method = asked(args, "full", model)
    if args["head"] is not None:
        from csp import tuned

        method = tuned.plan_of(args["head"], None if asks_nothing(args) else method, args["any_plan"])
    method.plan(model.N, model.L)
    own = () if isinstance(method, Full) else (Run(method.name, method, args["seed"]),)
    return (
        Run(DENSE, Full()),
        *own,
        *(ablations.runs(model.N, model.L, args["seed"]) if args["ablate"] else ()),
    )


def options_of(args: dict[str, Any]) -> dict[str, Any]:
    """What `csp.load` is to be told beside the model's name."""
    from csp.evaluation.ranks import rank

    device = (rank().device or "auto") if args["device"] == "auto" else args["device"]
    return {"device": device} | {key: args[key] for key in ("dtype", "clip", "sam", "head", "max_tiles") if args[key] is not None}


def weights_of(args: Mapping[str, Any]) -> str:
    """Of the model's files, a tuned head's among them."""
    from csp.evaluation import provenance

    folders = provenance.model_folders(args["model"], args["clip"])
    return provenance.fingerprint([*folders, *([Path(args["head"])] if args["head"] else [])])


def header_of(weights: str, source: Source, runs: Sequence[Run]) -> dict[str, Any]:
    """What rows are rows of: kept with them, so that no two evaluations are mixed."""
    return {"weights": weights, "samples": source.describe(), "runs": [run.describe() for run in runs]}


def readers_of(args: dict[str, Any], model: Any) -> int:
    """Processes that read ahead of each that runs the model: two beside a GPU, none where the CPU has the work anyway."""
    if args["readers"] is not None:
        return int(args["readers"])
    return 2 if model.device.type == "cuda" else 0


def has_words(model: Segmenter) -> bool:
    """Whether the model's CLIP reads words."""
    return getattr(getattr(model, "clip", None), "words", None) is not None


@contextmanager
def kept_in(folder: Path | None) -> Iterator[Path]:
    """A folder for rows: the one given, or one that is gone afterwards."""
    import tempfile

    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)
