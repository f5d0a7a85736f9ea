"""Take from a page what leads to other pages, and what says in which language it is written."""

from typing import Final, NamedTuple
from urllib.parse import urljoin

from kakehi.filters.page.attributes import Attributes, tags_with_attributes


class Link(NamedTuple):
    """An address as the page's author meant it, the language he said it is in, and whether he vouches for it."""

    url: str
    language: str
    follow: bool


def links_of(html: bytes, url: str, most: int | None = None) -> list[Link]:
    """Give the pages that a page names, in order, each once: links, frames, alternates, the next page, a refresh.

    Pictures, styles, scripts and forms lead to no page. Addresses are joined with the page's own, or with its `<base>`.

    Args:
        html: A page in UTF-8.
        url: Its address.
        most: As many are given, and no more are looked for; None for all.
    """
    base, found = url, dict[str, Link]()
    for tag, attributes in tags_with_attributes(html, _TAGS):
        if tag == "base":
            base = _joined(url, attributes.get("href", "")) if base == url else base
            continue
        named = _named(tag, attributes)
        if named and (target := _joined(base, named)):
            follow = "nofollow" not in attributes.get("rel", "").lower().split()
            link = Link(target, attributes.get("hreflang", "").lower(), follow)
            found.setdefault(target, link)
            if len(found) == most:
                break
    return list(found.values())


_TAGS: Final = frozenset({b"a", b"area", b"base", b"frame", b"iframe", b"link", b"meta"})
_LEADING: Final = frozenset({"alternate", "next", "prev", "canonical"})


def _named(tag: str, attributes: Attributes) -> str:
    """Give the address a tag names, or ''."""
    if tag == "meta":
        if attributes.get("http-equiv", "").lower() != "refresh":
            return ""
        _, mark, target = attributes.get("content", "").partition("=")
        return target.strip(" \"'") if mark else ""
    if tag in {"frame", "iframe"}:
        return attributes.get("src", "")
    if tag == "link" and not (
        _LEADING & set(attributes.get("rel", "").lower().split())
        and attributes.get("type", "text/html").lower() == "text/html"  # else a feed
    ):
        return ""
    return attributes.get("href", "")


def _joined(base: str, named: str) -> str:
    try:
        return urljoin(base, named.replace("\n", "").replace("\r", "").replace("\t", ""))
    except ValueError:  # [ in a host
        return ""
