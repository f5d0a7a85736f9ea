"""Compare and count n-grams of characters: the room that it takes, and the most frequent 2-, 3- and 4-gram."""

from typing import Any, Final, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from kakehi.arrays import Int64M, UInt8M, UInt32M, UInt64M
from kakehi.filters.texts import ByteIndex, leaf
from kakehi.splitmix64 import GOLDEN_GAMMA

#: n of the n-grams whose most frequent one is measured.
TOP: Final = (2, 3, 4)

#: What may be read behind a text: 64 places at once, from any of its places on.
PADDING: Final = 80

# Unsigned and signed together would be a float, so what places meet is unsigned too.
_0, _1, _2, _3, _4, _10, _21, _32, _42 = (np.uint64(value) for value in (0, 1, 2, 3, 4, 10, 21, 32, 42))
_COMPARED: Final = 16  # characters that `alike` looks at
_END: Final = 0x110000  # no code point
_TALLIES: Final = 14  # bits of a slot at most: two tables of tallies stay in a processor's second cache


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
        links: the next place of the same kind; from the end of a text backwards. In `most_frequent`: a list of places
            where the n-gram of a length may be the most frequent.
        roots: the place that this one is a copy of, or itself. Later, and in `classify`: by number, classes.
        kinds: the last place of the same five characters. Later, and in `classify`: by number, how many are in a class.
        left: a list of places.
        listed: a list of places that stand for kinds. In `most_frequent`: of places with one n-gram.
        members: a list of places that have others of their kind. In `most_frequent`: hashes of n characters.
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
        table=np.empty((2 << _TALLIES) + (1 << int(width_of(2 * most))), np.uint32),
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
def alike(codes: UInt32M, left: ByteIndex, right: ByteIndex) -> ByteIndex:
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
    """Count the most frequent 2-, 3- and 4-gram, 1 where a text is too short for any; leave the hashes of fives in `hashes`.

    No n-gram comes more often than its first n - 1 characters do, and the most frequent 2-gram, where it goes on alike most
    often, tells how often some 4-gram comes: where the first two characters share a slot with fewer, nothing longer is asked.
    """
    codes, hashes, members, links = room.codes, room.hashes, room.members, room.links
    codes[size : size + _COMPARED] = _END  # n-grams that reach over the end are those of no text
    for i in range(_0, np.uint64(size)):
        key = _key(codes, i)
        hashes[i] = _hash_more(key, _key(codes, i + _2)) >> _32
        members[i] = (key >> _21) * GOLDEN_GAMMA >> _32
        links[i] = i
    known = np.uint64(size)
    for level in range(len(TOP)):
        n = TOP[level]
        width = min(width_of(2 * int(known)), _TALLIES)
        most[level], listed = _most_of(room, known, n, width)
        if n < TOP[-1]:
            for longer in range(n + 1, TOP[-1] + 1):
                listed = _extend(room, listed, longer)
            known = _narrow(room, known, listed, n + 1, width)


@leaf
def _most_of(room: Room, known: ByteIndex, n: int, width: int) -> tuple[int, ByteIndex]:
    """Count the most frequent n-gram of the places in `links`, whose hashes are in `members`.

    Returns:
        Its occurrences, and how many places are in `listed`: those of the n-gram that filled the fullest slot. The tallies are
        in `table`.
    """
    codes, table, members, links, listed = room.codes, room.table, room.members, room.links, room.listed
    table[: 1 << width] = 0
    shift, enough = np.uint64(32 - width), np.uint64(n)
    first, second, full = _0, _0, np.uint32(0)
    for k in range(_0, known):
        place = np.uint64(links[k])
        tally = _add(table, np.uint64(members[place]) >> shift)
        if tally > full:
            second, first, full = first, place, tally
    likely, hash_ = _0, members[first]
    for k in range(_0, known):
        place = np.uint64(links[k])
        listed[likely] = place
        likely += np.uint64(members[place] == hash_)
    equal = _0
    for k in range(_0, likely):
        listed[equal] = listed[k]
        equal += np.uint64(alike(codes, first, np.uint64(listed[k])) >= enough)
    return _exactly(room, known, n, int(equal), second, int(full), width), equal


