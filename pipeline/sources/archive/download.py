"""Fetch units of chosen records, or whole files, over a few connections, and keep what came as it comes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.sources.archive.rate_limit import RateLimit, back_off
from kakehi.pipeline.sources.archive.records import OK, fault_of, members, next_start, url_of
from kakehi.pipeline.sources.archive.select import Coalescing, Rows
from kakehi.pipeline.sources.archive.transports import RefusedError, Transport
from kakehi.pipeline.sources.archive.warc_output import END, Entry, HeldRecords, WarcOutput
from kakehi.pipeline.sources.fetch import Fetch
from kakehi.pipeline.walltime import OutOfTimeError

#: Requests given up in a row, over all connections, after which the archive is left alone.
GIVEN_UP = 5

#: Seconds between two looks at the time, and two words on how far it is.
_LOOK_S = 0.2

#: Outcomes that are the same for every record of a file.
_OF_A_FILE = frozenset({"http_404", "http_410", "not_found", "outside", "redirect", "redirects"})


@dataclass(kw_only=True)
class Downloader:
    """What all units share: the archive, and how patient we are with it.

    Args:
        place: where the archive lies.
        pace: towards it.
        asking: how neighbours are asked for together.
        retries: of a request that brought nothing.
        max_record_bytes: of a record, packed or unpacked.
        stopping: set to end soon: every unit stops at its next record.
    """

    place: Transport
    pace: RateLimit
    coalescing: Coalescing
    retries: int
    max_record_bytes: int
    stopping: threading.Event
    _given_up: int = 0
    _gone: dict[str, str] = field(default_factory=dict)
    _doubted: set[tuple[str, int]] = field(default_factory=set)

    def records(self, path: Path, rows: Rows) -> None:
        """Fill a WARC file with the records of a unit's rows, from where it stands."""
        held, count = HeldRecords(path), len(rows.archive)
        with WarcOutput(path) as filling:
            while (row := len(filling.entries)) < count:
                self._look()
                if row in held:
                    filling.add(*held.read(row))
                elif rows.archive[row] in self._gone:
                    filling.add(Entry(self._gone[rows.archive[row]], 0, 0, ""))
                else:
                    free = next((other for other in range(row, count) if other in held), count)
                    self._ask_for(filling, rows, self.coalescing.end(rows, row, free))
        held.drop()

    def whole(self, path: Path, name: str, *, limit: int | None) -> None:
        """Fill a WARC file with all records of a file of the archive, or its first ones; the last entry is its end."""
        filling = WarcOutput(path)
        filling.forget_end()
        with filling:
            while not _ended(filling.entries, limit):
                self._look()
                start = sum(entry.taken for entry in filling.entries)
                try:
                    self._patiently(
                        f"{name}@{start}", filling, partial(self._copy, filling, name, start, limit)
                    )
                except RefusedError as refused:
                    filling.add(Entry(refused.reason, 0, 0, ""))

    def _look(self) -> None:
        if self.stopping.is_set():
            raise OutOfTimeError

    def _ask_for(self, filling: WarcOutput, rows: Rows, stop: int) -> None:
        """Take the records up to a row by one request, and again from where it broke off; at last give up one record."""
        row = len(filling.entries)
        name = rows.archive[row]
        try:
            self._patiently(f"{name}@{rows.offset[row]}", filling, partial(self._take, filling, rows, stop))
        except RefusedError as refused:
            if refused.reason in _OF_A_FILE:
                self._gone[name] = refused.reason
            filling.add(Entry(refused.reason, 0, 0, ""))

    def _patiently(self, name: str, filling: WarcOutput, ask: Callable[[], None]) -> None:
        """Ask, and ask again after a while, until a record came or it is no use.

        Raises:
            RefusedError: nothing came, however often it was asked for.
            DataError: nothing came any more for many names in a row.
        """
        before = len(filling.entries)
        for attempt in range(self.retries + 1):
            try:
                ask()
            except RefusedError as refused:
                if len(filling.entries) > before:
                    self.pace.hold(refused.wait_s or back_off(name, 0))
                    break
                if not refused.again:
                    raise
                if attempt == self.retries:
                    self._give_up(refused)
                    raise
                self.pace.hold(max(back_off(name, attempt), refused.wait_s or 0.0))
                self._look()
            else:
                break
        self._given_up = 0

    def _give_up(self, refused: RefusedError) -> None:
        """Count what was given up; an archive that gives nothing any more is left alone."""
        self._given_up += 1
        if self._given_up >= GIVEN_UP:
            self.stopping.set()
            raise DataError(
                f"{self._given_up} requests in a row were given up, the last one for {refused.reason}",
                hint="see whether the archive is there and lets you in; run again to go on: what came is kept",
            ) from refused

    def _take(self, filling: WarcOutput, rows: Rows, stop: int) -> None:
        """Read one request's records."""
        first = len(filling.entries)
        at, end = rows.offset[first], rows.offset[stop - 1] + rows.length[stop - 1]
        chunks = _Chunks(self.place.read(rows.archive[first], at, end))
        for row in range(first, stop):
            chunks.skip(rows.offset[row] - at)
            raw = chunks.take(rows.length[row])
            at = rows.offset[row] + rows.length[row]
            outcome = self._judged(raw, rows.digest[row])
            filling.add(
                Entry(outcome, len(raw) if outcome == OK else 0, len(raw), ""), raw if outcome == OK else b""
            )
            self._look()

    def _judged(self, raw: bytes, digest: str | None) -> str:
        found = list(members([raw], max_bytes=self.max_record_bytes))
        if len(found) != 1 or found[0].plain is None:
            return found[0].fault if len(found) == 1 else "not_one_record"
        return fault_of(found[0].plain, digest) or OK

    def _copy(self, filling: WarcOutput, name: str, start: int, limit: int | None) -> None:
        """Copy records from a place in a file on; broken ones are left out."""
        at = start
        for member in members(self.place.read(name, start, None), max_bytes=self.max_record_bytes):
            if member.fault == "broken_gzip":
                self._pass_over(filling, name, at)
                return
            at += member.size
            outcome = member.fault or fault_of(member.plain or b"") or OK
            url = (url_of(member.plain) or "") if member.plain is not None else ""
            kept = member.raw if outcome == OK else b""
            filling.add(Entry(outcome, len(kept), member.size, _plain(url)), kept)
            if _ended(filling.entries, limit):
                return
            self._look()
        filling.add(Entry(END, 0, 0, ""))

    def _pass_over(self, filling: WarcOutput, name: str, at: int) -> None:
        """Go on behind bytes that are no member, once they came so twice: the first time it may have been the way.

        Raises:
            RefusedError: this is the first time, or the bytes behind can't be had.
        """
        if (name, at) not in self._doubted:
            self._doubted.add((name, at))
            raise RefusedError("broken_gzip", again=True)
        skipped = next_start(self.place.read(name, at + 1, None))
        filling.add(Entry("broken_gzip", 0, 1 + (skipped or 0), ""))
        if skipped is None:
            filling.add(Entry(END, 0, 0, ""))


