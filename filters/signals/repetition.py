"""Measure how much of a text is n-grams that come again, n = 2 to 10, by the definitions that recipes use."""

from typing import Final

import numpy as np
import pyarrow as pa
from numba import njit

from kakehi.filters.cleaning.codepoints import leaf
from kakehi.filters.signals.family import Family, Signal
from kakehi.filters.signals.script import Int64NC, share
from kakehi.filters.texts import (
    Int64M,
    Int64N1,
    Texts,
    UInt8M,
    UInt32M,
    UInt64M,
    decode_into,
    longest_of,
    view,
)

#: n of the n-grams whose most frequent one is measured, and of those that are measured for coming again.
TOP: Final = (2, 3, 4)
AGAIN: Final = (5, 6, 7, 8, 9, 10)

# Columns of the counts: characters, the most frequent's occurrences for each n of TOP, then, for each n of AGAIN,
# distinct n-grams, distinct ones seen more than once, occurrences of those, and characters inside those.
_CHARACTERS, _TOP, _DISTINCT, _REPEATED, _OCCURRENCES, _COVERED, _FREQUENT = 0, 1, 4, 10, 16, 22, 28
_COUNTS = 29
_BITS = 12  # of an id in a key; texts of more different characters are compared id by id
_HALF, _WHOLE = 5, 10  # positions are sorted by their first five characters, then by the next five
_TABLE = 0x110000
# In loops over every character places are unsigned: a signed one may count from the end, and asking costs half the
# speed, or four fifths. Unsigned and signed together would be a float, so the constants are unsigned too.
_0, _1, _4, _HALF_ON = (np.uint64(value) for value in (0, 1, 4, _HALF))
# Five ids that differ first in the second, third, fourth or fifth place differ by less than these.
_SECOND, _THIRD, _FOURTH, _FIFTH = (np.uint64(1 << place * _BITS) for place in (4, 3, 2, 1))


def measure(column: pa.Array) -> tuple[pa.Array, ...]:
    """Measure the n-grams of characters of every text, newlines included; see `REPETITION.signals`."""
    n = count_ngrams(view(column))
    characters = n[:, _CHARACTERS]
    ngrams = {size: np.maximum(characters - size + 1, 0) for size in (*TOP, *AGAIN)}
    shares = [share(n[:, _TOP + i], ngrams[size]) for i, size in enumerate(TOP)]
    shares += [
        share(size * n[:, _TOP + i], np.where(ngrams[size], characters, 0)) for i, size in enumerate(TOP)
    ]
    for i, size in enumerate(AGAIN):
        whole = np.where(ngrams[size], characters, 0)
        shares += [
            share(n[:, _REPEATED + i], n[:, _DISTINCT + i]),
            share(n[:, _OCCURRENCES + i], ngrams[size]),
            share(n[:, _COVERED + i], whole),
        ]
    shares.append(share(n[:, _FREQUENT], ngrams[5]))
    return tuple(map(pa.array, shares))


def count_ngrams(texts: Texts) -> Int64NC:
    """Return int64[n, counts]: what the shares are divided from."""
    return _count(texts.bytes_, texts.offsets)


def _shared(name: str, source: str) -> Signal:
    return Signal(name=name, dtype=pa.float64(), unit="share", source=source)


_SHORT = "NaN for texts of fewer than {n} characters"
_GOPHER = "Gopher's (Rae et al. 2021, A1.1), over characters where it has words"

REPETITION = Family(
    measure=measure,
    reads=("text",),
    signals=(
        *(
            _shared(
                f"top_{n}gram_share",
                f"occurrences of the most frequent {n}-gram of characters / {n}-grams; Swallow corpus v1; {_SHORT.format(n=n)}",
            )
            for n in TOP
        ),
        *(
            _shared(
                f"top_{n}gram_char_share",
                f"{n} × occurrences of the most frequent {n}-gram / characters; {_GOPHER}; over 1 where they overlap",
            )
            for n in TOP
        ),
        *(
            signal
            for n in AGAIN
            for signal in (
                _shared(
                    f"duplicate_{n}gram_type_share",
                    f"distinct {n}-grams seen more than once / distinct {n}-grams; as Swallow corpus v1's code has it",
                ),
                _shared(
                    f"duplicate_{n}gram_share",
                    f"occurrences of {n}-grams seen more than once / {n}-grams; as Swallow corpus v1's README has it",
                ),
                _shared(
                    f"duplicate_{n}gram_char_share",
                    f"characters inside {n}-grams seen more than once, each counted once / characters; {_GOPHER}",
                ),
            )
        ),
        _shared(
            "frequent_5gram_share",
            "occurrences of the most frequent 5-grams / 5-grams: as many as √(distinct 5-grams), if so many come again; "
            "BigScience's rule (Laurençon et al. 2022) as HojiChar has it",
        ),
    ),
    version=1,
    libraries=(),
    kernels=("repetition",),
)


