"""Test how much a text reads like the language of its codec."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakehi.filters.decoding.likelihood import EVERYDAY, all_everyday, everyday_share, likelihood

LEVEL_1 = {
    bytes((row + 0xA0, cell + 0xA0)).decode("euc_jp", "ignore")
    for row in range(16, 48)
    for cell in range(1, 95)
}


def slow(text):
    """Count in a loop: characters outside ASCII and signs, kana, their kinds, everyday kanji."""
    outside = [char for char in text if char >= "\x80"]
    once = [char for n, char in enumerate(outside) if n == 0 or char != outside[n - 1]]
    counted = [char for char in once if not "\u2000" <= char <= "\u2bff" and char != "\u3000"]
    kana = [char for char in counted if "ぁ" <= char <= "ゖ" or "ァ" <= char <= "ヺ" or char == "ー"]
    kanji = [char for char in counted if char in LEVEL_1 or char in "々、。「」"]
    return len(counted), len(kana), len(set(kana)), len(kanji)


@given(st.text(alphabet="あいアーｱｶﾞﾟ漢龠亜々、。・é’\u3000─\x80\ue000𠮷ax <", max_size=80))
def test_counts_like_a_plain_loop(text):
    """Signs are left out, ASCII is, and what repeats the last character."""
    found = likelihood(text)
    assert (found.outside, found.kana, found.kinds, found.kanji) == slow(text)
    assert -1 <= found.japanese <= 1


def test_a_long_text_is_counted_in_parts(monkeypatch):
    """A part's end costs no character."""
    text = "今日は天気がよい。" * 50
    whole = likelihood(text)
    monkeypatch.setattr("kakehi.filters.decoding.likelihood._CHUNK_CHARS", 7)
    assert likelihood(text) == whole


@pytest.mark.parametrize(
    ("more", "less"),
    [
        ("カタカナ", "･ｫ･ｿ･ｫ･ﾊ"),
        ("日本語", "ﾆ･ﾋﾜｸ"),
        ("日本語", "譌･譛ｬ隱"),
        ("ひらがな", "日本語"),
    ],
)
def test_japanese_scores_above_what_is_misread(more, less):
    """Kana above kanji, everyday kanji above rare ones and half-width kana."""
    assert likelihood(more).japanese > likelihood(less).japanese


def test_half_width_kana_score_nothing():
    """Sound marks count only where a Japanese encoding is chosen."""
    found = likelihood("ｶﾞｲﾄﾞ")
    assert (found.japanese, found.has_kana, found.with_half_width > 0.5) == (0, False, True)


@pytest.mark.parametrize(
    ("text", "proves"),
    [
        ("カタカナノメニュー", True),
        ("ああああ", False),
        ("ろろろ｡ろ", False),
        ("優の良品", False),
        ("漢" * 3 + "字の" * 30, False),
        ("漢字かな交じり文です", True),
    ],
)
def test_four_kana_of_three_kinds_prove_it(text, proves):
    """One kana in every word is no proof."""
    assert likelihood(text).has_kana == proves


@pytest.mark.parametrize(
    ("text", "everyday"),
    [
        ("東京都庁", True),
        ("第1章 計画の概要", True),
        ("It痴 John痴, isn稚 it", False),
        ("V駭us", False),
        ("é", False),
    ],
)
def test_everyday_kanji_stand_side_by_side(text, everyday):
    """Apostrophes of Windows are kanji that stand alone."""
    assert all_everyday(text) == everyday


@pytest.mark.parametrize("codec", EVERYDAY)
def test_everyday_characters_are_in_their_codec(codec):
    """Else they would count for nothing."""
    assert EVERYDAY[codec].encode(codec)
    assert len(set(EVERYDAY[codec])) > 100


def test_the_share_of_everyday_characters():
    """One's own language has many, another has few."""
    text = "今天我们去了公园，在那里看到了很多人。"
    assert everyday_share(text, "gb18030") > 0.5
    assert everyday_share("今日は公園に行きました。".encode("euc_jp").decode("gb18030"), "gb18030") < 0.1
    assert everyday_share("abc", "cp949") == 0
