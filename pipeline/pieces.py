"""A file of fixed-width records sorted by partition, with the table of its pieces in front.

Little endian, without gaps:

    header    magic, digest of what it is of, partitions, records, what was counted, digest of header and table
    table     for each partition its first record and the digest of its bytes; one more row for the end
    records   by partition; inside a partition in the order in which they came

It gets its name when it is whole and synced, so one that has it is not made again.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import xxhash

from kakehi.pipeline.errors import ContractError, DataError

Records: TypeAlias = npt.NDArray[np.void]  # one-dimensional, of a packed structured dtype
Int64N: TypeAlias = npt.NDArray[np.int64]

_MAGIC: Final = b"kakehiS1"
_HEADER: Final = np.dtype(
    [("magic", "S8"), *((name, "<u8") for name in ("source", "partitions", "records", "counted", "check"))]
)
_TABLE: Final = np.dtype([("start", "<u8"), ("digest", "<u8")])


class Spread(NamedTuple):
    """Records, the partition of each, and a number that is kept with them."""

    records: Records
    partition: Int64N
    counted: int = 0


class Noted(NamedTuple):
    """What a file says of itself: its records, and the number kept with them."""

    records: int
    counted: int


class Kind(NamedTuple):
    """What a file must be: the digest of what it is of, how many partitions, and the records' dtype."""

    source: int
    partitions: int
    dtype: np.dtype[Any]

    @property
    def head_bytes(self) -> int:
        """Bytes before the first record."""
        return int(_HEADER.itemsize + (self.partitions + 1) * _TABLE.itemsize)


def write_pieces(path: Path, spread: Spread, kind: Kind) -> None:
    """Write a file under a name of its own beside its place, sync it, and rename it there.

    Raises:
        ContractError: records are not of the dtype, or partitions not below their number.
    """
    _refuse(spread, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        _write(aside, spread, kind)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def noted_in(path: Path, kind: Kind) -> Noted | None:
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
    wanted = (_MAGIC, kind.source, kind.head_bytes + int(table["start"][-1]) * kind.dtype.itemsize)
    same = (header["magic"][0], header["source"][0], size) == wanted
    noted = Noted(int(header["records"][0]), int(header["counted"][0]))
    return noted if same and header["check"][0] == _check(header, table) else None


def read_pieces(paths: Sequence[Path], number: int, dtype: np.dtype[Any]) -> Records:
    """Read one partition from every file, in their order.

    Raises:
        DataError: a file is gone, or has other bytes than were written; it is removed, so that it is made anew.
    """
    pieces = [_find(path, number, dtype.itemsize) for path in paths]
    ends = np.cumsum([0, *(piece.records for piece in pieces)])
    records = np.empty(int(ends[-1]), dtype)
    for piece, end, following in zip(pieces, ends[:-1], ends[1:], strict=True):
        _fill(records[end:following].view(np.uint8).data, piece)
    return records


def piece_size(path: Path, number: int, dtype: np.dtype[Any]) -> int:
    """Count the records of one partition in a file; errors as in `read_pieces`."""
    return _find(path, number, dtype.itemsize).records


class _Piece(NamedTuple):
    path: Path
    offset: int
    records: int
    digest: int


def _find(path: Path, number: int, width: int) -> _Piece:
    try:
        with path.open("rb") as file:
            header = np.frombuffer(file.read(_HEADER.itemsize), _HEADER, 1)
            file.seek(number * _TABLE.itemsize, os.SEEK_CUR)
            here, following = np.frombuffer(file.read(2 * _TABLE.itemsize), _TABLE, 2)
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    first = Kind(0, int(header["partitions"][0]), _TABLE).head_bytes
    start, stop = int(here["start"]), int(following["start"])
    return _Piece(path, first + start * width, stop - start, int(here["digest"]))


def _fill(room: memoryview, piece: _Piece) -> None:
    with piece.path.open("rb") as file:
        file.seek(piece.offset)
        read = file.readinto(room)
    if read != len(room) or xxhash.xxh3_64_intdigest(room) != piece.digest:
        raise _damaged(piece.path)


def _damaged(path: Path) -> DataError:
    path.unlink(missing_ok=True)
    return DataError(f"{path}: gone, or other bytes than were written", hint="run again: it is made anew")


def _refuse(spread: Spread, kind: Kind) -> None:
    records, partition, _ = spread
    reach = (int(partition.min()), int(partition.max())) if len(partition) else (0, -1)
    fits = records.dtype == kind.dtype and len(records) == len(partition)
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
        for number in range(kind.partitions):
            mine = order[table["start"][number] : table["start"][number + 1]]
            piece = spread.records[mine].view(np.uint8).data
            table["digest"][number] = xxhash.xxh3_64_intdigest(piece)
            file.write(piece)
        header = np.zeros(1, _HEADER)
        header[0] = (_MAGIC, kind.source, kind.partitions, len(order), spread.counted, 0)
        header["check"] = _check(header, table)
        file.seek(0)
        file.write(header.tobytes() + table.tobytes())
        file.flush()
        os.fsync(file.fileno())


def _check(header: Records, table: Records) -> int:
    blank = header.copy()
    blank["check"] = 0
    return xxhash.xxh3_64_intdigest(blank.tobytes() + table.tobytes())
