"""Settle the spellings of one character that differ by keyboard or codec, and lose nothing a reader would miss.

Every change is a row of `RULES`. Neither NFKC (①→1, ㍻→平成, 3½→31⁄2) nor NFC (神 U+FA19→神 U+795E) is safe for
Japanese text; peers' rules are made for dictionary look-up (2010〜2020年 → 20102020年).
"""

import re
import unicodedata
from functools import cache
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numba import njit

from kakehi.filters.cleaning.rules import COMPATIBILITY_IDEOGRAPHS, RULES, Act, Level, Rule
from kakehi.filters.texts import BoolN, Int64N1, Texts, UInt8M, UInt32M, column_of, view

__all__ = ["RULES", "Level", "Rule", "normalise"]

_TABLE_SIZE = 0x20000  # planes 0 and 1; above them only noncharacters change


def normalise(column: pa.Array, level: Level = "training") -> pa.LargeStringArray:
    """Apply the rules of a level to every text; a null row becomes an empty text.

    Idempotent. `archive` keeps layout and every visible character; `training` also settles width, dashes and blanks.

    Raises:
        ValueError: `level` names no level.
    """
    if level not in ("archive", "training"):
        raise ValueError(f"normalise: level is {level!r}, wanted 'archive' or 'training'")
    texts = view(column)
    bytes_, offsets, unordered = _rewrite(texts.bytes_, texts.offsets, *_tables(level), level == "training")
    settled = column_of(Texts(bytes_[: offsets[-1]], offsets))
    return _order_marks(settled, unordered) if unordered.any() else settled


class _Tables(NamedTuple):
    acts: UInt8M  # what the kernel does at a code point
    becomes: UInt32M  # the code point that replaces it
    voiced: UInt32M  # U+3040 + i with dakuten, or 0
    half_voiced: UInt32M  # U+3040 + i with handakuten, or 0


@cache
def _tables(level: Level) -> _Tables:
    """Write the rules of a level out as tables over code points."""
    acts = np.zeros(_TABLE_SIZE, np.uint8)
    becomes = np.arange(_TABLE_SIZE, dtype=np.uint32)
    for code in range(0x80, _TABLE_SIZE):
        _mark_unordered(code, acts, becomes)
    for rule in RULES:
        if level in rule.levels:
            for i, character in enumerate(rule.characters):
                acts[ord(character)] = rule.act
                becomes[ord(character)] = ord(rule.becomes[i]) if rule.becomes else ord(character)
    return _Tables(acts, becomes, _composed("\u3099"), _composed("\u309a"))


def _mark_unordered(code: int, acts: UInt8M, becomes: UInt32M) -> None:
    """Mark a code point that NFC may change, except for compatibility ideographs."""
    if 0xF900 <= code <= 0xFAFF:
        return
    character = chr(code)
    settled = unicodedata.normalize("NFC", character)
    if len(settled) == 1 and settled != character and not unicodedata.combining(settled):
        acts[code], becomes[code] = Act.MAP, ord(settled)
    elif settled != character or unicodedata.combining(character) or _may_compose(code):
        acts[code] = Act.UNORDERED


def _may_compose(code: int) -> bool:
    """Tell whether a starter composes with what stands before it: Hangul jamo and a few Indic vowels do.

    The Indic ones are those that end a canonical decomposition.
    """
    return 0x1161 <= code <= 0x1175 or 0x11A8 <= code <= 0x11C2 or code in _second_starters()


@cache
def _second_starters() -> frozenset[int]:
    seconds = set()
    for code in range(_TABLE_SIZE):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            seconds.add(int(parts[1], 16))
    return frozenset(code for code in seconds if not unicodedata.combining(chr(code)))


def _composed(mark: str) -> UInt32M:
    composed = [unicodedata.normalize("NFC", chr(0x3040 + i) + mark) for i in range(0xC0)]
    return np.array([ord(c) if len(c) == 1 else 0 for c in composed], np.uint32)


