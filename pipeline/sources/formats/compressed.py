"""Unpack gzip and zstd member by member, so that damage has a place and never passes for an end."""

from __future__ import annotations

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


def _unpacker(packing: Packing) -> Any:
    if packing == "gzip":
        return zlib.decompressobj(wbits=31)
    return zstandard.ZstdDecompressor().decompressobj()


def _step(unpacker: Any, packed: bytes) -> bytes:
    try:
        return bytes(unpacker.decompress(packed))
    except (zlib.error, zstandard.ZstdError) as error:
        raise DamagedError(str(error)) from error
