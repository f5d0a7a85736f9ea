from collections.abc import Iterator, Mapping
from os import PathLike

from pyarrow import RecordBatch, Schema
from pyarrow.compute import Expression as Expression
from pyarrow.compute import field as field
from pyarrow.compute import scalar as scalar

class ParquetFragmentScanOptions:
    def __init__(self, *, use_buffered_stream: bool = False, pre_buffer: bool = True) -> None: ...

class Scanner:
    def to_batches(self) -> Iterator[RecordBatch]: ...

class FileSystemDataset:
    @property
    def schema(self) -> Schema: ...
    def count_rows(self) -> int: ...
    def replace_schema(self, schema: Schema) -> FileSystemDataset: ...
    def scanner(
        self,
        columns: Mapping[str, Expression] | None = None,
        filter: Expression | None = None,
        batch_size: int = ...,
        batch_readahead: int = 16,
        fragment_readahead: int = 4,
        fragment_scan_options: ParquetFragmentScanOptions | None = None,
    ) -> Scanner: ...

def dataset(source: str | PathLike[str], *, format: str) -> FileSystemDataset: ...
