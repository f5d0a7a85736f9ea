"""Undo what HTTP did to a body: chunks and compression, where they are there and not only in a header."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

import zstandard
from fastwarc.stream_io import BrotliReader

from kakehi.pipeline.sources.formats.media import is_legible, is_text
from kakehi.pipeline.sources.formats.records import Reason

#: Codings one on the other that are undone; curl takes as many.
MAX_CODINGS: Final = 5

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_SKIPPABLE: Final = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
_ZEROS: Final = re.compile(rb"\0*")
_CHUNK_SIZE: Final = re.compile(rb"[ \t]*([0-9A-Fa-f]+)[ \t]*(?:;[^\r\n]*)?(\r?\n)")
_TRAILERS: Final = re.compile(rb"(?:[^\r\n:]+:[^\r\n]*\r?\n)*+\s*\Z")
#: Bytes that hold no binary one are no brotli or deflate stream, if they are as many: 0.9 to the power of 200.
_TELLING_BYTES: Final = 200

_Undo: TypeAlias = Callable[[bytes, int], bytes]


class BodyError(Exception):
    """A body that can't be had: `reason` and `note` of its reject."""

    def __init__(self, reason: Reason, note: str) -> None:
        super().__init__(reason, note)
        self.reason = reason
        self.note = note


def unwrapped(body: bytes, transfer: str | None, content: str | None, *, max_bytes: int) -> bytes:
    """Undo Transfer-Encoding and Content-Encoding, where the archive has not done it and kept the header.

    Codings that are none of ours (identity, utf-8, compress) are left: what the body is then tells.

    Raises:
        BodyError: broken off, broken, or larger than `max_bytes` once unpacked.
    """
    codings = [*reversed(_codings(transfer)), *reversed(_codings(content))]
    if len(codings) > MAX_CODINGS:
        raise BodyError("broken_encoding", f"{len(codings)} codings, at most {MAX_CODINGS} are undone")
    for undo in codings:
        body = undo(body, max_bytes)
    return body


def _codings(header: str | None) -> list[_Undo]:
    """List what undoes the codings a header names, in the order they were applied."""
    if not header:
        return []
    names = (name.partition(";")[0].strip("\"' \t").lower() for name in header.split(","))
    return [_UNDO[name] for name in names if name in _UNDO]


def _unchunked(body: bytes, _: int) -> bytes:
    """Join the chunks; a body that starts with no chunk was joined by the crawler."""
    parts, at = list[bytes](), 0
    while size := _CHUNK_SIZE.match(body, at):
        digits, start = size[1].lstrip(b"0"), size.end()
        left = len(body) - start
        length = int(digits or b"0", 16) if len(digits) < 16 else left + 1
        if not parts and not _is_chunk(body, size, start + length):
            return body
        if length == 0:
            return b"".join(parts)
        if length > left:
            reason: Reason = "truncated" if len(digits) < 16 else "broken_encoding"
            raise BodyError(reason, f"chunk of size {digits[:20].decode()}, {left} bytes left")
        at = start + length
        parts.append(body[start:at])
        at += 2 if body[at : at + 2] == b"\r\n" else 1 if body[at : at + 1] == b"\n" else 0
    if not parts:
        return body
    raise BodyError("truncated", "chunks")


def _is_chunk(body: bytes, size: re.Match[bytes], end: int) -> bool:
    """Say whether a first line of hexadecimal digits is a chunk's size, and not a text's: what follows must fit."""
    if end == size.end():
        return _TRAILERS.match(body, end) is not None
    if end > len(body):
        return size[2] == b"\r\n"
    return end == len(body) or body[end : end + 1] in b"\r\n" or _CHUNK_SIZE.match(body, end) is not None


def _inflated(body: bytes, max_bytes: int) -> bytes:
    """Unpack all gzip members; padding and what else is behind them is left, as browsers leave it."""
    at = next((start for start in _starts(body) if body.startswith(_GZIP, start)), None)
    if at is None:
        return body  # the crawler has unpacked it
    parts, size = list[bytes](), 0
    while body.startswith(_GZIP, at) and (not parts or body.startswith(b"\x08", at + 2)):
        part, at = _stream(body, at, 31, max_bytes, before=size)
        parts.append(part)
        size += len(part)
        if body.startswith(b"\0", at):
            at = _end(_ZEROS.match(body, at))
    return b"".join(parts)


def _deflated(body: bytes, max_bytes: int) -> bytes:
    """Undo deflate, which some servers send without its zlib header, others as gzip."""
    if body.startswith(_GZIP):
        return _inflated(body, max_bytes)
    if len(body) > 1 and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0:
        try:
            return _stream(body, 0, 15, max_bytes)[0]
        except BodyError as fault:
            if fault.reason != "broken_encoding":
                raise
    plain, end = _stream(body, 0, -15, max_bytes)
    if end < len(body) and is_text(body):  # of short texts in Shift_JIS, 1 in 150 begins like a stream
        raise BodyError("broken_encoding", f"{len(body) - end} bytes behind the stream")
    return plain


