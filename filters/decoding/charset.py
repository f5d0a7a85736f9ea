"""Decide a page's character encoding and decode it, without ever failing."""

import codecs
import re
from collections.abc import Iterable
from typing import Final, TypeAlias

from kakehi.filters.decoding.decoded import Decoded, Evidence, read_leniently, read_strictly
from kakehi.filters.decoding.labels import ONE_BYTE, codec_of
from kakehi.filters.decoding.likelihood import EVERYDAY, Likelihood, all_everyday, everyday_share, likelihood

Choice: TypeAlias = tuple[str, Evidence]


def decode(body: bytes, header_charset: str | None = None) -> Decoded:
    """Decode a page by BOM, ISO-2022-JP escapes, UTF-16's pattern, header, `<meta>`, or by trial, in this order.

    A declaration counts only if it decodes the whole body strictly, and gives way where another encoding reads clearly
    more like Japanese. Where none decodes strictly, the reading wins that is most like its language with least replaced.

    Args:
        body: The page as sent, after any content encoding.
        header_charset: `charset=` of the HTTP header; an unknown label is ignored.

    Source: the order of the WHATWG encoding standard; "the whole body strictly" after Uzushio's
    `WarcEntryParser.scala`; one-byte labels, UTF-16's pattern and the trial's score are our own.
    """
    choices = _declared(body, header_charset)
    marked = _marked(body, choices)
    if marked:
        return marked
    choices = [choice for choice in choices if choice[0] != "utf_16"]
    for codec, place in choices:
        if codec not in ONE_BYTE and (text := read_strictly(body, codec)) is not None:
            return _rival(body, Decoded(text, codec, place, 0))
    if (text := read_strictly(body, "utf-8")) is not None:
        return Decoded(text, "utf-8", "trial", 0)
    for codec, place in choices:
        if codec in ONE_BYTE and (text := read_strictly(body, codec)) is not None:
            return _against_one_byte(body, codec) or Decoded(text, codec, place, 0)
    return _trial(body, proven=not choices) or _fallback(body, choices)


JAPANESE: Final = ("cp932", "euc_jp")
FOREIGN: Final = tuple(EVERYDAY)

# Kanji alone score 0.25, and bytes of half-width kana may be just these in EUC-JP.
MARGIN: Final = 0.25
#: Nothing but Japanese scores so high; most of it does, and the other languages need not be tried.
CLEARLY_JAPANESE: Final = 0.4
CLEARLY_KINDS: Final = 10
#: Least worth of a reading with broken bytes; Japanese with every twentieth byte broken has 0.45.
DAMAGED: Final = 0.4
#: Of undeclared pages: of Chinese and Korean ones of 2,000 characters the least is 0.2; Japanese so misread has below 0.1.
EVERYDAY_PROVES: Final = 0.2
EVERYDAY_CHARS: Final = 10

BOMS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
ESCAPES: Final = re.compile(rb"\x1b(?:\$[B@]|\([JI])")
META_BYTES: Final = 10_240
PATTERN_BYTES: Final = 1_024
# `[^<>]` keeps hostile rows of "<meta" linear.
META: Final = re.compile(
    rb"""<meta[^<>]*?charset\s*=\s*["']?\s*([\w.:-]+)|<\?xml[^<>]*?encoding\s*=\s*["']([\w.:-]+)""",
    re.IGNORECASE,
)

# So many characters of three bytes, or of two, are not valid UTF-8 by chance.
UTF8: Final = re.compile("(?:[\u0800-\U0010ffff][^\u0800-\U0010ffff]*){2}|(?:[\x80-\U0010ffff][\0-\x7f]*){8}")
BEYOND_TWO: Final = re.compile("[\u0800-\U0010ffff]+")
BELOW_THREE: Final = re.compile("[\x80-\u07ff]")
# The default of old servers, and its kin: text in these has hardly two bytes outside ASCII in a row.
WESTERN: Final = frozenset({"cp1252", "iso8859_15"})


