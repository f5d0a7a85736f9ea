"""Shuffles: records go from shards to partitions by two maps, through files that outlive a kill.

Scatter writes one spill file for each source: a group of shards, or a partition of a shuffle before. Gather reads
one partition from all of them. Never a file for each source and partition. A file that is whole is not made again, so
both maps go on where they stopped. The number of partitions follows the machine's memory and must not change a result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import xxhash

from kakehi.arrays import BoolN, Int64N, UInt64N
from kakehi.pipeline.engines.engine import Engine, Failure
from kakehi.pipeline.engines.failures import one_error
from kakehi.pipeline.engines.partitions import BLOCK_BYTES, SHARE
from kakehi.pipeline.engines.spill import (
    Entries,
    Kind,
    SpillSummary,
    Spread,
    partition_size,
    read_partition,
    read_summary,
    read_tails,
    write_spill,
)
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.splitmix64 import GOLDEN_GAMMA, half_mixed

T = TypeVar("T")
R = TypeVar("R")


class Part(NamedTuple):
    """One partition of what was scattered."""

    folder: Path
    files: range
    number: int
    dtype: np.dtype[Any]

    def read(self) -> Entries:
        """Read the partition's records: of the first source first, each in its order."""
        return read_partition([_path(self.folder, index) for index in self.files], self.number, self.dtype)

    def path(self, index: int) -> Path:
        """Name the file of a source by its place among them."""
        return _path(self.folder, index)

    def by_source(self) -> Iterator[Entries]:
        """Read what each source gave, one after another."""
        for index in self.files:
            yield read_partition([_path(self.folder, index)], self.number, self.dtype)

    def tails(self, chosen: Callable[[Entries], BoolN]) -> tuple[Entries, pa.LargeStringArray]:
        """Read the records that are chosen and their tails, in the order of `read`."""
        records, tails = [np.empty(0, self.dtype)], [pa.array([], pa.large_string())]
        for index, entries in zip(self.files, self.by_source(), strict=True):
            places = np.flatnonzero(chosen(entries))
            records.append(entries[places])
            tails.append(read_tails(_path(self.folder, index), self.number, self.dtype, places))
        return np.concatenate(records), pa.concat_arrays(tails)

    @property
    def size(self) -> int:
        """Count the partition's records."""
        return sum(partition_size(_path(self.folder, index), self.number, self.dtype) for index in self.files)

    def blocks(self, most: int) -> Iterator[Part]:
        """Cut the partition between sources into parts of at most so many records, if no source gave more; one at least."""
        start, filled = self.files.start, 0
        for index in self.files:
            size = partition_size(_path(self.folder, index), self.number, self.dtype)
            if filled + size > most and index > start:
                yield self._replace(files=range(start, index))
                start, filled = index, 0
            filled += size
        yield self._replace(files=range(start, self.files.stop))


class Scattered(NamedTuple):
    """Partitions by name, ready to be gathered or to be sources of another scatter.

    Args:
        parts: by name.
        records: in all of them.
        counted: the sums of what was counted.
    """

    parts: dict[str, Part]
    records: int
    counted: tuple[int, int]


def numbered(count: int) -> list[str]:
    """Name partitions by hash."""
    return [f"partition {number} of {count}" for number in range(count)]


def spread_over(parts: int, *columns: Int64N) -> Int64N:
    """Give every row of some columns a partition, by half of SplitMix64's finaliser for each column."""
    hashed: UInt64N = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        hashed = half_mixed((hashed + column.astype(np.uint64)) * GOLDEN_GAMMA)
    return (hashed % np.uint64(parts)).astype(np.int64)


