"""Test that every page decodes, by the right codec where one can know it."""

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.decoding.charset import decode
from kakehi.filters.decoding.decoded import Decoded
from kakehi.filters.decoding.gate import looks_japanese

PROSE = "日本語の文章です。カタカナとひらがなを含みます。"


def page(meta: str = "", text: str = PROSE) -> str:
    """Write a page with a `<meta>` element."""
    return f"<html><head>{meta}</head><body>{text}</body></html>"


@pytest.mark.parametrize("codec", ["utf-8", "cp932", "euc_jp"])
def test_undeclared_prose_is_found_by_trial(codec):
    """Each Japanese encoding is recognised without a declaration."""
    assert decode(page().encode(codec)) == Decoded(page(), codec, "trial", 0)


@pytest.mark.parametrize(
    ("label", "codec"),
    [
        ("Shift_JIS", "cp932"),
        ("x-sjis", "cp932"),
        ("windows-31j", "cp932"),
        ("SHIFT-JIS", "cp932"),
        ("EUC-JP", "euc_jp"),
    ],
)
@pytest.mark.parametrize(
    "meta", ["<meta charset={}>", "<META http-equiv='Content-Type' content='text/html; charset={}'>"]
)
def test_meta_names_the_codec(label, codec, meta):
    """Both forms of `<meta>` and all spellings are read."""
    html = page(meta.format(label))
    assert decode(html.encode(codec)) == Decoded(html, codec, "meta", 0)


def test_xml_declaration_names_the_codec():
    """XHTML's own declaration counts as one of the page."""
    html = '<?xml version="1.0" encoding="EUC-JP"?>' + page()
    assert decode(html.encode("euc_jp")).codec_from == "meta"


def test_header_comes_before_meta():
    """A header that decodes the body is not overruled by the page."""
    html = page("<meta charset=euc-jp>")
    assert decode(html.encode("cp932"), "Shift_JIS") == Decoded(html, "cp932", "header", 0)


@pytest.mark.parametrize("lie", ["utf-8", "EUC-JP", "iso-8859-1", "us-ascii", "no-such-charset", "rot13", ""])
def test_lying_header_is_passed_over(lie):
    """A header that can't decode the whole body, or proves nothing, gives way to the page's own word."""
    html = page("<meta charset=Shift_JIS>")
    assert decode(html.encode("cp932"), lie) == Decoded(html, "cp932", "meta", 0)


def test_utf8_under_a_one_byte_header():
    """UTF-8 sent as ISO-8859-1, an old server's default, stays UTF-8."""
    assert decode(page().encode(), "ISO-8859-1") == Decoded(page(), "utf-8", "trial", 0)


def test_one_byte_page_is_believed_at_last():
    """A French page that says ISO-8859-1 is read so."""
    text = "Voilà l'été où l'on naît à Orléans, déjà reçu"
    assert decode(text.encode("latin-1"), "iso-8859-1") == Decoded(text, "cp1252", "header", 0)


def test_utf8_declared_as_shift_jis():
    """UTF-8 that by chance is also valid cp932 goes by how Japanese it reads."""
    assert decode("ああ".encode(), "Shift_JIS") == Decoded("ああ", "utf-8", "trial", 0)


@pytest.mark.parametrize("text", ["①㈱髙﨑", "～∥－￠￡￢"])
def test_cp932_reads_what_strict_shift_jis_refuses(text):
    """Vendor characters and the wave dash are read as Windows reads them."""
    assert decode(text.encode("cp932"), "shift_jis").text == text


def test_euc_jp_reads_cp51932():
    """NEC's row 13 and IBM's kanji are read in EUC-JP and ISO-2022-JP, and the wave dash is that of cp932."""
    body = "あ".encode("euc_jp") + b"\xad\xa1\xad\xea\xfc\xe2\xa1\xc1"
    assert decode(body, "euc-jp") == Decoded("あ①㈱髙～", "euc_jp", "header", 0)
    assert decode(b'\x1b$B$"-!-j|b!A\x1b(B') == Decoded("あ①㈱髙～", "iso2022_jp", "escape", 0)


