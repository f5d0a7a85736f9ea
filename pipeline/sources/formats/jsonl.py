"""Read JSON lines, plain or packed by gzip or zstd."""

from __future__ import annotations

import codecs
import json
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from kakehi.pipeline.sources.formats.compressed import DamagedError, packing_of, unpacked
from kakehi.pipeline.sources.formats.records import Reason, Record, Reject, checked_fields, from_row


def read(path: Path, *, fields: Mapping[str, str]) -> Iterator[Record | Reject]:
    """Yield every line that is not blank, in order; offsets and lengths are bytes of the unpacked file.

    Args:
        path: the file; how it is packed is told by its first bytes.
        fields: our field to the line's key; `text` is required.

    Raises:
        ValueError: `fields` is wrong.
    """
    fields = checked_fields(fields, where=str(path))
    with path.open("rb") as file:
        packing = packing_of(file.read(4))
        file.seek(0)
        lines = _lines(unpacked(file, packing))
        offset = 0
        try:
            while True:
                offset, line = next(lines)
                if line.strip():
                    yield _read_line(line, offset, fields)
                offset += len(line) + 1
        except StopIteration:
            return
        except DamagedError as damage:
            reason: Reason = "broken_zstd" if packing == "zstd" else "broken_gzip"
            note = f"{damage}; the rest of the file is lost"
            yield Reject(record_id=None, offset=offset, length=0, reason=reason, note=note)


def _lines(chunks: Iterator[bytes]) -> Generator[tuple[int, bytes], None, None]:
    """Yield (offset, line without its end); a long line is joined once, not chunk by chunk."""
    offset, parts = 0, list[bytes]()
    for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            line = b"".join([*parts, piece]) if parts else piece
            parts = []
            yield offset, line
            offset += len(line) + 1
        if rest:
            parts.append(rest)
    if parts:
        yield offset, b"".join(parts)


def _read_line(line: bytes, offset: int, fields: Mapping[str, str]) -> Record | Reject:
    length = len(line)
    if offset == 0:
        line = line.removeprefix(codecs.BOM_UTF8)
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
