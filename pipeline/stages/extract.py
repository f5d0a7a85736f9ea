"""extract: WARC records to documents: checks, charset, language gate, main text, normalisation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from itertools import islice
from typing import Annotated, Any, Literal

import xxhash
from pydantic import Field

from kakehi.filters.decoding.charset import decode
from kakehi.filters.decoding.decoded import Decoded
from kakehi.filters.decoding.gate import looks_japanese
from kakehi.filters.page.consent import TRAINING, said_in_headers, said_in_page
from kakehi.filters.page.html import Extractor, PageError, Ruby, main_text
from kakehi.pipeline.errors import ContractError, ParameterError
from kakehi.pipeline.sources.documents import Collector, Normalisation
from kakehi.pipeline.sources.formats import warc
from kakehi.pipeline.sources.formats.records import Record
from kakehi.pipeline.sources.split import Rows, Split, unwatched
from kakehi.pipeline.stages.stage import Stage

GATE = "extract:language"

#: Robots whose part of a page's words is ours.
_NAMED = frozenset(name.lower() for name in ("kakehi", *TRAINING))


def extract(
    split: Split,
    *,
    language: Literal["ja"] | None = None,
    sample_rejects: Annotated[int, Field(ge=0)] = 10_000,
    extractor: Extractor = "resiliparse",
    ruby: Ruby = "drop",
    normalise: Normalisation = Normalisation(),  # noqa: B008 - frozen
    rejects: Literal["rows", "counts"] = "rows",
) -> Iterator[Rows]:
    """Read WARC records, keep pages, and take their main text.

    Args:
        split: one WARC file.
        language: `ja` rejects, before extraction, pages without enough kana; null extracts all.
        sample_rejects: one page in so many, chosen by hash of its record id, passes the gate all the same, with the
            gate's objection as its verdict, so that the report can show what the gate costs; 0 for none.
        extractor: `resiliparse` is fast; `trafilatura` looks for the main text once more and needs the extra `precise`.
        ruby: `drop` the reading over a word, or write it in `brackets`: 漢字《かんじ》.
        normalise: level of normalisation, and rules to leave out.
        rejects: a row for every rejected record, or `counts` only (on the web nineteen of twenty are rejected).
    """
    if split.file is None:
        raise ContractError("extract: got a dataset, wanted a WARC file")
    records = warc.read(split.file.path, skip=split.skip, reached=split.reached)
    collector = Collector(
        split._replace(reached=unwatched),  # the reader knows sooner, before it looks at a record
        normalisation=Normalisation.model_validate(normalise),
        rejects=rejects,
    )
    yield from collector.batches(
        islice(records, split.limit),
        lambda record: _take(collector, record, language, sample_rejects, extractor, ruby),
    )


def _take(
    collector: Collector,
    record: Record,
    language: str | None,
    sample_rejects: int,
    extractor: Extractor,
    ruby: Ruby,
) -> None:
    place = (record.offset, record.length)
    body = record.body or b""
    decoded = decode(body, record.header_charset)
    html = decoded.utf8(body)
    japanese = language is None or (looks_japanese(html) and not decoded.dubious)
    gate = None if japanese else GATE
    if gate and not _sampled(record, sample_rejects):
        collector.reject(place, "language", record_id=record.record_id, url=record.url)
        return
    try:
        title, text = _texts(record, decoded, html, extractor, ruby)
    except PageError as refused:
        collector.reject(place, refused.reason, record_id=record.record_id, url=record.url, note=str(refused))
        return
    collector.add(
        place,
        record_id=record.record_id,
        text=text,
        title=title,
        url=record.url,
        fetched=record.fetched,
        codec=decoded.codec,
        codec_from=decoded.codec_from,
        replaced=decoded.replaced,
        gate=gate,
        consent=_consent(record, html),
    )


def _consent(record: Record, html: bytes) -> list[str] | None:
    """Say what a record tells robots, and those who train models, in its headers and its head."""
    said = said_in_headers(record.said, _NAMED)
    if record.content_type != "text/plain":
        said += said_in_page(html, _NAMED)  # 15 µs a page of 20 KB, where taking its main text takes 455
    return [one.worded() for one in said] or None


def _texts(
    record: Record, decoded: Decoded, html: bytes, extractor: Extractor, ruby: Ruby
) -> tuple[str | None, str]:
    if record.content_type == "text/plain":
        return record.title, decoded.text
    page = main_text(html, extractor=extractor, ruby=ruby)
    return page.title or None, page.text


def _sampled(record: Record, one_in: int) -> bool:
    name = record.record_id or f"{record.url}\0{record.offset}"
    return one_in > 0 and xxhash.xxh3_64_intdigest(name.encode()) % one_in == 0


def _libraries(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Name what decides the bytes; say at once, and not in a worker, that an extractor is missing."""
    always = ("fastwarc", "puremagic", "resiliparse", "xxhash")
    if parameters["extractor"] != "trafilatura":
        return always
    if find_spec("trafilatura") is None:
        raise ParameterError(
            "extract.extractor: got 'trafilatura', which is not installed",
            hint="pip install 'kakehi[precise]', or leave extractor out for resiliparse",
        )
    return (*always, "lxml", "trafilatura")


def _kernels(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    return ("html", "normalise", *(["gate"] if parameters["language"] else []))


STAGE = Stage(
    run=extract,
    shape="source",
    writes="documents",
    version=4,
    libraries=_libraries,
    kernels=_kernels,
)
