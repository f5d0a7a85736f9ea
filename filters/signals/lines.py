"""Measure lines, sentences and paragraphs: how long, how often repeated, how they begin and end, in which style.

`_count` has over 70 lines, because all of it is one pass over the text: the state of line, sentence and paragraph is
shared at every character.
"""

from typing import Final

import numpy as np
import pyarrow as pa
from numba import njit

from kakehi.arrays import Int64M, Int64N1, Int64NC, UInt8M
from kakehi.filters.codepoints import code_at
from kakehi.filters.signals.family import Family, Signal
from kakehi.filters.signals.script import share
from kakehi.filters.signals.segments import KINDS, STOPS, before, bound_of_units, ends_sentence, seen
from kakehi.filters.texts import Texts, character, leaf, view

_LINES, _LINE_CHARS, _REPEATED_LINES, _REPEATED_LINE_CHARS = range(4)
_SENTENCES, _SENTENCE_CHARS, _LONGEST, _ELLIPSES, _REPEATED_SENTENCES, _REPEATED_SENTENCE_CHARS = range(4, 10)
_PARAGRAPHS, _PARAGRAPH_CHARS, _REPEATED_PARAGRAPHS, _REPEATED_PARAGRAPH_CHARS = range(10, 14)
_LONGEST_LINE, _SHORT_LINES, _STOPPED_LINES, _BULLETS, _BROKEN_OFF = range(14, 19)
_CHARACTERS, _KUTEN, _RUN, _POLITE, _PLAIN = range(19, 24)
_COUNTS = 24
_LINE_KIND, _SENTENCE_KIND, _PARAGRAPH_KIND = range(KINDS)

#: A line of so many characters is short (as HojiChar has it).
SHORT_LINE: Final = 10
_BULLET_MARKS: Final = "・•●○◎■□◆◇▶►▼▽▲△★☆※◦‣⁃＊*-–—"
_POLITE_ENDS: Final = ("です", "ます", "でした", "ました", "ません", "でしょう", "ましょう", "ください")
_PLAIN_ENDS: Final = ("だ", "である", "だった", "であった", "だろう", "であろう")
_PARTICLES: Final = "かねよなわ"
_CLOSERS: Final = "。．！？!?」』）)…♪"


def measure(column: pa.Array) -> tuple[pa.Array, ...]:
    """Measure the lines and sentences of every text; see `LINES.signals` for each definition."""
    n = count_lines(view(column)).T
    styled = n[_POLITE] + n[_PLAIN]
    return tuple(
        map(
            pa.array,
            (
                n[_LINES],
                n[_SENTENCES],
                n[_LONGEST],
                share(n[_SENTENCE_CHARS], n[_SENTENCES]),
                share(n[_REPEATED_LINES], n[_LINES]),
                share(n[_REPEATED_LINE_CHARS], n[_LINE_CHARS]),
                share(n[_REPEATED_SENTENCES], n[_SENTENCES]),
                share(n[_REPEATED_SENTENCE_CHARS], n[_SENTENCE_CHARS]),
                share(n[_ELLIPSES], n[_SENTENCES]),
                n[_PARAGRAPHS],
                share(n[_REPEATED_PARAGRAPHS], n[_PARAGRAPHS]),
                share(n[_REPEATED_PARAGRAPH_CHARS], n[_PARAGRAPH_CHARS]),
                n[_LONGEST_LINE],
                share(n[_LINE_CHARS], n[_LINES]),
                share(n[_SHORT_LINES], n[_LINES]),
                share(n[_STOPPED_LINES], n[_LINES]),
                share(n[_BULLETS], n[_LINES]),
                share(n[_BROKEN_OFF], n[_LINES]),
                n[_KUTEN],
                share(n[_CHARACTERS], n[_KUTEN]),
                n[_RUN],
                n[_POLITE],
                n[_PLAIN],
                share(n[_POLITE], styled),
            ),
        )
    )


def count_lines(texts: Texts) -> Int64NC:
    """Return int64[n, counts]: what the shares are divided from."""
    return _count(texts.bytes_, texts.offsets)


