"""``python -m csp.bench mutants csp/flops.py --tests tests/test_flops.py``: plant small bugs in a file, one at a time, and see
which of them no test notices.

Each runs in a process forked after the slow libraries are loaded; the file itself is not touched. A bug that leaves the tests
running for longer than a minute and ten times the ordinary counts as noticed. Linux only.
"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

HELP = "small bugs planted one by one, and which of them no test notices"
SLOW = ("numpy", "torch", "transformers", "hypothesis", "pytest", "cv2", "PIL.Image")
SWAPS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult, ast.Mod: ast.Mult,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.In: ast.NotIn,
    ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}  # fmt: skip
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "ceil": "floor", "argmax": "argmin"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the file to plant in, by its path in the checkout")
    parser.add_argument("--tests", nargs="+", required=True, help="what pytest is given")
    parser.add_argument("--most", type=int, default=60, help="bugs planted, drawn by --seed where there are more (default: 60)")
    parser.add_argument("--seed", type=int, default=0)


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """How many bugs were planted, and those that lived. Raises ValueError where the tests fail without any."""
    if not args.file.is_file():
        raise ValueError(f"there is no {args.file}: name a file of the checkout, from its root")
    for name in SLOW:
        import_module(name)
    source = args.file.read_text(encoding="utf-8")
    tree = ast.parse(source)
    known = list(mutants(tree))
    chosen = sorted(random.Random(args.seed).sample(range(len(known)), min(args.most, len(known))))
    began = time.monotonic()
    if noticed(args.file, source, args.tests, 600):
        raise ValueError(f"the tests fail before anything is planted: {' '.join(args.tests)}")
    patience = 60 + 10 * int(time.monotonic() - began)
    lived = [known[i][0] for i in chosen if not noticed(args.file, ast.unparse(known[i][1]), args.tests, patience)]
    return {"file": str(args.file), "tests": args.tests, "possible": len(known), "planted": len(chosen), "lived": lived}


def report(found: dict[str, Any]) -> str:
    """Counts, then each bug that lived."""
    lived = found["lived"]
    head = f"{found['file']}: {found['planted']} of {found['possible']} bugs planted, {len(lived)} lived"
    return "\n".join([head, *lived])


def mutants(tree: ast.Module) -> Iterator[tuple[str, ast.Module]]:
    """What was changed, and the changed tree, for every change that there is; annotations and texts are left alone."""
    typed = [part for node in ast.walk(tree) for name in ("annotation", "returns") for part in _parts(node, name)]
    left = {id(inner) for part in typed for inner in ast.walk(part)}
    for i, node in enumerate(ast.walk(tree)):
        if id(node) in left:
            continue
        for words, change in _changes(node):
            other = copy.deepcopy(tree)
            change(next(each for j, each in enumerate(ast.walk(other)) if j == i))
            yield f"line {getattr(node, 'lineno', 0)}: {words} in {ast.unparse(node)[:90]}", ast.fix_missing_locations(other)


def _parts(node: ast.AST, name: str) -> list[ast.AST]:
    part = getattr(node, name, None)
    return [part] if isinstance(part, ast.AST) else []


def _changes(node: ast.AST) -> Iterator[tuple[str, Any]]:
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in SWAPS:
        other = SWAPS[type(node.op)]
        yield f"{type(node.op).__name__} to {other.__name__}", lambda at: setattr(at, "op", other())
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        swapped = SWAPS[type(node.ops[0])]
        yield f"{type(node.ops[0]).__name__} to {swapped.__name__}", lambda at: at.ops.__setitem__(0, swapped())
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "turned", lambda at: setattr(at, "value", not at.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield "one more", lambda at: setattr(at, "value", at.value + 1)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "minus taken off", lambda at: setattr(at, "op", ast.UAdd())
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not taken off", lambda at: setattr(at, "operand", ast.UnaryOp(ast.Not(), at.operand))
    elif isinstance(node, ast.Call) and (name := getattr(node.func, "id", getattr(node.func, "attr", ""))) in CALLS:
        word = "id" if isinstance(node.func, ast.Name) else "attr"
        yield f"{name} to {CALLS[name]}", lambda at: setattr(at.func, word, CALLS[name])


def noticed(file: Path, source: str, tests: list[str], patience: int) -> bool:
    """Whether the tests fail with this source in the file's place."""
    child = os.fork()
    if child == 0:
        _child(file.resolve(), source, tests)
    end = time.monotonic() + patience
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) != 0
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def _child(file: Path, source: str, tests: list[str]) -> None:
    code = 1
    try:
        os.setpgid(0, 0)
        null = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(null, number)
        real = SourceFileLoader.get_code

        def get_code(self: SourceFileLoader, name: str) -> Any:
            return compile(source, self.path, "exec") if Path(self.path) == file else real(self, name)

        # In this process alone, which ends below. What is loaded already is loaded anew.
        SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]
        for name in [name for name in sys.modules if name == "csp" or name.startswith("csp.")]:
            del sys.modules[name]
        import pytest

        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
    finally:
        os._exit(code)