def _stream(body: bytes, start: int, wbits: int, max_bytes: int, *, before: int = 0) -> tuple[bytes, int]:
    """Unpack one zlib stream behind so many bytes of others; give its content, and the place behind it.

    It is fed in growing steps: what it leaves of a step is copied, which over many small members would add up.
    """
    unpacker, parts, left, at, step = (
        zlib.decompressobj(wbits=wbits),
        list[bytes](),
        max_bytes - before,
        start,
        1024,
    )
    while not unpacker.eof:
        packed = body[at : at + step]
        if not packed:
            raise BodyError("truncated", "compressed body")
        try:
            parts.append(unpacker.decompress(packed, left + 1))
        except zlib.error as error:
            raise BodyError("broken_encoding", str(error)) from error
        left -= len(parts[-1])
        if left < 0:
            raise _too_large(max_bytes)
        at, step = at + len(packed), 2 * step
    return b"".join(parts), at - len(unpacker.unused_data)


def _unbrotlied(body: bytes, max_bytes: int) -> bytes:
    try:
        plain = bytes(BrotliReader(io.BytesIO(body)).read(max_bytes + 1))
    except OSError as error:
        raise BodyError("broken_encoding", str(error)) from error
    if len(plain) > max_bytes:
        raise _too_large(max_bytes)
    return plain


def _unzstd(body: bytes, max_bytes: int) -> bytes:
    """Unpack all zstd frames, and leave out those to be skipped."""
    at = next((start for start in _starts(body) if _begins_frame(body, start)), None)
    if at is None:
        return body  # the crawler has unpacked it
    unpacker, parts, size = zstandard.ZstdDecompressor(), list[bytes](), 0
    while _begins_frame(body, at):
        if body.startswith(_ZSTD, at):
            for part in _frame(body, at, unpacker):
                at += part[1]
                parts.append(part[0])
                size += len(part[0])
                if size > max_bytes:
                    raise _too_large(max_bytes)
        else:
            at += 8 + int.from_bytes(body[at + 4 : at + 8], "little")
            if at > len(body):
                raise BodyError("truncated", "compressed body")
    return b"".join(parts)


def _frame(body: bytes, at: int, unpacker: zstandard.ZstdDecompressor) -> Iterator[tuple[bytes, int]]:
    """Yield what a frame holds, and how many bytes that took: of 1 KiB comes at most some 32 MiB."""
    frame = unpacker.decompressobj()
    while not frame.eof:
        packed = body[at : at + 1024]
        if not packed:
            raise BodyError("truncated", "compressed body")
        try:
            plain = frame.decompress(packed)
        except zstandard.ZstdError as error:
            raise BodyError("broken_encoding", str(error)) from error
        used = len(packed) - len(frame.unused_data)
        at += used
        yield plain, used


def _begins_frame(body: bytes, at: int) -> bool:
    return body.startswith(_ZSTD, at) or _SKIPPABLE.match(body, at) is not None


def _if_packed(unpack: _Undo) -> _Undo:
    """Make of a coding without a signature one that leaves a text alone, which the crawler has unpacked."""

    def undo(body: bytes, max_bytes: int) -> bytes:
        plain = is_text(body)
        if plain and (len(body) >= _TELLING_BYTES or body.lstrip()[:1] == b"<"):
            return body
        try:
            return _first(unpack, body, max_bytes)
        except BodyError as fault:
            if plain and fault.reason != "too_large" and is_legible(body):
                return body
            raise

    return undo


def _first(unpack: _Undo, body: bytes, max_bytes: int) -> bytes:
    """Unpack from the start, or else from behind a line's end; the first fault is the one to tell."""
    try:
        return unpack(body, max_bytes)
    except BodyError as fault:
        behind = next((start for start in _starts(body) if start), None)
        if behind is None or fault.reason == "too_large":
            raise
        try:
            return unpack(body[behind:], max_bytes)
        except BodyError:
            raise fault from None


def _starts(body: bytes) -> tuple[int, ...]:
    """List where a packed body may start: Common Crawl of August 2018 has an empty line more before each."""
    return (0, 2) if body.startswith(b"\r\n") else (0, 1) if body.startswith(b"\n") else (0,)


def _end(found: re.Match[bytes] | None) -> int:
    return found.end() if found else 0


def _too_large(max_bytes: int) -> BodyError:
    return BodyError("too_large", f"over {max_bytes} bytes once unpacked")


_UNDO: Final[dict[str, _Undo]] = {
    "chunked": _unchunked,
    "gzip": _inflated,
    "x-gzip": _inflated,
    "deflate": _if_packed(_deflated),
    "br": _if_packed(_unbrotlied),
    "zstd": _unzstd,
}
