"""pair: documents that share a band key, verified against their texts. Knows no verdicts and no threshold."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field

from kakehi.arrays import Int64N
from kakehi.filters.duplicates.keepers import candidate_pairs
from kakehi.filters.duplicates.leaders import led_pairs
from kakehi.filters.duplicates.similarity import shared_shingles
from kakehi.filters.texts import view
from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.engines.partitions import partitions_for
from kakehi.pipeline.engines.resources import Estimate, InputVolume
from kakehi.pipeline.engines.shuffle import Part, Scattered, Shuffles, numbered, spread_over
from kakehi.pipeline.engines.spill import Entries, Spread
from kakehi.pipeline.stages.dedupe.keys import KEY_BYTES, estimate_keys, keys_of
from kakehi.pipeline.stages.dedupe.signing import Signed, comparable, read_signed
from kakehi.pipeline.stages.dedupe.texts import (
    BROUGHT_BYTES,
    EXPECTED,
    NEEDED_BYTES,
    TEXT_BYTES,
    bring_texts,
    fitting,
    mean_text_bytes,
    text_bytes,
    texts_of,
)
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.atomic import set_aside
from kakehi.pipeline.storage.checked import write_table
from kakehi.pipeline.storage.schemas import PAIRS, ROW_BITS, rows_of
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.store import Counts

_KEYED: Final = np.dtype([("key", "<u8"), ("row", "<i8"), ("size", "<u4"), ("band", "<u2")])
_FOUND: Final = np.dtype([("a", "<i8"), ("b", "<i8"), ("lead", "<i8")])
_VERIFIED: Final = np.dtype([("a", "<i8"), ("b", "<i8"), ("shared", "<i8"), ("union", "<i8")])

_COUNTS: Final = (
    "candidates",
    "candidates_under_half",
    "buckets_cut",
    "pairs_cut",
    "texts_moved",
    "text_bytes_moved",
)

#: Bytes of a pair in the tables, packed by zstd (measured: 5).
_TABLE_BYTES: Final = 5

#: Bytes a pair takes while its partition is made unique or verified: record, order, and copies of both.
_PAIR_BYTES: Final = 128

#: More pairs that one document leads are verified in several partitions.
_MANY: Final = 1 << 16


class _Bucket(NamedTuple):
    """How buckets are paired: the most documents of one that is paired whole, and who leads in larger ones."""

    most: int
    leaders: int
    sources: tuple[int, ...]


def pair(
    inputs: Inputs,
    out: Path,
    engine: Engine,
    *,
    max_bucket: Annotated[int, Field(ge=2, lt=1 << 31)] = 64,
    leaders: Annotated[int, Field(ge=1, lt=1 << 31)] = 16,
) -> Counts:
    """Find candidates by shared keys and measure the Jaccard similarity of each.

    Keys are shuffled by key and paired. Pairs are shuffled to the partition of the lowest row of their bucket, where
    look-alikes meet; each text that takes part is read once, in order, and goes to the partitions that need it.

    Args:
        inputs: keys, groups and documents.
        out: folder for the tables, one a shard: the pairs whose first row is in it.
        engine: runs a task for each partition.
        max_bucket: in a bucket of more documents, each is compared with a few only; such buckets are counted.
        leaders: of each length so many: the longest ones of each source.
    """
    shuffles = inputs.shuffles("pair", engine)
    if not inputs.shards:
        return dict.fromkeys(_COUNTS, 0)
    signed = read_signed([shard.paths["keys"][0] for shard in inputs.shards])
    bucket = _Bucket(max_bucket, leaders, tuple(inputs.first_ordinals.values()))
    keyed, found = _candidates(inputs, shuffles, signed.bands, bucket)
    pairs = _unique_pairs(inputs, shuffles, found)
    mean = mean_text_bytes(inputs)
    texts = bring_texts(
        inputs,
        shuffles,
        pairs.parts,
        ("a", "b"),
        foreseen=lambda count: inputs.estimate(
            _estimate_found(found, keyed.records, pairs.records, mean, count)
        ),
    )
    shards = inputs.by_label
    verified = shuffles.scatter(
        "verified",
        {name: (part, texts.parts[name]) for name, part in pairs.parts.items()},
        partial(_verify, signed=signed, memory=inputs.bytes_per_worker),
        list(shards),
        _VERIFIED,
    )
    under = shuffles.gather(
        {name: (shard, verified.parts[name]) for name, shard in shards.items()},
        partial(_write, out=out, scratch=inputs.scratch),
    )
    counted = (verified.records, sum(under), *found.counted, texts.records, texts.counted[0])
    return dict(zip(_COUNTS, counted, strict=True))


def _candidates(
    inputs: Inputs, shuffles: Shuffles, bands: int, bucket: _Bucket
) -> tuple[Scattered, Scattered]:
    """Pair first members of exact groups that share a key; the same pair, of several bands, meets in a partition."""
    parts = inputs.partitions(bands * KEY_BYTES)
    names = numbered(parts)
    groups = inputs.groups(bands * _KEYED.itemsize, parts)
    keyed = shuffles.scatter("keys", groups, partial(_keys, bands=bands, parts=parts), names, _KEYED)
    pair_up = partial(_pair_up, bucket=bucket, parts=parts)
    return keyed, shuffles.scatter("found", keyed.parts, pair_up, names, _FOUND)


def _keys(shards: Iterable[ShardTables], *, bands: int, parts: int) -> Spread:
    records = np.concatenate([_keys_of(shard, bands) for shard in shards])
    return Spread(records, (records["key"] % np.uint64(parts)).astype(np.int64))


def _keys_of(shard: ShardTables, bands: int) -> Entries:
    """Give the keys of a shard's first members of exact groups, band by band."""
    own = rows_of(shard.ordinal, shard.rows)
    first = np.flatnonzero(shard.column("groups", "group").to_numpy() == own)
    records = keys_of(shard, first, bands=bands, dtype=_KEYED)
    records["size"] = np.minimum(shard.column("documents", "characters").to_numpy()[first], 0xFFFFFFFF)
    records["band"] = np.arange(bands)[:, np.newaxis]
    return records.reshape(-1)


