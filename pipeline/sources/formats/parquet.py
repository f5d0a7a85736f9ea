"""Read Parquet, the mapped columns alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kakehi.pipeline.sources.formats.records import Record, Reject, checked_fields, from_row

_BATCH_ROWS = 256


def read(path: Path, *, fields: Mapping[str, str]) -> Iterator[Record | Reject]:
    """Yield every row in order; offsets are row numbers, lengths are 1.

    Args:
        path: the file.
        fields: our field to the file's column; `text` is required.

    Raises:
        ValueError: the file is no Parquet or is damaged, a column is missing or has another type, or `fields` is wrong.
    """
    fields = checked_fields(fields, where=str(path))
    try:
        with pq.ParquetFile(path) as file:
            check_columns(file.schema_arrow, fields, where=str(path))
            columns, offset = sorted(set(fields.values())), 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=columns, use_threads=False):
                yield from rows(batch, fields, offset)
                offset += len(batch)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{path}: can't be read as Parquet: {error}") from error


def check_columns(schema: pa.Schema, fields: Mapping[str, str], *, where: str) -> None:
    """Refuse a schema that lacks a mapped column, or has it with a type that holds no text.

    Raises:
        ValueError: naming the column, what was found, what was wanted, and the columns there are.
    """
    for field, column in fields.items():
        there = ", ".join(f"{name} ({kind})" for name, kind in zip(schema.names, schema.types, strict=True))
        if schema.names.count(column) != 1:
            found = "several of that name" if column in schema.names else "none"
            raise ValueError(
                f"{where}: column {column!r} (for {field}): found {found}, wanted one; columns: {there}"
            )
        kind = schema.field(column).type
        if not (_holds_text(kind) or (field == "id" and pa.types.is_integer(kind))):
            wanted = "string or a whole number" if field == "id" else "string"
            raise ValueError(
                f"{where}: column {column!r} (for {field}): got {kind}, wanted {wanted}; columns: {there}"
            )


def rows(batch: pa.RecordBatch, fields: Mapping[str, str], offset: int) -> Iterator[Record | Reject]:
    """Yield the records of a batch whose first row has a number."""
    values = {name: _values(batch.column(name)) for name in set(fields.values())}
    for number in range(len(batch)):
        row = {name: column[number] for name, column in values.items()}
        if any(isinstance(value, bytes) for value in row.values()):
            yield Reject(record_id=None, offset=offset + number, length=1, reason="invalid_utf8")
        else:
            yield from_row(row, fields, offset=offset + number, length=1)


def _values(column: pa.Array) -> list[Any]:
    """Return Python values; strings that are not UTF-8, which Parquet does not forbid, stay bytes."""
    try:
        return list(column.to_pylist())
    except UnicodeDecodeError:
        return [_decoded(value) for value in column.cast(pa.large_binary()).to_pylist()]


def _decoded(value: bytes | None) -> str | bytes | None:
    try:
        return value.decode() if value is not None else None
    except UnicodeDecodeError:
        return value


def _holds_text(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.DictionaryType):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))
