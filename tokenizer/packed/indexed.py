"""Megatron's indexed dataset, `PREFIX.bin` and `PREFIX.idx`, in constant memory and checked on both ways.

Source: megatron-core 0.16.1, `megatron/core/datasets/indexed_dataset.py`; layout beside `_HEADER`.
"""

import os
import shutil
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from kakehi.arrays import Int32N, Int64N, UInt16N

Ids = UInt16N | Int32N
Dtype = np.dtype[np.uint16] | np.dtype[np.int32]

# magic, version, dtype code, sequences Q, entries of the document index D; then int32[Q] lengths in tokens,
# int64[Q] offsets in bytes, int64[D] document index; all little endian and unaligned.
_HEADER: Final = struct.Struct("<9sQBQQ")
_MAGIC: Final = b"MMIDIDX\0\0"
_VERSION: Final = 1
_DTYPES: Final[dict[int, Dtype]] = {8: np.dtype("<u2"), 4: np.dtype("<i4")}
_CODES: Final = {dtype: code for code, dtype in _DTYPES.items()}
_BLOCK: Final = 1 << 20

MOST_SEQUENCES: Final = 2**31 - 1
"""Readers number sequences in int32."""


def token_dtype(vocab_size: int) -> Dtype:
    """Name the dtype every Megatron reader expects for a vocabulary, and refuse the sizes they disagree on.

    Raises:
        ValueError: 65,500 to 65,536 pieces, which one reader stores as int32 and another reads as uint16.
    """
    if vocab_size < 1 or 65_500 <= vocab_size <= 65_536:
        raise ValueError(
            f"vocab_size: got {vocab_size!r}, wanted 1 to 65,499 (uint16) or at least 65,537 (int32)"
            "\nhint: Megatron's readers disagree on the dtype of the sizes between"
        )
    return np.dtype("<u2") if vocab_size < 65_500 else np.dtype("<i4")


def insert_eod(ids: Ids, lengths: Int64N, eod: int, bos: int | None = None) -> tuple[Ids, Int64N]:
    """End every document with `eod`, and begin it with `bos` if one is given; empty documents stay empty.

    Args:
        ids: tokens of all documents, back to back.
        lengths: int64[n], tokens of each.
        eod: token id no document may hold.
        bos: as `eod`.

    Returns:
        ids of the same dtype, lengths int64[n].

    Raises:
        ValueError: a document holds `eod` or `bos` already (see `find_documents`).
    """
    for name, token in (("eod", eod), ("bos", bos)):
        if token is not None and len(found := find_documents(ids, lengths, token)):
            raise ValueError(
                f"ids: got {name} {token!r} inside {len(found)} documents, the first in place {found[0]}, wanted none"
            )
    filled = lengths > 0
    longer = np.where(filled, lengths + (1 if bos is None else 2), 0)
    stops = np.cumsum(longer)[filled]
    out = np.full(int(longer.sum()), eod, ids.dtype)
    is_text = np.ones(len(out), np.bool_)
    is_text[stops - 1] = False
    if bos is not None:
        starts = stops - longer[filled]
        out[starts] = bos
        is_text[starts] = False
    out[is_text] = ids
    return out, longer


def find_documents(ids: Ids, lengths: Int64N, token: int) -> Int64N:
    """List the places of the documents that hold a token, int64[k], rising."""
    places = np.searchsorted(np.cumsum(lengths), np.flatnonzero(ids == token), side="right")
    return np.asarray(np.unique(places), np.int64)


def write_index(prefix: Path, dtype: Dtype, lengths: Callable[[], Iterable[Int64N]]) -> int:
    """Write `PREFIX.idx`, each sequence a document of its own, in constant memory; give the number of sequences.

    Args:
        prefix: path without `.idx`.
        dtype: of the ids.
        lengths: gives the sequences' lengths in tokens, block by block, int64[n] each; called three times.

    Raises:
        ValueError: no sequence, one of less than a token or of 2**31 bytes, or 2**31 of them.
    """
    count = sum(_checked(block, dtype) for block in lengths())
    if not 0 < count <= MOST_SEQUENCES:
        raise ValueError(
            f"{prefix}: got {count:,} sequences, wanted 1 to 2**31 - 1: no reader maps an empty file, "
            "and readers number sequences in int32"
        )
    with _path(prefix, ".idx").open("wb") as idx:
        idx.write(_HEADER.pack(_MAGIC, _VERSION, _CODES[dtype], count, count + 1))
        for block in lengths():
            idx.write(block.astype("<i4").data)
        offset = 0
        for block in lengths():
            stops = offset + np.cumsum(block, dtype="<i8") * dtype.itemsize
            idx.write(np.concatenate(([offset], stops))[:-1].astype("<i8").data)
            offset = int(stops[-1]) if len(stops) else offset
        for start in range(0, count + 1, _BLOCK):
            idx.write(np.arange(start, min(start + _BLOCK, count + 1), dtype="<i8").data)
        _sync(idx)
    return count


def repeated(runs: Iterable[tuple[int, int]]) -> Iterator[Int64N]:
    """Give blocks of lengths out of runs of (how many, tokens of each)."""
    for count, tokens in runs:
        for start in range(0, count, _BLOCK):
            yield np.full(min(_BLOCK, count - start), tokens, np.int64)


