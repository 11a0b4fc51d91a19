"""Sa2VA from the folder that its converter writes: InternVL2.5 or 3, a Qwen decoder and SAM 2, on transformers' own classes and
without the folder's code.

Assembled as LISA is, with other parts: the state of [SEG] itself is read, the prompt is a chat, the picture is looked at in
tiles, and SAM 2's best of three masks is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from transformers import CONFIG_MAPPING

from csp.models.build import assemble_decoder, build_lm_head, build_mlp
from csp.models.chat import ChatPrompt
from csp.models.decoders import NEEDED, decoder_config, family
from csp.models.intern import InternTower, build_intern, intern_config, intern_state
from csp.models.sam2 import MEMORY, Sam2Head, Sam2Sizes, build_sam2, sam2_sizes, sam2_state
from csp.models.tiling import MOST_TILES
from csp.models.weights import LoadReport, fill, on_meta, read_parts

SAM = "grounding_encoder.sam2_model."
_ENCODER, _LAYERS = f"{SAM}image_encoder.", "language_model.model.layers."
PLACES = (
    (SAM, "sam"),
    ("vision_model.", "tower"),
    ("language_model.model.", "llm"),
    ("language_model.lm_head.", "lm_head"),
    ("mlp1.", "projector"),
    ("text_hidden_fcs.", "fcs"),
)
# The official code holds SAM 2's constants in bfloat16, whatever its weights are.
PIXEL_MEAN = (0.484375, 0.455078125, 0.40625)
PIXEL_STD = (0.228515625, 0.2236328125, 0.224609375)
EMPTY_POINTS = 2
_PROJECTOR = {"0.": "layer_norm.", "1.": "linear_1.", "3.": "linear_2."}


def is_sa2va(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is of Sa2VA on InternVL."""
    named = config.get("architectures")
    return config.get("model_type") == "sa2va_chat" or (isinstance(named, list) and "Sa2VAChatModel" in named)


def text_config(config: Mapping[str, Any]) -> Any:
    """transformers' config of the decoder: a field that `llm_config` leaves out has the default of its class."""
    stored = dict(config.get("llm_config") or {})
    if not stored:
        raise ValueError("config.json has no llm_config: it does not describe a Sa2VA model")
    defaults = CONFIG_MAPPING[family(stored)]()
    return decoder_config({name: getattr(defaults, name) for name in NEEDED} | stored)


def check_config(config: Mapping[str, Any]) -> None:
    """Refuse by name what has never been seen in a published folder and would be run wrongly."""
    if config.get("ps_version", "v2") != "v2":
        raise ValueError(f"config.json asks for ps_version {config['ps_version']!r}: only v2 is known")
    if not config.get("vision_config"):
        raise ValueError("config.json has no vision_config: it does not describe a Sa2VA model")


def parts_of(
    folder: Path,
    config: Mapping[str, Any],
    sizes: Sam2Sizes,
    target: torch.device,
    kind: torch.dtype,
    report: LoadReport,
    max_tiles: int = MOST_TILES,
    quantize: str | None = None,
    offload_sam: bool = False,
) -> dict[str, Any]:
    """Everything that `csp.models.lisa.Lisa` is made of, by name, loaded. See `csp.checkpoints.load`."""
    check_config(config)
    prompter = ChatPrompt(folder, str(config.get("template", "")))
    parts = read_parts(
        folder,
        target,
        kind,
        report,
        on_cpu=(_ENCODER,) if offload_sam else (),
        as_stored=() if quantize is None else (_LAYERS,),
        places=PLACES,
        left_out=lambda name: name.startswith(SAM) and MEMORY.match(name.removeprefix(SAM)),
    )
    llm = assemble_decoder(
        text_config(config), parts.pop("llm", {}), "language_model.model", prompter, target, kind, quantize, report
    )
    tied = bool(config["llm_config"].get("tie_word_embeddings"))
    if tied and parts.get("lm_head"):
        report.notes.append("config.json ties the head to the embedding, but holds both: both were loaded as they are")
    vision = config["vision_config"] | {"image_size": config.get("force_image_size") or config["vision_config"]["image_size"]}
    tower = build_intern(intern_config(vision))
    fill(tower, intern_state(parts.pop("tower", {})), "vision_model", report)
    factor = round(1 / float(config.get("downsample_ratio", 0.5)))
    projector = build_projector(tower.config, llm.config, factor)
    state = {_projected(name): tensor for name, tensor in parts.pop("projector", {}).items()}
    fill(projector, state, "mlp1", report)
    widths = {"reads": ("0", llm.config.hidden_size, 1), "writes": ("2", sizes.hidden_dim, 0)}
    for what, (place, wanted, axis) in widths.items():
        weight = parts.get("fcs", {}).get(f"{place}.weight")
        if report.strict and (weight is None or weight.shape[axis] != wanted):
            got = "is not there" if weight is None else f"{what} {weight.shape[axis]} values"
            raise ValueError(f"text_hidden_fcs.{place} {got} where {wanted} are needed: check sam= against this checkpoint")
    fcs = build_mlp(parts.pop("fcs", {}), nn.ReLU, "text_hidden_fcs", report)
    sam = build_sam2(sizes)
    fill(sam, sam2_state(parts.pop("sam", {})), "grounding_encoder.sam2_model", report)
    _assumed(config, sizes, max_tiles, prompter, report)
    return {
        "llm": llm,
        "clip": InternTower(tower, int(config.get("select_layer", -1)), factor, max_tiles),
        "projector": projector,
        "text_hidden_fcs": fcs,
        "mask_head": Sam2Head(sam, True, EMPTY_POINTS, PIXEL_MEAN, PIXEL_STD, offload_sam),
        "prompter": prompter,
        "lm_head": build_lm_head(llm, parts.pop("lm_head", {}), tied, report),
        "seg_row": "fed",
        "report": report,
    }


def build_projector(vision: Any, text: Any, factor: int) -> Any:
    """InternVL's projector without weights: norm, linear, GELU, linear."""
    from transformers.models.internvl.modeling_internvl import InternVLMultiModalProjector

    config: Any = SimpleNamespace(
        vision_config=vision, text_config=text, downsample_ratio=1 / factor, projector_hidden_act="gelu"
    )
    return on_meta(lambda: InternVLMultiModalProjector(config))


def _projected(name: str) -> str:
    for theirs, ours in _PROJECTOR.items():
        name = ours + name.removeprefix(theirs) if name.startswith(theirs) else name
    return name


def _assumed(config: Mapping[str, Any], sizes: Sam2Sizes, max_tiles: int, prompter: ChatPrompt, report: LoadReport) -> None:
    """Say what the folder does not: no published folder has been read, only the code that writes and reads them."""
    report.notes.append(
        f"assumed, since the folder does not say it: SAM 2 of {sizes.image_size} pixels and width {sizes.hidden_dim} with "
        f"{'-'.join(map(str, sizes.stages))} blocks, the best of its three masks after {EMPTY_POINTS} empty points; at most "
        f"{max_tiles} tiles and a thumbnail; template {prompter.name} without a system text"
    )


def sa2va_sizes(folder: Path, given: str | Path | Mapping[str, Any] | None) -> Sam2Sizes:
    """SAM 2's sizes: as given, as the folder's sam2_config.json says, else those that the official code has written in."""
    file = folder / "sam2_config.json"
    return sam2_sizes(given if given is not None else file if file.is_file() else "hiera_l")
