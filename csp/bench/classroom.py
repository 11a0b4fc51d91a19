"""``python -m csp.bench class``: a class on one page: visitors over HTTP that ask, think and ask again, every answer compared.

Each visitor opens the page, then asks one question after another with pauses of exponential length between: board runs,
downloads, and calls of the endpoint, on scenes and pictures of their own, with several methods and settings. Every question
is answered beforehand by the same model in this process, and a visitor's answer must equal that, number for number (to rounding
where it was made in one batch with others). Questions come back: how many had been asked before is told, and times of those
asked for the first time are told apart.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from csp.bench.compared import Expected, shared
from csp.bench.front import Several, several
from csp.bench.running import Running, running
from csp.bench.timing import machine, p95, spread
from csp.bench.visitor import Visitor
from csp.checks import check_integer, check_number

HELP = "a class on one page: times, processor seconds, wrong answers, memory"
GOALS = {"p95": 2.0, "cpu": 0.15, "grown": 1.1}
METHODS = ("csp", "csp", "csp", "full", "fastv", "visionzip", "divprune")
OWN = 10**6
"""Scenes from here on are sent as pictures of the visitors' own."""


@dataclass(frozen=True)
class Question:
    """What a visitor asks: a scene's number, sent as a picture where ``own``, the words, a method with its knobs; ``how``: on the
    board, as a download, or by the endpoint.
    """

    number: int
    own: bool
    query: str
    method: str
    knobs: dict[str, Any]
    how: str


@dataclass(frozen=True)
class Answer:
    """A question's number, seconds since the beginning and seconds that it took; whether it had been asked before; what was
    wrong, "" for nothing, whether it was refused in words, and whether it was made in one batch with others.
    """

    question: int
    at: float
    took: float
    again: bool
    wrong: str = ""
    refused: str = ""
    batched: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--users", type=int, default=30, help="visitors at a time (default: 30)")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: 10)")
    parser.add_argument("--think", type=float, default=5.0, help="mean seconds from an answer to the next question (default: 5)")
    parser.add_argument("--questions", type=int, default=400, help="different questions, drawn again and again (default: 400)")
    parser.add_argument("--pictures", type=int, default=40, help="pictures that they are about, half of them own (default: 40)")
    workers = "pages behind nginx, as docs/hosting.md has it (default: 1, and no nginx)"
    parser.add_argument("--workers", type=int, default=1, help=workers)
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn by lot (default: 0)")


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """Every answer, and the server's processor time and memory. Raises ValueError for what will not do."""
    users = check_integer("--users", args.users, 1, 200)
    minutes = check_number("--minutes", args.minutes, 0.01, 600)
    think = check_number("--think", args.think, 0.01, 600)
    count = check_integer("--questions", args.questions, 1, 100_000)
    asked = questions(count, check_integer("--pictures", args.pictures, 1, 10_000), args.seed)
    expected = references(asked)
    workers = check_integer("--workers", args.workers, 1, 64)
    with several(workers) if workers > 1 else running() as server:
        lesson = Lesson(server, asked, expected, think, exact=workers == 1)
        warm = Visitor(server.url)
        warm.open()
        began, cpu = time.perf_counter(), server.cpu()
        with ThreadPoolExecutor(users + 1) as pool:
            watch = pool.submit(lesson.memory, minutes)
            visits = [pool.submit(lesson.visit, args.seed * 1000 + i, minutes * 60) for i in range(users)]
            answers = [answer for visit in visits for answer in visit.result()]
            resident = watch.result()
        spent, end = time.perf_counter() - began, server.cpu()
        found = {
            "users": users,
            "think": think,
            "workers": workers,
            "questions": count,
            "seconds": spent,
            "answers": [vars(answer) for answer in answers],
            "cpu": None if cpu is None or end is None else end - cpu,
            "resident": resident,
        }
    return found


class Lesson:
    """What all visitors of a class have in common."""

    def __init__(
        self, server: Running | Several, asked: list[Question], expected: list[Expected], think: float, exact: bool = True
    ) -> None:
        self.exact = exact
        self.server, self.asked, self.expected, self.think = server, asked, expected, think
        self.began = time.perf_counter()
        self._known: set[int] = set()
        self._lock = threading.Lock()

    def visit(self, seed: int, seconds: float) -> list[Answer]:
        """One visitor's answers until the time is up."""
        lot, visitor, out = random.Random(seed), Visitor(self.server.url), []
        uploads: dict[int, str] = {}
        time.sleep(lot.uniform(0, min(self.think, seconds / 4)))
        visitor.open()
        while time.perf_counter() - self.began < seconds:
            i = lot.randrange(len(self.asked))
            with self._lock:
                again = i in self._known
                self._known.add(i)
            out.append(self._ask(visitor, i, again, uploads))
            time.sleep(lot.expovariate(1 / self.think))
        visitor.close()
        return out

    def _ask(self, visitor: Visitor, i: int, again: bool, uploads: dict[int, str]) -> Answer:
        question, at = self.asked[i], time.perf_counter()
        wrong = refused = ""
        batched = False
        try:
            told = put(visitor, question, uploads)
            if "error" in told:
                refused = str(told["error"])
            else:
                batched = shared(told)
                words = self.expected[i].wrong(told, self.exact)
                wrong = f"{words}: {question}" if words else ""
        except (ValueError, OSError, KeyError, IndexError) as error:
            wrong = f"{type(error).__name__}: {error}"
        now = time.perf_counter()
        return Answer(i, at - self.began, now - at, again, wrong, refused, batched)

    def memory(self, minutes: float) -> list[int | None]:
        """Bytes of the server at the beginning, at every minute, and at the end."""
        out = [self.server.resident()]
        for minute in range(1, int(np.ceil(minutes)) + 1):
            time.sleep(max(0.0, self.began + 60 * min(minute, minutes) - time.perf_counter()))
            out.append(self.server.resident())
        return out


