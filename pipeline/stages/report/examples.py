"""Read the few documents that the page shows, and say in words what decided about them."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.stages.report.scan import KEPT, SampleRow
from kakehi.pipeline.stages.report.summary import Named, PairLine, Sample
from kakehi.pipeline.storage.checked import CheckedFile
from kakehi.pipeline.storage.schemas import shard_and_row
from kakehi.pipeline.storage.shard_tables import ShardTables

#: Characters of a text that the page shows.
BEGINNING = 300


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """What was read of the tables of pairs.

    Args:
        similarities: pairs by whole percent of similarity, int[101].
        near: pairs that reach the bound.
        examples: pairs nearest to the bound.
    """

    similarities: tuple[int, ...]
    near: int
    examples: tuple[PairLine, ...]


def read_sample(inputs: Inputs, place: SampleRow, verdict: str, bounds: Mapping[str, str]) -> Sample:
    """Read one document and what decided about it; `bounds` says what each rule asks for."""
    shard = inputs.shards[place.ordinal]
    columns = ("id", "url", "title", "text", "characters")
    row = _row(shard.paths["documents"][0], place.row_group, place.row, columns)
    return Sample(
        document=_named(row),
        source=shard.source,
        characters=row["characters"],
        beginning=row["text"][:BEGINNING],
        decided=_decided(shard, place, verdict, bounds),
    )


def read_pairs(inputs: Inputs, bound: float, *, examples: int) -> Pairs:
    """Read measured pairs batch by batch: counts by similarity, and the pairs nearest to the bound on either side."""
    counts = np.zeros(101, np.int64)
    near = 0
    closest: list[list[tuple[float, int, int, float]]] = [[], []]
    tables = [CheckedFile(shard.output(inputs.artifacts["pairs"])) for shard in inputs.shards]
    for batch in (batch for table in tables for batch in table.iter_batches()):
        shared, union = (batch.column(name).to_numpy() for name in ("shared", "union"))
        similarity = shared / np.maximum(union, 1)
        counts += np.bincount((shared * 100 // np.maximum(union, 1)).clip(0, 100), minlength=101)
        same = similarity >= bound
        near += int(same.sum())
        a, b = (batch.column(name).to_numpy() for name in ("a", "b"))
        distance = np.abs(similarity - bound)
        for side in (0, 1):
            rows = np.flatnonzero(same == bool(side))
            rows = rows[np.lexsort((b[rows], a[rows], distance[rows]))[:examples]]
            new = [(float(distance[i]), int(a[i]), int(b[i]), float(similarity[i])) for i in rows]
            closest[side] = heapq.nsmallest(examples, [*closest[side], *new])
    lines = [
        PairLine(similarity=value, same=bool(side), a=_at(inputs, a_row), b=_at(inputs, b_row))
        for side in (0, 1)
        for _, a_row, b_row, value in closest[side]
    ]
    return Pairs(
        similarities=tuple(counts.tolist()),
        near=near,
        examples=tuple(sorted(lines, key=lambda line: (-line.similarity, line.a.id, line.b.id))),
    )


def say_number(value: float) -> str:
    """Write a number as a person would: thousands separated, at most four digits after the point."""
    if value == round(value):
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"


def _decided(shard: ShardTables, place: SampleRow, verdict: str, bounds: Mapping[str, str]) -> str:
    if verdict == KEPT:
        return ""
    wanted = f"wanted {bounds.get(verdict) or 'otherwise'}"
    if verdict.startswith("screen:"):
        signal = verdict.removeprefix("screen:").rpartition(".")[0]
        return f"{signal} is {_say(_signal(shard, place, signal))}; {wanted}"
    return _partner(shard, place, verdict) or wanted


def _say(value: object) -> str:
    if value is None or (isinstance(value, float) and not isfinite(value)):
        return "not measurable"
    return say_number(value) if isinstance(value, int | float) else str(value)


def _signal(shard: ShardTables, place: SampleRow, signal: str) -> Any:
    for path in shard.paths.get("signals", ()):
        if signal in CheckedFile(path).schema_arrow.names:
            return _row(path, place.row_group, place.row, (signal,))[signal]
    return None


def _partner(shard: ShardTables, place: SampleRow, verdict: str) -> str:
    for path in shard.paths["verdict"]:
        names = CheckedFile(path).schema_arrow.names
        if "partner" in names:
            asked = [name for name in ("partner", "similarity", "partner_run") if name in names]
            row = _row(path, place.row_group, place.row, asked)
            if row["partner"] is not None:
                alike = (
                    "same text as" if verdict == "dedupe:exact" else f"similarity {row['similarity']:.3f} to"
                )
                run = f" of {row['partner_run']}" if "partner_run" in row else ""
                return f"{alike} the kept document {row['partner'].hex()}{run}"
    return ""


def _at(inputs: Inputs, row: int) -> Named:
    """Name the document of a row number."""
    ordinal, place = shard_and_row(row)
    path = inputs.shards[ordinal].paths["documents"][0]
    footer = CheckedFile(path).metadata
    sizes = [footer.row_group(i).num_rows for i in range(footer.num_row_groups)]
    stops = np.cumsum(sizes)
    row_group = int(np.searchsorted(stops, place, side="right"))
    return _named(_row(path, row_group, place - int(stops[row_group] - sizes[row_group]), _NAMES))


_NAMES = ("id", "url", "title")


def _named(row: Mapping[str, Any]) -> Named:
    return Named(id=row["id"].hex(), url=row["url"] or "", title=row["title"] or "")


def _row(path: Path, row_group: int, row: int, columns: Sequence[str]) -> dict[str, Any]:
    table: pa.Table = CheckedFile(path).read_row_group(row_group, list(columns))
    [found] = table.slice(row, 1).to_pylist()
    return dict(found)
