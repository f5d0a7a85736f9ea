"""What HojiChar's filters count is counted as their regular expressions do."""

import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.signals.hojichar import HOJICHAR

NAMES = [signal.name for signal in HOJICHAR.signals]
DAY = r"\d{4}[年\.\-\/][\ ]*\d{1,2}[月\.\-\/][\ ]*\d{1,2}[日]*"
WORDS = r"コメント|SOLD OUT|レビュー|投稿|ページ|\([月火水木金土日]\)|質問|\d+話|楽天市場"
PIECES = [
    *(
        "1",
        "20",
        "2026",
        "１",
        "٣",
        "年",
        "月",
        "日",
        "-",
        "/",
        ".",
        " ",
        "話",
        "(火)",
        "(祝)",
        "(",
        "月)",
        "S",
    ),
    *(
        "コメント",
        "SOLD OUT",
        "SOLD",
        "レビュー",
        "投稿",
        "ページ",
        "質問",
        "楽天市場",
        "楽天",
        "\n",
        "...\n",
        "…\n",
        "あ",
    ),
]


def measured(text):
    """Return the signals of one text by name."""
    return {n: column[0].as_py() for n, column in zip(NAMES, HOJICHAR.measure(pa.array([text])), strict=True)}


def slowly(text):
    """Measure one text with regular expressions."""
    lines = text.split("\n")
    marks = [hit.group() for hit in re.finditer(f"{DAY}|{WORDS}|-", text)]
    return {
        "leading_kana": len(re.findall("[ぁ-んァ-ン]", text[:50])),
        "hojichar_bbs_marks": len(marks),
        "bbs_marks": len([mark for mark in marks if mark != "-"]),
        "hojichar_ellipsis_share": len(re.findall(r"(?:\.{3}|…)\n", text)) / max(text.count("\n"), 1),
        "hojichar_short_line_share": sum(len(line) <= 10 for line in lines) / len(lines),
    }


@pytest.mark.slow
@settings(max_examples=1000)
@given(st.one_of(st.lists(st.sampled_from(PIECES), max_size=30).map("".join), st.text()))
def test_hojichar_equals_its_twin(text):
    """The kernel counts what the regular expressions count."""
    assert measured(text) == slowly(text)


def test_a_million_digits():
    """Digits without a 話 are read once, not once for each of them."""
    assert measured("1" * 1_000_000)["bbs_marks"] == 0
    assert measured("1" * 1_000_000 + "話")["bbs_marks"] == 1
