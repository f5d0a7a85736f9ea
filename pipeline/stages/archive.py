"""archive: what a manifest asks for of a web archive, by its index or whole files, to WARC files of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import AfterValidator, Field

from kakehi.pipeline.errors import ManifestError
from kakehi.pipeline.sizes import format_size
from kakehi.pipeline.sources.archive.fetch_shard import Server, ShardFetch, read_names
from kakehi.pipeline.sources.archive.index import Index, Names, Select
from kakehi.pipeline.sources.archive.rate_limit import RateLimit
from kakehi.pipeline.sources.archive.select import forecast
from kakehi.pipeline.sources.archive.transports import open_transport
from kakehi.pipeline.sources.fetch import Fetch
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.addresses import digest
from kakehi.pipeline.storage.shards import InputFile, Shard, fetch_shard, find_files
from kakehi.pipeline.storage.store import Counts

#: Where Common Crawl's files lie.
COMMON_CRAWL: Final = "https://data.commoncrawl.org/"

#: Bytes at the end of an index file that it is known by: Parquet has its table of contents there, gzip its checksum.
_TAIL_BYTES: Final = 1 << 16


def _base(value: str) -> str:
    """Check that a base is one that can be asked."""
    open_transport(value, RateLimit(requests_per_s=None, bytes_per_s=None))
    return value


def archive(
    asked: Fetch,
    *,
    index: Names = [],  # noqa: B006 - never written to
    paths: Names = [],  # noqa: B006
    base: Annotated[str, AfterValidator(_base)] = COMMON_CRAWL,
    select: Select = Select(),  # noqa: B008 - frozen
    warc_mb: Annotated[float, Field(gt=0, le=1e6)] = 256.0,
    server: Server = Server(),  # noqa: B008
    missing: Annotated[float, Field(ge=0, le=1)] = 0.0,
) -> Counts:
    """Fetch the records that an index names, or whole files, and check the digest of each.

    Args:
        asked: files of one pattern of the index, or of lists of whole files.
        index: files of the index: Common Crawl's columnar one in Parquet, CDXJ or CDX lines; each pattern is a shard.
        paths: files that list whole files of the archive, a line each (`warc.paths.gz`); each pattern is a shard.
        base: where the archive's file names start: an http, https or file URL.
        select: which records of the index.
        warc_mb: MiB of records in a WARC file, about.
        server: how the archive is asked.
        missing: share of the records that may be missing in what is published.
    """
    del paths  # the shard has its files
    harvest = ShardFetch(
        asked=asked,
        select=select,
        downloader=server.downloader(base, select.max_record_bytes),
        connections=server.connections,
        unit_bytes=int(warc_mb * (1 << 20)),
        missing=missing,
    )
    return harvest.by_index() if index else harvest.whole()


def _shards(parameters: Mapping[str, Any], source: str, root: Path, limit: int | None) -> list[Shard]:
    """Make a shard of each pattern: one more brings its own records and fetches none of the others again.

    A file is known by its size and its end, not by name or time, so that a copied or touched index fetches nothing anew.

    Raises:
        ManifestError: neither an index nor paths, or both.
    """
    if bool(parameters["index"]) == bool(parameters["paths"]):
        raise ManifestError(f"source {source!r}: archive: wanted either index or paths")
    of_index = set(Select.model_fields) - {"max_record_mb"}
    if parameters["paths"] and Select(**parameters["select"]).model_dump(
        include=of_index
    ) != Select().model_dump(include=of_index):
        raise ManifestError(
            f"source {source!r}: archive: select chooses by an index, and paths take whole files",
            hint="leave out select, but for max_record_mb, or give index: instead of paths:",
        )
    found: dict[str, Shard] = {}  # two patterns of the same files are one shard
    kind = "index" if parameters["index"] else "paths"
    for pattern in parameters[kind]:
        files = find_files([pattern], root)
        identity = [kind, *sorted(f"{file.size} {_tail(file)}" for file in files)]
        made = fetch_shard(source, kind, identity, limit=limit, files=files)
        found.setdefault(made.name, made)
    return list(found.values())[: None if limit is None else 1]


def _tail(file: InputFile) -> str:
    with file.path.open("rb") as opened:
        opened.seek(max(0, file.size - _TAIL_BYTES))
        return digest(opened.read())


def _cost(asked: Shard, parameters: Mapping[str, Any]) -> Iterator[str]:
    """Say what fetching a shard will take, against fetching the same files whole."""
    if not parameters["index"]:
        yield f"{sum(len(read_names(file.path)) for file in asked.files):,} files, whole"
        return
    select, server = Select(**parameters["select"]), Server(**parameters["server"])
    index = Index(files=tuple(file.path for file in asked.files), select=select)
    cost = forecast(index, server.coalescing, limit=asked.limit, budget=select.max_bytes)
    yield (
        f"{cost.pages:,} pages of {index.rows:,}, {format_size(cost.size, 'MB')}, in {cost.requests:,} requests of {format_size(cost.wire, 'MB')}"
        f"; their {cost.files:,} files whole: {format_size(cost.whole, 'MB')}"
    )
    if server.requests_per_s is not None or server.mb_per_s is not None:
        seconds = max(
            cost.requests / (server.requests_per_s or float("inf")),
            cost.wire / ((server.mb_per_s or float("inf")) * (1 << 20)),
        )
        yield f"at the pace of server, {_time(seconds)} at least"
    if broken := sum(index.broken.values()):
        yield f"{broken:,} rows name no place a record can lie at"


def _told(folder: Path, asked: Shard, row: Mapping[str, Any]) -> Iterator[str]:
    """Say where a document, or a URL that none came of, lies in the archive, and what became of it."""
    ledger = folder / f"{asked.name}.ledger.parquet"
    if not row.get("url") or not ledger.exists():
        return
    found = pq.read_table(ledger, filters=pc.field("url") == row["url"])
    for each in found.to_pylist():
        where = f"archive     {each['archive']}, offset {each['offset']:,}"
        said = f"{each['warc']}@{each['at']}" if each["outcome"] == "ok" else f"missing: {each['outcome']}"
        if "offset" not in row or (str(row["input"]).endswith(each["warc"]) and row["offset"] == each["at"]):
            yield f"{where}: {said}"


def _time(seconds: float) -> str:
    return (
        f"{seconds / 86400:,.1f} days"
        if seconds > 2 * 86400
        else f"{seconds / 3600:,.1f} h"
        if seconds > 7200
        else f"{seconds:,.0f} s"
    )


STAGE = Stage(
    run=archive,
    shape="fetch",
    writes="warcs",
    version=1,
    aside=("index", "paths", "base", "server", "missing"),
    shards=_shards,
    cost=_cost,
    told=_told,
)
