"""A knob is checked, read and written in one place; a selector's own settings become knobs of CSP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated

import pytest
from hypothesis import given, strategies as st

from csp import clusters, flags
from csp.clusters import Picked, Selector
from csp.knobs import Knob, bounds, check_knobs, knob, of_fields, of_function, with_knobs
from csp.methods import CSP, METHODS, knobs

EVERY = [(name, each) for name, method in METHODS.items() for each in knobs(method)]


@pytest.mark.parametrize(("name", "each"), EVERY, ids=[f"{name}-{each.name}" for name, each in EVERY])
def test_every_default_passes_and_travels_as_text(name, each):
    assert each.check(each.default) == each.default
    assert each.parse(each.as_text(each.default)) == each.default
    assert each.from_json(list(each.default) if isinstance(each.default, tuple) else each.default) == each.default


@given(st.floats(0, 1) | st.lists(st.integers(0, 9), min_size=1).map(tuple) | st.integers(0, 9) | st.booleans())
def test_values_survive_text(value):
    each = Knob("x", value, "a knob")
    assert each.parse(each.as_text(value)) == value
    assert type(each.parse(each.as_text(value))) is type(value)


@pytest.mark.parametrize(
    ("default", "value", "says"),
    [
        (True, 1, "x must be true or false, got 1"),
        (3, 2.5, "x must be an integer at least 0, got 2.5"),
        (3, True, "x must be an integer"),
        ((1, 2), [], "x must be a list of numbers such as (1, 2), got []"),
        ((1, 2), [1, 2.5], "x must be an integer at least 0, got 2.5"),
        (0.5, "half", "x must be a number"),
    ],
)
def test_a_value_of_another_kind_is_refused(default, value, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        Knob("x", default, "a knob").check(value)


def test_json_tells_no_integer_from_a_float():
    assert Knob("x", 3, "").from_json(8.0) == 8
    assert type(Knob("x", 3, "").from_json(8.0)) is int
    assert Knob("x", 0.5, "").from_json(1.0) == 1.0
    assert Knob("x", (1, 2), "").from_json([4.0, 5]) == (4, 5)
    assert Knob("x", 3, "").from_json("8") == "8", "left to be refused"


def test_bounds_of_a_model():
    assert Knob("Nc", 64, "", 1, "N").within(16, 8) == Knob("Nc", 16, "", 1, 16)
    assert Knob("K", 2, "", 0, "L").within(16, 8).high == 8


def test_a_functions_settings_are_behind_its_star():
    def select(view, Nc, *, pull: Annotated[float, bounds("how far", 0.1, 2.0)] = 0.5):
        return Picked(view)

    assert of_function(select) == (Knob("pull", 0.5, "how far", 0.1, 2.0),)

    def bare(view, Nc, *, pull=0.5):
        return Picked(view)

    with pytest.raises((TypeError, KeyError)):
        of_function(bare)


def test_csp_has_the_settings_of_every_selector_in_place():
    names = [each.name for each in of_fields(CSP)]
    assert names == ["Lc", "Nc", "Ls", "Np", "cluster", "uniform", "cls", "conf", "row", "layer"]
    with pytest.raises(ValueError, match="conf must be a number"):
        CSP(conf=2.0)


def test_a_new_selector_brings_its_settings(monkeypatch):
    """What a function and a word in SELECTORS need: nothing else is edited."""

    def near(view, Nc, *, pull: Annotated[float, bounds("how far", 0.1, 2.0)] = 0.5):
        return Picked(view)

    monkeypatch.setitem(clusters.SELECTORS, "near", Selector(near, draws=True))
    assert "near" in next(each for each in of_fields(CSP) if each.name == "cluster").choices
    assert CSP(cluster="near").draws

    @dataclass(frozen=True)
    @with_knobs(clusters.settings(), after="cluster")
    class Again:
        cluster: str = knob("uniform", "", choices=clusters.SELECTORS)
        last: int = knob(1, "")

        def __post_init__(self):
            check_knobs(self)

    assert [each.name for each in of_fields(Again)] == ["cluster", "uniform", "cls", "conf", "pull", "last"]
    assert Again(cluster="near", pull=1.5).pull == 1.5
    with pytest.raises(ValueError, match=r"pull must be a number in 0\.1\.\.2\.0, got 3"):
        Again(pull=3)


def test_two_selectors_do_not_mean_two_things_by_one_word(monkeypatch):
    def near(view, Nc, *, conf: Annotated[float, bounds("how far", 0.1, 2.0)] = 0.5):
        return Picked(view)

    monkeypatch.setitem(clusters.SELECTORS, "near", Selector(near))
    with pytest.raises(TypeError, match="both take conf"):
        clusters.settings()


def test_a_knob_gives_way_to_a_programs_own_option():
    parser = flags.Parser()
    parser.add_argument("--Nc", dest="own")
    flags.add_knobs(parser)
    args = vars(parser.parse_args(["--Nc", "mine", "--knob-Nc", "32", "--Np", "4"]))
    assert args["own"] == "mine" and flags.given_knobs(args) == {"Nc": "32", "Np": "4"}


@pytest.mark.parametrize("program", ["segment", "evaluate"])
def test_every_knob_has_a_flag_in_every_program(program):
    parser = import_module(f"csp.{program}").parser()
    told = {action.dest for action in parser._actions}
    assert {f"{flags.PREFIX}{each.name}" for _, each in EVERY} <= told
