"""Words lose no text."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kakehi.tokenizer.words import segment


def test_splits_japanese_into_words() -> None:
    """A sentence falls into UniDic's short units."""
    assert segment("東京の図書館で本を読んだ。") == [
        "東京",
        "の",
        "図書",
        "館",
        "で",
        "本",
        "を",
        "読ん",
        "だ",
        "。",
    ]


def test_white_space_leads_the_next_word() -> None:
    """Spaces and tabs, which MeCab drops, are kept in front of words."""
    assert segment("  私は\tABC def ") == ["  私", "は", "\tABC", " def", " "]


@settings(max_examples=60)
@given(st.text(st.characters(codec="utf-8") | st.sampled_from(" \t\n\0　私は行った。"), max_size=60))
@example("a\0b")
@example("\x1c\u2028 \x85")
def test_no_text_is_lost(line: str) -> None:
    """Joined, the words are the line, whatever it holds."""
    assert "".join(segment(line)) == line


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["a", "あ", " ", "行く。", "a "])
def test_very_long_lines_are_cut(unit: str) -> None:
    """A line over MeCab's limits neither crashes the process nor loses text."""
    line = unit * 300_000
    assert "".join(segment(line[:300_000])) == line[:300_000]