def gather(
    asked: Fetch, downloader: Downloader, tasks: Sequence[Callable[[], None]], connections: int
) -> None:
    """Run units, so many at a time, and stop all where one fails or time is up.

    Raises:
        OutOfTimeError: it was.
        DataError: the archive gives nothing any more.
    """
    pool = ThreadPoolExecutor(connections)
    futures = [pool.submit(task) for task in tasks]
    left = set(futures)
    try:
        while left and asked.time_left.allows():
            done, left = wait(left, timeout=_LOOK_S, return_when=FIRST_EXCEPTION)
            pace = downloader.pace
            asked.tell(
                f"{len(tasks) - len(left):,} of {len(tasks):,} files, {pace.received / 1e6:,.1f} MB, "
                f"{pace.requests:,} requests, {pace.retries:,} retries"
            )
            if any(future.exception() for future in done):
                break
    finally:
        downloader.stopping.set()
        pool.shutdown(cancel_futures=True)
    faults = [future.exception() for future in futures if not future.cancelled()]
    # One unit's fault stops the others, which say no more than that they were stopped.
    for fault in sorted(filter(None, faults), key=lambda fault: isinstance(fault, OutOfTimeError)):
        raise fault
    if any(future.cancelled() for future in futures):
        raise OutOfTimeError


class _Chunks:
    """A stream of bytes that is read by numbers of them."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def skip(self, size: int) -> None:
        """Read so many bytes of the answer and drop them."""
        while size > len(self._left):
            size -= len(self._left)
            self._left = self._more()
        self._left = self._left[size:]

    def take(self, size: int) -> bytes:
        """Read the next so many bytes of the answer."""
        parts, had = [self._left], len(self._left)
        while had < size:
            parts.append(self._more())
            had += len(parts[-1])
        whole = b"".join(parts)
        self._left = whole[size:]
        return whole[:size]

    def _more(self) -> bytes:
        chunk = next(self._chunks, b"")
        if not chunk:
            raise RefusedError("truncated", again=True)
        return chunk


def _ended(entries: Sequence[Entry], limit: int | None) -> bool:
    """Say whether a whole file was read to its end, or as far as was asked for or can be."""
    if limit is not None and len(entries) >= limit:
        return True
    return bool(entries) and entries[-1].taken == 0


def _plain(url: str) -> str:
    """Take out of a URL what would part the journal's lines."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in url)
