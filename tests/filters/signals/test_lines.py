"""Lines and sentences are measured as a few regular expressions would."""

import itertools
import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.signals.lines import LINES

NAMES = [signal.name for signal in LINES.signals]
BLANKS = " \t\u3000"
BEHIND = "(?:[かねよなわ]{0,2})[。．！？!?」』）)…♪]*$"
POLITE = re.compile(f"(?:です|ます|でした|ました|ません|でしょう|ましょう|ください){BEHIND}")
PLAIN = re.compile(f"(?:だ|である|だった|であった|だろう|であろう){BEHIND}")
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
            "です",
            "ますよね",
            "だ",
            "である",
            "」",
            "...",
            "・・・",
            "- ",
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
    paragraphs = [p.strip(BLANKS) for p in re.split(rf"\n[{BLANKS}\n]*\n", text.strip(BLANKS + "\n")) if p]
    polite = sum(bool(POLITE.search(s)) for s in sentences)
    plain = sum(bool(PLAIN.search(s)) and not POLITE.search(s) for s in sentences)
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
        "paragraphs": len(paragraphs),
        "duplicate_paragraph_share": divide(len(repeats(paragraphs)), len(paragraphs)),
        "duplicate_paragraph_char_share": divide(len("".join(repeats(paragraphs))), len("".join(paragraphs))),
        "max_line_chars": max(map(len, lines), default=0),
        "mean_line_chars": divide(len("".join(lines)), len(lines)),
        "short_line_share": divide(sum(len(line) <= 10 for line in lines), len(lines)),
        "stopped_line_share": divide(sum(line[-1] in "。．！？!?」』" for line in lines), len(lines)),
        "bullet_line_share": divide(
            sum(line[0] in "・•●○◎■□◆◇▶►▼▽▲△★☆※◦‣⁃＊*-–—" for line in lines), len(lines)
        ),
        "ellipsis_line_share": divide(
            sum(line.endswith(("…", "‥", "...", "・・・")) for line in lines), len(lines)
        ),
        "kuten": text.count("。"),
        "kuten_distance": divide(len(text), text.count("。")),
        "longest_run": max((len(list(run)) for _, run in itertools.groupby(text)), default=0),
        "polite_sentences": polite,
        "plain_sentences": plain,
        "polite_share": divide(polite, polite + plain),
    }


def repeats(items):
    """Return the items that came before."""
    return [item for i, item in enumerate(items) if item in items[:i]]


def divide(part, whole):
    """Divide, or say that it can't be."""
    return part / whole if whole else float("nan")


@pytest.mark.slow
@settings(max_examples=500)
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


def test_styles_are_told_apart():
    """です・ます with a particle and a bracket behind it is polite, だ・である is plain, and a verb is neither."""
    got = measured("「そうですよね。」ます。いいでしょうか？\nそうだ。猫である\n歩く。")
    assert (got["polite_sentences"], got["plain_sentences"]) == (3, 2)
    assert got["polite_share"] == 3 / 5


def test_lines_begin_and_end():
    """Bullets, stops and ellipses are looked for at the ends of lines, blanks aside."""
    got = measured(" ・りんご\n続きを読む... \n終わり。\n「はい」\n* 木")
    assert got["bullet_line_share"] == 2 / 5
    assert got["ellipsis_line_share"] == 1 / 5
    assert got["stopped_line_share"] == 2 / 5


def test_paragraphs_are_parted_by_blank_lines():
    """One newline parts lines, two part paragraphs, blanks between them or not."""
    got = measured("春\n夏\n\n秋\n \n春\n夏")
    assert got["paragraphs"] == 3
    assert got["duplicate_paragraph_share"] == 1 / 3
    assert got["duplicate_paragraph_char_share"] == 3 / 7
