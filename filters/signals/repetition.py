"""Measure how much of a text is n-grams that come again, n = 2 to 10, by the definitions that recipes use."""

from typing import Final, NamedTuple

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

# In loops over every character places are unsigned: a signed one may count from the end, and asking costs half the
# speed, or four fifths. Unsigned and signed together would be a float, so the constants are unsigned too.
_0, _1, _2, _3, _4 = (np.uint64(value) for value in range(5))
_END: Final = 0x110000  # no code point
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
_PADDING: Final = max(AGAIN)  # characters behind a text that may be read


class _Scratch(NamedTuple):
    """Room for the longest text: `codes` and `hashes` by place; `table` for up to twelve times as many, `once` for four times.

    Args:
        codes: code points.
        hashes: of the five characters that begin here.
        spare: of fewer.
        table: of hashes: tallies, or the first place of an n-gram + 1.
        once: of hashes: 0, 1, or 2 for more.
        places: where an n-gram may come again, in order.
        kinds: for these, the first place of the same n-gram.
        longer: as `kinds`, of n + 1.
        seen: for first places, how often their n-gram comes.
    """

    codes: UInt32M
    hashes: UInt64M
    spare: UInt64M
    table: UInt32M
    once: UInt8M
    places: UInt32M
    kinds: UInt32M
    longer: UInt32M
    seen: UInt32M


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
    """Count text by text, for n = 2 to 10.

    Most n-grams of five characters are there once. A table of how many have the same hash says so of nearly all of
    them, without a branch; only what is left is compared. What comes again with n + 1 characters came with n, here and
    one further on, so each longer n looks at fewer places.
    """
    counts = np.zeros((len(offsets) - 1, _COUNTS), np.int64)
    most = longest_of(offsets)
    room = 1 << _width(2 * most)
    scratch = _Scratch(
        np.empty(most + _PADDING, np.uint32),
        np.empty(most + 1, np.uint64),
        np.empty(most + 1, np.uint64),
        np.empty(3 * room, np.uint32),
        np.empty(2 * room, np.uint8),
        np.empty(most + 1, np.uint32),
        np.empty(most + _PADDING, np.uint32),
        np.empty(most + _PADDING, np.uint32),
        np.empty(most + 1, np.uint32),
    )
    for row in range(len(counts)):
        size = decode_into(bytes_, offsets[row], offsets[row + 1], scratch.codes)
        mine = counts[row]
        mine[_CHARACTERS] = size
        _most_frequent(scratch, size, mine)
        known, kinds, longer = 0, scratch.kinds, scratch.longer
        for i in range(len(AGAIN)):
            ngrams = max(size - AGAIN[i] + 1, 0)
            if i == 0:
                known = _fives(scratch, ngrams)
                mine[_FREQUENT] = _frequent(scratch, known, ngrams)
            else:
                _pairs(scratch, known, kinds, longer)
                kinds, longer = longer, kinds
            known = _tally(scratch, kinds, known, AGAIN[i], mine[i:])
            mine[_DISTINCT + i] = ngrams - mine[_OCCURRENCES + i] + mine[_REPEATED + i]
    return counts


@leaf
def _width(size: int) -> int:
    """Give the bits of the numbers below a size, 4 at least."""
    width = 4
    while 1 << width < size:
        width += 1
    return width


