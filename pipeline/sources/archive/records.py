"""Split what an archive sends into gzip members, and say of each whether it is the sound record that was asked for."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

from kakehi.pipeline.sources.formats.heads import BLANK, VERSION, Fields, answer_in, uri_of
from kakehi.pipeline.sources.formats.http import BodyError, unwrapped

#: What a record was found to be; every other outcome is that of its request.
OK = "ok"

_ENDS = (b"\r\n\r\n", b"\n\n")
_MAGIC = b"\x1f\x8b\x08"

#: Of a packed record, enough to see its first line: a member's own head may name a file.
_HEAD_BYTES = 4096

#: Bytes unpacked at once: a thousandth of what they may grow to.
_STEP_BYTES = 1 << 16

_ALGORITHMS = {"sha1": hashlib.sha1, "sha-1": hashlib.sha1, "sha256": hashlib.sha256, "md5": hashlib.md5}


class Member(NamedTuple):
    """A gzip member: its bytes as they came, how many, what they hold (None where that is too much), and its fault or ''."""

    raw: bytes
    size: int
    plain: bytes | None
    fault: str


def members(chunks: Iterable[bytes], *, max_bytes: int) -> Iterator[Member]:
    """Yield the gzip members of a stream as they are whole; what is no member ends it, as one with a fault.

    Args:
        chunks: of the stream, from the start of a member.
        max_bytes: a member that is longer, packed or unpacked, is yielded without content; memory stays within it.
    """
    member = _Reader(max_bytes)
    for step in (step for chunk in chunks for step in _steps(chunk)):
        left = step
        while left:
            left, whole = member.feed(left)
            if whole is not None:
                yield whole
                if whole.fault == "broken_gzip":
                    return
                member = _Reader(max_bytes)
    if member.size:
        yield Member(b"", 0, None, "broken_gzip")


def next_start(chunks: Iterable[bytes]) -> int | None:
    """Say how many bytes lie before the next gzip member that holds a WARC record, or None where there is none."""
    at, window = 0, b""
    for chunk in chain(chunks, [b""]):
        window += chunk
        found = window.find(_MAGIC)
        while found >= 0 and (not chunk or found + _HEAD_BYTES <= len(window)):
            if _begins_record(window[found : found + _HEAD_BYTES]):
                return at + found
            found = window.find(_MAGIC, found + 1)
        cut = found if found >= 0 else max(0, len(window) - len(_MAGIC) + 1)
        at, window = at + cut, window[cut:]
    return None


def _begins_record(head: bytes) -> bool:
    try:
        return VERSION.match(zlib.decompressobj(wbits=31).decompress(head, 16)) is not None
    except zlib.error:
        return False


def _steps(chunk: bytes) -> Iterator[bytes]:
    """Cut a chunk into small ones: of a bomb not more is unpacked than a few of them grow to."""
    yield from (chunk[start : start + _STEP_BYTES] for start in range(0, len(chunk), _STEP_BYTES))


class _Reader:
    def __init__(self, max_bytes: int) -> None:
        self._unpacker = zlib.decompressobj(wbits=31)
        self._raw: list[bytes] = []
        self._plain: list[bytes] = []
        self._max, self.size, self._unpacked = max_bytes, 0, 0

    def feed(self, chunk: bytes) -> tuple[bytes, Member | None]:
        """Take a chunk; give what is left of it, and the member once it is whole."""
        try:
            plain = self._unpacker.decompress(chunk)
        except zlib.error:
            return b"", Member(b"", 0, None, "broken_gzip")
        left = self._unpacker.unused_data
        mine = chunk[: len(chunk) - len(left)]
        self.size += len(mine)
        self._unpacked += len(plain)
        if max(self.size, self._unpacked) <= self._max:
            self._raw.append(mine)
            self._plain.append(plain)
        else:
            self._raw, self._plain = [], []
        if not self._unpacker.eof:
            return b"", None
        if max(self.size, self._unpacked) > self._max:
            return left, Member(b"", self.size, None, "too_large")
        return left, Member(b"".join(self._raw), self.size, b"".join(self._plain), "")


def fault_of(plain: bytes, digest: str | None = None) -> str | None:
    """Say what is wrong with an unpacked WARC record, or None.

    A digest is compared with the block (WARC-Block-Digest), and with the payload as it lies there or freed of its
    transfer encoding: tools disagree on which of the two `WARC-Payload-Digest` is of. Of a record that says it was
    truncated, and of an algorithm we don't know, none is compared.

    Args:
        plain: the record, from its version line.
        digest: of the payload, as the index has it, or None.
    """
    blank = BLANK.search(plain)
    if VERSION.match(plain) is None or blank is None:
        return "no_record"
    head = Fields(plain[: blank.start()])
    if head.length is None or plain[blank.end() + head.length :] not in _ENDS:
        return "wrong_length"
    block = plain[blank.end() : blank.end() + head.length]
    if head.names("warc-truncated"):
        return None
    payloads = _payloads(block, head.get("content-type") or "")
    asked = [head.get("warc-payload-digest"), f"sha1:{digest}" if digest and ":" not in digest else digest]
    sound = _is(head.get("warc-block-digest"), [block]) and all(_is(each, payloads) for each in asked)
    return None if sound else "digest"


def url_of(plain: bytes) -> str | None:
    """Give the URL that a record says it is of."""
    blank = BLANK.search(plain)
    return uri_of(Fields(plain[: blank.start()])) if blank else None


def _payloads(block: bytes, kind: str) -> list[bytes]:
    """Give what a payload digest may be of."""
    if not kind.lower().startswith("application/http"):
        return [block]
    answer = answer_in(block)
    body = block[answer.body :]
    if answer.status is None or "chunked" not in (answer.fields.get("transfer-encoding") or "").lower():
        return [body]
    try:
        return [body, unwrapped(body, "chunked", None, max_bytes=len(body))]
    except BodyError:
        return [body]


def _is(named: str | None, contents: list[bytes]) -> bool:
    """Say whether a labelled digest, in base32 or hexadecimal digits, is that of one of these contents."""
    name, _, value = (named or "").partition(":")
    algorithm = _ALGORITHMS.get(name.lower())
    if algorithm is None or not value:
        return True
    size = algorithm(usedforsecurity=False).digest_size
    try:
        wanted = bytes.fromhex(value) if len(value) == 2 * size else base64.b32decode(value.upper())
    except (ValueError, binascii.Error):
        return False
    return any(algorithm(each, usedforsecurity=False).digest() == wanted for each in contents)
