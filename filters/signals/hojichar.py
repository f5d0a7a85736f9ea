"""Measure what HojiChar's filters look at, exactly as their code does, where no other family has it."""

from functools import cache
from typing import Final

import numpy as np
import pyarrow as pa
from numba import njit

from kakehi.arrays import BoolN, Int64M, Int64N1, Int64NC, UInt8M, UInt32M
from kakehi.filters.signals.family import Family, Signal
from kakehi.filters.signals.script import share
from kakehi.filters.texts import Texts, decode_into, leaf, longest_of, view

_KANA, _BBS, _HYPHENS, _BROKEN_OFF, _NEWLINES, _SHORT, _COUNTS = range(7)

#: Characters at the beginning in which kana are looked for, and characters of a line that is short.
LEADING: Final = 50
SHORT_LINE: Final = 10

# What unsigned places meet is unsigned too: with a signed number it would be a float.
_0, _1, _2, _3 = map(np.uint64, range(4))

_PHRASES: Final = ("コメント", "SOLD OUT", "レビュー", "投稿", "ページ", "質問", "楽天市場")
_WEEKDAYS: Final = "月火水木金土日"


def measure(column: pa.Array) -> tuple[pa.Array, ...]:
    """Measure every text; see `HOJICHAR.signals` for each definition."""
    n = count_hojichar(view(column)).T
    lines = n[_NEWLINES] + 1
    return tuple(
        map(
            pa.array,
            (
                n[_KANA],
                n[_BBS] + n[_HYPHENS],
                n[_BBS],
                n[_BROKEN_OFF] / np.maximum(n[_NEWLINES], 1),
                share(n[_SHORT], lines),
            ),
        )
    )


def count_hojichar(texts: Texts) -> Int64NC:
    """Return int64[n, counts]: what the signals are made of."""
    return _count(texts.bytes_, texts.offsets, _digits(), _beginnings(), _phrases())


_SOURCE: Final = "as HojiChar's {} has it"


def _counted(name: str, unit: str, source: str) -> Signal:
    return Signal(name=name, dtype=pa.int64(), unit=unit, source=source)


HOJICHAR = Family(
    measure=measure,
    reads=("text",),
    signals=(
        _counted(
            "leading_kana",
            "characters",
            f"kana ぁ-ん and ァ-ン in the first {LEADING} characters; {_SOURCE.format('AcceptJapanese')}",
        ),
        _counted(
            "hojichar_bbs_marks",
            "hits",
            "dates, weekdays in brackets, numbered 話, コメント, SOLD OUT, レビュー, 投稿, ページ, 質問, 楽天市場, and every "
            f"ASCII hyphen; {_SOURCE.format('DiscardBBSComments')}",
        ),
        _counted("bbs_marks", "hits", "the same without the hyphens, which every command line is full of"),
        Signal(
            name="hojichar_ellipsis_share",
            dtype=pa.float64(),
            unit="share",
            source=f"newlines behind … or ... / newlines, or / 1 if there is none; {_SOURCE.format('DiscardTooManyEndingEllipsis')}",
        ),
        Signal(
            name="hojichar_short_line_share",
            dtype=pa.float64(),
            unit="share",
            source=f"lines of {SHORT_LINE} characters or fewer, blank ones included / lines; {_SOURCE.format('DiscardTooShortLines')}",
        ),
    ),
    version=1,
    libraries=("unicodedata",),
    kernels=("hojichar",),
)


@cache
def _digits() -> BoolN:
    r"""Return bool[65536]: what `\d` means to Python, in plane 0."""
    return np.array([chr(code).isdecimal() for code in range(0x10000)])


@cache
def _beginnings() -> BoolN:
    """Return bool[65536]: where a hit may begin. Nearly everywhere none does, and one look is all it takes."""
    table = _digits().copy()
    table[[ord(first) for first in ("-", "(", *(phrase[0] for phrase in _PHRASES))]] = True
    return table


@cache
def _phrases() -> UInt32M:
    """Pack the phrases for the kernel: the length of each in characters, then its code points."""
    return np.array([code for p in _PHRASES for code in (len(p), *map(ord, p))], np.uint32)


_WEEKDAY_CODES: Final[Int64M] = np.array(list(map(ord, _WEEKDAYS)), np.int64)


@njit(cache=True, nogil=True)
def _is_digit(codes: UInt32M, i: int, digits: BoolN) -> bool:
    return i < len(codes) and codes[i] < len(digits) and digits[codes[i]]


@njit(cache=True, nogil=True)
def _number(codes: UInt32M, i: int, digits: BoolN, unit: int) -> int:
    """Read blanks, one or two digits, and the unit or one of .-/ ; give where it ends, or -1."""
    while i < len(codes) and codes[i] == 0x20:
        i += 1
    if not _is_digit(codes, i, digits):
        return -1
    i += 2 if _is_digit(codes, i + 1, digits) else 1
    return i + 1 if _is_separator(codes, i, unit) else -1


