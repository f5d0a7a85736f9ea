"""Read tags out of a page's bytes: names, the words of attributes, and where raw text, comments and wide characters end.

Kernels of one pass each, called by `boilerplate`. Places are byte offsets; -1 says that the page ends before.
"""

from typing import Final

import numpy as np
from numba import njit

from kakehi.arrays import Int64M, UInt8M, UInt64M

SOFT, HARD = 1, 2


def word_hash(word: str) -> int:
    """Hash a word of ASCII letters: FNV-1a, 64 bits."""
    value = _FNV
    for byte in word.encode():
        value = (value ^ byte) * _FNV_PRIME % (1 << 64)
    return value


_FNV: Final = 0xCBF29CE484222325
_FNV_PRIME: Final = 0x100000001B3

# What a byte is: a table is read faster than five comparisons are made.
_IS_BLANK: Final = np.array([byte in b" \n\t\r\f" for byte in range(256)])
_ENDS_NAME: Final = np.array([byte in b" \n\t\r\f>/=" for byte in range(256)])


@njit(cache=True, nogil=True)
def is_letter(byte: int) -> bool:
    """Tell a letter of ASCII."""
    return 0x61 <= byte | 0x20 <= 0x7A


@njit(cache=True, nogil=True)
def is_blank(byte: int) -> bool:
    """Tell what HTML calls whitespace."""
    return bool(_IS_BLANK[byte])


@njit(cache=True, nogil=True)
def name_at(bytes_: UInt8M, i: int) -> tuple[np.uint64, int]:
    """Pack the tag or attribute name at a place, in lower case (0 if over 8 bytes); return the place behind it."""
    packed, start = np.uint64(0), i
    while i < len(bytes_) and not _ENDS_NAME[bytes_[i]]:
        byte = bytes_[i]
        packed = packed << np.uint64(8) | np.uint64(byte | 0x20 if 0x41 <= byte <= 0x5A else byte)
        i += 1
    return (packed if i - start <= 8 else np.uint64(0)), i


@njit(cache=True, nogil=True)
def kind_of(packed: np.uint64, names: UInt64M, kinds: Int64M) -> int:
    """Look a packed name up; 0 for one that is not listed."""
    for k in range(len(names)):
        if names[k] == packed:
            return int(kinds[k])
    return 0


@njit(cache=True, nogil=True)
def hardness_of(bytes_: UInt8M, start: int, stop: int, words: UInt64M, hardness: Int64M) -> int:
    """Look the words of an attribute's value up: runs of letters, cut where lower case turns to upper."""
    most, value, letters = 0, np.uint64(_FNV), 0
    for i in range(start, stop + 1):
        letter = i < stop and is_letter(bytes_[i])
        turns = letter and letters > 0 and bytes_[i] < 0x60 < bytes_[i - 1]
        if letters and (not letter or turns):
            found = np.searchsorted(words, value)
            if found < len(words) and words[found] == value:
                most = max(most, hardness[found])
            value, letters = np.uint64(_FNV), 0
        if letter:
            value = (value ^ np.uint64(bytes_[i] | 0x20)) * np.uint64(_FNV_PRIME)
            letters += 1
    return most


@njit(cache=True, nogil=True)
def hides(bytes_: UInt8M, start: int, stop: int) -> bool:
    """Tell whether a style holds `display:none`, blanks aside."""
    wanted = b"display:none"
    found = 0
    for i in range(start, stop):
        if is_blank(bytes_[i]):
            continue
        byte = bytes_[i] | 0x20 if is_letter(bytes_[i]) else bytes_[i]
        found = found + 1 if byte == wanted[found] else int(byte == wanted[0])
        if found == len(wanted):
            return True
    return False


