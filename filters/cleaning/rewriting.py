"""Rewrite texts by the tables of a level: one pass over the bytes, copying runs of plain characters whole."""

from typing import TypeAlias

import numpy as np
from numba import njit

from kakehi.filters.cleaning.rules import RULES, Act
from kakehi.filters.cleaning.tables import TABLE_SIZE, Tables
from kakehi.filters.texts import BoolN, Int64M, Int64N1, UInt8M

_Rewritten: TypeAlias = tuple[UInt8M, Int64N1, BoolN, Int64M]

# Plain integers: numba freezes module globals, and an enum member costs compile time.
(
    _PLAIN,
    _MAP,
    _REMOVE,
    _NEWLINE,
    _BLANK,
    _GAP,
    _JOINER,
    _DAKUTEN,
    _HANDAKUTEN,
    _NUMBER_MARK,
    _UNORDERED,
) = map(int, Act)
[CANONICAL] = (i for i, rule in enumerate(RULES) if rule.name == "canonical")
[_LAYOUT] = (i for i, rule in enumerate(RULES) if rule.name == "layout")
_RULES = len(RULES)


@njit(cache=True, nogil=True)
def rewrite(bytes_: UInt8M, offsets: Int64N1, table: Tables, tidy: bool) -> _Rewritten:
    """Apply the tables to every text; return bytes, offsets, which texts need `compose`, and counts by rule.

    No rule makes a text longer, so the input's size is room enough. Runs of plain characters are copied whole. What
    was written before is read back from `out`, what comes from `bytes_`, so that nothing is remembered between
    characters.
    """
    rows = len(offsets) - 1
    out = np.empty(max(offsets[-1] - offsets[0], 1), np.uint8)
    starts = np.zeros(rows + 1, np.int64)
    unordered = np.zeros(rows, np.bool_)
    fired = np.zeros(_RULES, np.int64)
    o = 0
    for row in range(rows):
        first, i, stop = o, offsets[row], offsets[row + 1]
        while i < stop:
            run = i
            i = _plain_until(bytes_, i, stop, table.acts)
            for j in range(run, i):
                out[o] = bytes_[j]
                o += 1
            if i == stop:
                break
            code, following = _code_at(bytes_, i)
            act = _act_of(code, table.acts)
            rule = table.rules[_slot(code)]
            if act == _MAP:
                o = _put(out, o, int(table.becomes[code]))
                fired[rule] += 1
            elif act == _NEWLINE:
                following, o = _newline(bytes_, following, stop, code, out, first, o, tidy, rule, fired)
            elif act == _BLANK:
                following, o = _blanks(bytes_, i, stop, table, out, first, o, fired)
            elif act == _GAP:
                following, o = _gap(bytes_, i, stop, table, out, first, o, fired)
            elif act in (_DAKUTEN, _HANDAKUTEN):
                o = _voice(code, act, table, out, first, o, rule, fired)
            elif act == _NUMBER_MARK:
                in_number = (
                    o > first and _is_digit(out[o - 1]) and _digit_follows(bytes_, following, stop, table)
                )
                o = _put(out, o, int(table.becomes[code]) if in_number else code)
                fired[rule] += in_number
            elif act == _UNORDERED:
                unordered[row] = True
                o = _put(out, o, code)
            elif act == _JOINER and _joiner_stays(
                bytes_, following, stop, table, _code_before(out, first, o)
            ):
                o = _put(out, o, code)
            else:  # removed
                fired[rule] += 1
            i = following
        while tidy and o > first and out[o - 1] == 0x0A:
            o -= 1
            fired[_LAYOUT] += 1
        starts[row + 1] = o
    return out, starts, unordered, fired


@njit(cache=True, nogil=True)
def _plain_until(bytes_: UInt8M, i: int, stop: int, acts: UInt8M) -> int:
    """Return the place of the next character that is not plain.

    One space between ASCII characters and one newline after a plain character are plain too, whatever the level.
    """
    start = i
    while i < stop:
        byte = int(bytes_[i])
        if 0xE0 <= byte < 0xF0:
            if acts[((byte & 0x0F) << 12) | ((bytes_[i + 1] & 0x3F) << 6) | (bytes_[i + 2] & 0x3F)] != _PLAIN:
                return i
            i += 3
        elif byte < 0x80:
            if acts[byte] != _PLAIN and not (
                i > start
                and (
                    (
                        byte == 0x20
                        and i + 1 < stop
                        and _is_graphic(bytes_[i - 1])
                        and _is_graphic(bytes_[i + 1])
                    )
                    or (byte == 0x0A and acts[byte] == _NEWLINE and bytes_[i - 1] != 0x0A)
                )
            ):
                return i
            i += 1
        else:
            code, following = _code_at(bytes_, i)
            if _act_of(code, acts) != _PLAIN:
                return i
            i = following
    return i


@njit(cache=True, nogil=True)
def _newline(
    bytes_: UInt8M,
    i: int,
    stop: int,
    code: int,
    out: UInt8M,
    first: int,
    o: int,
    tidy: bool,
    rule: int,
    fired: Int64M,
) -> tuple[int, int]:
    """Write a newline, unless one may not stand here; return where to go on in `bytes_` and `out`."""
    if code != 0x0A:
        fired[rule] += 1
        if code == 0x0D and i < stop and bytes_[i] == 0x0A:
            i += 1
    if tidy and (o == first or (o - first > 1 and out[o - 1] == 0x0A and out[o - 2] == 0x0A)):
        fired[_LAYOUT] += 1
        return i, o
    out[o] = 0x0A
    return i, o + 1


