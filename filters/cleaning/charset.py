"""Decide a page's character encoding and decode it, without ever failing."""

import codecs
import re
from collections.abc import Iterator
from functools import cache
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

Place: TypeAlias = Literal["bom", "escape", "header", "meta", "trial", "fallback"]
Choice: TypeAlias = tuple[str, Place]


class Decoded(NamedTuple):
    """A decoded page, the codec and where it was learnt, and how many bytes or pairs had to be replaced."""

    text: str
    codec: str
    codec_from: Place
    replaced: int


def decode(body: bytes, header_charset: str | None = None) -> Decoded:
    """Decode a page by its BOM, ISO-2022-JP escapes, HTTP header, `<meta>`, or by trial, in this order.

    A declaration counts only if it decodes the whole body strictly; a label of a one-byte encoding, which
    cannot fail and so proves nothing, comes after the trial of Japanese encodings. Where nothing decodes
    strictly, the choice with the fewest replacement characters wins (the earlier one if equal).

    Args:
        body: The page as sent, after any content encoding.
        header_charset: `charset=` of the HTTP header; an unknown label is ignored.

    Source: the order of the WHATWG encoding standard; "the whole body strictly" after Uzushio's
    `WarcEntryParser.scala`; one-byte labels and the trial's score are our own.
    """
    marked = _marked(body)
    if marked:
        return marked
    choices = _declared(body, header_charset)
    for codec, place in choices:
        if codec not in ONE_BYTE and (text := _strictly(body, codec)) is not None:
            return _rival(body, Decoded(text, codec, place, 0))
    tried = _trial(body, proven=not choices)
    if tried:
        return tried
    for codec, place in choices:
        if codec in ONE_BYTE and (text := _strictly(body, codec)) is not None:
            return Decoded(text, codec, place, 0)
    return _fewest_replaced(body, [*choices, *((codec, "fallback") for codec in TRIAL)])


TRIAL: Final = ("utf-8", "cp932", "euc_jp")

# Labels of the WHATWG encoding standard, spelt with "-" for "_". What is not here is ignored: Python's own
# registry also knows rot13, unicode_escape and zlib.
LABELS: Final = MappingProxyType(
    dict.fromkeys(("utf-8", "utf8", "unicode-1-1-utf-8", "x-utf-8", "utf-8-sig"), "utf-8")
    | dict.fromkeys(
        (
            "shift-jis",
            "sjis",
            "x-sjis",
            "csshiftjis",
            "ms-kanji",
            "ms932",
            "windows-31j",
            "cp932",
            "sjis-win",
        ),
        "cp932",
    )
    | dict.fromkeys(("euc-jp", "x-euc-jp", "cseucpkdfmtjapanese", "eucjp", "eucjp-win", "ujis"), "euc_jp")
    | dict.fromkeys(("iso-2022-jp", "csiso2022jp", "jis"), "iso2022_jp")
    | dict.fromkeys(("gb2312", "gbk", "gb18030", "x-gbk", "chinese", "csgb2312", "gb-2312-80"), "gb18030")
    | dict.fromkeys(("big5", "big5-hkscs", "cn-big5", "csbig5", "x-x-big5"), "big5hkscs")
    | dict.fromkeys(
        ("euc-kr", "korean", "ks-c-5601-1987", "ksc5601", "windows-949", "cseuckr", "ks-c-5601-1989"), "cp949"
    )
    | dict.fromkeys(("utf-16", "utf-16le"), "utf-16-le")
    | {"utf-16be": "utf-16-be"}
    | dict.fromkeys(
        ("iso-8859-1", "iso8859-1", "latin1", "us-ascii", "ascii", "cp1252", "x-cp1252"), "cp1252"
    )
    | {f"windows-{n}": f"cp{n}" for n in range(1250, 1259)}
    | {f"iso-8859-{n}": f"iso8859_{n}" for n in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)}
    | {"iso-8859-9": "cp1254", "iso-8859-11": "cp874", "tis-620": "cp874", "windows-874": "cp874"}
    | {"koi8-r": "koi8_r", "koi8-u": "koi8_u", "macintosh": "mac_roman"}
)
ONE_BYTE: Final = frozenset(
    codec for codec in LABELS.values() if codec.startswith(("cp125", "iso8859", "koi8", "mac", "cp874"))
)

BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
ESCAPES: Final = re.compile(rb"\x1b(?:\$[B@]|\([JI])")
META_BYTES: Final = 10_240
# `[^<>]` keeps hostile rows of "<meta" linear.
META: Final = re.compile(
    rb"""<meta[^<>]*?charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml[^<>]*?encoding\s*=\s*["']([\w.:-]+)""",
    re.IGNORECASE,
)

# JIS X 0208 as Python's EUC-JP and ISO-2022-JP codecs read it, and as cp932, browsers and so most pages do.
# Without this 〜 is one character in a Shift_JIS page and another in an EUC-JP page.
AS_CP932: Final = tuple(zip("〜‖−¢£¬", "～∥－￠￡￢", strict=True))
# Rows 13 (NEC ①㈱) and 89 to 92 (IBM's 髙﨑 as NEC placed them) of CP51932. `euc_jis_2004` would accept
# these bytes, but reads rows 89 to 92 as other kanji.
CP51932_ROWS: Final = frozenset({13, 89, 90, 91, 92})
# What Python's cp932 gives for the bytes A0, FD, FE and FF, which are no Windows-31J.
NOT_CP932: Final = ("\xa0", "\uf8f1", "\uf8f2", "\uf8f3")

KANA: Final = re.compile("[ぁ-ゖァ-ヺー]+")
KANJI: Final = re.compile("[一-鿿々、。「」]+")
VOICED: Final = re.compile("[ｳｶ-ﾄﾊ-ﾎ]ﾞ|[ﾊ-ﾎ]ﾟ")
UNLIKELY: Final = re.compile("[｡-･ﾞﾟ\x80-\x9f\ue000-\uf8ff]+")
OUTSIDE_ASCII: Final = re.compile("[^\x00-\x7f]+")


def _marked(body: bytes) -> Decoded | None:
    """Decode a page that says its encoding in its first bytes or by escape sequences."""
    for mark, codec in BOMS:
        if body.startswith(mark) and (text := _strictly(body[len(mark) :], codec)) is not None:
            return Decoded(text, codec, "bom", 0)
    # Escape sequences are valid ASCII, so a page cut inside a character must not go on to UTF-8.
    if b"\x1b" in body and body.isascii() and ESCAPES.search(body):
        strict = _strictly(body, "iso2022_jp")
        if strict is not None:
            return Decoded(strict, "iso2022_jp", "escape", 0)
        return _leniently(body, "iso2022_jp", "escape")
    return None


def _declared(body: bytes, header_charset: str | None) -> list[Choice]:
    """List the known encodings that BOM, header and page name, each once."""
    choices: list[Choice] = [(codec, "bom") for mark, codec in BOMS if body.startswith(mark)]
    header = _codec_of(header_charset or "")
    if header:
        choices.append((header, "header"))
    meta = META.search(body, 0, META_BYTES)
    codec = _codec_of((meta[1] or meta[2]).decode("ascii", "replace")) if meta else None
    # A page whose `<meta>` was read as ASCII isn't UTF-16, whatever it says (WHATWG does the same).
    codec = "utf-8" if codec in {"utf-16-le", "utf-16-be"} else codec
    if codec and codec != header:
        choices.append((codec, "meta"))
    return choices


def _codec_of(label: str) -> str | None:
    """Translate a charset label, or say that it is unknown."""
    return LABELS.get(label.strip(" \t\r\n\f\"';,").lower().replace("_", "-"))


def _strictly(body: bytes, codec: str) -> str | None:
    """Decode the whole body, or say that it can't be."""
    try:
        text = _read(body, codec, "strict")
    except UnicodeDecodeError:
        return None
    return None if codec == "cp932" and any(char in text for char in NOT_CP932) else text


def _leniently(body: bytes, codec: str, place: Place) -> Decoded:
    """Decode the body with replacement characters; those that the page itself holds don't count."""
    text = _read(body, codec, "replace")
    text = text.removeprefix("\ufeff") if place == "bom" else text
    for char in NOT_CP932 if codec == "cp932" else ():
        text = text.replace(char, "�")
    own = body.count("�".encode()) if codec == "utf-8" else 0
    return Decoded(text, codec, place, text.count("�") - own)


