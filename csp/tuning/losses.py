"""LISA's losses and schedule, number for number, and the way from SAM's small logits to a picture's own size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate

BCE, DICE = 2.0, 0.5
_SCALE, _EPS, _LEAST = 1000, 1e-6, 1e-8


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """One less the soft Dice of each mask [K, H, W], their mean."""
    p, y = logits.sigmoid().flatten(1, 2), target.flatten(1, 2)
    above = 2 * (p / _SCALE * y).sum(-1)
    below = (p / _SCALE).sum(-1) + (y / _SCALE).sum(-1)
    return (1 - (above + _EPS) / (below + _EPS)).sum() / (len(logits) + _LEAST)


def bce_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross entropy of each mask's pixels [K, H, W], their mean."""
    pixels = binary_cross_entropy_with_logits(logits, target, reduction="none")
    return pixels.flatten(1, 2).mean(1).sum() / (len(logits) + _LEAST)


def mask_loss(pairs: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """2 bce + 0.5 dice over pictures, as (logits, target) [K, H, W] each at its own size; every mask counts alike."""
    count = sum(len(logits) for logits, _ in pairs) + _LEAST
    bce = sum((bce_loss(x, y) * len(x) for x, y in pairs), torch.zeros(()).to(pairs[0][0]))
    dice = sum((dice_loss(x, y) * len(x) for x, y in pairs), torch.zeros(()).to(pairs[0][0]))
    return BCE * bce / count + DICE * dice / count


def at_size(low: Tensor, square: int, seen: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Small logits [K, h, w] at a picture's size: to SAM's square, without its padding, to (H, W)."""
    large = interpolate(low[:, None].float(), (square, square), mode="bilinear", align_corners=False)
    return interpolate(large[..., : seen[0], : seen[1]], size, mode="bilinear", align_corners=False)[:, 0]


def learning_rate(update: int, top: float, warmup: int, updates: int) -> float:
    """The rate of update 1, 2, ...: linear to ``top`` over ``warmup``, then linear to 0.

    As DeepSpeed's WarmupDecayLR under LISA: stepped after the optimizer and beginning at -1, so that the first two
    updates have none.
    """
    step = update - 2
    if step < 0:
        return 0.0
    if step < warmup:
        return top * step / warmup
    return top * max(0.0, (updates - step) / max(1.0, updates - warmup))