def shard_groups(
    shards: Sequence[ShardTables], sizes: Sequence[int], *, partitions: int, bytes_per_worker: int
) -> dict[str, tuple[ShardTables, ...]]:
    """Group consecutive shards so that a file's partitions reach 1 MiB each, as far as memory and volume allow.

    Args:
        shards: in order.
        sizes: bytes of records that each gives.
        partitions: of a file.
        bytes_per_worker: memory of one task, of which a quarter is filled with records.
    """
    enough = min(partitions * BLOCK_BYTES, bytes_per_worker // (2 * SHARE))
    groups: list[list[ShardTables]] = []
    filled = enough
    for shard, size in zip(shards, sizes, strict=True):
        if filled >= enough:
            groups.append([])
            filled = 0
        groups[-1].append(shard)
        filled += size
    return {_named(group): tuple(group) for group in groups}


@dataclass(frozen=True, kw_only=True)
class Shuffles:
    """The shuffles of one step.

    Args:
        stage: for messages.
        engine: runs the tasks.
        scratch: folder for the files, a folder in it for each shuffle.
    """

    stage: str
    engine: Engine
    scratch: Path

    def scatter(
        self,
        folder: str,
        sources: Mapping[str, T],
        spread: Callable[[T], Spread],
        partitions: Sequence[str],
        dtype: np.dtype[Any],
        *,
        tailed: bool = False,
    ) -> Scattered:
        """Write the records of every source, sorted by partition; leave alone what an earlier run wrote.

        Args:
            folder: in scratch, for these files alone.
            sources: by a name that, in this folder, says all of what they are.
            spread: picklable; gives the records of one source.
            partitions: their names, which say all of what they are; `spread` gives the number in this order.
            dtype: of the records, packed.
            tailed: whether each record has a text.

        Raises:
            EngineError: tasks failed; DataError where all of them met one.
        """
        home = self.scratch / folder
        tasks = {
            name: _Task(
                _path(home, index),
                Kind(_digest(name, partitions, dtype), len(partitions), dtype, tailed),
                source,
                spread,
            )
            for index, (name, source) in enumerate(sources.items())
        }
        noted = self.gather(tasks, _scatter)
        files = range(len(tasks))
        parts = {name: Part(home, files, number, dtype) for number, name in enumerate(partitions)}
        counted = sum(one.counted[0] for one in noted), sum(one.counted[1] for one in noted)
        return Scattered(parts, sum(one.records for one in noted), counted)

    def gather(self, parts: Mapping[str, T], use: Callable[[T], R]) -> list[R]:
        """Run a picklable function on every part, each a task; give its small results in order.

        Args:
            parts: `Scattered.parts`, or these with what else their task needs.
            use: reads a part, returns a small result or writes a file of its own.

        Raises:
            EngineError: tasks failed; all others are done. DataError where all failures are such.
        """
        names = list(parts)
        results: dict[int, R] = {}
        failures: dict[int, Failure] = {}
        for position, result in self.engine.map(use, parts.values()):
            if isinstance(result, Failure):
                failures[position] = result
            else:
                results[position] = result
        if failures:
            raise one_error(self.stage, names, failures)
        return [results[position] for position in range(len(names))]


class _Task(NamedTuple, Generic[T]):
    path: Path
    kind: Kind
    source: T
    spread: Callable[[T], Spread]


def _digest(source: str, partitions: Sequence[str], dtype: np.dtype[Any]) -> int:
    """Tell a file from one of the same number that a run with other memory, so other groups, left behind."""
    return xxhash.xxh3_64_intdigest("\0".join([source, *partitions, str(dtype.descr)]).encode())


def _scatter(task: _Task[Any]) -> SpillSummary:
    noted = read_summary(task.path, task.kind)
    if noted is None:
        spread = task.spread(task.source)
        write_spill(task.path, spread, task.kind)
        noted = SpillSummary(len(spread.records), spread.counted)
    return noted


def _path(folder: Path, index: int) -> Path:
    return folder / f"{index}.records"


def _named(group: Sequence[ShardTables]) -> str:
    first, last = (shard.label for shard in (group[0], group[-1]))
    return first if len(group) == 1 else f"{first} to {last} ({len(group):,} shards)"
