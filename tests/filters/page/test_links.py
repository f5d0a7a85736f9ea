"""Links, and the walk over tags that finds them: as a browser's tree would have it, and in linear time."""

import time
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakehi.filters.decoding.charset import decode
from kakehi.filters.page.attributes import tags_with_attributes
from kakehi.filters.page.links import links_of
from kakehi.pipeline.sources.formats import warc
from kakehi.pipeline.sources.formats.records import Record

QUICKSTART = Path(__file__).parents[3] / "manifests" / "quickstart" / "warc"
URL = "http://h.example/a/b?c"


class Anchors(HTMLParser):
    """The standard library's parser, asked for links alone."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.found: list[str] = []

    def handle_starttag(self, tag, attrs):
        named = dict(reversed(attrs))
        if tag in {"a", "area"} and named.get("href"):
            self.found.append(urljoin(self.url, named["href"].strip()))


def test_links_of_real_pages_are_those_of_the_standard_parser():
    """Anchors of 140 pages in their charsets, in order, each once."""
    pages = 0
    for path in sorted(QUICKSTART.glob("*.warc.gz")):
        for item in warc.read(path):
            if isinstance(item, Record) and item.body and b"<base" not in item.body:
                html = decode(item.body, item.header_charset).utf8(item.body)
                oracle = Anchors(item.url)
                oracle.feed(html.decode())
                named = {link.url for link in links_of(html, item.url)}
                others = {link.url for link in links_of(b"".join(_without_anchors(html)), item.url)}
                assert named - others <= set(oracle.found) <= named
                pages += 1
    assert pages > 100


def _without_anchors(html: bytes):
    yield html.replace(b"<a ", b"<x ").replace(b"<A ", b"<x ").replace(b"<area ", b"<x ")


@pytest.mark.parametrize(
    ("html", "urls"),
    [
        ('<a href="x">', ["http://h.example/a/x"]),
        ("<A HREF=/x?y=1&amp;z=2>", ["http://h.example/x?y=1&z=2"]),
        ("<a title='a>b' href='//o.example/'>", ["http://o.example/"]),
        ('<a href="x"><a href="x">', ["http://h.example/a/x"]),
        ('<!-- <a href="no"> --><a href="yes">', ["http://h.example/a/yes"]),
        ("<script>'<a href=no>'</Script><a href=yes>", ["http://h.example/a/yes"]),
        ('<base href="http://o.example/p/"><a href=q>', ["http://o.example/p/q"]),
        ('<frame src="f"><iframe src=g>', ["http://h.example/a/f", "http://h.example/a/g"]),
        ('<meta http-equiv=refresh content="0; url=/n">', ["http://h.example/n"]),
        ('<link rel="stylesheet" href=s><link rel=next href=n>', ["http://h.example/a/n"]),
        ('<link rel=alternate type="application/rss+xml" href=f>', []),
        ('<a href="a\n b">', ["http://h.example/a/a b"]),
        ("<a href=http://[>", []),
        ("<a href", []),
        ("<a>", []),
        ("<", []),
        ("", []),
    ],
)
def test_links_are_found_where_they_are(html, urls):
    """Tags and attributes in any case and quoting, relative to the page or its base."""
    assert [link.url for link in links_of(html.encode(), URL)] == urls


def test_a_link_says_its_language_and_whether_it_is_vouched_for():
    """By hreflang and rel."""
    [one, two] = links_of(b'<a hreflang=JA href=a><a rel="external nofollow" href=b>', URL)
    assert (one.language, one.follow, two.language, two.follow) == ("ja", True, "", False)


def test_no_more_are_looked_for_than_are_wanted():
    """A page of links without end costs what its first ones cost."""
    html = b"".join(b"<a href=%d>" % number for number in range(100))
    assert links_of(html, URL, 3) == links_of(html, URL)[:3]


HOSTILE = [
    b"<a ",
    b"<a href='",
    b'<a b="c',
    b"<!--",
    b"<script>",
    b"<a" + b" " * 50,
    b"<a x=",
    b"<a / = / ",
    b"<base href=//x/>",
    b"<a href=x",
    b"</script",
    b"a=b ",
]


@pytest.mark.slow
@pytest.mark.parametrize("piece", HOSTILE, ids=repr)
def test_a_hostile_page_takes_linear_time(piece):
    """Two megabytes of anything unclosed; the square of that takes minutes."""
    html = (b"<a " if piece == b"a=b " else b"") + piece * (2_000_000 // len(piece))
    start = time.process_time()
    for _ in tags_with_attributes(html, frozenset({b"a", b"base"})):
        pass
    assert time.process_time() - start < 8


@given(
    st.lists(
        st.sampled_from(
            [b"<a", b" href", b"=", b"'", b'"', b">", b"<!--", b"-->", b"<script", b"</script", b"x"]
        )
    )
)
def test_nothing_breaks_it(pieces):
    """Whatever pieces come in whatever order."""
    links_of(b"".join(pieces), URL)
