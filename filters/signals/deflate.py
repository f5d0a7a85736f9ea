"""Count the bytes that zlib's level 9 makes of a text, exactly and without zlib; see `zlib_sizes`.

zlib finds the longest earlier match of a place by walking the chain of all places with the same hash of three bytes, up
to 4,096 of them. In Japanese three bytes are one character, so the chains are long: that walk is nearly all its time. Here
each place has four links, to the one before it with the same 3, 4, 5 and 6 bytes. Walking the last gives the longest match
of six bytes and more; if there is none, the first place found by each of the others is the nearest with 5, 4 or 3. How far
zlib's own walk would have come is known by counting the places of each of its chains. After RFC 1951 and deflate.c
(1.2.11 to 1.3): `deflate_slow` and `longest_match`, window 32 KiB, memory level 8.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from kakehi.arrays import Int64N, Int64N1, UInt8M, UInt16M, UInt32M, UInt64M
from kakehi.filters.signals.huffman import (
    DISTANCE_BITS,
    END_OF_BLOCK,
    LENGTH_BITS,
    Block,
    empty_block,
    end_block,
)
from kakehi.filters.texts import ByteIndex, Texts, eight, leaf, longest_of
from kakehi.splitmix64 import GOLDEN_GAMMA

#: As `leaf`, and never called: handing on arrays costs a tenth of the time.
_inner: Any = njit(cache=True, nogil=True, _nrt=False, forceinline=True)  # type: ignore[call-overload]

#: Bytes of the longest text: places are numbers of 32 bits.
MOST_BYTES: Final = (1 << 31) - 1

_u = ByteIndex  # places are unsigned: a signed index may count from the end, and asking that costs
_0, _1, _2, _3, _4, _5, _6, _7, _8 = (_u(value) for value in range(9))
_10, _16, _24, _32, _40, _48, _256 = (_u(value) for value in (10, 16, 24, 32, 40, 48, 256))
_LOW_16, _LOW_32 = _u(0xFFFF), _u(0xFFFFFFFF)
# zlib's hash of three bytes: each five bits below the one before
_HASH, _SECOND, _THIRD = _u(0x7FFF), _u(0xFF << 5), _u(0xFF)

_SYMBOLS: Final = 16_383  # of a block
_LONGEST = _u(258)  # bytes of a match
_FARTHEST = _u(32_768 - 262)  # bytes back to a match
_FARTHEST_THREE = _u(4_096)  # and to one of three bytes, which is not worth more bits
_CHAIN = _u(4_096)  # places that are looked at
_GOOD, _CHAIN_OF_GOOD = _u(32), _u(1_024)  # bytes of a match after which only so many are

_FIRST, _ROUND = _u(0x10000), _u(0xFFFF)  # links are kept for the last 65,536 places; the first one's number
_STEP, _READY = _u(8_192), _u(600)  # places linked at a time, and at least so many before they are needed
_PADDING: Final = 16  # bytes behind a text that may be read

_LENGTH_CODE = np.zeros(259, np.int64)
_LENGTH_CODE[3:] = np.repeat(np.arange(29), [1 << bits for bits in LENGTH_BITS])[:256] + END_OF_BLOCK + 1
_LENGTH_CODE[258] = 285  # which 284 could also say
_CODES = np.repeat(np.arange(30), [1 << bits for bits in DISTANCE_BITS])
_DISTANCE_CODE = np.concatenate([_CODES[:256], _CODES[::128]])  # of near ones; of 128 far ones each


class _Links(NamedTuple):
    """Where the same bytes stood before.

    Args:
        chains: by zlib's hash of three bytes: how many places it had << 32 | the last of them.
        fours: by a hash of four bytes: the last place.
        fives: of five.
        sixes: of six.
        back: of the last places: bytes back to the one before with the same 3, 4, 5 and 6 bytes, 16 bits each, 65,535
            where there is none so near. Hashes may be those of other bytes: who walks compares.
        ranks: of the same: which of its chain it is.
    """

    chains: UInt64M
    fours: UInt32M
    fives: UInt32M
    sixes: UInt32M
    back: UInt64M
    ranks: UInt16M


def zlib_sizes(texts: Texts) -> Int64N:
    """Return int64[n], for each text, the bytes of `zlib.compress(text, 9)`; 0 for empty texts.

    Raises:
        ValueError: a text is longer than `MOST_BYTES`.
    """
    if texts.sizes.max(initial=0) > MOST_BYTES:
        raise ValueError(f"deflate: a text is longer than {MOST_BYTES} bytes")
    return _sizes(texts.bytes_, texts.offsets, _FIRST)


@intrinsic
def _low_zeros(_: Any, value: Any) -> Any:  # noqa: ARG001 - as above
    """Count the zero bits below the lowest one of a number that is not 0."""

    def build(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], context.get_constant(types.boolean, True))

    return types.uint64(types.uint64), build


@njit(cache=True, nogil=True)
def _sizes(bytes_: UInt8M, offsets: Int64N1, base: ByteIndex) -> Int64N:
    """Go text by text; the first place is number `base`.

    A text's places are numbered after those of the one before, so that nothing has to be cleared in between.
    """
    sizes = np.zeros(len(offsets) - 1, np.int64)
    text = np.zeros(longest_of(offsets) + _PADDING, np.uint8)
    links = _Links(
        np.zeros(1 << 15, np.uint64),
        np.zeros(1 << 16, np.uint32),
        np.zeros(1 << 16, np.uint32),
        np.zeros(1 << 16, np.uint32),
        np.zeros(1 << 16, np.uint64),
        np.zeros(1 << 16, np.uint16),
    )
    block = empty_block()
    for row in range(len(sizes)):
        start, stop = offsets[row], offsets[row + 1]
        size = stop - start
        if size == 0:
            continue
        text[:size] = bytes_[start:stop]
        if base + _u(size) > _LOW_32:
            base = _FIRST  # what has a higher number is nobody's last place
        sizes[row] = _size(text, _u(size), base, links, block)
        base += _u(size)
    return sizes


@leaf
def _size(text: UInt8M, size: ByteIndex, base: ByteIndex, links: _Links, block: Block) -> int:
    """Give the bytes of one text: zlib's head and checksum, and what its blocks hold.

    A place's match is taken only if the next place has no longer one; else the byte there is.
    """
    width = 8  # bits of a hash: for four times the places of a short text, so that it touches little memory
    while width < 16 and 1 << width < 4 * size:
        width += 1
    place, linked, start = _0, _0, _0  # start: of the block
    length, back = _2, _0
    bits, symbols = 0, 0
    while place < size:
        if place + _READY > linked and linked < size:
            stop = min(linked + _STEP, size)
            _link(text, linked, stop, base, links, _u(64 - width))
            linked = stop
        if back == _0:
            length, back = _longest(text, place, size, _2, links.back, links.ranks)
        after, longer, nearer = place + _1, _2, _0
        if back != _0:
            longer, nearer = _longest(text, after, size, length, links.back, links.ranks)
        if back != _0 and nearer == _0:
            block.literals[_u(_LENGTH_CODE[length])] += 1
            far = back - _1
            block.distances[_u(_DISTANCE_CODE[far if far < _256 else _256 + (far >> _7)])] += 1
            place += length
        else:
            block.literals[_u(text[place])] += 1
            place = after
        length, back = longer, nearer
        symbols += 1
        if symbols == _SYMBOLS and after < size:  # zlib takes the last byte of all down without looking
            bits = end_block(block, bits, np.int64(place - start))
            start, symbols = place, 0
    bits = end_block(block, bits, np.int64(size - start))
    return 2 + (bits + 7 >> 3) + 4


@_inner
def _link(
    text: UInt8M, start: ByteIndex, stop: ByteIndex, base: ByteIndex, links: _Links, narrow: ByteIndex
) -> None:
    """Link places of a text to those before them; hashes keep what is left of 64 bits."""
    chains, fours, fives, sixes = links.chains, links.fours, links.fives, links.sixes
    for place in range(start, stop):
        ahead = eight(text, place)
        chain = (ahead << _10 ^ ahead >> _3 & _SECOND ^ ahead >> _16 & _THIRD) & _HASH
        four = (ahead << _32) * GOLDEN_GAMMA >> narrow
        five = (ahead << _24) * GOLDEN_GAMMA >> narrow
        six = (ahead << _16) * GOLDEN_GAMMA >> narrow
        known, number, slot = chains[chain], base + place, place & _ROUND
        links.back[slot] = (
            min(number - (known & _LOW_32), _LOW_16)
            | min(number - _u(fours[four]), _LOW_16) << _16
            | min(number - _u(fives[five]), _LOW_16) << _32
            | min(number - _u(sixes[six]), _LOW_16) << _48
        )
        links.ranks[slot] = known >> _32
        chains[chain] = (known >> _32) + _1 << _32 | number
        fours[four] = fives[five] = sixes[six] = number


@_inner
def _longest(
    text: UInt8M, place: ByteIndex, size: ByteIndex, best: ByteIndex, back: UInt64M, ranks: UInt16M
) -> tuple[ByteIndex, ByteIndex]:
    """Find the longest match of a place, the nearest of these: its bytes, if more than `best`, and how far back; or 0."""
    most = min(_LONGEST, size - place)
    if place == _0 or most <= best or most < _3:
        return _2, _0
    farthest = min(place - _1, _FARTHEST)  # zlib takes the first place of a text for none
    chain = _CHAIN if best < _GOOD else _CHAIN_OF_GOOD
    found, length = _0, max(best, _5)
    # A longer match ends in six bytes that were there before.
    ending = place + length - _5
    if most >= _6 and back[ending & _ROUND] >> _48 < ending:
        last = eight(text, ending)
        far = back[place & _ROUND] >> _48
        while far <= farthest:
            there = place - far
            if (eight(text, there + length - _5) ^ last) << _16 == _0:
                same = _same(text, there, place, most)
                if same > length:
                    if not _is_seen(ranks, place, far, chain):
                        break
                    found, length = far, same
                    if length == most:
                        break
                    last = eight(text, place + length - _5)
            far += back[there & _ROUND] >> _48
    if found != _0 or best >= _5:
        return length, found
    if most >= _5:
        far = _nearest(text, place, farthest, chain, back, ranks, _32, _24)
        if far != _0:
            return _5, far
    if most >= _4 and best < _4:
        far = _nearest(text, place, farthest, chain, back, ranks, _16, _32)
        if far != _0:
            return _4, far
    if best < _3:
        far = _nearest(text, place, min(farthest, _FARTHEST_THREE), chain, back, ranks, _0, _40)
        if far != _0:
            return _3, far
    return _2, _0


@_inner
def _nearest(
    text: UInt8M,
    place: ByteIndex,
    farthest: ByteIndex,
    chain: ByteIndex,
    back: UInt64M,
    ranks: UInt16M,
    at: ByteIndex,
    rest: ByteIndex,
) -> ByteIndex:
    """Find how far back the nearest of some links leads that is of the same bytes, or 0.

    Args:
        text: whose places these are.
        place: where to begin.
        farthest: it may be.
        chain: places that zlib would look at.
        at: bit of `back` where these links stand.
        back: as `_Links` has it.
        ranks: as it has them.
        rest: bits of the eight bytes from each place on that don't count.
    """
    ahead = eight(text, place)
    far = back[place & _ROUND] >> at & _LOW_16
    while far <= farthest:
        there = place - far
        if (eight(text, there) ^ ahead) << rest == _0:
            return far if _is_seen(ranks, place, far, chain) else _0
        far += back[there & _ROUND] >> at & _LOW_16
    return _0


@_inner
def _same(text: UInt8M, left: ByteIndex, right: ByteIndex, most: ByteIndex) -> ByteIndex:
    """Count the equal bytes from two places on."""
    same = _0
    while same < most:
        unlike = eight(text, left + same) ^ eight(text, right + same)
        if unlike != _0:
            same += _low_zeros(unlike) >> _3
            break
        same += _8
    return min(same, most)


@_inner
def _is_seen(ranks: UInt16M, place: ByteIndex, far: ByteIndex, chain: ByteIndex) -> bool:
    """Tell whether zlib's walk comes so far; the farthest place it sees only as the first one."""
    steps = _u(ranks[place & _ROUND] - ranks[(place - far) & _ROUND]) & _LOW_16
    return bool(steps <= chain and (far < _FARTHEST or steps == _1))
