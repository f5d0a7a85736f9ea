"""pair: documents that share a band key, verified against their texts. Knows no verdicts and no threshold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from kakehi.filters.duplicates.keepers import candidate_pairs
from kakehi.filters.duplicates.similarity import shared_shingles
from kakehi.filters.texts import view
from kakehi.pipeline import shuffle
from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.inputs import Inputs, ShardTables
from kakehi.pipeline.pieces import Records, Spread
from kakehi.pipeline.schemas import PAIRS, ROW_BITS, rows_of
from kakehi.pipeline.shuffle import Part
from kakehi.pipeline.stage import Counts, Stage
from kakehi.pipeline.tables import set_aside, take_rows

Pairs = npt.NDArray[np.int64]  # int64[p, 2], row numbers
Int64N = npt.NDArray[np.int64]

_KEYED: Final = np.dtype([("key", "<u8"), ("row", "<i8"), ("band", "<u2")])
_FOUND: Final = np.dtype([("a", "<i8"), ("b", "<i8")])
_VERIFIED: Final = np.dtype([("a", "<i8"), ("b", "<i8"), ("shared", "<i8"), ("union", "<i8")])

#: Bytes a key takes while its partition is paired. Measured with tracemalloc: 44 where few documents meet, 271 where
#: every one is in a bucket of 64 in all bands, which still fits, as partitions fill half of a worker.
_KEY_BYTES: Final = 136

#: Bytes a character takes while its text is compared: 3 in UTF-8, as much again joined, 4 of shingle, room for it.
_CHARACTER_BYTES: Final = 24


def pair(
    inputs: Inputs,
    out: Path,
    engine: Engine,
    *,
    ngram: Annotated[int, Field(ge=1, le=64)] = 5,
    bands: Annotated[int, Field(ge=1, le=1000)] = 14,
    max_bucket: Annotated[int, Field(ge=2)] = 64,
) -> Counts:
    """Find candidates by shared keys and measure the Jaccard similarity of each.

    Keys are shuffled by key and paired; pairs are shuffled to the shard of their first row, and measured there.

    Args:
        inputs: keys, groups and documents.
        out: folder for the tables, one a shard: the pairs whose first row is in it.
        engine: runs a task for each partition.
        ngram: as in `sign`.
        bands: as in `sign`.
        max_bucket: in a bucket of more documents, each is compared with the first only; such buckets are counted.
    """
    found = _candidates(inputs, engine, bands, max_bucket)
    documents = [shard.paths["documents"][0] for shard in inputs.shards]
    verified = shuffle.gather(
        {name: (shard, part) for shard, (name, part) in zip(inputs.shards, found.parts.items(), strict=True)},
        partial(
            _verify,
            documents=documents,
            ngram=ngram,
            memory=inputs.bytes_per_worker,
            out=out,
            scratch=inputs.scratch,
        ),
        engine=engine,
        stage="pair",
    )
    counts = [sum(column) for column in zip(*verified, strict=True)] or [0, 0]
    return {
        "candidates": counts[0],
        "buckets_cut": found.counted,
        "candidates_under_half": counts[1],
    }


def _candidates(inputs: Inputs, engine: Engine, bands: int, max_bucket: int) -> shuffle.Scattered:
    """Collect pairs of first members of exact groups that share a key: a partition for each shard of a first row.

    Pieces of this second shuffle may be small; what their tasks read is texts.
    """
    keys = [shard.rows * bands for shard in inputs.shards]
    parts = shuffle.partitions_for(sum(keys) * _KEY_BYTES, inputs.bytes_per_worker)
    groups = shuffle.shard_groups(
        inputs.shards,
        [count * _KEYED.itemsize for count in keys],
        partitions=parts,
        bytes_per_worker=inputs.bytes_per_worker,
    )
    keyed = shuffle.scatter(
        groups,
        partial(_keys, bands=bands, parts=parts),
        engine=engine,
        stage="pair",
        folder=inputs.scratch / "keys",
        partitions=shuffle.numbered(parts),
        dtype=_KEYED,
    )
    return shuffle.scatter(
        keyed.parts,
        partial(_pair_up, max_bucket=max_bucket),
        engine=engine,
        stage="pair",
        folder=inputs.scratch / "pairs",
        partitions=[f"{shard.source}/{shard.name}" for shard in inputs.shards],
        dtype=_FOUND,
    )


def _keys(shards: Iterable[ShardTables], *, bands: int, parts: int) -> Spread:
    records = np.concatenate([_keys_of(shard, bands) for shard in shards])
    return Spread(records, (records["key"] % np.uint64(parts)).astype(np.int64))


def _keys_of(shard: ShardTables, bands: int) -> Records:
    """Give the keys of a shard's first members of exact groups, band by band."""
    own = rows_of(shard.ordinal, shard.rows)
    first = np.flatnonzero(shard.column("groups", "group").to_numpy() == own)
    records = np.empty((bands, len(first)), _KEYED)
    records["row"] = own[first]
    for band in range(bands):
        records["key"][band] = shard.column("keys", f"key_{band}").to_numpy()[first]
        records["band"][band] = band
    return records.reshape(-1)


