"""Take the title and the main text out of a page."""

import re
from functools import cache
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numba import njit
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from kakehi.filters.texts import Int64M, UInt8M

Reason: TypeAlias = Literal["too_large", "too_deep", "too_many_unclosed"]


class Page(NamedTuple):
    """A page's title and main text; both may be empty."""

    title: str
    text: str


class PageError(ValueError):
    """Refuse a page, for a `reason` that depends on its characters alone and never on the time it took."""

    def __init__(self, reason: Reason, what: str) -> None:
        super().__init__(f"html.main_text: {what}")
        self.reason: Reason = reason


def main_text(
    html: str, *, max_chars: int = 10_000_000, max_depth: int = 512, comments: bool = False
) -> Page:
    """Parse a page once and return its title and main text.

    List bullets and alternative texts are left out: they are not the author's sentences, and a "•" per item
    would count as a line of list in every signal. Form fields, noscript and link targets are left out too,
    and so is the reading above a ruby text: 漢字 with かんじ over it is 漢字, not 漢字かんじ.

    Args:
        html: A decoded page; NULs are no text in HTML, lone surrogates are replaced.
        max_chars: Largest page, in characters.
        max_depth: Deepest nesting of elements. Extraction takes time in proportion to depth times nodes
            (100,000 nested `<div>` take minutes), and browsers flatten what is deeper than 512 (Blink).
            Only pages of more than `HARMLESS_TAGS` tags are looked at: that is 12 % of the time of a page,
            and the deepest of the others takes half a second.
        comments: Keep readers' comments.

    Raises:
        PageError: The page is too large, too deep or leaves too many formatting elements open.
    """
    if len(html) > max_chars:
        raise PageError("too_large", f"page has {len(html)} characters, wanted at most {max_chars}")
    tags = html.count("<")
    if tags > HARMLESS_TAGS:
        _refuse_unclosed(html, tags)
    tree = _parse(html)
    if tags > HARMLESS_TAGS and _deeper_than(tree, max_depth):
        raise PageError("too_deep", f"elements are nested deeper than {max_depth}")
    text = extract_plain_text(
        tree,
        main_content=True,
        list_bullets=False,
        alt_texts=False,
        comments=comments,
        skip_elements=RUBY_READINGS if "<rt" in html or "<RT" in html else None,
    )
    return Page(" ".join((tree.title or "").split()), text)


# HTML's list of active formatting elements: what is left open here is opened again in every later block,
# so n unclosed elements and m tags become up to n * m nodes. 2,000 unclosed <font> in 50 kB: 4 s, 2 M nodes.
# fmt: off
FORMATTING: Final = (
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
)
# fmt: on
RUBY_READINGS: Final = ["rt", "rp"]
MAX_REOPENED: Final = 20_000_000
HARMLESS_TAGS: Final = 4_000
SURROGATES: Final = re.compile("[\ud800-\udfff]")


def _refuse_unclosed(html: str, tags: int) -> None:
    """Refuse a page whose unclosed formatting elements could multiply into too many nodes."""
    unclosed = _most_unclosed(html)
    if unclosed * tags > MAX_REOPENED:
        what = f"{unclosed} formatting elements are open at once among {tags} tags"
        raise PageError("too_many_unclosed", f"{what}, wanted a product of at most {MAX_REOPENED}")


def _most_unclosed(html: str) -> int:
    """Count the formatting elements open at the worst place; a stray end tag closes nothing."""
    # Bytes in a kernel: a regular expression took a tenth of the time of all of `extract`.
    bytes_ = np.frombuffer(html.encode(errors="replace"), np.uint8)
    return int(_count_unclosed(bytes_, _packed_names()))


@cache
def _packed_names() -> Int64M:
    return np.array([int.from_bytes(name.encode()) for name in FORMATTING], np.int64)


def _parse(html: str) -> HTMLTree:
    """Parse a page; lone surrogates, which the parser refuses, are replaced."""
    try:
        return HTMLTree.parse(html)
    except UnicodeEncodeError:
        return HTMLTree.parse(SURROGATES.sub("�", html))


def _deeper_than(tree: HTMLTree, depth: int) -> bool:
    """Tell whether an element has `depth` or more ancestors."""
    document = tree.document
    return document is not None and document.query_selector(_descent(depth)) is not None


@cache
def _descent(depth: int) -> str:
    """Write the selector of an element with `depth` ancestors: the parser walks faster than Python could."""
    return " > ".join(["*"] * (depth + 1))


@njit(cache=True, nogil=True)
def _count_unclosed(bytes_: UInt8M, names: Int64M) -> int:
    """Walk over the tags, and count elements of these names (bytes packed as one number, in lower case)."""
    opened = np.zeros(len(names), np.int64)
    now = most = 0
    i, size = 0, len(bytes_)
    while i < size:
        if bytes_[i] != 0x3C:  # <
            i += 1
            continue
        i += 1
        closes = i < size and bytes_[i] == 0x2F  # /
        i += closes
        packed = 0
        while i < size and 0x61 <= bytes_[i] | 0x20 <= 0x7A and packed < 1 << 48:
            packed = packed << 8 | (bytes_[i] | 0x20)
            i += 1
        if packed == 0 or i == size:
            continue
        after = bytes_[i]
        if not (after == 0x3E or after == 0x20 or after == 0x2F or 0x09 <= after <= 0x0D) or after == 0x0B:  # noqa: PLR1714 - as compiled
            continue
        for k in range(len(names)):
            if names[k] == packed:
                if not closes:
                    opened[k] += 1
                    now += 1
                    most = max(most, now)
                elif opened[k]:
                    opened[k] -= 1
                    now -= 1
    return most
