"""Splits to records: one format a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from kakehi.pipeline.sources.formats import aozora, hub, jsonl, parquet, plain, warc
from kakehi.pipeline.sources.formats.compressed import ENDINGS
from kakehi.pipeline.sources.formats.records import Reading, Record, Reject
from kakehi.pipeline.sources.split import Split

Format = Literal["jsonl", "parquet", "plain", "aozora"]

_ENDINGS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".txt": "plain",
}

__all__ = ["Format", "aozora", "format_of", "hub", "jsonl", "open_records", "parquet", "plain", "warc"]


#: Endings of what is read otherwise, and how.
_OTHERWISE: dict[str, str] = {
    ".csv": "dataset: csv with data_files reads tables",
    ".tsv": "dataset: csv reads tables with commas: convert it first",
    ".arrow": "dataset: arrow with data_files reads Arrow",
    ".warc": "a source of WARC files is read by extract instead of ingest",
    ".wet": "a source of WARC files is read by extract instead of ingest",
    ".tar": "unpack it first, and name the files in it",
    ".tgz": "unpack it first, and name the files in it",
    ".zip": "unpack it first, and name the files in it; zip files of Aozora Bunko: format: aozora",
    ".bz2": "pack it anew with gzip or zstd",
    ".xz": "pack it anew with gzip or zstd",
}


def open_records(
    split: Split, form: Literal["auto"] | Format, fields: Mapping[str, str], reading: Reading
) -> Iterator[Record | Reject]:
    """Yield the records of a file, or of the dataset that the split's spec names.

    Args:
        split: one file, or a dataset.
        form: `auto` goes by the file's name.
        fields: our field to the input's.
        reading: what is done with a broken file, and where fields are counted.

    Raises:
        ValueError: the input can't be read, or its name tells no format.
    """
    if split.file is None:
        return hub.read(**split.spec, fields=fields, reading=reading)
    path = split.file.path
    if form == "auto":
        form = format_of(path)
    if form in {"plain", "aozora"}:
        return (plain.read if form == "plain" else aozora.read)(path, reading=reading)
    return (jsonl.read if form == "jsonl" else parquet.read)(path, fields=fields, reading=reading)


def format_of(path: Path) -> Format:
    """Return the format a file's name tells, whatever packs it.

    Raises:
        ValueError: it tells none.
    """
    name = path.with_suffix("") if path.suffix in ENDINGS else path
    if name.suffix not in _ENDINGS:
        way_out = _OTHERWISE.get(name.suffix, "format says what the files are")
        raise ValueError(
            f"{path}: its name tells no format, wanted one of {', '.join(_ENDINGS)} (then .gz or .zst)\n"
            f"hint: {way_out}"
        )
    return _ENDINGS[name.suffix]
