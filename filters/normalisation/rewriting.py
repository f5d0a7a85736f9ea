"""Rewrite texts by the tables of a level: one pass over the bytes, copying runs of plain characters whole."""

from typing import TypeAlias

import numpy as np
from numba import njit

from kakehi.arrays import BoolN, Int64M, Int64N1, UInt8M, UInt32M
from kakehi.filters.codepoints import code_at, code_before, is_digit, is_graphic, is_wide, put
from kakehi.filters.normalisation.rules import Act
from kakehi.filters.normalisation.tables import TABLE_SIZE
from kakehi.filters.texts import leaf

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
# In loops over every byte places are unsigned: a signed one may count from the end, and asking costs half the speed.
# Unsigned and signed together would be a float, so the constants are unsigned too.
_0, _1, _2, _3, _6, _12 = map(np.uint64, (0, 1, 2, 3, 6, 12))
_LEADS = np.uint64(0xE2080)  # what the leading bits of a character of three bytes add up to


@njit(cache=True, nogil=True)
def rewrite(
    bytes_: UInt8M,
    offsets: Int64N1,
    acts: UInt8M,
    becomes: UInt32M,
    rules: UInt8M,
    voiced: UInt32M,
    half_voiced: UInt32M,
    tidy: bool,
) -> _Rewritten:
    """Apply the tables to every text.

    No rule makes a text longer, so the input's size is room enough. Runs of plain characters are copied whole. What
    was written before is read back from `out`, and what comes is looked for in `bytes_`, so that nothing is remembered
    from one character to the next.

    Returns:
        The bytes, the offsets, bool[n] which texts need `compose`, and int64[256] how often each rule fired. The
        layout is the rule of U+0020 and U+000A: it shortens runs of blanks and drops newlines.
    """
    rows = len(offsets) - 1
    out = np.empty(max(offsets[-1] - offsets[0], 1), np.uint8)
    starts = np.zeros(rows + 1, np.int64)
    unordered = np.zeros(rows, np.bool_)
    fired = np.zeros(256, np.int64)
    o = 0
    for row in range(rows):
        first, i, stop = o, offsets[row], offsets[row + 1]
        while i < stop:
            run = i
            i = _plain_until(bytes_, i, stop, acts)
            o = _copy(bytes_, run, i, out, o)
            if i == stop:
                break
            code, following = code_at(bytes_, i)
            act = acts[_slot(code)]
            if act == _MAP:
                o = put(out, o, int(becomes[code]))
                fired[rules[code]] += 1
            elif act == _NEWLINE:
                following, o = _newline(bytes_, following, stop, code, out, first, o, tidy, rules, fired)
            elif act == _BLANK:
                following, o = _blanks(bytes_, i, stop, acts, becomes, out, first, o, rules, fired)
            elif act == _GAP:
                following, o = _gap(bytes_, i, stop, acts, becomes, out, first, o)
            elif act == _UNORDERED:
                unordered[row] = True
                o = put(out, o, code)
            elif act == _DAKUTEN:
                o = _voice(code, int(becomes[code]), voiced, out, first, o, rules, fired)
            elif act == _HANDAKUTEN:
                o = _voice(code, int(becomes[code]), half_voiced, out, first, o, rules, fired)
            elif act == _NUMBER_MARK:
                in_number = is_digit(code_before(out, first, o)) and _digit_follows(
                    bytes_, following, stop, acts
                )
                o = put(out, o, int(becomes[code]) if in_number else code)
                fired[rules[code]] += in_number
            elif act == _JOINER:
                following, o = _joiners(bytes_, i, stop, acts, becomes, out, first, o, rules, fired)
            else:  # removed
                fired[rules[_slot(code)]] += 1
            i = following
        while tidy and o > first and out[o - 1] == 0x0A:
            o -= 1
            fired[rules[0x0A]] += 1
        starts[row + 1] = o
    return out, starts, unordered, fired


