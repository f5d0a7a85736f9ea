"""Turn texts into rows of `documents`, and what could not become one into rows of `rejects`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Literal

import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator, model_serializer, model_validator

from kakehi.filters.normalisation.normalise import settle
from kakehi.filters.normalisation.rules import rules_of
from kakehi.pipeline.errors import nearest
from kakehi.pipeline.sources.formats.records import Record, Reject, host_of
from kakehi.pipeline.sources.split import Rows, Split
from kakehi.pipeline.storage.schemas import DOCUMENTS, ID, REJECTS

#: A batch is closed at this much text (UTF-8 bytes) …
BATCH_BYTES: Final = 64 << 20
#: … or this many rows: pages of a few hundred characters would make row groups no reader wants.
BATCH_ROWS: Final = 8192

Position = tuple[int, int]


class Normalisation(BaseModel):
    """How texts are normalised; the manifest may say the level alone.

    Args:
        level: `archive` or `training`.
        without: rules of that level that are switched off.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    level: Literal["archive", "training"] = "training"
    without: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _from_short(cls, value: object) -> object:
        return {"level": value} if isinstance(value, str) else value

    @field_validator("without")
    @classmethod
    def _known(cls, without: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        level = info.data.get("level", "training")
        names = [rule.name for rule in rules_of(level)]
        unknown = [f"{name!r}{nearest(name, names)}" for name in without if name not in names]
        if unknown:
            raise ValueError(f"level {level!r} has no rule {', nor '.join(unknown)}")
        return tuple(sorted(set(without)))

    @model_serializer
    def _short(self) -> str | dict[str, object]:
        return {"level": self.level, "without": list(self.without)} if self.without else self.level


class Collector:
    """Collect documents and rejects of one split, and hand them out as batches.

    Args:
        split: whose source and file name go into every row.
        normalisation: of texts and titles.
        rejects: write a row for each, or only count them by reason.
    """

    def __init__(
        self, split: Split, *, normalisation: Normalisation, rejects: Literal["rows", "counts"]
    ) -> None:
        self._split = split
        self._input = split.name
        self._normalisation = normalisation
        self._reject_rows = rejects == "rows"
        self._counts: Counter[str] = Counter()
        self._clear()

    @property
    def counts(self) -> Counter[str]:
        """What is counted of the batch under way; readers add theirs."""
        return self._counts

    def batches(self, items: Iterable[Record | Reject], take: Callable[[Record], None]) -> Iterator[Rows]:
        """Hand out batches as items fill them: a reject is one of ours, a record is for `take` to add or reject."""
        for item in items:
            place = (item.offset, item.length)
            self._split.reached(item.offset)
            if isinstance(item, Reject):
                self.reject(place, item.reason, record_id=item.record_id, url=item.url, note=item.note)
            elif item.offset in self._split.skip:
                self.reject(place, "skipped", record_id=item.record_id, url=item.url)
            else:
                take(item)
            if self.full():
                yield from self.flush()
        yield from self.flush()

    def add(
        self,
        place: Position,
        *,
        record_id: str | None,
        text: str,
        title: str | None,
        url: str | None,
        fetched: str | None,
        codec: str | None = None,
        codec_from: str | None = None,
        replaced: int = 0,
        gate: str | None = None,
        consent: list[str] | None = None,
    ) -> None:
        """Take a text as a document."""
        self._counts["records"] += 1
        self._bytes += len(text)  # code points: a lower bound of bytes, cheap
        self._texts.append(text)
        self._titles.append(title)
        self._documents.append(
            {
                "id": self._id(record_id, place),
                "source": self._split.source,
                "url": url,
                "host": host_of(url),
                "fetched": fetched,
                "codec": codec,
                "codec_from": codec_from,
                "replaced": replaced,
                "gate": gate,
                "consent": consent,
                "input": self._input,
                "offset": place[0],
                "length": place[1],
            }
        )

    def reject(
        self, place: Position, reason: str, *, record_id: str | None, url: str | None, note: str | None = None
    ) -> None:
        """Take a record that can't become a document."""
        self._counts["records"] += 1
        self._count_reject(reason)
        if self._reject_rows:
            self._rejects.append(
                {
                    "id": self._id(record_id, place),
                    "url": url,
                    "input": self._input,
                    "offset": place[0],
                    "length": place[1],
                    "reason": reason,
                    "note": note,
                }
            )

    def full(self) -> bool:
        """Say whether a batch is due."""
        return (
            self._bytes * 3 >= BATCH_BYTES
            or len(self._documents) >= BATCH_ROWS
            or len(self._rejects) >= 8 * BATCH_ROWS
        )

    def flush(self) -> Iterator[Rows]:
        """Hand out what has been collected, if anything."""
        if not (self._documents or self._rejects or self._counts):
            return
        documents = self._build()
        rejects = pa.RecordBatch.from_pylist(self._rejects, schema=REJECTS)
        counts = dict(self._counts)
        self._clear()
        yield Rows(documents, rejects, counts)

    def _clear(self) -> None:
        self._documents: list[dict[str, object]] = []
        self._texts: list[str] = []
        self._titles: list[str | None] = []
        self._rejects: list[dict[str, object]] = []
        self._bytes = 0
        self._counts.clear()

    def _build(self) -> pa.RecordBatch:
        text = self._normalised(_strings(self._texts, pa.large_string()))
        title = self._normalised(_strings(self._titles, pa.string())).cast(pa.string())
        filled = pc.not_equal(pc.binary_length(text), 0)
        for index, whole in enumerate(filled.to_pylist()):
            if not whole:
                self._reject_empty(self._documents[index])
        rows = [row for row, whole in zip(self._documents, filled.to_pylist(), strict=True) if whole]
        text, title = text.filter(filled), title.filter(filled)
        characters = pc.utf8_length(text)
        self._counts["documents"] += len(rows)
        self._counts["characters"] += pc.sum(characters).as_py() or 0
        self._counts["text_bytes"] += pc.sum(pc.binary_length(text)).as_py() or 0
        made = {
            "title": title,
            "text": text,
            "characters": characters.cast(pa.int64()),
            "text_hash": pa.array([xxhash.xxh3_128_digest(value.as_buffer()) for value in text], ID),
        }
        self._counts["gated"] += sum(row["gate"] is not None for row in rows)
        return pa.RecordBatch.from_arrays(
            [
                made[field.name]
                if field.name in made
                else pa.array([row[field.name] for row in rows], field.type)
                for field in DOCUMENTS
            ],
            schema=DOCUMENTS,
        )

    def _normalised(self, column: pa.Array) -> pa.LargeStringArray:
        """Normalise, and count how often each rule fired."""
        texts, fired = settle(column, self._normalisation.level, self._normalisation.without)
        self._counts.update({f"normalise/{rule}": count for rule, count in fired.items()})
        return texts

    def _reject_empty(self, row: dict[str, object]) -> None:
        self._count_reject("no_text")
        if self._reject_rows:
            kept = {key: row[key] for key in ("id", "url", "input", "offset", "length")}
            self._rejects.append({**kept, "reason": "no_text", "note": None})

    def _count_reject(self, reason: str) -> None:
        self._counts[f"reject/{reason}"] += 1

    def _id(self, record_id: str | None, place: Position) -> bytes:
        name = record_id if record_id is not None else f"{self._input}\0{place[0]}"
        return document_id(self._split.source, name)


def document_id(source: str, name: str) -> bytes:
    """Hash a source's name and a record's own id (or file and offset) to the 16 bytes that name a document."""
    return xxhash.xxh3_128_digest(f"{source}\0{name}".encode())


def _strings(values: list[str] | list[str | None], kind: pa.DataType) -> pa.Array:
    try:
        return pa.array(values, kind)
    except UnicodeEncodeError:  # a lone surrogate, out of a \\ud800 in JSON or a reference in HTML
        return pa.array(
            [value if value is None else value.encode(errors="replace").decode() for value in values], kind
        )
