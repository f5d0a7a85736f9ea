"""Read a WARC file: every byte of it is answered for by a page, a reject, or an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import zstandard

from kakehi.pipeline.sources.formats.compressed import Packing, packing_of
from kakehi.pipeline.sources.formats.cuts import HEAD_BYTES, Cut, Cutter, cut_members
from kakehi.pipeline.sources.formats.heads import (
    VERSION,
    Answer,
    answer_in,
    first_line_of,
    uri_of,
)
from kakehi.pipeline.sources.formats.http import PAGE_TYPES, BodyError, media_type, sniffed, unwrapped
from kakehi.pipeline.sources.formats.records import Reason, Record, Reject, host_of
from kakehi.pipeline.sources.formats.window import Window, dictionary_in, head_of

MAX_BODY_BYTES = 64 << 20
_CONSENT: Final = ("x-robots-tag", "tdm-reservation")
_WITH_BODY: Final = ("response", "resource", "conversion")
_CHARSET: Final = re.compile(r"""(?<![\w-])charset\s*=\s*["']?([^\s"';,]+)""", re.IGNORECASE)


def _unwatched(offset: int) -> None:
    """Nobody asks where this reader is."""


def read(
    path: Path,
    *,
    max_body_bytes: int = MAX_BODY_BYTES,
    skip: Container[int] = (),
    reached: Callable[[int], None] = _unwatched,
) -> Iterator[Record | Reject]:
    """Yield every record of a WARC file in order: pages as `Record`, all others as `Reject`.

    Takes `response`, `resource` and `conversion` (WET) records with status 200 and an HTML or text type. The packing
    (gzip, zstd, none) is told by the first bytes. Offsets are those of the file. Where the first member holds many
    records they are those of its content, from the file's start on; where only another does, a record inside it has
    the member's offset and its number in it. Lengths are bytes of the file, or of content where a member is shared.

    Args:
        path: the file.
        max_body_bytes: a larger body, packed or unpacked, is rejected as `too_large`.
        skip: offsets of records that are not looked at: they come as records without a body.
        reached: told the offset of every record before it is looked at.

    Raises:
        ValueError: the file is empty, an old ARC file, or something else altogether; its zstd dictionary is missing
            or broken.
    """
    with path.open("rb") as file:
        packing, dictionary, start = _checked_packing(path, file)
        for cut in _cuts(file, packing, dictionary, start, max_body_bytes, reached):
            if cut.reason is not None:
                yield _refused(cut, cut.reason, cut.note)
            elif cut.offset in skip:
                yield _record(cut, b"", None, "", ())
            else:
                yield _judged(cut, max_body_bytes)


def _cuts(
    file: BinaryIO,
    packing: Packing,
    dictionary: zstandard.ZstdCompressionDict | None,
    start: int,
    limit: int,
    reached: Callable[[int], None],
) -> Iterator[Cut]:
    size = file.seek(0, 2)
    while start < size:
        known = 0
        if packing == "gzip":
            start, known = yield from cut_members(file, start, limit, reached)
        cuts = Cutter(Window(file, packing, start, dictionary), packing, size, limit, reached)
        start = yield from cuts.cuts(known)


def _checked_packing(
    path: Path, file: BinaryIO
) -> tuple[Packing, zstandard.ZstdCompressionDict | None, int]:
    """Return how the file is packed, the dictionary it begins with, and where its records start; refuse what is no WARC file."""
    try:
        dictionary, start = dictionary_in(file)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    file.seek(start)
    head = file.read(HEAD_BYTES)
    if not head:
        raise ValueError(f"{path}: is empty, wanted a WARC file")
    packing: Packing = "zstd" if start else packing_of(head)
    plain = head_of(head, packing, dictionary)
    if plain is not None and plain.startswith(b"filedesc:"):
        raise ValueError(
            f"{path}: is an ARC file, wanted WARC; convert it first, for example with warcio recompress"
        )
    if plain is not None and VERSION.match(plain.lstrip(b"\r\n")) is None and (plain or packing == "none"):
        raise ValueError(f"{path}: starts with {plain[:16]!r} (packing {packing}), wanted a WARC record")
    return packing, dictionary, start  # a damaged first member is a reject like any other


def _judged(cut: Cut, limit: int) -> Record | Reject:
    """Return the page a record holds, or why it holds none."""
    fields = cut.fields
    kind = (fields.text("warc-type") or "").lower()
    if kind not in _WITH_BODY:
        return _refused(cut, "record_type", kind or "no type")
    if broken_off := _broken_off(cut):
        return _refused(cut, "truncated", broken_off)
    if kind == "response":
        return _page_of_answer(cut, limit)
    named = media_type(fields.text("content-type"))
    if named and named not in PAGE_TYPES:
        return _refused(cut, "media_type", named)
    return _page(cut, cut.block, named, "utf-8" if kind == "conversion" else None, ())


def _broken_off(cut: Cut) -> str:
    """Say how a record tells that it is not the whole of what was fetched; '' where it does not."""
    fields = cut.fields
    if cut_off := fields.text("warc-truncated"):
        return cut_off
    if segment := fields.text("warc-segment-number"):
        if segment != "1" or fields.text("warc-segment-total-length") != str(len(cut.block)):
            return f"segment {segment} of a record in several"
    return ""


def _page_of_answer(cut: Cut, limit: int) -> Record | Reject:
    kind = cut.fields.text("content-type") or ""
    answer = answer_in(cut.block)
    if not kind.lower().startswith("application/http") and (kind or answer.status is None):
        return _refused(cut, "media_type", kind)
    if answer.status is None and sniffed(cut.block[:64].lstrip()) == "text/html":
        return _page(cut, cut.block, "", None, ())  # HTTP/0.9 has no heads
    if answer.status != 200:
        note = str(answer.status) if answer.status is not None else f"no status line, but {first_line_of(cut.block)!r}"
        return _refused(cut, "http_status", note if cut.block else "no status line")
    return _page_of_body(cut, answer, limit)


def _page_of_body(cut: Cut, answer: Answer, limit: int) -> Record | Reject:
    fields = answer.fields
    kind = fields.text("content-type") or ""
    named = media_type(kind)
    if named and named not in PAGE_TYPES:
        return _refused(cut, "media_type", named)
    transfer, content = fields.text("transfer-encoding"), fields.text("content-encoding")
    try:
        body = unwrapped(cut.block[answer.body :], transfer, content, max_bytes=limit)
    except BodyError as fault:
        return _refused(cut, fault.reason, fault.note)
    said = fields.every(*_CONSENT)
    charset = _CHARSET.search(kind)
    return _page(cut, body, named, charset[1].lower() if charset else None, said)


def _page(
    cut: Cut, body: bytes, named: str, charset: str | None, said: tuple[tuple[str, str], ...]
) -> Record | Reject:
    """Return the record of a body whose type may be missing or a lie."""
    if not body:
        return _refused(cut, "empty_body", "")
    found = sniffed(body)
    if (found and found != "text/html") or not (found or named):
        return _refused(cut, "media_type", found or "unknown")
    return _record(cut, body, charset, named or found, said)


def _record(
    cut: Cut, body: bytes, charset: str | None, kind: str, said: tuple[tuple[str, str], ...]
) -> Record:
    url = uri_of(cut.fields)
    return Record(
        record_id=cut.fields.text("warc-record-id"),
        offset=cut.offset,
        length=cut.length,
        url=url,
        host=host_of(url),
        fetched=cut.fields.text("warc-date"),
        body=body,
        header_charset=charset,
        content_type=kind,
        said=said,
    )


def _refused(cut: Cut, reason: Reason, note: str) -> Reject:
    return Reject(
        record_id=cut.fields.text("warc-record-id"),
        offset=cut.offset,
        length=cut.length,
        url=uri_of(cut.fields),
        reason=reason,
        note=note,
    )

