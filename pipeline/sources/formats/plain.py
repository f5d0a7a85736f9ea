"""Read a text file as one document; its charset is for the stage to find out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kakehi.pipeline.sources.formats.broken import broken
from kakehi.pipeline.sources.formats.compressed import (
    CHUNK_BYTES,
    DamagedError,
    packing_of_file,
    peeked,
    unpacked,
)
from kakehi.pipeline.sources.formats.foreign import refuse_no_text
from kakehi.pipeline.sources.formats.records import Reading, Record, Reject

MAX_BODY_BYTES = 1 << 30


def read(
    path: Path,
    *,
    reading: Reading = Reading(),  # noqa: B008 - its counts are then nobody's
    max_body_bytes: int = MAX_BODY_BYTES,
) -> Iterator[Record | Reject]:
    """Yield the one record of a text file, plain or packed by gzip or zstd, with its undecoded bytes.

    Args:
        path: the file.
        reading: what is done with a broken file: accepted, it is one reject.
        max_body_bytes: a larger file, once unpacked, is rejected as `too_large`.

    Raises:
        ValueError: the file is broken, or an archive or another format than text.
    """
    parts, size = [], 0
    with path.open("rb") as file:
        try:
            packing = packing_of_file(path, file)
            head, chunks = peeked(
                unpacked(file, packing, max_window_bytes=reading.max_window_bytes), CHUNK_BYTES
            )
            refuse_no_text(path, head)
            for chunk in chunks:
                size += len(chunk)
                if size > max_body_bytes:
                    note = f"over {max_body_bytes} bytes"
                    yield Reject(record_id=None, offset=0, length=size, reason="too_large", note=note)
                    return
                parts.append(chunk)
        except DamagedError as damage:
            yield broken(path, file, damage, reading, read=0, offset=0, length=size)
            return
    if not size:
        yield Reject(record_id=None, offset=0, length=0, reason="empty_body")
        return
    yield Record(record_id=None, offset=0, length=size, body=b"".join(parts), content_type="text/plain")
