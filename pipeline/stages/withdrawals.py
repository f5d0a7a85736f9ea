"""Lists of what is not to be used: hosts, addresses and documents, one a line; and which of them a document meets."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, NamedTuple

from kakehi.pipeline.errors import DataError

Kind = Literal["id", "url", "host"]

_ID: Final = re.compile(r"[0-9a-fA-F]{32}")
_HOST: Final = re.compile(r"[^\s/:@?#*]+")


class Met(NamedTuple):
    """An entry of a list that a document meets, as it is written there."""

    kind: Kind
    entry: str


@dataclass(frozen=True, kw_only=True)
class Withdrawals:
    """The entries of a withdrawal list: hosts, URLs and ids.

    Args:
        ids: of documents, to the entry.
        urls: without their scheme, to the entry.
        prefixes: beginnings of addresses without their scheme, sorted.
        starred: the entries of these.
        hosts: in lower case, to the entry; those below one are meant too.
    """

    ids: dict[bytes, str]
    urls: dict[str, str]
    prefixes: tuple[str, ...]
    starred: tuple[str, ...]
    hosts: dict[str, str]

    def meets(self, document: bytes, url: str | None, host: str | None) -> Met | None:
        """Find the entry that a document meets: by its id, its whole address, its beginning, or its host."""
        if entry := self.ids.get(document):
            return Met("id", entry)
        if url and (self.urls or self.prefixes):
            bare = _bare(url)
            if entry := self.urls.get(bare) or self._prefix_of(bare):
                return Met("url", entry)
        while host:
            if entry := self.hosts.get(host):
                return Met("host", entry)
            host = host.partition(".")[2]
        return None

    def _prefix_of(self, bare: str) -> str | None:
        """Find the longest prefix; a shorter one may stand before others that sort between them."""
        at = bisect_right(self.prefixes, bare)
        while at:
            found = self.prefixes[at - 1]
            if bare.startswith(found):
                return self.starred[at - 1]
            shared = _shared(found, bare)
            if not shared:
                return None
            at = bisect_right(self.prefixes, bare[:shared], 0, at - 1)
        return None


def read_withdrawals(path: Path) -> Withdrawals:
    """Read a list: `example.jp` (and all hosts below), `https://example.jp/a`, `https://example.jp/a/*`, or an id.

    Whether an address is http or https makes no difference. What stands behind a `#` and a space is a remark.

    Raises:
        DataError: it is not there, or a line is none of these.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}", hint="name a list of hosts, URLs and ids") from error
    return _read(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4)
def _read(path: Path, size: int, mtime_ns: int) -> Withdrawals:
    """Read it once a worker; size and time are there to tell a changed one from what was read."""
    del size, mtime_ns
    ids, urls, hosts, starred = dict[bytes, str](), dict[str, str](), dict[str, str](), dict[str, str]()
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no UTF-8 text: {error}") from error
    for number, line in enumerate(lines, 1):
        entry = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()
        if not entry:
            continue
        if _ID.fullmatch(entry):
            ids[bytes.fromhex(entry)] = entry
        elif "://" in entry and "*" not in entry.partition("://")[2].partition("/")[0]:
            bare = _bare(entry)
            (starred if bare.endswith("*") else urls)[bare.removesuffix("*")] = entry
        elif _HOST.fullmatch(entry):
            hosts[_ascii(entry)] = entry
        else:
            raise DataError(
                f"{path}:{number}: got {entry!r}, wanted a host, a URL with http:// or https://, or an id",
                hint="a * may stand at the end of a URL alone; an id has 32 hexadecimal digits",
            )
    prefixes = tuple(sorted(starred))
    return Withdrawals(
        ids=ids, urls=urls, prefixes=prefixes, starred=tuple(map(starred.__getitem__, prefixes)), hosts=hosts
    )


def _bare(url: str) -> str:
    """Cut the scheme off; host in lower case, as in all addresses that were fetched."""
    host, slash, path = url.partition("://")[2].partition("/")
    return f"{host.lower()}/{path}" if slash else f"{host.lower()}/"


def _ascii(host: str) -> str:
    try:
        return host.lower().strip(".").encode("idna").decode()
    except UnicodeError:
        return host.lower().strip(".")


def _shared(one: str, other: str) -> int:
    """Count the characters that both begin with."""
    return next(
        (at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
