"""Read a text file as one document; its charset is for the stage to find out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kakehi.pipeline.sources.formats.compressed import DamagedError, packing_of, unpacked
from kakehi.pipeline.sources.formats.records import Reason, Record, Reject

MAX_BODY_BYTES = 1 << 30


def read(path: Path, *, max_body_bytes: int = MAX_BODY_BYTES) -> Iterator[Record | Reject]:
    """Yield the one record of a text file, plain or packed by gzip or zstd, with its undecoded bytes.

    Args:
        path: the file.
        max_body_bytes: a larger file, once unpacked, is rejected as `too_large`.
    """
    parts, size = [], 0
    with path.open("rb") as file:
        packing = packing_of(file.read(4))
        file.seek(0)
        try:
            for chunk in unpacked(file, packing):
                size += len(chunk)
                if size > max_body_bytes:
                    note = f"over {max_body_bytes} bytes"
                    yield Reject(record_id=None, offset=0, length=size, reason="too_large", note=note)
                    return
                parts.append(chunk)
        except DamagedError as damage:
            reason: Reason = "broken_zstd" if packing == "zstd" else "broken_gzip"
            yield Reject(record_id=None, offset=0, length=size, reason=reason, note=str(damage))
            return
    if not size:
        yield Reject(record_id=None, offset=0, length=0, reason="empty_body")
        return
    yield Record(record_id=None, offset=0, length=size, body=b"".join(parts), content_type="text/plain")
