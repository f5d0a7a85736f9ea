"""Draw a seeded sample of the kept text: by tasks, in bounded memory, the same whatever the shards."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from kakehi.arrays import Int64N, UInt64N
from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.storage.atomic import set_aside
from kakehi.pipeline.storage.notes import read_note, write_note
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.tokenizer.sampling import bucket_of, bucket_reached, choose, ranks, weigh

_EVERY: Final = 2**64 - 1

#: Rows of a batch in a file of texts: as many of each file are in memory while they are merged.
_ROWS: Final = 256

#: Files that are merged: as many are open at once, and systems allow 1,024.
_FILES: Final = 256


class Sample(NamedTuple):
    """Texts drawn, in a file for each group of shards.

    Args:
        files: Arrow streams of `id` and `text`, in the order of ids.
        documents: how many there are.
        seed: of the ranks.
        thin: rank up to which a document is in the smaller sample.
    """

    files: list[Path]
    documents: int
    seed: int
    thin: int

    def texts(self) -> Iterator[str]:
        """Yield all texts in the order of their ids, which no shard border moves."""
        return self._merged(_EVERY)

    def thinned(self) -> Iterator[str]:
        """Yield the texts of the smaller sample in the order of their ids."""
        return self._merged(self.thin)

    def _merged(self, limit: int) -> Iterator[str]:
        return (text for _, text in heapq.merge(*(_rows(file, self.seed, limit) for file in self.files)))


def draw(inputs: Inputs, engine: Engine, *, seed: int, characters: int, thin_documents: int) -> Sample:
    """Write the kept documents of lowest rank, until there are characters enough, to files in scratch.

    Shards are asked three times: what they hold by bucket of rank, the ranks in the bucket where the budget is
    reached, and for their texts up to that rank. So no more than a 4,096th of the corpus's rows is ever in one place.

    Args:
        inputs: documents and their verdicts.
        engine: runs a task a shard.
        seed: of the ranks.
        characters: budget of the sample.
        thin_documents: budget of the smaller sample inside it.
    """
    shards = inputs.by_label
    shuffles = inputs.shuffles("train", engine)
    budgets = (characters, thin_documents)
    weighed = shuffles.gather(shards, partial(_weigh, seed=seed))
    total = np.sum(weighed, axis=0) if weighed else np.zeros((2, 1), np.int64)
    reached = [bucket_reached(weights, budget) for weights, budget in zip(total, budgets, strict=True)]
    buckets = [bucket for bucket, _ in filter(None, reached)]
    held = shuffles.gather(shards, partial(_hold, seed=seed, buckets=buckets))
    limit, thin = (_limit(held, place, measure) for measure, place in enumerate(reached))
    several = -(-len(inputs.shards) // _FILES) or 1
    groups = [inputs.shards[first : first + several] for first in range(0, len(inputs.shards), several)]
    tasks = {
        group[0].label: (group, inputs.scratch / "texts" / f"{number}.arrow")
        for number, group in enumerate(groups)
    }
    counts = shuffles.gather(tasks, partial(_write, seed=seed, limit=limit, scratch=inputs.scratch))
    return Sample([file for _, file in tasks.values()], sum(counts), seed, min(limit, thin))


def _limit(held: Sequence[tuple[UInt64N, Int64N]], reached: tuple[int, int] | None, measure: int) -> int:
    """Find the highest rank of a sample; `measure` 0 counts characters, 1 documents."""
    if reached is None:
        return _EVERY
    bucket, left = reached
    rank, length = (np.concatenate(parts) for parts in zip(*held, strict=True))
    inside = bucket_of(rank) == bucket
    lengths = length[inside] if measure == 0 else np.ones(int(inside.sum()), np.int64)
    return int(rank[inside][choose(rank[inside], lengths, left)].max())


def _weigh(shard: ShardTables, *, seed: int) -> Int64N:
    """Give int64[2, buckets]: characters and documents by bucket of rank."""
    found = [
        np.stack([weigh(rank, length), weigh(rank, np.ones_like(length))])
        for rank, length in _kept(shard, seed)
    ]
    return np.asarray(np.sum(found, axis=0), np.int64)


def _hold(shard: ShardTables, *, seed: int, buckets: list[int]) -> tuple[UInt64N, Int64N]:
    """Give ranks and lengths of the documents in some buckets."""
    found = [
        (rank[inside], length[inside])
        for rank, length in _kept(shard, seed)
        for inside in [np.isin(bucket_of(rank), buckets)]
    ]
    rank, length = zip(*found, strict=True)
    return np.concatenate(rank), np.concatenate(length)


def _kept(shard: ShardTables, seed: int) -> Iterator[tuple[UInt64N, Int64N]]:
    """Yield ranks and characters of the kept documents; at least once, if there are none."""
    yield np.zeros(0, np.uint64), np.zeros(0, np.int64)
    for batch in shard.batches("documents", "verdict", columns=("id", "characters")):
        kept = batch.filter(batch.column("kept"))
        yield ranks(kept.column("id"), seed), kept.column("characters").to_numpy()


_TEXTS: Final = pa.schema([("id", pa.binary(16)), ("text", pa.large_string())])


def _write(item: tuple[Sequence[ShardTables], Path], *, seed: int, limit: int, scratch: Path) -> int:
    """Write the texts of some shards that are in the sample, in the order of ids, unless an earlier run did."""
    shards, path = item
    note = path.with_suffix(".json")
    if read_note(note) is None:
        taken = [_TEXTS.empty_table(), *(_taken(shard, seed, limit) for shard in shards)]
        table = pa.concat_tables(taken)
        ids = table.column("id").to_pylist()
        table = table.take(pa.array(sorted(range(len(ids)), key=ids.__getitem__), pa.int64()))
        with (
            set_aside(path, scratch) as aside,
            pa.OSFile(os.fspath(aside), "wb") as file,
            pa.ipc.new_stream(file, _TEXTS) as stream,
        ):
            stream.write_table(table, max_chunksize=_ROWS)
        write_note(note, {}, (path,))
    with pa.OSFile(os.fspath(path)) as file, pa.ipc.open_stream(file) as stream:
        return sum(batch.num_rows for batch in stream)


def _taken(shard: ShardTables, seed: int, limit: int) -> pa.Table:
    found = []
    for batch in shard.batches("documents", "verdict", columns=("id", "text")):
        inside = ranks(batch.column("id"), seed) <= np.uint64(limit)
        kept = batch.column("kept").to_numpy(zero_copy_only=False)
        found.append(batch.filter(pa.array(inside & kept)).select(_TEXTS.names))
    return pa.Table.from_batches(found, _TEXTS)


def _rows(file: Path, seed: int, limit: int) -> Iterator[tuple[bytes, str]]:
    with pa.OSFile(os.fspath(file)) as opened, pa.ipc.open_stream(opened) as stream:
        for batch in stream:
            mine = batch.filter(pa.array(ranks(batch.column("id"), seed) <= np.uint64(limit)))
            yield from zip(*(mine.column(name).to_pylist() for name in _TEXTS.names), strict=True)
