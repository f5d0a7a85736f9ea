"""The row-wise tables of one shard, found by name and read in step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from kakehi.arrays import Int64N
from kakehi.pipeline.errors import DataError
from kakehi.pipeline.storage.schemas import Table
from kakehi.pipeline.storage.tables import column_names, ids_digest, lockstep, read_column, row_count


@dataclass(frozen=True, kw_only=True)
class ShardTables:
    """The row-wise tables of one shard.

    Args:
        source: name in the manifest.
        name: of the shard.
        ordinal: its place among the step's shards; the upper bits of its row numbers.
        paths: table to its files, several for `verdict`.
    """

    source: str
    name: str
    ordinal: int
    paths: Mapping[Table, tuple[Path, ...]]

    @property
    def label(self) -> str:
        """Source and name."""
        return f"{self.source}/{self.name}"

    def batches(self, *tables: Table, columns: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """Read tables in step; `columns` are those of `documents`."""
        return lockstep({name: self.paths[name] for name in tables}, columns)

    def column(self, table: Table, name: str) -> pa.ChunkedArray:
        """Read one column of one table whole."""
        [path] = self.paths[table]
        return read_column(path, name)

    def column_of(self, table: Table, name: str) -> pa.ChunkedArray:
        """Read one column, whole, of whichever step wrote a table that has it.

        Raises:
            DataError: none did; it names the columns there are.
        """
        names = {path: column_names(path) for path in self.paths.get(table, ())}
        for path, there in names.items():
            if name in there:
                return read_column(path, name)
        known = ", ".join(sorted({one for there in names.values() for one in there})) or "none"
        raise DataError(f"{self.label}: {table}: no column {name!r}; there are {known}")

    def cluster_sizes(self) -> Int64N | None:
        """Count for each document those it stands for, 0 where it is not kept; None where no step looked.

        Sizes of several such steps are multiplied.
        """
        found = [path for path in self.paths.get("verdict", ()) if "cluster_size" in column_names(path)]
        sizes = [read_column(path, "cluster_size").to_numpy().astype(np.int64) for path in found]
        return np.prod(sizes, axis=0) if sizes else None

    @property
    def rows(self) -> int:
        """Count the documents of the shard."""
        return row_count(self.paths["documents"][0])

    @property
    def ids(self) -> str:
        """The digest of the shard's ids, for the tables made beside it."""
        return ids_digest(self.paths["documents"][0])

    def output(self, out: Path) -> Path:
        """Where a corpus stage writes its row-wise table of this shard."""
        return out / self.source / f"{self.name}.parquet"