@leaf
def _extend(room: Room, known: ByteIndex, n: int) -> ByteIndex:
    """Of places in `listed`, where n - 1 characters are the same, leave those of one n-gram that comes often; return how many.

    Its tallies are in `table` behind those of `_most_of`, which `_narrow` needs.
    """
    codes, table, listed = room.codes, room.table, room.listed
    width = min(width_of(2 * int(known)), _TALLIES)
    table[1 << _TALLIES : (1 << _TALLIES) + (1 << width)] = 0
    begin, shift, enough = np.uint64(1 << _TALLIES), np.uint64(64 - width), np.uint64(n)
    first, full = _0, np.uint32(0)
    for k in range(_0, known):
        place = np.uint64(listed[k])
        tally = _add(table, begin + (_hash(codes, place, n) >> shift))
        if tally > full:
            first, full = place, tally
    left = _0
    for k in range(_0, known):
        place = np.uint64(listed[k])
        listed[left] = place
        left += np.uint64(alike(codes, first, place) >= enough)
    return left


@leaf
def _narrow(room: Room, known: ByteIndex, least: ByteIndex, n: int, width: int) -> ByteIndex:
    """Leave in `links` the places whose n - 1 characters may come so often; put the hashes of n into `members`."""
    codes, table, members, links = room.codes, room.table, room.members, room.links
    shift, left = np.uint64(32 - width), _0
    for k in range(_0, known):
        place = np.uint64(links[k])
        links[left] = place
        left += np.uint64(table[np.uint64(members[place]) >> shift] >= least)
    for k in range(_0, left):
        place = np.uint64(links[k])
        members[place] = _hash(codes, place, n) >> _32
    return left


@leaf
def _key(codes: UInt32M, i: ByteIndex) -> np.uint64:
    """Put three characters into one number."""
    return np.uint64(codes[i]) << _42 | np.uint64(codes[i + _1]) << _21 | np.uint64(codes[i + _2])


@leaf
def _hash_more(key: np.uint64, other: np.uint64) -> np.uint64:
    """Hash four characters, from keys one apart, or five, from keys two apart."""
    return (key * GOLDEN_GAMMA ^ other) * GOLDEN_GAMMA


@leaf
def _hash(codes: UInt32M, i: ByteIndex, n: int) -> np.uint64:
    """Hash three or four characters."""
    key = _key(codes, i)
    return key * GOLDEN_GAMMA if n == 3 else _hash_more(key, _key(codes, i + _1))


@leaf
def _add(table: UInt32M, slot: np.uint64) -> np.uint32:
    """Tally one more, and return how many there are."""
    tally = np.uint32(table[slot] + np.uint32(1))
    table[slot] = tally
    return tally


@leaf
def _exactly(
    room: Room, known: ByteIndex, n: int, equal: int, other: ByteIndex, full: int, width: int
) -> int:
    """Count the most frequent n-gram: of `equal` occurrences, unless it shares its slot with many.

    No other can be more frequent if no other slot holds more. Else those are compared that are in slots which do.

    Args:
        room: what `_most_of` has.
        known: how many places are in `links`.
        n: 2, 3 or 4.
        equal: occurrences of the n-gram that filled the fullest slot.
        other: where the n-gram is that filled a slot to one less: asked if the last one was there by chance. It is of
            this slot, or its own holds more than it comes, or nothing of this slot comes more often.
        full: what the fullest slot holds.
        width: of a slot, in bits.
    """
    codes, table, links, left = room.codes, room.table, room.links, room.left
    shift, enough = np.uint64(32 - width), np.uint64(n)
    if 2 * equal < full:
        others = 0
        for k in range(_0, known):
            others += alike(codes, np.uint64(links[k]), other) >= enough
        equal = max(equal, others)
    if equal == full:
        return equal
    fuller, limit = np.uint32(0), np.uint32(equal)
    for slot in range(_0, np.uint64(1 << width)):
        fuller += np.uint32(table[slot] > limit)
    if fuller == 1 and full - equal <= equal:
        return equal
    asked = _0
    for k in range(_0, known):
        place = np.uint64(links[k])
        left[asked] = place
        asked += np.uint64(table[np.uint64(room.members[place]) >> shift] > limit)
    classify(room, room.members, int(asked), n, 1 << width)
    for k in range(_0, asked):
        equal = max(equal, int(room.kinds[k]))
    return equal


@leaf
def note(room: Room, place: ByteIndex, later: ByteIndex, length: ByteIndex) -> None:
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
        slot = (np.uint64(hashes[place]) << _32 | np.uint64(hashes[place + further])) * GOLDEN_GAMMA >> shift
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
