"""Choose rows of an archive's index: Common Crawl's columnar one (Parquet), CDXJ or CDX lines, plain or gzip.

All of them become batches of the same columns, which one filter is put to; Parquet files are asked with it, so that what it
leaves out is not read. Nothing here holds more than a few batches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import islice
from operator import and_, or_
from pathlib import Path
from typing import Annotated, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.sources.archive.cdx import COLUMNS, read_lines
from kakehi.pipeline.sources.archive.transports import is_safe
from kakehi.pipeline.sources.split import listed

#: Rows that are looked at together.
BATCH_ROWS: Final = 1 << 16

#: What a chosen row says: where the record lies in the archive, and what is known of it.
CHOSEN: Final = pa.schema(
    [
        pa.field("url", pa.string()),
        pa.field("archive", pa.string(), nullable=False),  # file of the archive
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("length", pa.int64(), nullable=False),
        pa.field("digest", pa.string()),  # of the payload, base32 of its SHA-1
    ]
)

_PLACE: Final = ("warc_filename", "warc_record_offset", "warc_record_length")


def _pattern(value: str | None) -> str | None:
    """Check a regular expression by the library that will use it."""
    if value is not None:
        try:
            pc.match_substring_regex(pa.array([""]), value)
        except pa.ArrowInvalid as error:
            raise ValueError(f"is no RE2 expression ({error})") from error
    return value


Names = Annotated[list[str], BeforeValidator(listed)]
Language = Annotated[str, Field(pattern="^[a-z]{3}$")]


class Select(BaseModel):
    """Which rows of an index are chosen: those that all of these say yes to; an empty list says yes.

    Args:
        languages: ISO 639-3 codes, one of which a row's languages hold.
        unlabelled_tlds: top-level domains whose rows are taken where the index names no language.
        tlds: top-level domains.
        hosts: host names; with a leading dot all hosts below.
        mimes: media types, as they were detected, or as the server named them where nobody looked.
        statuses: HTTP status codes.
        crawls: names of crawls, as they stand in the archive's file names.
        url: a regular expression (RE2) found in the URL, or None.
        max_record_mb: MiB of a record, packed or unpacked; a longer one is missing.
        max_gb: gigabytes of records, the first ones in the order of fetching, or None for all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    languages: Annotated[list[Language], BeforeValidator(listed)] = []
    unlabelled_tlds: Names = ["jp"]
    tlds: Names = []
    hosts: Names = []
    mimes: Names = ["text/html", "application/xhtml+xml"]
    statuses: list[int] = [200]
    crawls: Names = []
    url: Annotated[str | None, AfterValidator(_pattern)] = None
    max_record_mb: Annotated[int, Field(ge=1, le=1024)] = 64
    max_gb: Annotated[float | None, Field(gt=0, le=1e6)] = None

    @property
    def max_record_bytes(self) -> int:
        """Give the bytes that a record may have at most."""
        return self.max_record_mb << 20

    @property
    def max_bytes(self) -> int | None:
        """Give the bytes that all records may have together, or None."""
        return None if self.max_gb is None else int(self.max_gb * 10**9)

    def filter(self, columns: frozenset[str]) -> pc.Expression:
        """Say it as a filter over the columns that an index has."""
        asked = [
            self._languages(columns),
            _one_of("url_host_tld", self.tlds),
            _any(_host(host) for host in self.hosts),
            _mime(columns).isin(list(self.mimes)) if self.mimes else None,
            _one_of("fetch_status", self.statuses),
            _any(pc.match_substring(pc.field("warc_filename"), f"/{crawl}/") for crawl in self.crawls),
            pc.match_substring_regex(pc.field("url"), self.url) if self.url else None,
        ]
        return reduce(and_, [each for each in asked if each is not None], pc.scalar(True))

    def _languages(self, columns: frozenset[str]) -> pc.Expression | None:
        if not self.languages:
            return None
        unlabelled = _one_of("url_host_tld", self.unlabelled_tlds)
        if "content_languages" not in columns:
            return pc.scalar(False) if unlabelled is None else unlabelled
        found = pc.field("content_languages")
        named = reduce(or_, (pc.match_substring(found, language) for language in self.languages))
        return named if unlabelled is None else pc.if_else(found.is_null(), unlabelled, named)