def append(prefix: Path, other: Path) -> None:
    """Append a pair's bytes to another pair's `.bin`, and its sequences to that one's `.idx`.

    Raises:
        ValueError: either pair is not sound, or their ids have other dtypes.
    """
    front, back = Reader(prefix), Reader(other)
    _expect(_path(other, ".idx"), "dtype", back.dtype, front.dtype)

    def lengths() -> Iterator[Int64N]:
        for part in (front.lengths, back.lengths):
            yield from (part[at : at + _BLOCK].astype(np.int64) for at in range(0, len(part), _BLOCK))

    joined = prefix.with_name(f"{prefix.name}.joined")  # the old one is read while it is written
    write_index(joined, front.dtype, lengths)
    with _path(prefix, ".bin").open("ab") as whole, _path(other, ".bin").open("rb") as more:
        shutil.copyfileobj(more, whole)
        _sync(whole)
    _path(joined, ".idx").replace(_path(prefix, ".idx"))


def _checked(lengths: Int64N, dtype: Dtype) -> int:
    if len(lengths) and (lengths.min() < 1 or lengths.max() * dtype.itemsize >= 2**31):
        raise ValueError(
            f"lengths: got {lengths.min()} to {lengths.max()} tokens, wanted 1 to {(2**31 - 1) // dtype.itemsize}"
        )
    return len(lengths)


class Reader:
    """Map a pair of files and read documents by number.

    Raises:
        ValueError: the pair is not as its header says; the message names what is corrupt.
    """

    def __init__(self, prefix: Path) -> None:
        bin_path, idx_path = _path(prefix, ".bin"), _path(prefix, ".idx")
        with idx_path.open("rb") as idx:
            self.dtype, sequences, entries = _read_header(idx_path, idx.read(_HEADER.size))
        _expect(
            idx_path, "size in bytes", idx_path.stat().st_size, _HEADER.size + 12 * sequences + 8 * entries
        )
        index = np.memmap(idx_path, np.uint8, "r", offset=_HEADER.size)
        self.lengths = index[: 4 * sequences].view("<i4")
        self.offsets = index[4 * sequences : 12 * sequences].view("<i8")
        self.document_index = index[12 * sequences :].view("<i8")
        self.tokens = self._check(idx_path)
        _expect(bin_path, "size in bytes", bin_path.stat().st_size, self.tokens * self.dtype.itemsize)
        self._ids = np.memmap(bin_path, self.dtype, "r")

    def __len__(self) -> int:
        return len(self.document_index) - 1

    def document(self, number: int) -> Ids:
        """Give the ids of a document, of all its sequences; a view of the mapped file."""
        if not 0 <= number < len(self):
            raise ValueError(f"document: got {number!r}, wanted 0 to {len(self) - 1}")
        first, last = self.document_index[number : number + 2]
        if first == last:
            return self._ids[:0]
        start = self.offsets[first] // self.dtype.itemsize
        return self._ids[start : self.offsets[last - 1] // self.dtype.itemsize + self.lengths[last - 1]]

    def ids(self, first: int, count: int) -> Ids:
        """Give ids by their place in the file, whatever sequences they are of; a view of the mapped file."""
        return self._ids[first : first + count]

    def _check(self, idx_path: Path) -> int:
        offset = 0
        for start in range(0, len(self.lengths), _BLOCK):
            lengths = self.lengths[start : start + _BLOCK].astype(np.int64)
            stops = offset + np.cumsum(lengths) * self.dtype.itemsize
            wanted = np.concatenate(([offset], stops[:-1]))
            wrong = np.flatnonzero((self.offsets[start : start + _BLOCK] != wanted) | (lengths < 1))
            if len(wrong):
                at = int(start + wrong[0])
                if self.lengths[at] < 1:
                    raise ValueError(
                        f"{idx_path}: length of sequence {at}: got {self.lengths[at]}, wanted at least 1"
                    )
                _expect(idx_path, f"offset of sequence {at}", int(self.offsets[at]), int(wanted[wrong[0]]))
            offset = int(stops[-1])
        _expect(idx_path, "first entry of the document index", int(self.document_index[0]), 0)
        _expect(idx_path, "last entry of the document index", int(self.document_index[-1]), len(self.lengths))
        for start in range(0, len(self.document_index), _BLOCK):
            if (np.diff(self.document_index[start : start + _BLOCK + 1]) < 0).any():
                raise ValueError(f"{idx_path}: document index: got a falling entry, wanted none")
        return offset // self.dtype.itemsize


def _read_header(path: Path, header: bytes) -> tuple[Dtype, int, int]:
    if len(header) < _HEADER.size:
        raise ValueError(f"{path}: header: got {len(header)} bytes, wanted {_HEADER.size}")
    magic, version, code, sequences, entries = _HEADER.unpack(header)
    _expect(path, "magic", magic, _MAGIC)
    _expect(path, "version", version, _VERSION)
    if code not in _DTYPES:
        raise ValueError(f"{path}: dtype code: got {code}, wanted 8 (uint16) or 4 (int32)")
    if not sequences or not entries:
        raise ValueError(
            f"{path}: got {sequences} sequences and {entries} document entries, wanted some of both"
        )
    return _DTYPES[code], sequences, entries


def _expect(path: Path, what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise ValueError(f"{path}: {what}: got {got!r}, wanted {wanted!r}")


def _path(prefix: Path, ending: str) -> Path:
    return prefix.with_name(prefix.name + ending)


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
