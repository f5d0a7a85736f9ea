"""Write WARC 1.1: what was asked, what came back and how it was found, one gzip member a record, rolled at a size."""

from __future__ import annotations

import gzip
import io
import os
import uuid
from base64 import b32encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha1
from pathlib import Path
from typing import Final, NamedTuple

from fastwarc.warc import WarcRecord, WarcRecordType

from kakehi.pipeline.storage.atomic import move_into_place

_PROFILES: Final = "http://netpreserve.org/warc/1.1/revisit/"
_OPEN: Final = ".open"


class RecordLocation(NamedTuple):
    """Where a record lies: file, offset of its first byte, and length, packed."""

    file: str
    offset: int
    length: int


@dataclass(frozen=True, kw_only=True)
class Original:
    """What a revisit refers to: address and time of the record that holds the payload."""

    url: str
    fetched: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One request and its answer.

    Args:
        url: asked for.
        fetched: when the answer had come, ISO 8601 in UTC.
        request: head of the request, up to its empty line.
        head: head of the answer, up to its empty line.
        body: of the answer, chunks joined, content encoding left as it was.
        ip: address that answered, or None.
        notes: how it was found, for a metadata record.
        original: of a revisit, whose body is not written again; else None.
    """

    url: str
    fetched: str
    request: bytes
    head: bytes
    body: bytes
    ip: str | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    original: Original | None = None

    @property
    def digest(self) -> str:
        """The payload's digest as WARC writes it."""
        return f"sha1:{b32encode(self._sha1()).decode()}"

    def _sha1(self) -> bytes:
        return sha1(self.body, usedforsecurity=False).digest()


class WarcWriter:
    """WARC files of one crawl, the last of them open for more.

    Args:
        folder: where they lie; the open one has `.open` behind its name.
        prefix: of their names.
        max_bytes: size from which a file is followed by the next.
        about: fields of the record that begins each file.
    """

    def __init__(self, folder: Path, *, prefix: str, max_bytes: float, about: Mapping[str, str]) -> None:
        self._folder = folder
        self._prefix = prefix
        self._max_bytes = max_bytes
        self._about = about
        self._file: io.FileIO | None = None
        self._name = ""

    def resume(self, name: str, size: int) -> None:
        """Go on behind the last record that was committed: what a killed process wrote after it is cut off."""
        for path in self._folder.glob(f"{self._prefix}.*{_OPEN}"):
            if path.name != name + _OPEN:
                path.unlink()
        if (path := self._folder / (name + _OPEN)).is_file():
            self._name, self._file = name, path.open("r+b", buffering=0)
            self._file.truncate(size)
            self._file.seek(0, os.SEEK_END)

    def write(self, exchange: Exchange) -> tuple[str, RecordLocation]:
        """Append an exchange; the bytes are with the system when this returns.

        Returns:
            id of the record of the answer, and its place.
        """
        if self._file is None or self._file.tell() >= self._max_bytes:
            self._begin()
        record_id, records = _records(exchange)
        places = [self._append(record) for record in records]
        return record_id, places[1]

    @property
    def end(self) -> tuple[str, int]:
        """Name of the open file and its size, for `resume`."""
        return self._name, self._file.tell() if self._file else 0

    def close(self) -> None:
        """Give the open file its last name."""
        if self._file is not None:
            self._file.close()
            self._file = None
            move_into_place(self._folder / (self._name + _OPEN), self._folder / self._name)

    def leave(self) -> None:
        """Leave the open file as it is, for `resume`."""
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self.close()
        number = sum(1 for _ in self._folder.glob(f"{self._prefix}.*.warc.gz"))
        self._name = f"{self._prefix}.{number:05}.warc.gz"
        self._file = (self._folder / (self._name + _OPEN)).open("wb", buffering=0)
        named = [("WARC-Filename", self._name), ("Content-Type", "application/warc-fields")]
        self._append(_record(WarcRecordType.warcinfo, _urn(), now_as_text(), named, _fields(self._about)))

    def _append(self, record: bytes) -> RecordLocation:
        file = self._file
        if file is None:
            raise ValueError("warc_writer: no file is open")
        offset, at = file.tell(), 0
        while at < len(record):  # a raw write may take less than all
            at += file.write(record[at:])
        return RecordLocation(self._name, offset, len(record))


def now_as_text() -> str:
    """Give the time as WARC has it, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _records(exchange: Exchange) -> tuple[str, list[bytes]]:
    """Give the records of an exchange: request, response or revisit, metadata."""
    answer, named = _urn(), [("WARC-Target-URI", exchange.url)]
    if exchange.ip:
        named.append(("WARC-IP-Address", exchange.ip))
    asked = [
        *named,
        ("WARC-Concurrent-To", f"<{answer}>"),
        ("Content-Type", "application/http; msgtype=request"),
    ]
    notes = [*named[:1], ("WARC-Concurrent-To", f"<{answer}>"), ("Content-Type", "application/warc-fields")]
    got = [
        *named,
        ("WARC-Payload-Digest", exchange.original.digest if exchange.original else exchange.digest),
        ("Content-Type", "application/http; msgtype=response"),
    ]
    kind, block = WarcRecordType.response, exchange.head + exchange.body
    if exchange.original:
        kind, block = WarcRecordType.revisit, exchange.head
        unchanged = exchange.head.split(b" ", 2)[1] == b"304"
        got += [
            (
                "WARC-Profile",
                _PROFILES + ("server-not-modified" if unchanged else "identical-payload-digest"),
            ),
            ("WARC-Refers-To-Target-URI", exchange.original.url),
            ("WARC-Refers-To-Date", exchange.original.fetched),
        ]
    at = exchange.fetched
    return f"<{answer}>", [
        _record(WarcRecordType.request, _urn(), at, asked, exchange.request),
        _record(kind, answer, at, got, block),
        _record(WarcRecordType.metadata, _urn(), at, notes, _fields(exchange.notes)),
    ]


def _record(
    kind: WarcRecordType, urn: str, date: str, named: Iterable[tuple[str, str]], block: bytes
) -> bytes:
    """Give one record as a gzip member; fastwarc adds its length and the digest of its block."""
    record = WarcRecord()
    record.init_headers(record_type=kind, record_urn=urn.removeprefix("urn:").encode())
    record.headers["WARC-Date"] = date
    for name, value in named:
        record.headers.append(name, value)
    record.set_bytes_content(block)
    plain = io.BytesIO()
    record.write(plain, checksum_data=True)
    return gzip.compress(plain.getvalue(), 6, mtime=0)


def _fields(fields: Mapping[str, str]) -> bytes:
    return "".join(f"{name}: {' '.join(value.split())}\r\n" for name, value in fields.items()).encode()


def _urn() -> str:
    return f"urn:uuid:{uuid.uuid4()}"
