"""What a page's tags would cost the parser is known before it is asked."""

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kakehi.filters.page import guards
from kakehi.filters.page.html import PageError, main_text

TEXT = "これは日本語の文章です。".encode() * 20


def slowly(html: bytes) -> int:
    """Count attributes as the standard tokenises a tag, from every place where one may begin."""
    return max((_attributes(html, found.end()) for found in re.finditer(rb"<(?=[a-zA-Z])", html)), default=0)


def _attributes(html: bytes, at: int) -> int:
    state, count = "name", 0  # of the tag
    while at < len(html):
        byte = html[at : at + 1]
        blank = byte in b" \n\t\r\f"
        if state in {"double", "single"}:
            if byte == (b'"' if state == "double" else b"'"):
                state = "before"
        elif byte == b">":
            return count
        elif state == "equals" and byte in b"\"'":
            state = "double" if byte == b'"' else "single"
        elif state in {"equals", "bare"}:
            state = ("before" if state == "bare" else "equals") if blank else "bare"
        elif byte == b"/":
            state = "before"
        elif blank:
            state = "behind" if state == "name" else state
        elif byte == b"=" and state != "before":
            state = "equals"
        elif state != "name":
            state, count = "name", count + 1
        at += 1
    return count


@pytest.mark.slow
@settings(max_examples=100)
@given(
    st.lists(st.sampled_from([b"<", b"a", b">", b" ", b"/", b"=", b'"', b"'", b"<p", b"\xe3"]), max_size=40)
)
@example([b"<p", b" ", b"a", b"=", b'"', b">", b'"', b" ", b"a", b"/", b"a"])
def test_attributes_are_counted_as_slowly(pieces: list[bytes]) -> None:
    """Going backwards counts what going forwards from every place counts, but for the tag's own `=`."""
    html = b"".join(pieces)
    got = guards._most_attributes(guards.np.frombuffer(html or b" ", guards.np.uint8))
    assert got == slowly(html)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("html", "reason"),
    [
        (b"<p " + b" ".join(b'a%d="1"' % i for i in range(100_000)) + b">" + TEXT, "too_large"),
        (b"<svg><title><p " + b"/".join(b"a%d" % i for i in range(100_000)) + TEXT, "too_large"),
        (b"<select>" + b"<option>" * 400_000 + TEXT, "too_many_unclosed"),
        (b"<select>" + b"<OPTION>x</option>" * 400_000 + TEXT, "too_many_unclosed"),
    ],
)
def test_tags_that_cost_their_square_are_refused(html: bytes, reason: str) -> None:
    """Half a million attributes of a tag, or options of a select, took ten minutes and more."""
    began = time.process_time()
    with pytest.raises(PageError) as caught:
        main_text(html)
    assert caught.value.reason == reason
    assert time.process_time() - began < 30  # kernels may have to be compiled


def test_what_people_write_is_read() -> None:
    """Many attributes in all, thousands in one tag, and a long list of options that is closed."""
    for html in (
        b'<p class="a" id=b title=c>x</p>' * 20_000,
        b"<p " + b" ".join(b"a%d" % i for i in range(guards.MAX_ATTRIBUTES)) + b">",
        b"<select>" + b"<option>x" * 50_000 + b"</select>",
    ):
        assert "これは日本語" in main_text(html + b"<p>" + TEXT + b"</p>").text
