"""Count exactly how many distinct shingles two texts share."""

from typing import Final

import numpy as np
from numba import njit

from kakehi.filters.duplicates.shingles import hash_shingles, shingle_constants
from kakehi.filters.texts import (
    Int64M,
    Int64N,
    Int64N1,
    Int64NK,
    Texts,
    UInt8M,
    UInt32M,
    UInt64M,
    decode_into,
)

# Below this many values, insertion beats three passes with their histograms.
SMALL: Final = 48


def shared_shingles(texts: Texts, pairs: Int64NK, *, ngram: int) -> tuple[Int64N, Int64N]:
    """Count the distinct shingles that each pair of texts shares, and those of the two together.

    Only the texts that occur in `pairs` are hashed. Two empty texts share 0 of 0.

    Args:
        texts: Texts of valid UTF-8.
        pairs: Row numbers, int64[p, 2].
        ngram: Code points in a shingle, 1 to 64.

    Returns:
        Shared and united shingles, int64[p] each; the exact Jaccard similarity is their quotient.
    """
    if pairs.ndim != 2 or pairs.shape[1] != 2:
        raise ValueError(f"similarity.shared_shingles: pairs have shape {pairs.shape!r}, wanted (p, 2)")
    rows, places = np.unique(pairs, return_inverse=True)
    if len(rows) and not 0 <= rows[0] <= rows[-1] < len(texts):
        reach = (int(rows[0]), int(rows[-1]))
        raise ValueError(f"similarity.shared_shingles: rows reach {reach!r}, wanted 0 to {len(texts) - 1}")
    shingles, offsets = sorted_sets(texts, rows, ngram=ngram)
    shared = np.zeros(len(pairs), np.int64)
    _count_shared(shingles, offsets, places.reshape(-1, 2).astype(np.int64, copy=False), shared)
    sizes = np.diff(offsets)[places.reshape(-1, 2)].sum(axis=1)
    return shared, sizes - shared


def sorted_sets(texts: Texts, rows: Int64M, *, ngram: int) -> tuple[UInt32M, Int64N1]:
    """Return the sorted distinct shingle hashes of the given rows, uint32[m], and their offsets int64[r + 1]."""
    constants = shingle_constants(ngram)
    shingles = np.empty(int(texts.sizes[rows].sum()), np.uint32)
    offsets = np.zeros(len(rows) + 1, np.int64)
    _collect_sets(texts.bytes_, texts.offsets, rows, constants, shingles, offsets)
    return shingles[: offsets[-1]], offsets


@njit(cache=True, nogil=True)
def _collect_sets(
    bytes_: UInt8M,
    text_offsets: Int64N1,
    rows: Int64M,
    constants: UInt64M,
    shingles: UInt32M,
    offsets: Int64N1,
) -> None:
    """Hash, sort and thin out row after row; `shingles` has room for every row at its longest."""
    longest = np.int64(0)
    for row in rows:
        longest = max(longest, text_offsets[row + 1] - text_offsets[row])
    points = np.empty(longest + len(constants), np.uint32)
    hashes = np.empty(longest + 1, np.uint32)
    spare = np.empty(longest + 1, np.uint32)
    for i in range(len(rows)):
        count = decode_into(bytes_, text_offsets[rows[i]], text_offsets[rows[i] + 1], points)
        number = hash_shingles(points, count, constants, hashes)
        _sort(hashes, number, spare)
        end = offsets[i]
        for j in range(number):
            if j == 0 or hashes[j] != hashes[j - 1]:
                shingles[end] = hashes[j]
                end += 1
        offsets[i + 1] = end


@njit(cache=True, nogil=True)
def _sort(values: UInt32M, number: int, spare: UInt32M) -> None:
    """Sort `values[:number]`: insertion, or radix by 11 bits (five times as fast as numba's own sort)."""
    if number < SMALL:
        for i in range(1, number):
            value = values[i]
            j = i
            while j > 0 and values[j - 1] > value:
                values[j] = values[j - 1]
                j -= 1
            values[j] = value
        return
    starts = np.zeros((3, 2049), np.int64)
    for i in range(number):
        value = np.int64(values[i])
        starts[0, (value & 0x7FF) + 1] += 1
        starts[1, ((value >> 11) & 0x7FF) + 1] += 1
        starts[2, (value >> 22) + 1] += 1
    for k in range(3):
        for bucket in range(2048):
            starts[k, bucket + 1] += starts[k, bucket]
        source = spare if k == 1 else values
        target = values if k == 1 else spare
        for i in range(number):
            digit = (np.int64(source[i]) >> (11 * k)) & 0x7FF
            target[starts[k, digit]] = source[i]
            starts[k, digit] += 1
    values[:number] = spare[:number]


@njit(cache=True, nogil=True)
def _count_shared(shingles: UInt32M, offsets: Int64N1, pairs: Int64NK, shared: Int64N) -> None:
    """Merge the two sorted sets of every pair and count what is in both."""
    for p in range(len(pairs)):
        i = offsets[pairs[p, 0]]
        j = offsets[pairs[p, 1]]
        i_end = offsets[pairs[p, 0] + 1]
        j_end = offsets[pairs[p, 1] + 1]
        both = 0
        while i < i_end and j < j_end:
            left = shingles[i]
            right = shingles[j]
            if left == right:
                both += 1
                i += 1
                j += 1
            elif left < right:
                i += 1
            else:
                j += 1
        shared[p] = both