def test_iso_2022_jp_comes_before_ascii():
    """Escape sequences are seen though the bytes are ASCII, with half-width kana and under a lying header."""
    text = "日本語ｶﾀｶﾅ"
    body = text.encode("iso2022_jp_ext")
    assert decode(body, "utf-8") == Decoded(text, "iso2022_jp", "escape", 0)


def test_iso_2022_jp_cut_short():
    """A page cut inside a character stays ISO-2022-JP."""
    cut = decode("日本語".encode("iso2022_jp")[:-4])
    assert (cut.text[:2], cut.codec, cut.codec_from) == ("日本", "iso2022_jp", "escape")


@pytest.mark.parametrize("text", ["カタカナ", "メニュー", "ソフトウェア・ハードウェア"])
def test_katakana_in_euc_jp_is_not_half_width_kana(text):
    """EUC-JP katakana is valid cp932, and yet EUC-JP."""
    text.encode("euc_jp").decode("cp932")
    assert decode(text.encode("euc_jp")) == Decoded(text, "euc_jp", "trial", 0)


def test_half_width_kana_in_cp932_is_kept():
    """Half-width kana with its sound marks is cp932, though it is valid EUC-JP."""
    text = "ｶﾞｲﾄﾞﾌﾞｯｸ"
    body = text.encode("cp932")
    assert decode(body) == Decoded(text, "cp932", "trial", 0)


