"""Count the bits of a deflate block as zlib would write it: its two Huffman trees, with the fixed ones, or stored.

After RFC 1951 and zlib's trees.c (1.2.11 to 1.3), whose heap decides between trees that cost the same: of two, the one
whose code lengths are cheaper to write depends on that. Nothing is written here, and no codes are given out.
"""

from typing import Final, NamedTuple

import numpy as np
from numba import njit

from kakehi.arrays import Int64S
from kakehi.filters.texts import leaf

END_OF_BLOCK: Final = 256
LITERALS, DISTANCES, _LENGTHS = (
    286,
    30,
    19,
)  # symbols of the three alphabets; the first holds bytes and lengths
_NODES: Final = 2 * LITERALS + 1
_DEEP, _FLAT = 15, 7  # bits of the longest code: of the first two alphabets, of the third


def _extra(bits: list[int], symbols: int) -> Int64S:
    """Give the bits that follow a symbol's code; the last symbols have some."""
    return np.array([0] * (symbols - len(bits)) + bits, np.int64)


# RFC 1951, section 3.2.5: bits behind the codes of lengths and of distances; 3.2.7: of runs of code lengths, and the
# order in which the lengths of their own codes are written; 3.2.6: the fixed codes.
LENGTH_BITS: Final = [0] * 8 + [bits for bits in range(1, 6) for _ in range(4)] + [0]
DISTANCE_BITS: Final = [0, 0, 0, 0] + [bits for bits in range(1, 14) for _ in range(2)]
_LITERAL_EXTRA = _extra(LENGTH_BITS, LITERALS)
_DISTANCE_EXTRA = _extra(DISTANCE_BITS, DISTANCES)
_RUN_EXTRA = _extra([2, 3, 7], _LENGTHS)
_ORDER = np.array([16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15], np.int64)
_FIXED = np.array([8] * 144 + [9] * 112 + [7] * 24 + [8] * 6, np.int64) + _LITERAL_EXTRA
_FIXED_DISTANCE = 5 + _DISTANCE_EXTRA

# A node in the heap: its frequency, how deep it is, and its number. Compared by the first two.
_AT_DEPTH, _AT_FREQUENCY = 10, 18
_NODE, _DEPTH = (1 << _AT_DEPTH) - 1, (1 << _AT_FREQUENCY - _AT_DEPTH) - 1


class Block(NamedTuple):
    """Symbols of a block so far, and room for its trees.

    Args:
        literals: how often each byte, the end and each length came.
        distances: how often each distance came.
        runs: as these, of the third alphabet.
        literal_bits: lengths of the codes, and of inner nodes.
        distance_bits: as these.
        run_bits: as these.
        heap: from 1 on, the least first.
        merged: nodes in the order they left the heap, the first at the end.
        parents: of each node.
        of_bits: symbols by the length of their code.
    """

    literals: Int64S
    distances: Int64S
    runs: Int64S
    literal_bits: Int64S
    distance_bits: Int64S
    run_bits: Int64S
    heap: Int64S
    merged: Int64S
    parents: Int64S
    of_bits: Int64S


@njit(cache=True, nogil=True)
def empty_block() -> Block:
    """Make room for a block."""
    return Block(
        np.zeros(LITERALS, np.int64),
        np.zeros(DISTANCES, np.int64),
        np.zeros(_LENGTHS, np.int64),
        np.zeros(_NODES, np.int64),
        np.zeros(_NODES, np.int64),
        np.zeros(_NODES, np.int64),
        np.zeros(_NODES, np.int64),
        np.zeros(_NODES, np.int64),
        np.zeros(_NODES, np.int64),
        np.zeros(_DEEP + 1, np.int64),
    )


@leaf
def end_block(block: Block, bits: int, size: int) -> int:
    """Return the bits of a stream after one more block, which is emptied.

    Args:
        block: its symbols.
        bits: of the stream before it.
        size: bytes of text it stands for.
    """
    literals, distances, runs = block.literals, block.distances, block.runs
    literals[END_OF_BLOCK] = 1
    fixed = 0
    for symbol in range(LITERALS):
        fixed += literals[symbol] * _FIXED[symbol]
    for symbol in range(DISTANCES):
        fixed += distances[symbol] * _FIXED_DISTANCE[symbol]
    own, last = _code(block, literals, block.literal_bits, _LITERAL_EXTRA, LITERALS, _DEEP)
    runs[:] = 0
    _count_runs(block.literal_bits, last, runs)
    more, last = _code(block, distances, block.distance_bits, _DISTANCE_EXTRA, DISTANCES, _DEEP)
    _count_runs(block.distance_bits, last, runs)
    own += more
    more, _ = _code(block, runs, block.run_bits, _RUN_EXTRA, _LENGTHS, _FLAT)
    written = _LENGTHS
    while written > 4 and block.run_bits[_ORDER[written - 1]] == 0:
        written -= 1
    own += more + 3 * written + 5 + 5 + 4
    literals[:] = 0
    distances[:] = 0
    # compared in bytes, the head of three bits among them
    own_bytes, fixed_bytes = (own + 3 + 7) >> 3, (fixed + 3 + 7) >> 3
    # zlib can't store what has left its window; so long a block costs less by the fixed codes, whatever is in it
    if size + 4 <= min(own_bytes, fixed_bytes):
        return ((bits + 3 + 7) & -8) + 8 * (4 + size)
    return bits + 3 + (fixed if fixed_bytes <= own_bytes else own)


