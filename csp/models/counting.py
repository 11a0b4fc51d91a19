"""What a network takes, counted while it runs: for guides, whose price stands in the bill of what they chose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

T = TypeVar("T")


def _attention(query: Any, key: Any, value: Any, *_: Any, out_val: Any = None, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


# torch counts attention on a GPU; what a CPU runs it by is not in its list.
_MORE = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}


def counted(run: Callable[[], T]) -> tuple[T, int]:
    """What ``run`` returns, and the multiply-accumulates of its products and convolutions (sampling and norms are not
    counted).
    """
    with FlopCounterMode(display=False, custom_mapping=_MORE) as counter:
        result = run()
    return result, counter.get_total_flops() // 2


class Bill:
    """Counts a network once for each size of its input: counting costs more than remembering."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], int] = {}

    def __call__(self, size: tuple[int, ...], run: Callable[[], T]) -> tuple[T, int]:
        """What ``run`` returns and its multiply-accumulates, those of the first run at this ``size``."""
        if size not in self._known:
            result, self._known[size] = counted(run)
            return result, self._known[size]
        return run(), self._known[size]
