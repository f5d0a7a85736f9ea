"""ingest: JSONL, Parquet, plain text or a Hugging Face dataset to documents, through a field map."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Literal

from kakehi.filters.decoding.charset import decode
from kakehi.filters.page.aozora import read_aozora
from kakehi.filters.page.html import Ruby
from kakehi.pipeline.sources.documents import Collector, Normalisation
from kakehi.pipeline.sources.formats import aozora, open_records
from kakehi.pipeline.sources.formats.records import Reading, Record
from kakehi.pipeline.sources.split import Rows, Split
from kakehi.pipeline.stages.stage import Stage

Column = Literal["text", "id", "url", "title", "fetched", "id?", "url?", "title?", "fetched?"]


def ingest(
    split: Split,
    *,
    format: Literal["auto", "jsonl", "parquet", "plain", "aozora"] = "auto",  # noqa: A002 - the manifest's word
    fields: dict[Column, str] = {"text": "text"},  # noqa: B006 - pydantic copies defaults
    ruby: Ruby = "drop",
    accept_broken: bool = False,
    normalise: Normalisation = Normalisation(),  # noqa: B008 - frozen
    rejects: Literal["rows", "counts"] = "rows",
) -> Iterator[Rows]:
    """Read records that are text already.

    Args:
        split: one file, or a dataset.
        format: `auto` goes by the file's name: .jsonl .json .parquet .txt, each of the first with .gz or .zst. `aozora`
            is asked for by name: text files with the markup of Aozora Bunko, or zip files of them.
        fields: our column to the input's key, or keys joined by dots; `text` is required, `id` makes documents findable by
            their own id, and `url?` says that no record need have one.
        ruby: of `aozora`: `drop` the reading behind a word, or leave it there in its `brackets`.
        accept_broken: of a file of lines or text that breaks off, or whose packing is damaged, keep what is sound, with one
            reject for the rest, instead of an error.
        normalise: level of normalisation, and rules to leave out; `archive` for code, where spaces carry meaning.
        rejects: a row for every rejected record, or `counts` only.
    """
    collector = Collector(split, normalisation=Normalisation.model_validate(normalise), rejects=rejects)
    named = {str(ours): theirs for ours, theirs in fields.items()}
    reading = Reading(
        accept_broken=accept_broken, max_window_bytes=split.memory_bytes // 2, counts=collector.counts
    )
    records = islice(open_records(split, format, named, reading), split.limit)
    yield from collector.batches(records, lambda record: _take(collector, record, ruby))


def _take(collector: Collector, record: Record, ruby: Ruby) -> None:
    title = record.title
    text, codec, codec_from, replaced = record.text, "utf-8", "format", 0
    if text is None:
        text, codec, codec_from, replaced = decode(record.body or b"", record.header_charset)
    if record.content_type == aozora.MEDIA_TYPE:
        title, text, unknown = read_aozora(text, ruby=ruby)
        replaced += unknown
    collector.add(
        (record.offset, record.length),
        record_id=record.record_id,
        text=text,
        title=title,
        url=record.url,
        fetched=record.fetched,
        codec=codec,
        codec_from=codec_from,
        replaced=replaced,
    )


STAGE = Stage(
    run=ingest,
    shape="source",
    writes="documents",
    version=4,
    libraries=("xxhash",),
    kernels=("normalise",),
    aside=("accept_broken",),
)
