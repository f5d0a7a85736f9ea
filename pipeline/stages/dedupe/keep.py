"""keep: pairs, groups, verdicts and a priority to verdicts with a named partner. Cheap to redo.

A document that is alone in its group and in no pair is carried nowhere. One to which something objected already takes
part as if it came after all others, and is told nothing: so clusters of which nothing is kept are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import BeforeValidator, Field

from kakehi.arrays import Int64N
from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.engines.resources import Estimate, InputVolume
from kakehi.pipeline.engines.shuffle import Part
from kakehi.pipeline.engines.spill import Entries, Spread
from kakehi.pipeline.errors import DataError
from kakehi.pipeline.stages.counts import count_verdicts
from kakehi.pipeline.stages.dedupe import alarms
from kakehi.pipeline.stages.dedupe.alarms import Alarm
from kakehi.pipeline.stages.dedupe.greedy import Selection, edge_bytes, select_greedily
from kakehi.pipeline.stages.dedupe.representatives import (
    Home,
    Homes,
    Preference,
    bid,
    find,
    read_members,
    representatives,
    row_of,
)
from kakehi.pipeline.stages.dedupe.verdicts import (
    KEPT,
    LEFT_EXACT,
    LEFT_NEAR,
    OBJECTED,
    SIZE,
    Decided,
    count_left,
    count_lost,
    table_of,
)
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.atomic import set_aside
from kakehi.pipeline.storage.schemas import KEEP, ROW_BITS
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.store import Counts, merge
from kakehi.pipeline.storage.tables import TableWriter

#: What a bidder is told of a group: the row its members leave for (the representative's, where it stays).
_REPLY: Final = np.dtype(
    [("group", "<u8"), ("partner", "<i8"), ("id", "V16"), ("similarity", "<f8"), ("near", "?")]
)
_NOTHING: Final[Mapping[str, int]] = {"rows": 0, "clusters_lost": 0, "clusters_lost_documents": 0}

#: Bytes of a row in the tables, where a quarter of all documents leave.
_TABLE_BYTES: Final = 9


def row_bytes(rules: int) -> int:
    """Say how many bytes a row takes in its home, in a group of several and leaving, by tracemalloc."""
    return 450 + 56 * rules


def keep(
    inputs: Inputs,
    out: Path,
    engine: Engine,
    *,
    similarity: Annotated[float, Field(gt=0, le=1)] = 0.8,
    priority: list[Preference] = ["longest"],  # noqa: B006 - pydantic copies defaults
    alarm: Annotated[Alarm, BeforeValidator(alarms.from_short)] = Alarm(),  # noqa: B008 - frozen
) -> Counts:
    """Keep one document of each set of look-alikes; all others name the kept one they are similar to.

    Greedy in priority order: a document leaves only for a kept document it is itself similar to, never through a
    chain; one that has a verdict already is no keeper. A cluster is a document that stays, or would if nothing
    objected to it, and those that leave for it.

    Args:
        inputs: documents, groups, pairs, the verdicts so far, and signals.
        out: folder for the tables.
        engine: runs a task for each home, and each slice of what is settled.
        similarity: Jaccard of shingle sets from which two documents are the same.
        priority: what decides between them, in order; at last the order of the sources, and that of ids.
        alarm: share of a source's documents that may leave before it is said loudly, and what then.

    Raises:
        DataError: a source lost more than `alarm.share`, and `alarm.then` is `stop`.
    """
    row = row_bytes(len(priority))
    groups = inputs.groups(row, inputs.partitions(row))  # so many rows that half a worker holds them
    sources = _sources(inputs)
    first = tuple(shards[0].ordinal for shards in groups.values())
    homes = Homes(first, tuple(priority), tuple(sources))
    shuffles = inputs.shuffles("keep", engine)
    selection = Selection(
        homes=homes,
        pairs=inputs.artifacts["pairs"],
        similarity=similarity,
        shuffles=shuffles,
        bytes_per_worker=inputs.bytes_per_worker,
    )
    bids = shuffles.scatter("bids", groups, partial(bid, homes=homes), list(groups), homes.bid)
    home = {name: Home(groups[name], part) for name, part in bids.parts.items()}
    leaves, slices = select_greedily(selection, home)
    asked = {
        f"{name}, bids of {block.files}": _Asked(home[name], leaves.parts[name], block)
        for name, part in bids.parts.items()
        for block in part.blocks(inputs.bytes_per_worker // row)
    }
    replies = shuffles.scatter("replies", asked, partial(_reply, homes=homes), list(groups), _REPLY)
    told = {name: _Told(groups[name], leaves.parts[name], part) for name, part in replies.parts.items()}
    sizes = shuffles.scatter("sizes", told, partial(_count, homes=homes), list(groups), SIZE)
    written = shuffles.gather(
        {name: (told[name], part) for name, part in sizes.parts.items()},
        partial(_write, homes=homes, sources=sources, out=out, scratch=inputs.scratch),
    )
    counts = merge([_NOTHING, *written])
    counts |= {"slices": slices, **alarms.raise_alarms(counts, alarm.share)}
    if alarm.then == "stop" and (said := alarms.describe_alarms(counts)):
        raise DataError(
            f"keep.alarm: {'; '.join(said)}, wanted at most {100 * alarm.share:g} %",
            hint="see `kakehi explain` for some of them; raise alarm.share, or alarm: {then: warn}, to go on",
        )
    return counts


class _Asked(NamedTuple):
    """A home, its groups that leave, and bids for its groups that wait for a reply."""

    home: Home
    leaves: Part
    bids: Part


class _Told(NamedTuple):
    """A home, its groups that leave, and the replies to its bids."""

    shards: tuple[ShardTables, ...]
    leaves: Part
    replies: Part


def _sources(inputs: Inputs) -> dict[str, int]:
    """Give each source with the ordinal of its first shard; a source's shards are neighbours."""
    first: dict[str, int] = {}
    for shard in inputs.shards:
        first.setdefault(shard.source, shard.ordinal)
    return first