@njit(cache=True, nogil=True)
def read_tag(bytes_: UInt8M, i: int, words: UInt64M, hardness: Int64M, wanted: bool) -> tuple[int, int, bool]:
    """Read the attributes of a tag from behind its name.

    Returns:
        The place behind its `>` (-1 for none), its hardness, and whether it has `href` (`<a id=x/>` is no link).

    Only a quote behind `=` opens a value, as in browsers; of a name's second value the standard takes the first, we
    take both.
    """
    size, most, target = len(bytes_), 0, False
    while i < size:
        byte = bytes_[i]
        if byte == 0x3E:
            return i + 1, most, target
        if is_blank(byte) or byte in (0x2F, 0x3D):
            i += 1
            continue
        name, i = name_at(bytes_, i)
        after = i
        while after < size and is_blank(bytes_[after]):
            after += 1
        if after == size or bytes_[after] != 0x3D:
            if wanted and name == _HIDDEN:
                most = HARD
            continue
        target = target or name == _HREF
        i = after + 1
        while i < size and is_blank(bytes_[i]):
            i += 1
        if i == size:
            return -1, most, target
        quote = bytes_[i]
        if quote in (0x22, 0x27):
            start = i + 1
            i = start
            while i < size and bytes_[i] != quote:
                i += 1
            if i == size:
                return -1, most, target
            stop = i
            i += 1
        else:
            start = i
            while i < size and not (is_blank(bytes_[i]) or bytes_[i] == 0x3E):
                i += 1
            stop = i
        if wanted:
            if name in (_CLASS, _ID, _ROLE):
                most = max(most, hardness_of(bytes_, start, stop, words, hardness))
            elif name == _HIDDEN or (name == _STYLE and hides(bytes_, start, stop)):
                most = HARD
    return -1, most, target


_CLASS, _ID, _ROLE, _HIDDEN, _STYLE, _HREF = (
    np.uint64(int.from_bytes(name)) for name in (b"class", b"id", b"role", b"hidden", b"style", b"href")
)


@njit(cache=True, nogil=True)
def raw_end(bytes_: UInt8M, i: int, name: np.uint64) -> int:
    """Find the place behind the end tag of an element without tags inside; the page's end if there is none."""
    size = len(bytes_)
    while i + 1 < size:
        if bytes_[i] == 0x3C and bytes_[i + 1] == 0x2F:
            found, after = name_at(bytes_, i + 2)
            if found == name:
                while after < size and bytes_[after] != 0x3E:
                    after += 1
                return min(after + 1, size)
            i += 1
        i += 1
    return size


@njit(cache=True, nogil=True)
def comment_end(bytes_: UInt8M, i: int) -> int:
    """Find the place behind `-->`, or -1."""
    while i + 2 < len(bytes_):
        if bytes_[i] == 0x2D and bytes_[i + 1] == 0x2D and bytes_[i + 2] == 0x3E:
            return i + 3
        i += 1
    return -1


@njit(cache=True, nogil=True)
def wide_at(bytes_: UInt8M, i: int, size: int) -> bool:
    """Tell whether a wide character of East Asia, not Hangul, starts at a place."""
    byte = bytes_[i]
    if byte == 0xF0 and i + 1 < size:
        return 0xA0 <= bytes_[i + 1] <= 0xBF  # planes 2 and 3
    if not 0xE2 <= byte <= 0xEF or i + 2 >= size:
        return False
    code = (byte & 0x0F) << 12 | (bytes_[i + 1] & 0x3F) << 6 | bytes_[i + 2] & 0x3F
    return (
        0x2E80 <= code <= 0x312F or 0x3190 <= code <= 0x4DBF or 0x4E00 <= code <= 0x9FFF
        or 0xF900 <= code <= 0xFAFF or 0xFF01 <= code <= 0xFF9D
    )  # fmt: skip


@njit(cache=True, nogil=True)
def wide_before(bytes_: UInt8M, i: int) -> bool:
    """Tell whether the character before a place is wide."""
    if i >= 3 and bytes_[i - 3] >= 0xE0:
        return wide_at(bytes_, i - 3, i)
    return i >= 4 and bytes_[i - 4] == 0xF0 and wide_at(bytes_, i - 4, i)