def _marked(body: bytes, choices: list[Choice]) -> Decoded | None:
    """Decode a page that says its encoding in its first bytes, by escape sequences or by a pattern of zeros."""
    for mark, codec in BOMS:
        if body.startswith(mark) and (text := read_strictly(body[len(mark) :], codec)) is not None:
            return Decoded(text, codec, "bom", 0)
    if b"\x1b" in body and ESCAPES.search(body):
        # Escape sequences are valid ASCII, so a page cut inside a character must not go on to UTF-8.
        if body.isascii():
            strict = read_strictly(body, "iso2022_jp")
            if strict is None:
                return read_leniently(body, "iso2022_jp", "escape")
            return Decoded(strict, "iso2022_jp", "escape", 0)
        if read_strictly(body, "utf-8") is None and (text := read_strictly(body, "iso2022_jp")) is not None:
            return Decoded(text, "iso2022_jp", "escape", 0)  # half-width kana in eight bits
    utf16 = _utf16(body)
    if utf16 and (text := read_strictly(body[: len(body) & ~1], utf16)) is not None:
        place: Evidence = next((place for named, place in choices if named == "utf_16"), "pattern")
        odd = len(body) % 2  # a page cut inside a character
        return Decoded(text + "\ufffd" * odd, utf16, place, odd)
    return None


def _utf16(body: bytes) -> str | None:
    """Tell UTF-16 without a BOM, and its byte order: every other byte is that of ASCII (00) or of kana (30).

    Of text in any other encoding, either place has bytes of all kinds. A declared UTF-16 is believed no sooner:
    strict decoding proves nothing, half of all pairs of bytes being characters.
    """
    head = body[:PATTERN_BYTES]
    if len(head) < 2 or (b"\0" not in head and (head.isascii() or 5 * head.count(b"\x30") < len(head))):
        return None  # nearly all pages: what follows would be a tenth of their time before the gate
    even, odd = (sum(map(half.count, (b"\0", b"\x30"))) / len(half) for half in (head[::2], head[1::2]))
    if max(even, odd) < 0.4 or min(even, odd) > 0.1:
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def _declared(body: bytes, header_charset: str | None) -> list[Choice]:
    """List the known encodings that BOM, header and page name, each once."""
    choices: list[Choice] = [(codec, "bom") for mark, codec in BOMS if body.startswith(mark)]
    header = codec_of(header_charset or "")
    if header:
        choices.append((header, "header"))
    meta = META.search(body, 0, META_BYTES)
    codec = codec_of((meta[1] or meta[2]).decode("ascii", "replace")) if meta else None
    # A page whose `<meta>` was read as ASCII isn't UTF-16, whatever it says (WHATWG does the same).
    codec = "utf-8" if codec == "utf_16" else codec
    if codec and codec != header:
        choices.append((codec, "meta"))
    return choices


def _rival(body: bytes, declared: Decoded) -> Decoded:
    """Let a body that is also valid in another encoding overrule the declared one by score.

    That costs nothing on honest pages: their first kana is not valid in the others. A page in Chinese or Korean is often
    valid EUC-JP: only kana overrule its declaration.
    """
    if declared.codec == "utf-8" or body.isascii():
        return declared
    utf8 = read_strictly(body, "utf-8")
    if utf8 is not None and UTF8.search(utf8):
        return Decoded(utf8, "utf-8", "trial", 0)
    if declared.codec in FOREIGN:
        return declared if _is_everyday(declared) else _proven(body, _everyday(declared)) or declared
    rival, found = _japanese(body, [codec for codec in JAPANESE if codec != declared.codec])
    rated = [(rival, found.with_half_width - MARGIN)] if rival else []
    if utf8 is not None:
        rated.append((Decoded(utf8, "utf-8", "trial", 0), likelihood(utf8).japanese))
    if not rated:
        return declared  # nearly always
    return max([(declared, likelihood(declared.text).with_half_width), *rated], key=lambda each: each[1])[0]


