"""Equal budgets: turn the one knob that a method declares until its N_avg is the one asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Protocol, cast

from csp.decoder import planned
from csp.methods.after import AFTER
from csp.methods.base import Method, values
from csp.methods.presets import PRESETS, SHAPES


class Budgeted(Method, Protocol):
    """A method with a knob named ``budget`` that trades tokens for quality.

    ``amounts`` are the values to try for N tokens, few to many, as whole numbers; ``spend`` is the method at
    one of them.
    """

    budget: str

    def amounts(self, N: int) -> Sequence[int]: ...

    def spend(self, amount: int) -> Budgeted: ...

    def __hash__(self) -> int: ...


def expected_n_avg(method: Method, N: int, L: int) -> float:
    """N_avg by the plan, exact; where the image decides, what the method expects of it.

    Raises ValueError where not even that is known (an adaptive PruMerge).
    """
    counts: Sequence[float | None] = planned(method.plan(N, L))
    if None in counts:
        expected = getattr(method, "expected", None)
        if expected is None or None in (counts := expected(N, L)):
            raise ValueError(f"{method.name} leaves its number of tokens to the image; give it a fixed number first")
    return sum(count for count in counts if count is not None) / L


def solve(method: Budgeted, N_avg: float, N: int, L: int) -> Any:
    """``method`` with its budget knob set so that its N_avg is as near as can be; of two equally near, the
    cheaper.

    Raises ValueError where no value of the knob gets there, saying which end fails and at what.
    """
    if not hasattr(method, "budget"):
        raise ValueError(f"{method.name} names no knob that trades tokens (budget, amounts and spend do), so none can be turned")
    if not 0 < N_avg <= N:
        raise ValueError(f"N_avg must be in 1..{N} (the image has {N} tokens), got {N_avg:g}")
    tried = _reach(method, N, L)
    if not tried:
        method.plan(N, L)
        raise ValueError(f"{method.name} fits no budget with {_others(method)}")
    least, most = min(tried, key=lambda pair: pair[0]), max(tried, key=lambda pair: pair[0])
    for bound, (reached, at), beyond in (("least", least, N_avg < least[0]), ("most", most, N_avg > most[0])):
        # Half a token off is as near as whole tokens come.
        if beyond and abs(reached - N_avg) > 0.5:
            raise ValueError(
                f"{method.name} reaches N_avg {reached:.1f} at {bound} ({method.budget} = "
                f"{values(at)[method.budget]} with {_others(method)}), got {N_avg:g}; change those"
            )
    return min(tried, key=lambda pair: (abs(pair[0] - N_avg), pair[0]))[1]


@lru_cache(maxsize=64)
def _reach(method: Budgeted, N: int, L: int) -> tuple[tuple[float, Any], ...]:
    """(N_avg, method at it) for every amount that fits; the same for every target, and slow to plan."""
    tried: list[tuple[float, Any]] = []
    for amount in method.amounts(N):
        try:
            candidate = method.spend(amount)
            tried.append((expected_n_avg(candidate, N, L), candidate))
        except ValueError:
            # An amount that does not fit beside the other knobs, such as more tokens than enter the decoder.
            continue
    return tuple(tried)


def at_budget(method: type[Method], N_avg: float, N: int, L: int) -> Any:
    """``method`` at this N_avg from its defaults, or from the nearest of the paper's settings of it where they do not reach.

    Raises ValueError as `solve` does, for the defaults.
    """
    try:
        return solve(cast(Budgeted, method()), N_avg, N, L)
    except ValueError:
        known = (*PRESETS.values(), *AFTER.values())
        printed = [p for p in known if p.method == method.name and p.knobs]
        shapes = {p.shape: SHAPES[p.shape] for p in printed}
        printed.sort(key=lambda p: (shapes[p.shape].L != L, shapes[p.shape].N != N, abs(p.n_avg / shapes[p.shape].N - N_avg / N)))
        for preset in printed:
            try:
                return solve(cast(Budgeted, method(**preset.knobs or {})), N_avg, N, L)
            except ValueError:
                continue
        raise


def _others(method: Budgeted) -> str:
    """The knobs that are numbers, the budget's own aside, in words."""
    rest = {k: v for k, v in values(method).items() if k != method.budget and not isinstance(v, str)}
    return ", ".join(f"{k} = {v}" for k, v in rest.items()) or "nothing else to turn"
