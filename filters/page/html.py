"""Take the title and the main text out of a page."""

from functools import cache
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
from numba import njit
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import HTMLTree

from kakehi.arrays import Int64M, UInt8M
from kakehi.filters.page.boilerplate import cut_boilerplate
from kakehi.filters.page.guards import MAX_ATTRIBUTES, MAX_OPTIONS, most_attributes, options_in_selects

Reason: TypeAlias = Literal["too_large", "too_deep", "too_many_unclosed"]
Extractor: TypeAlias = Literal["resiliparse", "trafilatura"]
Ruby: TypeAlias = Literal["drop", "brackets"]


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
    html: bytes,
    *,
    extractor: Extractor = "resiliparse",
    ruby: Ruby = "drop",
    max_bytes: int = 20_000_000,
    max_depth: int = 512,
) -> Page:
    """Cut a page's boilerplate, parse it once, and return its title and main text.

    Paragraphs, headings, list items and rows of tables are lines, cells are separated by tabs, and `<pre>` keeps its
    spaces. List bullets and alternative texts are left out: they are not the author's sentences, and a "•" per item
    would count as a line of list in every signal. Form fields, noscript and link targets are left out too.

    Args:
        html: A page in UTF-8; NULs are no text in HTML.
        extractor: `resiliparse` writes out all that the cut has left; `trafilatura` looks for the main text itself, at
            some thirty times the cost, and needs the extra `precise`.
        ruby: What becomes of a reading over a word: nothing, or 漢字《かんじ》; never 漢字かんじ.
        max_bytes: Largest page.
        max_depth: Deepest nesting of elements. Extraction takes time in proportion to depth times nodes
            (100,000 nested `<div>` take minutes), and browsers flatten what is deeper than 512 (Blink).
            Only pages with ruby or more than `HARMLESS_TAGS` tags are looked at: that is 12 % of the time of a page,
            and the deepest of the others takes half a second.

    Raises:
        PageError: The page is too large, too deep, has a tag of too many attributes, or leaves too many formatting
            elements or a select of too many options open.
    """
    if len(html) > max_bytes:
        raise PageError("too_large", f"page has {len(html)} bytes of UTF-8, wanted at most {max_bytes}")
    cut, tags, _ = cut_boilerplate(html, never_text_alone=extractor == "trafilatura")
    if tags > HARMLESS_TAGS:
        _refuse_unclosed(cut, tags)
    if (many := most_attributes(cut)) > MAX_ATTRIBUTES:
        raise PageError("too_large", f"a tag has {many} attributes, wanted at most {MAX_ATTRIBUTES}")
    source = cut.decode()
    tree = HTMLTree.parse(source)
    has_ruby = b"<rt" in cut or b"<RT" in cut
    # Readings nested 2,000 deep took half a minute to take out, in a page of 12 kB.
    if (tags > HARMLESS_TAGS or has_ruby) and _deeper_than(tree, max_depth):
        raise PageError("too_deep", f"elements are nested deeper than {max_depth}")
    if has_ruby:
        _settle_ruby(tree, ruby)
        source = str(tree)
    text = _by_trafilatura(source) if extractor == "trafilatura" else _by_resiliparse(tree)
    return Page(" ".join((tree.title or "").split()), text)


def _by_resiliparse(tree: HTMLTree) -> str:
    # Without "alternative texts" it leaves out figures and their captions; pictures are cut out already.
    return extract_plain_text(tree, list_bullets=False, alt_texts=True)


def _by_trafilatura(source: str) -> str:
    import trafilatura  # noqa: PLC0415 - of the extra `precise`

    return trafilatura.extract(source, include_comments=False, favor_precision=True) or ""


def _settle_ruby(tree: HTMLTree, ruby: Ruby) -> None:
    """Take readings out, or put them in brackets in place of those for browsers that know no ruby."""
    document = tree.document
    if document is None:
        return
    # From the inside outwards: to take an element out of one that is out already never ends (resiliparse 2.0.1).
    for parenthesis in reversed(list(document.query_selector_all("rp"))):
        parenthesis.decompose()
    for element in reversed(list(document.query_selector_all("rt"))):
        reading = (element.text or "").strip()
        brackets = tree.create_text_node(f"《{reading}》") if reading and ruby == "brackets" else None
        if brackets is None:
            element.decompose()
        else:  # in place of the element: trafilatura drops it whatever it holds
            element.replace_with(brackets)


# HTML's list of active formatting elements: what is left open here is opened again in every later block,
# so n unclosed elements and m tags become up to n * m nodes. 2,000 unclosed <font> in 50 kB: 4 s, 2 M nodes.
# fmt: off
FORMATTING: Final = (
    "a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u",
)
# fmt: on
MAX_REOPENED: Final = 20_000_000
HARMLESS_TAGS: Final = 4_000


def _refuse_unclosed(html: bytes, tags: int) -> None:
    """Refuse a page whose unclosed formatting elements could multiply into too many nodes."""
    unclosed = _most_unclosed(html)
    if unclosed * tags > MAX_REOPENED:
        what = f"{unclosed} formatting elements are open at once among {tags} tags"
        raise PageError("too_many_unclosed", f"{what}, wanted a product of at most {MAX_REOPENED}")
    if (options := options_in_selects(html)) > MAX_OPTIONS:
        raise PageError(
            "too_many_unclosed", f"{options} options in selects left open, wanted at most {MAX_OPTIONS}"
        )


def _most_unclosed(html: bytes) -> int:
    """Count the formatting elements open at the worst place; a stray end tag closes nothing."""
    # Bytes in a kernel: a regular expression took a tenth of the time of all of `extract`.
    return int(_count_unclosed(np.frombuffer(html, np.uint8), _packed_names()))


@cache
def _packed_names() -> Int64M:
    return np.array([int.from_bytes(name.encode()) for name in FORMATTING], np.int64)


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
