"""Rows brought together by a 128-bit hash of theirs: of the text, or the id, which is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from kakehi.arrays import Int64N
from kakehi.pipeline.engines.shuffle import Scattered, Shuffles, numbered
from kakehi.pipeline.engines.spill import Entries, Spread
from kakehi.pipeline.storage.schemas import rows_of
from kakehi.pipeline.storage.shard_tables import ShardTables

#: A row's hash in two words, as its bytes lie, and the row's number.
HASHED: Final = np.dtype([("high", "<u8"), ("low", "<u8"), ("row", "<u8")])


class EqualHashes(NamedTuple):
    """Rows sorted by hash, those of one hash in their order: where each hash begins, and how many rows have it."""

    rows: Entries
    start: Int64N
    length: Int64N


def scatter_hashes(
    shuffles: Shuffles, column: str, groups: Mapping[str, tuple[ShardTables, ...]], parts: int
) -> Scattered:
    """Bring all rows of one hash into one partition.

    Args:
        shuffles: of the step.
        column: of `documents`, 16 bytes in every row; names the folder too.
        groups: of shards, by name.
        parts: number of partitions.
    """
    spread = partial(_hashes, column=column, parts=parts)
    return shuffles.scatter(f"{column} hashes", groups, spread, numbered(parts), HASHED)


def equal_hashes(records: Entries) -> EqualHashes:
    """Sort the records of a partition by hash, and find where each begins."""
    # Rows ascend already: shards come in their order, and the sort is stable.
    records = records[np.lexsort((records["low"], records["high"]))]
    new = np.ones(len(records), bool)
    for name in ("high", "low"):
        new[1:] &= records[name][1:] == records[name][:-1]
    new[1:] = ~new[1:]
    start = np.flatnonzero(new)
    return EqualHashes(records, start, np.diff(np.append(start, len(records))))


def _hashes(shards: Iterable[ShardTables], *, column: str, parts: int) -> Spread:
    records = np.concatenate([_hashes_of(shard, column) for shard in shards])
    return Spread(records, (records["high"] % np.uint64(parts)).astype(np.int64))


def _hashes_of(shard: ShardTables, column: str) -> Entries:
    found = shard.column("documents", column).combine_chunks()
    words = np.frombuffer(memoryview(found.buffers()[1] or b""), "<u8")[2 * found.offset :][: 2 * len(found)]
    records = np.empty(len(found), HASHED)
    records["high"], records["low"] = words[::2], words[1::2]
    records["row"] = rows_of(shard.ordinal, len(found))
    return records