@pytest.mark.parametrize(
    ("mark", "codec"),
    [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")],
)
def test_bom_comes_first(mark, codec):
    """A BOM overrules the header and is no part of the text."""
    assert decode(mark + PROSE.encode(codec), "euc-jp") == Decoded(PROSE, codec, "bom", 0)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", [page(), PROSE * 3, "<p>English</p>"])
@pytest.mark.parametrize(
    ("header", "place"),
    [(None, "pattern"), ("utf-16", "header"), ("UTF-16BE", "header"), ("utf-8", "pattern")],
)
def test_utf16_without_a_bom(codec, text, header, place):
    """Every other byte is ASCII's or that of kana, whatever the byte order that is declared."""
    assert decode(text.encode(codec), header) == Decoded(text, codec, place, 0)


@pytest.mark.parametrize(
    "body", [page().encode(), b"<html>plain ASCII</html>", b"0 0 0 0 0 0 0 0 ", "ああ".encode()]
)
@pytest.mark.parametrize("header", ["utf-16", "utf-16be", "utf-16le"])
def test_what_only_says_utf16_is_not(body, header):
    """Any even number of bytes decodes as UTF-16: its label proves nothing."""
    assert decode(body, header).text == body.decode()


def test_utf16_cut_inside_a_character():
    """The odd byte is a replacement."""
    assert decode(page().encode("utf-16-le")[:-1]) == Decoded(
        page()[:-1] + "\ufffd", "utf-16-le", "pattern", 1
    )


@pytest.mark.parametrize("lie", ["Shift_JIS", "iso-2022-jp", "utf-16"])
def test_katakana_in_euc_jp_under_a_lie(lie):
    """A wrong declaration under which it decodes, into half-width kana, is overruled by score."""
    assert decode("カタカナ".encode("euc_jp"), lie) == Decoded("カタカナ", "euc_jp", "trial", 0)


@pytest.mark.parametrize("codec", ["cp932", "euc_jp", "utf-8"])
def test_a_broken_byte_under_a_one_byte_label(codec):
    """ISO-8859-1, which takes every byte, does not get a Japanese page for one that is broken."""
    body = (PROSE * 5).encode(codec) + b"\xff" + (PROSE * 5).encode(codec)
    decoded = decode(body, "ISO-8859-1")
    assert (decoded.codec, decoded.codec_from) == (codec, "fallback")
    assert decoded.replaced <= 2


@pytest.mark.parametrize("codec", ["cp1252", "cp1251", "iso8859_2"])
def test_accents_are_no_kana(codec):
    """Pages in one-byte encodings keep theirs, though most of their bytes are valid cp932 or EUC-JP in places."""
    text = {
        "cp1252": "Où l'été déjà reçu, ",
        "cp1251": "Съешь ещё этих мягких булок ",
        "iso8859_2": "Žluťoučký kůň ",
    }
    label = {"cp1252": "iso-8859-1", "cp1251": "windows-1251", "iso8859_2": "latin2"}
    assert decode((text[codec] * 9).encode(codec), label[codec]).codec == codec


@pytest.mark.parametrize("codec", ["utf-8", "cp932", "euc_jp"])
def test_a_cut_page_keeps_its_declared_codec(codec):
    """A dangling byte at the end costs one replacement, not the codec."""
    cut = decode((PROSE * 20 + "字").encode(codec)[:-1], codec)
    assert (cut.codec, cut.codec_from, cut.replaced) == (codec, "header", 1)
    assert cut.text.startswith(PROSE)


def test_no_kanji_turns_to_another_with_euc_jis_2004():
    """Rows 89 to 92 are IBM's kanji, as cp932 has them, not JIS X 0213's."""
    assert decode(b"\xa4\xa2\xf9\xa1", "euc-jp").text == "あ" + b"\xed\x40".decode("cp932")


@settings(max_examples=200)
@given(
    st.binary(max_size=200),
    st.one_of(st.none(), st.text(max_size=12), st.sampled_from(["utf-16", "gbk", "big5"])),
)
def test_never_raises(body, header):
    """Any bytes under any header decode to text that UTF-8 can write."""
    decoded = decode(body, header)
    decoded.text.encode()
    assert decoded.replaced >= 0


@settings(max_examples=100)
@given(
    st.text(alphabet="あいうアイウー漢字。、abc <>\n", max_size=80),
    st.sampled_from(["cp932", "euc_jp", "iso2022_jp"]),
)
def test_honest_header_gives_the_text_back(text, codec):
    """What an honest page encodes is what is read."""
    assert decode(text.encode(codec), codec).text == text


JAPANESE = "今日は天気がよいので、近所の公園まで散歩に行きました。ベンチで休んでいる人がいます。" * 3
CHINESE = "昨天我们去了公园，在池塘边散步了很久。秋天的时候那里特别漂亮，树叶落在水面上。"
TAIWANESE = "昨天我們去了公園，在池塘邊散步了很久。秋天的時候那裡特別漂亮，樹葉落在水面上。"
KOREAN = "어제 우리는 공원에 가서 연못가를 오래 걸었다. 가을에는 그곳이 특히 아름답다."
RUSSIAN = "Вчера мы ходили в парк и долго гуляли у пруда. Осенью там особенно красиво."
ARABIC = "ذهبنا أمس إلى الحديقة ومشينا طويلا قرب البركة."
THAI = "เมื่อวานเราไปเดินเล่นที่สวนสาธารณะใกล้บ้าน"
GREEK = "Χθες πήγαμε στο πάρκο και περπατήσαμε πολλή ώρα."
FOREIGN_LABELS = [
    *("gb2312", "GBK", "x-gbk", "gb18030", "big5", "big5-hkscs", "cn-big5"),
    *("euc-kr", "ks_c_5601-1987", "cp949", "windows-949"),
]


@pytest.mark.parametrize("label", [*FOREIGN_LABELS, "windows-1251", "koi8-r", "iso-8859-5", "tis-620"])
@pytest.mark.parametrize("codec", ["cp932", "euc_jp", "utf-8"])
@pytest.mark.parametrize("text", [page(), JAPANESE, "カタカナノメニュー", "プログラミング入門"])
def test_kana_overrule_a_foreign_label(label, codec, text):
    """Japanese bytes that a Chinese, Korean or Cyrillic label decodes too are Japanese."""
    found = decode(text.encode(codec), label)
    assert (found.text, found.codec, found.codec_from) == (text, codec, "trial")


def test_kana_with_a_broken_byte_overrule_a_foreign_label():
    """GB18030 decodes nearly everything, also what is no longer sound EUC-JP."""
    body = (JAPANESE * 3).encode("euc_jp") + b"\x80" + JAPANESE.encode("euc_jp")
    assert decode(body, "gb18030").codec == "euc_jp"


@pytest.mark.parametrize(
    ("text", "codec", "label"),
    [
        (CHINESE, "gb18030", "gb2312"),
        ("你好", "gb18030", "gbk"),
        ("网络编程教程下载", "gb18030", "gbk"),
        ("日语学习：ありがとう是谢谢的意思，我们在这里学习日语。", "gb18030", "gb18030"),
        ("們傳統儀式億萬偉大" * 3, "gb18030", "gbk"),  # beyond GB2312: leads 82 and 83, as of cp932's kana
        (TAIWANESE, "big5hkscs", "big5"),
        ("巨集", "big5hkscs", "big5"),  # エ彊 in EUC-JP
        (KOREAN, "cp949", "euc-kr"),
        ("ㅋㅋㅋㅋㅋㅋ ㅎㅎㅎ 정말 ㅠㅠ", "cp949", "ks_c_5601-1987"),  # せせせせせせ in EUC-JP
        ("색인", "cp949", "euc-kr"),
    ],
)
def test_chinese_and_korean_stay_what_they_declare(text, codec, label):
    """Short or long, with a few kana, with letters that are kana in another codec."""
    assert decode(text.encode(codec), label) == Decoded(text, codec, "header", 0)


@pytest.mark.parametrize(
    ("text", "codec", "label"),
    [
        (RUSSIAN, "cp1251", "windows-1251"),
        (RUSSIAN.upper(), "cp1251", "windows-1251"),
        ("да", "cp1251", "windows-1251"),
        (RUSSIAN, "koi8_r", "koi8-r"),
        ("НЕБО", "koi8_r", "koi8-r"),
        (RUSSIAN, "iso8859_5", "iso-8859-5"),
        ("Вам", "cp866", "ibm866"),  # あｬ in cp932
        ("Время", "mac_cyrillic", "x-mac-cyrillic"),
        (GREEK.upper(), "cp1253", "windows-1253"),
        ("ΚΑΙ", "iso8859_7", "iso-8859-7"),
        (ARABIC, "cp1256", "windows-1256"),
        (THAI, "cp874", "tis-620"),
        ("É", "cp1252", "iso-8859-1"),
        ("Vénus, fête", "cp1252", "iso-8859-1"),
        ("It’s John’s, isn’t it? They’re here.", "cp1252", "iso-8859-1"),
        ("ŽLUŤOUČKÝ KŮŇ", "iso8859_2", "latin2"),
    ],
)
@pytest.mark.parametrize("times", [1, 30])
def test_no_trial_overrules_a_one_byte_page(text, codec, label, times):
    """What reads as half-width kana, or as a kanji here and there, is not Japanese."""
    body = f"<p>{text} </p>".encode(codec) * times
    assert decode(body, label) == Decoded(f"<p>{text} </p>" * times, codec, "header", 0)


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (CHINESE, "gbk"),
        (CHINESE + "─" * 90 + "┼" * 9, "gbk"),  # frames: ぉぉぉ in EUC-JP, one byte further
        (TAIWANESE, "big5hkscs"),
        (KOREAN, "cp949"),
        ("ㅋㅋㅋㅋㅋ ㅎㅎㅎㅎ 정말 ㅠㅠㅠ", "cp949"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN.upper(), "cp1251"),
        (RUSSIAN, "koi8_r"),
        (RUSSIAN, "iso8859_5"),
        (RUSSIAN, "cp866"),
        (ARABIC, "cp1256"),
        (ARABIC, "iso8859_6"),
        (THAI, "cp874"),
        (GREEK.upper(), "cp1253"),
        ("ÉTÉ À L’ÎLE, DÉJÀ REÇU ", "cp1252"),
    ],
)
@pytest.mark.parametrize("label", [None, "utf-8", "no-such-charset"])
def test_undeclared_foreign_pages_are_no_japanese(text, codec, label):
    """The gate does not let them pass, whatever the codec they are read with."""
    body = f"<html><body><p>{text}</p></body></html>".encode(codec) * 30
    found = decode(body, label)
    assert found.dubious or not looks_japanese(found.utf8(body))


