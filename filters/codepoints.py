"""Read, write and tell apart code points of valid UTF-8 inside kernels."""

import numpy as np

from kakehi.arrays import UInt8M
from kakehi.filters.texts import character, leaf


@leaf
def is_wide(code: int) -> bool:
    """Tell whether a character is of Japanese or Chinese typography: ideographs, kana, their punctuation and forms."""
    return (
        0x2E80 <= code <= 0xA4CF
        or 0xF900 <= code <= 0xFAFF
        or 0xFF00 <= code <= 0xFFEF
        or 0x20000 <= code <= 0x3FFFF
    )


@leaf
def is_graphic(byte: int) -> bool:
    """Tell whether a byte is an ASCII character that is seen."""
    return 0x21 <= byte <= 0x7E


@leaf
def is_digit(code: int) -> bool:
    """Tell whether a character is an ASCII digit."""
    return 0x30 <= code <= 0x39


@leaf
def code_at(bytes_: UInt8M, i: int) -> tuple[np.int64, np.int64]:
    """Return the code point at `i` and the place after it, signed."""
    code, following = character(bytes_, np.uint64(i))
    return np.int64(code), np.int64(following)


@leaf
def code_before(out: UInt8M, first: int, o: int) -> int:
    """Return the code point that ends at `o`, 0 at the start of the text."""
    if o == first:
        return 0
    o -= 1
    while out[o] & 0xC0 == 0x80:
        o -= 1
    return code_at(out, o)[0]


@leaf
def put(out: UInt8M, o: int, code: int) -> int:
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
