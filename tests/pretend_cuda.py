"""A GPU that is not there: tensors that say they lie on ``cuda:0``, compute on the CPU, and refuse what CUDA refuses.

Inside `pretend_cuda`, whatever is made on, or moved to, the device "cuda" is a wrapper around a tensor in the CPU's memory.
Refused, as on a real one: operations on tensors of two devices, ``.numpy()``, a generator of another device. Not seen: how
fast it is, kernels that are missing for a dtype, results in their last bits. Other threads see no GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

CUDA = torch.device("cuda:0")
aten = torch.ops.aten

# What CUDA takes from another device: copies; and indices, which it fetches itself.
COPIES = (aten._to_copy, aten.copy_, aten.copy, aten._copy_from)
INDEXED = (aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index)


class OnDevice(torch.Tensor):
    """A tensor on ``cuda:0`` whose numbers are in ``held``."""

    held: torch.Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, real: torch.Tensor) -> OnDevice:
        made: Any = torch.Tensor._make_wrapper_subclass(
            cls, real.shape, real.stride(), real.storage_offset(), dtype=real.dtype, device=CUDA, requires_grad=real.requires_grad
        )
        made.held = real
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(func, args, kwargs or {})

    def tolist(self) -> Any:
        return self.held.tolist()

    def numpy(self, **_: Any) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy it to host memory first.")

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.numpy()

    def __repr__(self, **_: Any) -> str:
        return f"OnDevice({self.held!r})"


class Pretending(TorchDispatchMode):
    """Catches what no wrapper is part of: making tensors on the device, and moving them there."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return compute(func, args, kwargs or {})


def compute(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """``func`` on the CPU, its results where CUDA would have left them. RuntimeError where CUDA would have none of it."""
    flat = tree_flatten((args, kwargs))[0]
    wrapped = [leaf for leaf in flat if isinstance(leaf, OnDevice)]
    asked = kwargs.get("device")
    target = torch.device(asked) if asked is not None else CUDA if wrapped else torch.device("cpu")
    packet = func.overloadpacket
    if wrapped and packet not in COPIES:
        # A number is taken from anywhere, an index by the operations that index.
        others = args[:1] + args[2:] if packet in INDEXED else (args, kwargs)
        strange = [leaf for leaf in tree_flatten(others)[0] if isinstance(leaf, torch.Tensor) and leaf.dim()]
        if any(leaf.device != CUDA for leaf in strange) and any(leaf.device == CUDA for leaf in strange):
            raise RuntimeError(f"Expected all tensors to be on the same device, but found at least two devices in {func}")
    generator = kwargs.get("generator")
    if generator is not None and generator.device.type != target.type:
        raise RuntimeError(f"Expected a '{target.type}' device type for generator but found '{generator.device.type}'")
    if packet is aten._softmax and wrapped and args[2]:
        # Half precision in, float32 out at once: CUDA's kernel can, the CPU's cannot.
        args = (aten._to_copy(args[0], dtype=torch.float32), args[1], False)
    plain = {**kwargs, "device": torch.device("cpu")} if target.type == "cuda" and "device" in kwargs else kwargs
    out = func(*tree_map(_unwrap, args), **tree_map(_unwrap, plain))
    if func._schema.is_mutable:
        # What was written to is what comes back, not another wrapper around it.
        owners = {id(leaf.held): leaf for leaf in wrapped}
        return tree_map(lambda leaf: owners.get(id(leaf), leaf) if isinstance(leaf, torch.Tensor) else leaf, out)
    if target.type != "cuda":
        return out
    return tree_map(lambda leaf: OnDevice(leaf) if isinstance(leaf, torch.Tensor) and leaf.device.type == "cpu" else leaf, out)


def _unwrap(leaf: Any) -> Any:
    return leaf.held if isinstance(leaf, OnDevice) else leaf


@contextmanager
def pretend_cuda() -> Iterator[None]:
    """A machine with one GPU, in this thread."""
    torch._C._ensureCUDADeviceGuardSet()  # without a driver, guards for CUDA devices do nothing, instead of failing
    lift, swap = torch._C._only_lift_cpu_tensors(), torch.__future__.get_swap_module_params_on_conversion()
    # What asks a driver.
    still = {name: lambda *_, **__: None for name in ("_lazy_init", "synchronize", "empty_cache")}
    there = {"is_available": lambda: True, "device_count": lambda: 1, "current_device": lambda: 0}
    try:
        torch._C._set_only_lift_cpu_tensors(True)  # torch.tensor(..., device) makes its tensor here, then moves it
        torch.__future__.set_swap_module_params_on_conversion(True)  # module.to(device) puts wrappers in place of parameters
        with patch.multiple(torch.cuda, **still, **there), torch.backends.cudnn.flags(enabled=False), Pretending():
            yield
    finally:
        torch._C._set_only_lift_cpu_tensors(lift)
        torch.__future__.set_swap_module_params_on_conversion(swap)
