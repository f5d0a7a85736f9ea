"""Bring in one shard of an archive: choose, fetch unit by unit, and say what is missing before anything is published."""

from __future__ import annotations

import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Annotated, Final

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.sources.archive.download import Downloader, gather
from kakehi.pipeline.sources.archive.index import Index, Names, Select
from kakehi.pipeline.sources.archive.rate_limit import RateLimit
from kakehi.pipeline.sources.archive.records import OK
from kakehi.pipeline.sources.archive.select import Coalescing, Rows, choose, open_rows, units, within
from kakehi.pipeline.sources.archive.transports import is_safe, open_transport
from kakehi.pipeline.sources.archive.warc_output import END, hold, read_entries
from kakehi.pipeline.sources.fetch import Fetch
from kakehi.pipeline.storage.checked import CheckedWriter
from kakehi.pipeline.storage.notes import read_note, write_note
from kakehi.pipeline.storage.store import Counts

#: What became of every record: where it lay, and where it lies.
LEDGER: Final = pa.schema(
    [
        pa.field("url", pa.string()),
        pa.field("archive", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("outcome", pa.string(), nullable=False),  # ok, or why it is missing
        pa.field("warc", pa.string(), nullable=False),  # file that it was written to
        pa.field("at", pa.int64(), nullable=False),  # place in it
    ]
)

#: Reasons that an error names, the most frequent first.
_SHOWN: Final = 5


class Server(BaseModel):
    """How the archive's server is asked: nothing here decides what is fetched.

    Args:
        redirects: hosts that it may redirect to, as `host` or `host:port`; to others it may not.
        connections: at a time.
        requests_per_s: over all connections; None for no limit.
        mb_per_s: MiB a second over all connections; None for no limit.
        retries: of a request that brought nothing.
        timeout_s: longest silence.
        gap_kb: KiB between two records that are fetched and thrown away rather than asked around.
        request_mb: MiB of a request of several records.
        contact: mail address or URL in the user agent, so that the archive's keepers can say what is wrong.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    redirects: Names = []
    connections: Annotated[int, Field(ge=1, le=64)] = 4
    requests_per_s: Annotated[float | None, Field(gt=0, le=1e6)] = 10.0
    mb_per_s: Annotated[float | None, Field(gt=0, le=1e6)] = None
    retries: Annotated[int, Field(ge=0, le=100)] = 8
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    gap_kb: Annotated[int, Field(ge=0, le=1 << 20)] = 64
    request_mb: Annotated[float, Field(gt=0, le=1024)] = 16.0
    contact: Annotated[str | None, Field(pattern=r"^[!-~]+$")] = None

    @property
    def coalescing(self) -> Coalescing:
        """How neighbours are asked for together."""
        return Coalescing(gap_bytes=self.gap_kb << 10, max_bytes=int(self.request_mb * (1 << 20)))

    def downloader(self, base: str, max_record_bytes: int) -> Downloader:
        """Open a downloader for the archive."""
        stopping = Event()
        pace = RateLimit(
            requests_per_s=self.requests_per_s,
            bytes_per_s=None if self.mb_per_s is None else self.mb_per_s * (1 << 20),
            wait=stopping.wait,
        )
        place = open_transport(
            base,
            pace,
            redirects=tuple(self.redirects),
            connections=self.connections,
            timeout_s=self.timeout_s,
            contact=self.contact,
        )
        return Downloader(
            place=place,
            pace=pace,
            coalescing=self.coalescing,
            retries=self.retries,
            max_record_bytes=max_record_bytes,
            stopping=stopping,
        )


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What becomes one WARC file: rows of an index, or one whole file.

    Args:
        number: in the order of fetching.
        first: row it begins with.
        stop: row behind its last.
        name: of the whole file, or None.
    """

    number: int
    first: int = 0
    stop: int = 0
    name: str | None = None

    @property
    def file(self) -> str:
        """Name of its WARC file."""
        return f"{self.number:05}.warc.gz"


@dataclass(kw_only=True)
class ShardFetch:
    """One shard of an archive.

    Args:
        asked: the shard, and where it goes.
        select: which records of an index, and how long one may be.
        gathering: the archive, opened.
        connections: units at a time.
        unit_bytes: of records, about, in a WARC file.
        missing: share of the records that may be missing.
    """

    asked: Fetch
    select: Select
    downloader: Downloader
    connections: int
    unit_bytes: int
    missing: float

    def by_index(self) -> Counts:
        """Fetch the records that the index's rows name."""
        chosen, broken, over = self._chosen()
        cuts = units(_lengths(chosen), self.unit_bytes)
        every = [Unit(number=number, first=first, stop=stop) for number, (first, stop) in enumerate(cuts)]
        self._gather(every, lambda unit: partial(self._records, chosen, unit))
        ledger = (self._told(unit, _rows(chosen, unit)) for unit in every)
        return self._publish(every, ledger, Counter(broken), over)

    def whole(self) -> Counts:
        """Fetch whole files."""
        names, broken = list[str](), Counter[str]()
        for name in (name for file in self.asked.shard.files for name in read_names(file.path)):
            if is_safe(name):
                names.append(name)
            else:
                broken["bad_name"] += 1
        limit = self.asked.shard.limit
        every = [Unit(number=number, name=name) for number, name in enumerate(dict.fromkeys(names))]
        every = every if limit is None else every[:1]
        self._gather(every, lambda unit: partial(self._whole, unit, limit))
        return self._publish(every, (self._told(unit, None) for unit in every), broken, 0)

    def _chosen(self) -> tuple[pa.Table, dict[str, int], int]:
        """Choose rows, or find those that an earlier attempt chose; cut them to the budget."""
        home = self.asked.home
        rows, note = home / "chosen.arrow", home / "chosen.json"
        broken = read_note(note)
        if broken is None:
            self.asked.tell("reads the index")
            index = Index(files=tuple(file.path for file in self.asked.shard.files), select=self.select)
            choose(index, rows, home / "buckets", limit=self.asked.shard.limit)
            broken = dict(sorted((+index.broken).items()))
            write_note(note, broken, (rows,))
        chosen, budget = open_rows(rows), self.select.max_bytes
        fits = len(chosen) if budget is None else within(_lengths(chosen), budget)
        return chosen.slice(0, fits), broken, len(chosen) - fits

    def _gather(self, every: list[Unit], task: Callable[[Unit], Callable[[], None]]) -> None:
        """Fetch what is not there yet; holes that an earlier attempt left are filled."""
        todo = []
        for unit in every:
            path = self.asked.home / unit.file
            entries = read_entries(path)
            if unit.name is None and len(entries) == unit.stop - unit.first:
                if all(entry.outcome == OK for entry in entries):
                    continue
                hold(path)
            todo.append(task(unit))
        gather(self.asked, self.downloader, todo, self.connections)

    def _records(self, chosen: pa.Table, unit: Unit) -> None:
        self.downloader.records(self.asked.home / unit.file, _rows(chosen, unit))

    def _whole(self, unit: Unit, limit: int | None) -> None:
        self.downloader.whole(self.asked.home / unit.file, str(unit.name), limit=limit)

    def _told(self, unit: Unit, rows: Rows | None) -> pa.Table:
        """Say what became of each record of a unit."""
        entries = [entry for entry in read_entries(self.asked.home / unit.file) if entry.outcome != END]
        names = rows.archive if rows else [unit.name] * len(entries)
        return pa.table(
            [
                rows.url if rows else [entry.url or None for entry in entries],
                names,
                rows.offset if rows else _starts(entry.taken for entry in entries),
                [entry.outcome for entry in entries],
                [f"{self.asked.shard.name}.{unit.file}"] * len(entries),
                _starts(entry.length for entry in entries),
            ],
            schema=LEDGER,
        )

    def _publish(
        self, every: list[Unit], ledger: Iterator[pa.Table], broken: Counter[str], over: int
    ) -> Counts:
        """Refuse what lacks too much, else lay out WARC files and the ledger; what is at home stays until the receipt."""
        outcomes = Counter(broken)
        with CheckedWriter(self.asked.output("ledger.parquet"), LEDGER, compression="zstd") as writer:
            for table in ledger:
                counts = pc.value_counts(table.column("outcome")).to_pylist()
                outcomes.update({item["values"]: item["counts"] for item in counts})
                writer.write_table(table)
        records = outcomes.pop(OK, 0)
        asked = records + outcomes.total()
        if asked == 0:
            raise DataError(
                "nothing in it is asked for", hint="loosen select, or see whether the index is the right one"
            )
        self._refuse_holes(outcomes, asked)
        for unit in every:
            path = self.asked.home / unit.file
            if path.stat().st_size:
                self.asked.lay_out(path, unit.file)
        missing = {f"missing/{reason}": count for reason, count in sorted(outcomes.items())}
        pace = self.downloader.pace
        told = {"requests": pace.requests, "received_bytes": pace.received, "retries": pace.retries}
        more = {"missing/over_budget": over} if over else {}
        return {"asked": asked + over, "records": records, **missing, **more, **told}

    def _refuse_holes(self, outcomes: Counter[str], asked: int) -> None:
        lost = outcomes.total()
        if lost > self.missing * asked:
            worst = sorted(outcomes.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
            said = ", ".join(f"{reason} {count:,}" for reason, count in worst)
            raise DataError(
                f"{lost:,} of {asked:,} records are missing ({said}), which is over a share of {self.missing:g}",
                hint="run again to ask for these alone; what came is kept. "
                f"If they are gone for good, say missing: {_rounded_up(lost / asked):g}",
            )


def read_names(path: Path) -> list[str]:
    """Read a list of files, a line each, plain or gzip.

    Raises:
        DataError: it is no such list.
    """
    opened = gzip.open if path.suffix == ".gz" else Path.open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            return [line.strip() for line in file if line.strip()]
    except (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is no list of names: {error}") from error


def _rows(chosen: pa.Table, unit: Unit) -> Rows:
    return Rows.of(chosen.slice(unit.first, unit.stop - unit.first))


def _lengths(chosen: pa.Table) -> Iterator[int]:
    for chunk in chosen.column("length").chunks:
        yield from chunk.to_pylist()


def _starts(lengths: Iterator[int]) -> list[int]:
    starts, at = [], 0
    for length in lengths:
        starts.append(at)
        at += length
    return starts


def _rounded_up(share: float) -> float:
    """Give a share of two digits that is no smaller."""
    text = f"{share:.1e}"
    return (
        float(text)
        if float(text) >= share
        else float(f"{share + 0.1 * 10 ** int(text.partition('e')[2]):.1e}")
    )
