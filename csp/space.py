"""A Hugging Face Space from this checkout: ``python -m csp.space DIR`` writes the folder to upload, and checks it.

``--zero`` pins torch to what ZeroGPU knows; ``--start`` starts the app in the folder, in a process that knows nothing of
this one, and asks it for a run; ``--fresh`` does so in a new virtual environment.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from csp.flags import Parser

PARTS = (
    *("app.py", "csp", "assets", "docs/results/tradeoff.json", "README.md", "requirements.txt", "packages.txt"),
    *("LICENSE", "NOTICE"),
)
SKIPPED = ("__pycache__", "*.pyc", "*.pyi", ".DS_Store")
BINARY = (".safetensors", ".npz", ".png", ".jpg", ".jpeg", ".webp", ".gif", ".pdf", ".model", ".bin", ".pt")
STORED = "filter=lfs diff=lfs merge=lfs -text"
"""The hub takes no binary file as plain git, whatever its size: `.gitattributes` gives these endings to Git LFS or Xet."""
MOST_BYTES = 1_000_000_000
"""A Space without paid storage keeps 1 GB in all."""
ZERO_TORCH = ("2.11.0", "0.26.0")
"""The newest torch that ZeroGPU's documentation lists, and the torchvision made for it."""
ZERO_PYTHON = "3.12"
COLORS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
NEEDED = ("title", "emoji", "colorFrom", "colorTo", "sdk", "sdk_version", "python_version", "app_file", "license")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: whether it holds, and in words."""

    holds: bool
    words: str


def write(folder: Path, zero: bool = False) -> list[str]:
    """Write what a Space runs into `folder`; the names of its parts.

    Raises ValueError outside a checkout, and for a folder that holds anything but an earlier Space or a bare clone.
    """
    import csp

    root = Path(csp.__file__).parents[1]
    lacking = [name for name in PARTS if not (root / name).exists()]
    if lacking:
        raise ValueError(f"{root} is no checkout, it lacks {', '.join(lacking)}: run this from a clone of the repository")
    if folder.resolve() == root or root in folder.resolve().parents:
        raise ValueError(f"{folder} lies in the checkout: choose a folder outside of it")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: choose an empty folder or a clone of your Space")
    there = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    strange = sorted(there - {*(Path(name).parts[0] for name in PARTS), ".git", ".gitattributes"})
    if strange:
        raise ValueError(
            f"{folder} holds {', '.join(strange[:3])}, which is not of a Space: choose an empty folder or a clone of your Space"
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name in PARTS:
        old, new = folder / name, root / name
        if old.is_dir():
            shutil.rmtree(old)
        if new.is_dir():
            shutil.copytree(new, old, ignore=shutil.ignore_patterns(*SKIPPED))
        else:
            old.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(new, old)
    attributes(folder / ".gitattributes")
    if zero:
        requirements = folder / "requirements.txt"
        requirements.write_text(pinned(requirements.read_text(encoding="utf-8")), encoding="utf-8")
    return list(PARTS)


def attributes(file: Path) -> None:
    """Give binary files to LFS in a `.gitattributes`; what a clone's says already stays."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    there = set(_stored(lines))
    lines += [f"*{ending} {STORED}" for ending in BINARY if f"*{ending}" not in there]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _stored(lines: Sequence[str]) -> list[str]:
    """Patterns that `.gitattributes` gives to LFS."""
    return [words[0] for words in (line.split() for line in lines) if "filter=lfs" in words[1:]]


def pinned(requirements: str) -> str:
    """Requirements with the torch and torchvision that ZeroGPU knows, and its own package."""
    torch, vision = ZERO_TORCH
    text = re.sub(r"^torch\b[^v\n].*$", f"torch=={torch}", requirements, flags=re.MULTILINE)
    text = re.sub(r"^torchvision\b.*$", f"torchvision=={vision}", text, flags=re.MULTILINE)
    return text.rstrip("\n") + "\nspaces>=0.42\n"