@leaf
def _most_frequent(scratch: _Scratch, size: int, mine: Int64M) -> None:
    """Count the occurrences of the most frequent 2-, 3- and 4-gram; leave the hashes of all fives in `hashes`."""
    codes, hashes, table = scratch.codes, scratch.hashes, scratch.table
    for i in range(_PADDING):
        codes[size + i] = _END + i  # n-grams that reach over the end are those of no text
    width = _width(2 * size)
    table[: 3 << width] = 0
    shift, threes, fours = np.uint64(64 - width), np.uint64(1 << width), np.uint64(2 << width)
    two, three, four = _0, _0, _0  # a place whose n-gram is in the fullest slot
    of_two, of_three, of_four = np.uint32(0), np.uint32(0), np.uint32(0)  # and what that holds
    for i in range(_0, np.uint64(size)):
        hash_ = (np.uint64(codes[i]) * _MIX ^ codes[i + _1]) * _MIX
        tally = _add(table, hash_ >> shift)
        if tally > of_two:
            two, of_two = np.uint64(i), tally
        hash_ = (hash_ ^ codes[i + _2]) * _MIX
        tally = _add(table, (hash_ >> shift) + threes)
        if tally > of_three:
            three, of_three = np.uint64(i), tally
        hash_ = (hash_ ^ codes[i + _3]) * _MIX
        tally = _add(table, (hash_ >> shift) + fours)
        if tally > of_four:
            four, of_four = np.uint64(i), tally
        hashes[i] = (hash_ ^ codes[i + _4]) * _MIX
    # in this order: what is compared takes the table of the twos, and no more of it
    mine[_TOP] = _exactly(scratch, size, 2, two, of_two, 0, width)
    mine[_TOP + 1] = _exactly(scratch, size, 3, three, of_three, 1 << width, width)
    mine[_TOP + 2] = _exactly(scratch, size, 4, four, of_four, 2 << width, width)


@leaf
def _add(table: UInt32M, slot: int) -> np.uint32:
    """Tally one more, and return how many there are."""
    tally = np.uint32(table[slot] + np.uint32(1))
    table[slot] = tally
    return tally


@leaf
def _exactly(scratch: _Scratch, size: int, n: int, fullest: int, full: int, start: int, width: int) -> int:
    """Count the most frequent n-gram, that of `fullest` unless it shares its slot with many.

    No other can be more frequent if no other slot holds more. Else those are compared that are in slots which do.
    """
    if size < n:
        return 0
    codes, table, places = scratch.codes, scratch.table, scratch.places
    stop, equal = np.uint64(size - n + 1), 0
    for i in range(_0, stop):
        equal += _same(codes, fullest, i, n)
    if equal == full:
        return equal
    fuller = 0
    for slot in range(start, start + (1 << width)):
        fuller += table[slot] > equal
    if fuller == 1 and full - equal <= equal:
        return equal
    known, shift, first = _0, np.uint64(64 - width), np.uint64(start)
    for i in range(_0, stop):
        hash_ = np.uint64(codes[i]) * _MIX
        for j in range(_1, np.uint64(n)):
            hash_ = (hash_ ^ codes[i + j]) * _MIX
        scratch.spare[i] = hash_
        places[known] = i
        known += np.uint64(table[first + (hash_ >> shift)] > equal)
    _group(scratch, scratch.spare, int(known), n)
    for k in range(_0, known):
        place = np.uint64(places[k])
        if scratch.kinds[place] == place:
            equal = max(equal, int(scratch.seen[place]))
    return equal


@leaf
def _fives(scratch: _Scratch, ngrams: int) -> int:
    """Find the places whose five characters may come again; return their number."""
    hashes, once, places = scratch.hashes, scratch.once, scratch.places
    width = _width(4 * ngrams)
    stop, shift = np.uint64(ngrams), np.uint64(64 - width)
    once[: 1 << width] = 0
    for i in range(_0, stop):
        slot = hashes[i] >> shift
        seen = once[slot]
        once[slot] = np.uint8(seen + np.uint8(seen < 2))
    known = _0
    for i in range(_0, stop):
        places[known] = i
        known += np.uint64(once[hashes[i] >> shift] == 2)
    _group(scratch, hashes, int(known), 5)
    return int(known)


