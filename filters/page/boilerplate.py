"""Cut out of a page's source what is no text of its author's: scripts, menus, footers, clusters of links.

Before the page is parsed, because most of a page's bytes are not worth parsing, and because the extractor's own rules
lose Japanese text (measured: see docs/extraction.md). One pass over the bytes finds the elements and counts the text
and the link text in each; a second one copies what stays.
"""

from functools import cache
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numba import njit

from kakehi.arrays import BoolM, Int32M, Int64M, UInt8M, UInt64M
from kakehi.filters.page.tags import (
    HARD,
    SOFT,
    comment_end,
    is_blank,
    is_letter,
    kind_of,
    name_at,
    raw_end,
    read_tag,
    wide_at,
    wide_before,
    word_hash,
)


class Cut(NamedTuple):
    """A page's source without its boilerplate, and what was found on the way."""

    html: bytes
    tags: int
    depth: int


def cut_boilerplate(html: bytes, *, never_text_alone: bool = False) -> Cut:
    """Cut boilerplate out of a page's source.

    An element goes as a whole, if it has an end tag, by the first of these rules that fits. None but the first takes
    an element that holds more than a third of the page's text outside of links.

    1. It is never text: `NEVER_TEXT`, comments, scripts, styles, form fields, pictures.
    2. It is named for what is not text: `nav`, `aside`, `footer`, or a word of `HARD_WORDS` in class, id or role;
       or it is hidden.
    3. It is named for what often is not, `header` or a word of `SOFT_WORDS`, and 30 % of its text are links.
    4. It is a list of which more than half are links, or another block of which more than two thirds are.

    A newline between two wide characters, outside of `<pre>`, goes too: browsers collapse it to a space, which
    Japanese has none of (CSS Text 3, 4.1.3, removes it).

    Args:
        html: A page in UTF-8.

        never_text_alone: Apply the first rule, and no other.

    Returns:
        The page; where a block was, there is `<hr>`, so that its neighbours are not one paragraph. Tags and deepest
        nesting are those of the source, blocks alone counting as depth.
    """
    out, tags, depth = _cut(np.frombuffer(html, np.uint8), *_tables(), never_text_alone)
    return Cut(out.tobytes(), int(tags), int(depth))


# fmt: off
RAW: Final = ("script", "style", "textarea", "iframe", "noframes", "xmp")  # their content has no tags
VOID: Final = ("img", "area", "input", "source", "track", "embed", "link", "meta")  # no content; alternative texts
NEVER_TEXT: Final = ("svg", "template", "noscript", "select", "button", "object", "audio", "video", "canvas", "dialog")
NAMED: Final = ("nav", "aside", "footer")
LISTS: Final = ("ul", "ol", "dl", "menu")
BLOCKS: Final = ("div", "section", "article", "main", "table", "td", "form", "fieldset", "center", "details", "figure")

HARD_WORDS: Final = (
    "nav", "navi", "gnav", "gnavi", "lnav", "lnavi", "snav", "snavi", "navbar", "navigation", "breadcrumb", "breadcrumbs",
    "pankuzu", "topicpath", "sidebar", "sidemenu", "sidenav", "footer", "foot", "copyright", "contentinfo", "banner",
    "banners", "bnr", "share", "sharing", "social", "sns", "ad", "ads", "adsense", "advertisement", "sponsor", "sponsored",
    "cookie", "consent", "pager", "pagination", "paging", "pagetop", "totop", "gotop", "backtotop", "comments",
    "commentlist", "newsletter", "subscribe", "popup", "modal", "lightbox", "skip", "skiplink", "complementary", "search",
    "searchbox", "searchform",
)
SOFT_WORDS: Final = (
    "header", "head", "menu", "submenu", "dropdown", "side", "sub", "related", "relation", "recommend", "recommended",
    "ranking", "popular", "recent", "latest", "archive", "archives", "category", "categories", "tags", "tagcloud", "tag",
    "widget", "widgets", "calendar", "links", "link", "toc", "login", "signin", "register", "profile", "comment", "meta",
    "info", "tab", "tabs", "prev", "next", "top", "bottom", "right", "left",
)
# fmt: on

