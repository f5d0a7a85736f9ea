"""Say of every token which document it came from, and of every document where its tokens are.

Two tables: documents, a row each in the order of the corpus, and beside each binary its pieces in the order of their
tokens. Both have row groups of one size, so that a row is found by its number or by binary search.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kakehi.arrays import Int64N

DOCUMENTS: Final = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("row", pa.uint64(), nullable=False),  # in the shard
        pa.field("tokens", pa.uint64(), nullable=False),  # the end mark too
    ]
)

PIECES: Final = pa.schema(
    [
        pa.field("document", pa.uint64(), nullable=False),  # row of the table of documents
        pa.field("epoch", pa.uint16(), nullable=False),  # from 0
        pa.field(
            "document_token", pa.uint64(), nullable=False
        ),  # number of the piece's first token in its document
        pa.field("first_token", pa.uint64(), nullable=False),  # its place in the .bin
        pa.field("tokens", pa.uint32(), nullable=False),
    ]
)

GROUP_ROWS: Final = 1 << 16
"""Rows of every row group but the last: a lookup decodes one column of one group, 0.5 MB."""


#: What reading a table or a map raises that anybody may have changed: Arrow's errors are of many kinds.
DAMAGE: Final = (
    *(
        ValueError,
        EOFError,
        OSError,
        KeyError,
        IndexError,
        TypeError,
        OverflowError,
        MemoryError,
        RecursionError,
    ),
    pa.ArrowException,
)


def path_beside(prefix: Path) -> Path:
    """Name the table of pieces that goes with `PREFIX.bin`."""
    return prefix.with_name(prefix.name + ".provenance.parquet")


class Writer:
    """Write a table in row groups of one size, however its rows come; nothing is left when the block raises."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path = path
        self._schema = schema
        self._waiting: list[pa.Table] = []

    def __enter__(self) -> Self:
        self._file = pq.ParquetWriter(self._path, self._schema, compression="zstd", write_page_checksum=True)
        return self

    def add(self, rows: pa.Table) -> None:
        """Append rows to the table.

        Raises:
            ValueError: another schema.
        """
        if rows.schema != self._schema:
            raise ValueError(f"provenance: got {rows.schema!s}, wanted {self._schema!s}")
        self._waiting.append(rows)
        waiting = sum(map(len, self._waiting))
        if waiting >= GROUP_ROWS:
            self._flush(waiting - waiting % GROUP_ROWS)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush(sum(map(len, self._waiting)))
        self._file.close()
        if kind is not None:
            self._path.unlink()

    def _flush(self, rows: int) -> None:
        if rows:
            table = pa.concat_tables(self._waiting).combine_chunks()
            self._file.write_table(table.slice(0, rows), row_group_size=GROUP_ROWS)
            self._waiting = [table.slice(rows)]


def join(parts: Iterable[Path], path: Path, schema: pa.Schema) -> int:
    """Write parts of a table as one, a row group at a time; give the number of rows."""
    rows = 0
    with Writer(path, schema) as writer:
        for part in parts:
            with pq.ParquetFile(part, page_checksum_verification=True) as file:
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group)
                    writer.add(table.cast(schema))
                    rows += len(table)
    return rows


def first_tokens(path: Path) -> Iterator[Int64N]:
    """Yield the place of every piece's first token, a row group of the table of pieces at a time."""
    with pq.ParquetFile(path, page_checksum_verification=True) as table:
        for group in range(table.num_row_groups):
            yield (
                table.read_row_group(group, columns=["first_token"])["first_token"]
                .to_numpy()
                .astype(np.int64)
            )


def lookup(pieces: pq.ParquetFile, token: int) -> dict[str, Any] | None:
    """Find the piece that a token lies in, or None for padding and what lies behind the end.

    Args:
        pieces: an opened table beside a binary.
        token: number of the token in the `.bin`, from 0.
    """
    group = _last_at_most(_group_starts(pieces), token)
    if group >= 0:
        starts = pieces.read_row_group(group, columns=["first_token"])["first_token"].to_numpy()
        row = pieces.read_row_group(group).slice(_last_at_most(starts, token), 1).to_pylist()[0]
        if token < row["first_token"] + row["tokens"]:
            return dict(row)
    return None


def within(pieces: pq.ParquetFile, first: int, count: int) -> list[dict[str, Any]]:
    """List the pieces that lie in a range of tokens, in their order."""
    starts = _group_starts(pieces)
    groups = range(max(0, _last_at_most(starts, first)), _last_at_most(starts, first + count - 1) + 1)
    found = []
    for group in groups:
        table = pieces.read_row_group(group)
        start = table["first_token"].to_numpy()
        inside = (start < first + count) & (start + table["tokens"].to_numpy() > first)
        found += table.filter(pa.array(inside)).to_pylist()
    return found


def document(documents: pq.ParquetFile, number: int) -> dict[str, Any]:
    """Read the document of a number."""
    group, row = divmod(number, GROUP_ROWS)
    return dict(documents.read_row_group(group).slice(row, 1).to_pylist()[0])


def find_documents(
    documents: pq.ParquetFile, column: str, value: Any
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Find documents by id or URL: yields number and row; reads one column of all groups."""
    for group in range(documents.num_row_groups):
        column_values = documents.read_row_group(group, columns=[column]).column(0)
        for row in np.flatnonzero(_equal(column_values, value)):
            number = group * GROUP_ROWS + int(row)
            yield number, document(documents, number)


def pieces_of(pieces: pq.ParquetFile, numbers: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
    """List every piece of some documents, in the order of tokens; reads one column of all groups, once."""
    wanted = np.unique(np.fromiter(numbers, np.uint64))
    found: dict[int, list[dict[str, Any]]] = {int(number): [] for number in wanted}
    for group in range(pieces.num_row_groups):
        named = pieces.read_row_group(group, columns=["document"])["document"].to_numpy()
        mine = np.flatnonzero(np.isin(named, wanted))
        if len(mine):
            for piece in pieces.read_row_group(group).take(pa.array(mine)).to_pylist():
                found[piece["document"]].append(piece)
    return found


def _equal(values: pa.ChunkedArray, value: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.asarray(
        pc.fill_null(pc.equal(values, pa.scalar(value, values.type)), False).to_numpy(), np.bool_
    )


def _group_starts(pieces: pq.ParquetFile) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """First token of each row group, from the footer's statistics."""
    at = pieces.schema_arrow.get_field_index("first_token")
    groups = [pieces.metadata.row_group(group).column(at) for group in range(pieces.num_row_groups)]
    least = [group.statistics.min for group in groups if group.statistics is not None]
    if len(least) < len(groups):  # written anew by another program
        raise ValueError(
            "provenance: first_token has no statistics in the footer, wanted those of every row group"
        )
    return np.array(least, np.uint64)


def _last_at_most(starts: np.ndarray[Any, np.dtype[np.uint64]], token: int) -> int:
    """Place of the last start that is not behind a token, -1 if there is none."""
    return int(np.searchsorted(starts, token, side="right")) - 1
