"""From a name to a model: the embedded one, a folder in LISA's layout, or a hub id.

Sizes, ids and the projector's kind are read from the folder, never assumed; what a tensor is called is `csp.weights`' affair.
"""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaModel

from csp.methods import CSP
from csp.models.clip import CLIP_MEAN, CLIP_STD, ClipTower
from csp.models.instances import Instances, YoloInstances, build_yolo
from csp.models.lisa import Lisa
from csp.models.prompt import LlamaPrompt, Prompter, WordPrompt
from csp.models.sam import MaskHead, SamSizes, build_sam, sam_sizes
from csp.weights import LoadReport, fill, on_meta, read_json, read_parts, tensors

EMBEDDED = ("park",)


def load(name: str | Path = "park", clip: str | Path | None = None, sam: str | Path | Mapping[str, Any] | None = None,
         instances: str | Path | Instances | bool | None = None, device: str | torch.device = "auto",
         dtype: str | torch.dtype | None = None) -> Lisa:
    """Load a model by name ("park"), folder or hub id ("xinlai/LISA-7B-v1").

    `clip` is the vision tower's folder or hub id (default: what config.json names); `sam` a variant ("vit_h"), a JSON file or a
    mapping of sizes (default: the folder's sam_config.json, else vit_h); `instances` a YOLO folder, any callable from picture to masks, or
    False for none (default: the folder's `yolo/` if there is one). `device` "auto" takes a GPU if there is one; `dtype` defaults to
    what the folder asks for, else float32 on a CPU and bfloat16 on a GPU.

    Raises ValueError naming what is missing or does not fit, before anything large is read where possible.
    """
    folder = find(name)
    config = read_json(folder / "config.json")
    own: dict[str, Any] = config.get("csp", {})
    target = pick_device(device)
    kind = pick_dtype(dtype if dtype is not None else own.get("dtype"), target)
    clip_folder = find_clip(folder, config, clip)
    prompter = build_prompter(folder, config)
    sizes = sam_sizes(sam if sam is not None else _or_default(folder / "sam_config.json", "vit_h"))
    detector = _instances(folder, instances, own.get("pixel size", 640), target)

    report = LoadReport(str(folder))
    parts = read_parts(folder, target, kind, report)
    llm = on_meta(lambda: LlamaModel(llama_config(config)))
    # The loaded tensors replace the meta ones; what no checkpoint holds is made anew where the weights are.
    fill(llm, parts.pop("llm", {}), "model", report)
    llm.rotary_emb = type(llm.rotary_emb)(llm.config).to(target)
    tower = _clip_tower(clip_folder, parts.pop("clip", None), config, target, kind, report)
    projector = _mlp(parts.pop("projector", {}), nn.GELU, "model.mm_projector", report)
    fcs = _mlp(parts.pop("fcs", {}), nn.ReLU, "model.text_hidden_fcs.0", report)
    head = _mask_head(sizes, parts.pop("sam", {}), target, report)
    _check_widths(llm, tower, projector, fcs, sizes)
    return Lisa(own.get("name") or Path(name).name, llm, tower, projector, fcs, head, prompter, CSP(), detector,
                seg_row=own.get("seg_row", "before"))


def find(name: str | Path) -> Path:
    """The folder of a model: embedded name, local folder, or hub id. Raises ValueError saying where it looked."""
    if str(name) in EMBEDDED:
        here = Path(__file__).parent
        places = [here / "assets" / str(name), here.parent / "assets" / str(name)]
        for place in places:
            if (place / "config.json").is_file():
                return place
        raise ValueError(f"the embedded model {str(name)!r} is not installed: its config.json is in none of "
                         f"{', '.join(str(place) for place in places)}; reinstall the package or pass a folder")
    return _folder_or_hub(name, "model", ("*.json", "*.model", "*.safetensors", "pytorch_model*.bin"))


def find_clip(folder: Path, config: Mapping[str, Any], clip: str | Path | None) -> Path:
    """The vision tower's folder: as given, or as config.json names it (relative to the model's folder, or a hub id)."""
    name = clip or config.get("mm_vision_tower") or config.get("vision_tower")
    if not name:
        raise ValueError("config.json names no vision_tower: pass clip=folder_or_id")
    if clip is None and (folder / str(name) / "config.json").is_file():
        return folder / str(name)
    return _folder_or_hub(name, "clip", ("*.json", "model.safetensors"))


