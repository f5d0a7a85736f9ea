"""The words of robots headers and tags, as they are documented and as they are written."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakehi.filters.page.directives import read_directives

US = frozenset({"kakehi", "gptbot"})
DATES = [
    "25 Jun 2010 15:00:00 GMT",
    "25 Jun 2010 15:00:00 PST",
    "Fri, 25 Jun 2010 15:00:00 GMT",  # RFC 822
    "Fri, 25 Jun 10 15:00:00 +0900",
    "Friday, 25-Jun-10 15:00:00 UTC",  # RFC 850
    "25-Jun-2010 15:00:00 EST",
    "Fri Jun 25 15:00:00 2010",  # asctime
    "2010-06-25",  # ISO 8601
    "2010-06-25T15:00:00+09:00",
    "2010-06-25T15:00:00.000Z",
    "20100625T150000Z",
    "2010-06-25 15:00:00 GMT-09:00",
    "2010年6月25日 15:00",
    "",
    "none",
]


@pytest.mark.parametrize("date", DATES)
@pytest.mark.parametrize("around", ["unavailable_after: {}, noindex", "noindex, UNAVAILABLE_AFTER:{}"])
@pytest.mark.parametrize("separator", [", ", ",", ";", " ", "、", "，", "\t"])
def test_a_date_hides_nothing(date, around, separator):
    """Before the word or behind it, whatever is between; no part of it is a word that forbids."""
    words = read_directives(around.replace(", ", separator).format(date), US)
    assert {"noindex", "unavailable_after"} <= words
    assert not words & {"none", "nofollow", "noarchive"}


@pytest.mark.parametrize(
    "value",
    [
        "noindex nofollow",
        "noindex;nofollow",
        "noindex ; nofollow",
        "noindex，nofollow",
        "noindex、nofollow",
        "noindex；nofollow",
        "noindex\u3000nofollow",
        "ｎｏｉｎｄｅｘ, nofollow",
        "noindex|nofollow",
        "noindex/nofollow",
        "noindex,,nofollow,",
        "NOINDEX,NOFOLLOW",
        '"noindex, nofollow"',
        "'noindex', 'nofollow'",
        "[noindex, nofollow]",
        "noindex.nofollow.",
        "noindex\r\n\tnofollow",
        "robots: noindex, nofollow",
        "*: noindex nofollow",
        "X-Robots-Tag: noindex, nofollow",
        '<meta name="robots" content="noindex, nofollow">',
        "kakehi: noindex, nofollow",
        "kakehi/1.0: noindex, nofollow",
        "KAKEHI : noindex , nofollow",
        "kakehi：noindex，nofollow",
        "otherbot: all, kakehi: noindex, GPTBot: nofollow",
        "noindex: nofollow",
        "noindex=1, nofollow=1",
    ],
)
def test_two_words_are_two_however_they_are_written(value):
    """Blanks, semicolons, full width, quotes, a name of ours before them."""
    assert {"noindex", "nofollow"} <= read_directives(value, US)


@pytest.mark.parametrize(
    "value",
    [
        "otherbot: noindex",
        "otherbot:noindex, none",
        "otherbot : noindex nofollow",
        "googlebot/2.1: noindex",
        "360spider: noindex",
        "kakehi: all, otherbot: noindex",
        "unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT, otherbot: noindex",
        "otherbot: unavailable_after: Fri, 25 Jun 2010 15:00:00 GMT, noindex",
    ],
)
def test_what_is_for_another_robot_is_not_for_us(value):
    """Until one of our names comes."""
    assert "noindex" not in read_directives(value, US)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("max-snippet:50, noarchive", {"max-snippet", "noarchive"}),
        ("max-snippet: -1 noarchive", {"max-snippet", "noarchive"}),
        ("max-image-preview: none", {"max-image-preview"}),
        ("max-image-preview=none", {"max-image-preview"}),
        ("max-image-preview:none, nosnippet", {"max-image-preview", "nosnippet"}),
        ("kakehi: max-image-preview:none", {"max-image-preview"}),
        (
            "max-video-preview: 0, max-image-preview : large; noai",
            {"max-video-preview", "max-image-preview", "noai"},
        ),
        ("all", {"all"}),
        ("none", {"none"}),
        ("noindexing, nonone", {"noindexing", "nonone"}),
        (",,:", set()),
        ("", set()),
    ],
)
def test_a_value_is_no_directive(value, words):
    """`max-image-preview: none` forbids nothing of what `none` does."""
    assert read_directives(value, US) == words


@given(st.lists(st.sampled_from(["noindex", "nofollow", "all", "noai", "max-snippet:5", "none"]), max_size=6))
def test_separators_do_not_matter(words):
    """Commas with blanks, as the documentation has it, say the same as any other."""
    wanted = read_directives(", ".join(words), US)
    assert wanted == {word.partition(":")[0] for word in words}
    assert all(
        read_directives(between.join(words), US) == wanted for between in (" ", ";", " ; ", "、", "，　")
    )


def test_time_is_linear_in_a_values_length():
    """A head of blanks, colons or names takes no longer for each of them than a short one."""
    for junk in (" ", ":", "a:", "=", ", ", "a"):
        started = time.process_time()
        read_directives(junk * (1 << 16) + "x", US)
        assert time.process_time() - started < 1
