"""Test that every page decodes, by the right codec where one can know it."""

import codecs

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.decoding.charset import Decoded, decode

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


@pytest.mark.parametrize(
    "body",
    [page().encode(), codecs.BOM_UTF8 + b"a", b"\xe3\x81", page().encode("cp932"), page().encode("utf-16")],
)
def test_utf8_of_a_page(body):
    """A sound UTF-8 body is given back, any other encoded anew, without BOM and with its replacements."""
    decoded = decode(body)
    assert decoded.utf8(body) == decoded.text.encode()


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


def test_own_replacement_characters_are_not_counted():
    """U+FFFD that the page itself holds is text."""
    assert decode("あ�".encode() + b"\xff").replaced == 1
    assert decode("あ�".encode()).replaced == 0


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
