"""Test the main text of good pages and the refusal of hostile ones."""

import contextlib
import re
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kakehi.filters.page import html as html_module
from kakehi.filters.page.html import FORMATTING, Page, PageError, _most_unclosed


def main_text(html, **options):
    """Take a page that is written as characters here."""
    return html_module.main_text(html.encode(), **options)


BODY = "<p>本文の一行目です。</p><p>二行目です。</p>"


def test_title_and_text():
    """One parse gives the title, its whitespace folded, and the text by paragraphs."""
    html = f"<title> 題\n &amp; 名 </title><body>{BODY}"
    assert main_text(html) == Page("題 & 名", "本文の一行目です。\n\n二行目です。")


def test_what_is_no_prose_is_left_out():
    """Scripts, alternative texts, form fields and readings of ruby are no text."""
    html = (
        "<script>var あ;</script><p>これは<ruby>漢字<rp>(</rp><rt>かんじ</rt></ruby>です。"
        "<img alt='絵'><input value='値'></p>"
    )
    assert main_text(html).text == "これは漢字です。"


RUBY = "<p>これは<ruby>漢字<rp>(</rp><rt>かんじ</rt><rp>)</rp></ruby>と<ruby>振<rt>ふ<rt></rt>り<RT>仮名<rt></ruby>です。"


@pytest.mark.parametrize(
    ("ruby", "text"),
    [("drop", "これは漢字と振りです。"), ("brackets", "これは漢字《かんじ》と振《ふ》り《仮名》です。")],
)
def test_a_reading_is_dropped_or_in_brackets(ruby, text):
    """It is never glued to its word, with or without end tags and parentheses of its own."""
    assert main_text(RUBY, ruby=ruby).text == text


def test_headings_lists_tables_and_code_are_readable():
    """A line each; cells apart; code as it stands."""
    html = (
        "<h1>見出し</h1><p>一行目<br>二行目<h2>小見出し</h2><ul><li>項目<li>項目<ul><li>中</ul></ul>"
        "<table><tr><th>名<th>値<tr><td>甲<td>百</table><pre>if x:\n    y  = 1\n</pre><dl><dt>語<dd>義</dl>"
    )
    lines = [line for line in main_text(html).text.split("\n") if line.strip()]
    assert [line.strip() for line in lines] == [
        "見出し", "一行目", "二行目", "小見出し", "項目", "項目", "中", "名\t\t値", "甲\t\t百",
        "if x:", "y  = 1", "語", "義",
    ]  # fmt: skip
    assert "    y  = 1" in lines


@pytest.mark.parametrize(
    "html",
    [
        "<p>これは<b>値</b>です。",
        "<p>これは<span class=jp>日本語</span>です。",
        "<p>これは<time>二〇二四年</time>です。",
        "<ul><li>一つ目の項目</li><li>二つ目の項目</li></ul>",
        "<div><div><p class=email>連絡の文</p></div></div>",
        "<figure><figcaption>図の説明</figcaption></figure>",
    ],
)
def test_what_the_parsers_own_rules_lose(html):
    """Single kanji, class `jp`, dates and lists near the body, which its main-content rules drop (2.0.1), stay."""
    text = re.sub("<[^>]*>", "", html)
    assert "".join(main_text(f"<body>{BODY}{html}</body>").text.split()).endswith(text)


def test_trafilatura_is_an_extractor_of_the_same_seam():
    """It gets the same page, cut, with its ruby settled."""
    pytest.importorskip("trafilatura")
    html = f"<title>題</title><nav><a href=/>案内</a></nav><article>{BODY * 20}{RUBY}</article>"
    page = main_text(html, extractor="trafilatura", ruby="brackets")
    assert page.title == "題"
    assert "本文の一行目です。" in page.text
    assert "漢字《かんじ》" in page.text
    assert "案内" not in page.text


@pytest.mark.parametrize("html", ["", "\0", "<", "<p", "\ufeff", "&#0;", "<title>"])
def test_nothing_much(html):
    """Next to nothing is an empty page or its characters, never an error."""
    assert main_text(html).title == ""


def test_nul():
    """NULs vanish as HTML says."""
    assert main_text("<p>あい\0うえお</p>").text == "あいうえお"


