"""Lines and sentences are measured as a few regular expressions would."""

import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.signals.lines import LINES

NAMES = [signal.name for signal in LINES.signals]
BLANKS = " \t\u3000"
pieces = st.lists(
    st.sampled_from(
        [
            "あい",
            "う",
            "𠮷é",
            "。",
            "．",
            "！",
            "？",
            "!",
            "?",
            ".",
            "…",
            "・",
            "\n",
            "\n\n",
            " ",
            "\u3000",
            "\t",
            "、",
        ]
    ),
    max_size=40,
).map("".join)


def measured(text):
    """Return the signals of one text by name."""
    return {n: column[0].as_py() for n, column in zip(NAMES, LINES.measure(pa.array([text])), strict=True)}


def lines_slowly(text):
    """Measure one text with lists of its lines and sentences."""
    lines = [line.strip(BLANKS) for line in text.split("\n") if line.strip(BLANKS)]
    found = [
        s for line in text.split("\n") for s in re.findall("[^。．！？!?]*[。．！？!?]+|[^。．！？!?]+", line)
    ]
    sentences = [s.strip(BLANKS) for s in found if s.strip(BLANKS)]
    sizes = list(map(len, sentences))
    return {
        "lines": len(lines),
        "sentences": len(sentences),
        "max_sentence_chars": max(sizes, default=0),
        "mean_sentence_chars": divide(sum(sizes), len(sizes)),
        "duplicate_line_share": divide(len(repeats(lines)), len(lines)),
        "duplicate_line_char_share": divide(len("".join(repeats(lines))), len("".join(lines))),
        "duplicate_sentence_share": divide(len(repeats(sentences)), len(sentences)),
        "duplicate_sentence_char_share": divide(len("".join(repeats(sentences))), sum(sizes)),
        "ellipsis_share": divide(sum(s[-1] in "・…" for s in sentences), len(sentences)),
    }


def repeats(items):
    """Return the items that came before."""
    return [item for i, item in enumerate(items) if item in items[:i]]


def divide(part, whole):
    """Divide, or say that it can't be."""
    return part / whole if whole else float("nan")


@settings(max_examples=500, deadline=None)
@given(st.one_of(pieces, st.text().map(lambda s: s.replace("\r", ""))))
def test_lines_equal_their_twin(text):
    """The kernel counts what the readable version counts."""
    assert measured(text) == pytest.approx(lines_slowly(text), rel=0, abs=0, nan_ok=True)


def test_many_lines_are_compared_exactly():
    """Thousands of lines of equal length do not run into each other."""
    lines = [f"{i % 3000:05d}行" for i in range(5000)]
    got = measured("\n\n".join(lines))
    assert got["lines"] == 5000
    assert got["duplicate_line_share"] == 2000 / 5000


def test_blank_lines_are_not_lines():
    """Paragraphs parted by blank lines repeat nothing."""
    assert measured("春\n\n夏\n\n秋\n\n冬")["duplicate_line_share"] == 0


def test_a_run_of_marks_ends_one_sentence():
    """Marks in a row belong to the sentence before them, and a decimal point ends none."""
    assert measured("え！？本当。3.14だ…")["sentences"] == 3