def header(readme: Path) -> dict[str, Any]:
    """The block of YAML that a Space's README begins with. Raises ValueError where there is none."""
    import yaml

    found = re.match(r"---\n(.*?)\n---\n", readme.read_text(encoding="utf-8"), flags=re.DOTALL)
    told = yaml.safe_load(found[1]) if found else None
    if not isinstance(told, dict):
        raise ValueError(f"{readme} does not begin with a block of YAML between lines of ---: a Space reads its settings there")
    return told


def check(folder: Path) -> list[Check]:
    """Look at a folder as a Space would: sizes, README header, requirements that fit it and each other."""
    return [_sizes(folder), _storage(folder), *_header(folder), *_requirements(folder)]


def _sizes(folder: Path) -> Check:
    files = [f for f in folder.rglob("*") if f.is_file() and ".git" not in f.parts]
    total = sum(f.stat().st_size for f in files)
    words = f"{len(files)} files, {total / 1e6:.1f} MB"
    return Check(total < MOST_BYTES, words if total < MOST_BYTES else f"{words}: a Space keeps {MOST_BYTES / 1e9:.0f} GB")


def _storage(folder: Path) -> Check:
    kept = folder / ".gitattributes"
    stored = _stored(kept.read_text(encoding="utf-8").splitlines() if kept.is_file() else [])
    binary = [f for f in folder.rglob("*") if f.is_file() and ".git" not in f.parts and _is_binary(f)]
    plain = sorted(f.name for f in binary if not any(fnmatch(f.name, pattern) for pattern in stored))
    if plain:
        return Check(False, f"the hub refuses binary files as plain git, .gitattributes leaves out {', '.join(plain[:5])}")
    return Check(True, f"{len(binary)} binary files go to LFS or Xet")


def _is_binary(file: Path) -> bool:
    """As git sees it: a zero among the first 8,000 bytes."""
    with file.open("rb") as opened:
        return b"\0" in opened.read(8000)


def _header(folder: Path) -> list[Check]:
    told = header(folder / "README.md")
    lacking = [name for name in NEEDED if name not in told]
    app = str(told.get("app_file"))
    short = str(told.get("short_description", ""))
    colors = {told.get("colorFrom"), told.get("colorTo")}
    return [
        Check(not lacking, "the README header is complete" if not lacking else f"the README header lacks {', '.join(lacking)}"),
        Check(told.get("sdk") == "gradio", f"sdk {told.get('sdk')}"),
        Check((folder / app).is_file(), f"app_file {app}"),
        Check(len(short) <= 60, f"short_description has {len(short)} of at most 60 characters"),
        Check(colors <= set(COLORS), f"colours {', '.join(sorted(map(str, colors)))}"),
    ]


