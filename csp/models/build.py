"""Parts of a model from a checkpoint folder: the decoder's config, the prompt, the small networks, the
towers.

Sizes and ids are those of the folder; every part says what it lacks. `csp.checkpoints` decides where files
are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel

from csp.checks import check_mapping, shorten
from csp.models import quantize as bits
from csp.models.clip import CLIP_MEAN, CLIP_STD, ClipTower
from csp.models.common_space import CommonSpace
from csp.models.decoders import build_decoder, revive
from csp.models.guides import read_guide
from csp.models.instances import YoloInstances, build_yolo, has_ultralytics, read_yolo
from csp.models.parts import AnyGuide, Guide
from csp.models.probe import probe
from csp.models.prompt import LlamaPrompt, Prompter, WordPrompt
from csp.models.sam import SamHead, SamSizes, build_sam, unlike
from csp.models.weights import LoadReport, check_fetched, fill, on_meta, read_json, tensors

# What else a CLIP folder holds: the text side of the pair.
_NOT_VISION = ("text_model.", "text_projection", "visual_projection", "logit_scale")


def build_prompter(folder: Path, config: Mapping[str, Any]) -> Prompter:
    """The tokenizer that the folder holds, with the prompt that its config asks for."""
    template = check_mapping("csp in config.json", config.get("csp")).get("prompt")
    if template and (folder / "tokenizer.json").is_file():
        read_json(folder / "tokenizer.json")  # in words of ours where it is damaged
        return WordPrompt(folder / "tokenizer.json", template)
    if not (folder / "tokenizer.model").is_file():
        raise ValueError(
            f"{folder} has no tokenizer: it needs tokenizer.model (as LISA has), "
            "or tokenizer.json and a prompt in config.json"
        )
    added_file, settings_file = folder / "added_tokens.json", folder / "tokenizer_config.json"
    added = read_json(added_file) if added_file.is_file() else {}
    settings = read_json(settings_file) if settings_file.is_file() else {}
    for number, token in settings.get("added_tokens_decoder", {}).items():
        if not token.get("special") or token["content"] not in ("<s>", "</s>", "<unk>"):
            added.setdefault(token["content"], int(number))
    wrong = [name for name, number in added.items() if isinstance(number, bool) or not isinstance(number, int)]
    if wrong:
        raise ValueError(f"{added_file} gives {wrong[0]!r:.40} no id: fetch it again")
    try:
        prompter = LlamaPrompt(
            folder / "tokenizer.model",
            added,
            legacy=bool(settings.get("legacy", True)),
            im_start_end=bool(config.get("mm_use_im_start_end")),
        )
    except (RuntimeError, OSError) as error:
        check_fetched(folder / "tokenizer.model")
        raise ValueError(f"{folder / 'tokenizer.model'} is no sentencepiece model, or cut short: fetch it again") from error
    # A file that ends between two pieces is read without a word, and lacks what stands behind them.
    pieces, first = prompter.pieces.get_piece_size(), min(added.values())
    if pieces < first and not _whole((folder / "tokenizer.model").read_bytes()):
        raise ValueError(
            f"{folder / 'tokenizer.model'} is cut short after {pieces} pieces, and the added tokens begin at {first}: fetch it "
            "again"
        )
    return prompter


def _whole(data: bytes) -> bool:
    """Whether a sentencepiece model goes on after its pieces (field 1 of the message) to how text is normalised (field 3)."""
    at, field = 0, 0
    while at < len(data):
        field, at = data[at] >> 3, at + 1
        length = shift = 0
        while at < len(data):
            byte, at = data[at], at + 1
            length, shift = length | (byte & 127) << shift, shift + 7
            if byte < 128:
                break
        at += length
        if field == 3:
            return True
    return False


def build_mlp(
    state: dict[str, Tensor], activation: type[nn.Module], what: str, report: LoadReport
) -> nn.Module:
    """A Linear, or Linears at even places with an activation between, of the sizes found."""

    def linear(weight: Tensor) -> nn.Module:
        return nn.Linear(weight.shape[1], weight.shape[0])

    def layers() -> nn.Module:
        if "weight" in state:
            return linear(state["weight"])
        places = sorted(int(name.split(".")[0]) for name in state if name.endswith(".weight"))
        if not places or places != list(range(0, 2 * len(places), 2)):
            raise ValueError(f"{report.folder} lacks {what}: no .weight, or .0.weight, .2.weight, was found")
        stack = [layer for place in places for layer in (linear(state[f"{place}.weight"]), activation())]
        return nn.Sequential(*stack[:-1])

    module = on_meta(layers)
    fill(module, state, what, report)
    return module


def build_lm_head(llm: Any, state: dict[str, Tensor], tied: bool, report: LoadReport) -> nn.Module | None:
    """The decoder's head over its vocabulary: its own weights, or those of the embedding where the config ties them;
    None where the checkpoint has neither.
    """
    state = state or ({"weight": llm.embed_tokens.weight.data} if tied else {})
    if not state:
        return None
    head = on_meta(lambda: nn.Linear(llm.config.hidden_size, llm.config.vocab_size, bias="bias" in state))
    fill(head, state, "lm_head", report)
    return head


def build_mask_head(
    sizes: SamSizes, state: dict[str, Tensor], device: torch.device, report: LoadReport, offload: bool = False
) -> SamHead:
    """SAM of these sizes; with `offload` its image encoder rests on the CPU, where its weights are."""
    if state and (found := unlike(sizes, state)):
        report.refuse(f"{report.folder}: {found}")
    sam = on_meta(lambda: build_sam(sizes))
    fill(sam, state, "model.visual_model", report)
    for name, values in (("pixel_mean", sizes.pixel_mean), ("pixel_std", sizes.pixel_std)):
        setattr(sam, name, torch.tensor(values, device=device).view(-1, 1, 1))
    return SamHead(sam, offload)


def build_clip(
    folder: Path,
    inside: dict[str, Tensor] | None,
    config: Mapping[str, Any],
    device: torch.device,
    dtype: torch.dtype,
    report: LoadReport,
) -> ClipTower:
    """The vision tower from its own folder; weights inside the LISA checkpoint, where there are any, win."""
    settings = read_json(folder / "config.json")
    settings = settings.get("vision_config", settings)
    names = (
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "image_size",
        "patch_size",
        "hidden_act",
        "layer_norm_eps",
        "num_channels",
    )
    try:
        model = on_meta(
            lambda: CLIPVisionModel(CLIPVisionConfig(**{n: settings[n] for n in names if n in settings}))
        )
    except Exception as error:  # each field has a validator of its own, which raises what it likes
        why = shorten(str(error), 90) or type(error).__name__
        raise ValueError(f"{folder / 'config.json'} does not describe a CLIP tower ({why}): fetch it again") from error
    state = inside or {}
    for name, tensor in () if inside else tensors(folder):
        if name.startswith(_NOT_VISION) or name.endswith("position_ids"):
            continue
        state[name.removeprefix("vision_model.")] = loaded = tensor.to(device, dtype)
        report.count("clip", tensor, loaded)
    fill(model, state, "clip", report)
    _check_tower(config, model.config.image_size, report)
    embeddings = model.embeddings
    embeddings.position_ids = torch.arange(embeddings.num_positions, device=device).expand((1, -1))
    processor = folder / "preprocessor_config.json"
    pixel = read_json(processor) if processor.is_file() else {}
    for name in ("image_mean", "image_std"):
        values = pixel.get(name, CLIP_MEAN)
        if not isinstance(values, list | tuple) or len(values) != 3 or not all(isinstance(v, int | float) for v in values):
            raise ValueError(f"{processor}: {name} must be three numbers, got {values!r:.60}: fetch it again")
        if name == "image_std" and min(values) <= 0:
            raise ValueError(f"{processor}: image_std must be above 0, got {values}: fetch it again")
    return ClipTower(
        model,
        tuple(pixel.get("image_mean", CLIP_MEAN)),
        tuple(pixel.get("image_std", CLIP_STD)),
        config.get("mm_vision_select_layer", -2),
        CommonSpace(folder, device, dtype) if CommonSpace.is_in(folder) else None,
    )


def _check_tower(config: Mapping[str, Any], image_size: int, report: LoadReport) -> None:
    """A note where the tower's name in config.json speaks of another picture size than the tower at hand."""
    name = str(config.get("mm_vision_tower") or config.get("vision_tower") or "")
    named = re.search(r"clip-vit-(?:base|large)-patch\d+(?:-(\d{3}))?$", name)
    meant = int(named[1] or 224) if named else image_size
    if meant != image_size:
        report.notes.append(
            f"config.json names {name}, a tower of {meant} pixels, but this one has {image_size}: the model was "
            f"trained with as many image tokens as its own tower makes, so pass clip= that one unless you know better"
        )