def _reply(asked: _Asked, *, homes: Homes) -> Spread:
    """Answer every bid with the group's fate."""
    bids, leaves = asked.bids.read(), asked.leaves.read()
    known = representatives(asked.home, homes)
    representative = known["who"][find(known["group"], bids["group"])[0]]
    replies = np.zeros(len(bids), _REPLY)
    replies["group"], replies["similarity"] = bids["group"], 1.0
    replies["partner"], replies["id"] = row_of(representative), representative["id"]
    leaves = leaves[np.argsort(leaves["group"])]
    place, near = find(leaves["group"], bids["group"])
    for name in ("partner", "id", "similarity"):
        replies[name][near] = leaves[name][place[near]]
    replies["near"] = near
    return Spread(replies, homes.of(row_of(bids["who"])))


def _decide(told: _Told, homes: Homes) -> Decided:
    members = read_members(told.shards, homes._replace(priority=()))
    count = len(members.group)
    decided = Decided(
        np.full(count, KEPT, np.int8),
        np.full(count, -1, np.int64),
        np.zeros(count, "V16"),
        np.full(count, np.nan),
    )
    leaves, replies = told.leaves.read(), told.replies.read()
    several = np.flatnonzero(members.size > 1)
    replies = replies[np.argsort(replies["group"])]
    reply = replies[find(replies["group"], members.group[several])[0]]
    goes = reply["near"] | (reply["partner"] != members.row[several])
    _note(decided, several[goes], reply[goes], np.where(reply["near"], LEFT_NEAR, LEFT_EXACT)[goes])
    alone = np.flatnonzero(members.size == 1)
    leaves = leaves[np.argsort(leaves["group"])]
    place, goes = find(leaves["group"], members.group[alone])
    _note(decided, alone[goes], leaves[place[goes]], np.full(int(goes.sum()), LEFT_NEAR))
    decided.kind[~members.free] = OBJECTED
    return decided


