"""keep: pairs, groups, verdicts and a priority to verdicts with a named partner. Cheap to redo."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from kakehi.filters.duplicates.keepers import choose_keepers
from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.inputs import Inputs, ShardTables
from kakehi.pipeline.report.tally import count_verdicts
from kakehi.pipeline.schemas import ID, KEEP, ROW_BITS, rows_of
from kakehi.pipeline.stage import Counts, Stage
from kakehi.pipeline.store import merge
from kakehi.pipeline.tables import TableWriter

EXACT, NEAR = "dedupe:exact", "dedupe:near"

Int64N = npt.NDArray[np.int64]


class SourceOrder(BaseModel):
    """Prefer documents of the sources named first; sources not named come last."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    source: list[str]


Preference = Literal["longest", "earliest", "latest"] | SourceOrder


def keep(
    inputs: Inputs,
    out: Path,
    engine: Engine,  # noqa: ARG001 - one greedy pass
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
        engine: not used.
        similarity: Jaccard of shingle sets from which two documents are the same.
        priority: what decides between them, in order; at last the order of the corpus.
    """
    group = np.concatenate(
        [np.zeros(0, np.uint64), *(s.column("groups", "group").to_numpy() for s in inputs.shards)]
    )
    leaders, dense = np.unique(group, return_inverse=True)
    pairs = pq.read_table(inputs.artifacts["pairs"] / "pairs.parquet")
    between = np.stack(
        [np.searchsorted(leaders, pairs.column(name).to_numpy()) for name in ("a", "b")], axis=1
    )
    measured = pairs.column("shared").to_numpy() / np.maximum(pairs.column("union").to_numpy(), 1)
    partner, partner_similarity, kind = choose_keepers(
        dense.astype(np.int64),
        _ranks(inputs, priority),
        _objected(inputs),
        between.astype(np.int64),
        measured,
        threshold=similarity,
    )
    return _write(inputs, out, partner, partner_similarity, kind)


def _objected(inputs: Inputs) -> npt.NDArray[np.bool_]:
    batches = (batch for shard in inputs.shards for batch in shard.batches("documents", "verdict"))
    return np.concatenate(
        [np.zeros(0, bool), *(~batch.column("kept").to_numpy(zero_copy_only=False) for batch in batches)]
    )


def _ranks(inputs: Inputs, priority: list[Preference]) -> Int64N:
    """Rank every row of the corpus: 0 is kept first."""
    keys = [np.concatenate([np.zeros(0, np.int64), *(_key(s, p) for s in inputs.shards)]) for p in priority]
    total = sum(shard.rows for shard in inputs.shards)
    order = np.lexsort((np.arange(total), *reversed(keys)))
    ranks = np.empty(total, np.int64)
    ranks[order] = np.arange(total)
    return ranks


def _key(shard: ShardTables, preference: Preference) -> Int64N:
    if isinstance(preference, SourceOrder):
        named = preference.source
        return np.full(
            shard.rows, named.index(shard.source) if shard.source in named else len(named), np.int64
        )
    if preference == "longest":
        return -shard.column("documents", "characters").to_numpy()
    fetched = shard.column("documents", "fetched").to_pylist()
    seconds = np.array([_day(value) for value in fetched], np.int64)
    return seconds if preference == "earliest" else np.where(seconds == _NEVER, _NEVER, -seconds)


_NEVER = np.iinfo(np.int64).max


def _day(value: str | None) -> int:
    try:
        return int(np.datetime64((value or "").rstrip("Z"), "s").astype(np.int64)) if value else int(_NEVER)
    except ValueError:
        return int(_NEVER)


def _write(
    inputs: Inputs,
    out: Path,
    partner: Int64N,
    similarity: npt.NDArray[np.float64],
    kind: npt.NDArray[np.int8],
) -> Counts:
    start = np.cumsum([0, *(shard.rows for shard in inputs.shards)])
    row = np.concatenate([np.zeros(0, np.uint64), *(rows_of(i, s.rows) for i, s in enumerate(inputs.shards))])
    stands_for = np.bincount(partner[partner >= 0], minlength=len(row)) + (kind == 0)
    keepers = _ids_of(inputs, np.unique(row[partner[partner >= 0]]))
    counts: Counter[str] = Counter()
    for shard in inputs.shards:
        mine = slice(start[shard.ordinal], start[shard.ordinal + 1])
        table = _table(row, partner[mine], similarity[mine], kind[mine], stands_for[mine], keepers)
        counts = Counter(merge([counts, _write_shard(shard, out, table)]))
    return {"rows": len(row), **counts}


class _Ids(NamedTuple):
    """Rows, uint64[n] in order, and the id of each."""

    rows: npt.NDArray[np.uint64]
    ids: pa.Array


def _table(
    row: npt.NDArray[np.uint64],
    partner: Int64N,
    similarity: npt.NDArray[np.float64],
    kind: npt.NDArray[np.int8],
    stands_for: Int64N,
    keepers: _Ids,
) -> pa.Table:
    none = partner < 0
    named = row[np.maximum(partner, 0)] if len(row) else row
    place = pa.array(np.searchsorted(keepers.rows, named), pa.int64(), mask=none)
    names = pa.array([None, EXACT, NEAR, None], pa.string())
    return pa.table(
        [
            names.take(pa.array(kind)),
            keepers.ids.take(place),
            pa.array(named, pa.uint64(), mask=none),
            pa.array(similarity, pa.float64(), mask=none),
            pa.array(stands_for.astype(np.uint32)),
        ],
        schema=KEEP,
    )


def _write_shard(shard: ShardTables, out: Path, table: pa.Table) -> Counts:
    counts: Counter[str] = Counter()
    with TableWriter(shard.output(out), KEEP) as writer:
        start = 0
        for batch in shard.batches("documents", columns=("characters",)):
            piece = table.slice(start, batch.num_rows).combine_chunks().to_batches()[0]
            writer.write(piece)
            start += batch.num_rows
            counts.update(count_verdicts(piece.column("verdict"), batch.column("characters")))
        writer.close(shard.ids)
    return dict(counts)


def _ids_of(inputs: Inputs, rows: npt.NDArray[np.uint64]) -> _Ids:
    """Read the ids of some rows, in order."""
    ordinals = (rows >> np.uint64(ROW_BITS)).astype(np.int64)
    borders = np.searchsorted(ordinals, np.arange(len(inputs.shards) + 1))
    found: list[pa.Array] = [pa.array([], ID)]
    for shard in inputs.shards:
        mine = rows[borders[shard.ordinal] : borders[shard.ordinal + 1]]
        if len(mine):
            places = pa.array(mine & np.uint64((1 << ROW_BITS) - 1))
            found += pc.take(shard.column("documents", "id"), places).chunks
    return _Ids(rows, pa.concat_arrays(found))


STAGE = Stage(
    run=keep, shape="corpus", reads=("documents", "groups", "pairs", "verdict"), writes="verdict", version=1
)
