"""export: kept documents as files that other tools open, one a shard and format."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.stages.repeated_ids import count_repeated_ids
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.atomic import link_or_copy, set_aside
from kakehi.pipeline.storage.notes import read_note, write_note
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.store import Counts, merge

Format = Literal["jsonl.zst", "parquet"]

_COLUMNS = ("id", "source", "url", "host", "fetched", "title", "text")

_NOTHING: Final[Mapping[str, int]] = {"documents": 0, "characters": 0, "files": 0}


def export(
    inputs: Inputs,
    out: Path,
    engine: Engine,
    *,
    formats: list[Format] = ["jsonl.zst", "parquet"],  # noqa: B006 - pydantic copies defaults
) -> Counts:
    """Write the kept documents of every shard that has some; ids as 32 hexadecimal digits.

    Where duplicates were looked for, `cluster_size` says how many documents each stands for.

    Ids that several documents have are counted.

    `datasets.load_dataset("json" | "parquet", data_files="…/*")` opens either. A shard that is written stays in
    scratch until all are, so that a kill costs the shards under way.
    """
    made = partial(_export, scratch=inputs.scratch, formats=formats)
    counts = inputs.shuffles("export", engine).gather(inputs.by_label, made)
    for form in formats:
        folder = out / form.split(".")[0]
        for path in sorted((inputs.scratch / form).glob(f"*.{form}")):
            folder.mkdir(parents=True, exist_ok=True)
            link_or_copy(path, folder / path.name)
    return {**merge([_NOTHING, *counts]), **count_repeated_ids(inputs, "export", engine)}


def _export(shard: ShardTables, *, scratch: Path, formats: list[Format]) -> Counts:
    """Write a shard in every format that has no whole file of it yet; one with no kept row leaves none."""
    name = f"{shard.source}-{shard.name}"
    counts: Counter[str] = Counter()
    for batch in shard.batches("documents", "verdict", columns=("characters",)):
        kept = batch.column("characters").filter(batch.column("kept"))
        counts.update(documents=len(kept), characters=pc.sum(kept).as_py() or 0)
    if counts["documents"]:
        for form in formats:
            path = scratch / form / f"{name}.{form}"
            note = path.with_name(f".{path.name}.json")
            if read_note(note) is None:
                with set_aside(path, scratch) as aside:
                    (_write_parquet if form == "parquet" else _write_jsonl)(aside, _kept(shard))
                write_note(note, {}, (path,))
        counts["files"] = len(formats)
    return dict(counts)


def _kept(shard: ShardTables) -> Iterator[pa.RecordBatch]:
    """Yield the kept rows, ids as text; a batch without any is passed over."""
    sizes, start = shard.cluster_sizes(), 0
    for batch in shard.batches("documents", "verdict", columns=_COLUMNS):
        kept = batch.filter(batch.column("kept")).select(list(_COLUMNS))
        if sizes is not None:
            mine = pa.array(sizes[start : start + batch.num_rows]).filter(batch.column("kept"))
            kept = kept.append_column("cluster_size", mine)
        start += batch.num_rows
        ids = pa.array([value.hex() for value in kept.column("id").to_pylist()], pa.string())
        if kept.num_rows:
            yield kept.set_column(0, "id", ids)


def _write_parquet(path: Path, batches: Iterator[pa.RecordBatch]) -> None:
    first = next(batches)
    with pq.ParquetWriter(
        path, first.schema, compression="zstd", use_dictionary=["source", "host"]
    ) as writer:
        for batch in chain([first], batches):
            writer.write_batch(batch)


def _write_jsonl(path: Path, batches: Iterator[pa.RecordBatch]) -> None:
    with zstandard.ZstdCompressor(3).stream_writer(path.open("wb")) as file:
        for batch in batches:
            for row in batch.to_pylist():
                file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


STAGE = Stage(
    run=export, shape="corpus", reads=("documents", "verdict"), writes=None, version=2, columns=_COLUMNS
)
