"""export: kept documents as files that other tools open, one a shard and format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.inputs import Inputs, ShardTables
from kakehi.pipeline.stage import Counts, Stage

Format = Literal["jsonl.zst", "parquet"]

_COLUMNS = ("id", "source", "url", "host", "fetched", "title", "text")


def export(
    inputs: Inputs,
    out: Path,
    engine: Engine,  # noqa: ARG001 - written shard by shard, as they are read
    *,
    formats: list[Format] = ["jsonl.zst", "parquet"],  # noqa: B006 - pydantic copies defaults
) -> Counts:
    """Write the kept documents of every shard that has some; ids as 32 hexadecimal digits.

    `datasets.load_dataset("json" | "parquet", data_files="…/*")` opens either.
    """
    documents = characters = files = 0
    for shard in inputs.shards:
        with_rows = False
        writers = _Writers(out, shard, formats)
        for batch in _kept(shard):
            with_rows = with_rows or batch.num_rows > 0
            if batch.num_rows:
                writers.write(batch)
                documents += batch.num_rows
                characters += sum(len(text) for text in batch.column("text").to_pylist())
        writers.close()
        files += len(formats) if with_rows else 0
    return {"documents": documents, "characters": characters, "files": files}


def _kept(shard: ShardTables) -> Iterator[pa.RecordBatch]:
    for batch in shard.batches("documents", "verdict", columns=_COLUMNS):
        kept = batch.filter(batch.column("kept")).select(list(_COLUMNS))
        ids = pa.array([value.hex() for value in kept.column("id").to_pylist()], pa.string())
        yield kept.set_column(0, "id", ids)


class _Writers:
    """Open files on the first row only: a shard with no kept row leaves none."""

    def __init__(self, out: Path, shard: ShardTables, formats: list[Format]) -> None:
        name = f"{shard.source}-{shard.name}"
        self._paths = {form: out / form.split(".")[0] / f"{name}.{form}" for form in formats}
        self._parquet: pq.ParquetWriter | None = None
        self._jsonl: zstandard.ZstdCompressionWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Append a batch to every format."""
        for form, path in self._paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            if form == "parquet":
                self._parquet = self._parquet or pq.ParquetWriter(
                    path, batch.schema, compression="zstd", use_dictionary=["source", "host"]
                )
                self._parquet.write_batch(batch)
            else:
                self._jsonl = self._jsonl or zstandard.ZstdCompressor(3).stream_writer(path.open("wb"))
                for row in batch.to_pylist():
                    self._jsonl.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")

    def close(self) -> None:
        """Finish what was opened."""
        for writer in (self._parquet, self._jsonl):
            if writer is not None:
                writer.close()


STAGE = Stage(
    run=export, shape="corpus", reads=("documents", "verdict"), writes=None, version=1, columns=_COLUMNS
)
