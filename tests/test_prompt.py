"""Prompts over a word-level vocabulary: what is where, and that no query reaches a special token."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import SPECIALS, write_tokenizer
from hypothesis import given, strategies as st

from csp.models.prompt import WordPrompt, clean_query, read_slots

TEMPLATE = {"sys": ["<s>", "USER", ":"], "usr": ["{query}", "ASSISTANT", ":"], "out": ["[SEG]", ".", "</s>"]}


@pytest.fixture(scope="module")
def prompter(tmp_path_factory: pytest.TempPathFactory) -> WordPrompt:
    file = tmp_path_factory.mktemp("words") / "tokenizer.json"
    write_tokenizer(file)
    return WordPrompt(file, TEMPLATE)


def test_where_everything_stands(prompter: WordPrompt) -> None:
    prompt = prompter("The red ball")
    assert (
        len(prompt.sys) == 3
        and prompt.words == ("The", "red", "ball", "ASSISTANT", ":")
        and len(prompt.usr) == 5
    )
    assert prompt.out[0] == prompter.seg_id and len(prompt.out) == 3
    assert prompt.I_seg == (4,)  # the ":" before [SEG]
    assert prompter("The red ball", seg_row="token").I_seg == (5,)
    assert prompt.notes == () and prompt.answer == "full"


def test_the_answer_can_end_at_the_read_out_row(prompter: WordPrompt) -> None:
    before, token = prompter("a dog", "cut"), prompter("a dog", "cut", "token")
    assert before.out == () and before.I_seg == (len(before.usr) - 1,) and before.answer == "cut"
    assert token.out == (prompter.seg_id,) and token.I_seg == (len(token.usr),)


def test_unknown_words_are_named_once(prompter: WordPrompt) -> None:
    assert prompter("a Zebra, a zebra and a unicorn!").notes == (
        "unknown to this model and read as <unk>: “Zebra”, “zebra”, “and”, “unicorn”",
    )
    assert prompter("🐕").notes and prompter("الكرة").notes
    assert not prompter("the ball …").notes or "…" in prompter("the ball …").notes[0]


@given(
    st.text(min_size=1, max_size=80)
    | st.lists(st.sampled_from(SPECIALS), min_size=1, max_size=4).map(" ".join)
    | st.lists(st.sampled_from(SPECIALS), min_size=1, max_size=4).map("".join)
)
def test_no_query_reaches_a_special_token(prompter: WordPrompt, query: str) -> None:
    try:
        clean_query(query)
    except ValueError:
        return
    special = {prompter.tokenizer.token_to_id(token) for token in SPECIALS} - {prompter.unk_id}
    assert not special & set(prompter(query).usr[:-2])


def test_templates_that_do_not_fit_are_named(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "tokenizer.json")
    with pytest.raises(ValueError, match="no token 'SYSTEM'"):
        WordPrompt(tmp_path / "tokenizer.json", TEMPLATE | {"sys": ["SYSTEM"]})
    with pytest.raises(ValueError, match=r"no token to|holds no"):
        WordPrompt(tmp_path / "tokenizer.json", TEMPLATE | {"out": ["."]})("a dog")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ({"answer": "half"}, 'answer must be "full" or "cut"'),
        ({"seg_row": "after"}, 'seg_row must be "before" or "token"'),
    ],
)
def test_wrong_options_are_named(prompter: WordPrompt, kind: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prompter("a dog", **kind)  # type: ignore[arg-type]


def test_several_seg_tokens_are_read_each() -> None:
    assert read_slots([5, 6], [9, 7, 9, 2], 9, "before") == (1, 3)
    assert read_slots([5, 6], [9, 7, 9, 2], 9, "token") == (2, 4)
