"""Text broken to a measured width: nothing lost, nothing too wide, in time that is linear whatever the script."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings, strategies as st

from csp.render import typeset

SCRIPTS = {
    "one long word": "a" * 512,
    "Japanese": "日本語" * 133,
    "Arabic": "اب" * 256,
    "Devanagari": "िक" * 256,
    "emoji": "\N{GRINNING FACE}" * 512,
    "marks": "a\u0301" * 256,
    "all different": "".join(map(chr, range(0x4E00, 0x5000))),
}


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize("width", [1.0, 6.98])
def test_a_long_word_is_measured_character_by_character_only(text: str, width: float, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []
    real = typeset.inches

    def counting(text: str, points: float, bold: bool = False) -> float:
        measured.append(len(text))
        return real(text, points, bold)

    monkeypatch.setattr(typeset, "inches", counting)
    broken = typeset.wrap(text, width, 7)
    assert broken.replace("\n", "") == text
    assert sum(measured) <= 3 * len(set(text)) + 2
    assert max(real(line, 7) for line in broken.split("\n")) <= width * 1.05


@pytest.mark.filterwarnings("ignore:Glyph")
@settings(max_examples=60)
@given(st.text(st.sampled_from("abcWil.,- é漢"), max_size=120), st.floats(0.4, 4), st.booleans())
def test_words_and_their_order_stay(text: str, width: float, bold: bool) -> None:
    broken = typeset.wrap(text, width, typeset.SMALL, bold)
    assert "".join(broken.split()) == "".join(text.split())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert all(len(line) == 1 or typeset.inches(line, typeset.SMALL, bold) <= width * 1.05 for line in broken.split("\n"))
