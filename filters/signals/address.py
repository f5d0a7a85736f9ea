"""Read a document's address: top-level and registrable domain, and whether a list or rule names its host or path."""

import ipaddress
from array import array
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import xxhash

from kakehi.arrays import UInt64M
from kakehi.filters.signals.family import Family, Signal
from kakehi.filters.texts import view

#: Bytes at a list's beginning that are looked at to tell text from something else.
_LOOKED_AT: Final = 65536
#: Addresses that hosts files put before a name.
_SINKS: Final = (b"0.0.0.0", b"127.0.0.1", b"::1", b"::")
#: Hosts whose registrable domain is remembered: a shard has far fewer hosts than documents.
_REMEMBERED: Final = 65536


def measure(
    column: pa.Array,
    *,
    blocklists: dict[str, Path | list[Path]] | None = None,
    parent_domains: bool = True,
    rules: list[str] | None = None,
) -> tuple[pa.Array, ...]:
    """Read the address of every document; null for those without a host.

    Args:
        column: URLs.
        blocklists: files by the name that `blocked_by` gives: one host or host/path a line, as UT1's `domains` and
            `urls` have them, or hosts files, or whole URLs; `#` begins a comment.
        parent_domains: whether a listed domain covers those below it; False is Swallow's reading.
        rules: `example.jp` (host, and below), `=example.jp` (that host alone), `*example.jp` (hosts that end so),
            `https://example.jp/a` (URLs that begin so), `/*.cgi` (a pattern of the path).

    Raises:
        ValueError: a list that is not text.
    """
    addresses = [split(url) for url in view(column)]
    found = _verdicts(column, addresses, _lists(blocklists), parent_domains, rules or [])
    hosts = [host for host, _ in addresses]
    return (
        pa.array([host and _top(host) for host in hosts], pa.large_string()),
        pa.array([host and registrable_domain(host) for host in hosts], pa.large_string()),
        pa.array([None if host is None else int(row in found) for row, host in enumerate(hosts)], pa.int64()),
        pa.array([found[row][0] if row in found else None for row in range(len(hosts))], pa.large_string()),
    )


def evidence(
    column: pa.Array,
    *,
    blocklists: dict[str, Path | list[Path]] | None = None,
    parent_domains: bool = True,
    rules: list[str] | None = None,
) -> list[str]:
    """Say which entry or rule names one document's host; see `measure` for the arguments."""
    addresses = [split(url) for url in view(column)]
    found = _verdicts(column, addresses, _lists(blocklists), parent_domains, rules or [])
    return [f"{name} has {entry!r}" for name, entry in found.values()]


def check(*, blocklists: dict[str, Path | list[Path]] | None, **_: object) -> None:
    """Look at the beginning of every list.

    Raises:
        ValueError: it is not text.
    """
    for paths in (blocklists or {}).values():
        for path in [paths] if isinstance(paths, Path) else paths:
            with path.open("rb") as file:
                if b"\0" in file.read(_LOOKED_AT):
                    raise ValueError(
                        f"list {path.name!r}: is not text, wanted one host a line (unpack it first?)"
                    )


def split(url: str) -> tuple[str | None, str]:
    """Give a URL's host in lower case and ASCII, and its path; (None, "") for what is no URL with a host."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return None, ""
    return (_ascii(host), parts.path) if host else (None, "")


@lru_cache(_REMEMBERED)
def registrable_domain(host: str) -> str | None:
    """Give the public suffix and one label more; None for addresses of numbers and for suffixes themselves."""
    if _is_number(host):
        return None
    found: str | None = _open_suffixes().privatesuffix(host)
    return found


def read_entries(path: Path) -> Iterator[bytes]:
    """Yield a list's entries as they are compared: host, or host/path, in lower case and ASCII."""
    with path.open("rb") as file:
        for number, line in enumerate(file):
            entry = line.removeprefix(b"\xef\xbb\xbf") if number == 0 else line
            entry = entry.partition(b"#")[0].strip()
            first, _, rest = entry.partition(b" ")
            if first in _SINKS:
                entry = rest.split()[0] if rest.split() else b""
            if b"://" in entry:
                entry = entry.partition(b"://")[2]
            host, slash, rest = entry.partition(b"/")
            host = host.lower().removeprefix(b"*").strip(b".")
            if not host.isascii():
                host = _ascii(host.decode("utf-8", "replace")).encode()
            if host:
                yield (host + slash + rest).rstrip(b"/")


ADDRESS = Family(
    measure=measure,
    reads=("url",),
    signals=(
        Signal(
            name="top_level_domain",
            dtype=pa.large_string(),
            unit="label",
            source="the host's last label, in ASCII; null for addresses of numbers, and without a host",
        ),
        Signal(
            name="registrable_domain",
            dtype=pa.large_string(),
            unit="label",
            source="public suffix and one label more, by the list that the package publicsuffixlist brings (its private part "
            "too: name.github.io); null where there is none",
        ),
        Signal(
            name="blocked",
            dtype=pa.int64(),
            unit="0 or 1",
            source="whether a list or rule names the host, a domain above it, or the path; null without a host",
        ),
        Signal(
            name="blocked_by",
            dtype=pa.large_string(),
            unit="label",
            source="name of the first list that does, else the first rule; null if none",
        ),
    ),
    version=1,
    libraries=("publicsuffixlist",),
    files=("blocklists",),
    check=check,
    evidence=evidence,
)


