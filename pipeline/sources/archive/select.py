"""Put the chosen rows of an index into the order in which they are fetched, in little memory, and say what that will cost.

An index is sorted by URL, an archive's files are not: rows of one file are brought together by a bucket of its name, sorted
inside it. The order is that of (bucket, file, offset), however many buckets had to be written to disk meanwhile.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc

from kakehi.pipeline.sources.archive.index import CHOSEN, Index
from kakehi.pipeline.storage.atomic import set_aside

BUCKETS: Final = 256

#: Rows held in memory before they are written to buckets: 64 MiB of them at some 250 bytes, and as much to sort them.
HELD_ROWS: Final = 1 << 18

#: Rows whose requests a forecast counts; of more it takes those of some buckets, all rows of a file or none.
COUNTED_ROWS: Final = 1 << 18

_BUCKETED: Final = pa.schema([pa.field("bucket", pa.uint8(), nullable=False), *CHOSEN])
_ORDER: Final = [(name, "ascending") for name in ("bucket", "archive", "offset", "length")]
_PACKED: Final = pa.ipc.IpcWriteOptions(compression="lz4")


class Cost(NamedTuple):
    """What fetching will take.

    Args:
        pages: records.
        size: bytes of these.
        requests: about.
        wire: bytes of these requests, gaps and all, about.
        files: files of the archive that they lie in.
        whole: bytes of these files, at least: up to the last record chosen in each.
    """

    pages: int
    size: int
    requests: int
    wire: int
    files: int
    whole: int


@dataclass(frozen=True, kw_only=True)
class Coalescing:
    """How neighbouring records are asked for together.

    Args:
        gap_bytes: between two records, that are fetched and thrown away rather than asked around.
        max_bytes: of a request of several records.
    """

    gap_bytes: int
    max_bytes: int

    def end(self, rows: Rows, first: int, stop: int) -> int:
        """Say up to which row one request goes that begins at `first`; records that overlap are never together."""
        start = rows.offset[first]
        end = start + rows.length[first]
        row = first + 1
        while row < stop and rows.archive[row] == rows.archive[first]:
            gap, next_end = rows.offset[row] - end, rows.offset[row] + rows.length[row]
            if not 0 <= gap <= self.gap_bytes or next_end - start > self.max_bytes:
                break
            end, row = next_end, row + 1
        return row


class Rows(NamedTuple):
    """Chosen rows as lists: a unit's worth of them."""

    url: list[str | None]
    archive: list[str]
    offset: list[int]
    length: list[int]
    digest: list[str | None]

    @classmethod
    def of(cls, table: pa.Table) -> Rows:
        """Take the columns of these names out of a table."""
        return cls(*(table.column(name).to_pylist() for name in cls._fields))


def choose(index: Index, out: Path, scratch: Path, *, limit: int | None = None) -> int:
    """Write the chosen rows in the order of fetching, each once.

    Args:
        index: whose rows.
        out: Arrow file to write, under its name only once it is whole.
        scratch: folder for what does not fit in memory; gone afterwards.
        limit: rows to take at most, the first ones in that order.

    Returns:
        how many rows it wrote.
    """
    rows = 0
    with (
        set_aside(out) as aside,
        pa.OSFile(os.fspath(aside), "wb") as file,
        pa.ipc.new_file(file, CHOSEN, options=_PACKED) as writer,
    ):
        for table in sorted_rows(index.batches(), scratch):
            chosen = table if limit is None else table.slice(0, max(0, limit - rows))
            rows += len(chosen)
            for batch in chosen.to_batches(max_chunksize=1 << 16):
                writer.write_batch(batch)
    return rows


def sorted_rows(batches: Iterable[pa.RecordBatch], scratch: Path) -> Iterator[pa.Table]:
    """Yield the rows of all batches in the order of fetching, each once, as tables that fit in memory."""
    held: list[pa.RecordBatch] = []
    rows = 0
    with ExitStack() as open_files:
        spilled: dict[int, pa.ipc.RecordBatchStreamWriter] = {}
        for batch in batches:
            held.append(_bucketed(batch))
            rows += batch.num_rows
            if rows >= HELD_ROWS:
                _spill(held, scratch, spilled, open_files)
                held, rows = [], 0
        if spilled:
            _spill(held, scratch, spilled, open_files)
    if not spilled:
        yield _ordered(held)
        return
    for bucket in sorted(spilled):
        path = scratch / f"{bucket}.arrows"
        with pa.OSFile(os.fspath(path)) as file:
            yield _ordered(list(pa.ipc.open_stream(file)))
        path.unlink()
    shutil.rmtree(scratch)


def open_rows(path: Path) -> pa.Table:
    """Open chosen rows; nothing is read until it is asked for."""
    return pa.ipc.open_file(pa.memory_map(os.fspath(path))).read_all()


