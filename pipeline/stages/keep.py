"""keep: pairs, groups, verdicts and a priority to verdicts with a named partner. Cheap to redo.

A document that is alone in its group and in no pair is carried nowhere.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from kakehi.pipeline import shuffle
from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.inputs import Inputs, ShardTables
from kakehi.pipeline.partitions import partitions_for
from kakehi.pipeline.pieces import Records, Spread
from kakehi.pipeline.promises import Promise, Volume
from kakehi.pipeline.report.tally import count_verdicts
from kakehi.pipeline.schemas import ID, KEEP, ROW_BITS
from kakehi.pipeline.settling import EDGE_BYTES, Settling, settle
from kakehi.pipeline.shuffle import Part, Shuffles
from kakehi.pipeline.speakers import Home, Homes, Preference, bid, find, read_members, row_of, speakers
from kakehi.pipeline.stage import Counts, Stage
from kakehi.pipeline.store import merge
from kakehi.pipeline.tables import TableWriter, set_aside

Int64N = npt.NDArray[np.int64]

EXACT, NEAR = "dedupe:exact", "dedupe:near"

_KEPT, _EXACT, _NEAR, _OBJECTED = range(4)

#: What a bidder is told of a group: the row its members leave for (the speaker's, where it stays).
_REPLY: Final = np.dtype(
    [("group", "<u8"), ("partner", "<i8"), ("id", "V16"), ("similarity", "<f8"), ("near", "?")]
)
_SIZE: Final = np.dtype([("row", "<i8"), ("count", "<i8")])

#: Bytes a row takes in its home, by tracemalloc, where it is in a group of several and leaves.
_ROW_BYTES: Final = 400

#: Bytes of scratch that a pair which is similar enough may take: twice as an edge, and a group that leaves; and bytes of
#: a row in the tables (measured: 9, where a quarter of all documents leave).
_PAIR_BYTES: Final = 200
_TABLE_BYTES: Final = 9


def keep(
    inputs: Inputs,
    out: Path,
    engine: Engine,
    *,
    similarity: Annotated[float, Field(gt=0, le=1)] = 0.8,
    priority: list[Preference] = ["longest"],  # noqa: B006 - pydantic copies defaults
) -> Counts:
    """Keep one document of each set of look-alikes; all others name the kept one they are similar to.

    Greedy in priority order: a document leaves only for a kept document it is itself similar to, never through a
    chain; one that has a verdict already is no keeper.

    Args:
        inputs: documents, groups, pairs and the verdicts so far.
        out: folder for the tables.
        engine: runs a task for each home, and each slice of what is settled.
        similarity: Jaccard of shingle sets from which two documents are the same.
        priority: what decides between them, in order; at last the order of the corpus.
    """
    groups = _groups(inputs)
    homes = Homes(tuple(shards[0].ordinal for shards in groups.values()), tuple(priority))
    shuffles = Shuffles(stage="keep", engine=engine, scratch=inputs.scratch)
    settling = Settling(
        homes=homes,
        pairs=inputs.artifacts["pairs"],
        similarity=similarity,
        shuffles=shuffles,
        bytes_per_worker=inputs.bytes_per_worker,
    )
    bids = shuffles.scatter("bids", groups, partial(bid, homes=homes), list(groups), homes.bid)
    home = {name: Home(groups[name], part) for name, part in bids.parts.items()}
    leaves, slices = settle(settling, home)
    asked = {
        f"{name}, bids of {block.files}": _Asked(home[name], leaves.parts[name], block, not block.files.start)
        for name, part in bids.parts.items()
        for block in part.blocks(inputs.bytes_per_worker // _ROW_BYTES)
    }
    replies = shuffles.scatter("replies", asked, partial(_reply, homes=homes), list(groups), _REPLY)
    told = {name: _Told(groups[name], leaves.parts[name], part) for name, part in replies.parts.items()}
    sizes = shuffles.scatter("sizes", told, partial(_count, homes=homes), list(groups), _SIZE)
    written = shuffles.gather(
        {name: (told[name], part) for name, part in sizes.parts.items()},
        partial(_write, homes=homes, out=out, scratch=inputs.scratch),
    )
    return {**merge([{"rows": 0}, *written]), "groups_lost": replies.counted[0], "slices": slices}


class _Asked(NamedTuple):
    """A home, its groups that leave, and bids for its groups that wait for a reply."""

    home: Home
    leaves: Part
    bids: Part
    first: bool


class _Told(NamedTuple):
    """A home, its groups that leave, and the replies to its bids."""

    shards: tuple[ShardTables, ...]
    leaves: Part
    replies: Part


class _Decided(NamedTuple):
    """For each row of a home its kind, and the row it leaves for or -1, with its id and their similarity."""

    kind: npt.NDArray[np.int8]
    partner: Int64N
    id: npt.NDArray[np.void]
    similarity: npt.NDArray[np.float64]


def _groups(inputs: Inputs) -> dict[str, tuple[ShardTables, ...]]:
    """Group shards to homes: so many rows that half a worker holds them."""
    weights = [shard.rows * _ROW_BYTES for shard in inputs.shards]
    parts = partitions_for(sum(weights), inputs.bytes_per_worker)
    return shuffle.shard_groups(
        inputs.shards, weights, partitions=parts, bytes_per_worker=inputs.bytes_per_worker
    )


def _reply(asked: _Asked, *, homes: Homes) -> Spread:
    """Answer every bid with the group's fate, and count the groups for which there is none."""
    bids, leaves = asked.bids.read(), asked.leaves.read()
    known = speakers(asked.home, homes)
    speaker = known["who"][find(known["group"], bids["group"])[0]]
    replies = np.zeros(len(bids), _REPLY)
    replies["group"], replies["similarity"] = bids["group"], 1.0
    replies["partner"], replies["id"] = row_of(speaker), speaker["id"]
    leaves = leaves[np.argsort(leaves["group"])]
    place, near = find(leaves["group"], bids["group"])
    for name in ("partner", "id", "similarity"):
        replies[name][near] = leaves[name][place[near]]
    replies["near"] = near
    lost = _lost(asked.home, known, homes) if asked.first else 0
    return Spread(replies, homes.of(row_of(bids["who"])), (lost, 0))


