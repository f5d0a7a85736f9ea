"""Say from stored signals alone what rules cost, where two sets disagree, and what another bound would keep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from kakehi.arrays import BoolN, BoolNR, Int64N
from kakehi.pipeline.errors import DataError, ManifestError, nearest
from kakehi.pipeline.inspection.sweep_request import Rules, SweepRequest, screens
from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.planning.resolve import tables_of
from kakehi.pipeline.stages.report.histogram import Bins
from kakehi.pipeline.stages.screen import objections
from kakehi.pipeline.storage.checked import CheckedFile
from kakehi.pipeline.storage.store import Store
from kakehi.tokenizer.sampling import ranks


class Corner(NamedTuple):
    """Who keeps a document: the first set, the second."""

    first: bool
    second: bool


#: Documents that stand for each corner.
Samples = Mapping[Corner, Sequence[Mapping[str, Any]]]


class SampleRow(NamedTuple):
    """Where a sample lies, after its rank."""

    rank: int
    path: Path
    row_group: int
    row: int


class _Tables(NamedTuple):
    path: Path  # of the documents
    documents: CheckedFile
    signals: CheckedFile


@dataclass(kw_only=True)
class SweepResult:
    """What one pass over the signals counted; all of it adds up.

    Args:
        documents: how many.
        characters: of their texts.
        kept: documents and characters to which no rule objects.
        other: the same under the changed rules.
        moved: documents that the change wins, and loses.
        objected: rule to documents it objects to; `first`: to which it objects first; `alone`: and no other rule.
        curves: signal to its values.
        missing: signal to documents where it is not measurable.
        corners: documents by who keeps them.
        samples: of each corner, those of lowest rank.
    """

    documents: int = 0
    characters: int = 0
    kept: Counter[str] = field(default_factory=Counter)
    other: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)
    objected: Counter[str] = field(default_factory=Counter)
    first: Counter[str] = field(default_factory=Counter)
    alone: Counter[str] = field(default_factory=Counter)
    curves: dict[str, list[Bins]] = field(default_factory=dict)
    missing: Counter[str] = field(default_factory=Counter)
    corners: Counter[Corner] = field(default_factory=Counter)
    samples: dict[Corner, list[SampleRow]] = field(default_factory=dict)


def sweep(steps: Sequence[Step], store: Store, request: SweepRequest) -> SweepResult:
    """Read the signals that are asked for once, shard by shard.

    Raises:
        DataError: signals that are not there yet.
    """
    found = SweepResult()
    for step in screens(steps):
        for tables in _tables(step, store):
            for row_group in range(tables.signals.num_row_groups):
                _add(found, request, str(step.source), tables, row_group)
    found.curves = {name: [Bins.merged(parts)] for name, parts in found.curves.items()}
    return found


def read_samples(found: SweepResult, request: SweepRequest) -> dict[Corner, list[dict[str, Any]]]:
    """Read the documents that stand for each corner."""
    columns = ["id", "source", "url", "title", "characters", "text"]
    return {
        corner: [
            dict(CheckedFile(p.path).read_row_group(p.row_group, columns).slice(p.row, 1).to_pylist()[0])
            for p in places[: request.samples]
        ]
        for corner, places in found.samples.items()
    }


def named_corners(
    compare: tuple[str, str], samples: Samples
) -> Iterator[tuple[str, Sequence[Mapping[str, Any]]]]:
    """Yield samples by who keeps them; first where the two sets disagree."""
    for corner in (Corner(True, False), Corner(False, True), Corner(True, True), Corner(False, False)):
        who = [name for name, keeps in zip(compare, corner, strict=True) if keeps]
        if samples.get(corner):
            yield f"kept by {' and '.join(who) or 'neither'}", samples[corner]


def _tables(step: Step, store: Store) -> Iterator[_Tables]:
    """Open documents and signals of every shard of a screen step."""
    [measured] = step.upstream["signals"]
    if measured.action == "run":
        raise DataError(
            f"sweep: {measured.name} of {step.source!r} is not done, or out of date ({measured.reason})",
            hint=f"kakehi run MANIFEST --until {measured.name}",
        )
    for shard in step.shards:
        tables = tables_of(step, shard, store)
        [documents], [signals] = tables["documents"], tables["signals"]
        opened = (CheckedFile(path) for path in (documents, signals))
        yield _Tables(documents, *opened)


def _add(found: SweepResult, request: SweepRequest, source: str, tables: _Tables, row_group: int) -> None:
    """Count one row group."""
    columns = request.columns(source)
    _refuse_unmeasured(columns, tables.signals.schema_arrow.names)
    rows = tables.documents.read_row_group(row_group, ["id", "gate", "characters"]).combine_chunks()
    if not len(rows):
        return
    characters = rows.column("characters").to_numpy()
    found.documents += len(rows)
    found.characters += int(characters.sum())
    values = tables.signals.read_row_group(row_group, columns)
    for name in ("id", "gate"):
        values = values.append_column(name, rows.column(name))
    [batch] = values.combine_chunks().to_batches()
    names, hits = _hits(batch, request.rules[source])
    kept = _kept(hits)
    _add_costs(found, names, hits)
    found.kept += _weighed(kept, characters)
    if request.other:
        others = _kept(_hits(batch, request.other[source])[1])
        found.other += _weighed(others, characters)
        found.moved += Counter(won=int((others & ~kept).sum()), lost=int((kept & ~others).sum()))
    if request.pair:
        sides = [_kept(_hits(batch, rules[source])[1]) for rules in request.pair]
        _add_corners(found, request, sides, batch.column("id"), tables.path, row_group)
    for name in request.signals:
        numbers = np.asarray(batch.column(name).cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64)
        measured = numbers[np.isfinite(numbers)]
        found.curves.setdefault(name, []).append(Bins.of(measured))
        found.missing[name] += len(numbers) - len(measured)


def _hits(batch: pa.RecordBatch, rules: Rules) -> tuple[list[str], BoolNR]:
    """Say of each rule, by its name, to which documents it objects."""
    objecting = objections(batch, rules)
    hits = np.zeros((batch.num_rows, len(objecting)), np.bool_, order="F")
    for index, column in enumerate(objecting.values()):
        hits[:, index] = column.to_numpy(zero_copy_only=False)
    return list(objecting), hits


def _kept(hits: BoolNR) -> BoolN:
    """Mark documents to which no rule objects."""
    return np.asarray(~hits.any(axis=1), np.bool_)


def _add_costs(found: SweepResult, names: list[str], hits: BoolNR) -> None:
    together = hits.sum(axis=1)
    if not names:
        return
    firsts = np.bincount(hits.argmax(axis=1)[together > 0], minlength=len(names))
    alone = hits[together == 1].sum(axis=0)
    for index, name in enumerate(names):
        found.objected[name] += int(hits[:, index].sum())
        found.first[name] += int(firsts[index])
        found.alone[name] += int(alone[index])


def _add_corners(
    found: SweepResult,
    request: SweepRequest,
    sides: Sequence[BoolN],
    ids: pa.Array,
    path: Path,
    row_group: int,
) -> None:
    """Count who keeps what, and pick samples by id alone."""
    order = ranks(ids, 0)
    for corner in (Corner(a, b) for a in (True, False) for b in (True, False)):
        rows = np.flatnonzero((sides[0] == corner.first) & (sides[1] == corner.second))
        found.corners[corner] += len(rows)
        lowest = rows[np.argsort(order[rows], kind="stable")[: request.samples]]
        places = [SampleRow(int(order[row]), path, row_group, int(row)) for row in lowest]
        found.samples[corner] = sorted([*found.samples.get(corner, []), *places])[: request.samples]


def _weighed(kept: BoolN, characters: Int64N) -> Counter[str]:
    return Counter(documents=int(kept.sum()), characters=int(characters[kept].sum()))


def _refuse_unmeasured(wanted: Sequence[str], measured: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in measured]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise ManifestError(
            f"sweep: {missing[0]!r}{more} is not measured{nearest(missing[0], measured)}",
            hint="name what measures it, or the rule set that needs it, under measure, and run --until measure",
        )