@njit(cache=True, nogil=True)
def _blanks(
    bytes_: UInt8M, i: int, stop: int, table: Tables, out: UInt8M, first: int, o: int, fired: Int64M
) -> tuple[int, int]:
    """Write a run of blanks as the layout has it; return where to go on in `bytes_` and `out`."""
    begin = o
    tab = False
    act = _BLANK
    while i < stop:
        code, following = _code_at(bytes_, i)
        act = _act_of(code, table.acts)
        if act == _BLANK:
            blank = table.becomes[code]
            tab |= blank == 0x09
            out[o] = blank
            o += 1
            fired[table.rules[code]] += blank != code
        elif act in (_REMOVE, _JOINER):
            fired[table.rules[_slot(code)]] += 1
        else:
            break
        i = following
    if begin == first or i == stop or act == _NEWLINE:
        fired[_LAYOUT] += 1
        return i, begin
    if o == begin + 1 or out[begin - 1] == 0x0A:
        return i, o
    fired[_LAYOUT] += 1
    out[begin] = 0x09 if tab else 0x20
    return i, begin + 1


@njit(cache=True, nogil=True)
def _gap(
    bytes_: UInt8M, i: int, stop: int, table: Tables, out: UInt8M, first: int, o: int, fired: Int64M
) -> tuple[int, int]:
    """Write a run of blanks and newlines as a space or as nothing; return where to go on in `bytes_` and `out`."""
    code, act = 0, _GAP
    while i < stop:
        code, following = _code_at(bytes_, i)
        act = _act_of(code, table.acts)
        if act not in (_GAP, _REMOVE, _JOINER):
            break
        fired[table.rules[_slot(code)]] += 1
        i = following
    if o == first or i == stop:
        return i, o
    mark = act in (_UNORDERED, _DAKUTEN, _HANDAKUTEN) or code in (0x309B, 0x309C)
    if not mark and (_is_wide(_code_before(out, first, o)) or _is_wide(_became(code, table))):
        return i, o
    out[o] = 0x20
    return i, o + 1


@njit(cache=True, nogil=True)
def _voice(
    code: int, act: int, table: Tables, out: UInt8M, first: int, o: int, rule: int, fired: Int64M
) -> int:
    """Compose a voiced mark with the kana before it, or write the mark; return the place after it."""
    before = _code_before(out, first, o)
    whole = 0
    if 0x3040 <= before < 0x3100:
        whole = int((table.voiced if act == _DAKUTEN else table.half_voiced)[before - 0x3040])
    alone = int(table.becomes[code])
    fired[rule] += whole > 0 or alone != code
    return _put(out, o - 3, whole) if whole else _put(out, o, alone)  # kana are three bytes each


@njit(cache=True, nogil=True)
def _joiner_stays(bytes_: UInt8M, i: int, stop: int, table: Tables, before: int) -> bool:
    """Tell whether a joiner stands between two characters that can join."""
    while _joins(before) and i < stop:
        code, i = _code_at(bytes_, i)
        if _act_of(code, table.acts) not in (_REMOVE, _JOINER):
            return _joins(_became(code, table))
    return False


@njit(cache=True, nogil=True)
def _digit_follows(bytes_: UInt8M, i: int, stop: int, table: Tables) -> bool:
    """Tell whether the next character that will stay is a digit of either width."""
    while i < stop:
        code, i = _code_at(bytes_, i)
        if _act_of(code, table.acts) not in (_REMOVE, _JOINER):
            return _is_digit(code) or 0xFF10 <= code <= 0xFF19
    return False


@njit(cache=True, nogil=True)
def _joins(code: int) -> bool:
    """Tell whether a joiner beside this character can mean something: not beside ASCII, kana, kanji, blanks.

    Combining marks say yes everywhere, so that ordering them afterwards never changes the answer.
    """
    if code in (0x3099, 0x309A) or 0x302A <= code <= 0x302F:
        return True
    return code >= 0xA0 and not (0x2000 <= code <= 0x206F or _is_wide(code))


@njit(cache=True, nogil=True)
def _is_wide(code: int) -> bool:
    """Tell whether a character is of Japanese or Chinese typography: ideographs, kana, their punctuation and forms."""
    return (
        0x2E80 <= code <= 0xA4CF
        or 0xF900 <= code <= 0xFAFF
        or 0xFF00 <= code <= 0xFFEF
        or 0x20000 <= code <= 0x3FFFF
    )


@njit(cache=True, nogil=True)
def _is_graphic(byte: int) -> bool:
    return 0x21 <= byte <= 0x7E


@njit(cache=True, nogil=True)
def _is_digit(code: int) -> bool:
    return 0x30 <= code <= 0x39


@njit(cache=True, nogil=True)
def _act_of(code: int, acts: UInt8M) -> int:
    return int(acts[_slot(code)])


@njit(cache=True, nogil=True)
def _slot(code: int) -> int:
    """Return the place in the tables: above plane 1 noncharacters stand for their like, the rest for a plain one."""
    if code < TABLE_SIZE:
        return code
    return 0x10000 | (code & 0xFFFF) if (code & 0xFFFE) == 0xFFFE else _SOME_PLAIN


_SOME_PLAIN = 0x4E00


@njit(cache=True, nogil=True)
def _became(code: int, table: Tables) -> int:
    return int(table.becomes[code]) if code < TABLE_SIZE else code


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
def _code_before(out: UInt8M, first: int, o: int) -> int:
    """Return the code point that ends at `o`, 0 at the start of the text."""
    if o == first:
        return 0
    o -= 1
    while out[o] & 0xC0 == 0x80:
        o -= 1
    return _code_at(out, o)[0]


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
