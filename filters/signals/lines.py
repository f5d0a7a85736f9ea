"""Measure lines and sentences: how long, how often repeated, how often unfinished."""

from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numba import njit
from numpy.typing import NDArray

from kakehi.filters.signals.family import Family, Signal
from kakehi.filters.signals.script import share
from kakehi.filters.texts import Int64N1, Texts, UInt8M, view

Int64NC: TypeAlias = NDArray[np.int64]  # one row a text, one column a count

_LINES, _LINE_CHARS, _REPEATED_LINES, _REPEATED_LINE_CHARS = range(4)
_SENTENCES, _SENTENCE_CHARS, _LONGEST, _ELLIPSES, _REPEATED_SENTENCES, _REPEATED_SENTENCE_CHARS = range(4, 10)
_COUNTS = 10


def measure(column: pa.Array) -> tuple[pa.Array, ...]:
    """Measure the lines and sentences of every text; see `LINES.signals` for each definition."""
    n = count_lines(view(column))
    return tuple(
        map(
            pa.array,
            (
                n[:, _LINES],
                n[:, _SENTENCES],
                n[:, _LONGEST],
                share(n[:, _SENTENCE_CHARS], n[:, _SENTENCES]),
                share(n[:, _REPEATED_LINES], n[:, _LINES]),
                share(n[:, _REPEATED_LINE_CHARS], n[:, _LINE_CHARS]),
                share(n[:, _REPEATED_SENTENCES], n[:, _SENTENCES]),
                share(n[:, _REPEATED_SENTENCE_CHARS], n[:, _SENTENCE_CHARS]),
                share(n[:, _ELLIPSES], n[:, _SENTENCES]),
            ),
        )
    )


def count_lines(texts: Texts) -> Int64NC:
    """Return int64[n, counts]: what the shares are divided from."""
    return _count(texts.bytes_, texts.offsets)


_SENTENCE = "a maximal run up to and with the next run of 。．！？!? within a line, without the blanks at its ends (after Swallow corpus v1)"
_LINE = "what newlines part, without the blanks at its ends; a line of nothing but blanks is none"
_REPEATED = "equal, byte by byte, to an earlier one of the same text"

LINES = Family(
    measure=measure,
    reads=("text",),
    signals=(
        Signal(name="lines", dtype=pa.int64(), unit="lines", source=_LINE),
        Signal(name="sentences", dtype=pa.int64(), unit="sentences", source=_SENTENCE),
        Signal(
            name="max_sentence_chars",
            dtype=pa.int64(),
            unit="characters",
            source="longest sentence, 0 if none",
        ),
        Signal(
            name="mean_sentence_chars",
            dtype=pa.float64(),
            unit="characters",
            source="characters in sentences / sentences; NaN without a sentence",
        ),
        Signal(
            name="duplicate_line_share",
            dtype=pa.float64(),
            unit="share",
            source=f"lines {_REPEATED} / lines; blank lines, which Swallow counts, are not lines here",
        ),
        Signal(
            name="duplicate_line_char_share",
            dtype=pa.float64(),
            unit="share",
            source=f"characters of lines {_REPEATED} / characters of lines",
        ),
        Signal(
            name="duplicate_sentence_share",
            dtype=pa.float64(),
            unit="share",
            source=f"sentences {_REPEATED} / sentences",
        ),
        Signal(
            name="duplicate_sentence_char_share",
            dtype=pa.float64(),
            unit="share",
            source=f"characters of sentences {_REPEATED} / characters of sentences",
        ),
        Signal(
            name="ellipsis_share",
            dtype=pa.float64(),
            unit="share",
            source="sentences that end in ・ or … / sentences",
        ),
    ),
    version=1,
    libraries=(),
)


@njit(cache=True, nogil=True)
def _ends_sentence(code: int) -> bool:
    """Tell whether a character is one of 。．！？!?."""
    if code < 0x3000:
        return code == 0x3F or code == 0x21  # noqa: PLR1714 - a tuple costs half the speed
    return code == 0x3002 or code == 0xFF01 or code == 0xFF0E or code == 0xFF1F  # noqa: PLR1714


