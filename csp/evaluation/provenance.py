"""What a number came from: weights, code, versions, machine, command, time."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "transformers", "segment-anything", "ultralytics", "numpy", "opencv-python")
_PARTS = (".safetensors", ".bin", ".json", ".model", ".yaml", ".pt", ".pth")


def fingerprint(folders: Iterable[Path]) -> str:
    """sha256 over names and contents of all files that make a model: weights, configs and tokenizers, not its card."""
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(f for f in folder.rglob("*") if f.suffix in _PARTS and f.name != "card.json" and f.is_file()):
            digest.update(file.relative_to(folder).as_posix().encode())
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()


def model_folders(name: str, clip: str | None = None) -> list[Path]:
    """The folders that `csp.checkpoints.load` reads for this model."""
    from csp.checkpoints import find, find_clip
    from csp.models.weights import read_json

    folder = find(name)
    tower = find_clip(folder, read_json(folder / "config.json"), clip)
    return [folder] if tower.is_relative_to(folder) else [folder, tower]


def code() -> str:
    """sha256 over names and contents of this package's own Python files."""
    import csp

    root, digest = Path(csp.__file__).parent, hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """Of this package, Python, and what decides numbers."""
    from csp import __version__

    found = {"lvlm-csp": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine(device: str) -> dict[str, Any]:
    """Where it ran."""
    found: dict[str, Any] = {"device": device, "platform": platform.platform(), "cores": os.cpu_count()}
    if device.startswith("cuda"):
        import torch

        found["gpu"] = torch.cuda.get_device_name(device)
    return found


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def record(device: str, argv: Sequence[str] | None, began: float, program: str = "csp.evaluate") -> dict[str, Any]:
    """For a report: code, versions, machine, command, and the time since ``began`` of ``time.perf_counter``."""
    return {
        "code": code(),
        "versions": versions(),
        "machine": machine(device),
        "command": " ".join((f"python -m {program}", *(sys.argv[1:] if argv is None else argv))),
        "finished": now(),
        "seconds": round(time.perf_counter() - began, 1),
    }
