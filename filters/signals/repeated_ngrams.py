"""Find the n-grams of five to ten characters that come again in a text, and how much of it they are.

`find_again` goes from much to little. Places whose ten characters are those of an earlier place are copies, and need no
more looking at (`_set_aside`); these come in runs, within which no hash is asked. The others are grouped by their first
five characters (`_group`): kinds. Within a kind, each is compared with the last of it, then, where there are more than
two, with all others, or, where there are many, n by n (`_compare`). After that every place knows how many of its
characters come earlier or later, up to ten, and counting is a matter of bits (`_sum_up`).

Where nobody can guess, there is no branch: a list gets every place, and its end moves where the place belongs there.
"""

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from kakehi.arrays import Int64M
from kakehi.filters.signals.ngrams import PADDING, Room, alike, classify, note, width_of
from kakehi.filters.texts import ByteIndex, leaf
from kakehi.splitmix64 import GOLDEN_GAMMA

#: n of the n-grams that are measured for coming again.
AGAIN: Final = (5, 6, 7, 8, 9, 10)

# Unsigned, as the places are.
_0, _1, _2, _4, _5, _9, _10, _15, _32, _64, _240 = (
    np.uint64(value) for value in (0, 1, 2, 4, 5, 9, 10, 15, 32, 64, 240)
)
_LOW, _BIT_32 = np.uint64(0xFFFFFFFF), np.uint64(1 << 32)
_LINKED, _WHOLE = np.uint8(15), np.uint8(160)  # in `before`: the part that counts links; ten characters
_FEW: Final = 14  # links of a kind whose places are compared each with each


@leaf
def find_again(room: Room, size: int, repeated: Int64M, occurrences: Int64M, covered: Int64M) -> int:
    """Count, for each n, the kinds of n-grams that come again, their occurrences, and the characters inside them.

    Args:
        room: `codes` and `hashes` of a text, as `most_frequent` leaves them.
        size: characters.
        repeated: by n, gets kinds.
        occurrences: by n, gets occurrences.
        covered: by n, gets characters.

    Returns:
        How many kinds of 5-grams come again; they are in `listed`, and `seen` holds how often each comes.
    """
    fives = max(size - 4, 0)
    width = width_of(size)
    left, listed = _set_aside(room, fives, width)
    listed = _group(room, left, listed, width)
    _compare(room, listed)
    _sum_up(room, size, repeated, occurrences, covered)
    return listed


@leaf
def _set_aside(room: Room, fives: int, width: int) -> tuple[int, int]:
    """Mark the places whose ten characters are those of an earlier one; list the others in `left`.

    `table` gets the last place for each hash of five, and behind these, for each of ten. It is cleared: where nothing was yet,
    the first place is asked. What an earlier text left there would be places from all over, each far from what a processor
    has at hand.

    Returns:
        How many are in `left`, and how many places with copies are in `listed`.
    """
    codes, hashes, table, before, after = room.codes, room.hashes, room.table, room.before, room.after
    roots, seen, left, listed = room.roots, room.seen, room.left, room.listed
    seen[:fives] = 1
    before[: fives + PADDING] = 0
    after[: fives + PADDING] = 0
    table[: (1 << width) + (1 << width - 1)] = 0
    stop, shift, tens = np.uint64(fives), np.uint64(32 - width), np.uint64(1 << width)
    for place in range(_0, stop):
        roots[place] = place
    i, others, kinds = _0, _0, _0
    while i < stop:
        hash_ = hashes[i]
        slot = tens + (np.uint64(hash_ ^ hashes[i + _5] >> np.uint32(1)) >> (shift + _1))
        j = np.uint64(table[slot])
        table[slot] = i
        if ((hashes[j] == hash_) & (j < i)) and alike(codes, i, j) == _10:
            while True:
                root = roots[j]
                roots[i] = root
                listed[kinds] = root
                kinds += np.uint64(seen[root] == _1)
                seen[root] += _1
                before[root], before[i], after[i] = _WHOLE, _WHOLE, _WHOLE
                i += _1
                j += _1
                if codes[i + _9] != codes[j + _9]:
                    break
            continue
        table[np.uint64(hash_) >> shift] = i
        left[others] = i
        others += _1
        i += _1
    return int(others), int(kinds)


@leaf
def _group(room: Room, left: int, listed: int, width: int) -> int:
    """Find the last place of the same five characters for each in `left`; list these in `listed`.

    `table` holds the last place for each hash. Places that meet another hash there wait for the next round, in which
    slots are others; all of a kind do.
    """
    table, hashes, kinds, places, members = room.table, room.hashes, room.kinds, room.left, room.members
    still, mix, shift, number = np.uint64(left), _BIT_32, np.uint64(64 - width), np.uint64(listed)
    while still > _0:
        now, still, known = still, _0, _0
        for k in range(_0, now):
            place = places[k]
            hash_ = hashes[place]
            last = table[np.uint64(hash_) * mix >> shift]
            same = hashes[last] == hash_
            kinds[place] = last
            members[known] = place
            known += np.uint64(same & (last != place))
            places[still] = place
            still += np.uint64(not same)
        number, still = _link(room, known, number, still)
        mix, shift = max(mix, GOLDEN_GAMMA) + _2, np.uint64(64 - width_of(2 * int(still)))
        for k in range(_0, still):
            place = places[k]
            table[np.uint64(hashes[place]) * mix >> shift] = place
    return int(number)