_SENTENCE = "a maximal run up to and with the next run of 。．！？!? within a line, without the blanks at its ends (after Swallow corpus v1)"
_LINE = "what newlines part, without the blanks at its ends; a line of nothing but blanks is none"
_REPEATED = "equal, byte by byte, to an earlier one of the same text"
_STYLE = "closing marks and up to two of か, ね, よ, な, わ behind it left out"


def _counted(name: str, unit: str, source: str) -> Signal:
    return Signal(name=name, dtype=pa.int64(), unit=unit, source=source)


def _shared(name: str, source: str, unit: str = "share") -> Signal:
    return Signal(name=name, dtype=pa.float64(), unit=unit, source=source)


LINES = Family(
    measure=measure,
    reads=("text",),
    signals=(
        _counted("lines", "lines", _LINE),
        _counted("sentences", "sentences", _SENTENCE),
        _counted("max_sentence_chars", "characters", "longest sentence, 0 if none"),
        _shared(
            "mean_sentence_chars", "characters in sentences / sentences; NaN without a sentence", "characters"
        ),
        _shared(
            "duplicate_line_share",
            f"lines {_REPEATED} / lines; blank lines, which Swallow counts, are not lines here",
        ),
        _shared("duplicate_line_char_share", f"characters of lines {_REPEATED} / characters of lines"),
        _shared("duplicate_sentence_share", f"sentences {_REPEATED} / sentences"),
        _shared(
            "duplicate_sentence_char_share", f"characters of sentences {_REPEATED} / characters of sentences"
        ),
        _shared("ellipsis_share", "sentences that end in ・ or … / sentences"),
        _counted("paragraphs", "paragraphs", "lines with no blank line between them"),
        _shared("duplicate_paragraph_share", f"paragraphs {_REPEATED} / paragraphs"),
        _shared(
            "duplicate_paragraph_char_share",
            f"characters of paragraphs {_REPEATED} / characters of paragraphs, newlines inside included",
        ),
        _counted("max_line_chars", "characters", "longest line, 0 if none"),
        _shared("mean_line_chars", "characters in lines / lines; NaN without a line", "characters"),
        _shared("short_line_share", f"lines of {SHORT_LINE} characters or fewer / lines"),
        _shared("stopped_line_share", "lines that end in one of 。．！？!?」』 / lines"),
        _shared("bullet_line_share", f"lines that begin with one of {_BULLET_MARKS} / lines"),
        _shared("ellipsis_line_share", "lines that end in …, ‥, ... or ・・・ / lines"),
        _counted("kuten", "characters", "。"),
        _shared("kuten_distance", "characters of the text / kuten; NaN without one", "characters"),
        _counted("longest_run", "characters", "longest run of one character, blanks and newlines included"),
        _counted(
            "polite_sentences", "sentences", f"sentences that end in {', '.join(_POLITE_ENDS)}, {_STYLE}"
        ),
        _counted("plain_sentences", "sentences", f"sentences that end in {', '.join(_PLAIN_ENDS)}, {_STYLE}"),
        _shared(
            "polite_share",
            "polite_sentences / (polite_sentences + plain_sentences): です・ます against だ・である",
        ),
    ),
    version=2,
    libraries=(),
    kernels=("lines",),
)


def _codes(marks: str) -> Int64M:
    """Give the code points of marks, sorted."""
    return np.array(sorted(map(ord, marks)), np.int64)


def _suffixes(endings: tuple[str, ...]) -> UInt8M:
    """Pack endings for the kernel: the length of each in bytes, then its bytes; all of kana."""
    return np.frombuffer(b"".join(bytes([len(e.encode())]) + e.encode() for e in endings), np.uint8)


_1, _ASCII, _KUTEN_CODE, _WIDE_BANG = (np.uint64(value) for value in (1, 0x80, ord("。"), ord("！")))
_BULLET_CODES, _CLOSER_CODES, _PARTICLE_CODES = map(_codes, (_BULLET_MARKS, _CLOSERS, _PARTICLES))
_POLITE_BYTES, _PLAIN_BYTES = map(_suffixes, (_POLITE_ENDS, _PLAIN_ENDS))


@njit(cache=True, nogil=True)
def _is_one_of(code: int, codes: Int64M) -> bool:
    """Look a code point up in a few sorted ones."""
    for other in codes:  # noqa: SIM110 - any() is no loop to numba
        if other == code:
            return True
    return False