def _lost(home: Home, known: Records, homes: Homes) -> int:
    """Count the groups of several that begin here and in which something objects to every member."""
    members = read_members(home.shards, homes)
    begins = (members.group == members.row.view(np.uint64)) & (members.size > 1)
    return int((~find(known["group"], members.group[begins])[1]).sum())


def _decide(told: _Told, homes: Homes) -> _Decided:
    members = read_members(told.shards, homes)
    count = len(members.group)
    decided = _Decided(
        np.where(members.free, _KEPT, _OBJECTED).astype(np.int8),
        np.full(count, -1, np.int64),
        np.zeros(count, "V16"),
        np.full(count, np.nan),
    )
    leaves, replies = told.leaves.read(), told.replies.read()
    several = np.flatnonzero(members.free & (members.size > 1))
    replies = replies[np.argsort(replies["group"])]
    reply = replies[find(replies["group"], members.group[several])[0]]
    goes = reply["near"] | (reply["partner"] != members.row[several])
    _note(decided, several[goes], reply[goes], np.where(reply["near"], _NEAR, _EXACT)[goes])
    alone = np.flatnonzero(members.free & (members.size == 1))
    leaves = leaves[np.argsort(leaves["group"])]
    place, goes = find(leaves["group"], members.group[alone])
    _note(decided, alone[goes], leaves[place[goes]], np.full(int(goes.sum()), _NEAR))
    return decided


def _note(decided: _Decided, rows: Int64N, of: Records, kind: Int64N) -> None:
    decided.kind[rows], decided.partner[rows] = kind, of["partner"]
    decided.id[rows], decided.similarity[rows] = of["id"], of["similarity"]


def _count(told: _Told, *, homes: Homes) -> Spread:
    """Tell the homes of the rows that others leave for how many do."""
    partner = _decide(told, homes).partner
    rows, count = np.unique(partner[partner >= 0], return_counts=True)
    sizes = np.empty(len(rows), _SIZE)
    sizes["row"], sizes["count"] = rows, count
    return Spread(sizes, homes.of(rows))


def _write(item: tuple[_Told, Part], *, homes: Homes, out: Path, scratch: Path) -> Counts:
    """Write the tables of a home's shards."""
    told, sizes = item
    table = _table(_decide(told, homes), _stand_for(told, sizes))
    counts: Counts = {"rows": 0}
    for shard in told.shards:
        mine = table.slice(counts["rows"], shard.rows)
        counts = merge([counts, {"rows": shard.rows}, _write_shard(shard, out, mine, scratch)])
    return counts


def _stand_for(told: _Told, sizes: Part) -> Int64N:
    """Count for each row of a home those who leave for it, int64[n]."""
    heard = sizes.read()
    first = np.cumsum([0, *(shard.rows for shard in told.shards)])
    local = heard["row"] & ((1 << ROW_BITS) - 1)
    ordinal = (heard["row"] >> ROW_BITS) - told.shards[0].ordinal
    stands = np.zeros(int(first[-1]), np.int64)
    np.add.at(stands, first[ordinal] + local, heard["count"])
    return stands


def _table(decided: _Decided, stands: Int64N) -> pa.Table:
    none = decided.partner < 0
    ids = pa.FixedSizeBinaryArray.from_buffers(ID, len(none), [None, pa.py_buffer(decided.id.tobytes())])
    place = pa.array(np.arange(len(none)), pa.int64(), mask=none)
    return pa.table(
        [
            pa.array([None, EXACT, NEAR, None], pa.string()).take(pa.array(decided.kind)),
            ids.take(place),
            pa.array(decided.partner.astype(np.uint64), pa.uint64(), mask=none),
            pa.array(decided.similarity, pa.float64(), mask=none),
            pa.array((stands + (decided.kind == _KEPT)).astype(np.uint32)),
        ],
        schema=KEEP,
    )


def _write_shard(shard: ShardTables, out: Path, table: pa.Table, scratch: Path) -> Counts:
    counts: Counts = {}
    with set_aside(shard.output(out), scratch) as aside, TableWriter(aside, KEEP) as writer:
        start = 0
        for batch in shard.batches("documents", columns=("characters",)):
            [piece] = table.slice(start, batch.num_rows).combine_chunks().to_batches()
            writer.write(piece)
            start += batch.num_rows
            counts = merge([counts, count_verdicts(piece.column("verdict"), batch.column("characters"))])
        writer.close(shard.ids)
    return counts


def _promise(volume: Volume) -> Promise:
    return Promise(
        scratch_bytes=volume.pairs * _PAIR_BYTES,
        table_bytes=volume.documents * _TABLE_BYTES,
        task_bytes=volume.task_bytes(0, max(volume.documents * _ROW_BYTES, volume.pairs * EDGE_BYTES)),
        least_bytes=_ROW_BYTES * max(volume.rows, default=0),
        later="scratch at most: pairs that are not similar enough take none",
    )


STAGE = Stage(
    run=keep,
    shape="corpus",
    reads=("documents", "groups", "pairs", "verdict"),
    writes="verdict",
    version=1,
    promise=_promise,
)
