"""Say of every token which document it came from: a table beside the binary, read by binary search."""

from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("row", pa.uint64(), nullable=False),
        pa.field("first_token", pa.uint64(), nullable=False),
        pa.field("tokens", pa.uint32(), nullable=False),
    ]
)

MAX_GROUP_ROWS: Final = 1 << 16
"""A lookup decodes one column of one row group: 0.5 MB."""


def path_beside(prefix: Path) -> Path:
    """Name the table that goes with `PREFIX.bin`."""
    return prefix.with_name(prefix.name + ".provenance.parquet")


class Writer:
    """Write the table in row groups as tokens are written; nothing is left behind when the block raises."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._next_token = 0
        self._waiting: list[pa.Table] = []

    def __enter__(self) -> Self:
        self._file = pq.ParquetWriter(self._path, SCHEMA, compression="zstd")
        return self

    def add(self, rows: pa.Table) -> None:
        """Append rows of `SCHEMA`, in the order of their tokens.

        Raises:
            ValueError: another schema, or a row that begins before the one in front has ended.
        """
        if rows.schema != SCHEMA:
            raise ValueError(f"provenance: got {rows.schema!s}, wanted {SCHEMA!s}")
        first = rows["first_token"].to_numpy()
        stops = first + rows["tokens"].to_numpy()
        starts_allowed = np.concatenate((np.array([self._next_token], np.uint64), stops))[:-1]
        if (first < starts_allowed).any():
            at = int(np.argmax(first < starts_allowed))
            raise ValueError(
                f"provenance, row {at}: first_token: got {first[at]}, wanted at least {starts_allowed[at]}"
            )
        self._next_token = int(stops[-1]) if len(stops) else self._next_token
        self._waiting.append(rows)
        if sum(map(len, self._waiting)) >= MAX_GROUP_ROWS:
            self._flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._file.close()
        if kind is not None:
            self._path.unlink()

    def _flush(self) -> None:
        if self._waiting:
            self._file.write_table(pa.concat_tables(self._waiting), row_group_size=MAX_GROUP_ROWS)
            self._waiting = []


def lookup(table: pq.ParquetFile, token: int) -> dict[str, Any]:
    """Find the row of the document that a token lies in.

    Args:
        table: an opened table of `Writer`.
        token: number of the token in the `.bin`, from 0.

    Raises:
        ValueError: no document has that token: it is padding, or lies behind the end.
    """
    group = _last_at_most(_group_starts(table), token)
    if group >= 0:
        starts = table.read_row_group(group, columns=["first_token"])["first_token"].to_numpy()
        row = table.read_row_group(group).slice(_last_at_most(starts, token), 1).to_pylist()[0]
        if token < row["first_token"] + row["tokens"]:
            return dict(row)
    raise ValueError(f"token: got {token!r}, wanted one of a document: this one is padding or behind the end")


def _group_starts(table: pq.ParquetFile) -> np.ndarray[Any, np.dtype[np.uint64]]:
    column = SCHEMA.get_field_index("first_token")
    groups = (table.metadata.row_group(i).column(column) for i in range(table.metadata.num_row_groups))
    return np.array([group.statistics.min for group in groups], np.uint64)


def _last_at_most(starts: np.ndarray[Any, np.dtype[np.uint64]], token: int) -> int:
    return int(np.searchsorted(starts, np.uint64(token), side="right")) - 1 if token >= 0 else -1
