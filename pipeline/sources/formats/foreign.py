"""Tell what a file is that is not what it was given as, and what to do with it."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from kakehi.pipeline.sources.formats.compressed import CHUNK_BYTES


class Foreign(NamedTuple):
    """What a file is, and the way to read it."""

    kind: str
    way_out: str


_UNPACK: Final = "unpack it first, and name the files in it"
_REPACK: Final = "unpack it first, or pack it anew with gzip or zstd"
_EXTRACT: Final = "a source of WARC files is read by extract instead of ingest"
_ARROW: Final = "dataset: arrow with data_files reads it"
_TWICE: Final = "it is packed twice: unpack it once"

#: Beginnings that say what a file is, whatever it is called.
_BEGINNINGS: Final[tuple[tuple[bytes, Foreign], ...]] = (
    (b"PAR1", Foreign("a Parquet file", "format: parquet, or a name that ends in .parquet")),
    (b"PK\x03\x04", Foreign("a zip file", _UNPACK)),
    (b"PK\x05\x06", Foreign("an empty zip file", "leave it out with skip")),
    (b"PK\x07\x08", Foreign("a zip file in parts", _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", Foreign("a 7z file", _UNPACK)),
    (b"Rar!\x1a\x07", Foreign("a rar file", _UNPACK)),
    (b"BZh", Foreign("packed by bzip2", _REPACK)),
    (b"\xfd7zXZ\0", Foreign("packed by xz", _REPACK)),
    (b"\x04\x22\x4d\x18", Foreign("packed by lz4", _REPACK)),
    (b"\x1f\x9d", Foreign("packed by compress", _REPACK)),
    (b"\x1f\x8b\x08", Foreign("packed by gzip twice", _TWICE)),
    (b"\x28\xb5\x2f\xfd", Foreign("packed by zstd twice", _TWICE)),
    (b"WARC/", Foreign("a WARC file", _EXTRACT)),
    (b"filedesc:", Foreign("an ARC file", "convert it to WARC first, for example with warcio recompress")),
    (b"ARROW1\0\0", Foreign("an Arrow file", _ARROW)),
    (b"\xff\xff\xff\xff", Foreign("a stream of Arrow", _ARROW)),
    (b"Obj\x01", Foreign("an Avro file", "convert it to JSON lines or Parquet first")),
    (b"ORC", Foreign("an ORC file", "convert it to Parquet first")),
    (b"SQLite format 3\0", Foreign("an SQLite database", "export its table as JSON lines first")),
    (b"\x89HDF\r\n", Foreign("an HDF5 file", "convert it to JSON lines or Parquet first")),
    (b"%PDF-", Foreign("a PDF", "PDF is not read; take its text out first")),
    (
        b"version https://git-lfs.github.com/spec/",
        Foreign("a pointer of Git LFS, not the file itself", "git lfs pull fetches the file"),
    ),
)
_TAR_MARK: Final = slice(257, 262)
_TAR: Final = Foreign("a tar archive", _UNPACK)
_ZEROS: Final = Foreign(
    "nothing but zeros", "its content was never written: fetch it again, or leave it out with skip"
)

_ARRAY: Final = Foreign(
    "one JSON array", "jq -c '.[]' makes lines of it; or dataset: json with data_files reads it"
)
_SPREAD: Final = Foreign("JSON spread over several lines", "jq -c . makes one line of each object")
_UTF16: Final = Foreign("UTF-16", "iconv -f UTF-16 -t UTF-8 makes UTF-8 of it")
_UTF32: Final = Foreign("UTF-32", "iconv -f UTF-32 -t UTF-8 makes UTF-8 of it")
_MARKUP: Final = Foreign(
    "HTML or XML",
    "pages are read from WARC files, by extract; an error page saved in place of the file is fetched again",
)
_TABLE: Final = Foreign("a table", "dataset: csv with data_files reads one with commas")
_LINES: Final = Foreign("JSON lines", "ingest reads it: format: jsonl, or a name that ends in .jsonl")

_QUOTES: Final = "\"' \ufeff"


def foreign(head: bytes) -> Foreign | None:
    """Tell by the first bytes of what a file holds that it is an archive, a packed file or a binary format."""
    for beginning, told in _BEGINNINGS:
        if head.startswith(beginning) and (beginning != b"BZh" or head[4:10] == b"1AY&SY"):
            return told
    if head[_TAR_MARK] == b"ustar":
        return _TAR
    return _ZEROS if head and not head.strip(b"\0") else None


def refuse_no_text(path: Path, head: bytes) -> None:
    """Refuse to read as text what is an archive or a binary format.

    Raises:
        ValueError: saying what it is, and the way out.
    """
    _refuse(path, foreign(head), "text")


def refuse_no_parquet(path: Path, head: bytes) -> None:
    """Refuse as Parquet what is told to be another format.

    Raises:
        ValueError: saying what it is, and the way out.
    """
    if not head.startswith(b"PAR1"):
        told = _LINES if head.lstrip().startswith(b"{") else foreign(head)
        _refuse(path, told, "Parquet")


def refuse_no_warc(path: Path, head: bytes) -> None:
    """Refuse as WARC what is told to be another format.

    Raises:
        ValueError: saying what it is, and the way out.
    """
    bare = head.removeprefix(codecs.BOM_UTF8).lstrip()
    told = _MARKUP if bare.startswith(b"<") else _LINES if bare.startswith(b"{") else foreign(head)
    _refuse(path, told, "a WARC file")


def refuse_no_lines(path: Path, head: bytes, keys: Iterable[str]) -> None:
    """Refuse as JSON lines what holds none; a broken line among others is no reason.

    Args:
        path: for the message.
        head: the first bytes of what the file holds.
        keys: that its lines should have; a header of these is a table's.

    Raises:
        ValueError: saying what it is, and the way out.
    """
    _refuse(path, foreign(head) or _in_utf(head), "JSON lines")
    plain = head.strip(b"\0 \t\r\n").removeprefix(codecs.BOM_UTF8).lstrip()
    lines = [line.rstrip() for line in plain.splitlines() if line.strip()]
    if not lines:
        return
    _refuse(path, _other_text(plain, lines, keys), "JSON lines")
    whole = len(lines) > 1 or len(head) < CHUNK_BYTES
    if whole and not any(line.startswith(b"{") for line in lines):
        raise ValueError(
            f"{path}: holds no JSON object where it begins, wanted one a line; "
            f"starts with {lines[0][:24]!r}\n"
            "hint: format says what the files are, where their names do not"
        )


def _other_text(plain: bytes, lines: list[bytes], keys: Iterable[str]) -> Foreign | None:
    """Tell what text is that is no line of JSON after another, by its beginning."""
    objects = (
        place for place, line in enumerate(lines) if _is_object(line)
    )  # what lies in others is indented
    first, second = next(objects, None), next(objects, None)
    if plain.startswith(b"["):  # of an array with an object a line, the last one looks like a line too
        among_lines = second is not None or first == len(lines) - 1
        alone = b"{" not in lines[0] and len(lines) > 1 and _is_json(lines[0])
        return None if among_lines or alone else _ARRAY
    if first is not None:
        return None
    if plain.startswith(b"{"):
        return _SPREAD if lines[0] == b"{" or _spans_lines(plain) else None
    if re.match(rb"<(!doctype|!--|\?xml|[a-z]+[ >])", plain, re.IGNORECASE):
        return _MARKUP
    cells = [cell.strip(_QUOTES) for cell in re.split(r"[,;\t]", lines[0].decode(errors="replace"))]
    return _TABLE if set(cells) & set(keys) else None


def _in_utf(head: bytes) -> Foreign | None:
    """Tell UTF-16 and UTF-32 by their mark, or by the zeros beside a brace."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, b"{\0\0\0", b"\0\0\0{")):
        return _UTF32
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"{\0", b"\0{")):
        return _UTF16
    return None


def _is_object(line: bytes) -> bool:
    return line.startswith(b"{") and line.endswith(b"}") and _is_json(line)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _spans_lines(plain: bytes) -> bool:
    """Say whether the first object has its end in a later line than its beginning."""
    try:
        _, end = json.JSONDecoder().raw_decode(plain.decode(errors="replace"))
    except (ValueError, RecursionError):
        return False
    return "\n" in plain.decode(errors="replace")[:end]


def _refuse(path: Path, told: Foreign | None, wanted: str) -> None:
    if told is not None:
        raise ValueError(f"{path}: is {told.kind}, wanted {wanted}\nhint: {told.way_out}")
