"""Tensors of a checkpoint folder: read shard by shard, sorted into LISA's parts, put into modules name by
name.

Weights are read from safetensors or, without running what a pickle says, from torch's .bin shards.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
_POINTER = b"version https://git-lfs"
_SINGLE = ("model.safetensors", "pytorch_model.bin")
# Where each part's tensors stand in a LISA checkpoint; the first prefix that fits wins.
_PARTS = (
    ("model.visual_model.", "sam"),
    ("model.mm_projector.", "projector"),
    ("model.text_hidden_fcs.0.", "fcs"),
    ("model.vision_tower.vision_tower.vision_model.", "clip"),
    ("model.vision_tower.vision_tower.", "clip"),
    ("lm_head.", "lm_head"),
    ("model.", "llm"),
)


@dataclass
class LoadReport:
    """What was found in a checkpoint, and what was not. `fingerprint` is of names, shapes and sampled values:
    equal weights, equal mark.

    `tensors` counts them by part, `bytes` is what they take as loaded, `dtypes` how many there are of each kind as
    stored. A strict report raises at the first part that does not fit; otherwise `missing`, `wrong` and `problems`, whole
    sentences, fill up.
    """

    folder: str
    tensors: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, int] = field(default_factory=dict)
    dtypes: dict[str, int] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    fingerprint: str = ""
    head_dim: int | None = None
    strict: bool = True

    def refuse(self, problem: str) -> None:
        """Raise ValueError saying what does not fit, or keep it where the report is not strict."""
        if self.strict:
            raise ValueError(problem)
        self.problems.append(problem)

    def count(self, part: str, stored: Tensor, loaded: Tensor) -> None:
        """Enter a tensor as it is stored and as it was loaded."""
        kind = str(stored.dtype).removeprefix("torch.")
        self.tensors[part] = self.tensors.get(part, 0) + 1
        self.bytes[part] = self.bytes.get(part, 0) + loaded.nbytes
        self.dtypes[kind] = self.dtypes.get(kind, 0) + 1


def tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of a checkpoint folder, shard by shard: safetensors, or .bin read without
    unpickling code. Both are mapped into memory: what nobody looks at is never read.

    Raises ValueError for a shard that is missing, damaged, or holds more than tensors.
    """
    for file in _shards(folder):
        try:
            yield from _safetensors(file) if file.suffix == ".safetensors" else _bin(file)
        except (SafetensorError, UnpicklingError, EOFError, RuntimeError, OSError) as error:
            check_fetched(file)
            # What torch advises after its first sentence is to trust the file.
            why = " ".join(str(error).split()).split(". ")[0][:200] or "it is cut short"
            raise ValueError(f"{file} cannot be read ({why}): fetch it again, from a source you trust") from error


def _safetensors(file: Path) -> Iterator[tuple[str, Tensor]]:
    with safe_open(file, framework="pt") as shard:
        for name in shard.keys():  # noqa: SIM118 - the handle is no mapping
            yield name, shard.get_tensor(name)


def _bin(file: Path) -> Iterator[tuple[str, Tensor]]:
    # Files of torch before 1.6 are no zip archives, and only those can be mapped.
    state = torch.load(file, map_location="cpu", mmap=zipfile.is_zipfile(file), weights_only=True)
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{file} holds more than named tensors: pass the file of weights alone")
    yield from state.items()


def _shards(folder: Path) -> list[Path]:
    for index in _INDEXES:
        if (folder / index).is_file():
            map_ = read_json(folder / index).get("weight_map")
            if not isinstance(map_, dict) or not all(isinstance(name, str) for name in map_.values()):
                raise ValueError(f"{folder / index} has no weight_map from tensors to files: fetch it again")
            names = sorted(set(map_.values()))
            if out := [name for name in names if Path(name).name != name]:
                raise ValueError(f"{folder / index} names {out[0]!r:.80}, which is not in its folder: fetch it again")
            missing = [name for name in names if not (folder / name).is_file()]
            if missing:
                raise ValueError(
                    f"{folder} lacks {', '.join(missing)}, which {index} names: fetch the whole folder"
                )
            return [folder / name for name in names]
    for single in _SINGLE:
        if (folder / single).is_file():
            return [folder / single]
    raise ValueError(f"{folder} holds no weights: it needs one of {', '.join((*_INDEXES, *_SINGLE))}")


