"""The decoder's weights in 8 or 4 bits, by bitsandbytes: optional, and imported nowhere else.

Only the Linears of the decoder's layers are replaced, seven a layer, as transformers does: embeddings, norms, towers and
mask decoder keep their dtype. A weight is quantised on its way to the device, one at a time.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import nn

from csp.checks import check_choice
from csp.models.memory import is_out_of_memory

HOW = ("8bit", "4bit")
BLOCK = 64
"""Weights that share a scale in 4 bits; 256 such scales share one of theirs."""


def check(how: str, device: torch.device) -> Any:
    """The bitsandbytes module, tried on one small layer where it will be used.

    Raises ValueError for another word than "8bit" or "4bit", and where bitsandbytes is missing or does not work.
    """
    check_choice("quantize", how, HOW)
    try:
        bnb = import_module("bitsandbytes")
    except (ImportError, RuntimeError, OSError) as error:
        raise ValueError(
            f"quantize={how!r} needs bitsandbytes, which cannot be imported ({error}): pip install bitsandbytes, "
            "or load without quantize in bfloat16 or float16"
        ) from error
    if device.type != "meta":
        small = nn.Linear(BLOCK, BLOCK, bias=False)
        _try(bnb, small, how, device, torch.float32)
    return bnb


def quantize_linears(module: nn.Module, how: str, device: torch.device, dtype: torch.dtype) -> int:
    """Replace every Linear below `module` by one of bitsandbytes on the device, computing in `dtype`; how many. All else
    below it comes to the device in `dtype` as well.

    Weights may still be views of their file on the CPU: they are cast and quantised one at a time. Raises
    ValueError as `check` does, and for sizes that its kernels refuse.
    """
    bnb = check(how, device)
    places = [
        (parent, name, child)
        for parent in module.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Linear)
    ]
    # One layer of each size is tried before the first is replaced.
    for linear in {child.weight.shape: child for _, _, child in places}.values():
        _try(bnb, linear, how, device, dtype)
    for parent, name, child in places:
        setattr(parent, name, _quantised(bnb, child, how, device, dtype))
    for rest in module.parameters():
        if rest.is_floating_point():
            rest.data = rest.data.to(device, dtype)
    return len(places)


def _try(bnb: Any, linear: nn.Linear, how: str, device: torch.device, dtype: torch.dtype) -> None:
    rows, columns = linear.weight.shape
    if device.type == "meta":
        return
    try:
        with torch.no_grad():
            _quantised(bnb, linear, how, device, dtype)(torch.ones(1, columns, device=device, dtype=dtype))
    # Its kernels refuse what they cannot do in many ways, assertions among them; a full memory is another matter.
    except Exception as error:
        if is_out_of_memory(error):
            raise
        why = " ".join(str(error).split())[:160] or type(error).__name__
        raise ValueError(
            f"bitsandbytes {getattr(bnb, '__version__', '')} cannot compute weights [{rows}, {columns}] in {how} on {device} "
            f"({why}): use a GPU that it supports or the other of {', '.join(HOW)}, or load without quantize in bfloat16 or "
            "float16"
        ) from error


def _quantised(bnb: Any, linear: nn.Linear, how: str, device: torch.device, dtype: torch.dtype) -> nn.Module:
    rows, columns, bias = linear.out_features, linear.in_features, linear.bias is not None
    weight = linear.weight.detach().to(dtype)
    with torch.device("meta"):
        made: Any
        if how == "8bit":
            made = bnb.nn.Linear8bitLt(columns, rows, bias=bias, has_fp16_weights=False)
        else:
            made = bnb.nn.Linear4bit(columns, rows, bias=bias, compute_dtype=dtype, quant_type="nf4")
    if how == "8bit":
        made.weight = bnb.nn.Int8Params(weight, requires_grad=False, has_fp16_weights=False)
    else:
        made.weight = bnb.nn.Params4bit(weight, requires_grad=False, quant_type="nf4", blocksize=BLOCK)
    if bias:
        made.bias = nn.Parameter(linear.bias.detach().to(dtype), requires_grad=False)
    return made if device.type == "meta" else made.to(device).eval()


def stored_bytes(rows: int, columns: int, how: str) -> float:
    """Bytes that a weight [rows, columns] takes quantised, its scales included.

    8 bits: a float32 scale a row. 4 bits: an 8-bit scale a block of 64, and a float32 scale for 256 of those.
    """
    n = rows * columns
    if how == "8bit":
        return n + 4 * rows
    return n / 2 + n / BLOCK + 4 * n / (BLOCK * 256)
