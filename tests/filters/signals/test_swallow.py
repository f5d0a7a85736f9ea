"""Swallow's lines and sentences are those of its code, odd as they are."""

import re
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.signals.swallow import SWALLOW

NAMES = [signal.name for signal in SWALLOW.signals]
PIECES = [
    "あい",
    "う",
    "𠮷é",
    "。",
    "．",
    "！",
    "?",
    ".",
    "…",
    "・",
    "\n",
    "\n\n",
    " ",
    "\u3000",
    "\u2028",
    "\u00a0",
    "\x85",
    "、",
]


def measured(text):
    """Return the signals of one text by name."""
    return {n: column[0].as_py() for n, column in zip(NAMES, SWALLOW.measure(pa.array([text])), strict=True)}


def slowly(text):
    """Measure one text with lists of its lines and sentences."""
    inside = [re.findall("[^。．！？!?]+[。．！？!?]?", line) for line in text.split("\n")]
    lines, sentences = ["".join(found) for found in inside], [s for found in inside for s in found]
    whole = len("".join(sentences))
    return {
        "swallow_max_sentence_chars": max(map(len, sentences), default=0),
        "swallow_duplicate_line_share": extra(lines, lambda _: 1) / len(lines),
        "swallow_duplicate_line_char_share": extra(lines, len) / (whole or 1),
        "swallow_duplicate_sentence_share": extra(sentences, lambda _: 1) / (len(sentences) or 1),
        "swallow_duplicate_sentence_char_share": extra(sentences, len) / (whole or 1),
        "swallow_mean_sentence_chars": whole / (len(sentences) or 1),
        "swallow_ellipsis_share": sum(s.strip().endswith(("・", "…")) for s in sentences)
        / (len(sentences) or 1),
    }


def extra(items, size):
    """Add up all but the first of equal items."""
    return sum(size(item) * (times - 1) for item, times in Counter(items).items())


@pytest.mark.slow
@settings(max_examples=500)
@given(st.one_of(st.lists(st.sampled_from(PIECES), max_size=40).map("".join), st.text()))
def test_swallow_equals_its_twin(text):
    """The kernel counts what the readable version counts."""
    assert measured(text) == slowly(text)


def test_blank_lines_are_duplicate_lines():
    """Paragraphs parted by blank lines repeat these; that is why this family has names of its own."""
    assert measured("春\n\n夏\n\n秋\n\n冬")["swallow_duplicate_line_share"] == 2 / 7


def test_a_second_mark_is_lost():
    """え！？ and え！ are the same sentence to it."""
    assert measured("え！？\nえ！")["swallow_duplicate_line_share"] == 1 / 2
