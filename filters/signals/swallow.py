"""Measure lines and sentences exactly as the code of Swallow corpus v1 does, where that is not what one would expect.

Four things differ from the family `lines`: blank lines are lines, blanks at the ends belong to a sentence, a sentence
takes one stop and drops the rest of a run (and a line without them is what is compared), and nothing is NaN.
"""

from typing import Final

import numpy as np
import pyarrow as pa
from numba import njit

from kakehi.arrays import Int64N1, Int64NC, UInt8M
from kakehi.filters.signals.family import Family, Signal
from kakehi.filters.signals.script import share
from kakehi.filters.signals.segments import STOPS, before, bound_of_units, ends_sentence, seen
from kakehi.filters.texts import Texts, leaf, longest_of, view

_LINES, _REPEATED_LINES, _REPEATED_LINE_CHARS = range(3)
_SENTENCES, _REPEATED_SENTENCES, _REPEATED_SENTENCE_CHARS, _CHARS, _LONGEST, _ELLIPSES = range(3, 9)
_COUNTS = 9
_LINE_KIND, _SENTENCE_KIND = range(2)

# What unsigned places meet is unsigned too: with a signed number it would be a float.
_0, _1, _2, _3, _4 = map(np.uint64, range(5))

_SOURCE: Final = "quality.py of Swallow corpus v1"


def measure(column: pa.Array) -> tuple[pa.Array, ...]:
    """Measure lines and sentences of every text; see `SWALLOW.signals` for each definition."""
    n = count_swallow(view(column)).T
    shares = (
        share(n[_REPEATED_LINES], n[_LINES]),
        share(n[_REPEATED_LINE_CHARS], n[_CHARS]),
        share(n[_REPEATED_SENTENCES], n[_SENTENCES]),
        share(n[_REPEATED_SENTENCE_CHARS], n[_CHARS]),
        share(n[_CHARS], n[_SENTENCES]),
        share(n[_ELLIPSES], n[_SENTENCES]),
    )
    return (pa.array(n[_LONGEST]), *(pa.array(np.nan_to_num(values, nan=0.0)) for values in shares))


def count_swallow(texts: Texts) -> Int64NC:
    """Return int64[n, counts]: what the shares are divided from."""
    return _count(texts.bytes_, texts.offsets)


def _shared(name: str, source: str, unit: str = "share") -> Signal:
    return Signal(name=name, dtype=pa.float64(), unit=unit, source=f"{source}; 0 if there is none")


SWALLOW = Family(
    measure=measure,
    reads=("text",),
    signals=(
        Signal(
            name="swallow_max_sentence_chars",
            dtype=pa.int64(),
            unit="characters",
            source=f"longest sentence: a run without 。．！？!? and one of these, if it follows, within a line; {_SOURCE}",
        ),
        _shared(
            "swallow_duplicate_line_share",
            "lines equal to an earlier one / lines, blank lines included; a line is its sentences joined",
        ),
        _shared(
            "swallow_duplicate_line_char_share",
            "characters of lines equal to an earlier one / characters of lines",
        ),
        _shared("swallow_duplicate_sentence_share", "sentences equal to an earlier one / sentences"),
        _shared(
            "swallow_duplicate_sentence_char_share",
            "characters of sentences equal to an earlier one / characters of sentences",
        ),
        _shared("swallow_mean_sentence_chars", "characters of sentences / sentences", "characters"),
        _shared("swallow_ellipsis_share", "sentences that end in ・ or …, blanks aside / sentences"),
    ),
    version=2,
    libraries=(),
    kernels=("swallow",),
)


@njit(cache=True, nogil=True)
def _is_blank(code: int) -> bool:
    """Tell whether Python's `str.strip` takes a character away."""
    if code < 0x80:
        return code == 0x20 or 0x09 <= code <= 0x0D or 0x1C <= code <= 0x1F
    if code < 0x2000:
        return code == 0x85 or code == 0xA0 or code == 0x1680  # noqa: PLR1714 - a tuple costs half the speed
    spaces = code <= 0x200A or code == 0x2028 or code == 0x2029 or code == 0x202F or code == 0x205F  # noqa: PLR1714
    return spaces or code == 0x3000


