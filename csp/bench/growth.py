"""``python -m csp.bench visits``: many visits to one page, one after another, each with a session, a picture and a question
of its own: what is kept must stop growing.

Of a server that forgets its visitors, memory after all visits is what it was after the first few hundred.
"""

from __future__ import annotations

import argparse
import random
from typing import Any

from csp.bench.classroom import Question, put
from csp.bench.running import running
from csp.bench.timing import machine
from csp.bench.visitor import Visitor
from csp.checks import check_integer

HELP = "memory over many visits, one after another"
GOAL = 1.1
WAYS = ("board", "board", "file", "endpoint")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--visits", type=int, default=2000, help="visits, each of a new client (default: 2000)")
    parser.add_argument("--warm", type=int, default=200, help="visits after which memory should stand (default: 200)")
    parser.add_argument("--every", type=int, default=200, help="visits between two looks at memory (default: 200)")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Bytes of the server after the warm-up, and every so many visits from there. Raises ValueError for a refusal."""
    visits = check_integer("--visits", args.visits, 1, 10**6)
    warm = check_integer("--warm", args.warm, 1, visits)
    every = check_integer("--every", args.every, 1, 10**6)
    lot = random.Random(0)
    with running() as server:
        seen: list[tuple[int, int | None]] = []
        for i in range(1, visits + 1):
            visit(server.url, i, lot)
            if i >= warm and ((i - warm) % every == 0 or i == visits):
                seen.append((i, server.resident()))
    return {"visits": visits, "resident": seen}


def visit(url: str, i: int, lot: random.Random) -> None:
    """A client that comes, asks about a picture that nobody had, and leaves."""
    visitor, how = Visitor(url), WAYS[i % len(WAYS)]
    visitor.open()
    knobs = {"Nc": lot.randint(32, 128), "Np": lot.randint(4, 32)}
    told = put(visitor, Question(10**7 + i, how != "file", "the red ball", "csp", knobs, how), {})
    if "error" in told:
        raise ValueError(f"visit {i} was refused: {told['error']}")
    visitor.close()


def report(found: dict[str, Any]) -> str:
    """Memory against the goal."""
    seen = [(i, size) for i, size in found["resident"] if size is not None]
    lines = [f"{found['visits']} visits, one after another; {machine()}"]
    lines += [f"after {i:5} visits {size / 1e6:8.0f} MB" for i, size in seen]
    if seen:
        grown = seen[-1][1] / seen[0][1]
        word = "met" if grown <= GOAL else "missed"
        lines.append(f"at the end {grown:.3f} of what it was after {seen[0][0]} visits; goal: at most {GOAL:g}, {word}")
    return "\n".join(lines)
