"""Undo what HTTP did to a body, and tell by its first bytes what it is."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable

import zstandard
from fastwarc.stream_io import BrotliReader

from kakehi.pipeline.sources.formats.records import Reason

PAGE_TYPES = ("text/html", "application/xhtml+xml", "text/plain")

_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n]*)?\r?\n")

# First bytes of what servers send under an HTML type (WHATWG MIME Sniffing, section 6, and office files).
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"BM\x00", "image/bmp"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"PK\x03\x04", "application/zip"),
    (b"Rar!\x1a\x07", "application/x-rar-compressed"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"\x7fELF", "application/x-executable"),
    (b"OggS\x00", "application/ogg"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"FWS", "application/x-shockwave-flash"),
    (b"CWS", "application/x-shockwave-flash"),
    (b"wOFF", "font/woff"),
    (b"wOF2", "font/woff2"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_ANY_SIGNATURE = tuple(signature for signature, _ in _SIGNATURES)
_HTML = re.compile(
    rb"<(?:!doctype html|html|head|body|title|meta|script|h[1-6]|div|p|table|a|br)\b", re.IGNORECASE
)


class BodyError(Exception):
    """A body that can't be had: `reason` and `note` of its reject."""

    def __init__(self, reason: Reason, note: str) -> None:
        super().__init__(reason, note)
        self.reason = reason
        self.note = note


def media_type(content_type: str | None) -> str:
    """Return the media type a header names, lower case and without parameters; '' where it names none."""
    return (content_type or "").split(";", 1)[0].strip().lower()


def sniffed(body: bytes) -> str:
    """Say what a body without a usable type is by its first bytes; '' where they don't tell."""
    head = body[:1024]
    if head.startswith(_ANY_SIGNATURE):
        return next(found for signature, found in _SIGNATURES if head.startswith(signature))
    if head[:4] == b"RIFF":
        return "image/webp" if head[8:12] == b"WEBP" else "audio/wave"
    if head[4:8] == b"ftyp":
        return "video/mp4"
    return "text/html" if _HTML.search(head) else ""


def unwrapped(body: bytes, transfer: str | None, content: str | None, *, max_bytes: int) -> bytes:
    """Undo Transfer-Encoding and Content-Encoding, where the archive has not done it and kept the header.

    Raises:
        BodyError: broken off, broken, or larger than `max_bytes` once unpacked.
    """
    if transfer and "chunked" in transfer.lower():
        body = _unchunked(body)
    for name in reversed((content or "").lower().split(",")):
        if unpack := _UNPACKERS.get(name.strip()):
            body = unpack(body, max_bytes)
    return body


def _unchunked(body: bytes) -> bytes:
    """Join the chunks; a body that starts with no chunk size was joined by the crawler."""
    parts, at = list[bytes](), 0
    while size := _CHUNK_SIZE.match(body, at):
        length = int(size.group(1), 16)
        if length == 0:
            return b"".join(parts)
        parts.append(body[size.end() : size.end() + length])
        at = size.end() + length
        at += 2 if body[at : at + 2] == b"\r\n" else 1 if body[at : at + 1] == b"\n" else 0
    if not parts:
        return body
    raise BodyError("truncated", "chunks")


def _inflated(body: bytes, max_bytes: int) -> bytes:
    if not body.startswith(b"\x1f\x8b"):
        return body  # the crawler has unpacked it
    return _with_zlib(body, 31, max_bytes)


def _deflated(body: bytes, max_bytes: int) -> bytes:
    """Undo deflate, which some servers send without its zlib header."""
    if body.lstrip()[:1] == b"<":
        return body
    has_header = len(body) > 1 and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    return _with_zlib(body, 15 if has_header else -15, max_bytes)


def _with_zlib(body: bytes, wbits: int, max_bytes: int) -> bytes:
    unpacker = zlib.decompressobj(wbits=wbits)
    try:
        plain = unpacker.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise BodyError("broken_encoding", str(error)) from error
    if len(plain) > max_bytes:
        raise BodyError("too_large", f"over {max_bytes} bytes once unpacked")
    if not unpacker.eof:
        raise BodyError("truncated", "compressed body")
    return plain


def _unbrotlied(body: bytes, max_bytes: int) -> bytes:
    if body.lstrip()[:1] == b"<":
        return body
    try:
        plain = bytes(BrotliReader(io.BytesIO(body)).read(max_bytes + 1))
    except OSError as error:
        raise BodyError("broken_encoding", str(error)) from error
    if len(plain) > max_bytes:
        raise BodyError("too_large", f"over {max_bytes} bytes once unpacked")
    return plain


def _unzstd(body: bytes, max_bytes: int) -> bytes:
    if not body.startswith(b"\x28\xb5\x2f\xfd"):
        return body
    unpacker, parts, size = zstandard.ZstdDecompressor().decompressobj(), list[bytes](), 0
    for at in range(0, len(body), 1024):  # 1 KiB holds at most some 32 MiB
        try:
            parts.append(unpacker.decompress(body[at : at + 1024]))
        except zstandard.ZstdError as error:
            raise BodyError("broken_encoding", str(error)) from error
        size += len(parts[-1])
        if size > max_bytes:
            raise BodyError("too_large", f"over {max_bytes} bytes once unpacked")
        if unpacker.eof:
            return b"".join(parts)
    raise BodyError("truncated", "compressed body")


_UNPACKERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _inflated,
    "x-gzip": _inflated,
    "deflate": _deflated,
    "br": _unbrotlied,
    "zstd": _unzstd,
}
