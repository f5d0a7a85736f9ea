"""Read text files of Aozora Bunko, as they are or in the zip files it offers; their charset is for the stage to find out."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kakehi.pipeline.sources.formats import plain
from kakehi.pipeline.sources.formats.records import Reading, Record, Reject

MEDIA_TYPE = "text/x-aozora"


def read(
    path: Path,
    *,
    reading: Reading = Reading(),  # noqa: B008 - its counts are then nobody's
    max_body_bytes: int = plain.MAX_BODY_BYTES,
) -> Iterator[Record | Reject]:
    """Yield the works of a file: one, or each `.txt` of a zip file, with its undecoded bytes.

    Args:
        path: the file.
        reading: what is done with a broken file that is no zip.
        max_body_bytes: a larger text, once unpacked, is rejected as `too_large`.

    Raises:
        ValueError: a zip file that can't be opened; else as `plain.read`.
    """
    if not _is_zip(path):
        for item in plain.read(path, reading=reading, max_body_bytes=max_body_bytes):
            yield replace(item, content_type=MEDIA_TYPE) if isinstance(item, Record) else item
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if member.filename.lower().endswith(".txt"):
                    yield _member(archive, member, max_body_bytes)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path}: {error}") from error


def _is_zip(path: Path) -> bool:
    """Tell by the first bytes: a zip file cut short is none to `zipfile.is_zipfile`, but no text either."""
    with path.open("rb") as file:
        return file.read(4) in {b"PK\x03\x04", b"PK\x05\x06"}


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, limit: int) -> Record | Reject:
    place, length = member.header_offset, member.compress_size
    try:
        with archive.open(member) as file:
            body = file.read(limit + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        note = f"{member.filename}: {error}"
        return Reject(record_id=None, offset=place, length=length, reason="broken_zip", note=note)
    if len(body) > limit:
        note = f"{member.filename}: over {limit} bytes"
        return Reject(record_id=None, offset=place, length=length, reason="too_large", note=note)
    if not body:
        return Reject(record_id=None, offset=place, length=length, reason="empty_body", note=member.filename)
    return Record(record_id=None, offset=place, length=length, body=body, content_type=MEDIA_TYPE)
