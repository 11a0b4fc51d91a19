"""How many of a scene's objects the instance proposer finds, by the size at which they can be seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from csp.metrics import Bootstrap, Statistic, iou
from csp.models.instances import instances_of
from csp.models.parts import AnyGuide
from csp.samples import ParkSource

LEAST_IOU = 0.5
LEAST_PIXELS = (196, 784)
"""Visible pixels in the drawn picture of 448: one patch of 14 there, and one patch of the 224 that the model
sees.
"""


@dataclass(frozen=True, eq=False)
class Found:
    """``recall`` by least visible pixels, and the share of proposals that are an object (``precision``)."""

    recall: dict[int, Statistic]
    precision: Statistic
    confidence: float | None

    def as_dict(self) -> dict[str, Any]:
        return {
            "IoU": LEAST_IOU,
            "confidence": self.confidence,
            "recall by least visible pixels": {str(n): s.estimate.as_dict() for n, s in self.recall.items()},
            "precision": self.precision.estimate.as_dict(),
        }

    def __str__(self) -> str:
        sure = "" if self.confidence is None else f", confidence {self.confidence}"
        lines = [f"instances, mask IoU {LEAST_IOU}{sure}:"]
        lines += [
            f"  recall of objects of at least {n} visible pixels: {s.estimate} of {s.n}"
            for n, s in self.recall.items()
        ]
        return "\n".join([*lines, f"  precision: {self.precision.estimate} of {self.precision.n}"])


def measure(
    guide: AnyGuide, source: ParkSource, seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> Found:
    """Compare proposals with the instance maps of all pictures of ``source``."""
    objects: list[tuple[str, int, bool]] = []
    proposals: list[tuple[str, bool]] = []
    for index in range(len(source)):
        scene, name = source.scene(index), source.picture(index)
        truths = [scene.instances == value for value in range(1, len(scene.objects) + 1)]
        match = matches(np.stack(truths), _sure(guide, scene.image))
        objects += [
            (name, int(truth.sum()), bool(hits.any())) for truth, hits in zip(truths, match, strict=True)
        ]
        proposals += [(name, bool(hits.any())) for hits in match.T]
        if progress:
            progress(index + 1, len(source))
    bootstrap = Bootstrap([source.picture(index) for index in range(len(source))], seed)
    recall = {}
    for least in LEAST_PIXELS:
        large = [(name, hit) for name, pixels, hit in objects if pixels >= least]
        recall[least] = bootstrap.ratio([name for name, _ in large], [hit for _, hit in large])
    precision = bootstrap.ratio([name for name, _ in proposals], [hit for _, hit in proposals])
    return Found(recall, precision, getattr(guide, "conf", None))


def _sure(guide: AnyGuide, image: np.ndarray) -> np.ndarray:
    """Masks bool [K, h, w] of which the guide is as sure as it is asked to be."""

    def from_boxes(boxes: np.ndarray) -> np.ndarray:
        raise ValueError("this guide finds boxes: masks of them are the mask head's, not its own, and are not measured here")

    found = instances_of(guide, image, from_boxes)
    if found.confidence is None:
        return found.masks
    return found.masks[found.confidence >= getattr(guide, "conf", 0.0)]


def matches(truths: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """bool [T, K]: which of K masks, of any size that shows the whole picture, has IoU 0.5 or more with which
    of T truths [H, W].

    Truths do not overlap, so that no mask above 0.5 has two.
    """
    H, W = truths.shape[1:]
    found = np.zeros((len(truths), len(masks)), bool)
    for k, mask in enumerate(masks):
        full = cv2.resize(mask.astype(np.uint8), (W, H), interpolation=cv2.INTER_NEAREST).astype(bool)
        inside = (truths & full).sum(axis=(1, 2))
        union = truths.sum(axis=(1, 2)) + full.sum() - inside
        found[:, k] = (iou(inside, union) >= LEAST_IOU) & (union > 0)
    return found
