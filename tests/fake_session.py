"""A session without a model, for tests of the page: synthetic results by the same door, ValueErrors by the
same rules.
"""

from __future__ import annotations

import inspect
import time
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
from synthetic import result

from csp.methods import METHODS, PRESETS, at_budget, build, knobs, values
from csp.session import Session
from csp.turns import Turns
from csp.types import Request, Result


@dataclass(frozen=True)
class Card:
    name: str = "park"
    N: int = 256
    grid: tuple[int, int] = (16, 16)
    L: int = 32
    d: int = 128
    heads: int = 4
    device: str = "cpu"
    dtype: str = "float32"
    instances: bool = True


@dataclass(frozen=True)
class MethodCard:
    name: str
    label: str
    paper: str
    knobs: tuple
    description: str = ""
    source: str = ""


class FakeSession:
    """Counts its runs; `wait` seconds each; a query holding "nothing" gives the empty mask."""

    def __init__(self, wait: float = 0.0):
        self.card = Card()
        self.wait = wait
        self.requests: list[Request] = []
        self.turns = Turns()
        layers = SimpleNamespace(hidden_size=self.card.d, intermediate_size=344)
        self.model = SimpleNamespace(N=self.card.N, L=self.card.L, layers=layers)

    forecast, _method = Session.forecast, Session._method

    def catalogue(self):
        bounds = {"N": self.card.N, "L": self.card.L}
        return tuple(
            MethodCard(
                n,
                m.label,
                m.paper,
                tuple(replace(k, high=bounds.get(str(k.high), k.high)) for k in knobs(m)),
                source=inspect.getfile(m),
            )
            for n, m in METHODS.items()
        )

    def presets(self):
        return {k: p for k, p in PRESETS.items() if p.shape == "7B-224" and p.knobs is not None}

    def at_budget(self, method: str, N_avg: float, start=None) -> dict:
        if method == "full":
            return {}
        return values(at_budget(METHODS[method], N_avg, self.card.N, self.card.L))

    def run(self, request: Request, fresh: bool = False) -> Result:
        method = build(METHODS[request.method], request.knobs)
        stages = method.plan(self.card.N, self.card.L)
        with self.turns.take():
            time.sleep(self.wait)
            self.requests.append(request)
        made = result(
            "full" if request.method == "full" else "csp",
            size=request.image.shape[:2],
            knobs=dict(request.knobs) or None,
            seed=request.seed,
            empty="nothing" in request.query,
        )
        if len(stages) != len(made.trace.stages):
            made = result("full", size=request.image.shape[:2])
        unknown = [w for w in request.query.split() if w == "zebra"]
        notes = (*made.notes, *(f"unknown to this model: “{w}”" for w in unknown))
        forced = replace(made.trace, forced=request.force or {})
        return replace(made, request=request, notes=notes, trace=forced)

    def without(self, request: Request, stage: str, drops) -> list[Result]:
        return [self.run(replace(request, force={stage: {"keep": [], "drop": list(patches)}})) for patches in drops]

    def run_all(self, request: Request, queries: list[str]) -> list[Result]:
        return [self.run(replace(request, query=query)) for query in queries]

    def dense(self, request: Request) -> Result:
        return self.run(replace(request, method="full", knobs={}, force=None))

    def cls(self, image: np.ndarray) -> np.ndarray:
        return np.linspace(0, 2 / self.card.N, self.card.N, dtype=np.float32)

    def objects(self, image: np.ndarray, conf: float = 0.25) -> np.ndarray:
        masks = np.zeros((2, 64, 64), bool)
        masks[0, 5:20, 5:20] = True
        masks[1, 40:42, 40:42] = True
        return masks