def _order_marks(column: pa.LargeStringArray, unordered: BoolN) -> pa.LargeStringArray:
    """Compose and order combining marks in the marked rows, by NFC between compatibility ideographs."""
    rows = np.flatnonzero(unordered)
    settled = pa.array([_nfc_safe(text) for text in column.take(rows).to_pylist()], pa.large_string())
    where = np.arange(len(column))
    where[rows] = len(column) + np.arange(len(rows))
    return pa.concat_arrays([column, settled]).take(pa.array(where))


def _nfc_safe(text: str) -> str:
    pieces = re.split(f"({COMPATIBILITY_IDEOGRAPHS})", text)
    pieces[::2] = [unicodedata.normalize("NFC", piece) for piece in pieces[::2]]
    return "".join(pieces)


_Rewritten: TypeAlias = tuple[UInt8M, Int64N1, BoolN]

# Plain integers: numba freezes module globals, and an enum member costs compile time.
_PLAIN, _MAP, _REMOVE, _NEWLINE, _BLANK, _JOINER, _DAKUTEN, _HANDAKUTEN, _NUMBER_MARK, _UNORDERED = map(
    int, Act
)


@njit(cache=True, nogil=True)
def _code_at(bytes_: UInt8M, i: int) -> tuple[int, int]:
    """Return the code point at `i` and the place after it."""
    byte = int(bytes_[i])
    if byte < 0x80:
        return byte, i + 1
    if byte < 0xE0:
        return ((byte & 0x1F) << 6) | (bytes_[i + 1] & 0x3F), i + 2
    if byte < 0xF0:
        return ((byte & 0x0F) << 12) | ((bytes_[i + 1] & 0x3F) << 6) | (bytes_[i + 2] & 0x3F), i + 3
    high = ((byte & 0x07) << 18) | ((bytes_[i + 1] & 0x3F) << 12)
    return high | ((bytes_[i + 2] & 0x3F) << 6) | (bytes_[i + 3] & 0x3F), i + 4


@njit(cache=True, nogil=True)
def _put(out: UInt8M, o: int, code: int) -> int:
    """Write a code point and return the place after it."""
    if code < 0x80:
        out[o] = code
        return o + 1
    if code < 0x800:
        out[o] = 0xC0 | (code >> 6)
        out[o + 1] = 0x80 | (code & 0x3F)
        return o + 2
    if code < 0x10000:
        out[o] = 0xE0 | (code >> 12)
        out[o + 1] = 0x80 | ((code >> 6) & 0x3F)
        out[o + 2] = 0x80 | (code & 0x3F)
        return o + 3
    out[o] = 0xF0 | (code >> 18)
    out[o + 1] = 0x80 | ((code >> 12) & 0x3F)
    out[o + 2] = 0x80 | ((code >> 6) & 0x3F)
    out[o + 3] = 0x80 | (code & 0x3F)
    return o + 4


@njit(cache=True, nogil=True)
def _act_of(code: int, acts: UInt8M) -> int:
    if code < _TABLE_SIZE:
        return int(acts[code])
    return _REMOVE if (code & 0xFFFE) == 0xFFFE else _PLAIN


@njit(cache=True, nogil=True)
def _joins(code: int) -> bool:
    """Tell whether a joiner beside this character can mean something: not beside ASCII, kana, kanji, blanks.

    Combining marks say yes everywhere, so that ordering them afterwards never changes the answer.
    """
    if code < 0xA0 or 0x2000 <= code <= 0x206F or 0x20000 <= code <= 0x3FFFF:
        return False
    if 0x2E80 <= code <= 0xA4CF:
        return 0x302A <= code <= 0x302F or code in (0x3099, 0x309A)
    return not (0xF900 <= code <= 0xFAFF or 0xFF00 <= code <= 0xFFEF)


@njit(cache=True, nogil=True)
def _digit_follows(bytes_: UInt8M, i: int, stop: int, acts: UInt8M) -> bool:
    """Tell whether the next character that will stay is a digit of either width."""
    while i < stop:
        code, i = _code_at(bytes_, i)
        act = _act_of(code, acts)
        if act not in (_REMOVE, _JOINER):
            return 0x30 <= code <= 0x39 or 0xFF10 <= code <= 0xFF19
    return False


