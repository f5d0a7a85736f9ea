"""A WARC file that is filled record by record, so that a kill loses none that was had, and a hole can be filled later."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from kakehi.pipeline.sources.archive.records import OK

#: Behind the last record of a whole file: it was read to its end.
END = "end"


class Entry(NamedTuple):
    """What became of one record.

    Args:
        outcome: `ok`, or why it is missing.
        length: bytes of it in the WARC file.
        taken: bytes of the archive's file that it was.
        url: of the record, where no index says it.
    """

    outcome: str
    length: int
    taken: int
    url: str

    def line(self) -> bytes:
        """Write it as a line of the journal."""
        return f"{self.outcome}\t{self.length}\t{self.taken}\t{self.url}\n".encode()


class WarcOutput:
    """A WARC file under way, and the journal that says what lies in it.

    A record is written first, its line in the journal behind it: after a kill the file is cut back to what the journal
    says. The journal is cut back to what the file has, should a machine have lost power.

    Args:
        path: of the WARC file; the journal lies beside it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._journal = journal_of(path)
        self.entries = read_entries(path)
        self._files: tuple[BinaryIO, BinaryIO] | None = None

    def __enter__(self) -> Self:
        size = sum(entry.length for entry in self.entries)
        warc, journal = self.path.open("ab", buffering=0), self._journal.open("ab", buffering=0)
        warc.truncate(size)
        journal.truncate(sum(len(entry.line()) for entry in self.entries))
        self._files = (warc, journal)
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files or ():
            os.fsync(file.fileno())
            file.close()

    def add(self, entry: Entry, raw: bytes = b"") -> None:
        """Write a record, then that it is there."""
        if self._files is None:
            raise ValueError(f"{self.path}: is not open")
        warc, journal = self._files
        if raw:
            _write(warc, raw)
        _write(journal, entry.line())
        self.entries.append(entry)

    def forget_end(self) -> None:
        """Take back a last entry that was no record: a file that could not be read on is read on from there."""
        if self.entries and self.entries[-1].taken == 0 and self.entries[-1].outcome not in {OK, END}:
            self.entries.pop()


class HeldRecords:
    """Records of an earlier attempt whose holes are to be filled: they are copied from its file, not asked for again."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f".held-{path.name}")
        self._places: dict[int, tuple[int, Entry]] = {}
        at = 0
        for row, entry in enumerate(read_entries(self._path)):
            if entry.outcome == OK:
                self._places[row] = (at, entry)
            at += entry.length

    def __contains__(self, row: int) -> bool:
        return row in self._places

    def read(self, row: int) -> tuple[Entry, bytes]:
        """Read a record held for a WARC file."""
        at, entry = self._places[row]
        with self._path.open("rb") as file:
            file.seek(at)
            return entry, file.read(entry.length)

    def drop(self) -> None:
        """Remove the records held for a WARC file that is not finished."""
        for path in (journal_of(self._path), self._path):
            path.unlink(missing_ok=True)


def hold(path: Path) -> None:
    """Set a finished file with holes aside, so that it is filled anew; what an earlier one holds goes into it first."""
    aside = path.with_name(f".held-{path.name}")
    if path.exists():
        journal_of(aside).unlink(
            missing_ok=True
        )  # first: without it nothing is held, and nothing is read wrongly
        path.replace(aside)
        journal_of(path).replace(journal_of(aside))


def journal_of(path: Path) -> Path:
    """Where the journal of a WARC file lies."""
    return path.with_name(f"{path.name}.journal")


def read_entries(path: Path) -> list[Entry]:
    """Read what a journal says, as far as the file has it."""
    try:
        size, content = path.stat().st_size, journal_of(path).read_bytes()
    except FileNotFoundError:
        return []
    return list(_whole(content, size))


def _whole(content: bytes, size: int) -> Iterator[Entry]:
    for line in content.split(b"\n")[:-1]:
        outcome, length, taken, url = line.decode().split("\t")
        entry = Entry(outcome, int(length), int(taken), url)
        size -= entry.length
        if size < 0:
            return
        yield entry


def _write(file: BinaryIO, content: bytes) -> None:
    """Write all of it: an unbuffered file may take a part."""
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]