@leaf
def _until_stop(bytes_: UInt8M, start: int, stop: int) -> tuple[np.int64, int]:
    """Go over characters that neither end a sentence nor a line; give where that stopped, and how many they were."""
    i, end, found = np.uint64(start), np.uint64(stop), 0
    while i < end:
        byte = bytes_[i]
        if byte < 0x80:
            if STOPS[byte]:
                break
            i += _1
        elif byte < 0xE0:
            i += _2
        elif byte < 0xF0:
            if byte == 0xE3 or byte == 0xEF:  # noqa: PLR1714 - as above
                code = np.int64(bytes_[i + _1] & 0x3F) << 6 | np.int64(bytes_[i + _2] & 0x3F)
                if ends_sentence(np.int64(byte & 0x0F) << 12 | code):
                    break
            i += _3
        else:
            i += _4
        found += 1
    return np.int64(i), found


@leaf
def _copy(bytes_: UInt8M, start: int, stop: int, joined: UInt8M, end: int) -> int:
    """Add bytes to those joined so far, and give the new end."""
    source, target = np.uint64(start), np.uint64(end)
    for k in range(_0, np.uint64(stop - start)):
        joined[target + k] = bytes_[source + k]
    return end + stop - start


@leaf
def _last_printed(joined: UInt8M, start: int, stop: int) -> int:
    """Give the last character that is no blank, 0 if there is none."""
    while stop > start:
        code, stop = before(joined, start, stop)
        if not _is_blank(code):
            return code
    return 0


@njit(cache=True, nogil=True)
def _count(bytes_: UInt8M, offsets: Int64N1) -> Int64NC:
    """Copy each text's sentences together, so that lines and sentences are both runs of bytes, and file them."""
    rows = len(offsets) - 1
    counts = np.zeros((rows, _COUNTS), np.int64)
    joined = np.empty(longest_of(offsets), np.uint8)
    slots = np.zeros((16, 3), np.int64)
    for row in range(rows):
        mine = counts[row]
        i, stop = offsets[row], offsets[row + 1]
        room, most = 16, 4 * bound_of_units(bytes_, i, stop)
        while room < most:
            room *= 2
        if room > len(slots):
            slots = np.zeros((room, 3), np.int64)
        end = line_start = line_chars = 0
        while i <= stop:
            begun, sentence_start = i, end
            i, chars = _until_stop(bytes_, begun, stop)
            if chars:
                if i < stop and bytes_[i] != 0x0A:  # one stop is the sentence's
                    i += 1 if bytes_[i] < 0x80 else 3
                    chars += 1
                end = _copy(bytes_, begun, i, joined, end)
                last = _last_printed(joined, sentence_start, end)
                mine[_SENTENCES] += 1
                mine[_CHARS] += chars
                mine[_LONGEST] = max(mine[_LONGEST], chars)
                mine[_ELLIPSES] += last == 0x30FB or last == 0x2026  # noqa: PLR1714
                if seen(joined, sentence_start, end, slots, room - 1, row, _SENTENCE_KIND):
                    mine[_REPEATED_SENTENCES] += 1
                    mine[_REPEATED_SENTENCE_CHARS] += chars
                line_chars += chars
            elif i < stop and bytes_[i] != 0x0A:  # further stops are nobody's
                i += 1 if bytes_[i] < 0x80 else 3
            if i == stop or bytes_[i] == 0x0A:
                mine[_LINES] += 1
                if seen(joined, line_start, end, slots, room - 1, row, _LINE_KIND):
                    mine[_REPEATED_LINES] += 1
                    mine[_REPEATED_LINE_CHARS] += line_chars
                line_chars, line_start = 0, end
                i += 1
    return counts
