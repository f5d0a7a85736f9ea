"""Tell one document's way: record, charset, signals, every objection with its value, partner, tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kakehi.filters.signals import find_family
from kakehi.pipeline.errors import DataError
from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.sources.documents import document_id
from kakehi.pipeline.storage.checked import CheckedFile
from kakehi.pipeline.storage.schemas import DOCUMENTS
from kakehi.pipeline.storage.shards import Shard
from kakehi.pipeline.storage.store import Store
from kakehi.tokenizer.packed import provenance

#: Code points of the text that are shown.
SHOWN = 300


@dataclass(frozen=True, kw_only=True)
class FoundRow:
    """Where a document or reject lies: shard, row, and the row itself."""

    shard: Shard
    row: int
    values: Mapping[str, Any]
    rejected: bool


def explain(steps: Sequence[Step], store: Store, wanted: str) -> list[str]:
    """Tell the way of every document or reject with this URL or id.

    Args:
        steps: of the plan; what has not run yet is left out.
        store: the work folder.
        wanted: a URL, an id of 32 hexadecimal digits, or a record's own id in its input.

    Returns:
        lines to print.

    Raises:
        DataError: nothing of that name.
    """
    found = list(find(steps, store, wanted))
    if not found:
        known = list(_fetched(steps, store, {"url": wanted}))
        if known:
            return [f"url         {wanted}", *known, "no document and no reject came of it"]
        raise DataError(
            f"{wanted!r}: no document and no reject has this URL or id",
            hint="ids have 32 hexadecimal digits; URLs are compared whole; `kakehi run` must have run",
        )
    lines = _how_many(found, wanted)
    for place in found:
        lines += [*(["", "—" * 20, ""] if lines else []), *_describe_row(steps, store, place)]
    return lines


def _how_many(found: Sequence[FoundRow], wanted: str) -> list[str]:
    """Say how many documents and rejects have a name that several have."""
    if len(found) == 1:
        return []
    rejects = sum(row.rejected for row in found)
    counted = [(len(found) - rejects, "document"), (rejects, "reject")]
    said = " and ".join(_counted(number, noun) for number, noun in counted if number)
    return [f"{said} have the {'URL' if '://' in wanted else 'id'} {wanted}"]


def find(steps: Sequence[Step], store: Store, wanted: str) -> Iterator[FoundRow]:
    """Find documents and rejects by URL, id or the input's own id."""
    for step in steps:
        if step.stage.shape != "source":
            continue
        column, value = _key(wanted, str(step.source))
        for shard in step.shards:
            table = store.table(step.name, step.address, shard.source, shard.name)
            rejects = table.with_name(f"{table.stem}.rejects.parquet")
            yield from _rows(table, shard, column, value, rejected=False)
            yield from _rows(rejects, shard, column, value, rejected=True)


def _key(wanted: str, source: str) -> tuple[str, pa.Scalar]:
    """Take what looks like neither a URL nor an id of ours as the input's own id of a record."""
    if "://" in wanted:
        return "url", pa.scalar(wanted)
    try:
        plain = bytes.fromhex(wanted)
    except ValueError:
        plain = b""
    return "id", pa.scalar(plain if len(plain) == 16 else document_id(source, wanted), pa.binary(16))


def _rows(path: Path, shard: Shard, column: str, value: pa.Scalar, *, rejected: bool) -> Iterator[FoundRow]:
    if not path.exists():
        return
    file = CheckedFile(path)
    start = 0
    for group in range(file.num_row_groups):
        keys = file.read_row_group(group, [column]).column(0)
        hits = [i for i, hit in enumerate(pc.equal(keys, value).to_pylist()) if hit]
        rows = file.read_row_group(group).take(hits).to_pylist() if hits else []
        yield from (
            FoundRow(shard=shard, row=start + i, values=row, rejected=rejected)
            for i, row in zip(hits, rows, strict=True)
        )
        start += len(keys)


def _describe_row(steps: Sequence[Step], store: Store, place: FoundRow) -> list[str]:
    row = place.values
    lines = [
        f"id          {row['id'].hex()}",
        f"url         {row['url']}",
        f"record      {row['input']}, offset {row['offset']:,}, length {row['length']:,}",
    ]
    lines += _fetched([step for step in steps if step.source == place.shard.source], store, row)
    if place.rejected:
        note = f" ({row['note']})" if row["note"] else ""
        return [*lines, f"rejected    {row['reason']}{note}: never became a document"]
    text = row["text"]
    lines += [
        f"row         {place.shard.source}/{place.shard.name}, row {place.row}",
        f"charset     {row['codec']}, decided by {row['codec_from']}; {row['replaced']} characters replaced",
        f"title       {row['title']}",
        *(f"consent     {words}" for words in row["consent"] or ()),
        f"text        {row['characters']:,} characters: {text[:SHOWN]!r}{'…' if len(text) > SHOWN else ''}",
    ]
    for step in steps:
        if step.source in {None, place.shard.source}:
            lines += _hop(step, store, place)
    return lines


def _fetched(steps: Sequence[Step], store: Store, row: Mapping[str, Any]) -> Iterator[str]:
    """Yield what steps that fetch know of a document, or of a URL that no document came of."""
    for step in steps:
        if tell := step.stage.told:
            for shard in step.shards:
                yield from tell(store.folder(step.name, step.address) / shard.source, shard, row)


