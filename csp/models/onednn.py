"""Float32 matrix products of a CPU through oneDNN, which torch otherwise leaves to MKL.

Where MKL does not know a processor's AVX-512, as an AMD EPYC's, oneDNN took less than half its time at a 7B decoder's sizes
(docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from csp.layers import KV
from csp.models.llama import Llama


def bfloat16_at_home() -> bool:
    """Whether this CPU multiplies bfloat16 itself; elsewhere it is slower than float32."""
    import platform

    flags = Path("/proc/cpuinfo")
    if flags.is_file():
        return " avx512_bf16" in flags.read_text(encoding="utf-8", errors="replace") or platform.machine() == "aarch64"
    return platform.machine() == "arm64"


class OneDNN(TorchFunctionMode):
    """Within this context, and in this thread only, ``torch.nn.functional.linear`` on float32 CPU tensors is oneDNN's.

    Weights stay as they are: nothing is copied, packed or replaced. Results differ from MKL's in the last bits.
    """

    def __torch_function__(self, func: Any, types: Sequence[type], args: Any = (), kwargs: Any = None) -> Any:
        if func is F.linear and not kwargs and _fits(*args):
            x, weight, *bias = args
            return torch.ops.mkldnn._linear_pointwise(x, weight, bias[0] if bias else None, "none", [], "")
        return func(*args, **(kwargs or {}))


def _fits(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> bool:
    return x.dtype == weight.dtype == torch.float32 and x.device.type == "cpu" and torch.backends.mkldnn.is_available()


class OneDNNLlama(Llama):
    """`csp.models.llama.Llama` whose float32 layers run in `OneDNN` on a CPU."""

    def _stage(
        self,
        first: int,
        L: int,
        hidden: Tensor,
        position_ids: Tensor,
        past: Sequence[KV],
        record: Tensor | None,
        keep: bool,
    ) -> tuple[Tensor, Tensor, Tensor | None, tuple[KV, ...]]:
        with OneDNN():
            return super()._stage(first, L, hidden, position_ids, past, record, keep)