def units(lengths: Iterable[int], unit_bytes: int) -> list[tuple[int, int]]:
    """Cut rows into units of about so many bytes of records, each a WARC file: from row to row."""
    cuts, size, first, row = list[tuple[int, int]](), 0, 0, 0
    for row, length in enumerate(lengths, 1):
        size += length
        if size >= unit_bytes:
            cuts.append((first, row))
            first, size = row, 0
    return [*cuts, (first, row)] if first < row else cuts


def forecast(index: Index, coalescing: Coalescing, *, limit: int | None, budget: int | None) -> Cost:
    """Say what fetching the rows of an index will take: by all of them, but requests by those of a sample of files.

    Args:
        index: whose rows.
        coalescing: how neighbours are asked for together.
        limit: rows at most, or None.
        budget: bytes of records at most, or None.
    """
    pages = size = 0
    share, held, held_rows = BUCKETS, list[pa.RecordBatch](), 0
    ends: dict[str, int] = {}
    for batch in map(_bucketed, index.batches()):
        pages += batch.num_rows
        size += pc.sum(batch.column("length")).as_py()
        for name, end in _ends(batch):
            ends[name] = max(end, ends.get(name, 0))
        held.append(batch.filter(pc.less(batch.column("bucket"), share)))
        held_rows += held[-1].num_rows
        while held_rows > COUNTED_ROWS and share > 1:
            share //= 2
            held = [each.filter(pc.less(each.column("bucket"), share)) for each in held]
            held_rows = sum(each.num_rows for each in held)
    rows = Rows.of(_ordered(held))
    requests, wire = _requests(rows, coalescing)
    sampled = pages / len(rows.archive) if rows.archive else 1.0
    part = min(1.0, (limit or pages) / max(pages, 1), (budget or size) / max(size, 1))
    return Cost(
        pages=round(pages * part),
        size=round(size * part),
        requests=round(requests * sampled * part),
        wire=round(wire * sampled * part),
        files=len(ends),
        whole=sum(ends.values()),
    )


def _ends(batch: pa.RecordBatch) -> Iterator[tuple[str, int]]:
    """Yield each file, and where its last record here ends."""
    ends = pc.add(batch.column("offset"), batch.column("length"))
    last = (
        pa.table([batch.column("archive"), ends], ["archive", "end"])
        .group_by("archive")
        .aggregate([("end", "max")])
    )
    yield from zip(last.column("archive").to_pylist(), last.column("end_max").to_pylist(), strict=True)


def within(lengths: Iterable[int], budget: int) -> int:
    """Say how many of the first rows have no more bytes together than a budget."""
    size = 0
    for row, length in enumerate(lengths):
        size += length
        if size > budget:
            return row
    return row + 1 if size else 0


def _requests(rows: Rows, coalescing: Coalescing) -> tuple[int, int]:
    first = asked = came = 0
    while first < len(rows.archive):
        end = coalescing.end(rows, first, len(rows.archive))
        came += rows.offset[end - 1] + rows.length[end - 1] - rows.offset[first]
        first, asked = end, asked + 1
    return asked, came


def _ordered(batches: list[pa.RecordBatch]) -> pa.Table:
    """Sort rows, and leave out those whose place the row before has."""
    table = pa.Table.from_batches(batches, _BUCKETED).sort_by(_ORDER).select(CHOSEN.names).combine_chunks()
    if len(table) < 2:
        return table
    same = pa.array([True] * (len(table) - 1))
    for name in ("archive", "offset", "length"):
        column = table.column(name).chunk(0)
        same = pc.and_(same, pc.equal(column.slice(1), column.slice(0, len(column) - 1)))
    return table.filter(pa.concat_arrays([pa.array([True]), pc.invert(same)]))


def _bucketed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Give each row the bucket of its file's name."""
    names = batch.column("archive").dictionary_encode()
    drawn = [
        hashlib.sha1(name.encode(), usedforsecurity=False).digest()[0]
        for name in names.dictionary.to_pylist()
    ]
    buckets = pa.array(drawn, pa.uint8()).take(names.indices)
    return pa.RecordBatch.from_arrays([buckets, *batch.columns], schema=_BUCKETED)


def _spill(
    held: list[pa.RecordBatch],
    scratch: Path,
    spilled: dict[int, pa.ipc.RecordBatchStreamWriter],
    open_files: ExitStack,
) -> None:
    """Append rows to the files of their buckets."""
    scratch.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_batches(held, _BUCKETED).sort_by("bucket")
    counts = pc.value_counts(table.column("bucket")).to_pylist()
    start = 0
    for bucket, count in sorted((item["values"], item["counts"]) for item in counts):
        if bucket not in spilled:
            file = open_files.enter_context(pa.OSFile(os.fspath(scratch / f"{bucket}.arrows"), "wb"))
            writer = pa.ipc.new_stream(file, _BUCKETED, options=_PACKED)
            spilled[bucket] = open_files.enter_context(writer)
        spilled[bucket].write_table(table.slice(start, count))
        start += count