def _japanese(body: bytes, codecs_: Iterable[str] = JAPANESE) -> tuple[Decoded | None, Likelihood]:
    """Read as cp932 or as EUC-JP, whichever decodes strictly and reads more like Japanese.

    Katakana in EUC-JP decodes as cp932, into half-width kana, without an error.
    """
    best, found = None, likelihood("")
    for codec in codecs_:
        if (text := read_strictly(body, codec)) is not None:
            scored = likelihood(text)
            if best is None or scored.with_half_width > found.with_half_width:
                best, found = Decoded(text, codec, "trial", 0), scored
    return best, found


def _everyday(decoded: Decoded) -> float:
    return everyday_share(decoded.text, decoded.codec)


def _against_one_byte(body: bytes, codec: str) -> Decoded | None:
    """Read a page under a one-byte label, which decodes whatever there is, as Japanese, where kana prove that it is.

    Under a Western label a few kana or kanji do too: an accented letter and the one behind it may be a kanji, hardly
    ever one of every day, and not side by side.
    """
    proven = _proven(body, 0.0)
    if proven is None and codec in WESTERN:
        found, _ = _japanese(body)
        return found if found and all_everyday(found.text) else None
    return proven


def _proven(body: bytes, least: float) -> Decoded | None:
    """Read as Japanese where kana prove that it is, and it scores more than `least`; also with broken bytes."""
    found, scored = _japanese(body)
    if found and scored.has_kana:
        return found if scored.japanese > least else None
    damaged = _fallback(body, [])
    proven = likelihood(damaged.text).has_kana and _worth(damaged) >= max(least, DAMAGED)
    return damaged if proven else None


def _trial(body: bytes, *, proven: bool) -> Decoded | None:
    """Choose between the Japanese, Chinese and Korean encodings that decode the page.

    Where the page declares another encoding (not `proven`), Japanese must score above nothing.
    """
    found, scored = _japanese(body)
    if scored.japanese >= CLEARLY_JAPANESE and scored.kinds >= CLEARLY_KINDS:
        return found
    for foreign in _foreign(body):
        if _everyday(foreign) > scored.japanese:
            return foreign
    return found if proven or scored.with_half_width > 0 else None


def _foreign(body: bytes) -> list[Decoded]:
    """Read as Chinese or Korean, the likeliest first, where enough characters are everyday ones."""
    texts = ((codec, read_strictly(body, codec)) for codec in FOREIGN)
    read = [Decoded(text, codec, "trial", 0) for codec, text in texts if text is not None]
    enough = [each for each in read if _is_everyday(each)]
    return sorted(enough, key=_everyday, reverse=True)


def _is_everyday(decoded: Decoded) -> bool:
    enough = likelihood(decoded.text).outside >= EVERYDAY_CHARS
    return enough and _everyday(decoded) >= EVERYDAY_PROVES


def _fallback(body: bytes, choices: list[Choice]) -> Decoded:
    """Decode leniently with every codec once, and keep what reads best, the earlier one if equal.

    UTF-8 proves itself where more of it is sound than is not: by chance its characters come out of no other encoding.
    Only kana overrule a declared Chinese or Korean encoding.
    """
    places = dict(choices)
    for codec in ("utf-8", *JAPANESE):
        places.setdefault(codec, "fallback")
    utf8 = read_leniently(body, "utf-8", places["utf-8"])
    if _is_sound(utf8):
        return utf8
    read = [read_leniently(body, codec, place) for codec, place in places.items()]
    best = max(read, key=_worth)
    foreign = [each for each in read if each.codec in FOREIGN]
    return best if not foreign or likelihood(best.text).has_kana else max(foreign, key=_worth)


def _is_sound(utf8: Decoded) -> bool:
    """Tell whether so much of a page is UTF-8 that it is, with damage: of EUC-JP 0.05 of the bytes are so by chance."""
    three = sum(map(len, BEYOND_TWO.findall(utf8.text))) - utf8.text.count("�")
    two = len(BELOW_THREE.findall(utf8.text))
    return 2 * three > utf8.replaced or two > 2 * utf8.replaced


def _worth(decoded: Decoded) -> float:
    """Score a reading by its language, less the share of what was replaced."""
    scored = likelihood(decoded.text)
    share = _everyday(decoded) if decoded.codec in FOREIGN else scored.japanese
    return share - decoded.replaced / scored.outside if scored.outside else 0.0
