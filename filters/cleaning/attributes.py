"""Walk over the tags of a page that carry something for a crawler, with their attributes, in linear time."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Final

Attributes = dict[str, str]


def tags_with_attributes(html: bytes, names: frozenset[bytes]) -> Iterator[tuple[str, Attributes]]:
    """Yield the start tags of these names in order, outside comments, scripts and styles; no tree is built.

    Args:
        html: A page in UTF-8.
        names: Tags wanted, in lower case.

    Returns:
        Name, and attributes by their names in lower case; of one that stands there twice the first counts.
    """
    at = 0
    while found := _START.search(html, at):
        at = found.end()
        if found.group() == b"<!--":
            at = _behind(html, b"-->", at)
            continue
        name = found.group(1).lower()
        if name in _RAW:
            at = _behind(html, b"</" + name, at)
        elif name in names:
            attributes, at = _attributes_at(html, at)
            yield name.decode(), attributes


# A tag's end is found attribute by attribute: a title may hold a ">", and a quote that is never closed fails once.
_START: Final = re.compile(rb"<(?:!--|([a-zA-Z][a-zA-Z0-9]*))")
_ATTRIBUTE: Final = re.compile(
    rb"""[\s/]*([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+)))?""",
)
_RAW: Final = frozenset({b"script", b"style"})


def _behind(html: bytes, mark: bytes, at: int) -> int:
    """Find the place behind a mark, in the case it is written in; the page's end where there is none."""
    place = html.find(mark, at)
    if place < 0 and mark != b"-->":
        place = html.find(mark.upper(), at)
    return len(html) if place < 0 else place + len(mark)


def _attributes_at(html: bytes, at: int) -> tuple[Attributes, int]:
    attributes: Attributes = {}
    while found := _ATTRIBUTE.match(html, at):
        at = found.end()
        name = found.group(1).lower().decode(errors="replace")
        value = next((part for part in found.groups()[1:] if part is not None), b"")
        attributes.setdefault(name, unescape(value.decode(errors="replace")).strip())
    return attributes, at
