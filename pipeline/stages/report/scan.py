"""One pass over the rows of a shard: what the page needs and no receipt counts. Mergeable, in any order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kakehi.arrays import Float64N
from kakehi.pipeline.stages.report.histogram import Bins
from kakehi.pipeline.storage.checked import CheckedFile
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.tokenizer.sampling import ranks

#: Stands for no verdict.
KEPT: Final = "kept"
#: The gate's objection (`stages.extract.GATE`, which would import a parser of HTML).
GATE: Final = "extract:language"

#: Samples depend on ids alone: the page has no seed.
_SEED: Final = 0

#: Adding up many at once costs less than one after another, and so many are some 100 MB at most.
_HELD: Final = 16

T = TypeVar("T")


class SampleRow(NamedTuple):
    """Where a document lies, after its rank among the samples."""

    rank: int
    ordinal: int
    row_group: int
    row: int


class Charset(NamedTuple):
    """What the bytes were read as, and how that was decided."""

    codec: str
    codec_from: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Scan:
    """What one pass found.

    Args:
        kept: signal to its values in documents without a verdict.
        dropped: signal to its values in the others.
        missing: signal to documents where it was not measurable.
        charsets: documents.
        replaced_documents: documents with replaced characters.
        replaced: replaced characters.
        verdicts: (source, verdict) to documents.
        gate_alone: documents let through as a sample to which nothing but the gate objected.
        picks: verdict to the documents of lowest rank.
    """

    kept: Mapping[str, Bins] = field(default_factory=dict)
    dropped: Mapping[str, Bins] = field(default_factory=dict)
    missing: Counter[str] = field(default_factory=Counter)
    charsets: Counter[Charset] = field(default_factory=Counter)
    replaced_documents: Counter[Charset] = field(default_factory=Counter)
    replaced: Counter[Charset] = field(default_factory=Counter)
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    gate_alone: int = 0
    picks: Mapping[str, list[SampleRow]] = field(default_factory=dict)


def scan(shard: ShardTables, *, samples: int) -> Scan:
    """Read the shard's small columns once; never its texts."""
    return merge(_parts(shard, samples), samples=samples)


def merge(parts: Iterable[Scan], *, samples: int) -> Scan:
    """Add up what several passes found, with a few in memory at a time."""
    held: list[Scan] = []
    for part in parts:
        held.append(part)
        if len(held) == _HELD:
            held = [_added(held, samples)]
    return _added(held, samples)


def first_verdict(verdicts: list[pa.Array], rows: int) -> pa.Array:
    """Give the first verdict of every row, `KEPT` where there is none."""
    return pc.coalesce(*verdicts, KEPT) if verdicts else pa.array([KEPT] * rows, pa.string())


def _parts(shard: ShardTables, samples: int) -> Iterator[Scan]:
    for row_group, (batch, signals, opinions) in enumerate(_read(shard)):
        verdict = first_verdict([opinion.column("verdict") for opinion in opinions], batch.num_rows)
        stays = pc.equal(verdict, KEPT).to_numpy(zero_copy_only=False)
        numbers = {name: _floats(signals.column(name)) for name in _numeric(signals)}
        yield Scan(
            kept={name: Bins.of(x[stays & np.isfinite(x)]) for name, x in numbers.items()},
            dropped={name: Bins.of(x[~stays & np.isfinite(x)]) for name, x in numbers.items()},
            missing=Counter({name: int((~np.isfinite(x)).sum()) for name, x in numbers.items()}),
            **_charsets(batch),
            verdicts=Counter({(shard.source, name): count for name, count in _counted(verdict)}),
            gate_alone=_gate_alone(batch.column("gate"), opinions),
            picks=_picks(batch.column("id"), verdict, shard.ordinal, row_group, samples),
        )


