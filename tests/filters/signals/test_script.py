"""Characters are counted by script as Unicode names them."""

import unicodedata
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.signals import script
from kakehi.filters.signals.language import LANGUAGE
from kakehi.filters.signals.script import SCRIPT, count_classes
from kakehi.filters.texts import view

NAMES = [signal.name for signal in SCRIPT.signals]
text_of_traps = st.text(
    st.one_of(
        st.sampled_from(
            "あがゝゞゟアガーヽヾヿㇰｱｰﾞ漢々〆〇〻𠮷\U0002f800神﨑、。，．！？「」・゠〜゛゜ Aａé×0９①\u3000\n\t\u2028"
        ),
        st.characters(codec="utf-8"),
    )
)


def measured(text):
    """Return the signals of one text by name."""
    return {n: column[0].as_py() for n, column in zip(NAMES, SCRIPT.measure(pa.array([text])), strict=True)}


def script_slowly(c):
    """Name the script of a character from its Unicode name."""
    name, code = unicodedata.name(c, ""), ord(c)
    if (c.isspace() and code > 0x1F) or c in "\t\n\v\f\r":
        return "blank"
    if c in "〆〇〻々" or name.startswith(("CJK COMPATIBILITY IDEOGRAPH", "CJK UNIFIED")):
        return "kanji"
    if "VOICED SOUND MARK" in name and "ITERATION" not in name and "LETTER" not in name:
        return "mark"
    if name.startswith("HIRAGANA"):
        return "hiragana"
    if name.startswith(("KATAKANA", "HALFWIDTH KATAKANA")) and unicodedata.category(c)[0] == "L":
        return "katakana"
    if (c.isascii() and c.isdigit()) or "０" <= c <= "９":
        return "digit"
    return "other"


@settings(max_examples=300)
@given(text_of_traps)
def test_scripts_agree_with_unicode_names(text):
    """Kana, kanji, digits and blanks are what the Unicode names say, for the characters this Unicode version knows."""
    text = "".join(c for c in text if c.isspace() or unicodedata.name(c, ""))
    text = "".join(c for c in text if not "\U0001aff0" <= c <= "\U0001b2ff")
    want, got = Counter(map(script_slowly, text)), measured(text)
    assert got["characters"] == len(text)
    assert got["printed"] == len(text) - want["blank"]
    assert [got[n] for n in ("hiragana", "katakana", "kanji", "digits")] == [
        want[n] for n in ("hiragana", "katakana", "kanji", "digit")
    ]


def swallow_slowly(text):
    """Count as Swallow v1 does."""
    return sum(
        "ぁ" <= c <= "ゖ"
        or "ァ" <= c <= "ヺ"
        or "㐀" <= c <= "\u9fff"
        or "\uf900" <= c <= "\ufaff"
        or c in "々〇〻、，。．！？"
        for c in text
    )


@settings(max_examples=200)
@given(text_of_traps)
def test_swallow_letters_are_swallows(text):
    """The faithful count misses what Swallow misses, and nothing else."""
    assert measured(text)["swallow_letters"] == swallow_slowly(text)


def test_shares_are_divided_by_what_is_printed():
    """Blanks do not dilute a share, and 𠮷 and ー are Japanese."""
    got = measured("𠮷ー か\n　a")
    assert got["kana_share"] == 2 / 4
    assert got["kanji_share"] == 1 / 4
    assert got["japanese_share"] == 3 / 4


@pytest.mark.parametrize("text", ["", "\n", " \u3000"])
def test_a_blank_text_has_no_share(text):
    """What can't be divided is NaN."""
    got = measured(text)
    assert all(
        got[n] != got[n] for n in NAMES if n.endswith("_share") and not n.startswith("swallow_japanese")
    )


def test_hentaigana_and_old_kana_are_kana():
    """The kana of plane 1 count."""
    got = measured("\U0001b000\U0001b001\U0001b002\U0001b150\U0001b164")
    assert (got["katakana"], got["hiragana"]) == (2, 3)


def test_symbols_and_emoji():
    """Signs of every width are symbols; pictures are emoji, each code point of a family by itself."""
    got = measured("!×…①㈱→©±☆ 👨\u200d👩🏽🇯🇵⭐🈁🀇")
    assert got["symbols"] == 9
    assert got["emoji"] == 7
    assert measured("、あア日Aé0\u00ad\u2060\u2066가")["symbols"] == 0


@settings(max_examples=200)
@given(text_of_traps)
def test_a_symbol_is_no_letter(text):
    """What counts as a symbol has a category of punctuation, symbol or number."""
    for c in text:
        if measured(c)["symbols"] or measured(c)["emoji"]:
            assert unicodedata.category(c)[0] in "PSNC" or "\u2071" <= c <= "\u2bff", c


def test_a_column_is_counted_once_for_all_families(monkeypatch):
    """Families that go by the same counts, of one column; another column, though equal, is counted anew."""
    counted = []
    monkeypatch.setattr(
        script, "count_classes", lambda texts: counted.append(len(texts)) or count_classes(texts)
    )
    column = pa.array(["これは日本語です。", "English"])
    for family in (SCRIPT, LANGUAGE, SCRIPT):
        family.measure(column)
    assert counted == [2]
    languages, _ = LANGUAGE.measure(
        pa.array(["English, all of it and no other language", "ひらがな", "漢字とかな"])
    )
    assert languages.to_pylist() == ["en", "ja", "ja"]
    assert counted == [2, 3]


def test_planes_have_edges():
    """The first and the last ideographs' places are kanji, what lies behind them is nothing printed by any script."""
    kanji, other = ["\U00020000", "\U0003ffff"], ["\U00040000", "\U0010ffff", "\U0001ffff", "\ue000"]
    classes = count_classes(view(pa.array([*kanji, *other, "〆"])))
    at = classes[-1].argmax()
    assert classes[: len(kanji), at].tolist() == [1, 1]
    assert classes[len(kanji) : -1, at].sum() == 0
    assert (classes.sum(axis=1) == 1).all()


def test_every_text_is_counted_for_itself():
    """Texts beside each other give what each gives alone."""
    texts = ["かな", "漢字カナ", "", "abcdefgh\n", "あ" * 9, "𠮷😀é1"]
    together = count_classes(view(pa.array(texts)))
    for text, counted in zip(texts, together, strict=True):
        assert counted.tolist() == count_classes(view(pa.array([text])))[0].tolist()
        assert counted.sum() == len(text)