@pytest.mark.slow
def test_deep_nesting_is_refused():
    """100,000 nested elements of any kind are refused at once, in a process of its own lest it crash."""
    code = (
        "from kakehi.filters.page.html import PageError, main_text\n"
        "for tag in (b'<div>', b'<b>', b'<blockquote>', b'<x>'):\n"
        "    try: main_text(tag * 100_000 + b'x')\n"
        "    except PageError as error: print(error.reason)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    reasons = done.stdout.split()
    assert len(reasons) == 4
    assert set(reasons) <= {"too_deep", "too_many_unclosed"}


def test_depth_is_exact():
    """Elements within the limit pass, one more is refused, and unclosed `<p>` don't nest."""
    deep = "<html><head></head><body>" + "<div>" * 100 + "あ" + "</div>" * 100
    many = "<p>あ" * 4000
    assert main_text(deep + many, max_depth=102)
    with pytest.raises(PageError, match="nested deeper than 101"):
        main_text(deep + many, max_depth=101)
    assert main_text(many + many, max_depth=3)


def test_few_tags_are_harmless():
    """A page of few tags is read, however deep."""
    assert main_text("<div>" * 2000 + "これは本文です。").text == "これは本文です。"


@pytest.mark.parametrize(
    "piece", ["<ruby><rt>", "<rt><rp>", "<ul><li>", "<table><td>", "<div>", "<svg>", "<x>"]
)
@pytest.mark.parametrize("ruby", ["drop", "brackets"])
def test_nesting_of_few_tags_ends(piece, ruby):
    """Below the number of tags from which depth is looked at, whatever is nested comes to an end."""
    html = piece * (3_900 // piece.count("<")) + "本文"
    with contextlib.suppress(PageError):
        assert isinstance(main_text(html, ruby=ruby).text, str)
    html = piece * (480 // piece.count("<")) + "本文"
    assert main_text(html, ruby=ruby)


@pytest.mark.slow
@pytest.mark.parametrize(
    "html",
    [
        "<a title='" + "x" * 10_000_000 + "'>本文</a>",
        "<p " + "a=b " * 2_500_000 + ">本文",
        "<" + "x" * 10_000_000 + ">本文",
        "<!--" + "x" * 10_000_000 + "-->本文",
        "<script>" + "<p>" * 3_000_000 + "</script>本文",
        "&" * 10_000_000 + "<p>本文",
    ],
    ids=["attribute", "attributes", "name", "comment", "script", "ampersands"],
)
def test_one_tag_of_ten_megabytes(html):
    """Is read in one pass, and what stands behind it is text."""
    assert main_text(html).text.endswith("本文")


def test_unclosed_formatting_is_refused_before_parsing():
    """Formatting elements left open would be opened again in every block."""
    html = "".join(f"<p><font id={i}>あ</p>" for i in range(20_000))
    with pytest.raises(PageError) as caught:
        main_text(html)
    assert caught.value.reason == "too_many_unclosed"


def most_unclosed_slowly(html):
    """Find the tags by a regular expression and keep a list of what is open."""
    opened, most = [], 0
    tag = rf"<(/?)({'|'.join(FORMATTING)})(?=[\t\n\f\r />])"
    for slash, name in re.findall(tag, html, re.IGNORECASE | re.ASCII):
        if not slash:
            opened.append(name.lower())
            most = max(most, len(opened))
        elif name.lower() in opened:
            opened.remove(name.lower())
    return most


# fmt: off
TAGS = ["<a ", "<B>", "</b>", "</a>", "<font", "</FONT\n", "<strong>", "<strikes>", "</strong/", "</i\v>", "<i\0>"]
# fmt: on


@given(
    st.lists(
        st.sampled_from([*"<>/ \t\v\f\r\0xaBあ𠮷\ud800", "<h1>", *TAGS]),
        max_size=30,
    ).map("".join)
)
@example("<b><b></b><i")
@settings(max_examples=300)
def test_unclosed_formatting_is_counted_as_slowly(html):
    """The kernel finds the tags that a regular expression finds."""
    assert _most_unclosed(html.encode(errors="replace")) == most_unclosed_slowly(html)


def test_well_formed_formatting_is_never_refused():
    """A long page whose formatting elements are closed passes, as do stray end tags."""
    assert main_text("<p><b>太字</b></B></i>です。</p>" * 20_000).text.startswith("太字です。")


@pytest.mark.parametrize("chars", [400_000, 5_000_000])
def test_large_pages(chars):
    """A whole book in one page comes out whole."""
    paragraph = "<p>" + "これは本文です。" * 50 + "</p>"
    html = "<body>" + paragraph * (chars // len(paragraph))
    assert main_text(html).text.count("本文") == html.count("本文")


def test_too_large():
    """A page over the limit is refused with its reason."""
    with pytest.raises(ValueError, match="page has 12 bytes of UTF-8, wanted at most 11") as caught:
        main_text("あ" * 4, max_bytes=11)
    assert isinstance(caught.value, PageError)
    assert caught.value.reason == "too_large"