@pytest.mark.parametrize(
    ("text", "codec"), [(CHINESE, "gb18030"), (TAIWANESE, "big5hkscs"), (KOREAN, "cp949")]
)
def test_undeclared_chinese_and_korean_are_read(text, codec):
    """Their everyday characters tell them from Japanese, and from one another."""
    assert decode(text.encode(codec)) == Decoded(text, codec, "trial", 0)


@pytest.mark.parametrize("text", ["ｱｲｳｴ", "ｶﾞｲﾄﾞﾌﾞｯｸ", "ﾎｰﾑﾍﾟｰｼﾞへようこそ。ﾒﾆｭｰ", "ﾄｯﾌﾟ 会社概要 ﾘﾝｸ"])
def test_declared_half_width_kana_are_kept(text):
    """Kanji that the same bytes are in EUC-JP do not overrule Shift_JIS."""
    assert decode(text.encode("cp932"), "Shift_JIS") == Decoded(text, "cp932", "header", 0)


@pytest.mark.parametrize("text", ["ﾎｰﾑﾍﾟｰｼﾞへようこそ。ﾒﾆｭｰをえらんでください。", JAPANESE + "ｶﾀｶﾅﾓｱﾙ"])
def test_undeclared_half_width_kana_beside_others_are_japanese(text):
    """What a page of a telephone looks like passes the gate."""
    found = decode((text * 3).encode("cp932"))
    assert (found.codec, found.dubious) == ("cp932", False)
    assert looks_japanese(found.utf8(b""))