def _pair_up(part: Part, *, bucket: _Bucket, parts: int) -> Spread:
    records = part.read()
    # A copy of the column: numpy sorts 16-bit numbers by radix, but not where they lie apart.
    records = records[np.argsort(np.ascontiguousarray(records["band"]), kind="stable")]
    borders = np.flatnonzero(np.diff(records["band"])) + 1
    found, buckets, pairs = np.empty(0, _FOUND), 0, 0
    for band in np.split(records, borders):
        keys, rows = np.ascontiguousarray(band["key"]), np.ascontiguousarray(band["row"])
        met = candidate_pairs(keys, rows, max_bucket=bucket.most)
        led = [_pair_with_leaders(band[places], bucket) for places in met.large]
        found = _unique(np.concatenate([found, met.pairs.reshape(-1).view(_FOUND), *led]))
        buckets += len(led)
        pairs += sum(len(a) * (len(a) - 1) // 2 - len(b) for a, b in zip(met.large, led, strict=True))
    return Spread(found, spread_over(parts, found["a"], found["b"]), (buckets, pairs))


def _pair_with_leaders(members: Entries, bucket: _Bucket) -> Entries:
    """Pair the rows of a large bucket, in order, with its leaders."""
    rows = np.ascontiguousarray(members["row"])
    sources = np.searchsorted(bucket.sources, rows >> ROW_BITS, side="right")
    pairs = led_pairs(rows, members["size"].astype(np.int64), sources, leaders=bucket.leaders)
    found = np.empty(len(pairs), _FOUND)
    found["a"], found["b"], found["lead"] = pairs[:, 0], pairs[:, 1], rows[0]
    return found


def _unique(pairs: Entries) -> Entries:
    """Give each pair once, in order, with the lowest row that leads it."""
    pairs = pairs[np.lexsort((pairs["lead"], pairs["b"], pairs["a"]))]
    new = np.ones(len(pairs), bool)
    new[1:] = (pairs["a"][1:] != pairs["a"][:-1]) | (pairs["b"][1:] != pairs["b"][:-1])
    return pairs[new]


def _unique_pairs(inputs: Inputs, shuffles: Shuffles, found: Scattered) -> Scattered:
    """Give each pair once, in the partition where it will be verified: that of the row that leads it.

    A partition of more pairs than a task can hold is read several times, each time for a share of its pairs.
    """
    most = max(1, inputs.bytes_per_worker // (2 * _PAIR_BYTES))
    sources: dict[str, tuple[Part, int, int]] = {}
    for name, part in found.parts.items():
        shares = -(-part.size // most) or 1
        sources |= {f"{name}, share {number} of {shares}": (part, number, shares) for number in range(shares)}
    parts = max(
        partitions_for(text_bytes(inputs) * EXPECTED, inputs.bytes_per_worker),
        partitions_for(found.records * _PAIR_BYTES, inputs.bytes_per_worker),
    )
    # What is in a partition is decided by how pairs were shared out, too, where many of them have one leader.
    names = [f"{name}, shared out {len(sources)} of {most}" for name in numbered(parts)]
    return shuffles.scatter("pairs", sources, partial(_lead, parts=parts), names, _FOUND)


def _lead(share: tuple[Part, int, int], *, parts: int) -> Spread:
    part, number, shares = share
    found = (each[spread_over(shares, each["b"], each["a"]) == number] for each in part.by_source())
    pairs = _unique(np.concatenate([np.empty(0, _FOUND), *found]))
    _, place, count = np.unique(pairs["lead"], return_inverse=True, return_counts=True)
    apart = np.where(count[place] > _MANY, pairs["b"], -1)
    return Spread(pairs, spread_over(parts, pairs["lead"], apart))


def _verify(item: tuple[Part, Part], *, signed: Signed, memory: int) -> Spread:
    """Measure the pairs of a partition, as many at a time as their texts fit."""
    part, texts = item
    pairs = part.read()
    pairs = pairs[np.lexsort((pairs["b"], pairs["a"], pairs["lead"]))]
    index = texts.read()  # in the order of rows, as runs are
    both = np.stack([pairs["a"], pairs["b"]], axis=1)
    verified = np.empty(len(pairs), _VERIFIED)
    verified["a"], verified["b"] = pairs["a"], pairs["b"]
    places = np.searchsorted(index["row"], both)
    for chosen in fitting(np.arange(len(pairs)), places, TEXT_BYTES * index["size"], memory // 2):
        verified["shared"][chosen], verified["union"][chosen] = _measure(both[chosen], texts, signed)
    return Spread(verified, verified["a"] >> ROW_BITS)


def _measure(pairs: Int64N, texts: Part, signed: Signed) -> tuple[Int64N, Int64N]:
    """Read the texts of some pairs and count shared and united shingles."""
    rows = np.unique(pairs)
    levelled = view(comparable(texts_of(texts, rows), signed.level))
    return shared_shingles(levelled, np.searchsorted(rows, pairs), signed.shingling)


def _write(item: tuple[ShardTables, Part], *, out: Path, scratch: Path) -> int:
    """Write the table of the pairs whose first row is in a shard; count those whose similarity is under one half."""
    shard, part = item
    pairs = part.read()
    pairs = pairs[np.lexsort((pairs["b"], pairs["a"]))]
    columns = [np.ascontiguousarray(pairs[name]) for name in ("a", "b", "shared", "union")]
    arrays = [columns[0].astype(np.uint64), columns[1].astype(np.uint64), *columns[2:]]
    with set_aside(shard.output(out), scratch) as aside:
        write_table(pa.table(arrays, schema=PAIRS), aside, compression="zstd")
    return int((2 * columns[2] < columns[3]).sum())


def _estimate(volume: InputVolume) -> Estimate:
    later = "candidates and their texts are estimated once they are found"
    return estimate_keys(volume, volume.groups, _KEYED.itemsize, later)


def _estimate_found(found: Scattered, keys: int, pairs: int, mean: int, texts: int) -> Estimate:
    """Estimate again, when it is known how many pairs are to be measured, and how many texts that takes."""
    a_pair = _FOUND.itemsize + _VERIFIED.itemsize
    a_text = NEEDED_BYTES + BROUGHT_BYTES + mean
    return Estimate(
        scratch_bytes=keys * _KEYED.itemsize
        + found.records * _FOUND.itemsize
        + pairs * a_pair
        + texts * a_text,
        table_bytes=pairs * _TABLE_BYTES,
        task_bytes=0,
        least_bytes=0,
    )


STAGE = Stage(
    run=pair,
    shape="corpus",
    reads=("documents", "groups", "keys"),
    writes="pairs",
    version=3,
    libraries=("numpy",),
    kernels=("pair",),
    estimate=_estimate,
)
