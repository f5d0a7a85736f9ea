"""Measure lines and sentences exactly as the code of Swallow corpus v1 does, where that is not what one would expect.

Four things differ from the family `lines`: blank lines are lines, blanks at the ends belong to a sentence, a sentence
takes one stop and drops the rest of a run (and a line without them is what is compared), and nothing is NaN.
"""

from typing import Final

import numpy as np
import pyarrow as pa
from numba import njit

from kakehi.filters.signals.family import Family, Signal
from kakehi.filters.signals.lines import ends_sentence, seen
from kakehi.filters.signals.script import Int64NC, share
from kakehi.filters.texts import Int64N1, Texts, UInt8M, longest_of, view

_LINES, _REPEATED_LINES, _REPEATED_LINE_CHARS = range(3)
_SENTENCES, _REPEATED_SENTENCES, _REPEATED_SENTENCE_CHARS, _CHARS, _LONGEST, _ELLIPSES = range(3, 9)
_COUNTS = 9
_LINE_KIND, _SENTENCE_KIND = range(2)

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
    version=1,
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


@njit(cache=True, nogil=True)
def _count(bytes_: UInt8M, offsets: Int64N1) -> Int64NC:
    """Copy each text's sentences together, so that lines and sentences are both runs of bytes, and file them."""
    rows = len(offsets) - 1
    counts = np.zeros((rows, _COUNTS), np.int64)
    most = longest_of(offsets)
    joined = np.empty(most, np.uint8)
    slots = np.zeros((16, 3), np.int64)
    for row in range(rows):
        mine = counts[row]
        i, stop = offsets[row], offsets[row + 1]
        pieces = 2  # at most so many lines and sentences
        for k in range(i, stop):
            byte = bytes_[k]
            pieces += (byte == 0x0A) + (byte == 0x21) + (byte == 0x3F) + (byte == 0x82) + (byte == 0xEF)
        room = 16
        while room < 4 * pieces:
            room *= 2
        if room > len(slots):
            slots = np.zeros((room, 3), np.int64)
        end = line_start = sentence_start = 0
        chars, line_chars, last = 0, 0, 0
        while i <= stop:
            code, size = 0x0A, 1  # the end of a text ends its line
            if i < stop:
                code = int(bytes_[i])
                if code >= 0xF0:
                    code, size = 0x10000, 4  # no mark and no blank is up there
                elif code >= 0xE0:
                    code = (code & 0x0F) << 12 | (bytes_[i + 1] & 0x3F) << 6 | (bytes_[i + 2] & 0x3F)
                    size = 3
                elif code >= 0x80:
                    code, size = (code & 0x1F) << 6 | (bytes_[i + 1] & 0x3F), 2
            ends = ends_sentence(code)
            if code != 0x0A and (not ends or chars):
                for k in range(size):
                    joined[end + k] = bytes_[i + k]
                end += size
                chars += 1
                if not _is_blank(code):
                    last = code
            if chars and (ends or code == 0x0A):
                mine[_SENTENCES] += 1
                mine[_CHARS] += chars
                mine[_LONGEST] = max(mine[_LONGEST], chars)
                mine[_ELLIPSES] += last == 0x30FB or last == 0x2026  # noqa: PLR1714
                if seen(joined, sentence_start, end, slots, room - 1, row, _SENTENCE_KIND):
                    mine[_REPEATED_SENTENCES] += 1
                    mine[_REPEATED_SENTENCE_CHARS] += chars
                line_chars += chars
                chars, last, sentence_start = 0, 0, end
            if code == 0x0A:
                mine[_LINES] += 1
                if seen(joined, line_start, end, slots, room - 1, row, _LINE_KIND):
                    mine[_REPEATED_LINES] += 1
                    mine[_REPEATED_LINE_CHARS] += line_chars
                line_chars, line_start = 0, end
            i += size
    return counts
