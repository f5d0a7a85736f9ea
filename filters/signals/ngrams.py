"""Compare and count n-grams of characters: the room that it takes, and the most frequent 2-, 3- and 4-gram."""

from typing import Any, Final, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from kakehi.filters.cleaning.codepoints import leaf
from kakehi.filters.texts import MIX, Int64M, Place, UInt8M, UInt32M, UInt64M

#: n of the n-grams whose most frequent one is measured.
TOP: Final = (2, 3, 4)

#: What may be read behind a text: 64 places at once, from any of its places on.
PADDING: Final = 80

# Unsigned and signed together would be a float, so what places meet is unsigned too.
_0, _1, _2, _3, _4, _10, _21, _32, _42 = (np.uint64(value) for value in (0, 1, 2, 3, 4, 10, 21, 32, 42))
_COMPARED: Final = 16  # characters that `alike` looks at
_END: Final = 0x110000  # no code point
_TALLIES: Final = 14  # bits of a slot at most: three tables of tallies stay in a processor's second cache


class Room(NamedTuple):
    """What the longest text needs. By place, where nothing else is said; nothing is kept from text to text.

    Args:
        codes: code points.
        hashes: of the five characters from here on.
        table: of hashes; twice as long and more, for what each function says.
        before: how many characters, ten at most, are the same from an earlier place on: 16 times as many. In the last
            place of a kind of 5-grams, also how many others are linked to it: added, 15 at most.
        after: the same from a later place on, but for whole copies; and ten in each of those.
        seen: in one place of a kind, how often its 5-gram comes; in 32 bits above, the first of the links.
        links: the next place of the same kind; from the end of a text backwards.
        roots: the place that this one is a copy of, or itself. Later, and in `classify`: by number, classes.
        kinds: the last place of the same five characters. Later, and in `classify`: by number, how many are in a class.
        left: a list of places.
        listed: a list of places that stand for kinds.
        members: a list of places that have others of their kind. In `most_frequent`: hashes.
    """

    codes: UInt32M
    hashes: UInt32M
    table: UInt32M
    before: UInt8M
    after: UInt8M
    seen: UInt64M
    links: UInt32M
    roots: UInt32M
    kinds: UInt32M
    left: UInt32M
    listed: UInt32M
    members: UInt32M


def make_room(most: int) -> Room:
    """Make room for texts of up to so many characters; by numpy, which asks Linux for large pages where there is much."""
    size = most + PADDING
    return Room(
        codes=np.empty(size, np.uint32),
        hashes=np.empty(size, np.uint32),
        table=np.empty((3 << _TALLIES) + (1 << int(width_of(2 * most))), np.uint32),
        before=np.empty(size, np.uint8),
        after=np.empty(size, np.uint8),
        seen=np.empty(size, np.uint64),
        links=np.empty(size, np.uint32),
        roots=np.empty(size, np.uint32),
        kinds=np.empty(size, np.uint32),
        left=np.empty(size, np.uint32),
        listed=np.empty(size, np.uint32),
        members=np.empty(size, np.uint32),
    )