@leaf
def _plain_until(bytes_: UInt8M, start: int, stop: int, acts: UInt8M) -> np.int64:
    """Return the end of a run that can be copied: plain characters, and blanks and newlines that stay as they are."""
    i, first, end = np.uint64(start), np.uint64(start), np.uint64(stop)
    before = np.uint64(0x20)  # no blank at the beginning of a run
    while i < end:
        byte = np.uint64(bytes_[i])
        if 0xE0 <= byte < 0xF0:
            following = _three_bytes_until(bytes_, i, end, acts)
            if following == i:
                break
            i, before = following, _0
        elif byte < 0x80:
            # Without branches, for nobody can guess where words end: an eighth faster on text with English words.
            single = (acts[byte] == _BLANK) & (byte == 0x20) & (before != 0x20)
            if not (single | (acts[byte] == _PLAIN)) and not _stays(bytes_, i, first, end, acts[byte]):
                break
            i, before = i + _1, byte
        else:
            code, after = code_at(bytes_, np.int64(i))
            if acts[_slot(code)] != _PLAIN:
                break
            i, before = np.uint64(after), _0
    if i > first and bytes_[i - _1] == 0x20 and acts[0x20] == _BLANK:
        i -= _1  # one of several, or before a newline: for `_blanks` to tell
    return np.int64(i)


@leaf
def _three_bytes_until(bytes_: UInt8M, i: np.uint64, end: np.uint64, acts: UInt8M) -> np.uint64:
    """Skip plain characters of three bytes: nearly all of Japanese, so a loop of its own."""
    byte = np.uint64(bytes_[i])
    while 0xE0 <= byte < 0xF0:
        code = (byte << _12) + (np.uint64(bytes_[i + _1]) << _6) + np.uint64(bytes_[i + _2]) - _LEADS
        if acts[code] != _PLAIN:
            break
        i += _3
        if i == end:
            break
        byte = np.uint64(bytes_[i])
    return i


@leaf
def _stays(bytes_: UInt8M, i: np.uint64, first: np.uint64, end: np.uint64, act: int) -> np.bool_ | bool:
    """Tell whether a newline, or a blank at level key, after others of its run, stays if something plain follows."""
    if i == first:
        return False
    byte, before = bytes_[i], bytes_[i - _1]
    if act == _NEWLINE:
        second = before == 0x0A and i - _1 > first and bytes_[i - _2] != 0x0A
        return byte == 0x0A and before != 0x20 and (before != 0x0A or second)
    return act == _GAP and byte == 0x20 and is_graphic(before) and i + _1 < end and is_graphic(bytes_[i + _1])


@leaf
def _copy(bytes_: UInt8M, start: int, stop: int, out: UInt8M, o: int) -> int:
    """Copy bytes and return the place after them."""
    source, target = np.uint64(start), np.uint64(o)
    for j in range(np.uint64(stop - start)):
        out[target + j] = bytes_[source + j]
    return o + stop - start


@leaf
def _newline(
    bytes_: UInt8M,
    i: int,
    stop: int,
    code: int,
    out: UInt8M,
    first: int,
    o: int,
    tidy: bool,
    rules: UInt8M,
    fired: Int64M,
) -> tuple[int, int]:
    """Write a newline, unless one may not stand here; return where to go on in `bytes_` and `out`."""
    if code != 0x0A:
        fired[rules[code]] += 1
        if code == 0x0D and i < stop and bytes_[i] == 0x0A:
            i += 1
    if tidy and (o == first or (o - first > 1 and out[o - 1] == 0x0A and out[o - 2] == 0x0A)):
        fired[rules[0x0A]] += 1
        return i, o
    out[o] = 0x0A
    return i, o + 1


@leaf
def _blanks(
    bytes_: UInt8M,
    i: int,
    stop: int,
    acts: UInt8M,
    becomes: UInt32M,
    out: UInt8M,
    first: int,
    o: int,
    rules: UInt8M,
    fired: Int64M,
) -> tuple[int, int]:
    """Write a run of blanks as the layout has it; return where to go on in `bytes_` and `out`."""
    begin = o
    tab = False
    act = _BLANK
    while i < stop:
        code, following = code_at(bytes_, i)
        act = acts[_slot(code)]
        if act == _BLANK:
            blank = becomes[code]
            tab |= blank == 0x09
            out[o] = blank
            o += 1
            fired[rules[code]] += blank != code
        elif act in (_REMOVE, _JOINER):
            fired[rules[_slot(code)]] += 1
        else:
            break
        i = following
    if begin == first or i == stop or act == _NEWLINE:
        fired[rules[0x20]] += 1
        return i, begin
    if o == begin + 1 or out[begin - 1] == 0x0A:
        return i, o
    fired[rules[0x20]] += 1
    out[begin] = 0x09 if tab else 0x20
    return i, begin + 1


