"""Unpack gzip and zstd member by member, so that damage has a place and never passes for an end."""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import zstandard

Packing = Literal["gzip", "zstd", "none"]

MAGICS: dict[Packing, bytes] = {"gzip": b"\x1f\x8b\x08", "zstd": b"\x28\xb5\x2f\xfd"}
ENDINGS: dict[str, Packing] = {".gz": "gzip", ".zst": "zstd"}
CHUNK_BYTES = 1 << 16
#: Window of a zstd frame that is unpacked wherever; `zstd -d` draws the line there too.
WINDOW_BYTES: Final = 128 << 20

_SKIPPABLE = (
    b"\x2a\x4d\x18"  # behind a byte of 0x50 to 0x5F: a frame that holds no content (pzstd begins with one)
)
_LARGEST_WINDOW = 1 << 31  # the library's own limit
_FRAME_HEADER_BYTES = 18
#: Packed bytes unpacked at a time, of which come 64 MiB at most: 512 blocks of one repeated byte in zstd, 1,032 bytes for
#: one in gzip. zstd gives nothing of the step in which it meets damage.
_STEP_BYTES: dict[Packing, int] = {"gzip": CHUNK_BYTES, "zstd": 1 << 11}
_PIECE_BYTES = 1 << 20  # that the rest sees at a time, whatever a step gives


class DamagedError(Exception):
    """A member that can't be unpacked to its end, or what lies behind the last one."""


class UnreadableError(ValueError):
    """A frame that is sound, but takes more memory than there is, or a dictionary that is not in the file."""


def packing_of(head: bytes) -> Packing:
    """Say how a file is packed by its first bytes, whatever its name is."""
    for packing, magic in MAGICS.items():
        if head.startswith(magic):
            return packing
    return "zstd" if is_skippable(head) else "none"


def is_skippable(head: bytes) -> bool:
    """Say whether a zstd frame without content begins here."""
    return head[1:4] == _SKIPPABLE and 0x50 <= head[0] <= 0x5F


def packing_of_file(path: Path, file: BinaryIO) -> Packing:
    """Say how an open file is packed; one that ends inside the first bytes of a packing is of that its name tells.

    Raises:
        DamagedError: its name ends as if it were packed, but nothing, or zeros alone, were written.
    """
    head = file.read(4)
    file.seek(0)
    packing = packing_of(head)
    if packing == "none" and path.suffix in ENDINGS and (len(head) < 4 or not head.strip(b"\0")):
        raise DamagedError(f"the file breaks off: it starts with {head!r}")
    return packing


def unpacked(file: BinaryIO, packing: Packing, *, max_window_bytes: int = WINDOW_BYTES) -> Iterator[bytes]:
    """Yield the content of all members of a file from where it stands, in pieces of at most 1 MiB.

    Zeros between and behind members are padding, of tapes and blocks.

    Args:
        file: open.
        packing: of all its members.
        max_window_bytes: window of a zstd frame at most.

    Raises:
        DamagedError: at a broken member, at what is none, or where the file breaks off inside one.
        UnreadableError: at a zstd frame with a larger window, or that needs a dictionary.
    """
    if packing == "none":
        yield from iter(lambda: file.read(CHUNK_BYTES), b"")
        return
    packed = _PackedBytes(file, _STEP_BYTES[packing])
    while head := packed.peek(_FRAME_HEADER_BYTES):
        if head[0] == 0:
            packed.pass_zeros()
            continue
        _refuse_garbage(head, packing)
        yield from _unpack_member(packed, packing, max_window_bytes)


def peeked(chunks: Iterator[bytes], least_bytes: int) -> tuple[bytes, Iterator[bytes]]:
    """Return the beginning of a content, and all of it once more; damage met on the way is raised at its place."""
    parts: list[bytes] = []
    damage: DamagedError | None = None
    try:
        while sum(map(len, parts)) < least_bytes and (chunk := next(chunks, b"")):
            parts.append(chunk)
    except DamagedError as error:
        damage = error
    head = b"".join(parts)
    return head, _again(head, damage, chunks)


