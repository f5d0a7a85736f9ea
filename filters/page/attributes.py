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
            end = html.find(b"-->", at)
            at = len(html) if end < 0 else end + 3
            continue
        name = found.group(1).lower()
        if name in _RAW_END:
            closed = _RAW_END[name].search(html, at)
            at = closed.end() if closed else len(html)
        elif name in names:
            attributes, at = _attributes_at(html, at)
            yield name.decode(), attributes


# A tag's end is found attribute by attribute: a title may hold a ">", and a quote that is never closed fails once.
_START: Final = re.compile(rb"<(?:!--|([a-zA-Z][a-zA-Z0-9]*))")
_ATTRIBUTE: Final = re.compile(
    rb"""[\s/]*([^\s"'<>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+)))?""",
)
_RAW_END: Final = {name: re.compile(b"</" + name, re.IGNORECASE) for name in (b"script", b"style")}


def _attributes_at(html: bytes, at: int) -> tuple[Attributes, int]:
    attributes: Attributes = {}
    while found := _ATTRIBUTE.match(html, at):
        at = found.end()
        name = found.group(1).lower().decode(errors="replace")
        value = next((part for part in found.groups()[1:] if part is not None), b"")
        attributes.setdefault(name, unescape(value.decode(errors="replace")).strip())
    return attributes, at
