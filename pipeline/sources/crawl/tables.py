"""What a crawl leaves beside its WARC files: its visits, the ledger of consent, and what sites said, as Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from kakehi.pipeline.sources.crawl.frontier import Frontier
from kakehi.pipeline.storage.checked import CheckedWriter

_BATCH: Final = 10_000

VISITS: Final = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("host", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # page, sitemap
        pa.field("depth", pa.int64(), nullable=False),  # links from a seed
        pa.field("redirects", pa.int64(), nullable=False),  # that led to it, in a row
        pa.field("rank", pa.int64(), nullable=False),  # by which it waited
        pa.field("via", pa.string()),  # page that named it
        pa.field("tries", pa.int64(), nullable=False),
        pa.field("outcome", pa.string()),  # stored, revisit, or why neither
        pa.field("status", pa.int64()),
        pa.field("fetched", pa.string()),  # ISO 8601
        pa.field("bytes", pa.int64()),  # of the body as sent
        pa.field("etag", pa.string()),
        pa.field("modified", pa.string()),
        pa.field("digest", pa.string()),  # of the body as sent, as in WARC-Payload-Digest
        pa.field("original", pa.string()),  # when the body was stored: now, or by an earlier crawl
        pa.field("record", pa.string()),  # WARC-Record-ID
        pa.field("warc", pa.string()),
        pa.field("place", pa.int64()),
        pa.field("length", pa.int64()),
    ]
)

LEDGER: Final = pa.schema(
    [
        pa.field("url", pa.string(), nullable=False),
        pa.field("time", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),  # robots.txt, tdmrep.json, x-robots-tag, …
        pa.field("asked", pa.string(), nullable=False),  # fetch, store, follow
        pa.field("allowed", pa.bool_(), nullable=False),
        pa.field("evidence", pa.string(), nullable=False),  # the words that decide
        pa.field("evidence_url", pa.string(), nullable=False),  # where they stand
    ]
)

SITES: Final = pa.schema(
    [
        pa.field("origin", pa.string(), nullable=False),
        pa.field("fetched", pa.float64(), nullable=False),  # seconds since the epoch
        pa.field("robots_status", pa.int64(), nullable=False),  # 0 where no answer came
        pa.field("robots", pa.binary(), nullable=False),
        pa.field("tdmrep_status", pa.int64(), nullable=False),
        pa.field("tdmrep", pa.binary(), nullable=False),
    ]
)


def write(frontier: Frontier, table: str, schema: pa.Schema, order: str, path: Path) -> None:
    """Write one table of a crawl's own file, some rows at a time."""
    rows = frontier.rows(table, schema.names, order)
    with CheckedWriter(path, schema, compression="zstd") as writer:
        while batch := list(islice(_typed(rows), _BATCH)):
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=schema))


def _typed(rows: Iterator[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """SQLite has no truth: give it back."""
    for row in rows:
        yield {name: bool(value) if name == "allowed" else value for name, value in row.items()}
