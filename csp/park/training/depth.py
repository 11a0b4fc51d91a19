"""From a few trained layers to the 32 that ship."""

from __future__ import annotations

from dataclasses import replace

from csp.park.training.decoder import Reasoner
from csp.park.training.teaching import fresh

DEPTH = 32


def deepen(model: Reasoner, depth: int = DEPTH) -> Reasoner:
    """Every layer as often as every other, its two output projections divided by that: nearly the same function, deeper.

    Raises ValueError where `depth` is no multiple of the model's.
    """
    times, rest = divmod(depth, model.shape.depth)
    if rest or times < 1:
        raise ValueError(f"{model.shape.depth} layers can be repeated to a multiple of that, not to {depth}")
    deeper = fresh(replace(model.shape, depth=depth))
    state = {k: v for k, v in model.state_dict().items() if not k.startswith("llm.layers.")}
    for i, layer in enumerate(model.llm.layers):
        for at in range(i * times, (i + 1) * times):
            for name, value in layer.state_dict().items():
                out = name.endswith(("o_proj.weight", "down_proj.weight"))
                state[f"llm.layers.{at}.{name}"] = value / times if out else value
    deeper.load_state_dict(state)
    return deeper