@leaf
def _group(scratch: _Scratch, hashes: UInt64M, known: int, n: int) -> None:
    """Find the first place of the same n characters for each of some places, and how often they come."""
    codes, table = scratch.codes, scratch.table
    places, kinds, seen = scratch.places, scratch.kinds, scratch.seen
    width = _width(2 * known)
    table[: 1 << width] = 0
    shift, end = np.uint64(64 - width), np.uint64((1 << width) - 1)
    for k in range(_0, np.uint64(known)):
        place = np.uint64(places[k])
        slot = hashes[place] >> shift
        while True:
            first = np.uint64(table[slot])
            if first == _0:
                table[slot] = place + _1
                kinds[place] = place
                seen[place] = 1
                break
            if _same(codes, first - _1, place, n):
                kinds[place] = first - _1
                seen[first - _1] += np.uint32(1)
                break
            slot = slot + _1 & end


@leaf
def _pairs(scratch: _Scratch, known: int, kinds: UInt32M, longer: UInt32M) -> None:
    """Group places by n + 1 characters: those are equal if their first n are and their last n."""
    table, places, seen = scratch.table, scratch.places, scratch.seen
    width = _width(2 * known)
    table[: 1 << width] = 0
    shift, end = np.uint64(64 - width), np.uint64((1 << width) - 1)
    for k in range(_0, np.uint64(known)):
        place = np.uint64(places[k])
        kind, other = kinds[place], kinds[place + _1]
        slot = ((np.uint64(kind) << np.uint64(32) | np.uint64(other)) * _MIX) >> shift
        while True:
            first = np.uint64(table[slot])
            if first == _0:
                table[slot] = place + _1
                longer[place] = place
                seen[place] = 1
                break
            first -= _1
            if kinds[first] == kind and kinds[first + _1] == other:
                longer[place] = first
                seen[first] += np.uint32(1)
                break
            slot = slot + _1 & end


@leaf
def _tally(scratch: _Scratch, kinds: UInt32M, known: int, n: int, mine: Int64M) -> int:
    """Count the places whose n characters come again, their kinds, and the characters they cover.

    Leaves in `places` those that may come again with n + 1, as the next one does with n, and returns their number.
    """
    places, seen = scratch.places, scratch.seen
    occurrences, repeated, covered, end, left, width = _0, _0, _0, _0, _0, np.uint64(n)
    before = np.uint64(1 << 40)  # the last place that comes again
    for k in range(_0, np.uint64(known)):
        place = np.uint64(places[k])
        kind = np.uint64(kinds[place])
        again = seen[kind] > 1
        occurrences += np.uint64(again)
        repeated += np.uint64(again & (kind == place))
        # what lies before `end` is covered already
        covered += (place + width - max(end, place)) * np.uint64(again)
        end = place + width if again else end
        places[left] = before
        left += np.uint64(again & (before + _1 == place))
        before = place if again else before
    mine[_REPEATED] = repeated
    mine[_OCCURRENCES] = occurrences
    mine[_COVERED] = covered
    return int(left)


@leaf
def _frequent(scratch: _Scratch, known: int, ngrams: int) -> int:
    """Sum the occurrences of the most frequent ones of those that come again, √(distinct ones) at most."""
    places, kinds, seen, table = scratch.places, scratch.kinds, scratch.seen, scratch.table
    table[: known + 1] = 0  # by occurrences: so many kinds
    distinct, most = ngrams - known, _1
    for k in range(_0, np.uint64(known)):
        place = np.uint64(places[k])
        if kinds[place] == place:
            distinct += 1
            table[np.uint64(seen[place])] += np.uint32(1)
            most = max(most, np.uint64(seen[place]))
    left, total = int(np.sqrt(distinct)), 0
    while left > 0 and most > _1:
        taken = min(left, int(table[most]))
        total += taken * int(most)
        left -= taken
        most -= _1
    return total


@leaf
def _same(codes: UInt32M, left: int, right: int, n: int) -> bool:
    """Tell whether n characters, 2 to 5, are the same from two places on."""
    unlike = (codes[left] ^ codes[right]) | (codes[left + _1] ^ codes[right + _1])
    for i in range(_2, np.uint64(n)):
        unlike |= codes[left + i] ^ codes[right + i]
    return bool(unlike == 0)
