"""Lines, sentences and paragraphs as bytes: what ends them, how many a text may have, which was there before."""

from typing import Final

import numpy as np
from numba import njit

from kakehi.arrays import Int64NC, UInt8M
from kakehi.filters.codepoints import code_at
from kakehi.filters.texts import eight, leaf
from kakehi.splitmix64 import GOLDEN_GAMMA

#: Kinds of pieces that `seen` tells apart.
KINDS: Final = 3

#: Of ASCII, what ends a sentence or a line: a table, since nobody can guess where these and blanks stand, and a branch
#: that cannot be guessed costs more than a look.
STOPS: Final = np.isin(np.arange(0x80), [ord(mark) for mark in "\n!?"])

_0, _1, _8 = (np.uint64(value) for value in (0, 1, 8))


@njit(cache=True, nogil=True)
def ends_sentence(code: int | np.int64) -> bool:
    """Tell whether a character is one of 。．！？!?."""
    if code < 0x3000:
        return code == 0x3F or code == 0x21  # noqa: PLR1714 - a tuple costs half the speed
    return code == 0x3002 or code == 0xFF01 or code == 0xFF0E or code == 0xFF1F  # noqa: PLR1714


@njit(cache=True, nogil=True)
def before(bytes_: UInt8M, start: int, stop: int) -> tuple[int, int]:
    """Give the last character of a piece, and where it begins; (0, start) for an empty one."""
    if stop <= start:
        return 0, start
    i = stop - 1
    while i > start and bytes_[i] & 0xC0 == 0x80:
        i -= 1
    return code_at(bytes_, i)[0], i


@leaf
def seen(bytes_: UInt8M, start: int, stop: int, slots: Int64NC, mask: int, row: int, kind: int) -> bool:
    """Tell whether these bytes were filed for this row and kind, of `KINDS`, before, and file them.

    `slots` is int64[more than mask, 3]: stamp, start, hash and size; a slot of an earlier row is free.
    """
    stamp = KINDS * row + kind + 1
    first, size = np.uint64(start), np.uint64(stop - start)
    hash_ = _hash(bytes_, first, size) + np.uint64(kind)
    slot = np.int64(hash_ * GOLDEN_GAMMA >> np.uint64(32)) & mask
    told = np.int64(hash_ >> np.uint64(32)) << 31 | np.int64(size)
    while slots[slot, 0] > KINDS * row:
        like = slots[slot, 0] == stamp and slots[slot, 2] == told
        if like and _same(bytes_, np.uint64(slots[slot, 1]), first, size):
            return True
        slot = (slot + 1) & mask
    slots[slot, 0], slots[slot, 1], slots[slot, 2] = stamp, start, told
    return False


@leaf
def _hash(bytes_: UInt8M, first: np.uint64, size: np.uint64) -> np.uint64:
    """Hash some bytes, eight at a time; the last eight may lie over some before."""
    hash_, end = size * GOLDEN_GAMMA, first + size
    if size < _8:
        for i in range(first, end):
            hash_ = (hash_ ^ np.uint64(bytes_[i])) * GOLDEN_GAMMA
        return hash_ ^ hash_ >> np.uint64(32)
    for i in range(first, end - _8, _8):
        hash_ = (hash_ ^ eight(bytes_, i)) * GOLDEN_GAMMA
        hash_ ^= hash_ >> np.uint64(32)
    hash_ = (hash_ ^ eight(bytes_, end - _8)) * GOLDEN_GAMMA
    return hash_ ^ hash_ >> np.uint64(32)


@leaf
def _same(bytes_: UInt8M, left: np.uint64, right: np.uint64, size: np.uint64) -> bool:
    """Compare some bytes, eight at a time."""
    unlike = _0
    if size < _8:
        for i in range(_0, size):
            unlike |= np.uint64(bytes_[left + i] ^ bytes_[right + i])
        return bool(unlike == _0)
    for i in range(_0, size - _8, _8):
        unlike |= eight(bytes_, left + i) ^ eight(bytes_, right + i)
    return bool(unlike | eight(bytes_, left + size - _8) ^ eight(bytes_, right + size - _8) == _0)


@leaf
def bound_of_units(bytes_: UInt8M, start: int, stop: int) -> int:
    """Return a bound on the lines, and on the sentences, of a text, from single bytes of the marks."""
    pieces = 2  # the last byte may be one of the marks, and what is behind it is a piece
    for i in range(np.uint64(start), np.uint64(max(stop - 1, start))):  # branch-free, so that it vectorises
        byte, following = bytes_[i], bytes_[i + _1]
        pieces += (byte == 0x0A) | (byte == 0x21) | (byte == 0x3F) | (byte == 0xEF)
        pieces += (byte == 0x80) & (following == 0x82)
    return pieces