@dataclass(kw_only=True)
class Index:
    """Files of an index, read row by row.

    Args:
        files: of the index.
        select: which rows.
        rows: looked at so far.
        broken: rows that name no place a record could lie at, by reason.
    """

    files: tuple[Path, ...]
    select: Select
    rows: int = 0
    broken: Counter[str] = field(default_factory=Counter)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the chosen rows, in the order of files and rows.

        Raises:
            DataError: a file is no index.
        """
        for path in self.files:
            read = self._parquet if path.suffix == ".parquet" else self._lines
            for batch in read(path):
                sound = self._sound(batch)
                if sound.num_rows:
                    yield sound

    def _parquet(self, path: Path) -> Iterator[pa.RecordBatch]:
        import pyarrow.dataset as ds  # noqa: PLC0415 - it imports pandas, 0.3 s that `check` and `plan` need not spend

        try:
            index = ds.dataset(path, format="parquet")
            # A column without any value has the type null, which nothing can be compared with.
            index = index.replace_schema(
                pa.schema(
                    [
                        field.with_type(COLUMNS.get(field.name, field.type))
                        if pa.types.is_null(field.type)
                        else field
                        for field in index.schema
                    ]
                )
            )
            names = frozenset(index.schema.names)
            _check_columns(path, names)
            self.rows += index.count_rows()
            yield from index.scanner(
                columns={name: pc.field(name).cast(COLUMNS[name]) for name in COLUMNS if name in names},
                filter=self.select.filter(names),
                batch_size=BATCH_ROWS,
                batch_readahead=1,  # 16 by default: 16 row groups' worth of columns in memory
                fragment_readahead=1,
                fragment_scan_options=ds.ParquetFragmentScanOptions(
                    use_buffered_stream=True, pre_buffer=False
                ),
            ).to_batches()
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path}: is no index in Parquet: {str(error).splitlines()[0]}") from error

    def _lines(self, path: Path) -> Iterator[pa.RecordBatch]:
        schema = pa.schema(list(COLUMNS.items()))
        wanted = self.select.filter(frozenset(COLUMNS))
        lines = read_lines(path)
        while some := list(islice(lines, BATCH_ROWS)):
            self.rows += len(some)
            rows = [row for row in some if row is not None]
            self.broken["broken_line"] += len(some) - len(rows)
            yield from pa.Table.from_pylist(rows, schema).filter(wanted).combine_chunks().to_batches()

    def _sound(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Keep rows that name a place a record can lie at, and count the others."""
        names, offset, length = (batch.column(name) for name in _PLACE)
        told = pc.and_(pc.is_valid(names), pc.and_(pc.is_valid(offset), pc.is_valid(length)))
        unsafe = [name for name in names.unique().to_pylist() if name is not None and not is_safe(name)]
        named = pc.invert(pc.is_in(names, pa.array(unsafe, pa.string())))
        long = pc.greater(length, self.select.max_record_bytes)
        inside = pc.and_(pc.greater_equal(offset, 0), pc.less(offset, 1 << 53))
        ranged = pc.fill_null(pc.and_(inside, pc.greater(length, 0)), False)
        keep = told
        asked = {"bad_name": named, "bad_range": ranged, "too_large": pc.invert(long)}
        for reason, answer in asked.items():
            fits = pc.fill_null(answer, False)
            self.broken[reason] += pc.sum(pc.and_(keep, pc.invert(fits))).as_py() or 0
            keep = pc.and_(keep, fits)
        self.broken["no_place"] += batch.num_rows - (pc.sum(told).as_py() or 0)
        every = ("url", *_PLACE, "content_digest")
        columns = [
            batch.column(name) if name in batch.schema.names else pa.nulls(batch.num_rows) for name in every
        ]
        table = pa.table(
            [column.cast(kind) for column, kind in zip(columns, CHOSEN.types, strict=True)], CHOSEN.names
        )
        return pa.RecordBatch.from_arrays(
            [column.combine_chunks() for column in table.filter(keep).columns], schema=CHOSEN
        )


def _check_columns(path: Path, names: frozenset[str]) -> None:
    lacking = [name for name in ("url", *_PLACE) if name not in names]
    if lacking:
        raise DataError(
            f"{path}: has no column {lacking[0]!r}",
            hint="wanted Common Crawl's columnar index, or CDXJ lines",
        )


def _mime(columns: frozenset[str]) -> pc.Expression:
    """Say by what a media type is judged: what was detected, else what the server said."""
    found = [pc.field(name) for name in ("content_mime_detected", "content_mime_type") if name in columns]
    return pc.coalesce(*found) if len(found) == 2 else found[0] if found else pc.scalar(None)


def _host(host: str) -> pc.Expression:
    name = pc.field("url_host_name")
    return pc.ends_with(name, host) if host.startswith(".") else name == host


def _one_of(column: str, values: Sequence[Any]) -> pc.Expression | None:
    return pc.field(column).isin(list(values)) if values else None


def _any(asked: Iterator[pc.Expression]) -> pc.Expression | None:
    every = list(asked)
    return reduce(or_, every) if every else None
