"""Lists of what is not to be used: which documents meet one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.sources.formats.records import host_of
from kakehi.pipeline.stages.withdrawals import Met, read_withdrawals

LIST = """\
# sent by their owners
example.jp
Sub.Other.example      # and what lies below
https://whole.example/a?b=1
http://part.example/blog/*
00112233445566778899aabbccddeeff
日本語.jp
"""
ID = bytes.fromhex("00112233445566778899aabbccddeeff")


@pytest.mark.parametrize(
    ("url", "met"),
    [
        ("https://example.jp/", Met("host", "example.jp")),
        ("http://www.example.jp:8080/x", Met("host", "example.jp")),
        ("https://notexample.jp/", None),
        ("https://example.jp.evil.example/", None),
        ("https://sub.other.example/", Met("host", "Sub.Other.example")),
        ("https://a.sub.other.example/", Met("host", "Sub.Other.example")),
        ("https://other.example/", None),
        ("https://whole.example/a?b=1", Met("url", "https://whole.example/a?b=1")),
        ("http://WHOLE.example/a?b=1", Met("url", "https://whole.example/a?b=1")),
        ("https://whole.example/a?b=12", None),
        ("https://whole.example/A?b=1", None),
        ("https://part.example/blog/", Met("url", "http://part.example/blog/*")),
        ("https://part.example/blog/2026/1", Met("url", "http://part.example/blog/*")),
        ("https://part.example/blog", None),
        ("https://xn--wgv71a119e.jp/", Met("host", "日本語.jp")),
        (None, None),
    ],
)
def test_an_address_meets_an_entry_or_none(tmp_path, make, url, met):
    """By host and what is below it, whole, or by its beginning; http and https are one."""
    found = read_withdrawals(make.file(tmp_path / "l.txt", LIST))
    assert found.meets(b"x" * 16, url, host_of(url)) == met


def test_an_id_speaks_first(tmp_path, make):
    """The entry named is the narrowest."""
    found = read_withdrawals(make.file(tmp_path / "l.txt", LIST))
    assert found.meets(ID, "https://example.jp/", "example.jp") == Met("id", ID.hex())


@pytest.mark.parametrize(
    "line", ["a b", "https://*.example/", "/path", "*.example.jp", "a.example:80", "host/path"]
)
def test_what_is_none_of_these_is_refused_with_its_line(tmp_path, make, line):
    """A slip of the pen would withdraw nothing."""
    path = make.file(tmp_path / "l.txt", f"example.jp\n{line}\n")
    with pytest.raises(DataError, match=re.escape(f"l.txt:2: got {line!r}")):
        read_withdrawals(path)


def test_a_changed_list_is_read_anew(tmp_path, make):
    """Though it is held between batches."""
    path = make.file(tmp_path / "l.txt", "a.example\n")
    assert read_withdrawals(path).meets(ID, "https://a.example/", "a.example")
    make.file(path, "bb.example\n")
    assert not read_withdrawals(path).meets(ID, "https://a.example/", "a.example")


PATHS = st.text("ab/", max_size=6)


@given(st.lists(PATHS, max_size=8), PATHS)
def test_the_longest_beginning_is_found(tmp_path_factory, prefixes, path):
    """As by looking at each."""
    home = tmp_path_factory.mktemp("l")
    (home / "l.txt").write_text("".join(f"https://h.example/{prefix}*\n" for prefix in prefixes))
    found = read_withdrawals(home / "l.txt").meets(ID, f"https://h.example/{path}", "h.example")
    slow = max((prefix for prefix in prefixes if path.startswith(prefix)), key=len, default=None)
    assert found == (None if slow is None else Met("url", f"https://h.example/{slow}*"))
