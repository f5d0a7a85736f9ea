"""Read a WARC file: fastwarc where it is sound, member by member where it is not.

Every byte of the file is answered for: a page, a reject, or an error. The fast loop holds back its last record;
where fastwarc stops, by damage or at the end, that one is read again by itself, so that a member cut off (which
fastwarc takes for an end) is found, no record is given twice, and the fast loop goes on at the next sound one.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Generator, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from fastwarc.warc import ArchiveIterator, WarcHeader, WarcRecord, WarcRecordType

from kakehi.filters.page.consent import HEADERS
from kakehi.pipeline.sources.formats.compressed import (
    MAGICS,
    DamagedError,
    Packing,
    Unpacked,
    head_of,
    member,
    packing_of,
)
from kakehi.pipeline.sources.formats.http import BodyError, unwrapped
from kakehi.pipeline.sources.formats.media import PAGE_TYPES, charset_of, is_html, media_type, page_type
from kakehi.pipeline.sources.formats.records import Reason, Record, Reject, host_of

MAX_BODY_BYTES = 64 << 20
_HEAD_BYTES = 1 << 16  # a record's own header is shorter; fastwarc allows 32 KiB
_START = b"WARC/"
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_DAMAGE: dict[Packing, Reason] = {"gzip": "broken_gzip", "zstd": "broken_zstd", "none": "broken_record"}
_OF_BODY = frozenset({"content-type", "content-encoding", "transfer-encoding"})
_WITH_BODY = (WarcRecordType.response, WarcRecordType.resource, WarcRecordType.conversion)


def read(path: Path, *, max_body_bytes: int = MAX_BODY_BYTES) -> Iterator[Record | Reject]:
    """Yield every record of a WARC file in order: pages as `Record`, all others as `Reject`.

    Takes `response`, `resource` and `conversion` (WET) records with status 200 and an HTML or text type. The packing
    (gzip, zstd, none) is told by the first bytes. Offsets are those of the file; in the rare gzip file that has
    many records in one member they are those of the unpacked file.

    Args:
        path: the file.
        max_body_bytes: a larger body, packed or unpacked, is rejected as `too_large`.

    Raises:
        ValueError: the file is empty, an old ARC file, or something else altogether.
    """
    with path.open("rb") as file:
        packing = _checked_packing(path, file)
        if packing == "gzip" and _holds_many(file):
            yield from _read_stream(file, max_body_bytes)
            return
        size, start = path.stat().st_size, 0
        while start < size:
            start = yield from _read_fast(file, start, size, max_body_bytes)
            if start < size:
                start = yield from _read_one(file, packing, start, size, max_body_bytes)


def _checked_packing(path: Path, file: BinaryIO) -> Packing:
    """Return how the file is packed; refuse what holds no WARC record at its start."""
    head = file.read(_HEAD_BYTES)
    if not head:
        raise ValueError(f"{path}: is empty, wanted a WARC file")
    packing = packing_of(head)
    plain = head_of(head, packing)
    if plain.startswith(b"filedesc:"):
        raise ValueError(
            f"{path}: is an ARC file, wanted WARC; convert it first, for example with warcio recompress"
        )
    if not plain.startswith(_START) and (plain or packing == "none"):
        raise ValueError(f"{path}: starts with {plain[:16]!r} (packing {packing}), wanted a WARC record")
    return packing  # a damaged first member is a reject like any other


def _read_fast(file: BinaryIO, start: int, size: int, limit: int) -> Generator[Record | Reject, None, int]:
    """Yield records from a place on; return the place of the last one seen, which is not yielded."""
    file.seek(start)
    held: Record | Reject | None = None
    try:
        for raw in ArchiveIterator(file, parse_http=False, fsspec_args=False):
            place = raw.stream_pos
            if held is not None:
                yield _with_length(held, place - held.offset)
            held = None
            start = place
            held = _judged(raw, place, limit)
    except OSError:
        return start
    if held is not None and start >= size:  # many records in the last member: nothing is left to look at
        yield held
    return start


def _read_one(
    file: BinaryIO, packing: Packing, start: int, size: int, limit: int
) -> Generator[Record | Reject, None, int]:
    """Yield what the one member or record at a place holds; return the next place where one starts."""
    try:
        if packing == "none":
            plain, end = _plain_record(file, start, size, limit)
        else:
            plain, end = member(file, packing, start, max_bytes=limit + _HEAD_BYTES)
    except DamagedError as damage:
        end = _next_start(file, packing, start + 1, size)
        reason = _DAMAGE[packing]
        if packing == "none" and "Content-Length" in str(damage):
            reason = "wrong_length"
        yield Reject(record_id=None, offset=start, length=end - start, reason=reason, note=str(damage))
        return end
    if plain is None:
        yield Reject(
            record_id=None, offset=start, length=end - start, reason="too_large", note=f"over {limit} bytes"
        )
    elif plain.strip(b"\r\n\0"):
        yield from _records_in(plain, start, end - start, limit)
    return end


def _records_in(plain: bytes, start: int, length: int, limit: int) -> Iterator[Record | Reject]:
    """Yield the records of one unpacked member; one whose length disagrees with it is rejected."""
    records: list[Record | Reject] = []
    fault: Reject | None = None
    try:
        for raw in ArchiveIterator(
            io.BytesIO(plain), parse_http=False, fsspec_args=False, stream_detect=False
        ):
            fault = _refused(raw, start, "wrong_length", "bytes are left behind the length named")
            blank = _BLANK_LINE.search(plain, raw.stream_pos)
            there = len(plain) - (blank.end() if blank else len(plain))
            if raw.content_length > there:
                records.append(replace(fault, note=f"{raw.content_length} bytes named, {there} there"))
            else:
                records.append(_judged(raw, start, limit))
    except OSError as error:
        if fault is None:
            fault = Reject(record_id=None, offset=start, length=0, reason="broken_record", note=str(error))
        records = [*records[:-1], fault]
    if not records:
        records = [Reject(record_id=None, offset=start, length=0, reason="broken_record", note="no record")]
    yield from (_with_length(record, length) for record in records)


def _read_stream(file: BinaryIO, limit: int) -> Iterator[Record | Reject]:
    """Yield the records of a file that is one gzip member: no place to go on from once it is damaged."""
    file.seek(0)
    held: Record | Reject | None = None
    place, damage, stream = 0, "", Unpacked(file, "gzip")
    try:
        for raw in ArchiveIterator(stream, parse_http=False, fsspec_args=False, stream_detect=False):
            place = raw.stream_pos
            if held is not None:
                yield _with_length(held, place - held.offset)
            held = None
            held = _judged(raw, place, limit)
        place = stream.tell()
    except (DamagedError, OSError) as error:
        damage = str(error)
    if held is not None:
        yield _with_length(held, place - held.offset)
    if damage:
        note = f"{damage}; one gzip member holds many records, so the rest of the file is lost"
        length = stream.tell() - place
        yield Reject(record_id=None, offset=place, length=length, reason="broken_gzip", note=note)


def _judged(raw: WarcRecord, place: int, limit: int) -> Record | Reject:
    """Return the page a record holds, or why it holds none."""
    kind = raw.record_type
    if kind not in _WITH_BODY:
        return _refused(raw, place, "record_type", str(kind))
    if cut := raw.headers.get(WarcHeader.WARC_TRUNCATED):
        return _refused(raw, place, "truncated", cut)
    if raw.content_length > limit:
        return _refused(raw, place, "too_large", f"{raw.content_length} bytes")
    transfer = content = charset = None
    said: tuple[tuple[str, str], ...] = ()
    if kind == WarcRecordType.response:
        if not raw.is_http:
            return _refused(raw, place, "media_type", raw.headers.get(WarcHeader.CONTENT_TYPE) or "")
        raw.parse_http()
        http = raw.http_headers
        if http.status_code != 200:
            return _refused(raw, place, "http_status", str(http.status_code))
        said, of = _needed(http)
        transfer, content = of.get("transfer-encoding"), of.get("content-encoding")
        named, charset = media_type(of.get("content-type")), charset_of(of.get("content-type"))
    else:
        named = media_type(raw.headers.get(WarcHeader.CONTENT_TYPE))
        charset = "utf-8" if kind == WarcRecordType.conversion else None
    if named and named not in PAGE_TYPES:
        return _refused(raw, place, "media_type", named)
    try:
        body = unwrapped(raw.reader.read(), transfer, content, max_bytes=limit)
    except BodyError as fault:
        return _refused(raw, place, fault.reason, fault.note)
    return _page(raw, place, body, named, charset, said)


def _needed(http: Iterable[tuple[str, str]]) -> tuple[tuple[tuple[str, str], ...], dict[str, str]]:
    """Return the fields of an HTTP head that speak of consent, and those of the body, repeated ones joined."""
    said, of = [], dict[str, str]()
    for field in list(http):  # the list takes half the time of the fields one by one
        name = field[0].lower()
        if name in _OF_BODY:
            of[name] = f"{of[name]}, {field[1]}" if name in of else field[1]
        elif name in HEADERS:
            said.append(field)
    return tuple(said), of


def _page(
    raw: WarcRecord,
    place: int,
    body: bytes,
    named: str,
    charset: str | None,
    said: tuple[tuple[str, str], ...],
) -> Record | Reject:
    """Return the record of a body whose type may be missing or a lie."""
    if not body:
        return _refused(raw, place, "empty_body", "")
    found = named or "text/html"
    if not is_html(body):
        found = page_type(named, body, media_type(raw.headers.get("WARC-Identified-Payload-Type")))
    if found not in PAGE_TYPES:
        return _refused(raw, place, "media_type", found)
    url = raw.headers.get(WarcHeader.WARC_TARGET_URI)
    return Record(
        record_id=raw.headers.get(WarcHeader.WARC_RECORD_ID),
        offset=place,
        length=0,
        url=url,
        host=host_of(url),
        fetched=raw.headers.get(WarcHeader.WARC_DATE),
        body=body,
        header_charset=charset,
        content_type=found,
        said=said,
    )


def _refused(raw: WarcRecord, place: int, reason: Reason, note: str) -> Reject:
    headers = raw.headers
    record_id, url = headers.get(WarcHeader.WARC_RECORD_ID), headers.get(WarcHeader.WARC_TARGET_URI)
    return Reject(record_id=record_id, offset=place, length=0, url=url, reason=reason, note=note)


def _with_length(item: Record | Reject, length: int) -> Record | Reject:
    """Return the item with its length, known once the next one is seen (half the time of `dataclasses.replace`)."""
    if isinstance(item, Reject):
        return replace(item, length=length)
    return Record(
        record_id=item.record_id,
        offset=item.offset,
        length=length,
        url=item.url,
        host=item.host,
        fetched=item.fetched,
        body=item.body,
        header_charset=item.header_charset,
        content_type=item.content_type,
        said=item.said,
    )


def _holds_many(file: BinaryIO) -> bool:
    """Say whether the first gzip member goes on behind its first record (a whole file packed at once)."""
    file.seek(0)
    unpacker, plain = zlib.decompressobj(wbits=31), b""
    try:
        while len(plain) <= 1 << 20 and not unpacker.eof and (packed := file.read(_HEAD_BYTES)):
            plain += unpacker.decompress(packed)
            if (again := plain.find(b"\r\n\r\nWARC/1.")) >= 0:
                head, _, block = plain[: again + 4].partition(b"\r\n\r\n")
                return _named_length(head) == len(block) - 4
    except zlib.error:
        pass
    return False


def _plain_record(file: BinaryIO, start: int, size: int, limit: int) -> tuple[bytes | None, int]:
    """Return the bytes of the unpacked record at a place, and where it ends, by the length it names."""
    file.seek(start)
    head, found, _ = file.read(_HEAD_BYTES).partition(b"\r\n\r\n")
    if not head.startswith(_START) or not found:
        raise DamagedError(f"no WARC record, but {head[:16]!r}")
    named = _named_length(head)
    if named is None:
        raise DamagedError("Content-Length is missing")
    end = start + len(head) + 4 + named
    if end > size:
        raise DamagedError(f"Content-Length {named}, but the file ends before")
    file.seek(end)
    behind = file.read(4 + len(_START))
    if not (behind.startswith((b"\r\n\r\n", _START)) or len(behind) < 4):
        raise DamagedError(f"Content-Length {named}, but {behind[:4]!r} follows")
    end += len(behind[:4]) if not behind.startswith(_START) else 0
    if named > limit:
        return None, end
    file.seek(start)
    return file.read(end - start), end


def _named_length(head: bytes) -> int | None:
    for line in head.split(b"\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            return int(value)
    return None


def _next_start(file: BinaryIO, packing: Packing, start: int, size: int) -> int:
    """Return the next place where a record can be read from, or the file's size."""
    magic = MAGICS.get(packing, b"\nWARC/1.")
    at, block = start - (packing == "none"), 1 << 20
    while at < size:
        file.seek(at)
        window = file.read(block + len(magic))
        found = window.find(magic)
        while 0 <= found < block:
            place = at + found + (packing == "none")
            if packing == "none" or _starts_record(file, packing, place):
                return place
            found = window.find(magic, found + 1)
        at += block
    return size


def _starts_record(file: BinaryIO, packing: Packing, place: int) -> bool:
    file.seek(place)
    return head_of(file.read(_HEAD_BYTES), packing).startswith(_START)