def read_parts(
    folder: Path,
    device: torch.device,
    dtype: torch.dtype,
    report: LoadReport,
    on_cpu: Sequence[str] = (),
    as_stored: Sequence[str] = (),
    places: Sequence[tuple[str, str]] = _PARTS,
    left_out: Callable[[str], object] | None = None,
) -> dict[str, dict[str, Tensor]]:
    """All tensors of a checkpoint by part, on the device, floating ones in `dtype`; what was met goes
    to the report.

    `places` are prefixes of names with the part they belong to, LISA's by default, the first that fits; `left_out` says
    of a name that nothing needs it. Names that begin with one of `on_cpu` stay on the CPU, those with one of `as_stored`
    there and in the dtype of their file: they are moved, or quantised, later. A tensor is read once and needs no second
    place: it is a view of its file until it is cast or moved. On the device "meta" nothing is read.
    """
    parts: dict[str, dict[str, Tensor]] = {}
    mark = blake2b(digest_size=8)
    for name, tensor in tensors(folder):
        if "lora_" in name:
            raise ValueError(
                f"{folder} holds unmerged LoRA weights ({name}): merge them first, as LISA's own script does"
            )
        if name.startswith("base_model.model."):
            name = name.removeprefix("base_model.model.")
            report.notes = report.notes or ["names carried the prefix base_model.model."]
        if name.endswith(("rotary_emb.inv_freq", "position_ids")) or (left_out is not None and left_out(name)):
            report.dropped.append(name)  # stored rounded, and never used by LISA itself
            if name.endswith("rotary_emb.inv_freq"):
                report.head_dim = 2 * tensor.numel()
            continue
        part, prefix = next(((part, prefix) for prefix, part in places if name.startswith(prefix)), ("", ""))
        if not part:
            report.unexpected.append(name)
            continue
        if device.type != "meta":
            _mark(mark, name, tensor)
        later = device.type != "meta" and name.startswith((*on_cpu, *as_stored))
        kind = tensor.dtype if name.startswith(tuple(as_stored)) else _kind(name, dtype)
        loaded = tensor.to(torch.device("cpu") if later else device, kind)
        parts.setdefault(part, {})[name.removeprefix(prefix)] = loaded
        report.count(part, tensor, loaded)
    report.fingerprint = "" if device.type == "meta" else mark.hexdigest()
    return parts


def _kind(name: str, dtype: torch.dtype) -> torch.dtype:
    """The dtype of a tensor: `dtype`, but for what SAM cannot compute in half precision."""
    # Vanilla SAM needs its random position matrix in float32, and its neck overflows in float16.
    neck = dtype == torch.float16 and ".visual_model.image_encoder.neck." in name
    return torch.float32 if neck or name.endswith("positional_encoding_gaussian_matrix") else dtype


def _mark(mark: Any, name: str, tensor: Tensor, samples: int = 64) -> None:
    flat = tensor.reshape(-1)
    few = flat[:: max(1, len(flat) // samples)].double().numpy()
    mark.update(f"{name} {tuple(tensor.shape)}".encode() + few.tobytes())


def on_meta(build: Callable[[], nn.Module]) -> Any:
    with torch.device("meta"):
        return build().eval().requires_grad_(False)


def fill(module: nn.Module, state: dict[str, Tensor], what: str, report: LoadReport) -> None:
    """Give a module its tensors. Raises ValueError for any that is missing or has another shape; where the report is
    not strict, it is told instead.
    """
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    missing = [name for name in wanted if name not in state]
    if missing and report.strict:
        raise ValueError(
            f"{report.folder} lacks {len(missing)} of the {len(wanted)} tensors of {what}: {_some(missing)}"
        )
    wrong = {
        name: f"{name} is {list(state[name].shape)}, config.json asks for {list(shape)}"
        for name, shape in wanted.items()
        if name in state and tuple(state[name].shape) != shape
    }
    if wrong and report.strict:
        raise ValueError(f"{report.folder} does not fit its own sizes in {what}: {_some(list(wrong.values()))}")
    report.missing += [f"{what}.{name}" for name in missing]
    report.wrong += [f"{what}.{words}" for words in wrong.values()]
    report.unexpected += [f"{what}.{name}" for name in state if name not in wanted]
    fits = {name: state[name] for name in wanted if name in state and name not in wrong}
    module.load_state_dict(fits, strict=not (missing or wrong), assign=True)
    module.requires_grad_(False)


def _some(names: list[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def read_json(file: Path) -> dict[str, Any]:
    """What a JSON file of a model's folder holds. Raises ValueError where it is missing, damaged or no object."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{file} is missing") from error
    except (UnicodeDecodeError, RecursionError, json.JSONDecodeError) as error:
        check_fetched(file)
        raise ValueError(f"{file} is not JSON ({error}): fetch it again") from error
    if not isinstance(found, dict):
        kind = "null" if found is None else type(found).__name__
        raise ValueError(f"{file} must hold an object of names and values, got {kind}: fetch it again")
    return found


def check_fetched(file: Path) -> None:
    """Raises ValueError for what stands in a file's place where git fetched a repository without its large files."""
    with file.open("rb") as opened:
        if opened.read(len(_POINTER)) == _POINTER:
            raise ValueError(
                f"{file} is a pointer of Git LFS, not the file itself: run git lfs pull in its folder, or "
                "fetch it with hf download"
            )
