"""Read texts as one Arrow column, for benchmarks that call kernels themselves."""

import glob
import sys
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq


def texts_of(patterns: Iterable[str]) -> pa.Array:
    """Return the column `text` of all Parquet files that match, rejects left out; end with an error where none does."""
    paths = [path for pattern in patterns for path in sorted(glob.glob(pattern))]  # noqa: PTH207 - a pattern may be absolute
    tables = [pq.read_table(path, columns=["text"]) for path in paths if ".rejects." not in path]
    if not tables:
        sys.exit(f"no table at {', '.join(patterns) or 'no path'}: wanted Parquet files with a column `text`")
    column = pa.concat_tables(tables).column("text").cast(pa.large_string()).combine_chunks()
    return column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
