"""The training loop: AdamW on the head alone, resumable to the same curve after any stop."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from csp import tuned
from csp.checks import check_choice, check_integer, check_number
from csp.metrics import iou, overlap
from csp.tuning.losses import at_size, learning_rate, mask_loss
from csp.tuning.rows import Picture, Rows, shuffled

TRAIN = ("decoder", "decoder+fcs")
STATE = "state.safetensors"


@dataclass(frozen=True)
class Recipe:
    """How a head is tuned. LISA trains with rate 3e-4 and 160 samples an update; a converged head starts lower."""

    train: str = "decoder"
    updates: int = 1000
    rate: float = 1e-4
    warmup: int = 100
    pictures: int = 16
    queries: int = 3
    seed: int = 0
    shuffle: bool = False

    def __post_init__(self) -> None:
        check_choice("train", self.train, TRAIN)
        for name, most in (("updates", 10**7), ("pictures", 4096), ("queries", 64)):
            check_integer(name, getattr(self, name), 1, most)
        check_integer("warmup", self.warmup, 0, self.updates - 1 if self.updates > 1 else 0, "it ends before the updates do")
        check_number("rate", self.rate, 0.0, 1.0)


def forward(model: Any, picture: Picture) -> Tensor:
    """Logits [K, H, W] at the targets' size, with gradients."""
    return scored(model, picture)[0]


def scored(model: Any, picture: Picture) -> tuple[Tensor, Tensor]:
    """The same, and SAM's score of each mask."""
    first = next(model.text_hidden_fcs.parameters())
    prompts = model.text_hidden_fcs(picture.states.to(first))
    low, score = model.mask_head.decode(picture.embedding, prompts.to(picture.embedding))
    height, width = picture.targets.shape[-2:]
    return at_size(low, model.mask_head.image_size, picture.seen, (height, width)), score


class Tuner:
    """Trains a model's head on rows, in float32, and keeps where it is in a folder."""

    def __init__(self, model: Any, rows: Rows, indices: Sequence[int], recipe: Recipe, folder: Path) -> None:
        self.model, self.rows, self.indices, self.recipe, self.folder = model, rows, list(indices), recipe, folder
        for module in (model.text_hidden_fcs, model.mask_head.sam):
            module.requires_grad_(False)
        self.modules = tuned.modules(model, recipe.train)
        for module in self.modules.values():
            module.float().requires_grad_(True)
        self.named = {f"{prefix}{n}": p for prefix, m in self.modules.items() for n, p in m.named_parameters()}
        self.optimizer = torch.optim.AdamW(self.named.values(), lr=recipe.rate, betas=(0.9, 0.95), weight_decay=0.0)
        self.curve: list[float] = []
        self._resume()

    def batch(self, update: int) -> list[Picture]:
        """The pictures of an update, by its number alone, so that a second start goes the same way."""
        g = np.random.default_rng((self.recipe.seed, update))
        chosen = g.choice(self.indices, min(self.recipe.pictures, len(self.indices)), replace=False)
        device = next(iter(self.named.values())).device
        found = []
        for index in chosen:
            picture = self.rows.read(int(index), device)
            drawn = np.sort(g.permutation(len(picture.states))[: self.recipe.queries])
            found.append(Picture(picture.embedding.float(), picture.states[drawn], picture.targets[drawn], picture.seen))
        if self.recipe.shuffle:
            found = [shuffled(picture, found[at - 1]) for at, picture in enumerate(found)]
        return found

    def step(self, update: int) -> float:
        """One update, from 1 on; its loss before it."""
        pairs = [(forward(self.model, picture), picture.targets) for picture in self.batch(update)]
        loss = mask_loss(pairs)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(self.named.values()), 1.0)
        rate = learning_rate(update, self.recipe.rate, self.recipe.warmup, self.recipe.updates)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return float(loss.detach())

    def run(self, tell: Callable[[int, int, float], None], every: int = 100, until: int | None = None) -> list[float]:
        """All updates that are left, or those to ``until``; the loss of each, those of an earlier start included."""
        last = self.recipe.updates if until is None else until
        for update in range(len(self.curve) + 1, last + 1):
            loss = self.step(update)
            if not np.isfinite(loss):
                raise ValueError(f"the loss of update {update} is {loss}: start again with a lower --rate")
            self.curve.append(loss)
            tell(update, self.recipe.updates, loss)
            if update % every == 0 or update == last:
                self._keep()
        return self.curve

    @torch.no_grad()
    def evaluate(self, indices: Sequence[int]) -> tuple[float, float, list[tuple[float, float]]]:
        """Mean loss and gIoU over pictures, and (SAM's score, IoU) of each query."""
        device = next(iter(self.named.values())).device
        losses, pairs = [], []
        for index in indices:
            picture = self.rows.read(int(index), device)
            picture = Picture(picture.embedding.float(), picture.states, picture.targets, picture.seen)
            logits, score = scored(self.model, picture)
            losses.append(float(mask_loss([(logits, picture.targets)])))
            for k in range(len(logits)):
                met = iou(*overlap((logits[k] > 0).cpu().numpy(), picture.targets[k].bool().cpu().numpy()))
                pairs.append((float(score[k]), float(met)))
        return float(np.mean(losses)), float(np.mean([value for _, value in pairs])), pairs

    def _keep(self) -> None:
        from safetensors.torch import save_file

        state = self.optimizer.state_dict()["state"]
        tensors = {f"weight/{name}": p.detach().cpu().contiguous() for name, p in self.named.items()}
        for at, name in enumerate(self.named):
            tensors |= {f"{key}/{name}": value.cpu().reshape(value.shape) for key, value in state.get(at, {}).items()}
        kept = {"recipe": asdict(self.recipe), "rows": self.rows.header, "curve": self.curve}
        told = {key: json.dumps(value) for key, value in kept.items()}
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f"{STATE}.part"
        save_file(tensors, draft, told)
        draft.replace(self.folder / STATE)

    def _resume(self) -> None:
        from safetensors import safe_open

        path = self.folder / STATE
        if not path.is_file():
            return
        with safe_open(path, "pt") as kept:
            told = kept.metadata()
            for what, own in (("recipe", asdict(self.recipe)), ("rows", self.rows.header)):
                if json.loads(told[what]) != json.loads(json.dumps(own)):
                    other = "recipe" if what == "recipe" else "base, plan or data set"
                    raise ValueError(f"{path} is of another {other}: choose another --out folder, or delete it")
            names = set(kept.keys())
            with torch.no_grad():
                for name, p in self.named.items():
                    p.copy_(kept.get_tensor(f"weight/{name}"))
                    keys = ("step", "exp_avg", "exp_avg_sq")
                    if f"exp_avg/{name}" in names:
                        self.optimizer.state[p] = {key: kept.get_tensor(f"{key}/{name}") for key in keys}
                        for key in keys[1:]:
                            self.optimizer.state[p][key] = self.optimizer.state[p][key].to(p.device)
            self.curve = json.loads(told["curve"])


def score_fit(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The line from SAM's score to the IoU that tuned masks have, by least squares; the mean where scores do not differ."""
    x, y = np.array(pairs, np.float64).T
    if np.ptp(x) < 1e-6:
        return 0.0, float(y.mean())
    slope, offset = np.polyfit(x, y, 1)
    return float(slope), float(offset)
