"""From ten trained layers to the 32 that ship: which layer stands how often, and where the answer must be readable."""

from __future__ import annotations

REPEATS = [2] * 7 + [6] * 3
"""Grounding gets 14 of the 32 layers, so that it lies where the paper's stages expect it; carrying the answer gets the rest."""
LOOK = ((10, 0.3), (11, 0.3), (12, 0.5), (13, 1.0), (16, 0.3), (20, 0.3), (25, 0.3), (31, 0.3))
"""Layers whose [SEG] row is told to look at the target, with weights."""
HALF = 13
WORD = 5
