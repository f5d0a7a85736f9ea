"""Parquet whose damage is noticed: pages carry checksums of their own, and the footer a digest of itself.

The digest is 16 hexadecimal digits of the footer's key-value metadata, of the footer and the eight bytes behind it,
taken while the digits are zeros. So a table tells its own damage wherever it is copied, without its receipt; what
was written before tables had either is read as it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from kakehi.pipeline.errors import FileStateError

_FOOTER_KEY: Final = b"kakehi.footer"
_BLANK: Final = b"0" * 16

#: The key, the head of Thrift's field of a value, its length: what stands before the digits.
_BEFORE: Final = _FOOTER_KEY + b"\x18\x10"

#: The footer's length in four bytes, and the magic.
_TAIL_BYTES: Final = 8

_HINT: Final = "run again with --verify: what is damaged is found and made anew"


class CheckedFile(pq.ParquetFile):
    """A Parquet file of ours, whose checksums are compared with whatever is read of it.

    Args:
        path: of the file.

    Raises:
        FileStateError: it is gone, no Parquet, or its footer has other bytes than were written; when read, its pages have.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with _damage(path):
            _check_footer(path)
            super().__init__(path, memory_map=True, page_checksum_verification=True)

    def read(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Read columns whole."""
        with _damage(self._path):
            return super().read(columns)

    def read_row_group(self, i: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Read columns of one row group."""
        with _damage(self._path):
            return super().read_row_group(i, columns)

    def iter_batches(
        self, batch_size: int = 65536, *, columns: Sequence[str] | None = None, use_threads: bool = True
    ) -> Iterator[pa.RecordBatch]:
        """Read batch by batch."""
        with _damage(self._path):
            yield from super().iter_batches(batch_size, columns=columns, use_threads=use_threads)


class CheckedWriter(pq.ParquetWriter):
    """Write Parquet that tells its damage; what is given is what `pyarrow.parquet.ParquetWriter` takes."""

    def __init__(self, path: Path, schema: pa.Schema, **options: Any) -> None:
        self._path = path
        self._sealed = False
        super().__init__(path, schema, write_page_checksum=True, **options)

    def close(self) -> None:
        """Finish the file, and put its footer's digest into it."""
        if not self._sealed:
            self._sealed = True
            self.add_key_value_metadata({_FOOTER_KEY: _BLANK})
            super().close()
            _seal(self._path)


def write_table(table: pa.Table, path: Path, *, compression: str) -> None:
    """Write a table that tells its damage."""
    with CheckedWriter(path, table.schema, compression=compression) as writer:
        writer.write_table(table)


def _seal(path: Path) -> None:
    """Put the digest of a footer in place of the zeros that stand there."""
    footer = _read_footer(path)
    place = footer.rindex(_BEFORE) + len(_BEFORE)
    with path.open("r+b") as file:
        file.seek(place - len(footer), os.SEEK_END)
        file.write(xxhash.xxh3_64_hexdigest(footer).encode())


def _check_footer(path: Path) -> None:
    """Compare a footer with the digest in it.

    Raises:
        ValueError: it has other bytes.
    """
    footer = _read_footer(path)
    place = footer.rfind(_BEFORE) + len(_BEFORE)
    if place < len(_BEFORE):
        return  # written before footers had digests
    blank = footer[:place] + _BLANK + footer[place + len(_BLANK) :]
    if xxhash.xxh3_64_hexdigest(blank).encode() != footer[place : place + len(_BLANK)]:
        raise ValueError("its footer has other bytes than were written")


def _read_footer(path: Path) -> bytes:
    """Read a footer with its length and the magic behind it; what is no Parquet the library says."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - _TAIL_BYTES, 0))
        length = int.from_bytes(file.read(4), "little")
        file.seek(max(size - _TAIL_BYTES - length, 0))
        return file.read()


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Say of a file that is gone or damaged that it is, and the way out."""
    try:
        yield
    except FileNotFoundError as error:
        raise FileStateError(f"{path}: is gone", hint="run again: what is missing is made anew") from error
    except IsADirectoryError as error:
        raise FileStateError(f"{path}: is a folder, wanted a table", hint=_HINT) from error
    except (OSError, ValueError) as error:  # what the library raises of pages and footers is one of the two
        raise FileStateError(f"{path}: is damaged ({error})", hint=_HINT) from error
