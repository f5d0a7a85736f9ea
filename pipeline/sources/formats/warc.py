"""Read a WARC file: every byte of it is answered for by a page, a reject, or an error."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Final

from fastwarc.warc import WarcHeader

from kakehi.filters.page.consent import HEADERS
from kakehi.pipeline.sources.formats.cuts import Cutter
from kakehi.pipeline.sources.formats.foreign import refuse_no_warc
from kakehi.pipeline.sources.formats.heads import (
    Answer,
    answer_in,
    first_line_of,
    printable,
    uri_of,
)
from kakehi.pipeline.sources.formats.http import BodyError, unwrapped
from kakehi.pipeline.sources.formats.media import PAGE_TYPES, charset_of, is_html, media_type, page_type
from kakehi.pipeline.sources.formats.members import Cut, cut_members
from kakehi.pipeline.sources.formats.packed import Packed, needs_dictionary, open_packed
from kakehi.pipeline.sources.formats.records import Reason, Record, Reject, host_of
from kakehi.pipeline.sources.formats.window import Window
from kakehi.pipeline.sources.split import unwatched

MAX_BODY_BYTES = 64 << 20
_BEFORE_TAG: Final = b"\xef\xbb\xbf\0 \t\r\n"
_WITH_BODY: Final = ("response", "resource", "conversion")


def read(
    path: Path,
    *,
    max_body_bytes: int = MAX_BODY_BYTES,
    skip: Container[int] = (),
    reached: Callable[[int], None] = unwatched,
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
        for cut in _cuts(_checked(path, file), max_body_bytes, reached):
            if cut.reason is not None:
                yield _refused(cut, cut.reason, cut.note)
            elif cut.offset in skip:
                yield _record(cut, b"", None, "", ())
            else:
                yield _judged(cut, max_body_bytes)


def _cuts(packed: Packed, limit: int, reached: Callable[[int], None]) -> Iterator[Cut]:
    start = packed.start
    while start < packed.size:
        start, known = yield from cut_members(packed, start, limit, reached)
        start = yield from Cutter(packed, start, limit, reached).cuts(known)


def _checked(path: Path, file: BinaryIO) -> Packed:
    """Say how the file is packed; refuse what holds no WARC record at its start."""
    try:
        packed = open_packed(file)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if packed.start == packed.size:
        raise ValueError(f"{path}: is empty, wanted a WARC file")
    window = Window(packed, packed.start)
    starts = window.starts_record(window.passed_padding(0))
    head = bytes(window.content[:512])
    plain = head[:16]
    if plain.startswith(b"filedesc:"):
        raise ValueError(
            f"{path}: is an ARC file, wanted WARC; convert it first, for example with warcio recompress"
        )
    if window.damage and needs_dictionary(packed):
        raise ValueError(f"{path}: needs a zstd dictionary that is not in it, wanted one in its first frame")
    if not starts and (plain or packed.packing == "none"):
        refuse_no_warc(path, head)
        raise ValueError(f"{path}: starts with {plain!r} (packing {packed.packing}), wanted a WARC record")
    return packed  # a damaged first member is a reject like any other


def _judged(cut: Cut, limit: int) -> Record | Reject:
    """Return the page a record holds, or why it holds none."""
    fields = cut.fields
    kind = (fields.get(WarcHeader.WARC_TYPE) or "").lower()
    if kind not in _WITH_BODY:
        return _refused(cut, "record_type", kind or "no type")
    if broken_off := _broken_off(cut):
        return _refused(cut, "truncated", broken_off)
    if kind == "response":
        return _page_of_answer(cut, limit)
    named = media_type(fields.get(WarcHeader.CONTENT_TYPE))
    if named and named not in PAGE_TYPES:
        return _refused(cut, "media_type", named)
    return _page(cut, cut.block, named, "utf-8" if kind == "conversion" else None, ())


def _broken_off(cut: Cut) -> str:
    """Say how a record tells that it is not the whole of what was fetched; '' where it does not."""
    fields = cut.fields
    if cut_off := fields.get(WarcHeader.WARC_TRUNCATED):
        return cut_off
    segment, total = (
        fields.get(WarcHeader.WARC_SEGMENT_NUMBER),
        fields.get(WarcHeader.WARC_SEGMENT_TOTAL_LENGTH),
    )
    if segment and (segment != "1" or total != str(len(cut.block))):
        return f"segment {segment} of a record in several"
    return ""


def _page_of_answer(cut: Cut, limit: int) -> Record | Reject:
    kind = cut.fields.get(WarcHeader.CONTENT_TYPE) or ""
    answer = answer_in(cut.block)
    if not kind.lower().startswith("application/http") and (kind or answer.status is None):
        return _refused(cut, "media_type", kind)
    if answer.status is None and cut.block[:256].lstrip(_BEFORE_TAG).startswith(b"<"):
        return _page(cut, cut.block, "", None, ())  # HTTP/0.9 has no heads
    if answer.status != 200:
        note = (
            str(answer.status)
            if answer.status is not None
            else f"no status line, but {first_line_of(cut.block)!r}"
        )
        return _refused(cut, "http_status", note if cut.block else "no status line")
    return _page_of_body(cut, answer, limit)


def _page_of_body(cut: Cut, answer: Answer, limit: int) -> Record | Reject:
    fields = answer.fields
    named, charset = _type_and_charset(fields.joined("content-type"))
    if named and named not in PAGE_TYPES:
        return _refused(cut, "media_type", named)
    transfer, content = fields.joined("transfer-encoding"), fields.joined("content-encoding")
    try:
        body = unwrapped(cut.block[answer.body :], transfer, content, max_bytes=limit)
    except BodyError as fault:
        return _refused(cut, fault.reason, fault.note)
    said = fields.every(*HEADERS) if fields.any_of(HEADERS) else ()
    return _page(cut, body, named, charset, said)


@lru_cache(maxsize=64)
def _type_and_charset(value: str | None) -> tuple[str, str | None]:
    """Read a Content-Type; kept, since a crawl has few of them, and reading one takes a tenth of a page's time."""
    return media_type(value), charset_of(value)


def _page(
    cut: Cut, body: bytes, named: str, charset: str | None, said: tuple[tuple[str, str], ...]
) -> Record | Reject:
    """Return the record of a body whose type may be missing or a lie."""
    if not body:
        return _refused(cut, "empty_body", "")
    found = named or "text/html"
    if not is_html(body):
        found = page_type(named, body, media_type(cut.fields.get(WarcHeader.WARC_IDENTIFIED_PAYLOAD_TYPE)))
    if found not in PAGE_TYPES:
        return _refused(cut, "media_type", found)
    return _record(cut, body, charset, found, said)


def _record(
    cut: Cut, body: bytes, charset: str | None, kind: str, said: tuple[tuple[str, str], ...]
) -> Record:
    url = uri_of(cut.fields)
    return Record(
        record_id=printable(cut.fields.get(WarcHeader.WARC_RECORD_ID)),
        offset=cut.offset,
        length=cut.length,
        url=url,
        host=host_of(url),
        fetched=printable(cut.fields.get(WarcHeader.WARC_DATE)),
        body=body,
        header_charset=charset,
        content_type=kind,
        said=said,
    )


def _refused(cut: Cut, reason: Reason, note: str) -> Reject:
    fields = cut.fields
    return Reject(
        record_id=printable(fields.get(WarcHeader.WARC_RECORD_ID)),
        offset=cut.offset,
        length=cut.length,
        url=uri_of(fields),
        reason=reason,
        note=note if note.isprintable() else printable(note),
    )