@pytest.mark.parametrize("label", ["utf-8", None, "Shift_JIS", "iso-8859-1", "gb18030"])
@pytest.mark.parametrize("tail", ["cp932", "euc_jp"])
def test_utf8_with_a_part_in_another_encoding(label, tail):
    """A page pasted together stays UTF-8, and only the part is lost."""
    html = f"<meta charset=utf-8><p>{JAPANESE}</p>" * 32
    found = decode(html.encode() + (JAPANESE * 8).encode(tail), label)
    assert (found.codec, found.text[: len(html)]) == ("utf-8", html)
    assert found.replaced > 100


@pytest.mark.parametrize(
    ("codec", "label", "tail"),
    [("euc_jp", "euc-jp", "cp932"), ("euc_jp", None, "utf-8"), ("cp932", "shift_jis", "euc_jp")],
)
def test_other_pages_with_a_part_in_another_encoding(codec, label, tail):
    """So does a page that is mostly EUC-JP or Shift_JIS."""
    found = decode((JAPANESE * 32).encode(codec) + (JAPANESE * 6).encode(tail) + b"\xff", label)
    assert (found.codec, found.text[: 32 * len(JAPANESE)]) == (codec, JAPANESE * 32)


@pytest.mark.parametrize(("text", "codec"), [(RUSSIAN, "utf-8"), (CHINESE, "gb18030"), (KOREAN, "cp949")])
def test_a_broken_byte_in_a_foreign_page(text, codec):
    """The page keeps its encoding, and loses a character."""
    found = decode((text * 9).encode(codec) + b"\xff" + (text * 9).encode(codec), codec)
    assert (found.codec, found.codec_from, 1 <= found.replaced <= 2) == (codec, "header", True)
