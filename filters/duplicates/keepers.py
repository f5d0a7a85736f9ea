"""Find pairs of documents, and choose which of them stays: arrays in, arrays out, no reading or writing."""

from typing import NamedTuple

import numpy as np
from numba import njit

from kakehi.arrays import BoolN, Float64N, Int64M, Int64N, Int64NK, UInt64M


class Candidates(NamedTuple):
    """Pairs of rows whose keys are equal.

    Args:
        pairs: int64[p, 3]: the lower row, the other, and the lowest row of their bucket.
        large: of each bucket too large for all its pairs, the places of its rows, int64[n], by row.
    """

    pairs: Int64NK
    large: tuple[Int64N, ...]


def candidate_pairs(keys: UInt64M, rows: Int64M, *, max_bucket: int = 64) -> Candidates:
    """Pair the rows whose keys of one band are equal.

    A bucket of more than `max_bucket` rows gives no pairs but itself: the pairs of a bucket grow with its square.

    Args:
        keys: Band keys, uint64[m]; rows without a key must be left out.
        rows: The rows they belong to, int64[m], each once.
        max_bucket: Largest bucket that is paired completely, in rows.
    """
    if keys.shape != rows.shape:
        raise ValueError(f"keepers.candidate_pairs: {keys.shape!r} keys, {rows.shape!r} rows, wanted as many")
    order = np.lexsort((rows, keys))
    keys, rows = keys[order], rows[order]
    borders = np.flatnonzero(np.diff(keys)) + 1
    starts = np.concatenate((np.zeros(1, np.int64), borders, np.full(1, len(keys), np.int64)))
    sizes = np.diff(starts)
    whole = sizes <= max_bucket
    pairs = np.empty((int((sizes * (sizes - 1) // 2)[whole].sum()), 3), np.int64)
    _fill_pairs(rows, starts, max_bucket, pairs)
    large = np.flatnonzero(~whole)
    return Candidates(pairs, tuple(order[starts[bucket] : starts[bucket + 1]] for bucket in large))


def leaving(later: Int64N, earlier: Int64N, similarity: Float64N, gone: BoolN) -> Int64N:
    """Choose greedily, from the best document to the worst, the pair by which each leaves.

    A document stays unless it is paired with a better one that stays. It then leaves for the most similar of
    these, the best of them if equal. So it leaves only for a kept document that it is paired with itself, and
    never through a chain.

    Args:
        later: The worse document of each pair, int64[p]; documents are numbered by rank, 0 the best.
        earlier: The better one, int64[p].
        similarity: Of the two, float64[p]; all pairs given are similar enough.
        gone: Documents, bool[n], of which it is known already that they leave; all their pairs as the later
            one must be left out.

    Returns:
        For every document the number of the pair by which it leaves, int64[n]; -1 where it stays or was gone.
    """
    _check(later, earlier, similarity, gone)
    order = np.lexsort((earlier, -similarity, later))
    pair = np.full(len(gone), -1, np.int64)
    _walk(order, later, earlier, gone, pair)
    return pair


def _check(later: Int64N, earlier: Int64N, similarity: Float64N, gone: BoolN) -> None:
    """Refuse arrays that don't belong together."""
    lengths = (len(later), len(earlier), len(similarity))
    if len(set(lengths)) != 1:
        raise ValueError(
            f"keepers.leaving: later, earlier, similarity have {lengths!r} pairs, wanted as many"
        )
    if len(later) and not ((earlier >= 0) & (earlier < later) & (later < len(gone))).all():
        raise ValueError(
            f"keepers.leaving: pairs reach {int(later.max())!r}, wanted 0 <= earlier < later < {len(gone)}"
        )


@njit(cache=True, nogil=True)
def _fill_pairs(rows: Int64M, starts: Int64M, max_bucket: int, pairs: Int64NK) -> None:
    """Write the pairs bucket by bucket, without the large ones."""
    count = 0
    for bucket in range(len(starts) - 1):
        start = starts[bucket]
        stop = starts[bucket + 1]
        if stop - start > max_bucket:
            continue
        for i in range(start, stop):
            for j in range(i + 1, stop):
                pairs[count, 0] = rows[i]
                pairs[count, 1] = rows[j]
                pairs[count, 2] = rows[start]
                count += 1


@njit(cache=True, nogil=True)
def _walk(order: Int64M, later: Int64M, earlier: Int64M, gone: BoolN, pair: Int64N) -> None:
    """Settle the pairs in the order of the later document, its most similar first.

    All pairs in which the earlier one was itself the later one have gone before, so it is settled.
    """
    for p in order:
        better = earlier[p]
        if pair[later[p]] < 0 and pair[better] < 0 and not gone[better]:
            pair[later[p]] = p
