"""A decoder checked before it is used: our way of running its layers against its own forward, on random input.

One layer of every kind is copied in float32 with its real weights and driven both ways: states must agree, and the
attention rows that we compute must be those of transformers' eager attention.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from csp.models.llama import Llama

ROWS, WINDOW = 9, 4
TOLERANCE = 1e-4
"""Of attention, a probability, and of final states beside the largest of them; float32 differs by 1e-6."""


@torch.no_grad()
def probe(llm: Any) -> None:
    """Raises ValueError naming what differs where `csp.models.llama.Llama` does not run ``llm`` as itself would."""
    name = llm.config.model_type
    try:
        ours, theirs, rows, maps, heads, own = _both_ways(llm)
    except (AttributeError, TypeError, RuntimeError, IndexError, KeyError) as error:
        why = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise ValueError(f"the layers of a {name} decoder are not made as those that can be run here ({why})") from error
    differs = []
    if (far := _far(ours, theirs) / max(1.0, float(theirs.abs().max()))) > TOLERANCE:
        differs.append(f"final states by {far:.2g}")
    for layer, (row, map_, head) in enumerate(zip(rows, maps, heads, strict=True)):
        kind = own.kinds[layer].name
        for what, far in (("recorded rows", _far(row, map_.mean(dim=0))), ("attention of the heads", _far(head, map_))):
            if far > TOLERANCE:
                differs.append(f"{what} in a layer of {kind} by {far:.2g}")
    if differs:
        raise ValueError(
            f"a {name} decoder run layer by layer differs from its own forward, so nothing shown of it would be true: "
            + "; ".join(differs)
        )


def _both_ways(llm: Any) -> tuple[Tensor, Tensor, Tensor, list[Tensor], list[Tensor], Llama]:
    """Final states ours and theirs [1, n, d]; of every layer our recorded rows [n, n], their maps and ours [H, n, n]."""
    small = excerpt(llm)
    device = next(small.layers.parameters()).device
    width = small.config.hidden_size
    # Small beside what layers add to it, so that these are what is compared.
    hidden = 0.02 * torch.randn(1, ROWS, width, generator=torch.Generator().manual_seed(0)).to(device)
    ids = torch.arange(ROWS)
    layers = Llama(small)
    ran = layers.extend(0, len(small.layers), hidden, ids[None], record=ids[None])
    heads, at = [], hidden
    for layer in range(len(small.layers)):
        heads.append(layers.attention(layer, at, ids, ids))
        at = layers.run(layer, 1, at, ids).hidden
    small.config._attn_implementation = "eager"
    own = small(inputs_embeds=hidden, output_attentions=True, use_cache=False)
    assert ran.rows is not None
    return layers.norm(ran.hidden), own.last_hidden_state, ran.rows[0], [map_[0] for map_ in own.attentions], heads, layers


def excerpt(llm: Any) -> Any:
    """A decoder in float32 with a copy of the first layer of every kind in ``llm``, and its norm; windows are cut short so
    that a few rows feel them. It knows no words.
    """
    config = copy.deepcopy(llm.config)
    seen: dict[Any, int] = {}
    for i, layer in enumerate(llm.layers):
        seen.setdefault(_kind(layer), i)
    at = sorted(seen.values())
    # Sizes that the copied layers do not follow from are not needed, and a word's rows could not be paid for.
    config.num_hidden_layers, config.vocab_size, config.pad_token_id = len(at), 1, None
    if getattr(config, "layer_types", None) is not None:
        config.layer_types = [config.layer_types[i] for i in at]
    if getattr(config, "sliding_window", None) is not None:
        config.sliding_window = min(config.sliding_window, WINDOW)
    with torch.device("meta"):
        small = type(llm)(config)
    layers = [copy.deepcopy(llm.layers[i], {id(llm.config): config}).float() for i in at]
    device = next(layers[0].parameters()).device
    small.layers = nn.ModuleList(layers)
    small.norm = copy.deepcopy(llm.norm).float().to(device)
    small.rotary_emb = type(llm.rotary_emb)(config).to(device)
    return small.eval()


def _kind(layer: Any) -> tuple[Any, ...]:
    """What tells layers of one decoder apart: settings of their attention, and shapes."""
    settings = {k: v for k, v in vars(layer.self_attn).items() if isinstance(v, int | float | str | None) and k != "layer_idx"}
    return (*sorted(settings.items(), key=lambda pair: pair[0]), *(tuple(p.shape) for p in layer.parameters()))


def _far(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max())
