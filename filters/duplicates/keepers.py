"""Plan which of several similar documents stays: arrays in, arrays out, no reading or writing."""

from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from kakehi.filters.texts import BoolN, Float64N, Int64M, Int64N, Int64NK, UInt64M

Int8N: TypeAlias = NDArray[np.int8]

KEPT: Final = 0
EXACT_DUPLICATE: Final = 1
NEAR_DUPLICATE: Final = 2
OBJECTED: Final = 3


class Choice(NamedTuple):
    """For every row the kept row it duplicates, or -1; their similarity, or NaN; and its kind (see the constants)."""

    partner: Int64N
    partner_similarity: Float64N
    kind: Int8N


class Candidates(NamedTuple):
    """Pairs of rows, int64[p, 2], the lower row first; and how many buckets were too large for all their pairs."""

    pairs: Int64NK
    cut_buckets: int


def candidate_pairs(keys: UInt64M, rows: Int64M, *, max_bucket: int = 64) -> Candidates:
    """Pair the rows whose keys of one band are equal.

    A bucket of more than `max_bucket` rows gives only the pairs of its lowest row with the others, and is
    counted: the pairs of a bucket grow with its square.

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
    cut = sizes > max_bucket
    pairs = np.empty((int(np.where(cut, sizes - 1, sizes * (sizes - 1) // 2).sum()), 2), np.int64)
    _fill_pairs(rows, starts, max_bucket, pairs)
    return Candidates(pairs, int((cut & (sizes > 1)).sum()))


def choose_keepers(
    group: Int64N,
    priority: Int64N,
    objected: BoolN,
    pairs: Int64NK,
    similarity: Float64N,
    threshold: float,
) -> Choice:
    """Choose greedily, in the order of priority, the documents that stay.

    A group of equal texts is represented by its best member without objection. A representative stays unless
    it is similar enough to one that stays already; it then leaves for the most similar of these (the one of
    best priority if equal). So a document leaves only for a kept document that it is similar to itself, and
    no document with an objection is anyone's partner.

    Args:
        group: Number of each row's group of equal texts, int64[n], from 0 without gaps.
        priority: Rank of each row, int64[n], a permutation; the lower wins.
        objected: Rows that something else objects to already, bool[n].
        pairs: Pairs of groups, int64[p, 2], in any order and direction, repetitions allowed.
        similarity: Their similarity, float64[p]; NaN is no similarity.
        threshold: Least similarity of duplicates.
    """
    _check(group, priority, objected, pairs, similarity)
    speaker = _representatives(group, priority, objected)
    partner_group, near = _leave(speaker, priority, pairs, similarity, threshold)
    rows = np.arange(len(group))
    leaves = partner_group[group] >= 0
    partner = np.where(leaves, speaker[partner_group[group]], speaker[group])
    kind = np.where(leaves, NEAR_DUPLICATE, np.where(partner == rows, KEPT, EXACT_DUPLICATE))
    kind = np.where(objected, OBJECTED, kind).astype(np.int8)
    stays = (kind == KEPT) | (kind == OBJECTED)
    alike = np.where(stays, np.nan, np.where(leaves, near[group], 1.0))
    return Choice(np.where(stays, -1, partner), alike, kind)


def _check(group: Int64N, priority: Int64N, objected: BoolN, pairs: Int64NK, similarity: Float64N) -> None:
    """Refuse arrays that don't belong together."""
    if not len(group) == len(priority) == len(objected):
        got = (len(group), len(priority), len(objected))
        raise ValueError(
            f"keepers.choose_keepers: group, priority, objected have {got!r} rows, wanted as many"
        )
    if pairs.shape != (len(similarity), 2):
        got_shape = (pairs.shape, len(similarity))
        raise ValueError(f"keepers.choose_keepers: pairs, similarity have {got_shape!r} rows, wanted as many")
    groups = int(group.max()) + 1 if len(group) else 0
    if len(pairs) and not 0 <= pairs.min() <= pairs.max() < groups:
        reach = (int(pairs.min()), int(pairs.max()))
        raise ValueError(f"keepers.choose_keepers: pairs reach {reach!r}, wanted 0 to {groups - 1}")


def _representatives(group: Int64N, priority: Int64N, objected: BoolN) -> Int64N:
    """Return each group's best row without objection, int64[g]; -1 where all are objected to."""
    speaker = np.full(int(group.max()) + 1 if len(group) else 0, -1, np.int64)
    free = np.flatnonzero(~objected)
    worst_first = free[np.argsort(priority[free])[::-1]]
    speaker[group[worst_first]] = worst_first  # numpy lets the last of equal indices win
    return speaker


def _leave(
    speaker: Int64N, priority: Int64N, pairs: Int64NK, similarity: Float64N, threshold: float
) -> tuple[Int64N, Float64N]:
    """Return for each group the kept group it leaves for, or -1, and their similarity, or NaN."""
    pairs = pairs.reshape(-1, 2)
    takes_part = (speaker[pairs] >= 0).all(axis=1) & (similarity >= threshold) & (pairs[:, 0] != pairs[:, 1])
    pairs, similarity = pairs[takes_part], similarity[takes_part]
    rank = priority[speaker[pairs]]
    swapped = rank[:, 0] > rank[:, 1]
    earlier = np.where(swapped, pairs[:, 1], pairs[:, 0])
    later = np.where(swapped, pairs[:, 0], pairs[:, 1])
    order = np.lexsort((rank.min(axis=1), -similarity, rank.max(axis=1)))
    partner = np.full(len(speaker), -1, np.int64)
    alike = np.full(len(speaker), np.nan)
    _walk(earlier[order], later[order], similarity[order], partner, alike)
    return partner, alike


@njit(cache=True, nogil=True)
def _fill_pairs(rows: Int64M, starts: Int64M, max_bucket: int, pairs: Int64NK) -> None:
    """Write the pairs bucket by bucket."""
    count = 0
    for bucket in range(len(starts) - 1):
        start = starts[bucket]
        stop = starts[bucket + 1]
        leaders = stop if stop - start <= max_bucket else start + 1
        for i in range(start, leaders):
            for j in range(i + 1, stop):
                pairs[count, 0] = rows[i]
                pairs[count, 1] = rows[j]
                count += 1


@njit(cache=True, nogil=True)
def _walk(earlier: Int64M, later: Int64M, similarity: Float64N, partner: Int64N, alike: Float64N) -> None:
    """Settle the pairs in the order of the later group's rank, its most similar first.

    All pairs in which the earlier group was itself the later one have gone before, so it is settled.
    """
    for p in range(len(earlier)):
        if partner[later[p]] < 0 and partner[earlier[p]] < 0:
            partner[later[p]] = earlier[p]
            alike[later[p]] = similarity[p]
