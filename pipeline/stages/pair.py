"""pair: documents that share a band key, verified against their texts. Knows no verdicts and no threshold."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from kakehi.filters.duplicates.keepers import candidate_pairs
from kakehi.filters.duplicates.similarity import shared_shingles
from kakehi.filters.texts import view
from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.inputs import Inputs
from kakehi.pipeline.schemas import PAIRS, ROW_BITS, rows_of
from kakehi.pipeline.stage import Counts, Stage

Pairs = npt.NDArray[np.int64]  # int64[p, 2], row numbers


def pair(
    inputs: Inputs,
    out: Path,
    engine: Engine,  # noqa: ARG001 - bands are passes over the same columns
    *,
    ngram: Annotated[int, Field(ge=1, le=64)] = 5,
    bands: Annotated[int, Field(ge=1, le=1000)] = 14,
    max_bucket: Annotated[int, Field(ge=2)] = 64,
) -> Counts:
    """Find candidates band by band and measure the Jaccard similarity of each.

    Args:
        inputs: keys, groups and documents.
        out: folder for `pairs.parquet`.
        engine: not used.
        ngram: as in `sign`.
        bands: as in `sign`.
        max_bucket: in a bucket of more documents, each is compared with the first only; such buckets are counted.
    """
    found, cut = _candidates(inputs, bands, max_bucket)
    shared, union = np.zeros(len(found), np.int64), np.zeros(len(found), np.int64)
    for chosen, texts, local in _blocks(inputs, found):
        shared[chosen], union[chosen] = shared_shingles(view(texts), local, ngram=ngram)
    rows = found.astype(np.uint64)
    table = pa.table([rows[:, 0], rows[:, 1], shared, union], schema=PAIRS)
    pq.write_table(table, out / "pairs.parquet", compression="zstd")
    return {
        "candidates": len(found),
        "buckets_cut": cut,
        "candidates_under_half": int((2 * shared < union).sum()),
    }


def _candidates(inputs: Inputs, bands: int, max_bucket: int) -> tuple[Pairs, int]:
    """Collect pairs of first members of exact groups that share a key, each once, in order."""
    first = [
        np.flatnonzero(shard.column("groups", "group").to_numpy() == rows_of(shard.ordinal, shard.rows))
        for shard in inputs.shards
    ]
    rows = [
        rows_of(shard.ordinal, shard.rows)[mine].astype(np.int64)
        for shard, mine in zip(inputs.shards, first, strict=True)
    ]
    row = np.concatenate([np.zeros(0, np.int64), *rows])
    found, cut = np.zeros((0, 2), np.int64), 0
    for band in range(bands):
        keys = [
            shard.column("keys", f"key_{band}").to_numpy()[mine]
            for shard, mine in zip(inputs.shards, first, strict=True)
        ]
        pairs, overflow = candidate_pairs(
            np.concatenate([np.zeros(0, np.uint64), *keys]), row, max_bucket=max_bucket
        )
        found, cut = np.unique(np.concatenate([found, pairs]), axis=0), cut + int(overflow)
    return found, cut


def _blocks(inputs: Inputs, found: Pairs) -> Iterator[tuple[npt.NDArray[np.int64], pa.Array, Pairs]]:
    """Cut pairs into blocks whose texts lie in two shards: positions, texts, pairs of places in the texts."""
    involved = np.unique(found)

    @lru_cache(maxsize=2)
    def texts_of(ordinal: int) -> tuple[npt.NDArray[np.int64], pa.Array]:
        mine = involved[involved >> ROW_BITS == ordinal]
        return mine, _texts(inputs, ordinal, mine & ((1 << ROW_BITS) - 1))

    ordinals = found >> ROW_BITS
    for left, right in np.unique(ordinals, axis=0):
        chosen = np.flatnonzero((ordinals == (left, right)).all(axis=1))
        rows, texts = texts_of(int(left))
        if left != right:
            other, more = texts_of(int(right))
            rows, texts = np.concatenate([rows, other]), pa.concat_arrays([texts, more])
        yield chosen, texts, np.searchsorted(rows, found[chosen])


def _texts(inputs: Inputs, ordinal: int, places: npt.NDArray[np.int64]) -> pa.Array:
    parts: list[pa.Array] = []
    start = 0
    for batch in inputs.shards[ordinal].batches("documents", columns=("text",)):
        inside = places[(places >= start) & (places < start + batch.num_rows)] - start
        parts.append(batch.column("text").take(pa.array(inside)))
        start += batch.num_rows
    return pa.concat_arrays(parts)


STAGE = Stage(
    run=pair,
    shape="corpus",
    reads=("documents", "groups", "keys"),
    writes="pairs",
    version=1,
    libraries=("numpy",),
)