def _folder_or_hub(name: str | Path, what: str, patterns: tuple[str, ...]) -> Path:
    path = Path(name)
    if (path / "config.json").is_file():
        return path
    if path.is_dir():
        raise ValueError(f"the folder {str(name)!r} has no config.json: it is not a {what} folder")
    if str(name).count("/") != 1 or str(name).startswith((".", "/", "~")):
        raise ValueError(f"there is no {what} {str(name)!r}: give {', '.join(EMBEDDED)}, a folder with a config.json, "
                         "or a hub id such as xinlai/LISA-7B-v1")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(name), allow_patterns=list(patterns)))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ValueError(f"{name} could not be fetched from the hub ({type(error).__name__}): fetch "
                         f"{', '.join(patterns)} of it elsewhere and pass the folder as {what}; "
                         "the embedded model park needs no network") from error


def pick_device(device: str | torch.device) -> torch.device:
    """"auto" is a GPU where there is one. Raises ValueError for a device that this machine lacks."""
    if str(device) == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        target = torch.device(device)
        torch.empty(0, device=target)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        raise ValueError(f"device must be auto, cpu, cuda or cuda:<n> as this machine has it, got {device!r}") from error
    return target


def pick_dtype(dtype: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    """A dtype by name; None is float32 on a CPU and bfloat16 elsewhere."""
    if dtype is None:
        return torch.float32 if device.type == "cpu" else torch.bfloat16
    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    kind = kinds.get(str(dtype).removeprefix("torch."))
    if kind is None:
        raise ValueError(f"dtype must be one of {', '.join(kinds)}, got {dtype!r}")
    return kind


def llama_config(config: Mapping[str, Any]) -> LlamaConfig:
    """A LlamaConfig from a LISA config.json, whose own model_type ("llava") would make transformers build something else."""
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "rms_norm_eps",
             "max_position_embeddings", "hidden_act", "bos_token_id", "eos_token_id", "pad_token_id")
    missing = [name for name in names[:5] if name not in config]
    if missing:
        raise ValueError(f"config.json lacks {', '.join(missing)}: it does not describe a Llama decoder")
    rope = {"rope_type": "default", **(config.get("rope_scaling") or {}), "rope_theta": config.get("rope_theta", 10000.0)}
    heads = config.get("num_key_value_heads") or config["num_attention_heads"]
    return LlamaConfig(**{name: config[name] for name in names if name in config}, num_key_value_heads=heads,
                       rope_parameters=rope, tie_word_embeddings=False, attn_implementation="sdpa")


def build_prompter(folder: Path, config: Mapping[str, Any]) -> Prompter:
    """The tokenizer that the folder holds, with the prompt that its config asks for."""
    template = config.get("csp", {}).get("prompt")
    if template and (folder / "tokenizer.json").is_file():
        return WordPrompt(folder / "tokenizer.json", template)
    if not (folder / "tokenizer.model").is_file():
        raise ValueError(f"{folder} has no tokenizer: it needs tokenizer.model (LISA), or tokenizer.json and a prompt in config.json")
    added_file, settings_file = folder / "added_tokens.json", folder / "tokenizer_config.json"
    added = read_json(added_file) if added_file.is_file() else {}
    settings = read_json(settings_file) if settings_file.is_file() else {}
    for number, token in settings.get("added_tokens_decoder", {}).items():
        if not token.get("special") or token["content"] not in ("<s>", "</s>", "<unk>"):
            added.setdefault(token["content"], int(number))
    return LlamaPrompt(folder / "tokenizer.model", added, legacy=bool(settings.get("legacy", True)),
                       im_start_end=bool(config.get("mm_use_im_start_end")))