@njit(cache=True, nogil=True)
def _seen(bytes_: UInt8M, start: int, stop: int, slots: Int64NC, mask: int, row: int, kind: int) -> bool:
    """Tell whether these bytes were filed for this row and kind before, and file them.

    `slots` is int64[more than mask, 3]: stamp, start, stop; a slot of an earlier row is free.
    """
    stamp = 2 * row + kind + 1
    hash_ = np.uint32(stop - start + kind)
    for j in range(
        stop - start
    ):  # a sum of independent products, so that it vectorises; equal hashes are compared
        factor = np.uint32(j) * np.uint32(0x9E3779B1) + np.uint32(0x85EBCA6B)
        hash_ += (factor ^ (factor >> np.uint32(15))) * np.uint32(bytes_[start + j])
    slot = np.int64((hash_ * np.uint32(0xC2B2AE35)) >> np.uint32(7)) & mask
    while slots[slot, 0] > 2 * row:
        other = slots[slot, 1]
        if slots[slot, 0] == stamp and slots[slot, 2] - other == stop - start:
            j = 0
            while j < stop - start and bytes_[other + j] == bytes_[start + j]:
                j += 1
            if j == stop - start:
                return True
        slot = (slot + 1) & mask
    slots[slot, 0], slots[slot, 1], slots[slot, 2] = stamp, start, stop
    return False


@njit(cache=True, nogil=True)
def _pieces(bytes_: UInt8M, start: int, stop: int) -> int:
    """Return a bound on the lines, and on the sentences, of a text, from single bytes of the marks."""
    pieces = 1
    for i in range(start, stop):  # branch-free, so that it vectorises
        byte = bytes_[i]
        pieces += (byte == 0x0A) | (byte == 0x21) | (byte == 0x3F) | (byte == 0xEF)
        pieces += (byte == 0x82) & (bytes_[max(i - 1, start)] == 0x80)
    return pieces


@njit(cache=True, nogil=True)
def _count(bytes_: UInt8M, offsets: Int64N1) -> Int64NC:
    """Count lines and sentences in one pass; blanks at their ends belong to neither.

    A line or sentence runs from its first character that is no blank (at byte `*_start`, the `*_at`-th character;
    -1: not met yet) to the last one met (which ends at byte `tail`, the `tail_at`-th character).
    """
    rows = len(offsets) - 1
    counts = np.zeros((rows, _COUNTS), np.int64)
    slots = np.zeros((16, 3), np.int64)
    for row in range(rows):
        mine = counts[row]
        i, stop = offsets[row], offsets[row + 1]
        pieces = _pieces(bytes_, i, stop)
        room = 16
        while room < 4 * pieces:  # lines and sentences, half full at most
            room *= 2
        if room > len(slots):
            slots = np.zeros((room, 3), np.int64)
        at, tail, tail_at, last = 0, i, 0, 0
        line_start, line_at, sentence_start, sentence_at = i, -1, i, -1
        ended = False  # the character before ends a sentence
        while i <= stop:
            code, following = 0x0A, i + 1  # the end of a text ends its line
            if i < stop:
                code = int(bytes_[i])
                if code >= 0xF0:
                    code = 0x10000  # no mark is up there
                    following = i + 4
                elif code >= 0xE0:
                    code = (code & 0x0F) << 12 | (bytes_[i + 1] & 0x3F) << 6 | (bytes_[i + 2] & 0x3F)
                    following = i + 3
                elif code >= 0x80:
                    code = 0x80  # nor here
                    following = i + 2
            ends = _ends_sentence(code)
            if code == 0x0A or (ended and not ends):
                if sentence_at >= 0:
                    chars = tail_at - sentence_at
                    mine[_SENTENCES] += 1
                    mine[_SENTENCE_CHARS] += chars
                    mine[_LONGEST] = max(mine[_LONGEST], chars)
                    mine[_ELLIPSES] += last == 0x30FB or last == 0x2026  # noqa: PLR1714 - as above
                    if _seen(bytes_, sentence_start, tail, slots, room - 1, row, 1):
                        mine[_REPEATED_SENTENCES] += 1
                        mine[_REPEATED_SENTENCE_CHARS] += chars
                sentence_at = -1
                if code == 0x0A and line_at >= 0:
                    chars = tail_at - line_at
                    mine[_LINES] += 1
                    mine[_LINE_CHARS] += chars
                    if _seen(bytes_, line_start, tail, slots, room - 1, row, 0):
                        mine[_REPEATED_LINES] += 1
                        mine[_REPEATED_LINE_CHARS] += chars
                    line_at = -1
            if not (code == 0x20 or code == 0x0A or code == 0x09 or code == 0x3000):  # noqa: PLR1714 - as above
                if sentence_at < 0:
                    sentence_start, sentence_at = i, at
                    if line_at < 0:
                        line_start, line_at = i, at
                tail, tail_at, last = following, at + 1, code
            ended = ends
            at += 1
            i = following
    return counts
