"""A file of entries sorted by partition, with the table of partitions in front.

Little endian, without gaps:

    header    magic, digest of what it is of, partitions, records, two counts, digest of header and table
    table     for each partition its first record, first byte of tails, and the digest of its records; one more row
              for the end
    records   of one width, by partition; inside a partition in the order in which they came
    marks     where records have tails, texts of any length: of each its bytes and their digest
    tails     in the order of the records

It gets its name when it is whole and synced, so one that has it is not made again.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import xxhash

from kakehi.arrays import Int64N, VoidN
from kakehi.filters.texts import view
from kakehi.pipeline.errors import ContractError, DataError
from kakehi.pipeline.storage.atomic import set_aside

Entries: TypeAlias = VoidN  # one-dimensional, of a packed structured dtype

_MAGIC: Final = b"kakehiS2"
_HEADER: Final = np.dtype(
    [
        ("magic", "S8"),
        *((name, "<u8") for name in ("source", "partitions", "records")),
        ("counted", "<u8", (2,)),
        ("check", "<u8"),
    ]
)
_TABLE: Final = np.dtype([("start", "<u8"), ("tail", "<u8"), ("digest", "<u8")])
_MARK: Final = np.dtype([("size", "<u8"), ("digest", "<u8")])


class Spread(NamedTuple):
    """Records, the partition of each, two numbers that are kept with them, and a text for each, or none for all."""

    records: Entries
    partition: Int64N
    counted: tuple[int, int] = (0, 0)
    tails: pa.LargeStringArray | None = None


class SpillSummary(NamedTuple):
    """What a file says of itself: its records, and the numbers kept with them."""

    records: int
    counted: tuple[int, int]


class Kind(NamedTuple):
    """What a file must be: the digest of what it is of, how many partitions, the records' dtype, and if they have tails."""

    source: int
    partitions: int
    dtype: np.dtype[Any]
    tailed: bool = False

    @property
    def head_bytes(self) -> int:
        """Bytes before the first record."""
        return int(_HEADER.itemsize + (self.partitions + 1) * _TABLE.itemsize)


def write_spill(path: Path, spread: Spread, kind: Kind) -> None:
    """Write a file to its place, whole or not at all.

    Raises:
        ContractError: records are not of the dtype, or partitions not below their number.
    """
    _refuse(spread, kind)
    with set_aside(path) as aside:
        _write(aside, spread, kind)


def read_summary(path: Path, kind: Kind) -> SpillSummary | None:
    """Give what is noted in a file that is there, whole and of this kind; else None."""
    try:
        with path.open("rb") as file:
            head, size = file.read(kind.head_bytes), os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        return None
    if len(head) < kind.head_bytes:
        return None
    header = np.frombuffer(head, _HEADER, 1)
    table = np.frombuffer(head, _TABLE, offset=_HEADER.itemsize)
    width = kind.dtype.itemsize + kind.tailed * _MARK.itemsize
    whole = kind.head_bytes + int(table["start"][-1]) * width + int(table["tail"][-1])
    wanted = (_MAGIC, kind.source, whole)
    same = (header["magic"][0], header["source"][0], size) == wanted
    one, other = header["counted"][0].tolist()
    noted = SpillSummary(int(header["records"][0]), (one, other))
    return noted if same and header["check"][0] == _check(header, table) else None


def read_partition(paths: Sequence[Path], number: int, dtype: np.dtype[Any]) -> Entries:
    """Read one partition from every file, in their order.

    Raises:
        DataError: a file is gone, or has other bytes than were written; it is removed, so that it is made anew.
    """
    blocks = [_find(path, number, dtype.itemsize) for path in paths]
    ends = np.cumsum([0, *(block.records for block in blocks)])
    records = np.empty(int(ends[-1]), dtype)
    for block, end, following in zip(blocks, ends[:-1], ends[1:], strict=True):
        _fill(records[end:following].view(np.uint8).data, block)
    return records


def partition_size(path: Path, number: int, dtype: np.dtype[Any]) -> int:
    """Count the records of one partition in a file; errors as in `read_partition`."""
    return _find(path, number, dtype.itemsize).records


def read_tails(path: Path, number: int, dtype: np.dtype[Any], places: Int64N) -> pa.LargeStringArray:
    """Read the tails of some records of one partition.

    Args:
        path: of the file.
        number: of the partition.
        dtype: of the records.
        places: of the records inside the partition, ascending, int64[n].

    Raises:
        DataError: as `read_partition`.
    """
    block = _find(path, number, dtype.itemsize)
    with path.open("rb") as file:
        file.seek(block.marks)
        marks = np.frombuffer(file.read(block.records * _MARK.itemsize), _MARK)
        if len(marks) != block.records:
            raise _damaged(path)
        ends = np.cumsum(marks["size"]).astype(np.int64)
        starts = ends - marks["size"].astype(np.int64)
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(marks["size"][places]).astype(np.int64)])
        tails = np.empty(int(offsets[-1]), np.uint8)
        for first, last in _runs(places):
            room = tails[offsets[first] : offsets[last]].data
            file.seek(block.tails + int(starts[places[first]]))
            if file.readinto(room) != len(room):
                raise _damaged(path)
    for place, start, stop in zip(places, offsets[:-1], offsets[1:], strict=True):
        if xxhash.xxh3_64_intdigest(tails[start:stop].data) != marks["digest"][place]:
            raise _damaged(path)
    return pa.LargeStringArray.from_buffers(len(places), pa.py_buffer(offsets), pa.py_buffer(tails))


