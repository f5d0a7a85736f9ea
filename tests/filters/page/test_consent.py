"""What a response says of being stored, followed and mined."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakehi.filters.page.consent import (
    forbidding,
    matches,
    said_in_file,
    said_in_headers,
    said_in_page,
)

US = frozenset({"kakehi", "gptbot"})


def told(*values: str) -> list[tuple[bool, bool]]:
    return [(said.store, said.follow) for said in said_in_headers([("X-Robots-Tag", v) for v in values], US)]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("noindex", [(False, True)]),
        ("NoIndex , NoFollow", [(False, False)]),
        ("none", [(False, False)]),
        ("all", [(True, True)]),
        ("noarchive", [(False, True)]),
        ("noai, noimageai", [(False, True)]),
        ("noimageai", [(True, True)]),
        ("nosnippet, max-snippet: 0", [(True, True)]),
        ("unavailable_after: 25 Jun 2030 15:00:00 JST", [(True, True)]),
        ("otherbot: noindex, nofollow", []),
        ("GPTBot: noindex", [(False, True)]),
        ("otherbot: nofollow, kakehi: noindex", [(False, True)]),
        ("", []),
        (",,:", []),
    ],
)
def test_a_header_speaks_to_us_or_not(value, said):
    """By directives, for all robots or for those that are named."""
    assert told(value) == said


@pytest.mark.parametrize(
    ("value", "allowed"), [("search=yes, ai-train=no", False), ("ai-train=yes", True), ("search=no", None)]
)
def test_a_content_signal_speaks_of_training(value, allowed):
    """As the files of sites do; links are followed, for search may be allowed."""
    said = said_in_headers([("Content-Signal", value)], US)
    assert [(one.source, one.store, one.follow) for one in said] == (
        [] if allowed is None else [("content-signal", allowed, True)]
    )
    usage = value.replace("ai-train", "train-ai").replace("yes", "y").replace("no", "n")
    said = said_in_headers([("content-usage", usage)], US)
    assert [(one.source, one.store) for one in said] == (
        [] if allowed is None else [("content-usage", allowed)]
    )


@pytest.mark.parametrize(
    ("name", "heard"),
    [
        ("robots", True),
        ("ROBOTS ", True),
        ("robots, googlebot", True),
        ("*", True),
        ("GPTBot", True),
        ("googlebot", False),
        ("robots-of-others", False),
        ("", False),
    ],
)
def test_a_tag_names_whom_it_speaks_to(name, heard):
    """One robot or several."""
    assert bool(said_in_page(f'<meta name="{name}" content="noindex">'.encode(), US)) == heard


def test_a_tag_is_read_as_a_header_is():
    """A date hides nothing."""
    [said] = said_in_page(
        b'<meta name=robots content="unavailable_after: Fri, 25-Jun-10 15:00:00 UTC; NOINDEX">', US
    )
    assert not said.store


def test_headers_of_one_name_all_count():
    """Each by itself."""
    assert told("nofollow", "noindex") == [(True, False), (False, True)]


@pytest.mark.parametrize(("value", "store"), [("1", False), (" 0 ", True)])
def test_a_reservation_is_one_or_none(value, store):
    """Anything else is as if nothing were said."""
    [said] = said_in_headers([("tdm-reservation", value)], US)
    assert (said.store, said.follow) == (store, True)
    [said] = said_in_page(f'<meta name=TDM-Reservation content="{value}">'.encode(), US)
    assert (said.store, said.source) == (store, "tdm-meta")
    assert not said_in_headers([("tdm-reservation", "yes")], US)


@pytest.mark.parametrize(
    ("html", "store", "follow"),
    [
        ('<meta name="robots" content="noindex">', False, True),
        ("<META CONTENT='NOFOLLOW' NAME='ROBOTS'>", True, False),
        ('<meta name="kakehi" content="none">', False, False),
    ],
)
def test_a_page_speaks_in_its_head(html, store, follow):
    """In any case and order of attributes."""
    [said] = said_in_page(html.encode(), US)
    assert (said.store, said.follow, said.source) == (store, follow, "meta-robots")


def test_what_stands_elsewhere_is_not_the_pages_word():
    """In its body, in a comment, for another robot, or under a long head."""
    meta = b'<meta name="robots" content="noindex">'
    assert not said_in_page(b"<body>" + meta, US)
    assert not said_in_page(b"<!--" + meta + b"-->", US)
    assert not said_in_page(b'<meta name="otherbot" content="noindex">', US)
    assert not said_in_page(b"<title>" + b"x" * (1 << 16) + b"</title>" + meta, US)


def test_a_line_says_whose_word_forbids():
    """And none where it is allowed."""
    no, yes = said_in_headers([("X-Robots-Tag", "noindex"), ("TDM-Reservation", "0")], US)
    assert forbidding(no.worded()) == "x-robots-tag"
    assert forbidding(yes.worded()) is None
    assert yes.worded() == "allowed by tdm-header: TDM-Reservation: 0"


def test_of_a_sites_file_the_first_rule_that_matches_counts():
    """As the protocol has it."""
    rules = [
        {"location": "/open/*", "tdm-reservation": 0},
        {"location": "/*.pdf$", "tdm-reservation": 1},
        {"location": "/closed/", "tdm-reservation": 1, "tdm-policy": "https://example.org/p"},
    ]
    file = json.dumps(rules).encode()
    assert said_in_file(file, "/open/a.pdf").store
    assert not said_in_file(file, "/x/a.pdf").store
    assert said_in_file(file, "/x/a.pdf?b") is None
    assert "tdm-policy" in said_in_file(file, "/closed/1").evidence


@pytest.mark.parametrize(
    "file", [b"", b"{}", b"[1]", b"[" * 100_000, b"\xff", b'[{"location": 1}]', b'[{"location": "/"}]']
)
def test_a_broken_file_says_nothing(file):
    """Nor does it break anything."""
    assert said_in_file(file, "/") is None


PATH = st.text("ab*$/", max_size=8)


@given(PATH, st.text("ab/", max_size=8))
def test_patterns_match_as_a_regular_expression_does(pattern, path):
    """`*` for anything, `$` for the end: held to a slow reading character by character."""

    def slow(left: str, rest: str) -> bool:
        if not left:
            return True
        if left == "$":
            return not rest
        if left[0] == "*":
            return any(slow(left[1:], rest[at:]) for at in range(len(rest) + 1))
        return bool(rest) and left[0] == rest[0] and slow(left[1:], rest[1:])

    assert matches(pattern, path) == slow(pattern, path)