def put(visitor: Visitor, question: Question, uploads: dict[int, str]) -> dict[str, Any]:
    """A question's answer over HTTP, what the board or a program gets."""
    if question.own and question.number not in uploads:
        uploads[question.number] = visitor.upload("own.png", png(question.number))
    sent: dict[str, Any] = {"query": question.query, "method": question.method, "knobs": question.knobs, "seed": 0}
    if question.own:
        sent |= {"source": "", "image": {"path": uploads[question.number]}}
    else:
        sent |= {"source": f"scene:{question.number}"}
    if question.how == "file":
        return visitor.call("file", sent | {"file": "mask.png"})
    if question.how == "board":
        return visitor.call("run", sent)
    picture = {"path": uploads[question.number], "meta": {"_type": "gradio.FileData"}}
    mask, _, run = visitor.endpoint(
        [picture, question.query, question.method, 8, 64, 6, 16, "uniform", 0, question.knobs, "auto", "teacher", False]
    )
    return {"mask": len(visitor.file(mask["path"])) > 0, "run": run}


def questions(count: int, pictures: int, seed: int) -> list[Question]:
    """Different questions about scenes and own pictures, by lot."""
    from csp.park.scenes import scene

    lot = random.Random(seed)
    numbers = [OWN + i if i % 2 else 100 + i for i in range(pictures)]
    texts = {number: [text for _, text, _ in scene(number, "test").queries] for number in numbers}
    out: dict[str, Question] = {}
    for _ in range(100 * count):
        number, method = lot.choice(numbers), lot.choice(METHODS)
        own = number >= OWN
        how = lot.choices(("board", "file", "endpoint" if own else "board"), (16, 2, 2))[0]
        knobs = {"Nc": lot.choice((32, 64, 128)), "Np": lot.randint(4, 64)} if method == "csp" else {}
        made = Question(number, own, lot.choice(texts[number]), method, knobs, how)
        out.setdefault(repr(made), made)
        if len(out) == count:
            return list(out.values())
    raise ValueError(f"--pictures {pictures} have {len(out)} different questions, not {count}: ask for fewer, or add pictures")


def references(asked: list[Question]) -> list[Expected]:
    """The right answer to each, made by a session in this process, one by one."""
    from csp import load
    from csp.session import Session
    from csp.ui.handlers import Handlers

    handlers = Handlers(Session(load("park")))
    out = []
    for question in asked:
        sent: dict[str, Any] = {"query": question.query, "method": question.method, "knobs": question.knobs, "seed": 0}
        sent |= {"source": "", "image": png(question.number)} if question.own else {"source": f"scene:{question.number}"}
        if question.how == "file":
            told = handlers.export("mask.png", **sent)
        elif question.how == "board":
            told = handlers.run(**sent)
        else:
            told = {"mask": True, "run": json.loads(json.dumps(handlers.session.run(handlers.ask(sent).request).as_dict()))}
        if "error" in told:
            raise ValueError(f"{question} has no answer: {told['error']}")
        out.append(Expected(question.how, told))
    return out


def png(number: int) -> bytes:
    """A scene as the file that a visitor sends."""
    from PIL import Image

    from csp.park.scenes import scene

    file = io.BytesIO()
    Image.fromarray(scene(number, "test").image).save(file, "PNG")
    return file.getvalue()


def report(found: dict[str, Any]) -> str:
    """Times, rates and memory, against the goals."""
    answers = found["answers"]
    good = [a for a in answers if not a["wrong"] and not a["refused"]]
    first = [a["took"] for a in good if not a["again"]]
    lines = [
        f"{found['users']} visitors of {found['workers']} page{'s' * (found['workers'] > 1)} for {found['seconds'] / 60:.1f} "
        f"minutes, {found['think']:g} s of thought between questions; "
        + machine(),
        f"{len(answers)} answers, {len(answers) / found['seconds']:.2f} a second; "
        f"{sum(a['again'] for a in answers)} to questions that had been asked before, "
        f"{sum(a['batched'] for a in answers)} out of a batch with others",
    ]
    for name, took in (("all", [a["took"] for a in good]), ("asked for the first time", first)):
        if took:
            lines.append(f"{name:26} p50 {spread(took).median:6.2f} s   p95 {p95(took):6.2f} s   max {max(took):6.2f} s")
    wrong, refused = [a["wrong"] for a in answers if a["wrong"]], [a["refused"] for a in answers if a["refused"]]
    lines.append(f"wrong: {len(wrong)}, refused in words: {len(refused)}")
    lines += sorted({f"  {words[:160]}" for words in (*wrong, *refused)})[:10]
    each = None if found["cpu"] is None else found["cpu"] / max(1, len(answers))
    if each is not None:
        new = found["cpu"] / max(1, len(first))
        lines.append(f"processor seconds: {each:.3f} a request, {new:.3f} a question asked for the first time")
    known = [size for size in found["resident"] if size is not None]
    grown = known[-1] / known[min(1, len(known) - 1)] if known else None
    if known:
        lines.append("memory, MB, minute by minute: " + " ".join(f"{size / 1e6:.0f}" for size in known))
    met = {
        f"p95 at most {GOALS['p95']:g} s": bool(good) and p95([a["took"] for a in good]) <= GOALS["p95"],
        f"at most {GOALS['cpu']:g} processor seconds a request": each is not None and each <= GOALS["cpu"],
        "none wrong": not wrong,
        "memory flat after the first minute": grown is not None and grown <= GOALS["grown"],
    }
    lines.append("goals: " + ", ".join(f"{words} {'met' if value else 'missed'}" for words, value in met.items()))
    return "\n".join(lines)
