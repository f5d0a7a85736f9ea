"""Test the names of charsets."""

import codecs

import pytest

from kakehi.filters.decoding.labels import LABELS, MANY_BYTES, ONE_BYTE, codec_of

# WHATWG encoding standard, the Japanese encodings.
WHATWG = {
    "euc_jp": ["cseucpkdfmtjapanese", "euc-jp", "x-euc-jp"],
    "iso2022_jp": ["csiso2022jp", "iso-2022-jp"],
    "cp932": ["csshiftjis", "ms932", "ms_kanji", "shift-jis", "shift_jis", "sjis", "windows-31j", "x-sjis"],
    "utf-8": ["unicode-1-1-utf-8", "utf-8", "utf8"],
    "utf_16": ["utf-16", "utf-16le", "utf-16be"],
}


@pytest.mark.parametrize(("codec", "label"), [(codec, label) for codec in WHATWG for label in WHATWG[codec]])
def test_whatwg_labels(codec, label):
    """In every case, with blanks and quotes around it."""
    for spelling in (label, label.upper(), f' "{label}" ', f"{label};"):
        assert codec_of(spelling) == codec


@pytest.mark.parametrize(
    "label", ["Shift_JIS", "ShiftJIS", "Shift JIS", "SHIFT-JIS", "x-sjis", "cp932", "Windows-31J"]
)
def test_every_shift_jis_is_windows_31j(label):
    """Whatever the marks between."""
    assert codec_of(label) == "cp932"


@pytest.mark.parametrize(
    "label", ["", "x-nani-kore", "rot13", "zlib", "unicode_escape", "idna", "iso-2022-kr", "hz-gb-2312"]
)
def test_unknown(label):
    """What Python knows and browsers don't, and what browsers refuse, are no charsets."""
    assert codec_of(label) is None


def test_one_label_has_one_codec():
    """No spelling is lost by dropping marks: iso-8859-1 and iso-8859-11 stay two; every codec is Python's."""
    assert (codec_of("iso-8859-1"), codec_of("iso-8859-11"), codec_of("ISO8859-9")) == (
        "cp1252",
        "cp874",
        "cp1254",
    )
    for codec in LABELS.values():
        assert codecs.lookup(codec)
    assert not MANY_BYTES & ONE_BYTE