def assemble_decoder(
    config: Any,
    state: dict[str, Tensor],
    where: str,
    prompter: Prompter,
    target: torch.device,
    kind: torch.dtype,
    quantize: str | None,
    report: LoadReport,
) -> Any:
    """The decoder that ``config`` describes with the tensors found at ``where``, probed; its layers in 8 or 4 bits where asked.

    Raises ValueError for a tensor that does not fit, a [SEG] without a row, or a decoder that is not driven rightly.
    """
    llm = build_decoder(config)
    # The loaded tensors replace the meta ones; what no checkpoint holds is made anew where the weights are.
    fill(llm, state, where, report)
    check_ids(prompter, llm)
    if target.type != "meta":
        probe(llm)
    if quantize is not None:
        bits.quantize_linears(llm.layers, quantize, target, kind)
    revive(llm, target)
    return llm


def check_ids(prompter: Prompter, llm: Any) -> None:
    """[SEG] must be a row of the embedding. Raises ValueError otherwise."""
    rows = llm.config.vocab_size
    if not 0 <= prompter.seg_id < rows:
        raise ValueError(
            f"the tokenizer gives [SEG] the id {prompter.seg_id}, the embedding has {rows} rows: tokenizer and weights are "
            "not of one model, fetch both from the same place"
        )


