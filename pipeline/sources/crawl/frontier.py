"""What a crawl knows, in one SQLite file: addresses waiting and done, sites' rules, the ledger of consent, counts.

All that one answer changes is one transaction, which also says how long the WARC file is. So a process that is killed
at any moment loses what was under way and nothing else: the file is cut back to its committed size, and an address is
asked for again only if its answer was never committed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from kakehi.pipeline.sources.crawl.scope import host_of

WAITING, TAKEN, DONE = range(3)

#: Seconds in which a killed command's process has let go of the file.
_LOCKED_S: Final = 30.0

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS urls (
    id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE, host TEXT NOT NULL, kind TEXT NOT NULL, depth INTEGER NOT NULL,
    redirects INTEGER NOT NULL, rank INTEGER NOT NULL, via TEXT, state INTEGER NOT NULL, tries INTEGER NOT NULL,
    outcome TEXT, status INTEGER, fetched TEXT, bytes INTEGER, etag TEXT, modified TEXT, digest TEXT, original TEXT,
    record TEXT, warc TEXT, place INTEGER, length INTEGER);
CREATE INDEX IF NOT EXISTS waiting ON urls (host, rank, depth, id) WHERE state = 0;
CREATE TABLE IF NOT EXISTS sites (
    origin TEXT PRIMARY KEY, fetched REAL NOT NULL, robots_status INTEGER NOT NULL, robots BLOB NOT NULL,
    tdmrep_status INTEGER NOT NULL, tdmrep BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS ledger (
    url TEXT NOT NULL, time TEXT NOT NULL, source TEXT NOT NULL, asked TEXT NOT NULL, allowed INTEGER NOT NULL,
    evidence TEXT NOT NULL, evidence_url TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counts (name TEXT PRIMARY KEY, n INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS earlier (url TEXT PRIMARY KEY, etag TEXT, modified TEXT, digest TEXT, original TEXT);
"""


class Visit(NamedTuple):
    """An address to ask for."""

    id: int
    url: str
    host: str
    kind: str
    depth: int
    redirects: int
    rank: int
    via: str | None
    tries: int


class FoundUrl(NamedTuple):
    """An address that was come by: of a page or of a sitemap, from which page, how far from a seed, and how promising.

    Of two with different ranks the smaller one comes first.
    """

    url: str
    kind: str
    depth: int
    redirects: int
    rank: int
    via: str | None


class Known(NamedTuple):
    """What an earlier crawl had of an address: validators, the payload's digest, and when it was stored."""

    etag: str | None
    modified: str | None
    digest: str
    original: str


class Site(NamedTuple):
    """What a site was found to say: status and body of its two files, and when."""

    fetched: float
    robots_status: int
    robots: bytes
    tdmrep_status: int
    tdmrep: bytes


class Consent(NamedTuple):
    """One decision and why: what was asked, and the words that answer it."""

    url: str
    time: str
    source: str
    asked: str
    allowed: bool
    evidence: str
    evidence_url: str


