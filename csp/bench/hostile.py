"""``python -m csp.bench hostile``: hand the library and the running page inputs that nobody sensible would, and see that each is
answered rightly or refused in words: no traceback, no hang, bounded memory, nothing touched that was not given.

Every case follows from the seed, its kind and its number: ``--only KIND:NUMBER`` hands in one of them again. Linux only.
Nothing is sent to another address than 127.0.0.1.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from csp.bench.hostility.cases import Kind, run
from csp.bench.hostility.events import Events, Links, Uploads
from csp.bench.hostility.library import HEARD, Checkpoints, Folders, Forcing, Pictures, SavedRuns
from csp.bench.hostility.page import Bodies, Calls, served
from csp.bench.hostility.values import CANARY, KEPT
from csp.bench.hostility.watch import install

HELP = "hostile inputs for the library and the page, judged"
SHARES = {
    "picture files": 18,
    "saved runs": 18,
    "requests": 7,
    "folders of samples and runs": 8,
    "checkpoints": 7,
    "calls of /run": 10,
    "private events": 12,
    "permalinks": 8,
    "uploads": 6,
    "raw requests": 6,
}
"""Of a hundred cases, how many are of each kind."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="park", help="park, or a small folder of its layout (default: park)")
    parser.add_argument("--cases", type=int, default=1000, help="cases over all kinds (default: 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", metavar="KIND[:NUMBER]", help=f"one kind ({', '.join(SHARES)}), or one case of it")
    parser.add_argument("--verbose", action="store_true", help="print findings as they come")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every kind's counts and findings, as the flags ask."""
    if args.cases < 1:
        raise ValueError(f"--cases must be at least 1, got {args.cases}")
    kind, _, number = (args.only or "").partition(":")
    if (kind and kind not in SHARES) or (number and not number.isdecimal()):
        raise ValueError(f"--only must be one of {', '.join(SHARES)}, and perhaps a colon and a number, got {args.only!r}")
    numbers = {
        name: range(int(number), int(number) + 1) if number else range(max(1, args.cases * share // 100))
        for name, share in SHARES.items()
        if kind in ("", name)
    }
    tell = _say if args.verbose else _silent
    with tempfile.TemporaryDirectory(prefix="csp-hostile-") as folder, kinds(Path(folder), args.model, tuple(numbers)) as made:
        tallies = []
        for one in made:
            tallies.append(run(one, args.seed, numbers[one.name], tell))
            tell(f"{one.name}: {tallies[-1].cases} cases")
        left = leftovers(Path(folder))
    return {"model": args.model, "seed": args.seed, "kinds": [tally.as_dict() for tally in tallies], "leftovers": left}


def findings(found: dict[str, Any]) -> list[str]:
    """Every finding of a campaign in words; empty where all was well."""
    return [what for kind in found["kinds"] for what in kind["findings"]] + found["leftovers"]


def report(found: dict[str, Any]) -> str:
    """Counts by kind, then the findings."""
    bad = findings(found)
    lines = [f"hostile inputs, {found['model']}, seed {found['seed']}: {len(bad)} findings"]
    lines.append(f"{'':30} {'cases':>6} {'answered':>9} {'refused':>8} {'findings':>9} {'most s':>7} {'most MB':>8}")
    for kind in found["kinds"]:
        numbers = f"{kind['cases']:6} {kind['answered']:9} {kind['refused']:8} {len(kind['findings']):9}"
        lines.append(f"{kind['kind']:30} {numbers} {kind['most_seconds']:7.2f} {kind['most_MB']:8}")
    return "\n".join([*lines, *bad])


@contextmanager
def kinds(folder: Path, model: str, names: Sequence[str]) -> Iterator[Iterator[Kind]]:
    """The kinds by these names, each made when its turn comes; what they need lives in ``folder``."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    # What a checkpoint names is not fetched from anywhere.
    os.environ["HF_HUB_OFFLINE"] = "1"
    import csp
    from csp.checkpoints import find
    from csp.session import Session

    canary = Path(tempfile.gettempdir()) / CANARY
    canary.mkdir(exist_ok=True)
    (canary / "secret.txt").write_text(KEPT)
    session = Session(csp.load(model, device="cpu"))
    image = csp.park.scene(7, split="test").image[:150, :200].copy()
    asked = Forcing(session, image)
    result = session.run(request(image, asked.base))
    install(_hear)
    saved = SavedRuns(result, folder)
    made: dict[str, Any] = {
        "picture files": Pictures,
        "saved runs": lambda: saved,
        "requests": lambda: asked,
        "folders of samples and runs": lambda: Folders(result, folder),
        "checkpoints": lambda: Checkpoints(find(model), folder),
    }
    paged = [name for name in names if name not in made]

    def each(server: Any = None) -> Iterator[Kind]:
        made.update(
            {
                "calls of /run": lambda: Calls(server, image, asked.base),
                "private events": lambda: Events(server, image, asked.base),
                "permalinks": lambda: Links(server, image, asked.base),
                "uploads": lambda: Uploads(server, image, asked.base, saved.sound, folder),
                "raw requests": lambda: Bodies(server, image),
            }
        )
        for name in names:
            yield made[name]()

    try:
        if paged:
            with served(folder, model) as server:
                yield each(server)
        else:
            yield each()
    finally:
        (canary / "secret.txt").unlink(missing_ok=True)
        canary.rmdir()


def request(image: np.ndarray, base: dict[str, Any]) -> Any:
    """The plain run that saved runs are made of."""
    from csp.types import Request

    return Request(image, base["query"], base["method"], base["knobs"])


def leftovers(folder: Path) -> list[str]:
    """What the page wrote where it has no business: its working folder, and its home beside caches of libraries."""
    strange = [file for file in (folder / "cwd").rglob("*") if file.is_file()] if (folder / "cwd").is_dir() else []
    home = folder / "home"
    caches = (".cache", ".config")
    strange += [file for file in home.rglob("*") if file.is_file() and file.relative_to(home).parts[0] not in caches]
    return [f"the page left {file.relative_to(folder)}" for file in strange]


def _hear(words: str) -> None:
    HEARD.append(f"this process {words}")


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")


def _silent(words: str) -> None:
    return None