@njit(cache=True, nogil=True)
def _count(bytes_: UInt8M, offsets: Int64N1) -> Int64NC:
    """Sort the positions of every text by what follows them; n-grams seen again are then neighbours."""
    rows = len(offsets) - 1
    counts = np.zeros((rows, _COUNTS), np.int64)
    most = longest_of(offsets)
    codes = np.empty(most, np.uint32)
    stamps = np.zeros(_TABLE, np.int64)  # of a code point: row + 1, and its number in that row
    ids = np.zeros(most + _WHOLE, np.uint32)
    keys = np.zeros(most + _WHOLE, np.uint64)
    order, spare = np.empty(most, np.uint32), np.empty(most, np.uint32)
    groups, first = np.empty(most, np.uint32), np.empty(most + 1, np.uint32)
    shared = np.zeros(most + 1, np.uint8)
    for row in range(rows):
        size = decode_into(bytes_, offsets[row], offsets[row + 1], codes)
        mine = counts[row]
        mine[_CHARACTERS] = size
        if size < 2:
            continue
        known = _number(codes[:size], stamps, row + 1, ids)
        narrow = known < 1 << _BITS
        if narrow:
            _pack(ids, size, keys)
        order, spare = _sort(ids, size, known, order, spare, first)
        _share_five(ids, keys, narrow, size, order, groups, shared)
        order, spare = _share_ten(ids, keys, narrow, size, order, spare, groups, first, shared)
        _tally(size, order, shared, groups, spare, mine)
        _cover(size, groups, mine)
    return counts


@njit(cache=True, nogil=True)
def _number(codes: UInt32M, stamps: Int64M, stamp: int, ids: UInt32M) -> int:
    """Number the code points of a text from 1 in the order they are met; 0 stands behind its end."""
    known = 0
    for i in range(len(codes)):
        code = np.uint64(codes[i])
        found = stamps[code]
        if found >> 32 != stamp:
            known += 1
            found = np.int64(stamp) << 32 | known
            stamps[code] = found
        ids[i] = found & 0xFFFFFFFF
    ids[len(codes) : len(codes) + _WHOLE] = 0
    return known


@njit(cache=True, nogil=True)
def _pack(ids: UInt32M, size: int, keys: UInt64M) -> None:
    """Write five ids from each position on into one number, so that they are compared without a loop."""
    keys[size : size + _WHOLE] = 0
    for i in range(size - 1, -1, -1):
        keys[i] = np.uint64(ids[i]) << np.uint64(4 * _BITS) | keys[i + 1] >> np.uint64(_BITS)


@leaf
def _equal(ids: UInt32M, keys: UInt64M, narrow: bool, left: int, right: int) -> np.uint8:
    """Count how many of five ids are equal before the first that differs; places are unsigned."""
    if narrow:
        unlike = keys[left] ^ keys[right]
        # written out, without a branch: a loop costs twice as much
        more = np.uint8(unlike < _SECOND) + np.uint8(unlike < _THIRD) + np.uint8(unlike < _FOURTH)
        return np.uint8(more + np.uint8(unlike < _FIFTH) + np.uint8(unlike == _0))
    equal = _0
    while equal < _HALF_ON and ids[left + equal] == ids[right + equal]:
        equal += _1
    return np.uint8(equal)


@njit(cache=True, nogil=True)
def _sort(
    ids: UInt32M, size: int, known: int, order: UInt32M, spare: UInt32M, first: UInt32M
) -> tuple[UInt32M, UInt32M]:
    """Sort positions by their five ids, the last first, by counting; `first` is scratch, of `size` + 1 at least.

    Returns the order, and what is free again.
    """
    tally = np.zeros(known + 1, np.uint32)
    stop = np.uint64(size)
    for i in range(_0, stop):
        tally[np.uint64(ids[i])] += np.uint32(1)
        order[i] = i
    for place in range(_HALF - 1, -1, -1):
        # the ids `place` further on are all but the text's first `place`, and as many ends
        ends = min(place, size)
        for i in range(ends):
            tally[ids[i]] -= np.uint32(1)
        tally[0] = ends
        at = np.uint32(0)
        for id_ in range(known + 1):
            first[id_] = at
            at += tally[id_]
        for i in range(ends):
            tally[ids[i]] += np.uint32(1)
        ahead = np.uint64(place)
        for i in range(_0, stop):
            position = np.uint64(order[i])
            following = np.uint64(ids[position + ahead])
            spare[np.uint64(first[following])] = position
            first[following] += np.uint32(1)
        order, spare = spare, order
    return order, spare


@njit(cache=True, nogil=True)
def _share_five(
    ids: UInt32M,
    keys: UInt64M,
    narrow: bool,
    size: int,
    order: UInt32M,
    groups: UInt32M,
    shared: UInt8M,
) -> None:
    """Note how many of five ids each position shares with the one sorted before it, and number equal fives."""
    group = np.uint32(0)
    shared[0] = shared[size] = 0
    before = np.uint64(order[0])
    groups[before] = 0
    for i in range(_1, np.uint64(size)):
        here = np.uint64(order[i])
        equal = _equal(ids, keys, narrow, before, here)
        group += np.uint32(equal != _HALF)
        shared[i] = equal
        groups[here] = group
        before = here


