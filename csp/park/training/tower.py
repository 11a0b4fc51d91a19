"""Second stage: the vision tower alone, with dense labels (this is also what makes CLS attention mean something).

Every patch, read at the layer that LLaVA reads (`hidden_states[-2]`), must tell what it shows (kind, colour), where it
stands itself, and the box and place code of the thing it belongs to; [CLS], read after the last layer, which kinds and
which kind-colour pairs are in the picture. All through heads that are dropped afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPVisionModel

from csp.park.draw import COLOURS, KINDS
from csp.park.scenes import Thing

KIND_IDS = {k: i for i, k in enumerate(KINDS)}
COLOUR_IDS = {c: i for i, c in enumerate(COLOURS)}
NO_KIND = len(KINDS)  # backdrop
GRID = 16
LEAST_COVER = 0.3  # share of a patch that a thing must cover to be its content


@dataclass(frozen=True)
class Labels:
    """What the patches of a batch show: all [B, N] or [B, N, k]; `owner` is -1 on the backdrop."""

    owner: Tensor
    kind: Tensor
    colour: Tensor
    box: Tensor  # cx, cy, w, h of the owner, shares of the picture
    code: Tensor  # place code of the owner
    pairs: Tensor  # [B, kinds + kinds * colours], present in the picture


def shares(ids: np.ndarray, objects: int, side: int) -> np.ndarray:
    """Share of every cell of a side x side grid covered by each object: float32 [objects, side * side]."""
    size = ids.shape[0]
    axis = np.arange(size) * side // size
    cells = axis[:, None] * side + axis[None, :]
    counts = np.bincount(cells.ravel() * (objects + 1) + ids.ravel(), minlength=side * side * (objects + 1))
    return (counts.reshape(side * side, objects + 1)[:, 1:].T / (size / side) ** 2).astype(np.float32)


@dataclass(frozen=True)
class Facts:
    """Of one scene: coverage [objects, N] of the patches, summed place codes [objects, width] and their weights [objects]."""

    cover: np.ndarray
    codes: np.ndarray
    totals: np.ndarray


def facts(ids: np.ndarray, objects: int, table: np.ndarray) -> Facts:
    """`table` [56 * 56, width] is SAM's position code on a fine grid."""
    fine = shares(ids, objects, 56)
    return Facts(shares(ids, objects, GRID), fine @ table, np.maximum(fine.sum(1), 1e-6))


def labels(ids: list[np.ndarray], objects: list[tuple[Thing, ...]], table: np.ndarray) -> Labels:
    owners, kinds, colours, boxes, codes, pairs = [], [], [], [], [], []
    for grid, things in zip(ids, objects, strict=True):
        known = facts(grid, len(things), table)
        cover = known.cover
        owner = np.where(cover.max(0) >= LEAST_COVER, cover.argmax(0), -1)
        own = np.maximum(owner, 0)
        kind = np.array([KIND_IDS[t.kind] for t in things])
        colour = np.array([COLOUR_IDS[t.colour] for t in things])
        box = np.array([(*t.centre, t.box[2] - t.box[0], t.box[3] - t.box[1]) for t in things], np.float32)
        present = np.zeros(len(KINDS) * (1 + len(COLOURS)), np.float32)
        present[kind] = 1
        present[len(KINDS) + kind * len(COLOURS) + colour] = 1
        owners.append(owner)
        kinds.append(np.where(owner < 0, NO_KIND, kind[own]))
        colours.append(np.where(owner < 0, -100, colour[own]))
        boxes.append(box[own])
        codes.append((known.codes / known.totals[:, None])[own])
        pairs.append(present)
    tensor = lambda rows: torch.from_numpy(np.stack(rows))  # noqa: E731
    return Labels(tensor(owners), tensor(kinds), tensor(colours), tensor(boxes), tensor(codes), tensor(pairs))


class Heads(nn.Module):
    """Linear read-outs of a patch and of [CLS]; training only."""

    def __init__(self, width: int, code: int) -> None:
        super().__init__()
        self.kind = nn.Linear(width, len(KINDS) + 1)
        self.colour = nn.Linear(width, len(COLOURS))
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
    weight = torch.full((len(KINDS) + 1,), 1.0)
    weight[NO_KIND] = 0.3
    error = {
        "kind": F.cross_entropy(heads.kind(patches).flatten(0, 1), want.kind.flatten(), weight=weight),
        "colour": F.cross_entropy(heads.colour(patches).flatten(0, 1), want.colour.flatten(), ignore_index=-100),
        "own": F.mse_loss(heads.own(patches), patch_places().expand(len(patches), -1, -1)) * 20,
        "box": F.l1_loss(heads.box(patches)[thing], want.box[thing]) * 6,
        "code": F.mse_loss(heads.code(patches)[thing], want.code[thing]) * 3,
        "pairs": F.binary_cross_entropy_with_logits(heads.pairs(cls), want.pairs, pos_weight=torch.tensor(4.0)) * 1.5,
    }
    return error


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
