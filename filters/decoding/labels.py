"""Translate the names that pages give their charsets into Python's codecs."""

from types import MappingProxyType
from typing import Final


def codec_of(label: str) -> str | None:
    """Translate a charset label, or say that it is unknown; case and the marks `-_.: ` make no difference."""
    return LABELS.get(label.strip(" \t\r\n\f\"';,").lower().translate(_MARKS))


_MARKS: Final = str.maketrans("", "", "-_.: ")

# Python's codec, then its labels: those of the WHATWG encoding standard (encodings.json), and spellings that old
# Japanese servers and editors send besides. Every Shift_JIS is Windows-31J, as in browsers. What is not here is
# ignored: Python's own registry also knows rot13, unicode_escape and zlib.
_SPELLINGS: Final = """
utf-8: unicode-1-1-utf-8 utf-8 utf8 x-utf-8 utf-8n utf-8-sig x-unicode20utf8 unicode11utf8
cp932: csshiftjis ms932 ms_kanji shift-jis sjis windows-31j x-sjis cp932 sjis-win x-ms-cp932 cswindows31j
cp932: x-shift-jis s-jis mskanji windows-932 shift_jisx0213 shift_jis-2004 sjis-2004
euc_jp: cseucpkdfmtjapanese euc-jp x-euc-jp eucjp-win eucjp-ms ujis euc x-euc cp51932 euc-jisx0213 euc-jis-2004
iso2022_jp: csiso2022jp iso-2022-jp jis iso-2022-jp-1 iso-2022-jp-ext iso-2022-jp-ms cp50220 cp50221 cp50222
utf_16: utf-16 utf-16le utf-16be csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff unicodefffe
gb18030: chinese csgb2312 csiso58gb231280 gb2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030 euc-cn cp936 windows-936
big5hkscs: big5 big5-hkscs cn-big5 csbig5 x-x-big5 cp950 windows-950
cp949: cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 windows-949 cp949
cp1252: ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso_8859-1:1987 l1 latin1
cp1252: us-ascii windows-1252 x-cp1252
cp866: 866 cp866 csibm866 ibm866
cp874: dos-874 iso-8859-11 tis-620 windows-874
cp1250: cp1250 windows-1250 x-cp1250
cp1251: cp1251 windows-1251 x-cp1251
cp1253: cp1253 windows-1253 x-cp1253
cp1254: cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso_8859-9:1989 l5 latin5 windows-1254 x-cp1254
cp1255: cp1255 windows-1255 x-cp1255
cp1256: cp1256 windows-1256 x-cp1256
cp1257: cp1257 windows-1257 x-cp1257
cp1258: cp1258 windows-1258 x-cp1258
iso8859_2: csisolatin2 iso-8859-2 iso-ir-101 iso_8859-2:1987 l2 latin2
iso8859_3: csisolatin3 iso-8859-3 iso-ir-109 iso_8859-3:1988 l3 latin3
iso8859_4: csisolatin4 iso-8859-4 iso-ir-110 iso_8859-4:1988 l4 latin4
iso8859_5: csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso_8859-5:1988
iso8859_6: arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e iso-8859-6-i
iso8859_6: iso-ir-127 iso_8859-6:1987
iso8859_7: csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso_8859-7:1987 sun_eu_greek
iso8859_8: csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso_8859-8:1988 visual
iso8859_8: csiso88598i iso-8859-8-i logical
iso8859_10: csisolatin6 iso-8859-10 iso-ir-157 l6 latin6
iso8859_13: iso-8859-13
iso8859_14: iso-8859-14
iso8859_15: csisolatin9 iso-8859-15 l9
iso8859_16: iso-8859-16
koi8_r: cskoi8r koi koi8 koi8-r
koi8_u: koi8-u koi8-ru
mac_roman: csmacintosh mac macintosh x-mac-roman
mac_cyrillic: x-mac-cyrillic x-mac-ukrainian
"""

LABELS: Final = MappingProxyType(
    {
        label.translate(_MARKS): codec
        for codec, _, labels in (line.partition(": ") for line in _SPELLINGS.strip().splitlines())
        for label in labels.split()
    }
)
MANY_BYTES: Final = frozenset(
    {"utf-8", "cp932", "euc_jp", "iso2022_jp", "utf_16", "gb18030", "big5hkscs", "cp949"}
)
ONE_BYTE: Final = frozenset(LABELS.values()) - MANY_BYTES