@njit(cache=True, nogil=True)
def _share_ten(
    ids: UInt32M,
    keys: UInt64M,
    narrow: bool,
    size: int,
    order: UInt32M,
    spare: UInt32M,
    groups: UInt32M,
    first: UInt32M,
    shared: UInt8M,
) -> tuple[UInt32M, UInt32M]:
    """Sort positions of equal fives by the next five, and note how many of ten are shared.

    The order of fives is that of the next fives of the positions five before: taken in it, each goes to the next free
    place of its group. Half as long as sorting each group, on text that repeats itself.
    """
    known, stop = _0, np.uint64(size)
    for i in range(_0, stop):
        if shared[i] != _HALF:
            first[known] = i
            known += _1
    for i in range(max(size - _HALF, 0), size):  # nothing follows these
        group = np.uint64(groups[i])
        spare[np.uint64(first[group])] = i
        first[group] += np.uint32(1)
    for i in range(_0, stop):
        following = np.uint64(order[i])
        if following >= _HALF_ON:
            position = following - _HALF_ON
            group = np.uint64(groups[position])
            spare[np.uint64(first[group])] = position
            first[group] += np.uint32(1)
    before = np.uint64(spare[0])
    for i in range(_1, stop):
        here = np.uint64(spare[i])
        if shared[i] == _HALF:
            shared[i] += _equal(ids, keys, narrow, before + _HALF_ON, here + _HALF_ON)
        before = here
    return spare, order


@njit(cache=True, nogil=True)
def _tally(size: int, order: UInt32M, shared: UInt8M, longest: UInt32M, sizes: UInt32M, mine: Int64M) -> None:
    """Count n-grams from what neighbours share: a first of its kind shares less than n with the one before.

    Writes to `longest` how many characters from each position on are seen again; `sizes` is scratch.
    """
    pairs = np.zeros(16 * 16, np.int64)
    groups, five = _0, _0  # five: where the run of equal fives began
    before = np.uint64(shared[0])
    for i in range(_1, np.uint64(size) + _1):
        after = np.uint64(shared[i])
        pairs[before << _4 | after] += 1
        longest[np.uint64(order[i - _1])] = max(before, after)
        if after < _HALF_ON:
            if before >= _HALF_ON:
                sizes[groups] = i - five
                groups += _1
            five = np.uint64(i)
        before = after
    for place in range(len(TOP)):
        mine[_TOP + place] = _longest_run(shared, size, TOP[place])
    for pair in range(len(pairs)):
        left, right, seen = pair >> 4, pair & 15, pairs[pair]
        for n in range(_HALF, _WHOLE + 1):
            mine[_DISTINCT + n - _HALF] += seen * (left < n)
            mine[_REPEATED + n - _HALF] += seen * (left < n <= right)
            mine[_OCCURRENCES + n - _HALF] += seen * (max(left, right) >= n)
    for n in range(_HALF, _WHOLE + 1):  # the last n - 1 positions begin no n-gram
        mine[_DISTINCT + n - _HALF] = max(mine[_DISTINCT + n - _HALF] - (n - 1), 0)
    largest = np.sort(sizes[:groups])[::-1]
    mine[_FREQUENT] = largest[: int(np.sqrt(mine[_DISTINCT]))].sum()


@leaf
def _longest_run(shared: UInt8M, size: int, n: int) -> int:
    """Give the occurrences of the most frequent n-gram: the longest run of neighbours that share n characters.

    A longer run than the longest so far is looked for from its end; most places are never looked at.
    """
    best, start = np.uint64(1), _0
    while start + best < np.uint64(size):
        place = start + best
        while place > start and shared[place] >= n:
            place -= _1
        if place == start:
            best += _1
            while start + best < np.uint64(size) and shared[start + best] >= n:
                best += _1
            place = start + best
        start = place
    return int(best)


@njit(cache=True, nogil=True)
def _cover(size: int, longest: UInt32M, mine: Int64M) -> None:
    """Count characters inside n-grams seen more than once.

    Behind a position whose n characters come again, one whose n do too adds one character. So of the ten lengths only
    those that begin or end here are looked at: 5 ns a character instead of 24.
    """
    covered = np.zeros(
        _WHOLE + 1, np.int64
    )  # up to here, by n; of lengths that go on, not brought up to date
    going = np.zeros(_WHOLE + 1, np.int64)  # positions by the longest length that goes on
    before = _HALF - 1
    for position in range(size):
        here = max(longest[position], _HALF - 1)
        going[min(before, here)] += 1
        for n in range(here + 1, before + 1):
            covered[n] = position - 1 + n
        for n in range(before + 1, here + 1):
            mine[_COVERED + n - _HALF] += position + n - max(covered[n], position)
        before = here
    more = 0
    for n in range(_WHOLE, _HALF - 1, -1):
        more += going[n]
        mine[_COVERED + n - _HALF] += more