def _read(body: bytes, codec: str, errors: Literal["strict", "replace"]) -> str:
    """Decode with CP51932's additions for EUC-JP and ISO-2022-JP."""
    if codec not in {"euc_jp", "iso2022_jp"}:
        return body.decode(codec, errors)
    # iso2022_jp_ext is iso2022_jp with half-width kana (ESC ( I) and JIS X 0212.
    python_codec = "iso2022_jp_ext" if codec == "iso2022_jp" else codec
    text = body.decode(python_codec, _cp51932(errors))
    for char, as_cp932 in AS_CP932:
        text = text.replace(char, as_cp932)
    return text


@cache
def _cp51932(errors: Literal["strict", "replace"]) -> str:
    """Name a decoding error handler that reads the rows of CP51932 that JIS X 0208 lacks."""

    def handle(error: UnicodeError) -> tuple[str | bytes, int]:
        if isinstance(error, UnicodeDecodeError):
            char = _cp51932_char(error.object[error.start : error.start + 2])
            if char:
                return char, error.start + 2
        return codecs.lookup_error(errors)(error)

    name = f"kakehi-cp51932-{errors}"
    codecs.register_error(name, handle)
    return name


def _cp51932_char(pair: bytes) -> str | None:
    """Read a pair of EUC-JP (high bits set) or ISO-2022-JP (not set) as cp932 reads the same row and cell."""
    row, cell = (byte & 0x7F for byte in pair) if len(pair) == 2 else (0, 0)
    if row - 32 not in CP51932_ROWS or not 33 <= cell <= 126 or (pair[0] ^ pair[1]) & 0x80:
        return None
    lead = (row + 1) // 2 + (0x70 if row < 95 else 0xB0)
    trail = cell + (31 if cell < 96 else 32) if row % 2 else cell + 126
    try:
        return bytes((lead, trail)).decode("cp932")
    except UnicodeDecodeError:
        return None


def _rival(body: bytes, declared: Decoded) -> Decoded:
    """Let a body that is also valid UTF-8 outside ASCII overrule another declared codec by score.

    That costs nothing on honest pages: their first kana is not valid UTF-8.
    """
    if declared.codec == "utf-8" or body.isascii() or (text := _strictly(body, "utf-8")) is None:
        return declared
    if _likelihood(text) > _likelihood(declared.text):
        return Decoded(text, "utf-8", "trial", 0)
    return declared


def _trial(body: bytes, *, proven: bool) -> Decoded | None:
    """Try UTF-8, then choose between cp932 and EUC-JP by score.

    Katakana in EUC-JP decodes as cp932, into half-width kana, without an error. Where the page declares
    another encoding (not `proven`), Japanese must score above nothing.
    """
    if (text := _strictly(body, "utf-8")) is not None:
        return Decoded(text, "utf-8", "trial", 0)
    strict = [(codec, text) for codec in TRIAL[1:] if (text := _strictly(body, codec)) is not None]
    if len(strict) == 1 and proven:
        return Decoded(strict[0][1], strict[0][0], "trial", 0)
    scores = [(_likelihood(text), -rank, codec, text) for rank, (codec, text) in enumerate(strict)]
    if not scores or (not proven and max(scores)[0] <= 0):
        return None
    _, _, codec, text = max(scores)
    return Decoded(text, codec, "trial", 0)


def _likelihood(text: str) -> float:
    """Score how Japanese the characters outside ASCII are, from -1 to 1; 0 if there are none.

    Kana and half-width kana with a legal sound mark count for, and kanji a quarter of that; half-width
    punctuation, stray sound marks, controls and private characters count against.
    """
    outside = _count(OUTSIDE_ASCII, text)
    voiced = _count(VOICED, text)
    unlikely = _count(UNLIKELY, text) - voiced // 2
    quarters = 4 * (_count(KANA, text) + voiced - unlikely) + _count(KANJI, text)
    return quarters / (4 * outside) if outside else 0.0


def _count(runs: re.Pattern[str], text: str) -> int:
    """Count the characters in all runs."""
    return sum(found.end() - found.start() for found in runs.finditer(text))


def _fewest_replaced(body: bytes, choices: list[Choice]) -> Decoded:
    """Decode with every choice and keep the result with the fewest replacement characters."""
    return min(_attempts(body, choices), key=lambda decoded: decoded.replaced)


def _attempts(body: bytes, choices: list[Choice]) -> Iterator[Decoded]:
    """Decode leniently with every codec once."""
    seen: dict[str, Place] = {}
    for codec, place in choices:
        if seen.setdefault(codec, place) == place:
            yield _leniently(body, codec, place)