@leaf
def _link(room: Room, known: ByteIndex, number: ByteIndex, still: ByteIndex) -> tuple[ByteIndex, ByteIndex]:
    """Compare each of `members` with the last of its kind, and link it to that unless it is a copy.

    Returns:
        How many are in `listed`, and in `left`, which gets those that only have the same hash.
    """
    codes, kinds, left, listed, members = room.codes, room.kinds, room.left, room.listed, room.members
    before, after, seen, links = room.before, room.after, room.seen, room.links
    for k in range(_0, known):
        place = np.uint64(members[k])
        last = np.uint64(kinds[place])
        same = alike(codes, place, last)
        if same < _5:
            left[still] = place
            still += _1
            continue
        of_last, linked = seen[last], np.uint64(before[last] & _LINKED)
        listed[number] = last
        number += np.uint64(of_last == _1)
        after[place] = np.uint8(same << _4)
        length = max(np.uint64(before[last]) & _240, same << _4)
        before[last] = np.uint8(length | min(linked + np.uint64(same < _10), _15))
        head = of_last >> _32
        links[place] = head if linked > _0 else last
        head = place if same < _10 else head
        seen[last] = (of_last & _LOW) + (seen[place] & _LOW) | head << _32
        seen[place] = 0
    return number, still


@leaf
def _compare(room: Room, listed: int) -> None:
    """Compare the places of kinds that have more than two."""
    codes, links, kinds, left = room.codes, room.links, room.listed, room.left
    many, members = _0, room.members
    for k in range(_0, np.uint64(listed)):
        members[many] = kinds[k]
        many += np.uint64(room.before[kinds[k]] & _LINKED > 1)
    for k in range(_0, many):
        last = np.uint64(members[k])
        linked = room.before[last] & _LINKED
        place = room.seen[last] >> _32
        if linked <= _FEW:
            while place != last:
                other = np.uint64(links[place])
                while other != last:
                    note(room, other, place, alike(codes, place, other))
                    other = np.uint64(links[other])
                place = np.uint64(links[place])
        else:
            left[0] = last
            known = 1
            while place != last:
                left[known] = place
                known += 1
                place = np.uint64(links[place])
            for n in AGAIN[1:]:
                known = classify(room, room.hashes, known, n, 0)


@intrinsic
def _at_least(_: Any, bytes_: Any, place: Any, least: Any) -> Any:  # noqa: ARG001 - types; their values are in `arguments`
    """Tell of 64 bytes from a place on, the first in the lowest bit, whether they are at least so much."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        vector = ir.VectorType(ir.IntType(8), 64)
        value = builder.load(builder.bitcast(builder.gep(array.data, [arguments[1]]), vector.as_pointer()))
        value.align = 1
        none = ir.Constant(vector, ir.Undefined)
        first = builder.trunc(arguments[2], ir.IntType(8))
        one = builder.insert_element(none, first, ir.Constant(ir.IntType(32), 0))
        all_ = builder.shuffle_vector(one, none, ir.Constant(ir.VectorType(ir.IntType(32), 64), None))
        return builder.bitcast(builder.icmp_unsigned(">=", value, all_), ir.IntType(64))

    return types.uint64(bytes_, types.uint64, types.uint64), build


@intrinsic
def _ones(_: Any, value: Any) -> Any:  # noqa: ARG001 - as above
    """Count the bits that are 1."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), build


@leaf
def _sum_up(room: Room, size: int, repeated: Int64M, occurrences: Int64M, covered: Int64M) -> None:
    """Count, for each n, 64 places at a time, a bit each.

    A place comes again if n of its characters come before or after; of each kind the last one comes before only.
    """
    for level in range(len(AGAIN)):
        n = np.uint64(AGAIN[level])
        kinds, places, inside, previous = _0, _0, _0, _0
        for i in range(_0, np.uint64(size), _64):
            before, after = _at_least(room.before, i, n << _4), _at_least(room.after, i, n << _4)
            again = before | after
            places += _ones(again)
            kinds += _ones(before & ~after)
            width, here, there = _1, again, previous  # each bit stands for so many characters
            while width < n:
                step = min(width, n - width)
                here |= here << step | there >> (_64 - step)
                there |= there << step
                width += step
            inside += _ones(here)
            previous = again
        repeated[level], occurrences[level], covered[level] = kinds, places, inside


@leaf
def sum_frequent(room: Room, listed: int, distinct: int) -> int:
    """Sum the occurrences of the most frequent 5-grams that come again, √(distinct ones) at most, after `find_again`."""
    kinds, seen, table = room.listed, room.seen, room.table
    most = _1
    for k in range(_0, np.uint64(listed)):
        most = max(most, seen[kinds[k]] & _LOW)
    table[: int(most) + 1] = 0  # by occurrences: so many kinds
    for k in range(_0, np.uint64(listed)):
        table[seen[kinds[k]] & _LOW] += np.uint32(1)
    left, total = int(np.sqrt(distinct)), 0
    while left > 0 and most > _1:
        taken = min(left, int(table[most]))
        total += taken * int(most)
        left -= taken
        most -= _1
    return total