@njit(cache=True, nogil=True)
def _is_separator(codes: UInt32M, i: int, unit: int) -> bool:
    if i >= len(codes):
        return False
    code = codes[i]
    return code == unit or code == 0x2E or code == 0x2D or code == 0x2F  # noqa: PLR1714 - a tuple costs half the speed


@njit(cache=True, nogil=True)
def _date(codes: UInt32M, i: int, digits: BoolN) -> int:
    """Read 2026年11月25日 or the same with .-/ ; give where it ends, or -1."""
    for k in range(4):
        if not _is_digit(codes, i + k, digits):
            return -1
    if not _is_separator(codes, i + 4, 0x5E74):
        return -1
    i = _number(codes, i + 5, digits, 0x6708)
    if i < 0:
        return -1
    while i < len(codes) and codes[i] == 0x20:
        i += 1
    if not _is_digit(codes, i, digits):
        return -1
    i += 2 if _is_digit(codes, i + 1, digits) else 1
    while i < len(codes) and codes[i] == 0x65E5:
        i += 1
    return i


@njit(cache=True, nogil=True)
def _phrase(codes: UInt32M, i: int, phrases: UInt32M) -> int:
    """Give where a phrase that begins here ends, or -1."""
    p = 0
    while p < len(phrases):
        size = int(phrases[p])
        k = 0
        while k < size and i + k < len(codes) and codes[i + k] == phrases[p + 1 + k]:
            k += 1
        if k == size:
            return i + size
        p += 1 + size
    return -1


@njit(cache=True, nogil=True)
def _weekday(codes: UInt32M, i: int) -> int:
    """Read (月); give where it ends, or -1."""
    if i + 2 < len(codes) and codes[i + 2] == 0x29:
        for day in _WEEKDAY_CODES:
            if codes[i + 1] == day:
                return i + 3
    return -1


@leaf
def _count_lines(codes: UInt32M, size: int, mine: Int64M) -> None:
    """Count newlines, short lines and lines that break off; places are unsigned, which is half as slow again."""
    line, stop = _0, np.uint64(size)
    for i in range(_0, stop):
        if codes[i] == 0x0A:
            mine[_SHORT] += i - line <= SHORT_LINE
            mine[_NEWLINES] += 1
            dots = i > _2 and codes[i - _1] == 0x2E and codes[i - _2] == 0x2E and codes[i - _3] == 0x2E
            mine[_BROKEN_OFF] += dots or (i > _0 and codes[i - _1] == 0x2026)
            line = i + _1
    mine[_SHORT] += stop - line <= SHORT_LINE


@leaf
def _next_beginning(codes: UInt32M, start: int, size: int, beginnings: BoolN) -> np.int64:
    """Give the next place where a hit may begin, or the end."""
    i, stop = np.uint64(start), np.uint64(size)
    while i < stop and not (codes[i] < len(beginnings) and beginnings[np.uint64(codes[i])]):
        i += _1
    return np.int64(i)


@njit(cache=True, nogil=True)
def _count(bytes_: UInt8M, offsets: Int64N1, digits: BoolN, beginnings: BoolN, phrases: UInt32M) -> Int64NC:
    """Walk over every text once; a hit is gone over as a whole."""
    rows = len(offsets) - 1
    counts = np.zeros((rows, _COUNTS), np.int64)
    most = longest_of(offsets)
    scratch = np.empty(most, np.uint32)
    for row in range(rows):
        size = decode_into(bytes_, offsets[row], offsets[row + 1], scratch)
        codes, mine = scratch[:size], counts[row]
        for code in codes[:LEADING]:
            mine[_KANA] += 0x3041 <= code <= 0x3093 or 0x30A1 <= code <= 0x30F3
        _count_lines(codes, size, mine)
        i, run_end = _next_beginning(codes, 0, size, beginnings), 0  # run_end: behind the last digits met
        while i < size:
            code, end = codes[i], -1
            if _is_digit(codes, i, digits):
                end = _date(codes, i, digits)
                if end < 0:
                    run_end = max(run_end, i)
                    while _is_digit(codes, run_end, digits):
                        run_end += 1
                    end = run_end + 1 if run_end < size and codes[run_end] == 0x8A71 else -1
            elif code == 0x2D:
                mine[_HYPHENS] += 1
            elif code == 0x28:
                end = _weekday(codes, i)
            else:
                end = _phrase(codes, i, phrases)
            mine[_BBS] += end >= 0
            i = _next_beginning(codes, max(end, i + 1), size, beginnings)
    return counts
