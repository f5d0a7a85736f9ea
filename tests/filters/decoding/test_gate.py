"""Test the cheap gate before extraction."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kakehi.filters.decoding import gate


def looks_japanese(html, **options):
    """Take a page that is written as characters here."""
    return gate.looks_japanese(html.encode(), **options)


def declares_japanese(html):
    """The same."""
    return gate.declares_japanese(html.encode())


FULL = {*range(0x3041, 0x3097), *range(0x30A1, 0x30FB)}
HALF = set(range(0xFF66, 0xFF9E))


@pytest.mark.parametrize(
    "tag", ["<html lang=ja>", "<HTML LANG='ja-JP'>", '<html class="x" xml:lang="ja_JP" >']
)
def test_declared(tag):
    """`ja` with or without a region counts, in `lang` or `xml:lang`."""
    assert declares_japanese("<!doctype html>" + tag)


@pytest.mark.parametrize(
    "tag",
    [
        "<html lang=jav>",
        "<html lang='jam'>",
        "<html lang=en>",
        "<html>",
        "<p lang=ja>",
        "<html data-lang=ja>",
    ],
)
def test_not_declared(tag):
    """Javanese, Jamaican creole and other elements don't count."""
    assert not declares_japanese(tag)


def test_kana_decide():
    """Kana make a page Japanese whatever it declares, and a declaration without kana does not."""
    assert looks_japanese("<html lang=en><p>" + "これは日本語の文章なのでひらがながたくさんあるのです")
    assert not looks_japanese("<html lang=ja><p>中文網頁 日本語")
    assert not looks_japanese("<html lang=en><a href=/ja>日本語</a><a>ログイン</a>")


def test_declaration_halves_the_kana():
    """Half the kana are enough where the page says that it is Japanese."""
    assert looks_japanese("<html lang=ja>" + "か" * 10)
    assert not looks_japanese("<html lang=ja>" + "か" * 9)
    assert not looks_japanese("<html>" + "か" * 19)
    assert looks_japanese("<html>" + "か" * 20)


@pytest.mark.parametrize("form", ["&#{};", "&#{}", "&#x{:x};", "&#X{:X};", "&#x00{:x};", "&#0{};"])
def test_every_kana_reference_counts(form):
    """All kana count as numeric references, half-width ones beside another, and nothing else does."""
    for point in [*range(0x2F00, 0x3200), *range(0xFF60, 0xFFA2), 0xFFFF]:
        assert looks_japanese(form.format(point) + " ", min_kana=1) == (point in FULL), hex(point)
        beside = looks_japanese(form.format(point) + " ア", min_kana=2)
        assert beside == (point in FULL | HALF), hex(point)


@given(st.text(alphabet="あｱアｲ漢𠮷é㍍a&#;x0123450", max_size=60), st.integers(1, 20))
@example("&#12354;&#x3042&#X30A2x&#00012354&#&#x;", 4)
@example("ｱｲｱｲあ", 2)
def test_counts_like_a_plain_loop(text, wanted):
    """Half-width kana count as far as there are others; a reference has at most eight digits."""
    codes = [ord(char) for char in text]
    for hexadecimal, decimal in re.findall("&#(?:[xX]([0-9a-fA-F]{1,8})|([0-9]{1,8}))", text):
        codes.append(int(hexadecimal, 16) if hexadecimal else int(decimal))
    full, half = (sum(code in kana for code in codes) for kana in (FULL, HALF))
    assert looks_japanese(text, min_kana=wanted) == (full + min(half, full) >= wanted)


def test_half_width_kana_alone_prove_nothing():
    """A page of them is what any other bytes are as cp932; beside hiragana they count."""
    assert not looks_japanese("ﾎｰﾑﾍﾟｰｼﾞ ｶﾞｲﾄﾞﾌﾞｯｸ " * 50)
    assert not looks_japanese("<html lang=ja>" + "ﾎｰﾑﾍﾟｰｼﾞ " * 50)
    assert looks_japanese("ﾎｰﾑﾍﾟｰｼﾞへようこそ。ﾒﾆｭｰをえらんでください。")