def _requirements(folder: Path) -> list[Check]:
    from packaging.requirements import InvalidRequirement, Requirement

    told = header(folder / "README.md")
    lines = [line.partition("#")[0].strip() for line in (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()]
    try:
        asked = {made.name.lower(): made for made in (Requirement(line) for line in lines if line)}
    except InvalidRequirement as error:
        return [Check(False, f"requirements.txt cannot be read: {error}")]
    out = [Check({"torch", "torchvision", "gradio"} <= set(asked), f"{len(asked)} requirements")]
    if "gradio" in asked:
        sdk = str(told.get("sdk_version"))
        within = asked["gradio"].specifier
        out.append(Check(within.contains(sdk), f"gradio {sdk} of the header within {within}"))
    python = str(told.get("python_version"))
    out.append(Check(tuple(map(int, re.findall(r"\d+", python)[:2])) >= (3, 11), f"Python {python}, at least 3.11 is needed"))
    if "spaces" in asked:
        pins = str(asked["torch"].specifier), str(asked["torchvision"].specifier)
        known = pins == tuple(f"=={version}" for version in ZERO_TORCH) and python == ZERO_PYTHON
        out.append(Check(known, f"ZeroGPU: Python {python}, torch{pins[0]}, torchvision{pins[1]}"))
    return out


def resolve(folder: Path, python: str = sys.executable) -> Check:
    """Whether pip finds versions that fit each other, on this machine's index; nothing is installed."""
    command = [python, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "-r", "requirements.txt"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=3600)
    return Check(done.returncode == 0, "pip finds fitting versions" if done.returncode == 0 else f"pip: {_last(done.stderr)}")


def start(folder: Path, python: str = sys.executable, wait: float = 300.0) -> Check:
    """Start the app in the folder as a Space does and ask it for a run by its public endpoint."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "OMP_NUM_THREADS") if name in os.environ}
    environment = kept | {"SPACE_ID": "somebody/csp", "GRADIO_SERVER_PORT": str(port), "HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile("w+") as said:
        app = subprocess.Popen([python, "app.py"], cwd=folder, env=environment, stdout=said, stderr=subprocess.STDOUT)
        try:
            began = time.monotonic()
            while not _answers(port):
                if app.poll() is not None or time.monotonic() - began > wait:
                    said.seek(0)
                    return Check(False, f"the app did not start: {_last(said.read()) or 'no answer'}")
                time.sleep(0.5)
            return _asked(f"http://127.0.0.1:{port}", time.monotonic() - began)
        finally:
            app.terminate()
            app.wait(60)


def _answers(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/config", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


def _asked(url: str, seconds: float) -> Check:
    from gradio_client import Client, handle_file
    from PIL import Image

    from csp.park import scene

    client = Client(url, verbose=False)
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "scene.png"
        made = scene(7, split="test")
        Image.fromarray(made.image).save(file)
        query = made.queries[0][1]
        _, _, run = client.predict(handle_file(file), query, "csp", 8, 64, 6, 16, "uniform", 0, api_name="/run")
    return Check(isinstance(run, dict), f"the app started in {seconds:.0f} s and answered a run of {query!r}")


def fresh(folder: Path) -> Check:
    """`start` in a new virtual environment with nothing but requirements.txt in it."""
    with tempfile.TemporaryDirectory() as place:
        python = str(Path(place) / "bin/python")
        subprocess.run([sys.executable, "-m", "venv", place], check=True, capture_output=True)
        done = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "-r", "requirements.txt"], cwd=folder, capture_output=True, text=True
        )
        if done.returncode:
            return Check(False, f"the requirements cannot be installed: {_last(done.stderr)}")
        return start(folder, python)


def _last(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1][:200] if lines else ""


def parser() -> Parser:
    made = Parser(prog="python -m csp.space", description="Write and check the folder of a Hugging Face Space.")
    made.add_argument("folder", type=Path, help="an empty folder, or a clone of your Space")
    made.add_argument("--zero", action="store_true", help="for ZeroGPU: its torch, and the spaces package")
    made.add_argument("--resolve", action="store_true", help="let pip look whether the requirements fit each other")
    made.add_argument("--start", action="store_true", help="start the app there and ask it for a run")
    made.add_argument("--fresh", action="store_true", help="the same in a new virtual environment (downloads everything)")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; returns 0, 1 where a check fails, 2 after one line on what is wrong with the request."""
    try:
        args = parser().parse_args(argv)
        write(args.folder, args.zero)
        found = check(args.folder)
        found += [resolve(args.folder)] if args.resolve else []
        found += [start(args.folder)] if args.start else []
        found += [fresh(args.folder)] if args.fresh else []
    except (ValueError, OSError) as error:
        print(f"space: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    for one in found:
        print(f"{'ok  ' if one.holds else 'FAIL'} {one.words}")
    if not all(one.holds for one in found):
        return 1
    print(f"upload it: hf upload spaces/YOU/YOUR-SPACE {args.folder} . (docs/hosting.md)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
