"""Write and read row-wise tables: Parquet, one row group a batch, row groups of one shard in step.

Each file carries the digest of the `id` column it belongs to, so that two tables that do not fit are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from kakehi.arrays import Int64N
from kakehi.pipeline.errors import ContractError, DataError
from kakehi.pipeline.storage.checked import CheckedFile, CheckedWriter
from kakehi.pipeline.storage.schemas import Table

IDS_KEY: Final = b"kakehi.ids"

#: Columns of many different values, where a dictionary costs time and saves nothing; shares are such, too.
_PLAIN: Final = frozenset({"id", "text", "text_hash", "url", "title", "offset", "length", "ids", "keys"})

#: zstd level 3: 333 MB/s and half of lz4's size on Japanese text.
_CODEC: Final = ("zstd", 3)

#: Ids are written as they are: zstd saves 34 % of them, and costs 9 % of what SentencePiece takes to make them.
_AS_IT_IS: Final = "ids"


def _comes_again(field: pa.Field) -> bool:
    return field.name not in _PLAIN and not pa.types.is_floating(field.type)


class TableWriter:
    """Write one table of one shard; a batch becomes a row group.

    Args:
        path: where to.
        schema: of every batch.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._ids = xxhash.xxh3_128()
        codec, level = ("none", None) if _AS_IT_IS in schema.names else _CODEC
        self._writer = CheckedWriter(
            path,
            schema,
            compression=codec,
            compression_level=level,
            use_dictionary=[field.name for field in schema if _comes_again(field)],
            write_statistics=[field.name for field in schema if field.name in {"first_token", "row"}],
        )
        self._schema = schema
        self.rows = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch; an empty one writes nothing."""
        if batch.schema != self._schema:
            raise ContractError(f"batch has schema {batch.schema!r}, wanted {self._schema!r}")
        if batch.num_rows:
            self._writer.write_batch(batch, row_group_size=batch.num_rows)
            self.rows += batch.num_rows

    def note_ids(self, ids: pa.Array) -> None:
        """Take ids into the digest that the footer will carry."""
        for value in ids.buffers()[1:2]:
            width = 16
            self._ids.update(memoryview(value or b"")[ids.offset * width : (ids.offset + len(ids)) * width])

    def close(self, ids: str | None = None) -> str:
        """Finish the file and give the digest of the ids: `ids` where it was copied, else the noted ones'."""
        carried = self._ids.hexdigest() if ids is None else ids
        self._writer.add_key_value_metadata({IDS_KEY: carried.encode()})
        self._writer.close()
        return carried

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._writer.close()


def ids_digest(path: Path) -> str:
    """Read the digest of ids that a table carries."""
    return _carried(CheckedFile(path), path)


def row_count(path: Path) -> int:
    """Count the rows of a table by its footer."""
    return int(CheckedFile(path).metadata.num_rows)


def lockstep(
    tables: Mapping[Table, Sequence[Path]], columns: Sequence[str] = (), *, empty: bool = False
) -> Iterator[pa.RecordBatch]:
    """Read the tables of one shard together, row group by row group.

    Args:
        tables: table name to its files: `documents` gives the columns asked for, several `verdict` files become
            one column `kept` (true where every verdict is null), every other table gives all its columns.
        columns: of `documents`.
        empty: yield one batch of no rows at the end, so that a reader learns the schema of an empty shard.

    Raises:
        DataError: tables that do not belong together, or that are no Parquet.
    """
    opened = [(name, path, CheckedFile(path)) for name, paths in tables.items() for path in paths]
    _refuse_strangers(opened)
    groups = {file.num_row_groups for _, _, file in opened}
    if len(groups) != 1:
        raise ContractError(f"tables of one shard have {sorted(groups)} row groups: {tables}")
    free = not tables.get("verdict", ("",))
    for index in range(groups.pop()):
        parts = [(name, file.read_row_group(index, _wanted(name, columns))) for name, _, file in opened]
        yield _join(parts, all_kept=free)
    if empty:
        nothing = [
            (name, file.schema_arrow.empty_table(), _wanted(name, columns)) for name, _, file in opened
        ]
        yield _join([(n, t if w is None else t.select(w)) for n, t, w in nothing], all_kept=free)


def read_column(path: Path, column: str) -> pa.ChunkedArray:
    """Read one column of one table whole."""
    return CheckedFile(path).read([column]).column(0)


def column_names(path: Path) -> list[str]:
    """Name the columns of a table."""
    return list(CheckedFile(path).schema_arrow.names)


def column_bytes(path: Path, column: str) -> list[tuple[int, int]]:
    """Give the rows of each row group, and the bytes of one column in it, by the footer."""
    metadata = CheckedFile(path).metadata
    place = metadata.schema.to_arrow_schema().get_field_index(column)
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    return [(int(group.num_rows), int(group.column(place).total_uncompressed_size)) for group in groups]


def take_rows(path: Path, column: str, places: Int64N) -> pa.Array:
    """Read one column at the given rows, which ascend; row groups without any are skipped."""
    file = CheckedFile(path)
    taken = [file.schema_arrow.empty_table().column(column).combine_chunks()]
    start = 0
    for index in range(file.num_row_groups):
        stop = start + file.metadata.row_group(index).num_rows
        inside = places[np.searchsorted(places, start) : np.searchsorted(places, stop)] - start
        if len(inside):
            taken.append(_solid(file.read_row_group(index, [column]).column(0)).take(pa.array(inside)))
        start = stop
    return pa.concat_arrays(taken)


def _wanted(name: str, columns: Sequence[str]) -> list[str] | None:
    if name == "documents":
        return list(columns)
    return ["verdict"] if name == "verdict" else None


def _join(parts: Sequence[tuple[str, pa.Table]], *, all_kept: bool) -> pa.RecordBatch:
    arrays: dict[str, pa.Array] = {}
    rows = parts[0][1].num_rows
    kept: pa.Array | None = pa.array(np.ones(rows, bool)) if all_kept else None
    for name, table in parts:
        if name == "verdict":
            free = pc.is_null(_solid(table.column("verdict")))
            kept = free if kept is None else pc.and_(kept, free)
            continue
        arrays.update((field.name, _solid(table.column(field.name))) for field in table.schema)
    if kept is not None:
        arrays["kept"] = kept
    if not arrays:
        return pa.RecordBatch.from_struct_array(pa.array([{}] * rows, pa.struct([])))
    return pa.RecordBatch.from_pydict(arrays)


def _solid(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _carried(file: CheckedFile, path: Path) -> str:
    found = (file.metadata.metadata or {}).get(IDS_KEY)
    if found is None:
        raise DataError(f"{path}: carries no digest of ids", hint="remove it and run again: it is made anew")
    return str(found.decode())


def _refuse_strangers(opened: Sequence[tuple[str, Path, CheckedFile]]) -> None:
    (_, first, file), *others = opened
    wanted = _carried(file, first)
    for _, path, other in others:
        if _carried(other, path) != wanted or other.metadata.num_rows != file.metadata.num_rows:
            raise DataError(
                f"{path}: its rows are not those of {first}",
                hint="one of the two was changed by hand; remove both and run again",
            )
