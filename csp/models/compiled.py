"""Layers through torch.compile, and on a GPU a stage as one captured call: between small kernels a fast GPU waits for Python.

One decoder layer is compiled, for any number of rows, and serves all layers: moving a slider compiles nothing. On CUDA the
layers of a stage are then captured in a CUDA graph, one for every first layer, number of layers and bucket of rows that was
asked for; capturing takes a few passes of that stage. Rows are padded at the end to multiples of `BUCKET`: attention is
causal, so padding changes no row before it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import PreTrainedModel

from csp.layers import KV
from csp.models.families import product, projected, rotated
from csp.models.llama import Llama, _pick, _softmax

BUCKET = 32
MOST_GRAPHS = 128

Tensors = tuple[Tensor, ...]
Capture = Callable[[Callable[..., Tensors], Tensors], Callable[..., Tensors]]
"""Takes a function and arguments for it; returns what computes the same for other arguments of the same shapes."""


class CompiledLlama(Llama):
    """`csp.models.llama.Llama` with compiled layers; equal to it within rounding.

    ``backend`` is torch.compile's. ``capture`` makes a stage one call: CUDA graphs on a GPU, nothing elsewhere, unless
    given. Stages that keep keys and values or follow others' (`extend`) run as in the plain backend. Raises
    ValueError, when first run, where there is no compiler.
    """

    def __init__(
        self, llm: PreTrainedModel, backend: str | Callable[..., Any] = "inductor", capture: Capture | None = None
    ) -> None:
        super().__init__(llm)
        self._step = torch.compile(_step, dynamic=True, backend=backend)
        self._capture: Capture | None = capture
        self._captured: OrderedDict[tuple[Any, ...], Callable[..., Tensors]] = OrderedDict()
        self._one_at_a_time = Lock()

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
        reach = min((kind.window for kind in self.kinds if kind.window is not None), default=hidden.shape[1])
        if past or keep or self.llm.config._attn_implementation == "eager" or self._tables_by_kind or reach < hidden.shape[1]:
            return super()._stage(first, L, hidden, position_ids, past, record, keep)
        n = hidden.shape[1]
        more = -n % BUCKET
        padded = pad(hidden, (0, 0, 0, more))
        tables = self._cos_sin(padded, pad(position_ids, (0, more)), self.kinds[first])
        rows = () if record is None else (record.to(hidden.device),)
        try:
            entering, out, *logits = self._call(first, L, padded, *tables, *rows)
        except RuntimeError as error:
            from torch._dynamo.exc import BackendCompilerFailed

            if not isinstance(error, BackendCompilerFailed):
                raise
            why = " ".join(str(error).partition("\n\nSet ")[0].split())
            raise ValueError(f"torch.compile built no layer ({why}): install a C++ compiler, or use backend='plain'") from error
        maps = _softmax(logits[0], rows[0][:, None])[..., :n] if rows else None
        return entering[:, :n], out[:, :n], maps, ()

    def _call(self, first: int, L: int, *inputs: Tensor) -> Tensors:
        """The layers of a stage in one call where calls can be captured."""

        def layers(*inputs: Tensor) -> Tensors:
            return self._layers(first, L, *inputs)

        if self._capture is None and inputs[0].device.type != "cuda":
            return layers(*inputs)
        # A captured call has one set of buffers.
        with self._one_at_a_time:
            self._capture = self._capture or CudaGraphs()
            key = (first, L, *((tuple(part.shape), part.dtype) for part in inputs))
            if key not in self._captured:
                self._captured[key] = self._capture(layers, inputs)
                if len(self._captured) > MOST_GRAPHS:
                    self._captured.popitem(last=False)
            self._captured.move_to_end(key)
            return self._captured[key](*inputs)

    def _layers(self, first: int, L: int, hidden: Tensor, cos: Tensor, sin: Tensor, rows: Tensor | None = None) -> Tensors:
        """What entered the last layer and left it and, of ``rows``, attention before its softmax [L, B, H, r, n]."""
        entering, logits = hidden, []
        for index in range(first, first + L):
            entering = hidden
            hidden, products = self._step(self._layer(index), hidden, cos, sin, rows)
            if products is not None:
                logits.append(products)
        return (entering, hidden) if rows is None else (entering, hidden, torch.stack(logits))


class _Keys:
    """What a layer takes for a cache: it only remembers the layer's rotated keys."""

    keys: Tensor

    def update(self, keys: Tensor, values: Tensor, *_: Any, **__: Any) -> KV:
        self.keys = keys
        return keys, values


def _step(
    layer: Any, hidden: Tensor, cos: Tensor, sin: Tensor, rows: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """One layer, and its scaled products [B, H, r, n] of the queries at ``rows`` with all keys."""
    cache: Any = _Keys()
    out = layer(hidden, attention_mask=None, past_key_values=cache, position_embeddings=(cos, sin))
    if rows is None:
        return out, None
    states = projected(layer.self_attn, layer.input_layernorm(_pick(hidden, rows)), "q")
    q = rotated(states, _pick(cos, rows), _pick(sin, rows))
    return out, product(layer.self_attn, q, cache.keys)


class CudaGraphs:
    """Captures on a GPU; see `Capture`. All graphs work in one pool of memory, so they may only run one after the other;
    results are copies, so that the next call may overwrite.
    """

    def __init__(self) -> None:
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, run: Callable[..., Tensors], inputs: Tensors) -> Callable[..., Tensors]:
        own = tuple(part.clone() for part in inputs)
        with torch.cuda.device(own[0].device):
            # Compiling and choosing kernels must be over before capturing, on a stream of its own as CUDA asks.
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                for _ in range(2):
                    run(*own)
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                made = run(*own)

        def replay(*inputs: Tensor) -> Tensors:
            for mine, given in zip(own, inputs, strict=True):
                mine.copy_(given)
            graph.replay()
            return cast(Tensors, tuple(part.clone() for part in made))

        return replay