def _note(decided: Decided, rows: Int64N, of: Entries, kind: Int64N) -> None:
    decided.kind[rows], decided.partner[rows] = kind, of["partner"]
    decided.id[rows], decided.similarity[rows] = of["id"], of["similarity"]


def _count(told: _Told, *, homes: Homes) -> Spread:
    """Tell the homes of the rows that others leave for how many do, and how many would."""
    decided = _decide(told, homes)
    goes = decided.partner >= 0
    rows, place = np.unique(decided.partner[goes], return_inverse=True)
    objected = np.bincount(place, weights=decided.kind[goes] == OBJECTED, minlength=len(rows))
    sizes = np.empty(len(rows), SIZE)
    sizes["row"], sizes["objected"] = rows, objected
    sizes["free"] = np.bincount(place, minlength=len(rows)) - sizes["objected"]
    return Spread(sizes, homes.of(rows))


def _write(
    item: tuple[_Told, Part], *, homes: Homes, sources: Mapping[str, int], out: Path, scratch: Path
) -> Counts:
    """Write the tables of a home's shards."""
    told, sizes = item
    decided, stand_for = _decide(told, homes), _stand_for(told, sizes)
    table = table_of(decided, stand_for["free"])
    counts = [count_lost(decided, stand_for["objected"])]
    start = 0
    for shard in told.shards:
        mine = slice(start, start + shard.rows)
        counts.append(count_left(shard.source, sources, decided.kind[mine], decided.partner[mine]))
        counts.append(_write_shard(shard, out, table.slice(start, shard.rows), scratch))
        start += shard.rows
    return merge(counts)


def _stand_for(told: _Told, sizes: Part) -> Entries:
    """Count for each row of a home those who leave for it, and who would, a record each."""
    heard = sizes.read()
    first = np.cumsum([0, *(shard.rows for shard in told.shards)])
    local = heard["row"] & ((1 << ROW_BITS) - 1)
    ordinal = (heard["row"] >> ROW_BITS) - told.shards[0].ordinal
    stands = np.zeros(int(first[-1]), SIZE)
    for name in ("free", "objected"):
        np.add.at(stands[name], first[ordinal] + local, heard[name])
    return stands


def _write_shard(shard: ShardTables, out: Path, table: pa.Table, scratch: Path) -> Counts:
    counts: Counts = {"rows": shard.rows}
    with set_aside(shard.output(out), scratch) as aside, TableWriter(aside, KEEP) as writer:
        start = 0
        for batch in shard.batches("documents", columns=("characters",)):
            [piece] = table.slice(start, batch.num_rows).combine_chunks().to_batches()
            writer.write(piece)
            start += batch.num_rows
            counts = merge([counts, count_verdicts(piece.column("verdict"), batch.column("characters"))])
        writer.close(shard.ids)
    return counts


def _estimate(volume: InputVolume) -> Estimate:
    rules = len(volume.parameters["priority"])
    row, edge = row_bytes(rules), edge_bytes(rules)
    return Estimate(
        # A pair that is similar enough: twice as an edge, and a group that leaves.
        scratch_bytes=volume.pairs * (184 + 24 * rules),
        table_bytes=volume.documents * _TABLE_BYTES,
        task_bytes=volume.task_bytes(0, max(volume.documents * row, volume.pairs * edge)),
        least_bytes=row * max(volume.rows, default=0),
        later="scratch at most: pairs that are not similar enough take none",
    )


STAGE = Stage(
    run=keep,
    shape="corpus",
    reads=("documents", "groups", "pairs", "verdict"),
    optional=("signals",),
    writes="verdict",
    version=2,
    kernels=("keep",),
    estimate=_estimate,
)
