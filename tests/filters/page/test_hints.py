"""Guesses before a page is fetched."""

import pytest

from kakehi.filters.page.hints import is_japanese, rank_of


@pytest.mark.parametrize(
    ("host", "path", "language", "neighbour", "rank"),
    [
        ("a.example", "/", "ja", None, 0),
        ("a.example", "/en/", "ja-jp", False, 0),
        ("a.example", "/ja/", "en", True, 4),
        ("a.example", "/", "x-default", None, 2),
        ("a.example", "/ja/x", "", False, 0),
        ("a.example", "/x_ja/", "", None, 2),
        ("a.example", "/docs/ja-JP/x", "", None, 0),
        ("a.example", "/en-us/x", "", True, 4),
        ("a.example", "/x?lang=ja", "", None, 0),
        ("a.example", "/x?a=1&hl=en", "", True, 4),
        ("a.jp", "/x", "", None, 0),
        ("ja.a.example", "/x", "", None, 0),
        ("a.jp", "/en/", "", None, 4),
        ("a.de", "/x", "", None, 4),
        ("a.example", "/%E3%81%B2%E3%82%89", "", None, 0),
        ("a.example", "/%E4%B8%AD", "", None, 2),
        ("a.example", "/x", "", True, 1),
        ("a.example", "/x", "", False, 3),
        ("jazz.example", "/english-breakfast", "", None, 2),
    ],
)
def test_a_link_is_ranked_by_what_says_most(host, path, language, neighbour, rank):
    """Its own language, then its path, its host, and the page it stands on."""
    assert rank_of(host, path, language=language, neighbour=neighbour) == rank


def test_a_page_is_japanese_by_kana_charset_or_its_own_word():
    """Whichever says so first."""
    assert is_japanese("ひらがなとカタカナの文章をここに書きます。".encode() * 2, "utf-8")
    assert is_japanese(b"x", "euc_jp")
    assert is_japanese(b'<!DOCTYPE html><html class=x lang="ja-JP">', "utf-8")
    assert not is_japanese(b'<html lang="jam">', "utf-8")
    assert not is_japanese("中文网页没有假名。".encode() * 50, "utf-8")
