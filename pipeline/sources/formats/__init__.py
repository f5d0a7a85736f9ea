"""Splits to records: one format a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from kakehi.pipeline.sources.formats import aozora, hub, jsonl, parquet, plain, warc
from kakehi.pipeline.sources.formats.records import Record, Reject
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


def open_records(
    split: Split, form: Literal["auto"] | Format, fields: Mapping[str, str]
) -> Iterator[Record | Reject]:
    """Yield the records of a file, or of the dataset that the split's spec names.

    Args:
        split: one file, or a dataset.
        form: `auto` goes by the file's name.
        fields: our field to the input's.

    Raises:
        ValueError: the input can't be read, or its name tells no format.
    """
    if split.file is None:
        return hub.read(**split.spec, fields=fields)
    path = split.file.path
    if form == "auto":
        form = format_of(path)
    if form in {"plain", "aozora"}:
        return (plain.read if form == "plain" else aozora.read)(path)
    return (jsonl.read if form == "jsonl" else parquet.read)(path, fields=fields)


def format_of(path: Path) -> Format:
    """Return the format a file's name tells, whatever packs it.

    Raises:
        ValueError: it tells none.
    """
    name = path.with_suffix("") if path.suffix in {".gz", ".zst"} else path
    if name.suffix not in _ENDINGS:
        raise ValueError(
            f"{path}: its name tells no format, wanted one of {', '.join(_ENDINGS)} (then .gz or .zst)"
        )
    return _ENDINGS[name.suffix]
