"""From a name to a model: the embedded one, a folder in LISA's layout, or a hub id.

Sizes, ids and the projector's kind are read from the folder, never assumed; what a tensor is called is
the affair of `csp.models.weights`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from csp import hub
from csp.checks import check_choice, check_integer, check_mapping, shown
from csp.methods import resolve
from csp.models import quantize as bits
from csp.models.asking import LisaSegmenter
from csp.models.backends import BACKENDS
from csp.models.build import (
    assemble_decoder,
    build_clip,
    build_instances,
    build_lm_head,
    build_mask_head,
    build_mlp,
    build_prompter,
    check_widths,
)
from csp.models.decoders import check_found, decoder_config
from csp.models.memory import survives_out_of_memory
from csp.models.onednn import bfloat16_at_home
from csp.models.parts import AnyGuide
from csp.models.sa2va import is_sa2va, parts_of as sa2va_parts, sa2va_sizes
from csp.models.sam import sam_sizes
from csp.models.tiling import MOST_TILES
from csp.models.weights import LoadReport, read_json, read_parts
from csp.tuned import attach

EMBEDDED = ("park",)
SMALLER = 'load with dtype="bfloat16" or "float16", quantize="8bit" or "4bit", offload_sam=True, or a smaller model'
_LAYERS, _ENCODER = "model.layers.", "model.visual_model.image_encoder."


@survives_out_of_memory("loading", SMALLER)
def load(
    name: str | Path = "park",
    clip: str | Path | None = None,
    sam: str | Path | Mapping[str, Any] | None = None,
    instances: str | Path | AnyGuide | bool | None = None,
    device: str | torch.device = "auto",
    dtype: str | torch.dtype | None = None,
    quantize: str | None = None,
    offload_sam: bool = False,
    report: LoadReport | None = None,
    backend: str = "plain",
    max_tiles: int | None = None,
    head: str | Path | None = None,
) -> LisaSegmenter:
    """Load a model by name ("park"), folder or hub id ("xinlai/LISA-7B-v1").

    `clip` is the vision tower's folder or hub id (default: what config.json names); `sam` a variant
    ("vit_h"), a JSON file or a mapping of sizes (default: the folder's sam_config.json, else vit_h);
    `instances` a guide: an RF-DETR (segmentation) or GroundingDINO folder or hub id, a YOLO folder, a .pt file (here, or
    on the hub: "Ultralytics/YOLO11/yolo11n-seg.pt"), any callable from picture to masks, or False for none (default: the
    folder's `yolo/`, if there is one and ultralytics is installed). `device` "auto" takes a GPU if there is one; `dtype`
    defaults to what the folder asks for, else float32 on a CPU and bfloat16 on a GPU. `quantize` ("8bit", "4bit") keeps
    the decoder's layers in as many bits, by bitsandbytes; `offload_sam` keeps SAM's image encoder on the CPU between
    pictures.
    The device "meta" assembles the model's skeleton: every name and shape is checked, no weight is read. A `report`
    that is not strict collects what is missing or has another shape, where the default raises. `backend` says how
    the decoder's layers are run: "plain", "onednn" (float32 on a CPU) or "compiled" (`csp.models.backends`).
    Sa2VA's folder ("ByteDance/Sa2VA-1B") holds its tower; `sam` is then a variant of SAM 2 ("hiera_l"), a JSON file or a
    mapping of its sizes, and `max_tiles` (default 12) bounds the tiles that a picture is cut into, 256 image tokens each.
    `head` is a folder of `csp.tune`: the mask head tuned under a plan, which becomes the model's default method.

    Raises ValueError naming what is missing or does not fit, before anything large is read where possible.
    """
    folder = find(name)
    config = read_json(folder / "config.json")
    own = check_mapping("csp in config.json", config.get("csp"))
    target = pick_device(device)
    kind = pick_dtype(dtype if dtype is not None else own.get("dtype"), target)
    run_layers = BACKENDS[check_choice("backend", backend, tuple(BACKENDS))]
    if quantize is not None:
        bits.check(quantize, target)
    report = report or LoadReport(str(folder))
    if is_sa2va(config):
        if head is not None:
            raise ValueError(f"a tuned head is for LISA's mask decoder, which Sa2VA has not: leave head={str(head)!r} out")
        if clip is not None:
            raise ValueError(f"Sa2VA has its own vision tower: leave clip={str(clip)!r} out")
        tiles = MOST_TILES if max_tiles is None else check_integer("max_tiles", max_tiles, 1, MOST_TILES)
        detector = build_instances(folder, find_instances(instances), 640, target)
        made = sa2va_parts(folder, config, sa2va_sizes(folder, sam), target, kind, report, tiles, quantize, offload_sam)
        layers = run_layers(made["llm"])
        return LisaSegmenter(resolve, name=Path(name).name, instances=detector, layers=layers, **made)
    if max_tiles is not None:
        raise ValueError(f"max_tiles={max_tiles} is for models that cut pictures into tiles (Sa2VA): leave it out")
    clip_folder = find_clip(folder, config, clip)
    prompter = build_prompter(folder, config)
    sizes = sam_sizes(sam if sam is not None else _or_default(folder / "sam_config.json", "vit_h"))
    detector = build_instances(folder, find_instances(instances), own.get("pixel size", 640), target)

    on_cpu = (_ENCODER,) if offload_sam else ()
    parts = read_parts(folder, target, kind, report, on_cpu, as_stored=() if quantize is None else (_LAYERS,))
    decoder, state = decoder_config(config), parts.pop("llm", {})
    check_found(decoder, state, report.head_dim, report)
    llm = assemble_decoder(decoder, state, "model", prompter, target, kind, quantize, report)
    tower = build_clip(clip_folder, parts.pop("clip", None), config, target, kind, report)
    projector = build_mlp(parts.pop("projector", {}), nn.GELU, "model.mm_projector", report)
    fcs = build_mlp(parts.pop("fcs", {}), nn.ReLU, "model.text_hidden_fcs.0", report)
    lm_head = build_lm_head(llm, parts.pop("lm_head", {}), bool(config.get("tie_word_embeddings")), report)
    mask_head = build_mask_head(sizes, parts.pop("sam", {}), target, report, offload=offload_sam)
    check_widths(llm, tower, projector, fcs, sizes)
    model = LisaSegmenter(
        resolve,
        own.get("name") or Path(name).name,
        llm,
        tower,
        projector,
        fcs,
        mask_head,
        prompter,
        detector,
        seg_row=own.get("seg_row", "before"),
        report=report,
        lm_head=lm_head,
        layers=run_layers(llm),
    )
    if head is not None:
        attach(model, head)
    return model


def on_cpu() -> dict[str, str]:
    """How a model of a billion parameters is best run on this CPU: half the memory where it multiplies bfloat16, else float32
    by oneDNN.
    """
    if bfloat16_at_home():
        return {"dtype": "bfloat16", "backend": "plain"}
    return {"dtype": "float32", "backend": "onednn"}


def suited(name: str | Path, how: Mapping[str, Any]) -> dict[str, Any]:
    """What a page tells `load`: what it was told and, where nothing was said (None), for a model that cuts pictures into
    tiles on a CPU one tile, in what that CPU computes best (`on_cpu`).
    """
    told = dict(how) | {"backend": how.get("backend") or "plain"}
    if str(name) in EMBEDDED or not is_sa2va(read_json(find(name) / "config.json")):
        return told
    if pick_device(how.get("device") or "auto").type == "cpu":
        light = on_cpu()
        if how.get("dtype") is None:
            told["dtype"] = light["dtype"]
            told["backend"] = how.get("backend") or light["backend"]
        if how.get("max_tiles") is None:
            told["max_tiles"] = 1
    return told


def find(name: str | Path) -> Path:
    """The folder of a model: embedded name, local folder, or hub id. Raises ValueError saying where it
    looked.
    """
    if str(name) in EMBEDDED:
        here = Path(__file__).parent
        places = [here / "assets" / str(name), here.parent / "assets" / str(name)]
        for place in places:
            if (place / "config.json").is_file():
                return place
        raise ValueError(
            f"the embedded model {str(name)!r} is not installed: its config.json is in none of "
            f"{', '.join(str(place) for place in places)}; reinstall the package or pass a folder"
        )
    return _folder_or_hub(name, "model", ("*.json", "*.model", "merges.txt"), ("*.safetensors", "pytorch_model*.bin"))


def find_clip(folder: Path, config: Mapping[str, Any], clip: str | Path | None) -> Path:
    """The vision tower's folder: as given, or as config.json names it (relative to the model's folder, or a
    hub id).
    """
    name = clip or config.get("mm_vision_tower") or config.get("vision_tower")
    if not name:
        raise ValueError("config.json names no vision_tower: pass clip=folder_or_id")
    if clip is None and (folder / str(name) / "config.json").is_file():
        return folder / str(name)
    if not Path(str(name)).is_dir() and not hub.is_id(name):
        said = "" if clip else "config.json names it, relative to its folder or as a hub id: "
        raise ValueError(
            f"there is no vision tower {str(name)!r} ({said}it is a CLIP of its own): pass --clip (clip= in Python) the folder "
            "that holds its config.json and weights, or a hub id such as openai/clip-vit-large-patch14"
        )
    return _folder_or_hub(name, "clip", ("*.json",), ("model.safetensors", "pytorch_model.bin"))


def find_instances(given: str | Path | AnyGuide | bool | None) -> str | Path | AnyGuide | bool | None:
    """What was given, a file on the hub ("owner/name/file.pt") or a detector there ("owner/name") as its local copy."""
    if not isinstance(given, str | Path) or Path(given).exists():
        return given
    if hub.is_id(given):
        return hub.fetch(str(given), "instances", ("*.json", "*.txt"), ("*.safetensors",))
    name, _, file = str(given).rpartition("/")
    if not (hub.is_id(name) and file.endswith(".pt")):
        return given
    return hub.fetch(name, "instances", (), (file,)) / file


def _folder_or_hub(name: str | Path, what: str, patterns: tuple[str, ...], weights: tuple[str, ...]) -> Path:
    path = Path(name)
    if (path / "config.json").is_file():
        return path
    if path.is_dir():
        remedy = ": pass --clip (clip= in Python) the tower that the model's config.json names" if what == "clip" else ""
        raise ValueError(f"the folder {str(name)!r} has no config.json: it is not a {what} folder{remedy}")
    if not hub.is_id(name):
        raise ValueError(
            f"there is no {what} {str(name)!r}: give {', '.join(EMBEDDED)}, a folder with a config.json, "
            "or a hub id such as xinlai/LISA-7B-v1"
        )
    return hub.fetch(str(name), what, patterns, weights)


def pick_device(device: str | torch.device) -> torch.device:
    """ "auto" is a GPU where there is one. Raises ValueError for a device that this machine lacks."""
    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        target = torch.device(device)
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        raise ValueError(
            f"device must be auto, cpu, cuda or cuda:<n> as this machine has it, got {device!r}"
        ) from error
    return target


def pick_dtype(dtype: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    """A dtype by name; None is float32 on a CPU and bfloat16 elsewhere."""
    if dtype is None:
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    kind = kinds.get(str(dtype).removeprefix("torch."))
    if kind is None:
        raise ValueError(f"dtype must be one of {', '.join(kinds)}, got {shown(dtype)}")
    return kind


def _or_default(file: Path, default: str) -> str | Path:
    return file if file.is_file() else default