def _again(head: bytes, damage: DamagedError | None, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    if damage is not None:
        raise damage
    yield from chunks


class _PackedBytes:
    """The packed bytes of a file, taken in steps, some of which are given back."""

    def __init__(self, file: BinaryIO, step_bytes: int) -> None:
        self._file = file
        self._step = step_bytes
        self._buffer = b""
        self._at = 0

    def peek(self, size: int) -> bytes:
        """Return the next bytes without taking them, fewer only at the end of the file."""
        while len(self._buffer) - self._at < size and (more := self._file.read(CHUNK_BYTES)):
            self._buffer = self._buffer[self._at :] + more
            self._at = 0
        return self._buffer[self._at : self._at + size]

    def take(self) -> bytes:
        """Return the bytes of the next step, b'' at the end of the file."""
        if self._at == len(self._buffer):
            self._buffer, self._at = self._file.read(CHUNK_BYTES), 0
        step = self._buffer[self._at : self._at + self._step]
        self._at += len(step)
        return step

    def give_back(self, size: int) -> None:
        """Take the last bytes of the last step back."""
        self._at -= size

    def pass_zeros(self) -> None:
        """Take zeros up to the next byte that is none."""
        while step := self.take():
            if rest := step.lstrip(b"\0"):
                self.give_back(len(rest))
                return


def _unpack_member(
    packed: _PackedBytes, packing: Packing, max_window_bytes: int
) -> Generator[bytes, None, None]:
    if packing == "zstd":
        _refuse_frame(packed.peek(_FRAME_HEADER_BYTES), max_window_bytes)
    unpacker = _unpacker(packing)
    while not unpacker.eof:
        step = packed.take()
        if not step:
            raise DamagedError("the file breaks off")
        plain = _step(unpacker, step)
        if len(plain) <= _PIECE_BYTES:
            if plain:
                yield plain
            continue
        for start in range(0, len(plain), _PIECE_BYTES):
            yield plain[start : start + _PIECE_BYTES]
    packed.give_back(len(unpacker.unused_data))


def _refuse_garbage(head: bytes, packing: Packing) -> None:
    """Refuse what begins no member; a few bytes of its mark are a file that breaks off."""
    if packing_of(head) == packing:
        return
    if MAGICS[packing].startswith(head):
        raise DamagedError("the file breaks off")
    raise DamagedError(f"{head[:8]!r} lies where the next {packing} member should begin")


def _refuse_frame(head: bytes, max_window_bytes: int) -> None:
    """Refuse a zstd frame that can't be unpacked here, and say what it needs."""
    if is_skippable(head):
        return
    try:
        frame = zstandard.get_frame_parameters(head)
    except zstandard.ZstdError as error:
        if "too much memory" in str(error):
            raise UnreadableError(
                "its zstd window is over 2,048 MiB, which nothing reads\nhint: pack it anew with a smaller one"
            ) from error
        return  # its unpacker will say what is wrong with it
    if frame.dict_id:
        raise UnreadableError(
            f"needs a zstd dictionary (id {frame.dict_id}), which is not read\n"
            "hint: unpack it first: zstd -d -D DICTIONARY FILE"
        )
    most = min(max_window_bytes, _LARGEST_WINDOW)
    if frame.window_size > max(most, WINDOW_BYTES):
        raise UnreadableError(
            f"its zstd window is {frame.window_size >> 20:,} MiB, wanted at most {most >> 20:,} MiB, "
            "half the memory of a worker\n"
            f"hint: bytes_per_worker: {2 * frame.window_size >> 20}MiB in the machine file, "
            "or pack it anew: zstd -d --long=31 -c FILE | zstd"
        )


def _unpacker(packing: Packing) -> Any:
    if packing == "gzip":
        return zlib.decompressobj(wbits=31)
    return zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).decompressobj()


def _step(unpacker: Any, packed: bytes) -> bytes:
    try:
        return bytes(unpacker.decompress(packed))
    except (zlib.error, zstandard.ZstdError) as error:
        raise DamagedError(str(error)) from error
