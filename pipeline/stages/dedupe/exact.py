"""exact: group documents of equal text, across all sources, whatever their verdicts."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from kakehi.arrays import UInt32N, UInt64N
from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.engines.resources import Estimate, InputVolume
from kakehi.pipeline.engines.shuffle import Part
from kakehi.pipeline.engines.spill import Entries, Spread
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.stages.repeated_ids import SCRATCH_BYTES, count_repeated_ids
from kakehi.pipeline.stages.row_hashes import HASHED, equal_hashes, scatter_hashes
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.atomic import set_aside
from kakehi.pipeline.storage.schemas import GROUPS, ROW_BITS, rows_of
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.store import Counts, merge
from kakehi.pipeline.storage.tables import TableWriter

_GROUPED: Final = np.dtype([("row", "<u8"), ("group", "<u8"), ("size", "<u4")])

#: Bytes a row takes while its partition is grouped: 24 of record, as much again sorted, and the group it gets; 70 at
#: the peak, where every text is there twice (measured with tracemalloc, as the test does).
_ROW_BYTES: Final = 72

#: Bytes of a row in the tables of groups: numbers that mostly ascend, packed by zstd (measured: 3.7).
_TABLE_BYTES: Final = 4


def exact(inputs: Inputs, out: Path, engine: Engine) -> Counts:
    """Group rows by the 128-bit hash of their text.

    Hashes are shuffled by hash and grouped; rows in groups of several are shuffled back to their shards. Ids are
    shuffled too, and those that several documents have are counted.
    """
    parts = inputs.partitions(_ROW_BYTES)
    groups = inputs.groups(HASHED.itemsize, parts)
    shuffles = inputs.shuffles("exact", engine)
    hashed = scatter_hashes(shuffles, "text_hash", groups, parts)
    first = [group[0].ordinal for group in groups.values()]
    grouped = shuffles.scatter("groups", hashed.parts, partial(_group, first=first), list(groups), _GROUPED)
    written = shuffles.gather(
        {name: (groups[name], part) for name, part in grouped.parts.items()},
        partial(_write, out=out, scratch=inputs.scratch),
    )
    nothing = {"rows": 0, "groups": 0, "rows_in_groups_of_several": 0}
    repeated = count_repeated_ids(inputs, "exact", engine)
    return {**merge([nothing, *written]), **repeated, "passes": parts}


def _group(part: Part, *, first: list[int]) -> Spread:
    """Find the rows whose hash is there more than once; they go back to the group of shards they came from.

    Args:
        part: of all hashes.
        first: ordinal of each group's first shard.
    """
    records, start, length = equal_hashes(part.read())
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
        scratch_bytes=volume.documents * (HASHED.itemsize + SCRATCH_BYTES),
        table_bytes=volume.documents * _TABLE_BYTES,
        task_bytes=volume.task_bytes(HASHED.itemsize, volume.documents * _ROW_BYTES),
        least_bytes=_ROW_BYTES * max(volume.rows, default=0),
        later=f"{_GROUPED.itemsize} bytes more of scratch for each document whose text is there twice",
    )


STAGE = Stage(run=exact, shape="corpus", reads=("documents",), writes="groups", version=1, estimate=_estimate)
