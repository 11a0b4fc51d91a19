"""What a pass costs, from what its layers process: integers in, three conventions out.

Eq. 10-11 as printed count multiply-accumulates (MACs); a FLOP count is twice that. The paper's own tables
follow neither: all their columns are 24 L d^2 (N_avg + 64) / 1e12, that is 2 FLOPs per MAC, an MLP counted as
8 d^2, no n^2 term and 64 text tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

from csp.types import Cost

PAPER_TEXT_TOKENS = 64


def n_avg(n_per_layer: Sequence[int]) -> float:
    """Eq. 9: the mean number of image tokens over all layers, exact. The paper prints it truncated."""
    return sum(n_per_layer) / len(n_per_layer)


def macs_per_layer(n: int, d: int, m: int) -> int:
    """Eq. 11: MACs of one layer on ``n`` tokens (text included, Eq. 10), width ``d``, MLP width ``m``.

    4 n d^2 for the projections, 2 n^2 d for the attention map and its product with V, 3 n d m for the gated
    MLP.
    """
    return 4 * n * d * d + 2 * n * n * d + 3 * n * d * m


def paper_tflops(N_avg: float, L: int, d: int) -> float:
    """TFLOPs as the paper's tables print them, for ``L`` layers of width ``d``."""
    return 24 * L * d * d * (N_avg + PAPER_TEXT_TOKENS) / 1e12


def cost(n_per_layer: Sequence[int], N_text: int, d: int, m: int, guide_macs: int = 0, skipped: int = 0) -> Cost:
    """The bill of ``n_per_layer`` image tokens beside ``N_text`` other tokens in layers of width ``d`` and
    MLP width ``m``; ``guide_macs`` beside them where a detector chose tokens. The last ``skipped`` layers were not run.
    """
    mean = n_avg(n_per_layer)
    macs = sum(macs_per_layer(n + N_text, d, m) for n in n_per_layer[: len(n_per_layer) - skipped])
    return Cost(tuple(n_per_layer), mean, macs, 2 * macs, paper_tflops(mean, len(n_per_layer), d), guide_macs)
