"""Addresses: one spelling for each, what belongs to a crawl, and what looks like a trap."""

from __future__ import annotations

import re
from collections import Counter
from functools import cached_property
from typing import Final, Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from kakehi.pipeline.sources.crawl.parameters import Limits, Scope

Refusal = Literal["out_of_scope", "no_page", "too_long", "repeating"]

_PORTS: Final = {"http": 80, "https": 443}
_HOST: Final = re.compile(
    r"[a-z0-9_-][a-z0-9._-]{0,252}|[0-9a-f:.]*:[0-9a-f:.]*"
)  # a name or an IPv6 address
#: Endings of what is no page; never asked for (as `wget -R` would be told).
NO_PAGE: Final = frozenset(
    """
    7z aac apk arj asc avi bin bmp br bz2 cab class css csv dat deb dmg doc docx eot epub exe flac
    flv gif gz heic ico iso jar jpeg jpg js json key lha lzh m3u8 m4a m4v map mid mjs mkv mov mp3
    mp4 mpeg mpg msi odp ods odt ogg ogv opus otf pdf png ppt pptx ps rar rpm rss rtf sig svg swf
    tar tgz tif tiff ttf wasm wav webm webmanifest webp wma wmv woff woff2 xls xlsx xml xz zip zst
    """.split()  # noqa: SIM905 - eighty lines of one word each
)


def canonical_url(url: str, encoding: str = "utf-8") -> str | None:
    """Give an address in its one spelling, or None where it is no address of a page on the web.

    Scheme and host in lower case, the host in ASCII (IDNA), no standing port, no user, no fragment, a path, nothing
    outside ASCII: in the path as UTF-8, in the query in the page's charset, as browsers do.

    Args:
        url: An absolute address.
        encoding: Python's name of the charset of the page that names it.
    """
    from w3lib.url import safe_url_string  # noqa: PLC0415 - of the extra `crawl`

    try:
        parts = urlsplit(safe_url_string(url.strip(), encoding=encoding))
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except UnicodeEncodeError:  # a query of characters that the page's charset lacks
        return canonical_url(url) if encoding != "utf-8" else None
    except (ValueError, LookupError):
        return None
    if parts.scheme.lower() not in _PORTS or not _HOST.fullmatch(host):
        return None
    scheme = parts.scheme.lower()
    place = f"[{host}]" if ":" in host else host
    if port is not None and port != _PORTS[scheme]:
        place = f"{place}:{port}"
    return urlunsplit((scheme, place, _without_dots(parts.path), parts.query, ""))


def _without_dots(path: str) -> str:
    """Resolve `.` and `..` (RFC 3986, 5.2.4), as browsers do also where they are written with %2e."""
    kept, last = list[str](), ""
    for segment in path.split("/")[1:]:
        last = segment.lower().replace("%2e", ".")
        if last == "..":
            kept = kept[:-1]
        elif last != ".":
            kept.append(segment)
    return "/".join(["", *kept, *([""] if last in {".", ".."} or not kept else [])])


def host_of(url: str) -> str:
    """Give the host of an address in its one spelling: what is asked one request at a time, whatever the port."""
    return urlsplit(url).hostname or ""


def origin_of(url: str) -> str:
    """Give scheme, host and port: what a robots.txt speaks for."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def path_of(url: str) -> str:
    """Give path and query, as robots.txt and tdmrep.json match them."""
    return url[len(origin_of(url)) :] or "/"


class Bounds:
    """What belongs to a crawl.

    Args:
        scope: as the manifest has it.
        limits: of addresses.
        seeds: addresses whose hosts are those of the crawl where the scope names none.
    """

    def __init__(self, scope: Scope, limits: Limits, seeds: list[str]) -> None:
        self._scope = scope
        self._limits = limits
        named = (canonical_url(f"http://{host}/") or "" for host in scope.hosts)
        self._hosts = {host_of(url) for url in (named if scope.hosts else seeds)}

    @cached_property
    def _include(self) -> list[re.Pattern[str]]:
        return [re.compile(pattern) for pattern in self._scope.include]

    @cached_property
    def _exclude(self) -> list[re.Pattern[str]]:
        return [re.compile(pattern) for pattern in self._scope.exclude]

    def refusal(self, url: str) -> Refusal | None:
        """Say why an address in its one spelling is not asked for, or None."""
        if len(url) > self._limits.url_characters:
            return "too_long"
        parts = urlsplit(url)
        if not (self.belongs(url) and parts.path.startswith(self._scope.paths)):
            return "out_of_scope"
        if self._include and not any(pattern.search(url) for pattern in self._include):
            return "out_of_scope"
        if any(pattern.search(url) for pattern in self._exclude):
            return "out_of_scope"
        if _ending(parts.path) in NO_PAGE:
            return "no_page"
        most = Counter(segment for segment in parts.path.split("/") if segment).most_common(1)
        return "repeating" if most and most[0][1] > self._limits.repeats else None

    def belongs(self, url: str) -> bool:
        """Say whether an address is of a host of the crawl."""
        host = host_of(url)
        if host in self._hosts:
            return True
        return self._scope.subdomains and any(host.endswith(f".{known}") for known in self._hosts)


def _ending(path: str) -> str:
    name = unquote(path.rpartition("/")[2])
    return name.rpartition(".")[2].lower() if "." in name else ""
