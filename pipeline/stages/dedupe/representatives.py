"""Representatives: the best member of each group of equal texts, one without objection if there is one, as `keep` looks for them.

Consecutive shards are a *home* together: of their rows, and of the groups that begin in them. Every home bids for the
groups it has members of, with its best; the group's home takes the best of the bids. So a group of millions costs its
home one record a bidder.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from kakehi.arrays import AnyN, BoolN, Int64N, Int64NK, UInt32N, UInt64N, VoidN
from kakehi.pipeline.engines.shuffle import Part
from kakehi.pipeline.engines.spill import Entries, Spread
from kakehi.pipeline.errors import ParameterError
from kakehi.pipeline.storage.schemas import ID, ROW_BITS, rows_of
from kakehi.pipeline.storage.shard_tables import ShardTables


class SourceOrder(BaseModel):
    """Prefer documents of the sources named first; sources not named come last."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: list[str]


def is_number(kind: pa.DataType) -> bool:
    """Say whether a signal of this type has a highest and a lowest value."""
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))


class SignalOrder(BaseModel):
    """Prefer documents by a signal; those where it could not be measured come last."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    signal: str
    prefer: Literal["highest", "lowest"] = "highest"


Preference = Literal["longest", "earliest", "latest"] | SourceOrder | SignalOrder


class Home(NamedTuple):
    """Consecutive shards, and the bids for the groups that begin in them."""

    shards: tuple[ShardTables, ...]
    bids: Part


class Members(NamedTuple):
    """The rows of some shards: group and its size, whether nothing objects, and who they are, a record each."""

    group: UInt64N
    size: UInt32N
    free: BoolN
    who: Entries

    @property
    def row(self) -> Int64N:
        """Give the number of each row."""
        return row_of(self.who)


class Homes(NamedTuple):
    """Where rows are at home, and what decides between them."""

    first: tuple[int, ...]  # ordinal of each home's first shard
    priority: tuple[Preference, ...]
    sources: tuple[str, ...]

    @property
    def width(self) -> int:
        """Count the ranks of a document."""
        return len(self.priority) + 3

    @property
    def who(self) -> list[tuple[Any, ...]]:
        """The fields that say who a document is."""
        return [("rank", "<i8", (self.width,)), ("id", "V16")]

    @property
    def bid(self) -> np.dtype[Any]:
        """A group and who speaks for it."""
        return np.dtype([("group", "<u8"), ("who", self.who)])

    def of(self, rows: AnyN) -> Int64N:
        """Number the homes of rows."""
        ordinal = (rows >> rows.dtype.type(ROW_BITS)).astype(np.int64)
        return np.asarray(np.searchsorted(self.first, ordinal, side="right") - 1, np.int64)


def row_of(who: Entries) -> Int64N:
    """Number the rows of documents: the last of their ranks."""
    found: Int64N = np.ascontiguousarray(who["rank"][:, -1])
    return found


def read_members(shards: Sequence[ShardTables], homes: Homes) -> Members:
    """Read the rows of some shards."""
    read = [_members_of(shard, homes) for shard in shards]
    return Members(*(np.concatenate(columns) for columns in zip(*read, strict=True)))


def bid(shards: Sequence[ShardTables], *, homes: Homes) -> Spread:
    """Give, for each group of several that has members here, the best of them."""
    members = read_members(shards, homes)
    best = _best(_bids(members, members.size > 1, homes))
    return Spread(best, homes.of(best["group"]))


def representatives(home: Home, homes: Homes) -> Entries:
    """Give the groups that begin in this home, in order, with the best member of each.

    Bids of each source are read one after another: memory goes by the rows of the home, not by the bids.
    """
    members = read_members(home.shards, homes)
    alone = _bids(members, members.size == 1, homes)
    del members
    best = np.empty(0, homes.bid)
    for bids in home.bids.by_source():
        best = _best(np.concatenate([best, bids]))
    both = np.concatenate([alone, best])
    return both[np.argsort(both["group"], kind="stable")]


def find(groups: UInt64N, wanted: UInt64N) -> tuple[Int64N, BoolN]:
    """Give the place of each wanted group among the ordered groups, and whether it is there at all."""
    if not len(groups):
        return np.zeros(len(wanted), np.int64), np.zeros(len(wanted), bool)
    place = np.minimum(np.searchsorted(groups, wanted), len(groups) - 1)
    return place, groups[place] == wanted


def by_rank(ranks: Int64NK) -> Int64N:
    """Give the order from the best to the worst."""
    return np.lexsort(ranks.T[::-1])


def is_worse(one: Int64NK, other: Int64NK) -> BoolN:
    """Tell for each pair of ranks, which are never equal, whether the first is the worse."""
    first = (one != other).argmax(axis=1)
    every = np.arange(len(one))
    worse: BoolN = one[every, first] > other[every, first]
    return worse


def _members_of(shard: ShardTables, homes: Homes) -> Members:
    kept = [
        batch.column("kept").to_numpy(zero_copy_only=False) for batch in shard.batches("documents", "verdict")
    ]
    free = np.concatenate([np.zeros(0, bool), *kept])
    who = np.empty(shard.rows, np.dtype(homes.who))
    who["rank"][:, 0] = ~free
    for place, preference in enumerate(homes.priority, start=1):
        who["rank"][:, place] = _key(shard, preference)
    who["rank"][:, -1] = rows_of(shard.ordinal, shard.rows)
    who["id"] = _ids(shard)
    # Not the row: which of two alike stays must not depend on the files that they came in.
    who["rank"][:, -2] = np.ascontiguousarray(who["id"]).view("<u8")[::2] >> np.uint64(16)
    who["rank"][:, -2] |= homes.sources.index(shard.source) << 48
    return Members(
        shard.column("groups", "group").to_numpy(),
        shard.column("groups", "group_size").to_numpy(),
        free,
        who,
    )


def _ids(shard: ShardTables) -> VoidN:
    column = shard.column("documents", "id").combine_chunks()
    [_, content] = column.buffers()
    width = ID.byte_width
    return np.frombuffer(memoryview(content or b""), f"V{width}", len(column), column.offset * width)


def _bids(members: Members, chosen: BoolN, homes: Homes) -> Entries:
    bids = np.empty(int(chosen.sum()), homes.bid)
    bids["group"], bids["who"] = members.group[chosen], members.who[chosen]
    return bids


def _best(bids: Entries) -> Entries:
    """Give the best bid of each group, by group."""
    order = np.lexsort((*bids["who"]["rank"].T[::-1], bids["group"]))
    groups = bids["group"][order]
    new = np.ones(len(groups), bool)
    new[1:] = groups[1:] != groups[:-1]
    return bids[order[new]]


#: Of documents without a readable date, or whose signal could not be measured.
_LAST: Final = np.iinfo(np.int64).max


def _key(shard: ShardTables, preference: Preference) -> Int64N:
    """Give a number for each row: the lower is preferred."""
    if isinstance(preference, SourceOrder):
        named = preference.source
        place = named.index(shard.source) if shard.source in named else len(named)
        return np.full(shard.rows, place, np.int64)
    if isinstance(preference, SignalOrder):
        return _by_signal(shard, preference)
    if preference == "longest":
        return -shard.column("documents", "characters").to_numpy()
    seconds = np.array([_second(day) for day in _dates(shard.column("documents", "fetched"))], np.int64)
    return seconds if preference == "earliest" else np.where(seconds == _LAST, _LAST, -seconds)


def _by_signal(shard: ShardTables, order: SignalOrder) -> Int64N:
    """Order floats as the whole numbers that their bits are, so that no two of them become equal."""
    values = shard.column_of("signals", order.signal).combine_chunks()
    if not is_number(values.type):
        raise ParameterError(f"keep.priority: signal {order.signal!r} is {values.type}, wanted a number")
    number = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False) + 0.0  # -0.0 is 0.0
    bits = number.view(np.int64)
    key = bits ^ ((bits >> 63) & _LAST)
    return np.where(np.isnan(number), _LAST, ~key if order.prefer == "highest" else key)


def _dates(column: pa.ChunkedArray) -> Iterable[str | None]:
    for chunk in column.chunks:
        yield from chunk.to_pylist()


def _second(date: str | None) -> int:
    try:
        return int(np.datetime64((date or "").rstrip("Z"), "s").astype(np.int64)) if date else int(_LAST)
    except ValueError:
        return int(_LAST)
