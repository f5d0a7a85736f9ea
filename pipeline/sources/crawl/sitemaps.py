"""Read sitemaps (sitemaps.org): lists of pages, lists of such lists, and plain lists of addresses."""

from __future__ import annotations

import re
from html import unescape
from typing import Final, NamedTuple

#: As many as the protocol allows in one file.
MOST: Final = 50_000

# Found by pattern, not by an XML parser: no entities to bomb with, and a broken file gives what it has.
_LOC: Final = re.compile(
    r"<(?:\w{1,20}:)?loc\s*+>\s*+(?:<!\[CDATA\[\s*+)?([^<>\s\]]{1,4000}(?:\](?!\]>)[^<>\s\]]{0,4000}){0,50})\s*+(?:\]\]>\s*+)?<",
    re.IGNORECASE,
)
_INDEX: Final = re.compile(r"<(?:\w{1,20}:)?sitemapindex[\s>]", re.IGNORECASE)


class Sitemap(NamedTuple):
    """What a sitemap names: pages, or other sitemaps."""

    urls: list[str]
    is_index: bool


def read(body: bytes) -> Sitemap:
    """Read an unpacked sitemap; what is none names nothing."""
    text = body.decode("utf-8", errors="replace").removeprefix("\ufeff")
    if "<" not in text[:1000]:
        lines = [line.strip() for line in text.splitlines()]
        return Sitemap([line for line in lines if line.startswith(("http://", "https://"))][:MOST], False)
    found = [unescape(match[1]) for match in _LOC.finditer(text)]
    return Sitemap(found[:MOST], bool(_INDEX.search(text[:10_000])))