def _pair_up(part: Part, *, max_bucket: int) -> Spread:
    records = part.read()
    # A copy of the column: numpy sorts 16-bit numbers by radix, but not where they lie apart.
    records = records[np.argsort(np.ascontiguousarray(records["band"]), kind="stable")]
    borders = np.flatnonzero(np.diff(records["band"])) + 1
    found, cut = np.zeros((0, 2), np.int64), 0
    for band in np.split(records, borders):
        keys, rows = np.ascontiguousarray(band["key"]), np.ascontiguousarray(band["row"])
        pairs, overflow = candidate_pairs(keys, rows, max_bucket=max_bucket)
        found, cut = _unique(np.concatenate([found, pairs])), cut + overflow
    return Spread(found.reshape(-1).view(_FOUND), found[:, 0] >> ROW_BITS, cut)


def _unique(pairs: Pairs) -> Pairs:
    """Give each pair once, in order; numpy's unique of rows takes 1.7 times as long."""
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    new = np.ones(len(pairs), bool)
    new[1:] = (pairs[1:] != pairs[:-1]).any(axis=1)
    return pairs[new]


def _verify(
    item: tuple[ShardTables, Part],
    *,
    documents: list[Path],
    ngram: int,
    memory: int,
    out: Path,
    scratch: Path,
) -> tuple[int, int]:
    """Measure the pairs whose first row is in one shard and write their table; count them, and those under a half."""
    shard, part = item
    pairs = _unique(part.read().view(np.int64).reshape(-1, 2))
    verified = np.empty(len(pairs), _VERIFIED)
    verified["a"], verified["b"] = pairs[:, 0], pairs[:, 1]
    by_shard = np.argsort(pairs[:, 1] >> ROW_BITS, kind="stable")
    rows = np.unique(pairs)
    weight = _CHARACTER_BYTES * _taken(documents, "characters", rows).to_numpy()
    for chosen in _fitting(by_shard, np.searchsorted(rows, pairs), weight, memory // 2):
        involved = np.unique(pairs[chosen])
        texts = view(_taken(documents, "text", involved))
        local = np.searchsorted(involved, pairs[chosen])
        verified["shared"][chosen], verified["union"][chosen] = shared_shingles(texts, local, ngram=ngram)
    with set_aside(shard.output(out), scratch) as aside:
        pq.write_table(_table(verified), aside, compression="zstd")
    return len(verified), int((2 * verified["shared"] < verified["union"]).sum())


def _fitting(chosen: Int64N, places: Pairs, weight: Int64N, most: int) -> Iterator[Int64N]:
    """Halve the chosen pairs until the texts they need fit, or one pair is left."""
    if len(chosen) > 1 and weight[np.unique(places[chosen])].sum() > most:
        middle = len(chosen) // 2
        yield from _fitting(chosen[:middle], places, weight, most)
        yield from _fitting(chosen[middle:], places, weight, most)
    elif len(chosen):
        yield chosen


def _taken(documents: list[Path], column: str, rows: Int64N) -> pa.Array:
    """Read a column of documents at ascending rows of the corpus."""
    ordinals = rows >> ROW_BITS
    places = rows & ((1 << ROW_BITS) - 1)
    taken = [take_rows(documents[o], column, places[ordinals == o]) for o in np.unique(ordinals)]
    return pa.concat_arrays(taken) if taken else pa.array([], pa.int64())


def _table(records: Records) -> pa.Table:
    columns = [np.ascontiguousarray(records[name]) for name in ("a", "b", "shared", "union")]
    return pa.table([columns[0].astype(np.uint64), columns[1].astype(np.uint64), *columns[2:]], schema=PAIRS)


STAGE = Stage(
    run=pair,
    shape="corpus",
    reads=("documents", "groups", "keys"),
    writes="pairs",
    version=2,
    libraries=("numpy",),
)
