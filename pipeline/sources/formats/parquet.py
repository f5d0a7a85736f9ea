"""Read Parquet, the mapped columns alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kakehi.pipeline.sources.formats.compressed import CHUNK_BYTES
from kakehi.pipeline.sources.formats.foreign import refuse_no_parquet
from kakehi.pipeline.sources.formats.records import (
    FieldMap,
    Reading,
    Record,
    Reject,
    checked_fields,
    from_row,
    nearest_key,
)

_BATCH_ROWS = 256
#: Bytes that the cells of a batch may take out of a dictionary, each of them the whole of it at worst.
_BATCH_BYTES = 256 << 20
#: A dictionary may have: writers end one at a megabyte or two.
MAX_DICTIONARY_BYTES = 128 << 20


def read(
    path: Path,
    *,
    fields: Mapping[str, str],
    reading: Reading = Reading(),  # noqa: B008 - its counts are then nobody's
) -> Iterator[Record | Reject]:
    """Yield every row in order; offsets are row numbers, lengths are 1.

    Args:
        path: the file.
        fields: our field to the file's column, or a path into it joined by dots; `text` is required.
        reading: where fields are counted.

    Raises:
        ValueError: the file is no Parquet or is damaged, a column is missing, `text` is none, or `fields` is wrong.
    """
    mapped = checked_fields(fields, where=str(path), counts=reading.counts)
    offset = 0
    try:
        with pq.ParquetFile(path) as file:
            found = find_columns(file.schema_arrow, mapped, where=str(path))
            columns = sorted({mapped.paths[field] for field in found})
            batch_rows = _batch_rows(path, file.metadata, {column.partition(".")[0] for column in columns})
            for batch in file.iter_batches(batch_size=batch_rows, columns=columns, use_threads=False):
                yield from rows(batch, found, mapped, offset)
                offset += len(batch)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        with path.open("rb") as beginning:
            refuse_no_parquet(path, beginning.read(CHUNK_BYTES))
        behind = f" on behind {offset:,} records" if offset else ""
        raise ValueError(f"{path}: can't be read{behind} as Parquet: {error}") from error


ColumnPath = tuple[str, ...]


def find_columns(schema: pa.Schema, fields: FieldMap, *, where: str) -> dict[str, ColumnPath]:
    """Find where a schema has the mapped columns: the names that lead to each; optional ones may be left out.

    Raises:
        ValueError: one that is missing, or a text that is none, with the columns there are.
    """
    places = _column_paths(schema)
    found = {}
    for field, path in fields.paths.items():
        mine = [place for place in places if ".".join(place) == path]
        mine = [place for place in mine if len(place) == 1] or mine  # a name that itself has dots wins
        if not mine and field in fields.optional:
            continue
        if len(mine) != 1:
            number = "several of that name" if mine else "none"
            meant = "" if mine else nearest_key(path, [".".join(place) for place in places])
            raise ValueError(
                f"{where}: column {path!r} (for {field}): found {number}, wanted one; "
                f"columns: {_describe_columns(schema)}{meant}"
            )
        [found[field]] = mine
        kind = _type_at(schema, mine[0])
        if field == "text" and not _holds_text(kind):
            raise ValueError(
                f"{where}: column {path!r} (for {field}): got {kind}, wanted string; columns: {_describe_columns(schema)}"
            )
    return found


def rows(
    batch: pa.RecordBatch, found: Mapping[str, ColumnPath], fields: FieldMap, offset: int
) -> Iterator[Record | Reject]:
    """Yield the records of a batch whose first row has a number."""
    values = {fields.paths[field]: _values(_column(batch, place), field) for field, place in found.items()}
    text = fields.paths["text"]
    for number in range(len(batch)):
        row = {name: column[number] for name, column in values.items()}
        if isinstance(row[text], bytes):
            yield Reject(record_id=None, offset=offset + number, length=1, reason="invalid_utf8")
        else:
            yield from_row(row, fields, offset=offset + number, length=1)


def _batch_rows(path: Path, metadata: pq.FileMetaData, roots: set[str]) -> int:
    """Say how many rows are read at a time: fewer where a few bytes of a row may name megabytes of a dictionary.

    Raises:
        ValueError: a dictionary is too large.
    """
    largest = 0
    with path.open("rb") as file:
        for number in range(metadata.num_row_groups):
            group = metadata.row_group(number)
            for at in range(group.num_columns):
                chunk = group.column(at)
                if chunk.has_dictionary_page and chunk.path_in_schema.partition(".")[0] in roots:
                    largest = max(largest, _dictionary_bytes(file, chunk.dictionary_page_offset))
    if largest > MAX_DICTIONARY_BYTES:
        raise ValueError(
            f"{path}: got a dictionary of {largest:,} bytes, wanted at most {MAX_DICTIONARY_BYTES:,}\n"
            "hint: write it anew without dictionaries: use_dictionary=False"
        )
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(largest, 1)))


def _dictionary_bytes(file: BinaryIO, offset: int) -> int:
    """Read from a page's head how large it is unpacked; what can't be read is left for the library to refuse.

    The head is Thrift's compact form: field 1 the kind of page, field 2 the size, as zigzag varints.
    """
    file.seek(max(offset, 0))
    head = file.read(16)
    if head[:1] != b"\x15" or head[2:3] != b"\x15":
        return 0
    size = shift = 0
    for byte in head[3:8]:
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return size >> 1


def _column_paths(schema: pa.Schema) -> list[ColumnPath]:
    """List the columns, and what lies in structs, by the names that lead there."""
    return [place for field in schema for place in _paths_in((field.name,), field.type)]


def _paths_in(place: ColumnPath, kind: pa.DataType) -> Iterator[ColumnPath]:
    yield place
    if isinstance(kind, pa.StructType):
        for inner in kind:
            yield from _paths_in((*place, inner.name), inner.type)


def _type_at(schema: pa.Schema, place: ColumnPath) -> pa.DataType:
    kind = schema.field(place[0]).type
    for name in place[1:]:
        kind = kind.field(name).type if isinstance(kind, pa.StructType) else kind
    return kind


def _column(batch: pa.RecordBatch, place: ColumnPath) -> pa.Array:
    column = batch.column(place[0])
    return pc.struct_field(column, list(place[1:])) if len(place) > 1 else column


def _values(column: pa.Array, field: str) -> list[Any]:
    """Return Python values; strings that are not UTF-8, which Parquet does not forbid, stay bytes.

    Of a column of another type it is only told where it has values: not each type has one in Python.
    """
    if not (_holds_text(column.type) or (field == "id" and pa.types.is_integer(column.type))):
        return [object() if there else None for there in pc.is_valid(column).to_pylist()]
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


def _describe_columns(schema: pa.Schema) -> str:
    return ", ".join(f"{name} ({kind})" for name, kind in zip(schema.names, schema.types, strict=True))
