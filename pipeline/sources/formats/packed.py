"""Name a packed file and the zstd dictionary it begins with, and find its members."""

from __future__ import annotations

import zlib
from typing import Any, BinaryIO, Final, NamedTuple

import zstandard

from kakehi.pipeline.sources.formats.compressed import MAGICS, Packing, packing_of

#: Packed bytes unpacked at a time: 2 KiB of zstd may hold 64 MiB, of gzip 2 MiB.
STEP_BYTES: Final = 1 << 11

_DICTIONARY: Final = b"\x5d\x2a\x4d\x18"
_MOST_DICTIONARY_BYTES: Final = 128 << 20
_PROBE_BYTES: Final = (128 << 10) + 64  # zstd gives nothing before a block of its is whole
_BLOCK_BYTES: Final = 1 << 20


class Packed(NamedTuple):
    """An open file: its size, how it is packed, what unpacks its zstd frames, where its members start, and its dictionary."""

    file: BinaryIO
    size: int
    packing: Packing
    frames: zstandard.ZstdDecompressor
    start: int
    dictionary: bytes | None

    def unpacker(self) -> Any:
        """Make what unpacks one member."""
        return zlib.decompressobj(wbits=31) if self.packing == "gzip" else self.frames.decompressobj()

    def next_member(self, at: int) -> int | None:
        """Return the first place from `at` on from which something can be unpacked."""
        magic = MAGICS[self.packing]
        while True:
            self.file.seek(at)
            stretch = self.file.read(_BLOCK_BYTES + _PROBE_BYTES)
            found = stretch.find(magic)
            while 0 <= found < _BLOCK_BYTES:
                if self._unpacks(stretch, found):
                    return at + found
                found = stretch.find(magic, found + 1)
            if len(stretch) < _BLOCK_BYTES + _PROBE_BYTES:
                return None
            at += _BLOCK_BYTES

    def _unpacks(self, stretch: bytes, start: int) -> bool:
        """Say whether something comes of a member's first bytes."""
        unpacker = self.unpacker()
        try:
            for at in range(start, start + _PROBE_BYTES, STEP_BYTES):
                if unpacker.eof or not (step := stretch[at : at + STEP_BYTES]):
                    break
                if unpacker.decompress(step):
                    return True
        except (zlib.error, zstandard.ZstdError):
            pass
        return False


def open_packed(file: BinaryIO) -> Packed:
    """Say how an open file is packed, by its first bytes, and read the dictionary that a .warc.zst file begins with.

    Raises:
        ValueError: the dictionary breaks off, or can't be unpacked.

    Source: Zstandard Compression for WARC Files 1.0 (IIPC), "dict-frame".
    """
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(8)
    if not head.startswith(_DICTIONARY):
        return Packed(file, size, packing_of(head), zstandard.ZstdDecompressor(), 0, None)
    length = int.from_bytes(head[4:], "little")
    content = file.read(min(length, _MOST_DICTIONARY_BYTES + 1))
    if len(content) < length:
        raise ValueError(f"its zstd dictionary breaks off: {len(content)} bytes of {length}")
    if content.startswith(MAGICS["zstd"]):
        content = _unpacked_dictionary(content)
    frames = zstandard.ZstdDecompressor(dict_data=zstandard.ZstdCompressionDict(content))
    return Packed(file, size, "zstd", frames, 8 + length, content)


def needs_dictionary(packed: Packed) -> bool:
    """Say whether the first zstd frame was packed with a dictionary."""
    packed.file.seek(packed.start)
    try:
        return packed.packing == "zstd" and zstandard.get_frame_parameters(packed.file.read(18)).dict_id > 0
    except zstandard.ZstdError:
        return False


def _unpacked_dictionary(packed: bytes) -> bytes:
    unpacker, parts, size = zstandard.ZstdDecompressor().decompressobj(), list[bytes](), 0
    try:
        for at in range(0, len(packed), STEP_BYTES):
            parts.append(unpacker.decompress(packed[at : at + STEP_BYTES]))
            size += len(parts[-1])
            if unpacker.eof or size > _MOST_DICTIONARY_BYTES:
                break
    except zstandard.ZstdError as error:
        raise ValueError(f"its zstd dictionary can't be unpacked: {error}") from error
    if not unpacker.eof:
        raise ValueError(f"its zstd dictionary breaks off, or is over {_MOST_DICTIONARY_BYTES >> 20} MiB")
    return b"".join(parts)
