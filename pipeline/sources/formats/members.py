"""Cut files in which every record fills a member of its own, or is not packed, as crawlers write them, by fastwarc."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Final, NamedTuple

from fastwarc.stream_io import GzipReader, ZstdReader
from fastwarc.warc import ArchiveIterator, WarcHeader, WarcRecord, WarcRecordType

from kakehi.pipeline.sources.formats.heads import Named
from kakehi.pipeline.sources.formats.packed import Packed
from kakehi.pipeline.sources.formats.records import Reason
from kakehi.pipeline.sources.formats.window import Window

_PIECE_BYTES: Final = 1 << 16


class Cut(NamedTuple):
    """A record, or a stretch that is none and then says why: its place, and what its head and its block hold."""

    offset: int
    length: int
    fields: Named
    block: bytes
    reason: Reason | None = None
    note: str = ""


def cut_members(
    packed: Packed, start: int, limit: int, reached: Callable[[int], None]
) -> Generator[Cut, None, tuple[int, int]]:
    """Yield records from a place on, as long as each fills a member, or a stretch, that another record follows.

    Returns:
        Where to cut by content, and how many of the records from there on were yielded.
    """
    packed.file.seek(start)
    reader = _reader(packed)
    place, count = start, 0
    held: tuple[Named, bytes] | None = None
    records = ArchiveIterator(reader or packed.file, parse_http=False, stream_detect=False, fsspec_args=False)
    try:
        for raw in records:
            behind = reader.frame_start_position() if reader else raw.stream_pos
            if held is not None:
                if behind is None or behind <= place:
                    break
                yield Cut(place, behind - place, *held)
                count += 1
                place, held = behind, None
            reached(place)
            block = _block(raw, reader, place, limit)
            if block is None:
                break
            held = (raw.headers, block)
    except OSError:
        pass  # it is unpacked once more, and what is wrong is said there
    return (place, 0) if _starts_record(packed, place) else (start, count)


def _reader(packed: Packed) -> GzipReader | ZstdReader | None:
    if packed.packing == "gzip":
        return GzipReader(packed.file, fsspec_args=False)
    if packed.packing == "zstd":
        return ZstdReader(packed.file, fsspec_args=False, dictionary=packed.dictionary)
    return None


def _block(raw: WarcRecord, reader: GzipReader | ZstdReader | None, place: int, limit: int) -> bytes | None:
    """Return the block of a record whose head is as most are, and that ends in the member it starts in; or None."""
    left = raw.content_length
    if left > limit or raw.record_type == WarcRecordType.unknown:
        return None
    if not left and raw.headers.get(WarcHeader.CONTENT_LENGTH) != "0":
        return None  # none is named
    if left <= _PIECE_BYTES:
        block = raw.reader.read()
        return (
            block if len(block) == left and (not reader or reader.frame_start_position() == place) else None
        )
    parts = []
    while left:
        parts.append(raw.reader.read(min(left, _PIECE_BYTES)))
        left -= len(parts[-1])
        if not parts[-1] or (reader and reader.frame_start_position() != place):
            return None
    return b"".join(parts)


def _starts_record(packed: Packed, place: int) -> bool:
    """Say whether a record starts with the member at a place, not within it; nothing speaks against a broken one."""
    window = Window(packed, place)
    return window.starts_record(window.passed_padding(0)) or (not window.content and bool(window.damage))