def _runs(places: Int64N) -> Iterator[tuple[int, int]]:
    """Give first and last of the stretches of places without a gap, to be read at once."""
    borders = np.flatnonzero(np.diff(places) != 1) + 1
    ends = [0, *borders.tolist(), len(places)]
    return ((first, last) for first, last in pairwise(ends) if last > first)


class _Block(NamedTuple):
    path: Path
    offset: int
    records: int
    digest: int
    marks: int  # place of the first one
    tails: int  # place of the first byte


def _find(path: Path, number: int, width: int) -> _Block:
    try:
        with path.open("rb") as file:
            header = np.frombuffer(file.read(_HEADER.itemsize), _HEADER, 1)
            file.seek(number * _TABLE.itemsize, os.SEEK_CUR)
            here, following = np.frombuffer(file.read(2 * _TABLE.itemsize), _TABLE, 2)
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    first = Kind(0, int(header["partitions"][0]), _TABLE).head_bytes
    start, stop = int(here["start"]), int(following["start"])
    if stop < start or first + stop * width > path.stat().st_size:  # else a damaged table asks for any memory
        raise _damaged(path)
    marks = first + int(header["records"][0]) * width
    tails = marks + int(header["records"][0]) * _MARK.itemsize + int(here["tail"])
    return _Block(
        path,
        first + start * width,
        stop - start,
        int(here["digest"]),
        marks + start * _MARK.itemsize,
        tails,
    )


def _fill(room: memoryview, block: _Block) -> None:
    with block.path.open("rb") as file:
        file.seek(block.offset)
        read = file.readinto(room)
    if read != len(room) or xxhash.xxh3_64_intdigest(room) != block.digest:
        raise _damaged(block.path)


def _damaged(path: Path) -> DataError:
    path.unlink(missing_ok=True)
    return DataError(f"{path}: gone, or other bytes than were written", hint="run again: it is made anew")


def _refuse(spread: Spread, kind: Kind) -> None:
    records, partition, _, tails = spread
    reach = (int(partition.min()), int(partition.max())) if len(partition) else (0, -1)
    fits = records.dtype == kind.dtype and len(records) == len(partition)
    fits &= (tails is not None) == kind.tailed and (tails is None or len(tails) == len(records))
    if not fits or reach[0] < 0 or reach[1] >= kind.partitions:
        raise ContractError(
            f"{len(records)} records of {records.dtype}, {len(partition)} partitions that reach {reach!r}, "
            f"wanted as many, of {kind.dtype}, below {kind.partitions}"
        )


def _write(path: Path, spread: Spread, kind: Kind) -> None:
    # numpy sorts 16-bit numbers by radix, wider ones by merging.
    narrow = np.uint16 if kind.partitions <= 1 << 16 else np.int64
    order = np.argsort(spread.partition.astype(narrow), kind="stable")
    table = np.zeros(kind.partitions + 1, _TABLE)
    table["start"][1:] = np.cumsum(np.bincount(spread.partition, minlength=kind.partitions))
    with path.open("wb") as file:
        file.seek(kind.head_bytes)
        blocks = [order[start:stop] for start, stop in pairwise(table["start"].tolist())]
        for number, mine in enumerate(blocks):
            block = spread.records[mine].view(np.uint8).data
            table["digest"][number] = xxhash.xxh3_64_intdigest(block)
            file.write(block)
        if spread.tails is not None:
            table["tail"][1:] = np.cumsum(_write_tails(file, spread.tails, order, blocks))
        header = np.zeros(1, _HEADER)
        header[0] = (_MAGIC, kind.source, kind.partitions, len(order), spread.counted, 0)
        header["check"] = _check(header, table)
        file.seek(0)
        file.write(header.tobytes() + table.tobytes())


def _write_tails(
    file: IO[bytes], tails: pa.LargeStringArray, order: Int64N, blocks: Sequence[Int64N]
) -> list[int]:
    """Write marks and tails behind the records; give the bytes of each partition's tails."""
    texts = view(tails)
    marks = np.empty(len(tails), _MARK)
    marks["size"] = texts.sizes
    content = texts.bytes_.data
    for place, (start, stop) in enumerate(pairwise(texts.offsets.tolist())):
        marks["digest"][place] = xxhash.xxh3_64_intdigest(content[start:stop])
    file.write(marks[order].view(np.uint8).data)
    sizes = []
    for mine in blocks:
        taken = view(tails.take(pa.array(mine)))
        file.write(taken.bytes_[taken.offsets[0] : taken.offsets[-1]].data)
        sizes.append(int(taken.offsets[-1] - taken.offsets[0]))
    return sizes


def _check(header: Entries, table: Entries) -> int:
    blank = header.copy()
    blank["check"] = 0
    return xxhash.xxh3_64_intdigest(blank.tobytes() + table.tobytes())