def _hop(step: Step, store: Store, place: FoundRow) -> list[str]:
    if step.stage.writes == "packed":
        return _packed(step, store, place)
    row = _read(step, store, place)
    if row is None:
        return []
    if step.stage.writes == "signals":
        return [
            *(f"signal      {name} = {_value(value)}" for name, value in row.items()),
            *_evidence(step, place.values),
        ]
    if step.stage.writes == "groups":
        return [f"exact       {_counted(row['group_size'], 'document')} with this text"]
    if step.stage.name == "screen":
        return _screened(step, store, place, row)
    if step.stage.name == "withdraw":
        return [f"{step.name:<11} objects: {row['verdict']}, {row['entry']}"] if row["verdict"] else []
    if step.stage.writes == "hits":
        return [f"{step.name:<11} {_nearest(row)}"] if row["partner"] else []
    if step.stage.name == "keep":
        return _kept(step, store, row)
    if step.stage.writes == "verdict":
        return [f"{step.name:<11} objects: {row['verdict']}"] if row["verdict"] else []
    if step.stage.writes == "tokens":
        return [f"{step.name:<11} " + ("not encoded" if row["ids"] is None else f"{row['length']:,} tokens")]
    return []


def _evidence(step: Step, document: Mapping[str, Any]) -> Iterator[str]:
    """Yield why signals have their values, where their family can tell: the hits of a list in their context."""
    for spec in step.parameters["families"]:
        family = find_family(spec["family"])
        if family.evidence is None:
            continue
        columns = [pa.array([document[name]], DOCUMENTS.field(name).type) for name in family.reads]
        for line in family.evidence(*columns, **spec["parameters"]):
            yield f"evidence    {spec['name']}: {line}"


def _screened(step: Step, store: Store, place: FoundRow, row: Mapping[str, Any]) -> list[str]:
    [measured] = step.upstream["signals"]
    signals = _read(measured, store, place) or {}
    lines = [f"{step.name:<11} {'objects: ' + row['verdict'] if row['verdict'] else 'no objection'}"]
    for name in row["objections"]:
        signal, _, bound = name.partition(":")[2].rpartition(".")
        wanted = _bounds(step, signal, {"in": "one_of"}.get(bound, bound))
        said = (
            f": {_value(signals.get(signal))}, {bound} is {wanted}" if wanted else ": let through as a sample"
        )
        lines.append(f"objection   {name}{said}")
    return lines


def _bounds(step: Step, signal: str, bound: str) -> str:
    """List what the rules ask of a signal; two rules may bound one."""
    rules = [rule for rule in step.parameters["rules"] if rule["signal"] == signal]
    return " and ".join(str(rule[bound]) for rule in rules if rule.get(bound) is not None)


def _kept(step: Step, store: Store, row: Mapping[str, Any]) -> list[str]:
    if row["verdict"] is None:
        stands = row["cluster_size"]
        said = (
            f"stands for {_counted(stands, 'document')}" if stands else "no keeper: it has a verdict already"
        )
        return [f"{step.name:<11} no objection; {said}"]
    partner = row["partner"].hex()
    found = next(iter(find(list(step.upstream["documents"]), store, partner)), None)
    named = f" {found.values['url']}" if found and found.values["url"] else ""
    return [
        f"{step.name:<11} objects: {row['verdict']}",
        f"partner     {partner}{named}, similarity {row['similarity']:.4f}",
    ]


def _nearest(row: Mapping[str, Any]) -> str:
    """Name the document of an earlier run that is most similar."""
    named = f" {row['partner_url']}" if row["partner_url"] else ""
    return (
        f"nearest in {row['partner_run']}: {row['partner'].hex()}{named}, similarity {row['similarity']:.4f}"
    )


def _packed(step: Step, store: Store, place: FoundRow) -> list[str]:
    lines: list[str] = []
    home = store.folder(step.name, step.address)
    numbers = [
        number
        for path in sorted(home.glob("*.documents.parquet"))
        for number, row in provenance.find_documents(pq.ParquetFile(path), "id", place.values["id"])
        if (row["shard"], row["row"]) == (place.shard.name, place.row)
    ]
    for path in sorted(home.glob("*.provenance.parquet")) if numbers else ():
        prefix = path.name.removesuffix(".provenance.parquet")
        lines += [
            f"{step.name:<11} {prefix}.bin, tokens {row['first_token']:,} to {row['first_token'] + row['tokens'] - 1:,}"
            f": its {row['document_token']:,} to {row['document_token'] + row['tokens'] - 1:,}, epoch {row['epoch']}"
            for row in provenance.pieces_of(pq.ParquetFile(path), numbers[:1])[numbers[0]]
        ]
    return lines


def _read(step: Step, store: Store, place: FoundRow) -> dict[str, Any] | None:
    """Read the row of a row-wise table, or None where the step has not run or writes none."""
    path = store.table(step.name, step.address, place.shard.source, place.shard.name)
    if step.stage.writes == "keys" or not path.exists():
        return None
    file, start = CheckedFile(path), 0
    for group in range(file.num_row_groups):
        rows = file.metadata.row_group(group).num_rows
        if place.row < start + rows:
            return dict(file.read_row_group(group).slice(place.row - start, 1).to_pylist()[0])
        start += rows
    return None


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _value(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
