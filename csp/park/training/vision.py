"""The vision tower alone, with dense labels (this is also what makes CLS attention mean something).

Every patch, read at the layer that LLaVA reads (`hidden_states[-2]`), must tell what it shows (kind, colour and tone of a
thing, or
which landmark), where it stands itself, and the box and place code of the thing it belongs to; [CLS], read after the last layer,
which kinds and which kind-colour pairs are in the picture. All through heads that are dropped afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionModel

from csp.park.draw import COLOURS, KINDS
from csp.park.ground import MARKS, Mark
from csp.park.things import Thing
from csp.park.training.facts import GRID, LEAST_COVER, Facts

KIND_IDS = {k: i for i, k in enumerate(KINDS)}
COLOUR_IDS = {c: i for i, c in enumerate(COLOURS)}
MARK_IDS = {m: i for i, m in enumerate(MARKS)}
NO_KIND = len(KINDS)  # background


@dataclass(frozen=True)
class Labels:
    """What the patches of a batch show: all [B, N] or [B, N, k]; `owner` is -1 on the background."""

    owner: Tensor
    kind: Tensor
    colour: Tensor  # -100 on the background
    tone: Tensor  # 0 dark, 1, 2 light; -100 on the background
    mark: Tensor  # len(MARKS): none; -100 on things
    box: Tensor  # cx, cy, w, h of the owner, shares of the picture
    code: Tensor  # place code of the owner
    pairs: Tensor  # [B, kinds + kinds * colours], present in the picture


def labels(known: list[Facts], objects: list[tuple[Thing, ...]], marks: list[tuple[Mark, ...]], mirrored: bool = False) -> Labels:
    rows: dict[str, list[np.ndarray]] = {n: [] for n in ("owner", "kind", "colour", "tone", "mark", "box", "code", "pairs")}
    for fact, things, grounds in zip(known, objects, marks, strict=True):
        owner = np.where(fact.cover.max(0) >= LEAST_COVER, fact.cover.argmax(0), -1)
        own, bare = np.maximum(owner, 0), owner < 0
        kind = np.array([KIND_IDS[t.kind] for t in things])
        colour = np.array([COLOUR_IDS[t.colour] for t in things])
        boxes = [(*t.centre, t.box[2] - t.box[0], t.box[3] - t.box[1]) for t in things]
        box = np.array([(1 - x if mirrored else x, y, w, h) for x, y, w, h in boxes], np.float32)
        ground = np.array([MARK_IDS[m.kind] for m in grounds] + [len(MARKS)])
        which = np.where(fact.mark_cover.max(0) >= LEAST_COVER, fact.mark_cover.argmax(0), -1)
        present = np.zeros(len(KINDS) * (1 + len(COLOURS)), np.float32)
        present[kind] = 1
        present[len(KINDS) + kind * len(COLOURS) + colour] = 1
        rows["owner"].append(owner)
        rows["kind"].append(np.where(bare, NO_KIND, kind[own]))
        rows["colour"].append(np.where(bare, -100, colour[own]))
        rows["tone"].append(np.where(bare, -100, np.array([t.tone + 1 for t in things])[own]))
        rows["mark"].append(np.where(bare, ground[which], -100))
        rows["box"].append(box[own])
        rows["code"].append(fact.codes[own])
        rows["pairs"].append(present)
    return Labels(**{name: torch.from_numpy(np.stack(values)) for name, values in rows.items()})


class Heads(nn.Module):
    """Linear read-outs of a patch and of [CLS]; training only."""

    def __init__(self, width: int, code: int) -> None:
        super().__init__()
        self.kind = nn.Linear(width, len(KINDS) + 1)
        self.colour = nn.Linear(width, len(COLOURS))
        self.tone = nn.Linear(width, 3)
        self.mark = nn.Linear(width, len(MARKS) + 1)
        self.own = nn.Linear(width, 2)
        self.box = nn.Linear(width, 4)
        self.code = nn.Linear(width, code)
        self.pairs = nn.Linear(width, len(KINDS) * (1 + len(COLOURS)))


def patch_places(side: int = GRID) -> Tensor:
    """Centres of the patches, [N, 2] as (x, y) shares of the picture."""
    axis = (torch.arange(side) + 0.5) / side
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)


def losses(heads: Heads, patches: Tensor, cls: Tensor, want: Labels) -> dict[str, Tensor]:
    """`patches` [B, N, d] from hidden_states[-2], `cls` [B, d] after the last layer."""
    thing = want.owner >= 0
    weight = torch.ones(len(KINDS) + 1)
    weight[NO_KIND] = 0.3
    bare = torch.ones(len(MARKS) + 1)
    bare[-1] = 0.3
    return {
        "kind": F.cross_entropy(heads.kind(patches).flatten(0, 1), want.kind.flatten(), weight=weight),
        "colour": F.cross_entropy(heads.colour(patches).flatten(0, 1), want.colour.flatten(), ignore_index=-100),
        "tone": F.cross_entropy(heads.tone(patches).flatten(0, 1), want.tone.flatten(), ignore_index=-100) * 0.3,
        "mark": F.cross_entropy(heads.mark(patches).flatten(0, 1), want.mark.flatten(), weight=bare, ignore_index=-100) * 0.7,
        "own": F.mse_loss(heads.own(patches), patch_places().expand(len(patches), -1, -1)) * 20,
        "box": F.l1_loss(heads.box(patches)[thing], want.box[thing]) * 6,
        "code": F.mse_loss(heads.code(patches)[thing], want.code[thing]) * 3,
        "pairs": F.binary_cross_entropy_with_logits(heads.pairs(cls), want.pairs, pos_weight=torch.tensor(4.0)) * 1.5,
    }


def normalise(images: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...], scale: float) -> Tensor:
    """uint8 [B, H, W, 3] -> float32 [B, 3, H, W]."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / scale
    return (x - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)


def jitter(images: np.ndarray, g: np.random.Generator) -> np.ndarray:
    """A little more or less light and contrast, per picture."""
    gain = g.uniform(0.9, 1.1, (len(images), 1, 1, 1)).astype(np.float32)
    lift = g.uniform(-12, 12, (len(images), 1, 1, 1)).astype(np.float32)
    return np.clip(images * gain + lift, 0, 255).astype(np.uint8)


def see(model: CLIPVisionModel, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """(hidden_states[-2] patches [B, N, d], [CLS] after the last layer [B, d])."""
    out = model(pixels, output_hidden_states=True)
    return out.hidden_states[-2][:, 1:], out.hidden_states[-1][:, 0]