@njit(cache=True, nogil=True)
def _ends_in(bytes_: UInt8M, start: int, stop: int, endings: UInt8M) -> bool:
    """Tell whether a piece ends in one of the packed endings."""
    i = 0
    while i < len(endings):
        size = int(endings[i])
        if stop - size >= start:
            j = 0
            while j < size and bytes_[stop - size + j] == endings[i + 1 + j]:
                j += 1
            if j == size:
                return True
        i += 1 + size
    return False


@njit(cache=True, nogil=True)
def _style(bytes_: UInt8M, start: int, stop: int) -> int:
    """Name a sentence's style by the column that counts it, or -1."""
    code, at = before(bytes_, start, stop)
    while at < stop and _is_one_of(code, _CLOSER_CODES):
        stop = at
        code, at = before(bytes_, start, stop)
    if not 0x3041 <= code <= 0x3096:  # all endings and particles are hiragana
        return -1
    for particles in range(3):  # none, ね, よね
        if _ends_in(bytes_, start, stop, _POLITE_BYTES):
            return _POLITE
        if _ends_in(bytes_, start, stop, _PLAIN_BYTES):
            return _PLAIN
        code, at = before(bytes_, start, stop)
        if particles == 2 or not _is_one_of(code, _PARTICLE_CODES):
            break
        stop = at
    return -1


@njit(cache=True, nogil=True)
def _breaks_off(bytes_: UInt8M, start: int, stop: int) -> bool:
    """Tell whether a line ends in …, ‥, three full stops or three middle dots."""
    code, at = before(bytes_, start, stop)
    if code == 0x2026 or code == 0x2025:  # noqa: PLR1714 - a tuple costs half the speed
        return True
    if code != 0x2E and code != 0x30FB:  # noqa: PLR1714
        return False
    second, at = before(bytes_, start, at)
    third, at = before(bytes_, start, at)
    return second == code and third == code


@leaf
def _plain_until(
    bytes_: UInt8M, start: int, stop: int, at: int, previous: int, run: int, longest_run: int
) -> tuple[np.int64, np.int64, np.int64, int, int]:
    """Go over characters that end neither a sentence nor a line: nothing but runs of one is counted there.

    Places are unsigned: a signed one may count from the end, and asking costs half the speed. Nothing is asked of a
    character that nobody can guess, but of a table.

    Returns:
        Where it stopped, in bytes and characters, the last character, how often it stood there, and the longest run.
    """
    i, end, last, found = np.uint64(start), np.uint64(stop), np.uint64(previous), np.uint64(at)
    while i < end:
        code, following = character(bytes_, i)
        if code < _ASCII:
            if STOPS[code]:
                break
        elif code == _KUTEN_CODE or (code >= _WIDE_BANG and ends_sentence(np.int64(code))):
            break
        run = (run if code == last else 0) + 1
        longest_run = max(longest_run, run)
        last = code
        found += _1
        i = following
    return np.int64(i), np.int64(found), np.int64(last), run, longest_run


@njit(cache=True, nogil=True)
def _is_blank(code: int) -> bool:
    """Tell whether a character is no part of a piece where it stands at an end."""
    return code == 0x20 or code == 0x0A or code == 0x09 or code == 0x3000  # noqa: PLR1714 - a tuple costs half the speed


@leaf
def _add_sentence(
    mine: Int64M, bytes_: UInt8M, start: int, stop: int, chars: int, last: int, again: bool
) -> None:
    """Count a sentence of so many characters, `last` the last of them; `again`: it was there before."""
    mine[_SENTENCES] += 1
    mine[_SENTENCE_CHARS] += chars
    mine[_LONGEST] = max(mine[_LONGEST], chars)
    mine[_ELLIPSES] += last == 0x30FB or last == 0x2026  # noqa: PLR1714 - as above
    style = _style(bytes_, start, stop)
    if style >= 0:
        mine[style] += 1
    if again:
        mine[_REPEATED_SENTENCES] += 1
        mine[_REPEATED_SENTENCE_CHARS] += chars


