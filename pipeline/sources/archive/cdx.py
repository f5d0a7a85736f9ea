"""Read an index of lines, CDXJ or CDX, plain or gzip, into rows of the columns that Common Crawl's columnar index has."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pyarrow as pa

from kakehi.pipeline.errors import DataError

#: Columns of the index that a row is judged and found by, as Common Crawl names and types them.
COLUMNS: Final = {
    "url": pa.string(),
    "url_host_name": pa.string(),
    "url_host_tld": pa.string(),
    "fetch_status": pa.int64(),
    "content_digest": pa.string(),
    "content_mime_type": pa.string(),
    "content_mime_detected": pa.string(),
    "content_languages": pa.string(),
    "warc_filename": pa.string(),
    "warc_record_offset": pa.int64(),
    "warc_record_length": pa.int64(),
}

#: CDXJ's name of each column that is not made of its URL, and its letter in CDX lines of fields.
_CDXJ: Final = {
    "url": ("url", "a"),
    "fetch_status": ("status", "s"),
    "content_digest": ("digest", "k"),
    "content_mime_type": ("mime", "m"),
    "content_mime_detected": ("mime-detected", ""),
    "content_languages": ("languages", ""),
    "warc_filename": ("filename", "g"),
    "warc_record_offset": ("offset", "V"),
    "warc_record_length": ("length", "S"),
}


def read_lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """Yield each line of an index as a row, or None where it is none.

    Raises:
        DataError: it is cut off, or no gzip.
    """
    opened = gzip.open if path.suffix == ".gz" else Path.open
    fields: list[str] | None = None
    try:
        with opened(path, "rt", encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.startswith((" CDX ", "CDX ")):
                    fields = line.split()[1:]
                elif line.strip() and not line.startswith("!"):
                    yield _row(line, fields)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: is broken: {error}", hint="fetch the index again") from error


def _row(line: str, fields: list[str] | None) -> dict[str, Any] | None:
    if fields is not None:
        values = dict(zip(fields, line.split(), strict=False))
        found: Mapping[str, Any] = {ours: values.get(letter) for ours, (_, letter) in _CDXJ.items()}
    else:
        _, brace, rest = line.partition("{")
        try:
            told = json.loads(brace + rest)
        except (ValueError, RecursionError):
            return None
        found = {ours: told.get(theirs) for ours, (theirs, _) in _CDXJ.items()}
    try:
        row = {name: _typed(value, COLUMNS[name]) for name, value in found.items()}
        host = urlsplit(str(row["url"] or "")).hostname or ""
    except ValueError:
        return None
    return {**row, "url_host_name": host, "url_host_tld": host.rpartition(".")[2] or None}


def _typed(value: object, kind: pa.DataType) -> object:
    """Read a value of a line: `-` and what is not there are null.

    Raises:
        ValueError: it is no whole number, where one is wanted.
    """
    if value is None or value == "-":
        return None
    if kind != pa.int64():
        return str(value).encode("utf-8", "replace").decode()  # half surrogates are no text
    number = int(str(value))
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError(f"got {number}, wanted 64 bits")
    return number
