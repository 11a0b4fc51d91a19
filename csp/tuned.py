"""A tuned head on disk: the tensors that changed under LISA's names, and what they were trained on and for."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from csp.checks import read_json
from csp.methods import METHODS, build

TENSORS, CARD = "head.safetensors", "head.json"
DECODER, FCS = "model.visual_model.mask_decoder.", "model.text_hidden_fcs.0."
_MOST = 2**24


class ScoreFitted:
    """A mask head whose own score is put right for tuned weights: ``slope`` times it and ``offset``, within 0 and 1.

    SAM's score head gets no gradient from LISA's losses and goes stale.
    """

    def __init__(self, head: Any, slope: float, offset: float) -> None:
        self._head, self._slope, self._offset = head, slope, offset

    def __getattr__(self, name: str) -> Any:
        return getattr(self._head, name)

    def decode(self, embedding: Any, prompts: Tensor) -> tuple[Tensor, Tensor]:
        logits, iou = self._head.decode(embedding, prompts)
        return logits, (self._slope * iou + self._offset).clamp(0, 1)


def modules(model: Any, train: str) -> dict[str, nn.Module]:
    """What is trained, by the prefix of its names in a LISA checkpoint. Raises ValueError for a head that is not SAM's."""
    sam = getattr(model.mask_head, "sam", None)
    if sam is None:
        raise ValueError(f"{model.name} has no mask decoder of SAM's first kind: only that can be tuned")
    found: dict[str, nn.Module] = {DECODER: sam.mask_decoder}
    return found if train == "decoder" else {**found, FCS: model.text_hidden_fcs}


def fingerprint(model: Any) -> str:
    """Of the weights that a head stands on: of the files that the model was loaded from, or of what is tuned where there
    were none.
    """
    told = getattr(model.report, "fingerprint", "")
    if told:
        return str(told)
    digest = hashlib.sha256()
    for prefix, module in modules(model, "decoder+fcs").items():
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"{prefix}{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()


def save(folder: Path, model: Any, train: str, card: Mapping[str, Any]) -> None:
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{prefix}{name}": tensor.detach().cpu().contiguous()
        for prefix, module in modules(model, train).items()
        for name, tensor in module.state_dict().items()
    }
    save_file(tensors, folder / TENSORS)
    (folder / CARD).write_text(json.dumps({**card, "train": train}, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_card(folder: Path) -> dict[str, Any]:
    """What a head was tuned for. Raises ValueError for a folder that holds none."""
    for name in (TENSORS, CARD):
        if not (folder / name).is_file():
            raise ValueError(f"{folder} holds no {name}: give the folder that csp.tune wrote")
    card = read_json((folder / CARD).read_text(encoding="utf-8"), str(folder / CARD), _MOST)
    if not isinstance(card, dict) or not {"base", "method", "knobs", "train"} <= set(card):
        raise ValueError(f"{folder / CARD} does not say what the head was tuned for: tune it again")
    return card


def plan_of(folder: str | Path, asked: Any = None, anyway: bool = False) -> Any:
    """The plan that a head was tuned under. Raises ValueError where another is ``asked`` for; ``anyway`` gives that one."""
    card = read_card(Path(folder))
    own = build(METHODS[card["method"]], _listed(card["knobs"])) if card["method"] in METHODS else None
    if asked is None and own is None:
        raise ValueError(f"{folder} was tuned under {card['method']}, which is no method here: say --method and --any-plan")
    if asked is None or (not anyway and asked == own):
        return own
    if not anyway:
        raise ValueError(
            f"{folder} was tuned under {own or card['method']} and {asked} was asked for: leave --method and the knobs out, or "
            "say --any-plan to try it"
        )
    return asked


def _listed(knobs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in knobs.items()}


def attach(model: Any, folder: str | Path) -> dict[str, Any]:
    """Give a model a tuned head, and the plan that it was tuned under as its default method. Returns its card.

    Raises ValueError for a head that was tuned on another base.
    """
    from safetensors.torch import load_file

    folder = Path(folder)
    card = read_card(folder)
    base = fingerprint(model)
    if card["base"] != base:
        raise ValueError(
            f"{folder} was tuned on {card.get('model', 'another model')} with the base {card['base'][:12]}, and {model.name} "
            f"is {base[:12]}: load the one that it was tuned on"
        )
    tensors = load_file(folder / TENSORS)
    for prefix, module in modules(model, card["train"]).items():
        own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        module.load_state_dict(own, strict=True)
    if "score" in card:
        model.mask_head = ScoreFitted(model.mask_head, *map(float, card["score"]))
    if card["method"] in METHODS:
        model.tuned_under = build(METHODS[card["method"]], _listed(card["knobs"]))
        model.methods = partial(_unless_given, model.methods, model.tuned_under)
    return card


def _unless_given(methods: Any, plan: Any, method: Any, *model: int) -> Any:
    """The plan that a head was tuned under where no method is asked for."""
    return methods(plan if method is None else method, *model)


def merge(base: Path, head: Path, out: Path) -> list[str]:
    """A copy of a LISA folder with a head's tensors in place of its own, in their dtype; returns the names that changed.

    Raises ValueError where ``out`` is there already or a name is not among the folder's.
    """
    from safetensors.torch import load_file, safe_open, save_file  # type: ignore[attr-defined]

    if out.exists():
        raise ValueError(f"{out} is there already: name a new folder")
    read_card(head)
    left = load_file(head / TENSORS)
    shutil.copytree(base, out)
    names = sorted(left)
    for file in sorted((*out.glob("*.safetensors"), *out.glob("pytorch_model*.bin"))):
        if file.suffix == ".safetensors":
            with safe_open(file, "pt") as opened:
                tensors, metadata = {name: opened.get_tensor(name) for name in opened.keys()}, opened.metadata()  # noqa: SIM118
        else:
            tensors, metadata = torch.load(file, map_location="cpu", weights_only=True), None
        mine = [name for name in tensors if name in left]
        if mine:
            tensors |= {name: left.pop(name).to(tensors[name].dtype) for name in mine}
            if file.suffix == ".safetensors":
                save_file(tensors, file, metadata)
            else:
                torch.save(tensors, file)
    if left:
        shutil.rmtree(out)
        raise ValueError(f"{base} holds no {sorted(left)[0]}: give the folder that the head was tuned on")
    return names