# Kinds of elements, in the order of `_tables`' names.
_PRE, _TITLE, _LINK, _VOID, _RAW, _NEVER, _NAMED, _HEADER, _LIST, _BLOCK = range(1, 11)
_SEARCHED: Final = (
    256  # open elements that an end tag is looked for in: more would be quadratic on hostile pages
)

_Tables: TypeAlias = tuple[UInt64M, Int64M, UInt64M, Int64M]


@cache
def _tables() -> _Tables:
    """Write names (packed) with their kinds, and words (hashed, sorted) with their hardness, as arrays."""
    groups = (("pre",), ("title",), ("a",), VOID, RAW, NEVER_TEXT, NAMED, ("header",), LISTS, BLOCKS)
    names = [(int.from_bytes(name.encode()), kind) for kind, group in enumerate(groups, 1) for name in group]
    words = sorted(
        (word_hash(word), hardness)
        for hardness, group in ((SOFT, SOFT_WORDS), (HARD, HARD_WORDS))
        for word in group
    )
    return (
        np.array([name for name, _ in names], np.uint64),
        np.array([kind for _, kind in names], np.int64),
        np.array([word for word, _ in words], np.uint64),
        np.array([hardness for _, hardness in words], np.int64),
    )


@njit(cache=True, nogil=True)
def _cut(
    bytes_: UInt8M, names: UInt64M, kinds: Int64M, words: UInt64M, hardness: Int64M, never_text_alone: bool
) -> tuple[UInt8M, int, int]:
    """Cut in one pass, and so in one function: open elements, counts of text and cuts change with every tag."""
    size = len(bytes_)
    room = 1
    for byte in bytes_:
        room += byte == 0x3C
    cuts = np.zeros(size + 1, np.int32)  # cuts that begin at a place, less those that end there
    block = np.zeros(size + 1, np.bool_)  # where a border is left
    # Open elements, and those that are to be judged once the page's text is known: a row each.
    # Columns: name, kind, hardness, place, text before, link text before.
    open_ = np.empty((room, 6), np.int64)
    closed = np.empty((room, 5), np.int64)  # place, end, kind and hardness, text, link text
    top, judged, tags, deepest, pre = 0, 0, 0, 0, 0
    text, linked, link_top = 0, 0, -1
    i = 0
    while i < size:
        byte = bytes_[i]
        if byte != 0x3C:
            if not is_blank(byte):
                text += 1
                linked += link_top >= 0
                i += 1
                continue
            start, newline = i, False
            while i < size and is_blank(bytes_[i]):
                newline = newline or bytes_[i] == 0x0A
                i += 1
            if newline and pre == 0 and i < size and wide_at(bytes_, i, size) and wide_before(bytes_, start):
                cuts[start] += 1
                cuts[i] -= 1
            continue
        start = i
        if i + 3 < size and bytes_[i + 1] == 0x21 and bytes_[i + 2] == 0x2D and bytes_[i + 3] == 0x2D:
            i = comment_end(bytes_, i + 4)
            if i < 0:
                break
            cuts[start] += 1
            cuts[i] -= 1
            continue
        ends = i + 1 < size and bytes_[i + 1] == 0x2F
        i += 1 + ends
        if i >= size or not is_letter(bytes_[i]):
            text += 1
            linked += link_top >= 0
            i = start + 1
            continue
        name, i = name_at(bytes_, i)
        tags += 1
        kind = kind_of(name, names, kinds)
        i, hard, target = read_tag(bytes_, i, words, hardness, kind >= _NAMED and not ends)
        if i < 0:
            break
        if kind == 0:
            continue
        if kind == _LINK:
            link_top = top if target and not ends else -1
            continue
        if kind == _VOID:
            cuts[start] += 1
            cuts[i] -= 1
            continue
        if not ends:
            if kind == _RAW:
                i = raw_end(bytes_, i, name)
                cuts[start] += 1
                cuts[i] -= 1
                continue
            if kind == _TITLE:
                i = raw_end(bytes_, i, name)
                continue
            if name == _TD and top and open_[top - 1, 0] == np.int64(name):
                top, judged, text, linked = _close(
                    open_, top, top - 1, start, start, closed, judged, text, linked, cuts
                )
            open_[top, 0] = np.int64(name)
            open_[top, 1] = kind
            open_[top, 2] = hard
            open_[top, 3] = start
            open_[top, 4] = text
            open_[top, 5] = linked
            top += 1
            pre += kind == _PRE
            deepest = max(deepest, top)
            continue
        found = top - 1
        while found >= 0 and top - found <= _SEARCHED and open_[found, 0] != np.int64(name):
            found -= 1
        if found >= 0 and open_[found, 0] == np.int64(name):
            for k in range(found, top):
                pre -= open_[k, 1] == _PRE
            top, judged, text, linked = _close(
                open_, top, found, start, i, closed, judged, text, linked, cuts
            )
            if link_top > top:
                link_top = -1
    if not never_text_alone:
        _judge(closed, judged, text - linked, cuts, block)
    return _copy(bytes_, cuts, block), tags, deepest