@intrinsic
def _same(_: Any, codes: Any, left: Any, right: Any) -> Any:  # noqa: ARG001 - types; their values are in `arguments`
    """Count the characters that are the same from two places on, sixteen at most; sixteen must be there."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        vector = ir.VectorType(ir.IntType(32), _COMPARED).as_pointer()
        loads = []
        for place in arguments[1:]:
            value = builder.load(builder.bitcast(builder.gep(array.data, [place]), vector))
            value.align = 4
            loads.append(value)
        unlike = builder.bitcast(builder.icmp_unsigned("!=", *loads), ir.IntType(_COMPARED))
        wide = builder.or_(builder.zext(unlike, ir.IntType(64)), ir.Constant(ir.IntType(64), 1 << _COMPARED))
        return builder.cttz(wide, context.get_constant(types.boolean, True))

    return types.uint64(codes, types.uint64, types.uint64), build


@leaf
def alike(codes: UInt32M, left: Place, right: Place) -> Place:
    """Count the characters that are the same from two places on, ten at most."""
    return min(_same(codes, left, right), _10)


@leaf
def width_of(size: int) -> int:
    """Give the bits of the numbers below a size, 4 at least."""
    width = 4
    while 1 << width < size:
        width += 1
    return width


@leaf
def most_frequent(room: Room, size: int, most: Int64M) -> None:
    """Count the occurrences of the most frequent 2-, 3- and 4-gram; leave the hashes of all fives in `hashes`.

    `table` holds tallies: three tables, then what `classify` needs.
    """
    codes, hashes, table = room.codes, room.hashes, room.table
    codes[size : size + _COMPARED] = _END  # n-grams that reach over the end are those of no text
    width = min(width_of(2 * size), _TALLIES)
    table[: 3 << width] = 0
    shift, threes, fours = np.uint64(64 - width), np.uint64(1 << width), np.uint64(2 << width)
    two, three, four = _0, _0, _0  # a place whose n-gram is in the fullest slot
    second, third, fourth = _0, _0, _0  # and the one that filled a slot to one less
    of_two, of_three, of_four = np.uint32(0), np.uint32(0), np.uint32(0)  # and what that holds
    here, next_ = _key(codes, _0), _key(codes, _1)
    for i in range(_0, np.uint64(size)):
        after = _key(codes, i + _2)
        tally = _add(table, _hash_two(here) >> shift)
        if tally > of_two:
            second, two, of_two = two, np.uint64(i), tally
        tally = _add(table, (_hash_three(here) >> shift) + threes)
        if tally > of_three:
            third, three, of_three = three, np.uint64(i), tally
        tally = _add(table, (_hash_more(here, next_) >> shift) + fours)
        if tally > of_four:
            fourth, four, of_four = four, np.uint64(i), tally
        hashes[i] = _hash_more(here, after) >> _32
        here, next_ = next_, after
    twos, triples, quadruples = _occurrences(codes, size, two, three, four)
    most[0] = _exactly(room, size, 2, twos, second, of_two, 0, width)
    most[1] = _exactly(room, size, 3, triples, third, of_three, 1 << width, width)
    most[2] = _exactly(room, size, 4, quadruples, fourth, of_four, 2 << width, width)


@leaf
def _key(codes: UInt32M, i: Place) -> np.uint64:
    """Put three characters into one number."""
    return np.uint64(codes[i]) << _42 | np.uint64(codes[i + _1]) << _21 | np.uint64(codes[i + _2])


@leaf
def _hash_two(key: np.uint64) -> np.uint64:
    return (key >> _21) * MIX


@leaf
def _hash_three(key: np.uint64) -> np.uint64:
    return key * MIX


@leaf
def _hash_more(key: np.uint64, other: np.uint64) -> np.uint64:
    """Hash four characters, from keys one apart, or five, from keys two apart."""
    return (key * MIX ^ other) * MIX


@leaf
def _hash(codes: UInt32M, i: Place, n: int) -> np.uint64:
    """Hash two, three or four characters."""
    key = _key(codes, i)
    if n == 2:
        return _hash_two(key)
    return _hash_three(key) if n == 3 else _hash_more(key, _key(codes, i + _1))


@leaf
def _add(table: UInt32M, slot: np.uint64) -> np.uint32:
    """Tally one more, and return how many there are."""
    tally = np.uint32(table[slot] + np.uint32(1))
    table[slot] = tally
    return tally


@leaf
def _occurrences(codes: UInt32M, size: int, two: Place, three: Place, four: Place) -> tuple[int, int, int]:
    """Count how often the 2-gram, the 3-gram and the 4-gram of three places come; without branches: it vectorises."""
    twos, threes, fours = np.uint32(0), np.uint32(0), np.uint32(0)
    a, b = codes[two], codes[two + _1]
    c, d, e = codes[three], codes[three + _1], codes[three + _2]
    f, g, h, j = codes[four], codes[four + _1], codes[four + _2], codes[four + _3]
    for i in range(_0, np.uint64(size)):
        p, q, r, s = codes[i], codes[i + _1], codes[i + _2], codes[i + _3]
        twos += np.uint32((p == a) & (q == b))
        threes += np.uint32((p == c) & (q == d) & (r == e))
        fours += np.uint32((p == f) & (q == g) & (r == h) & (s == j))
    return int(twos), int(threes), int(fours)


@leaf
def _exactly(
    room: Room, size: int, n: int, equal: int, other: Place, full: int, start: int, width: int
) -> int:
    """Count the most frequent n-gram: of `equal` occurrences, unless it shares its slot with many.

    No other can be more frequent if no other slot holds more. Else those are compared that are in slots which do.

    Args:
        room: what `most_frequent` left.
        size: characters.
        n: 2, 3 or 4.
        equal: occurrences of the n-gram that filled the fullest slot.
        other: where the n-gram is that filled a slot to one less: asked if the last one was there by chance. It is of
            this slot, or its own holds more than it comes, or nothing of this slot comes more often.
        full: what the fullest slot holds.
        start: of the tallies in `table`.
        width: of a slot, in bits.
    """
    if size < n:
        return 0
    codes, table, left = room.codes, room.table, room.left
    shift, first, enough = np.uint64(64 - width), np.uint64(start), np.uint64(n)
    if 2 * equal < full:
        others = 0
        for i in range(_0, np.uint64(size)):
            others += alike(codes, np.uint64(i), other) >= enough
        equal = max(equal, others)
    if equal == full:
        return equal
    fuller, limit = np.uint32(0), np.uint32(equal)
    for slot in range(first, first + np.uint64(1 << width)):
        fuller += np.uint32(table[slot] > limit)
    if fuller == 1 and full - equal <= equal:
        return equal
    known = _0
    for i in range(_0, np.uint64(size - n + 1)):
        hash_ = _hash(codes, np.uint64(i), n)
        room.members[i] = hash_ >> _32
        left[known] = i
        known += np.uint64(table[first + (hash_ >> shift)] > limit)
    classify(room, room.members, int(known), n, 3 << width)
    for k in range(_0, known):
        equal = max(equal, int(room.kinds[k]))
    return equal


@leaf
def note(room: Room, place: Place, later: Place, length: Place) -> None:
    """Note that so many characters are the same from a place and a later one on."""
    room.after[place] = np.uint8(max(np.uint64(room.after[place]), length << _4))
    room.before[later] = np.uint8(max(np.uint64(room.before[later]), length << _4))


@leaf
def classify(room: Room, hashes: UInt32M, known: int, n: int, start: int) -> int:
    """Find which of the places in `left` have the same n characters; note in `before` and `after` how many are the same.

    The first in `left` of a class must be the last in the text, or the class must not matter but for its size.

    Args:
        room: `left`: the places; afterwards those with others in their class, without copies.
        hashes: of the n characters, or of five of more, by place.
        known: how many are in `left`.
        n: 2 to 10.
        start: of what may be used of `table`: numbers in `left` + 1.

    Returns:
        How many are in `left` afterwards.
    """
    codes, table, left = room.codes, room.table, room.left
    classes, times = room.roots, room.kinds
    width = width_of(2 * known)
    table[start : start + (1 << width)] = 0
    shift, end, begin = np.uint64(64 - width), np.uint64((1 << width) - 1), np.uint64(start)
    further, enough = np.uint64(max(n - 5, 0)), np.uint64(n)
    for k in range(_0, np.uint64(known)):
        place = np.uint64(left[k])
        classes[k], times[k] = k, 1
        slot = (np.uint64(hashes[place]) << _32 | np.uint64(hashes[place + further])) * MIX >> shift
        while True:
            first = np.uint64(table[begin + slot])
            if first == _0:
                table[begin + slot] = k + _1
                break
            first -= _1
            last = np.uint64(left[first])
            length = alike(codes, last, place)
            if length >= enough:
                times[first] += np.uint32(1)
                classes[k] = first if length < _10 else k  # a copy says no more than the other
                note(room, place, last, length)
                break
            slot = slot + _1 & end
    kept = _0
    for k in range(_0, np.uint64(known)):
        left[kept] = left[k]
        kept += np.uint64(times[classes[k]] > 1)
    return int(kept)