def check_widths(
    llm: Any, clip: ClipTower, projector: nn.Module, fcs: nn.Module, sizes: SamSizes
) -> None:
    """The parts must fit each other; each alone fits its own sizes by now."""
    first, last = [next(p for p in reversed(list(m.parameters())) if p.ndim == 2) for m in (projector, fcs)]
    into = next(p for p in projector.parameters() if p.ndim == 2).shape[1]
    width, d = clip.model.config.hidden_size, llm.config.hidden_size
    for what, got, wanted in (
        ("the projector reads", into, width),
        ("the projector writes", first.shape[0], d),
        ("text_hidden_fcs reads", next(p for p in fcs.parameters() if p.ndim == 2).shape[1], d),
        ("text_hidden_fcs writes", last.shape[0], sizes.prompt_embed_dim),
    ):
        if got != wanted:
            raise ValueError(
                f"{what} {got} values where {wanted} are needed: check clip= and sam= against this checkpoint"
            )


def build_instances(
    folder: Path, given: str | Path | AnyGuide | bool | None, imgsz: int, device: torch.device
) -> AnyGuide | None:
    """The guide: one that is given as it is, an RF-DETR or GroundingDINO folder, a YOLO folder (yaml beside safetensors), a
    .pt file, or none. Where the model's own YOLO cannot be run for want of ultralytics there is none either: Seg-First says so.
    """
    if isinstance(given, Guide) or callable(given):
        return given
    if given is False or (given is None and not (folder / "yolo").is_dir()):
        return None
    if given is None and not has_ultralytics():
        return None
    place = folder / "yolo" if given is None or given is True else Path(given)
    if place.suffix == ".pt" and place.is_file():
        return YoloInstances(read_yolo(place).to(device), imgsz)
    if (place / "config.json").is_file():
        return read_guide(place, device)
    files = sorted(place.glob("*.yaml")) if place.is_dir() else []
    if len(files) != 1 or not (place / "model.safetensors").is_file():
        raise ValueError(
            "instances must be an RF-DETR or GroundingDINO folder or hub id, a folder with one YOLO yaml and "
            "model.safetensors, a file such as yolo11n-seg.pt, or one on the hub (Ultralytics/YOLO11/yolo11n-seg.pt), "
            f"got {str(place)!r}"
        )
    model = build_yolo(files[0])
    state = {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors(place)
    }
    fill(model, state, "yolo", LoadReport(str(place)))
    return YoloInstances(model.to(device), imgsz)