class _Entries(NamedTuple):
    """Lists as one: the xxh3 hash of each entry, sorted, and the number of the first list that has it."""

    hashes: UInt64M
    owners: Any  # uint16[len(hashes)]
    names: tuple[str, ...]


def _lists(blocklists: Mapping[str, Path | list[Path]] | None) -> _Entries:
    states = tuple(
        (name, path, path.stat().st_size, path.stat().st_mtime_ns)
        for name, paths in (blocklists or {}).items()
        for path in ([paths] if isinstance(paths, Path) else paths)
    )
    return _open_lists(states)


@lru_cache(maxsize=8)
def _open_lists(states: tuple[tuple[str, Path, int, int], ...]) -> _Entries:
    """Hash every entry, 10 bytes each: UT1's 4.6 million take 46 MB, 230 MB at most and 7 s while they are read."""
    names = tuple(dict.fromkeys(name for name, *_ in states))
    hashes, owners = array("Q"), array("H")
    for name, path, *_ in states:
        before = len(hashes)
        hashes.extend(map(xxhash.xxh3_64_intdigest, read_entries(path)))
        owners.extend([names.index(name)] * (len(hashes) - before))
    unique, first = np.unique(np.frombuffer(hashes, np.uint64), return_index=True)  # the first of equals
    return _Entries(unique, np.frombuffer(owners, np.uint16)[first], names)


def _verdicts(
    column: pa.Array,
    addresses: Sequence[tuple[str | None, str]],
    lists: _Entries,
    parents: bool,
    rules: Sequence[str],
) -> dict[int, tuple[str, str]]:
    """Give the list or rule that names an address, and its entry, by row; rows that none names are left out."""
    found: dict[int, tuple[str, str]] = {}
    for row, owner, entry in sorted(_listed(addresses, lists, parents)):
        found.setdefault(row, (lists.names[owner], entry))
    for row, ((host, path), url) in enumerate(zip(addresses, view(column) if rules else (), strict=False)):
        fitting = [rule for rule in rules if host and _fits(rule, url, host, path)]
        if fitting:
            found.setdefault(row, (fitting[0], fitting[0]))
    return found


def _listed(
    addresses: Sequence[tuple[str | None, str]], lists: _Entries, parents: bool
) -> Iterator[tuple[int, int, str]]:
    """Yield row, list and entry; all look-ups at once, for one by one they cost 100 µs an address."""
    rows: list[int] = []
    entries: list[str] = []
    for row, (host, path) in enumerate(addresses if len(lists.hashes) else ()):
        for name in [] if host is None else [host, *(_above(host) if parents else ())]:
            entries += [name, *_prefixes(name, path)]
        rows += [row] * (len(entries) - len(rows))
    keys = [xxhash.xxh3_64_intdigest(entry.encode("utf-8", "surrogatepass")) for entry in entries]
    wanted = np.array(keys, np.uint64)
    places = np.searchsorted(lists.hashes, wanted)
    places = np.minimum(places, len(lists.hashes) - 1)
    for i in np.nonzero(lists.hashes[places] == wanted)[0] if keys else ():
        yield rows[i], int(lists.owners[places[i]]), entries[i]


def _above(host: str) -> list[str]:
    labels = host.split(".")
    return [".".join(labels[i:]) for i in range(1, len(labels))]


def _prefixes(host: str, path: str) -> list[str]:
    """Give host/a, host/a/b, … of a path."""
    parts = [part for part in path.split("/") if part]
    return [f"{host}/{'/'.join(parts[: i + 1])}" for i in range(len(parts))]


def _fits(rule: str, url: str, host: str, path: str) -> bool:
    if "://" in rule:
        return url.startswith(rule)
    if rule.startswith("/"):
        return fnmatchcase(path, rule)
    if rule.startswith("="):
        return host == rule[1:]
    if rule.startswith("*"):
        return host.endswith(rule[1:])
    return host == rule or host.endswith(f".{rule}")


def _top(host: str) -> str | None:
    return None if _is_number(host) else host.rpartition(".")[2]


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _ascii(host: str) -> str:
    """Write a host as DNS has it: 例え.jp is xn--r8jz45g.jp; what can't be stays as it is."""
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode().lower()
    except UnicodeError:
        return host


@cache
def _open_suffixes() -> Any:
    """Open the bundled list once a process: 0.15 s."""
    from publicsuffixlist import PublicSuffixList  # noqa: PLC0415 - only for those who ask for addresses

    return PublicSuffixList()