class Frontier:
    """The file of one crawl, open.

    Args:
        path: of the file; made where there is none. What a killed process had taken waits again.
    """

    def __init__(self, path: Path) -> None:
        self._base = sqlite3.connect(path, timeout=_LOCKED_S, isolation_level=None)
        self._base.executescript(
            "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
            + _TABLES
        )
        with self.change():
            self._base.execute("UPDATE urls SET state = ? WHERE state = ?", (WAITING, TAKEN))

    def close(self) -> None:
        """Close the frontier's database."""
        self._base.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """Open a transaction: all changes inside are written, or none."""
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._base.execute("ROLLBACK")
            raise
        self._base.execute("COMMIT")

    def add(self, found: Iterable[FoundUrl]) -> list[str]:
        """Take addresses that are not known yet; give the hosts of those."""
        hosts = []
        for item in found:
            host = host_of(item.url)
            row = (item.url, host, item.kind, item.depth, item.redirects, item.rank, item.via, WAITING)
            added = self._base.execute(
                "INSERT INTO urls (url, host, kind, depth, redirects, rank, via, state, tries) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT (url) DO NOTHING",
                row,
            )
            if added.rowcount:
                hosts.append(host)
        return hosts

    def best(self, host: str) -> Visit | None:
        """Give a host's most promising address that waits."""
        row = self._base.execute(
            "SELECT id, url, host, kind, depth, redirects, rank, via, tries FROM urls "
            "WHERE state = 0 AND host = ? ORDER BY rank, depth, id LIMIT 1",
            (host,),
        ).fetchone()
        return Visit(*row) if row else None

    def take(self, visit: Visit) -> None:
        """Note that an address is being asked for."""
        self._base.execute("UPDATE urls SET state = ?, tries = tries + 1 WHERE id = ?", (TAKEN, visit.id))

    def again(self, visit: Visit) -> None:
        """Let it wait once more, behind all others."""
        self._base.execute("UPDATE urls SET state = ?, rank = rank + 1000 WHERE id = ?", (WAITING, visit.id))

    def reopen(self, visits: Iterable[Visit]) -> None:
        """Let those that have no answer yet wait as if never asked for; sites that did not say all are asked anew."""
        rows = [(WAITING, visit.id) for visit in visits]
        self._base.executemany(
            "UPDATE urls SET state = ?, tries = 0, outcome = NULL, fetched = NULL WHERE id = ? AND status IS NULL",
            rows,
        )
        self._base.execute("DELETE FROM sites WHERE robots_status = 0 OR tdmrep_status = 0")

    def finish(self, visit: Visit, outcome: str, **fields: object) -> None:
        """Note what became of an address that was asked for.

        Args:
            visit: what was asked for.
            outcome: `stored`, or why nothing is stored of it.
            fields: columns of `urls` and their values.
        """
        names = ", ".join(f"{name} = ?" for name in ("state", "outcome", *fields))
        self._base.execute(
            f"UPDATE urls SET {names} WHERE id = ?",  # noqa: S608 - names of columns from the code
            (DONE, outcome, *fields.values(), visit.id),
        )

    def finish_host(self, host: str, outcome: str) -> None:
        """Note that what waits of a host will not be asked for."""
        self._base.execute(
            "UPDATE urls SET state = ?, outcome = ? WHERE state = 0 AND host = ?", (DONE, outcome, host)
        )

    def finish_all(self, outcome: str) -> None:
        """Note that what waits, or was under way when it was stopped, will not be asked for."""
        self._base.execute("UPDATE urls SET state = ?, outcome = ? WHERE state != ?", (DONE, outcome, DONE))

    def record(self, consents: Iterable[Consent]) -> None:
        """Write decisions into the ledger."""
        self._base.executemany("INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?)", consents)

    def site(self, origin: str) -> Site | None:
        """Give what a site was found to say, or None where nobody asked yet."""
        row = self._base.execute(
            "SELECT fetched, robots_status, robots, tdmrep_status, tdmrep FROM sites WHERE origin = ?",
            (origin,),
        ).fetchone()
        return Site(*row) if row else None

    def keep_site(self, origin: str, site: Site) -> None:
        """Keep a site's robots.txt and tdmrep.json as they were found."""
        self._base.execute("INSERT OR REPLACE INTO sites VALUES (?, ?, ?, ?, ?, ?)", (origin, *site))

    def know(self, rows: Iterable[tuple[str, Known]]) -> None:
        """Take over what an earlier crawl has."""
        self._base.executemany(
            "INSERT OR IGNORE INTO earlier VALUES (?, ?, ?, ?, ?)", ((url, *known) for url, known in rows)
        )

    def known(self, url: str) -> Known | None:
        """Give what an earlier crawl has of an address."""
        row = self._base.execute(
            "SELECT etag, modified, digest, original FROM earlier WHERE url = ?", (url,)
        ).fetchone()
        return Known(*row) if row else None

    def hosts(self) -> list[tuple[str, int]]:
        """Give hosts that have addresses waiting, and how often each was asked for something."""
        return self._base.execute(
            "SELECT host, sum(CASE WHEN fetched IS NULL AND state = 2 THEN 0 ELSE tries END) "
            "FROM urls GROUP BY host HAVING sum(state = 0) > 0"
        ).fetchall()

    def waiting(self) -> int:
        """Count the addresses that wait."""
        return int(self._base.execute("SELECT count(*) FROM urls WHERE state = 0").fetchone()[0])

    def count(self, name: str, n: int = 1) -> None:
        """Add to one of the counts that outlive the process."""
        self._base.execute(
            "INSERT INTO counts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET n = n + excluded.n", (name, n)
        )

    def outcomes(self) -> dict[str, int]:
        """Count what became of pages."""
        query = "SELECT outcome, count(*) FROM urls WHERE kind = 'page' GROUP BY outcome ORDER BY outcome"
        return dict(self._base.execute(query))

    def counts(self) -> dict[str, int]:
        """Give the counts that outlive the process, by name."""
        return dict(self._base.execute("SELECT name, n FROM counts ORDER BY name"))

    def note(self, **facts: object) -> None:
        """Note facts by name, in place of older ones."""
        self._base.executemany(
            "INSERT OR REPLACE INTO facts VALUES (?, ?)",
            ((name, str(value)) for name, value in facts.items()),
        )

    def facts(self) -> dict[str, str]:
        """Give the facts noted about the crawl, by name."""
        return dict(self._base.execute("SELECT name, value FROM facts"))

    def rows(self, table: str, columns: Iterable[str], order: str) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of a table, for its Parquet file."""
        names = list(columns)
        query = f"SELECT {', '.join(names)} FROM {table} ORDER BY {order}"  # noqa: S608 - names from the code
        for row in self._base.execute(query):
            yield dict(zip(names, row, strict=True))