def _mlp(state: dict[str, Tensor], activation: type[nn.Module], what: str, report: LoadReport) -> nn.Module:
    """A Linear, or Linears at even places with an activation between, of the sizes found."""
    def linear(weight: Tensor) -> nn.Module:
        return nn.Linear(weight.shape[1], weight.shape[0])

    if "weight" in state:
        module = on_meta(lambda: linear(state["weight"]))
    else:
        places = sorted(int(name.split(".")[0]) for name in state if name.endswith(".weight"))
        if not places or places != list(range(0, 2 * len(places), 2)):
            raise ValueError(f"{report.folder} lacks {what}: no .weight, or .0.weight, .2.weight, was found")
        layers: list[nn.Module] = []
        for place in places:
            layers += [*([activation()] if place else []), on_meta(lambda p=place: linear(state[f"{p}.weight"]))]
        module = nn.Sequential(*layers)
    fill(module, state, what, report)
    return module


def _mask_head(sizes: SamSizes, state: dict[str, Tensor], device: torch.device, report: LoadReport) -> MaskHead:
    sam = on_meta(lambda: build_sam(sizes))
    fill(sam, state, "model.visual_model", report)
    for name, values in (("pixel_mean", sizes.pixel_mean), ("pixel_std", sizes.pixel_std)):
        setattr(sam, name, torch.tensor(values, device=device).view(-1, 1, 1))
    return MaskHead(sam)


def _clip_tower(folder: Path, inside: dict[str, Tensor] | None, config: Mapping[str, Any], device: torch.device,
                dtype: torch.dtype, report: LoadReport) -> ClipTower:
    """The vision tower from its own folder; weights inside the LISA checkpoint, where there are any, win."""
    settings = read_json(folder / "config.json")
    settings = settings.get("vision_config", settings)
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "image_size", "patch_size",
             "hidden_act", "layer_norm_eps", "num_channels")
    model = on_meta(lambda: CLIPVisionModel(CLIPVisionConfig(**{n: settings[n] for n in names if n in settings})))
    state = inside or {name.removeprefix("vision_model."): tensor.to(device, dtype) for name, tensor in tensors(folder)
                       if not name.startswith(("text_model.", "text_projection", "visual_projection", "logit_scale"))
                       and not name.endswith("position_ids")}
    fill(model, state, "clip", report)
    embeddings = model.embeddings
    embeddings.position_ids = torch.arange(embeddings.num_positions, device=device).expand((1, -1))
    processor = folder / "preprocessor_config.json"
    pixel = read_json(processor) if processor.is_file() else {}
    return ClipTower(model, tuple(pixel.get("image_mean", CLIP_MEAN)), tuple(pixel.get("image_std", CLIP_STD)),
                     config.get("mm_vision_select_layer", -2))


def _check_widths(llm: LlamaModel, clip: ClipTower, projector: nn.Module, fcs: nn.Module, sizes: SamSizes) -> None:
    """The parts must fit each other; each alone fits its own sizes by now."""
    first, last = [next(p for p in reversed(list(m.parameters())) if p.ndim == 2) for m in (projector, fcs)]
    into = next(p for p in projector.parameters() if p.ndim == 2).shape[1]
    width, d = clip.model.config.hidden_size, llm.config.hidden_size
    for what, got, wanted in (("the projector reads", into, width), ("the projector writes", first.shape[0], d),
                              ("text_hidden_fcs reads", next(p for p in fcs.parameters() if p.ndim == 2).shape[1], d),
                              ("text_hidden_fcs writes", last.shape[0], sizes.prompt_embed_dim)):
        if got != wanted:
            raise ValueError(f"{what} {got} values where {wanted} are needed: check clip= and sam= against this checkpoint")


def _instances(folder: Path, given: str | Path | Instances | bool | None, imgsz: int, device: torch.device) -> Instances | None:
    """The instance proposer: a callable as it is, a YOLO folder (yaml beside safetensors), or none."""
    if given is False or (given is None and not (folder / "yolo").is_dir()):
        return None
    if callable(given):
        return given
    place = folder / "yolo" if given is None or given is True else Path(given)
    files = sorted(place.glob("*.yaml")) if place.is_dir() else []
    if len(files) != 1 or not (place / "model.safetensors").is_file():
        raise ValueError(f"instances must be a folder with one YOLO yaml and model.safetensors, got {str(place)!r}")
    model = build_yolo(files[0])
    state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors(place)}
    fill(model, state, "yolo", LoadReport(str(place)))
    return YoloInstances(model.to(device), imgsz)


def _or_default(file: Path, default: str) -> str | Path:
    return file if file.is_file() else default