_TD = np.uint64(int.from_bytes(b"td"))


@njit(cache=True, nogil=True)
def _close(
    open_: Int64M, top: int, found: int, start: int, end: int, closed: Int64M, judged: int,
    text: int, linked: int, cuts: Int32M,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Close the open elements from `found` on; those without an end tag of their own end where this one starts."""
    while top > found:
        top -= 1
        kind, place = open_[top, 1], open_[top, 3]
        stop = end if top == found else start
        if kind == _NEVER:
            cuts[place] += 1
            cuts[stop] -= 1
            text, linked = open_[top, 4], open_[top, 5]
        elif kind != _PRE:
            closed[judged, 0] = place
            closed[judged, 1] = stop
            closed[judged, 2] = kind * 4 + open_[top, 2]
            closed[judged, 3] = text - open_[top, 4]
            closed[judged, 4] = linked - open_[top, 5]
            judged += 1
    return top, judged, text, linked


@njit(cache=True, nogil=True)
def _judge(closed: Int64M, judged: int, total: int, cuts: Int32M, block: BoolM) -> None:
    """Mark the elements that go, now that the text outside of links is known."""
    for k in range(judged):
        kind, hard, text, linked = closed[k, 2] // 4, closed[k, 2] % 4, closed[k, 3], closed[k, 4]
        if text <= 0 or 3 * (text - linked) > total:
            continue
        goes = kind == _NAMED or hard == HARD
        goes = goes or ((kind == _HEADER or hard == SOFT) and 10 * linked >= 3 * text)
        goes = goes or (2 * linked > text if kind == _LIST else 3 * linked > 2 * text)
        if goes:
            cuts[closed[k, 0]] += 1
            cuts[closed[k, 1]] -= 1
            block[closed[k, 0]] = True


@njit(cache=True, nogil=True)
def _copy(bytes_: UInt8M, cuts: Int32M, block: BoolM) -> UInt8M:
    """Copy what stays."""
    out = np.empty(len(bytes_), np.uint8)
    o, cut, begun = 0, 0, 0
    for place in np.flatnonzero(cuts):
        if cut == 0:
            for i in range(begun, place):
                out[o] = bytes_[i]
                o += 1
            if block[place]:
                for byte in b"<hr>":
                    out[o] = byte
                    o += 1
        cut += cuts[place]
        begun = int(place)
    for i in range(begun, len(bytes_)):
        out[o] = bytes_[i]
        o += 1
    return out[:o]
