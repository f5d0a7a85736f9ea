"""exact: group documents of equal text, across all sources, whatever their verdicts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from kakehi.arrays import UInt32N, UInt64N
from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.engines.resources import Estimate, InputVolume
from kakehi.pipeline.engines.shuffle import Part, numbered
from kakehi.pipeline.engines.spill import Entries, Spread
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.atomic import set_aside
from kakehi.pipeline.storage.schemas import GROUPS, ROW_BITS, rows_of
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.store import Counts, merge
from kakehi.pipeline.storage.tables import TableWriter

_HASHED: Final = np.dtype([("high", "<u8"), ("low", "<u8"), ("row", "<u8")])
_GROUPED: Final = np.dtype([("row", "<u8"), ("group", "<u8"), ("size", "<u4")])

#: Bytes a row takes while its partition is grouped: 24 of record, as much again sorted, and the group it gets; 70 at
#: the peak, where every text is there twice (measured with tracemalloc, as the test does).
_ROW_BYTES: Final = 72

#: Bytes of a row in the tables of groups: numbers that mostly ascend, packed by zstd (measured: 3.7).
_TABLE_BYTES: Final = 4


def exact(inputs: Inputs, out: Path, engine: Engine) -> Counts:
    """Group rows by the 128-bit hash of their text.

    Hashes are shuffled by hash and grouped; rows in groups of several are shuffled back to their shards.
    """
    parts = inputs.partitions(_ROW_BYTES)
    groups = inputs.groups(_HASHED.itemsize, parts)
    shuffles = inputs.shuffles("exact", engine)
    hashed = shuffles.scatter("hashes", groups, partial(_hashes, parts=parts), numbered(parts), _HASHED)
    first = [group[0].ordinal for group in groups.values()]
    grouped = shuffles.scatter("groups", hashed.parts, partial(_group, first=first), list(groups), _GROUPED)
    written = shuffles.gather(
        {name: (groups[name], part) for name, part in grouped.parts.items()},
        partial(_write, out=out, scratch=inputs.scratch),
    )
    nothing = {"rows": 0, "groups": 0, "rows_in_groups_of_several": 0}
    return {**merge([nothing, *written]), "passes": parts}


def _hashes(shards: Iterable[ShardTables], *, parts: int) -> Spread:
    records = np.concatenate([_hashes_of(shard) for shard in shards])
    return Spread(records, (records["high"] % np.uint64(parts)).astype(np.int64))


def _hashes_of(shard: ShardTables) -> Entries:
    column = shard.column("documents", "text_hash").combine_chunks()
    words = np.frombuffer(memoryview(column.buffers()[1] or b""), "<u8")[2 * column.offset :][
        : 2 * len(column)
    ]
    records = np.empty(len(column), _HASHED)
    records["high"], records["low"] = words[::2], words[1::2]
    records["row"] = rows_of(shard.ordinal, len(column))
    return records


def _group(part: Part, *, first: list[int]) -> Spread:
    """Find the rows whose hash is there more than once; they go back to the group of shards they came from.

    Args:
        part: of all hashes.
        first: ordinal of each group's first shard.
    """
    records = part.read()
    # Rows ascend already: shards come in their order, and the sort is stable.
    records = records[np.lexsort((records["low"], records["high"]))]
    new = np.ones(len(records), bool)
    for name in ("high", "low"):
        new[1:] &= records[name][1:] == records[name][:-1]
    new[1:] = ~new[1:]
    start = np.flatnonzero(new)
    length = np.diff(np.append(start, len(records)))
    several = length > 1
    grouped = np.empty(int(length[several].sum()), _GROUPED)
    grouped["row"] = records["row"][np.repeat(several, length)]
    grouped["group"] = np.repeat(records["row"][start[several]], length[several])
    grouped["size"] = np.repeat(length[several], length[several])
    ordinal = (grouped["row"] >> np.uint64(ROW_BITS)).astype(np.int64)
    return Spread(grouped, np.searchsorted(first, ordinal, side="right") - 1)


def _write(item: tuple[tuple[ShardTables, ...], Part], *, out: Path, scratch: Path) -> Counts:
    shards, part = item
    records = part.read()
    ordinal = records["row"] >> np.uint64(ROW_BITS)
    return merge([_write_shard(shard, records[ordinal == shard.ordinal], out, scratch) for shard in shards])


def _write_shard(shard: ShardTables, records: Entries, out: Path, scratch: Path) -> Counts:
    own = rows_of(shard.ordinal, shard.rows)
    leader, size = own.copy(), np.ones(len(own), np.uint32)
    place = (records["row"] & np.uint64((1 << ROW_BITS) - 1)).astype(np.int64)
    leader[place], size[place] = records["group"], records["size"]
    with set_aside(shard.output(out), scratch) as aside:
        _write_table(shard, aside, leader, size)
    groups = int((leader == own).sum())
    return {"rows": len(own), "groups": groups, "rows_in_groups_of_several": int((size > 1).sum())}


def _write_table(shard: ShardTables, path: Path, leader: UInt64N, size: UInt32N) -> None:
    with TableWriter(path, GROUPS) as writer:
        start = 0
        for batch in shard.batches("documents", columns=("id",)):
            stop = start + batch.num_rows
            arrays = [pa.array(leader[start:stop]), pa.array(size[start:stop])]
            writer.write(pa.RecordBatch.from_arrays(arrays, schema=GROUPS))
            start = stop
        writer.close(shard.ids)


def _estimate(volume: InputVolume) -> Estimate:
    return Estimate(
        scratch_bytes=volume.documents * _HASHED.itemsize,
        table_bytes=volume.documents * _TABLE_BYTES,
        task_bytes=volume.task_bytes(_HASHED.itemsize, volume.documents * _ROW_BYTES),
        least_bytes=_ROW_BYTES * max(volume.rows, default=0),
        later=f"{_GROUPED.itemsize} bytes more of scratch for each document whose text is there twice",
    )


STAGE = Stage(run=exact, shape="corpus", reads=("documents",), writes="groups", version=1, estimate=_estimate)
