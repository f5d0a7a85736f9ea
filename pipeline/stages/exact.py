"""exact: group documents of equal text, across all sources, whatever their verdicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.inputs import Inputs
from kakehi.pipeline.schemas import GROUPS, rows_of
from kakehi.pipeline.stage import Counts, Stage
from kakehi.pipeline.tables import TableWriter

#: Bytes a row takes while one part of the hash space is sorted: 16 of hash, 8 of row, as much again sorted.
_ROW_BYTES = 64


def exact(inputs: Inputs, out: Path, engine: Engine) -> Counts:  # noqa: ARG001 - one pass, not worth tasks
    """Group rows by the 128-bit hash of their text.

    The hash space is cut into as many parts as memory asks for; a pass reads the hashes of one part from every shard.
    """
    rows = [shard.rows for shard in inputs.shards]
    leader = [rows_of(ordinal, count) for ordinal, count in enumerate(rows)]
    size = [np.ones(count, np.uint32) for count in rows]
    parts = max(1, -(-sum(rows) * _ROW_BYTES // inputs.bytes_per_worker))
    for part in range(parts):
        _group_part(inputs, part, parts, leader, size)
    _write(inputs, out, leader, size)
    repeats = sum(int((size[i] > 1).sum()) for i in range(len(rows)))
    groups = sum(int((leader[i] == rows_of(i, count)).sum()) for i, count in enumerate(rows))
    return {"rows": sum(rows), "groups": groups, "rows_in_groups_of_several": repeats, "passes": parts}


def _group_part(
    inputs: Inputs,
    part: int,
    parts: int,
    leader: list[npt.NDArray[np.uint64]],
    size: list[npt.NDArray[np.uint32]],
) -> None:
    found = [_hashes(inputs, ordinal, part, parts) for ordinal in range(len(inputs.shards))]
    if not found:
        return
    high, low, row = (np.concatenate(columns) for columns in zip(*found, strict=True))
    order = np.lexsort((row, low, high))
    high, low, row = high[order], low[order], row[order]
    new = np.ones(len(row), bool)
    new[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    start = np.flatnonzero(new)
    length = np.diff(np.append(start, len(row)))
    several = np.repeat(length > 1, length)
    first, count = np.repeat(row[start], length)[several], np.repeat(length, length)[several]
    ordinal = (row[several] >> np.uint64(40)).astype(np.int64)
    place = (row[several] & np.uint64((1 << 40) - 1)).astype(np.int64)
    for shard in np.unique(ordinal):
        mine = ordinal == shard
        leader[shard][place[mine]] = first[mine]
        size[shard][place[mine]] = count[mine]


def _hashes(
    inputs: Inputs, ordinal: int, part: int, parts: int
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    column = inputs.shards[ordinal].column("documents", "text_hash").combine_chunks()
    words = np.frombuffer(column.buffers()[1] or b"", "<u8")[2 * column.offset :][: 2 * len(column)].reshape(
        -1, 2
    )
    row = rows_of(ordinal, len(words))
    mine = words[:, 0] % np.uint64(parts) == part
    return words[mine, 0], words[mine, 1], row[mine]


def _write(
    inputs: Inputs, out: Path, leader: list[npt.NDArray[np.uint64]], size: list[npt.NDArray[np.uint32]]
) -> None:
    for shard in inputs.shards:
        with TableWriter(shard.output(out), GROUPS) as writer:
            start = 0
            for batch in shard.batches("documents", columns=("id",)):
                stop = start + batch.num_rows
                arrays = [
                    pa.array(leader[shard.ordinal][start:stop]),
                    pa.array(size[shard.ordinal][start:stop]),
                ]
                writer.write(pa.RecordBatch.from_arrays(arrays, schema=GROUPS))
                start = stop
            writer.close(shard.ids)


STAGE = Stage(run=exact, shape="corpus", reads=("documents",), writes="groups", version=1)
