"""What crosses the edge: values in errors are cut, JSON is bounded, tables hold no formula."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, strategies as st

from csp.checks import check_choice, check_integer, read_json, shown, to_csv

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_what_is_json_is_read(value: object) -> None:
    assert read_json(json.dumps(value), "it", depth=20) == value


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 1500, r"it may be nested at most 12 deep"),
        ("[" * 1500 + "]" * 1500, r"it may be nested at most 12 deep"),
        ("[" * 14 + "]" * 14, r"it may be nested at most 12 deep"),
        ('{"a":' * 30_000, r"at most 65,536 characters, got 150,000"),
        ("NaN", r"it is not JSON \(numbers must be finite, got NaN\)"),
        ('{"a": [Infinity]}', "numbers must be finite, got Infinity"),
        ("[1, 1e999]", "it must hold finite numbers only"),
        ("9" * 5000, "it is not JSON"),
        ("{'a': 1}", "it is not JSON"),
        ("", "it is not JSON"),
        ("\x00", "it is not JSON"),
        (b"\xff\xfe\x00", "it is not JSON"),
    ],
)
def test_what_is_not_or_too_much_is_told_in_one_sentence(text: str | bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says) as raised:
        read_json(text, "it")
    assert len(str(raised.value)) < 250


def test_twelve_levels_are_not_too_many() -> None:
    assert read_json("[" * 12 + "]" * 12, "it") is not None


def test_a_long_value_is_cut_in_an_error() -> None:
    for value in ("x" * 100_000, list(range(100_000)), b"y" * 10_000):
        assert len(shown(value)) <= 83
        with pytest.raises(ValueError, match="must be one of") as raised:
            check_choice("method", value, ("full", "csp"))
        assert len(str(raised.value)) < 200
    with pytest.raises(ValueError, match=r"got 1\.5$"):
        check_integer("Nc", 1.5, 1, 256)
    assert shown("ab'c") == '"ab\'c"'


@given(st.lists(st.lists(st.text(max_size=12) | st.integers() | st.floats(allow_nan=False), min_size=1, max_size=3), max_size=4))
def test_a_table_is_read_back_and_holds_no_formula(rows: list[list[object]]) -> None:
    back = list(csv.reader(io.StringIO(to_csv(rows), newline="")))
    assert len(back) == len(rows)
    for row, read in zip(rows, back, strict=True):
        for value, cell in zip(row, read, strict=True):
            told = str(value).replace("\r", " ")
            assert cell in (told, f"'{told}")
            assert not isinstance(value, str) or not value.strip() or cell.lstrip()[:1] not in {"=", "+", "-", "@"}


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "  =1", "\t=1", "\n=1"])
def test_a_formula_gets_an_apostrophe(cell: str) -> None:
    assert next(csv.reader(io.StringIO(to_csv([[cell, -1.5]]), newline=""))) == [f"'{cell}", "-1.5"]
