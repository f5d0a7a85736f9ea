"""What a reader of sources is handed and gives back: splits of input, rows of documents and rejects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from kakehi.pipeline.storage.shards import InputFile
from kakehi.pipeline.storage.store import Counts


def listed(value: object) -> object:
    """Let one string stand for a list of it, before a parameter is validated."""
    return [value] if isinstance(value, str) else value


class Rows(NamedTuple):
    """What a source stage yields: rows of documents, rows of rejects, and rejects that are only counted."""

    documents: pa.RecordBatch
    rejects: pa.RecordBatch
    counts: Counts


def unwatched(offset: int) -> None:
    """Nobody asks where this reader is."""


class Split(NamedTuple):
    """A part of a source that one reader reads.

    Args:
        source: name in the manifest.
        file: the input file, or None for a dataset.
        spec: what names the dataset, else empty.
        limit: records to read at most, or None.
        skip: offsets of records that the manifest leaves out.
        memory_bytes: that reading it may take.
        reached: told the offset of every record before it is looked at.
    """

    source: str
    file: InputFile | None
    spec: Mapping[str, Any]
    limit: int | None
    skip: frozenset[int] = frozenset()
    memory_bytes: int = 4 << 30
    reached: Callable[[int], None] = unwatched

    @property
    def name(self) -> str:
        """The input's name, as `documents.input` has it."""
        return self.file.name if self.file else str(self.spec.get("dataset"))
