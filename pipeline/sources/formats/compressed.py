"""Unpack gzip and zstd member by member, so that damage has a place and never passes for an end."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Literal

import zstandard

Packing = Literal["gzip", "zstd", "none"]

MAGICS: dict[Packing, bytes] = {"gzip": b"\x1f\x8b\x08", "zstd": b"\x28\xb5\x2f\xfd"}
CHUNK_BYTES = 1 << 16  # zstd gives nothing of the chunk in which it meets damage


class DamagedError(Exception):
    """A member that can't be unpacked to its end."""


def packing_of(head: bytes) -> Packing:
    """Say how a file is packed by its first bytes, whatever its name is."""
    for packing, magic in MAGICS.items():
        if head.startswith(magic):
            return packing
    return "none"


def unpacked(file: BinaryIO, packing: Packing) -> Iterator[bytes]:
    """Yield the content of all members of a file from where it stands.

    Raises:
        DamagedError: at a broken member, or where the file breaks off inside one.
    """
    if packing == "none":
        yield from iter(lambda: file.read(CHUNK_BYTES), b"")
        return
    packed = file.read(CHUNK_BYTES)
    while packed:
        unpacker = _unpacker(packing)
        while True:
            if plain := _step(unpacker, packed):
                yield plain
            if unpacker.eof:
                packed = unpacker.unused_data or file.read(CHUNK_BYTES)
                break
            packed = file.read(CHUNK_BYTES)
            if not packed:
                raise DamagedError("the file breaks off")


class Unpacked(io.RawIOBase):
    """The content of a packed file as a stream, which gives all that is sound before it raises `DamagedError`."""

    def __init__(self, file: BinaryIO, packing: Packing) -> None:
        self._chunks = unpacked(file, packing)
        self._rest = memoryview(b"")
        self._position = 0

    def readable(self) -> bool:
        """Tell `io` that the stream can be read."""
        return True

    def tell(self) -> int:
        """Return how many unpacked bytes were given."""
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill what one chunk can fill."""
        if not self._rest:
            self._rest = memoryview(next(self._chunks, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        self._position += size
        return size


def member(file: BinaryIO, packing: Packing, start: int, *, max_bytes: int) -> tuple[bytes | None, int]:
    """Unpack the one member that starts at a place.

    Returns:
        Its content (None where that is longer than `max_bytes`), and the place just behind it.

    Raises:
        DamagedError: it is broken, or the file breaks off inside it.
    """
    file.seek(start)
    unpacker, parts, size, end = _unpacker(packing), [], 0, start
    while not unpacker.eof:
        packed = file.read(CHUNK_BYTES)
        if not packed:
            raise DamagedError("the file breaks off")
        end += len(packed)
        plain = _step(unpacker, packed)
        size += len(plain)
        if size <= max_bytes:
            parts.append(plain)
    return (b"".join(parts) if size <= max_bytes else None), end - len(unpacker.unused_data)


def head_of(packed: bytes, packing: Packing) -> bytes:
    """Return what the first bytes of a member hold, b'' where they can't be unpacked."""
    if packing == "none":
        return packed
    try:
        return _step(_unpacker(packing), packed)
    except DamagedError:
        return b""


def _unpacker(packing: Packing) -> Any:
    if packing == "gzip":
        return zlib.decompressobj(wbits=31)
    return zstandard.ZstdDecompressor().decompressobj()


def _step(unpacker: Any, packed: bytes) -> bytes:
    try:
        return bytes(unpacker.decompress(packed))
    except (zlib.error, zstandard.ZstdError) as error:
        raise DamagedError(str(error)) from error
