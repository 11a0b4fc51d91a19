"""SAM as a class-agnostic segmenter that is told a place and nothing else.

A prompt is the mean of SAM's own position code over the target (over each of several things, then over them), plus its
foreground-point embedding: a place with an extent, in one token, as LISA's [SEG] gives one. "Nothing there" is SAM's
`not_a_point_embed`, and answers with the empty mask. Codes are blurred and shaken, so that a guess is good enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional as F

GRID = 56  # masks are reduced to this side before their code is averaged


@dataclass(frozen=True)
class Said:
    """What a decoder said of the first scenes of a pool: prompts, float16 [M, width] a scene, and the things that each means
    (none: the empty mask).
    """

    prompts: list[Tensor]
    targets: list[list[np.ndarray]]

    def __len__(self) -> int:
        return len(self.prompts)


def place_code(sam: Sam, masks: Tensor) -> Tensor:
    """Mean position code over each mask: [K, h, w] weights -> [K, width]; zero where a mask is empty."""
    pe = sam.prompt_encoder.pe_layer(masks.shape[-2:])  # [width, h, w]
    total = masks.flatten(1).sum(1, keepdim=True)
    return masks.flatten(1) @ pe.flatten(1).T / total.clamp(min=1e-6)


def told(codes: np.ndarray, ids: np.ndarray, chosen: list[np.ndarray]) -> tuple[Tensor, np.ndarray]:
    """Codes [K, width] of sets of things, each thing with the same weight, and their masks, bool [K, H, W]."""
    empty = np.zeros(codes.shape[1], np.float32)
    means = [codes[c].mean(0) if len(c) else empty for c in chosen]
    return torch.from_numpy(np.stack(means)), np.stack([np.isin(ids, np.asarray(c, int) + 1) for c in chosen])


def prompt(sam: Sam, code: Tensor, absent: Tensor) -> Tensor:
    """What [SEG] has to say, [K, width]: place plus foreground embedding, or SAM's "no point" where `absent` [K]."""
    encoder = sam.prompt_encoder
    present = code + encoder.point_embeddings[1].weight
    return torch.where(absent[:, None], encoder.not_a_point_embed.weight.expand_as(present), present)


def draw(sam: Sam, embedding: Tensor, sparse: Tensor) -> tuple[Tensor, Tensor]:
    """Mask logits [K, 112, 112] and SAM's own IoU guesses [K] for prompts [K, width] on one picture."""
    pe = sam.prompt_encoder.get_dense_pe()
    dense = sam.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1).expand(len(sparse), -1, *pe.shape[-2:])
    logits, iou = sam.mask_decoder(embedding[None], pe, sparse[:, None], dense, multimask_output=False)
    return logits[:, 0], iou[:, 0]


def shaken(sam: Sam, codes: Tensor, masks: Tensor) -> Tensor:
    """The codes as a decoder will say them, [K, width]: exact, of a blurred and moved mask or a point of it, mixed with a
    little of
    another's, and with noise. `masks` float [K, GRID, GRID].
    """
    k = len(masks)
    moved = torch.roll(masks, torch.randint(-1, 2, (2,)).tolist(), (1, 2))
    blurred = F.avg_pool2d(moved[:, None], 5, 1, 2)[:, 0]
    points = torch.zeros_like(masks).flatten(1)
    points[torch.arange(k), torch.multinomial(masks.flatten(1) + 1e-9, 1)[:, 0]] = 1.0
    lot = torch.rand(k)[:, None]
    blurry, point = place_code(sam, blurred), place_code(sam, points.view_as(masks))
    there = (codes.abs().sum(1, keepdim=True) > 0).float()
    code = torch.where(lot < 0.5, codes, torch.where(lot < 0.85, blurry, torch.where(lot < 0.92, point, codes)))
    share = torch.rand(k, 1) * 0.3 * (torch.rand(k, 1) < 0.25)
    code = ((1 - share) * code + share * codes.roll(1, 0)) * there
    spread = code.std(1, keepdim=True).clamp(min=0.05)
    return code + torch.randn_like(code) * spread * torch.rand(k, 1) * 0.4


class Dense(nn.Module):
    """Helpers of the image encoder, training only: a cell tells its thing's place code, what is thing, where it ends.

    Cells are those of the embedding, `fine` x `fine` sub-cells each; nothing here knows kinds or colours.
    """

    def __init__(self, width: int, code: int, fine: int = 4) -> None:
        super().__init__()
        self.fine = fine
        self.code = nn.Linear(width, code)
        self.marks = nn.Linear(width, 3 * fine * fine)  # thing, ends to the right, ends below

    def loss(self, embedding: Tensor, ids: np.ndarray, codes: list[Tensor]) -> Tensor:
        """`embedding` [B, C, s, s]; `ids` uint8 [B, H, W] instance maps; `codes` one [objects, width] a picture."""
        B, _, s, _ = embedding.shape
        cells = embedding.permute(0, 2, 3, 1)
        step = ids.shape[1] // (s * self.fine)
        fine = torch.from_numpy(ids[:, step // 2 :: step, step // 2 :: step].astype(np.int64))
        right = F.pad((fine[:, :, 1:] != fine[:, :, :-1]).float(), (0, 1))
        below = F.pad((fine[:, 1:] != fine[:, :-1]).float(), (0, 0, 0, 1))
        want = torch.stack([(fine > 0).float(), right, below], 1)
        want = want.view(B, 3, s, self.fine, s, self.fine).permute(0, 2, 4, 1, 3, 5).flatten(3)
        marks = F.binary_cross_entropy_with_logits(self.marks(cells), want, pos_weight=torch.tensor(2.0))
        middle = ids.shape[1] // s
        owner = torch.from_numpy(ids[:, middle // 2 :: middle, middle // 2 :: middle].astype(np.int64))
        b, y, x = torch.nonzero(owner > 0, as_tuple=True)
        offsets = torch.tensor([0, *np.cumsum([len(c) for c in codes])[:-1]])
        truth = torch.cat(codes)[offsets[b] + owner[b, y, x] - 1]
        return marks + F.mse_loss(self.code(cells[b, y, x]), truth) * 4


def loss(logits: Tensor, target: Tensor, iou: Tensor) -> tuple[Tensor, Tensor]:
    """BCE + dice + SAM's IoU regression; and the IoU reached, [K]. `target`: share of each cell covered, [K, 112, 112]."""
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    area = target.flatten(1).mean(1).clamp(min=0.01)
    bce = (bce.flatten(1).mean(1) / (area * 8).clamp(max=1.0)).mean()
    p = logits.sigmoid().flatten(1)
    t = target.flatten(1)
    dice = 1 - (2 * (p * t).sum(1) + 1) / (p.sum(1) + t.sum(1) + 1)
    hard, true = (logits.detach() > 0).flatten(1).float(), (t > 0.5).float()
    union = (hard + true).clamp(max=1).sum(1)
    reached = torch.where(union > 0, (hard * true).sum(1) / union.clamp(min=1), torch.ones_like(union))
    return bce + dice.mean() + 0.2 * F.mse_loss(iou.float(), reached), reached
