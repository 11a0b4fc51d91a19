"""Folders from the Hugging Face hub, or words on what to fetch where there is no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

# What the published checkpoints consist of: shards of .bin, a tokenizer, and the tower that config.json names.
_LISA = (
    "config.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "added_tokens.json",
    "special_tokens_map.json",
    "pytorch_model.bin.index.json",
)
_CLIP = ("config.json", "preprocessor_config.json", "model.safetensors (or pytorch_model.bin)")
_TOWER = "openai/clip-vit-large-patch14"
SHARDS = {
    "xinlai/LISA-7B-v1": 2,
    "xinlai/LISA-7B-v1-explanatory": 2,
    "xinlai/LISA-13B-llama2-v1": 3,
    "xinlai/LISA-13B-llama2-v1-explanatory": 3,
    "Senqiao/LISA_Plus_7b": 2,
}
"""Published checkpoints and into how many .bin files their weights are cut."""


def is_id(name: str | Path) -> bool:
    """Whether a name has the form of a hub id, owner/name."""
    return str(name).count("/") == 1 and not str(name).startswith((".", "/", "~"))


def fetch(name: str, what: str, patterns: Sequence[str], weights: Sequence[str]) -> Path:
    """The local copy of a hub repository's files, fetched with a progress bar where it is not there yet.

    `patterns` say which files, `weights` which files hold weights: the first of them that the repository has, since
    some hold the same weights in two formats. `what` is the argument that takes a folder instead: "model", "clip" or
    "instances". Raises ValueError with the list of files to fetch elsewhere and where to put them.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        for kind in weights:
            folder = Path(snapshot_download(name, allow_patterns=[*patterns, kind]))
            if any(folder.glob(kind)):
                return folder
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(
            f"{name} could not be fetched from the hub ({type(error).__name__}). {by_hand(name, what, patterns)}"
        ) from error
    raise ValueError(f"{name} holds no weights ({', '.join(weights)}) on the hub: is it the {what} that you meant?")


def by_hand(name: str, what: str, patterns: Sequence[str]) -> str:
    """What to fetch on another machine, how, and where to put it, in one line."""
    folder = name.rpartition("/")[2]
    known = {"model": _LISA, "clip": _CLIP}.get(what, tuple(patterns))
    shards = SHARDS.get(name, 0)
    files = ", ".join((*known, *(f"pytorch_model-{i + 1:05d}-of-{shards:05d}.bin" for i in range(shards))))
    if what == "model" and not shards:
        files += " and the shards that it names (or their safetensors)"
    lines = [
        f"On a machine with a network: hf download {name} --local-dir {folder}, or these files from "
        f"https://huggingface.co/{name}/tree/main: {files}.",
        f"Copy the folder here and pass it as {what}.",
    ]
    if what == "model":
        lines.append(
            f"The vision tower is not among them: fetch the one that config.json names (often {_TOWER}: {', '.join(_CLIP)}) "
            f"into {folder}/<its name>, for example {folder}/{_TOWER}, where it is found by itself, or pass it as clip."
        )
    return " ".join((*lines, "The embedded model park needs no network."))