@njit(cache=True, nogil=True)
def _rewrite(
    bytes_: UInt8M,
    offsets: Int64N1,
    acts: UInt8M,
    becomes: UInt32M,
    voiced: UInt32M,
    half_voiced: UInt32M,
    tidy: bool,
) -> _Rewritten:
    """Apply the tables to every text; return bytes, offsets, and which texts need their marks ordered.

    No rule makes a text longer, so the input's size is room enough. Runs of plain characters are copied whole.
    """
    rows = len(offsets) - 1
    out = np.empty(max(offsets[-1] - offsets[0], 1), np.uint8)
    starts = np.zeros(rows + 1, np.int64)
    unordered = np.zeros(rows, np.bool_)
    o = 0
    for row in range(rows):
        first, i, stop = o, offsets[row], offsets[row + 1]
        last = 0  # the code point before `o`, 0 at the start
        joiner = 0  # held back until the next character is known
        blanks = 0  # length of the run of blanks that ends at `o`
        line = True  # nothing but blanks on this line so far
        tab = False
        while i < stop:
            run = i
            code, following, act = 0, i, _REMOVE
            while i < stop:
                if 0x21 <= bytes_[i] <= 0x7E and not (joiner or blanks):  # ASCII is always plain
                    last = int(bytes_[i])
                    i += 1
                    continue
                code, following = _code_at(bytes_, i)
                act = _act_of(code, acts)
                if code == 0x20 and i > run and following < stop and 0x21 <= bytes_[following] <= 0x7E:
                    act = _PLAIN  # one space between words
                if act != _PLAIN or joiner or blanks:
                    break
                last = code
                i = following
            if i > run:
                line = False
                for j in range(run, i):
                    out[o] = bytes_[j]
                    o += 1
                if i == stop:
                    break
            i = following
            if act == _REMOVE:
                continue
            if act == _JOINER:
                if last and joiner == 0 and _joins(last):
                    joiner = code
                continue
            if act == _BLANK:
                joiner = 0
                if o > first:
                    tab = code == 0x09 or (blanks > 0 and tab)
                    out[o] = 0x09 if code == 0x09 else 0x20
                    o += 1
                    blanks += 1
                    last = 0x20
                continue
            if act == _NEWLINE:
                if code == 0x0D and i < stop and bytes_[i] == 0x0A:
                    continue
                joiner = 0
                if tidy:
                    o -= blanks
                    blanks = 0
                    line = True
                    if o == first or (o - first > 1 and out[o - 1] == 0x0A and out[o - 2] == 0x0A):
                        continue
                out[o] = 0x0A
                o += 1
                last = 0x0A
                continue
            if act == _UNORDERED:
                unordered[row] = True
            elif act in (_DAKUTEN, _HANDAKUTEN):
                whole = np.uint32(0)
                if 0x3040 <= last < 0x3100:
                    whole = voiced[last - 0x3040] if act == _DAKUTEN else half_voiced[last - 0x3040]
                if whole:
                    o -= 3  # kana are three bytes each
                    code = int(whole)
                else:
                    code = int(becomes[code])
            elif act == _MAP or (
                act == _NUMBER_MARK and 0x30 <= last <= 0x39 and _digit_follows(bytes_, i, stop, acts)
            ):
                code = int(becomes[code])
            if joiner:
                if _joins(code):
                    out[o], out[o + 1], out[o + 2] = 0xE2, 0x80, joiner & 0x3F | 0x80
                    o += 3
                joiner = 0
            if blanks:
                if blanks > 1 and not line:
                    o -= blanks - 1
                    out[o - 1] = 0x09 if tab else 0x20
                blanks = 0
            o = _put(out, o, code)
            last = code
            line = False
        if tidy:
            while o > first and out[o - 1] in (0x09, 0x0A, 0x20):
                o -= 1
        starts[row + 1] = o
    return out, starts, unordered
