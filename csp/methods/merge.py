"""Tokens made of several patches, for the methods that merge."""

from __future__ import annotations

import torch
from torch import Tensor

from csp.decoder import View
from csp.tokens import ImageTokens


def mix(view: View, weights: Tensor, centres: Tensor, features: Tensor | None = None) -> ImageTokens:
    """Tokens that are sums of the tower's features, made before the projector: ``weights`` [n, N], not
    normalised.

    ``centres`` int64 [n] are the patches whose slot and rotary position they take; ``features`` [n, C]
    replaces the sums. A row of zero weights (a kept [CLS]) has no patch, so that its ``source`` is zero.
    """
    vision, layout = view.vision, view.layout
    if features is None:
        patches = vision.patches
        features = (weights.to(patches.device, patches.dtype)) @ patches
    hidden = view.project(features).to(view.start.hidden)[None]
    slots = layout.N_sys + centres
    return ImageTokens(hidden, slots, slots, shares(weights))


def shares(weights: Tensor) -> Tensor:
    """Provenance: rows of weights normalised to sum 1, rows of zeros as they are."""
    weights = weights.float().cpu()
    return weights / weights.sum(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
