"""The language comes from the bundled model, without a network."""

import socket

import pyarrow as pa
import pytest

from kakehi.filters.signals import language
from kakehi.filters.signals.language import _windows, measure

TEXTS = {
    "ja": "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。",
    "en": "Call me Ishmael. Some years ago, never mind how long precisely, I went to sea.",
    "zh": "他说这些问题已经解决了，但是我们还需要更多的时间来讨论。",
    "ko": "나는 고양이로소이다. 이름은 아직 없다.",
}


@pytest.mark.parametrize("code", TEXTS)
def test_languages_are_told_apart(code):
    """Each text is of its language, newlines or not."""
    languages, scores = measure(pa.array([TEXTS[code], TEXTS[code].replace("。", "。\n") * 30]))
    assert languages.to_pylist() == [code, code]
    assert all(0 < s <= 1 and round(s, 4) == s for s in scores.to_pylist())


def test_no_socket_is_opened(monkeypatch):
    """Identifying works where sockets do not."""
    monkeypatch.setattr(socket, "socket", None)
    assert measure(pa.array([TEXTS["ja"]]))[0].to_pylist() == ["ja"]


@pytest.mark.parametrize("text", ["", "\n", " \u3000\t"])
def test_a_blank_text_has_no_language(text):
    """Nothing to read gives null and NaN."""
    languages, scores = measure(pa.array([text]))
    assert languages[0].as_py() is None
    assert scores[0].as_py() != scores[0].as_py()


def test_windows_reach_both_ends():
    """Long texts are read in windows from the first to the last character, short ones whole."""
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 5000)))
    windows = _windows(text, 320).split()
    assert [len(w) for w in windows] == [20] * 16
    assert windows[0] == text[:20]
    assert windows[-1] == text[-20:]
    assert _windows("短い", 320) == "短い"
    assert _windows(text, 39) == text[:39]


def test_parameters_out_of_range_are_refused():
    """The error says what was wanted."""
    with pytest.raises(ValueError, match="chars is 0, wanted 1 or more"):
        measure(pa.array(["x"]), chars=0)
    with pytest.raises(ValueError, match="kana_settles is 0, wanted a share over 0"):
        measure(pa.array(["x"]), kana_settles=0)


def test_kana_settle_it(monkeypatch):
    """0.15 of kana needs no model; below, or where it is asked for, the model is asked."""
    monkeypatch.setattr(language, "_predict", lambda: 1 / 0)
    languages, scores = measure(pa.array(["漢字漢字です", TEXTS["ja"], "漢" * 17 + "ですね"]))
    assert (languages.to_pylist(), scores.to_pylist()) == (["ja"] * 3, [1] * 3)
    with pytest.raises(ZeroDivisionError):
        measure(pa.array(["漢" * 18 + "ですね"]))
    with pytest.raises(ZeroDivisionError):
        measure(pa.array([TEXTS["ja"]]), kana_settles=1.1)


@pytest.mark.parametrize("text", ["東京都庁舎", "日本語文章生成大規模言語模型", "平成二十八年十二月十四日"])
def test_without_kana_nothing_is_japanese(text):
    """Kanji alone may be Chinese, whatever the model says."""
    assert measure(pa.array([text]))[0].to_pylist() != ["ja"]


def test_a_single_kana_makes_kanji_japanese():
    """What the model takes for Japanese is so where there is a kana, and something else without any."""
    with_, without = "東京都庁舎建設計画の概要説明資料一覧表", "東京都庁舎建設計画概要説明資料一覧表"
    languages, scores = measure(pa.array([with_, without]))
    assert languages.to_pylist() == ["ja", "zh"]
    assert scores[0].as_py() > 0.9 > scores[1].as_py()


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("Вчера мы ходили в парк и долго гуляли у пруда. ", "koi8_r"),
        ("ВЧЕРА МЫ ХОДИЛИ В ПАРК И ДОЛГО ГУЛЯЛИ У ПРУДА. ", "cp1251"),
        ("Вчера мы ходили в парк и долго гуляли у пруда. ", "iso8859_5"),
        ("ذهبنا أمس إلى الحديقة ومشينا طويلا قرب البركة. ", "cp1256"),
        ("เมื่อวานเราไปเดินเล่นที่สวนสาธารณะใกล้บ้าน ", "cp874"),
        ("昨天我们去了公园，在池塘边散步了很久。", "gbk"),
        ("昨天我們去了公園，在池塘邊散步了很久。", "big5"),
        ("나는 고양이로소이다. 이름은 아직 없다. ", "cp949"),
        ("ｶﾀｶﾅ ｶﾞｲﾄﾞﾌﾞｯｸ ", "cp932"),
    ],
)
def test_what_was_misread_as_half_width_kana_is_not_japanese(text, codec):
    """Bytes of other encodings as Shift_JIS reads them; half-width kana by themselves prove nothing."""
    misread = (text * 20).encode(codec).decode("cp932", "replace")
    [found] = measure(pa.array([misread]))[0].to_pylist()
    assert found not in {"ja", None}


@pytest.mark.parametrize(
    "text",
    [
        "ﾎｰﾑﾍﾟｰｼﾞへようこそ。ﾒﾆｭｰをえらんでください。",
        "会社概要のご案内 ｶﾀﾛｸﾞの一覧 ﾎｰﾑﾍﾟｰｼﾞ ﾒﾆｭｰ ﾄｯﾌﾟ ﾘﾝｸ ｹﾞｰﾑ",
        "ユーザーｶﾞｲﾄﾞ",
    ],
)
def test_half_width_kana_beside_others_are_kana(text):
    """They count as far as there are as many others."""
    assert measure(pa.array([text]))[0].to_pylist() == ["ja"]


def test_half_width_kana_count_as_far_as_there_are_others(monkeypatch):
    """Three and three among forty settle it, three and thirty do not; nor does what is not read change the score."""
    monkeypatch.setattr(language, "_predict", lambda: 1 / 0)
    assert measure(pa.array(["アイウｱｲｳ" + "漢" * 34]))[0].to_pylist() == ["ja"]
    with pytest.raises(ZeroDivisionError):
        measure(pa.array(["アイ" + "ｱｲｳ" * 10 + "漢" * 8]))