def _added(every: list[Scan], samples: int) -> Scan:
    return Scan(
        kept=_merged([part.kept for part in every]),
        dropped=_merged([part.dropped for part in every]),
        missing=_sum(part.missing for part in every),
        charsets=_sum(part.charsets for part in every),
        replaced_documents=_sum(part.replaced_documents for part in every),
        replaced=_sum(part.replaced for part in every),
        verdicts=_sum(part.verdicts for part in every),
        gate_alone=sum(part.gate_alone for part in every),
        picks={
            verdict: sorted(place for part in every for place in part.picks.get(verdict, []))[:samples]
            for verdict in sorted({verdict for part in every for verdict in part.picks})
        },
    )


def _read(
    shard: ShardTables,
) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch, tuple[pa.RecordBatch, ...]]]:
    """Yield documents, their signals and the opinions on them, row group by row group."""
    columns = ("id", "codec", "codec_from", "replaced", "gate")
    documents = shard.batches("documents", "verdict", columns=columns)
    measured = ("documents", "signals") if shard.paths.get("signals") else ("documents",)
    opinions = [CheckedFile(path) for path in shard.paths["verdict"]]
    both = zip(documents, shard.batches(*measured, columns=("id",)), strict=True)
    for index, (batch, signals) in enumerate(both):
        yield batch, signals, tuple(_opinion(file, index) for file in opinions)


def _opinion(file: CheckedFile, row_group: int) -> pa.RecordBatch:
    columns = [name for name in ("verdict", "objections") if name in file.schema_arrow.names]
    return file.read_row_group(row_group, columns).combine_chunks().to_batches()[0]


def _numeric(batch: pa.RecordBatch) -> list[str]:
    return [f.name for f in batch.schema if pa.types.is_integer(f.type) or pa.types.is_floating(f.type)]


def _floats(column: pa.Array) -> Float64N:
    return np.asarray(column.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)


def _charsets(batch: pa.RecordBatch) -> dict[str, Counter[Charset]]:
    found: dict[str, Counter[Charset]] = {
        name: Counter() for name in ("charsets", "replaced_documents", "replaced")
    }
    table = pa.table({name: batch.column(name) for name in ("codec", "codec_from", "replaced")})
    table = table.append_column("any", pc.greater(table.column("replaced"), 0).cast(pa.int64()))
    sums = [("replaced", "sum"), ("replaced", "count"), ("any", "sum")]
    for row in table.group_by(["codec", "codec_from"]).aggregate(sums).to_pylist():
        if row["codec"] is not None:
            charset = Charset(row["codec"], row["codec_from"] or "")
            found["charsets"][charset] = row["replaced_count"]
            found["replaced_documents"][charset] = row["any_sum"]
            found["replaced"][charset] = row["replaced_sum"]
    return found


def _counted(verdict: pa.Array) -> list[tuple[str, int]]:
    return [(item["values"], item["counts"]) for item in pc.value_counts(verdict).to_pylist()]


def _gate_alone(gate: pa.Array, opinions: tuple[pa.RecordBatch, ...]) -> int:
    alone = pc.equal(gate, GATE).fill_null(False)
    for opinion in opinions:
        if "objections" in opinion.schema.names:
            alone = pc.and_(alone, pc.equal(pc.list_value_length(opinion.column("objections")), 1))
    return int(pc.sum(alone).as_py() or 0)


def _picks(
    ids: pa.Array, verdict: pa.Array, ordinal: int, row_group: int, samples: int
) -> dict[str, list[SampleRow]]:
    rank = ranks(ids, _SEED)
    picks = {}
    for name, _ in _counted(verdict):
        rows = np.flatnonzero(pc.equal(verdict, name).to_numpy(zero_copy_only=False))
        lowest = rows[np.argsort(rank[rows], kind="stable")[:samples]]
        picks[name] = [SampleRow(int(rank[row]), ordinal, row_group, int(row)) for row in lowest]
    return picks


def _merged(parts: list[Mapping[str, Bins]]) -> dict[str, Bins]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: Bins.merged(part[name] for part in parts if name in part) for name in names}


def _sum(parts: Iterable[Counter[T]]) -> Counter[T]:
    total: Counter[T] = Counter()
    for part in parts:
        total.update(part)
    return total