@leaf
def _code(
    block: Block, frequencies: Int64S, lengths: Int64S, extra: Int64S, symbols: int, longest: int
) -> tuple[int, int]:
    """Give every symbol the length of its code; return the bits of all of them with their extra ones, and the last symbol."""
    heap, merged, parents, of_bits = block.heap, block.merged, block.parents, block.of_bits
    left, last, bits = 0, -1, 0
    for symbol in range(symbols):
        lengths[symbol] = 0
        if frequencies[symbol]:
            left += 1
            heap[left] = frequencies[symbol] << _AT_FREQUENCY | symbol
            last = symbol
    while left < 2:  # a tree has two leaves at least; those that never come cost nothing
        symbol = 0
        if last < 2:
            last += 1
            symbol = last
        frequencies[symbol] = 1
        left += 1
        heap[left] = 1 << _AT_FREQUENCY | symbol
        bits -= 1
    for place in range(left >> 1, 0, -1):
        _sink(heap, left, place)
    node, first = symbols, _NODES
    while left >= 2:
        one = heap[1]
        heap[1] = heap[left]
        left -= 1
        _sink(heap, left, 1)
        other = heap[1]
        first -= 2
        merged[first + 1], merged[first] = one & _NODE, other & _NODE
        parents[one & _NODE] = parents[other & _NODE] = node
        deeper = max(one >> _AT_DEPTH & _DEPTH, other >> _AT_DEPTH & _DEPTH) + 1
        frequency = (one >> _AT_FREQUENCY) + (other >> _AT_FREQUENCY)
        heap[1] = frequency << _AT_FREQUENCY | deeper << _AT_DEPTH | node
        node += 1
        _sink(heap, left, 1)
    of_bits[:] = 0
    lengths[heap[1] & _NODE] = 0
    over = 0
    for place in range(first, _NODES):
        node = merged[place]
        length = lengths[parents[node]] + 1
        if length > longest:
            length = longest
            over += 1
        lengths[node] = length
        if node < symbols:
            of_bits[length] += 1
            bits += frequencies[node] * (length + extra[node])
    if over:
        bits += _shorten(block, frequencies, lengths, symbols, longest, over)
    return bits, last


@leaf
def _sink(heap: Int64S, left: int, place: int) -> None:
    """Let a node sink to where none below it is less."""
    node = heap[place]
    key = node >> _AT_DEPTH
    below = 2 * place
    while below <= left:
        if below < left and heap[below + 1] >> _AT_DEPTH <= heap[below] >> _AT_DEPTH:
            below += 1
        if key <= heap[below] >> _AT_DEPTH:
            break
        heap[place] = heap[below]
        place = below
        below *= 2
    heap[place] = node


@leaf
def _shorten(
    block: Block, frequencies: Int64S, lengths: Int64S, symbols: int, longest: int, over: int
) -> int:
    """Make codes that are too long fit, `over` nodes having been cut; return the bits that costs."""
    of_bits, merged, bits = block.of_bits, block.merged, 0
    while over > 0:
        length = longest - 1
        while of_bits[length] == 0:
            length -= 1
        of_bits[length] -= 1
        of_bits[length + 1] += 2
        of_bits[longest] -= 1
        over -= 2
    place = _NODES
    for length in range(longest, 0, -1):
        rest = of_bits[length]
        while rest:
            place -= 1
            node = merged[place]
            if node < symbols:
                bits += (length - lengths[node]) * frequencies[node]
                lengths[node] = length
                rest -= 1
    return bits


@leaf
def _count_runs(lengths: Int64S, last: int, runs: Int64S) -> None:
    """Count the symbols that write these lengths: each by itself, one more of them 3 to 6 times, or zeros 3 to 138 times."""
    before, after, count = -1, lengths[0], 0
    most, least = (138, 3) if after == 0 else (7, 4)
    for symbol in range(last + 1):
        here = after
        after = lengths[symbol + 1] if symbol < last else -1
        count += 1
        if count < most and here == after:
            continue
        if count < least:
            runs[here] += count
        elif here != 0:
            if here != before:
                runs[here] += 1
            runs[16] += 1
        elif count <= 10:
            runs[17] += 1
        else:
            runs[18] += 1
        count, before = 0, here
        if after == 0:
            most, least = 138, 3
        elif here == after:
            most, least = 6, 3
        else:
            most, least = 7, 4