@leaf
def _add_line(
    mine: Int64M, bytes_: UInt8M, start: int, stop: int, chars: int, last: int, again: bool
) -> None:
    """Count a line, as `_add_sentence` does a sentence."""
    mine[_LINES] += 1
    mine[_LINE_CHARS] += chars
    mine[_LONGEST_LINE] = max(mine[_LONGEST_LINE], chars)
    mine[_SHORT_LINES] += chars <= SHORT_LINE
    mine[_STOPPED_LINES] += ends_sentence(last) or last == 0x300D or last == 0x300F  # noqa: PLR1714 - as above
    mine[_BULLETS] += _is_one_of(code_at(bytes_, start)[0], _BULLET_CODES)
    mine[_BROKEN_OFF] += _breaks_off(bytes_, start, stop)
    if again:
        mine[_REPEATED_LINES] += 1
        mine[_REPEATED_LINE_CHARS] += chars


@njit(cache=True, nogil=True)
def _count(bytes_: UInt8M, offsets: Int64N1) -> Int64NC:
    """Count lines, sentences and paragraphs in one pass; blanks at their ends belong to none.

    Each runs from its first character that is no blank (at byte `*_start`, the `*_at`-th character; -1: not met yet)
    to the last one met (which ends at byte `tail`, the `tail_at`-th character).
    """
    rows = len(offsets) - 1
    counts = np.zeros((rows, _COUNTS), np.int64)
    slots = np.zeros((16, 3), np.int64)
    for row in range(rows):
        mine = counts[row]
        i, stop = offsets[row], offsets[row + 1]
        pieces = bound_of_units(bytes_, i, stop)
        room = 16
        while room < 4 * pieces:  # all three kinds, three quarters full at most
            room *= 2
        if room > len(slots):
            slots = np.zeros((room, 3), np.int64)
        at, tail, tail_at, last = 0, i, 0, 0
        line_start, line_at, sentence_start, sentence_at, paragraph_start, paragraph_at = i, -1, i, -1, i, -1
        ended = False  # the character before ends a sentence
        previous, run, kuten, longest_run = -1, 0, 0, 0
        while i <= stop:
            code, following = 0x0A, i + 1  # the end of a text ends its line
            if i < stop:
                code, following = code_at(bytes_, i)
                run = run + 1 if code == previous else 1
                longest_run = max(longest_run, run)
                previous = code
                kuten += code == 0x3002
            ends = ends_sentence(code)
            if code == 0x0A or (ended and not ends):
                if sentence_at >= 0:
                    again = seen(bytes_, sentence_start, tail, slots, room - 1, row, _SENTENCE_KIND)
                    _add_sentence(mine, bytes_, sentence_start, tail, tail_at - sentence_at, last, again)
                sentence_at = -1
                if code == 0x0A:
                    if paragraph_at >= 0 and (line_at < 0 or i == stop):
                        chars = tail_at - paragraph_at
                        mine[_PARAGRAPHS] += 1
                        mine[_PARAGRAPH_CHARS] += chars
                        if seen(bytes_, paragraph_start, tail, slots, room - 1, row, _PARAGRAPH_KIND):
                            mine[_REPEATED_PARAGRAPHS] += 1
                            mine[_REPEATED_PARAGRAPH_CHARS] += chars
                        paragraph_at = -1
                    if line_at >= 0:
                        again = seen(bytes_, line_start, tail, slots, room - 1, row, _LINE_KIND)
                        _add_line(mine, bytes_, line_start, tail, tail_at - line_at, last, again)
                        line_at = -1
            ended = ends
            at += 1
            if not _is_blank(code):
                if sentence_at < 0:
                    sentence_start, sentence_at = i, at - 1
                    if line_at < 0:
                        line_start, line_at = i, at - 1
                        if paragraph_at < 0:
                            paragraph_start, paragraph_at = i, at - 1
                if not ends:
                    following, at, previous, run, longest_run = _plain_until(
                        bytes_, following, stop, at, code, run, longest_run
                    )
                    code = previous
                tail, tail_at, last = following, at, code
                while _is_blank(last):
                    tail, tail_at = tail - (3 if last == 0x3000 else 1), tail_at - 1
                    last, _ = before(bytes_, line_start, tail)
            i = following
        mine[_CHARACTERS], mine[_KUTEN], mine[_RUN] = at - 1, kuten, longest_run
    return counts
