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
_0, _1, _2 = (np.uint64(value) for value in range(3))
_MIX = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
_PADDING: Final = max(AGAIN)  # characters behind a text that may be read


class _Scratch(NamedTuple):
    """Room for the longest text: `codes` and `hashes` by place; `table` for twice as many, `once` for four times.

    Args:
        codes: code points.
        hashes: of the n-gram that begins here.
        slots: where the tally of that hash is.
        table: of hashes: tallies, or the first place of an n-gram + 1.
        once: of hashes: 0, 1, or 2 for more.
        places: where an n-gram may come again, in order.
        kinds: for these, the first place of the same n-gram.
        longer: as `kinds`, of n + 1.
        seen: for first places, how often their n-gram comes.
    """

    codes: UInt32M
    hashes: UInt64M
    slots: UInt32M
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
        np.zeros(most + _PADDING, np.uint32),
        np.zeros(most + _PADDING, np.uint64),
        np.zeros(most + 1, np.uint32),
        np.zeros(room, np.uint32),
        np.zeros(2 * room, np.uint8),
        np.zeros(most + 1, np.uint32),
        np.zeros(most + _PADDING, np.uint32),
        np.zeros(most + _PADDING, np.uint32),
        np.zeros(most + 1, np.uint32),
    )
    for row in range(len(counts)):
        size = decode_into(bytes_, offsets[row], offsets[row + 1], scratch.codes)
        mine = counts[row]
        mine[_CHARACTERS] = size
        for i in range(_0, np.uint64(size)):
            scratch.hashes[i] = np.uint64(scratch.codes[i]) * _MIX
        for i in range(len(TOP)):
            if size >= TOP[i]:
                mine[_TOP + i] = _most_frequent(scratch, size - TOP[i] + 1, TOP[i])
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
def _most_frequent(scratch: _Scratch, ngrams: int, n: int) -> int:
    """Count the occurrences of the most frequent n-gram, `hashes` being those of n - 1.

    If all that share the fullest slot are equal, no other can be more. Else those are compared that might be.
    """
    codes, hashes, slots, table = scratch.codes, scratch.hashes, scratch.slots, scratch.table
    stop, last, shift = np.uint64(ngrams), np.uint64(n - 1), np.uint64(64 - _width(2 * ngrams))
    table[: 1 << _width(2 * ngrams)] = 0
    fullest, full = _0, np.uint32(0)
    for i in range(_0, stop):
        hash_ = (hashes[i] ^ codes[i + last]) * _MIX
        hashes[i] = hash_
        slot = hash_ >> shift
        tally = np.uint32(table[slot] + np.uint32(1))
        table[slot] = tally
        slots[i] = slot
        if tally > full:
            fullest, full = slot, tally
    equal, first = _0, stop
    for i in range(_0, stop):
        if slots[i] == fullest:
            first = min(first, np.uint64(i))
            equal += np.uint64(_same(codes, first, i, n))
    if equal == full or full < 2:
        return int(equal)
    known = _0
    for i in range(_0, stop):
        scratch.places[known] = i
        known += np.uint64(table[np.uint64(slots[i])] > equal)
    _group(scratch, int(known), n)
    for k in range(known):
        equal = max(equal, np.uint64(scratch.seen[np.uint64(scratch.places[k])]))
    return int(equal)


@leaf
def _fives(scratch: _Scratch, ngrams: int) -> int:
    """Find the places whose five characters may come again, `hashes` being those of four; return their number."""
    codes, hashes, once, places = scratch.codes, scratch.hashes, scratch.once, scratch.places
    width = _width(4 * ngrams)
    stop, shift, four = np.uint64(ngrams), np.uint64(64 - width), np.uint64(4)
    once[: 1 << width] = 0
    for i in range(_0, stop):
        hash_ = (hashes[i] ^ codes[i + four]) * _MIX
        hashes[i] = hash_
        slot = hash_ >> shift
        seen = once[slot]
        once[slot] = np.uint8(seen + np.uint8(seen < 2))
    known = _0
    for i in range(_0, stop):
        places[known] = i
        known += np.uint64(once[hashes[i] >> shift] == 2)
    _group(scratch, int(known), 5)
    return int(known)


@leaf
def _group(scratch: _Scratch, known: int, n: int) -> None:
    """Find the first place of the same n characters for each of some places, and how often they come."""
    codes, hashes, table = scratch.codes, scratch.hashes, scratch.table
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
        covered += (place + width - max(end, place)) * np.uint64(
            again
        )  # what lies before `end` is covered already
        end = place + width if again else end
        places[left] = before
        left += np.uint64(again & (before + _1 == place))
        before = place if again else before
    mine[_REPEATED] = repeated
    mine[_OCCURRENCES] = occurrences
    mine[_COVERED] = covered
    return int(left)


@njit(cache=True, nogil=True)
def _frequent(scratch: _Scratch, known: int, ngrams: int) -> int:
    """Sum the occurrences of the most frequent ones of those that come again, √(distinct ones) at most."""
    sizes = np.empty(known, np.uint32)
    kinds, distinct = 0, ngrams - known
    for k in range(known):
        place = scratch.places[k]
        if scratch.kinds[place] == place:
            distinct += 1
            sizes[kinds] = scratch.seen[place]
            kinds += scratch.seen[place] > 1
    largest = np.sort(sizes[:kinds])[::-1]
    return int(largest[: int(np.sqrt(distinct))].sum())


@leaf
def _same(codes: UInt32M, left: int, right: int, n: int) -> bool:
    """Tell whether n characters, 2 to 5, are the same from two places on."""
    unlike = (codes[left] ^ codes[right]) | (codes[left + _1] ^ codes[right + _1])
    for i in range(_2, np.uint64(n)):
        unlike |= codes[left + i] ^ codes[right + i]
    return bool(unlike == 0)
