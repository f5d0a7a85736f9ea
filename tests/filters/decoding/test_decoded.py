"""Test what is known of a page as one codec reads it."""

import codecs
import random

import pytest

from kakehi.filters.decoding.charset import decode
from kakehi.filters.decoding.decoded import Decoded, read_leniently, read_strictly
from kakehi.filters.decoding.gate import looks_japanese

PAGE = "<html><body>日本語の文章です。カタカナとひらがなを含みます。</body></html>"


@pytest.mark.parametrize(
    "body",
    [PAGE.encode(), codecs.BOM_UTF8 + b"a", b"\xe3\x81", PAGE.encode("cp932"), PAGE.encode("utf-16")],
)
def test_utf8_of_a_page(body):
    """A sound UTF-8 body is given back, any other encoded anew, without BOM and with its replacements."""
    decoded = decode(body)
    assert decoded.utf8(body) == decoded.text.encode()


def test_own_replacement_characters_are_not_counted():
    """U+FFFD that the page itself holds is text."""
    assert decode("あ�".encode() + b"\xff").replaced == 1
    assert decode("あ�".encode()).replaced == 0


def test_random_bytes_are_dubious():
    """Read as cp932 they have kana, in the end more than the gate wants, but a small share."""
    body = random.Random(1).randbytes(60_000)  # noqa: S311 - not for secrets
    found = decode(body)
    assert found.dubious
    assert looks_japanese(found.text.encode())


@pytest.mark.parametrize(
    ("text", "codec", "place", "dubious"),
    [
        (PAGE, "cp932", "trial", False),
        (PAGE, "euc_jp", "fallback", False),
        ("東京都庁", "euc_jp", "trial", True),
        ("東京都庁", "euc_jp", "header", False),
        ("Ich und die Käsekuchen", "utf-8", "trial", False),
        ("ﾀｷﾝｻｹ ﾁﾙ ﾏﾇｻｺ" * 9, "cp932", "trial", True),
        ("あｬあｬあｬ" * 9, "cp932", "trial", True),
    ],
)
def test_a_guess_without_kana_is_dubious(text, codec, place, dubious):
    """What is declared is not, nor is UTF-8, which proves itself; one kana again and again is no kana."""
    assert Decoded(text, codec, place, 0).dubious == dubious


def test_cp932_has_no_private_bytes():
    """A0, FD, FE and FF, which Python reads, are errors."""
    assert read_strictly(b"\x82\xa0\xa0", "cp932") is None
    assert read_leniently(b"\x82\xa0\xfd\xff", "cp932", "header") == Decoded("あ��", "cp932", "header", 2)
