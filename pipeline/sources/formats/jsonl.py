"""Read JSON lines, plain or packed by gzip or zstd."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from kakehi.pipeline.sources.formats.broken import broken
from kakehi.pipeline.sources.formats.compressed import (
    CHUNK_BYTES,
    DamagedError,
    packing_of_file,
    peeked,
    unpacked,
)
from kakehi.pipeline.sources.formats.foreign import refuse_no_lines
from kakehi.pipeline.sources.formats.records import (
    FieldMap,
    Reading,
    Reason,
    Record,
    Reject,
    checked_fields,
    from_row,
)

#: A longer line is a reject: twice a WARC record's body, as a character of three bytes takes six where it is escaped.
MAX_LINE_BYTES: Final = 128 << 20


def read(
    path: Path,
    *,
    fields: Mapping[str, str],
    reading: Reading = Reading(),  # noqa: B008 - its counts are then nobody's
    max_line_bytes: int = MAX_LINE_BYTES,
) -> Iterator[Record | Reject]:
    """Yield every line that is not blank, in order; offsets and lengths are bytes of the unpacked file.

    Args:
        path: the file; how it is packed is told by its first bytes.
        fields: our field to the line's key, or keys joined by dots; `text` is required.
        reading: what is done with a broken file.
        max_line_bytes: a longer line is rejected as `too_large`, and takes no memory.

    Raises:
        ValueError: `fields` is wrong, or the file is broken or no JSON lines.
    """
    mapped = checked_fields(fields, where=str(path), counts=reading.counts)
    read, end = 0, 0
    with path.open("rb") as file:
        try:
            for offset, length, line in _lines(_content(path, file, mapped, reading), max_line_bytes):
                end = offset + length + 1
                item = _read_line(line, offset, length, mapped, max_line_bytes)
                if item is not None:
                    read += 1
                    yield item
        except DamagedError as damage:
            yield broken(path, file, damage, reading, read=read, offset=end)


def _content(path: Path, file: BinaryIO, fields: FieldMap, reading: Reading) -> Iterator[bytes]:
    """Unpack a file whose beginning looks like JSON lines."""
    packing = packing_of_file(path, file)
    head, chunks = peeked(unpacked(file, packing, max_window_bytes=reading.max_window_bytes), CHUNK_BYTES)
    refuse_no_lines(path, head, fields.paths.values())
    yield from chunks


def _lines(chunks: Iterator[bytes], max_bytes: int) -> Iterator[tuple[int, int, bytes | None]]:
    """Yield (offset, length, line without its end, or None where it is too long); a long line is joined once.

    Zeros where a line would begin are padding, and no part of it.
    """
    offset, length, parts = 0, 0, list[bytes]()
    for chunk in chunks:
        blank = not chunk.strip() and length <= max_bytes and not any(part.strip() for part in parts)
        if blank and (cut := chunk.rfind(b"\n") + 1):  # gigabytes of blank lines pack to nothing
            offset, length, parts = offset + length + cut, 0, []
            chunk = chunk[cut:]  # noqa: PLW2901 - what is left of it
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            if not piece and not length:
                offset += 1
                continue
            if length:
                parts.append(piece)
                length += len(piece)
                line = b"".join(parts) if length <= max_bytes else None
                parts = []
            else:
                line = piece.lstrip(b"\0") if piece[:1] == b"\0" else piece
                offset += len(piece) - len(line)
                length = len(line)
            yield offset, length, line
            offset, length = offset + length + 1, 0
        if rest and not length and rest[:1] == b"\0":
            offset += len(rest)
            rest = rest.lstrip(b"\0")
            offset -= len(rest)
        if rest:
            length += len(rest)
            parts.append(rest)
            if length > max_bytes:
                parts.clear()
    if length:
        yield offset, length, b"".join(parts) if length <= max_bytes else None


def _read_line(
    line: bytes | None, offset: int, length: int, fields: FieldMap, max_bytes: int
) -> Record | Reject | None:
    """Return what a line holds, None for a blank one; a byte order mark before it, or zeros behind, cost nothing."""
    if line is None or length > max_bytes:
        return _refused(offset, length, "too_large", f"a line of over {max_bytes} bytes")
    while line.startswith(codecs.BOM_UTF8):  # of a file, or of several put together
        line = line.removeprefix(codecs.BOM_UTF8)
    line = line.rstrip(b"\0\r\t ")
    if not line or line.isspace():
        return None
    try:
        row: Any = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return _refused(offset, length, "invalid_utf8", f"byte {error.start} of the line: {error.reason}")
    except json.JSONDecodeError as error:
        return _refused(offset, length, "broken_json", f"character {error.pos} of the line: {error.msg}")
    except (RecursionError, ValueError) as error:  # nested too deep; a number of too many digits
        return _refused(offset, length, "broken_json", str(error))
    if not isinstance(row, dict):
        return _refused(offset, length, "wrong_type", f"a line holds {type(row).__name__}, not an object")
    return from_row(row, fields, offset=offset, length=length)


def _refused(offset: int, length: int, reason: Reason, note: str) -> Reject:
    return Reject(record_id=None, offset=offset, length=length, reason=reason, note=note)
