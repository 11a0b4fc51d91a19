"""Taking turns: visitors in rotation, long work after single runs of others, nobody overtaken for ever, and places freed."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager

from csp import turns
from csp.turns import Gone, Refused, Turns, Visitor, long_work, visiting


class Crowd:
    """Runs that wait for one lock in threads of their own, and the order in which they were served."""

    def __init__(self, lock: Turns):
        self.lock, self.served = lock, []
        self.refused: dict[str, str] = {}
        self.threads: list[threading.Thread] = []

    def ask(self, name: str, word: str, long: bool = False, gone=lambda: False) -> None:
        """One more run; returns when it waits."""
        before = self.lock.waiting

        def work() -> None:
            try:
                with visiting(Visitor(name, gone, long)), self.lock.take():
                    self.served.append(word)
            except Refused as error:
                self.refused[word] = f"{type(error).__name__}: {error}"

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        self.threads.append(thread)
        until(lambda: self.lock.waiting > before or not thread.is_alive())

    def end(self) -> list[str]:
        for thread in self.threads:
            thread.join(10)
            assert not thread.is_alive()
        return self.served


def until(true) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


@contextmanager
def held(lock: Turns):
    with visiting(Visitor("front")), lock.take():
        yield Crowd(lock)


def test_visitors_are_served_in_rotation_however_much_one_asks() -> None:
    with held(Turns()) as crowd:
        for i in range(3):
            crowd.ask("greedy", f"g{i}")
        crowd.ask("ann", "a0")
        crowd.ask("bob", "b0")
        crowd.ask("ann", "a1")
    assert crowd.end() == ["g0", "a0", "b0", "g1", "a1", "g2"]


def test_runs_of_nobody_in_particular_come_in_their_order() -> None:
    with held(Turns(each=1)) as crowd:
        for i in range(4):
            crowd.ask(turns.NOBODY, str(i))
    assert crowd.end() == ["0", "1", "2", "3"]


def test_long_work_lets_single_runs_of_others_go_first_but_not_for_ever() -> None:
    with held(Turns()) as crowd:
        crowd.ask("sweeper", "row", long=True)
        many = turns.MOST_OVERTAKEN + 3
        for i in range(many):
            crowd.ask(f"v{i}", f"v{i}")
        crowd.ask("sweeper", "own run")
    served = crowd.end()
    assert served.index("row") == turns.MOST_OVERTAKEN
    assert [word for word in served if word.startswith("v")] == [f"v{i}" for i in range(many)]


def test_two_sweeps_share_the_model() -> None:
    with held(Turns()) as crowd:
        for word in ("a0", "a1", "b0", "b1"):
            crowd.ask(word[0], word, long=True)
    assert crowd.end() == ["a0", "b0", "a1", "b1"]


def test_who_left_frees_their_place_and_is_not_run() -> None:
    left = threading.Event()
    with held(Turns()) as crowd:
        crowd.ask("leaver", "left", gone=left.is_set)
        crowd.ask("ann", "ann")
        left.set()
        until(lambda: crowd.lock.waiting == 2)
    assert crowd.end() == ["ann"]
    assert crowd.refused["left"].startswith(Gone.__name__)
    with crowd.lock.take():
        assert crowd.lock.waiting == 1


def test_one_visitor_cannot_fill_the_line_and_the_line_has_an_end() -> None:
    with held(Turns(most=4, each=2)) as crowd:
        for word in ("g0", "g1", "g2"):
            crowd.ask("greedy", word)
        for word in ("ann", "bob", "cem"):
            crowd.ask(word, word)
    assert crowd.end() == ["g0", "ann", "bob", "g1"]
    assert "2 runs of yours are waiting already, at most 2 may" in crowd.refused["g2"]
    assert "5 runs are waiting already, at most 4 may" in crowd.refused["cem"]


def test_a_place_counts_who_is_served_before_and_how_long_they_take() -> None:
    lock = Turns()
    with lock.take():
        time.sleep(0.1)
    with held(lock) as crowd:
        crowd.ask("ann", "a0")
        crowd.ask("ann", "a1")
        crowd.ask("sweeper", "row", long=True)
        crowd.ask("bob", "b0")
        assert lock.place("nobody") is None
        places = {name: lock.place(name) for name in ("ann", "bob", "sweeper")}
        assert {name: place.ahead for name, place in places.items() if place} == {"ann": 1, "bob": 2, "sweeper": 4}
        assert places["bob"].seconds >= 0.2
    crowd.end()


def test_closing_refuses_who_waits_and_who_comes_and_lets_the_run_end() -> None:
    lock = Turns()
    with held(lock) as crowd:
        crowd.ask("ann", "waiting")
        lock.close("the page is being stopped")
        until(lambda: "waiting" in crowd.refused)
        crowd.ask("bob", "coming")
        assert lock.waiting == 1
    assert crowd.end() == []
    assert crowd.refused == dict.fromkeys(("waiting", "coming"), "Refused: the page is being stopped")
    assert lock.waiting == 0


def test_long_work_keeps_the_visitor() -> None:
    with visiting(Visitor("ann")), long_work():
        assert turns.visitor().name == "ann" and turns.visitor().long
    assert turns.visitor().name == turns.NOBODY