@leaf
def _gap(
    bytes_: UInt8M, i: int, stop: int, acts: UInt8M, becomes: UInt32M, out: UInt8M, first: int, o: int
) -> tuple[int, int]:
    """Write a run of blanks and newlines as a space or as nothing; return where to go on in `bytes_` and `out`."""
    code, act = 0, _GAP
    while i < stop:
        code, following = code_at(bytes_, i)
        act = acts[_slot(code)]
        if act not in (_GAP, _REMOVE, _JOINER):
            break
        i = following
    if o == first or i == stop:
        return i, o
    mark = act in (_UNORDERED, _DAKUTEN, _HANDAKUTEN) or code in (0x309B, 0x309C)
    if not mark and (is_wide(code_before(out, first, o)) or is_wide(_became(code, becomes))):
        return i, o
    out[o] = 0x20
    return i, o + 1


@leaf
def _voice(
    code: int, alone: int, voiced: UInt32M, out: UInt8M, first: int, o: int, rules: UInt8M, fired: Int64M
) -> int:
    """Compose a voiced mark with the kana before it, or write the mark alone; return the place after it."""
    before = code_before(out, first, o)
    whole = int(voiced[before - 0x3040]) if 0x3040 <= before < 0x3100 else 0
    fired[rules[code]] += whole > 0 or alone != code
    return put(out, o - 3, whole) if whole else put(out, o, alone)  # kana are three bytes each


@leaf
def _joiners(
    bytes_: UInt8M,
    i: int,
    stop: int,
    acts: UInt8M,
    becomes: UInt32M,
    out: UInt8M,
    first: int,
    o: int,
    rules: UInt8M,
    fired: Int64M,
) -> tuple[int, int]:
    """Write one of a run of joiners if it stands between two characters that can join."""
    joiner, _ = code_at(bytes_, i)
    code = 0
    while i < stop:
        code, following = code_at(bytes_, i)
        if acts[_slot(code)] not in (_REMOVE, _JOINER):
            break
        fired[rules[_slot(code)]] += 1
        i = following
    if i == stop or not (_joins(code_before(out, first, o)) and _joins(_became(code, becomes))):
        return i, o
    fired[rules[joiner]] -= 1
    return i, put(out, o, joiner)


@leaf
def _digit_follows(bytes_: UInt8M, i: int, stop: int, acts: UInt8M) -> bool:
    """Tell whether the next character that will stay is a digit of either width."""
    while i < stop:
        code, i = code_at(bytes_, i)
        if acts[_slot(code)] not in (_REMOVE, _JOINER):
            return is_digit(code) or 0xFF10 <= code <= 0xFF19
    return False


@leaf
def _joins(code: int) -> bool:
    """Tell whether a joiner beside this character can mean something: not beside ASCII, signs, kana, kanji, blanks.

    Combining marks say yes everywhere, so that ordering them afterwards never changes the answer.
    """
    if code in (0x3099, 0x309A) or 0x302A <= code <= 0x302F:
        return True
    return code >= 0xC0 and not (0x2000 <= code <= 0x206F or is_wide(code))


@leaf
def _slot(code: int) -> int:
    """Return the place in the tables: above plane 1 noncharacters stand for their like, the rest for a plain one."""
    if code < TABLE_SIZE:
        return code
    return 0x10000 | (code & 0xFFFF) if (code & 0xFFFE) == 0xFFFE else _SOME_PLAIN


_SOME_PLAIN = 0x4E00


@leaf
def _became(code: int, becomes: UInt32M) -> int:
    return int(becomes[code]) if code < TABLE_SIZE else code
