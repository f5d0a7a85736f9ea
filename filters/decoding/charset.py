"""Decide a page's character encoding and decode it, without ever failing."""

import codecs
import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, TypeAlias

from kakehi.filters.decoding.jis import read_euc_jp, read_iso2022_jp
from kakehi.filters.decoding.labels import ONE_BYTE, codec_of

Evidence: TypeAlias = Literal["bom", "escape", "pattern", "header", "meta", "trial", "fallback"]
Choice: TypeAlias = tuple[str, Evidence]


class Decoded(NamedTuple):
    """A decoded page, the codec and where it was learnt, and how many bytes or pairs had to be replaced."""

    text: str
    codec: str
    codec_from: Evidence
    replaced: int

    def utf8(self, body: bytes) -> bytes:
        """Give the page in UTF-8, as the gate and the extractor take it: most bodies are that already."""
        if self.codec == "utf-8" and self.codec_from != "bom" and not self.replaced:
            return body
        return self.text.encode()


def decode(body: bytes, header_charset: str | None = None) -> Decoded:
    """Decode a page by BOM, ISO-2022-JP escapes, UTF-16's pattern, header, `<meta>`, or by trial, in this order.

    A declaration counts only if it decodes the whole body strictly; a label of a one-byte encoding, which
    cannot fail and so proves nothing, comes after the trial of Japanese encodings. Where nothing decodes
    strictly, the choice with the fewest replacement characters wins (the earlier one if equal).

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
        if codec not in ONE_BYTE and (text := _strictly(body, codec)) is not None:
            return _rival(body, Decoded(text, codec, place, 0))
    tried = _trial(body, proven=not choices)
    if tried:
        return tried
    for codec, place in choices:
        if codec in ONE_BYTE and (text := _strictly(body, codec)) is not None:
            return _damaged(body) or Decoded(text, codec, place, 0)
    return _fewest_replaced(body, [*choices, *((codec, "fallback") for codec in TRIAL)])


TRIAL: Final = ("utf-8", "cp932", "euc_jp")
JAPANESE: Final = frozenset({*TRIAL, "iso2022_jp"})

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

# What Python's cp932 gives for the bytes A0, FD, FE and FF, which are no Windows-31J.
NOT_CP932: Final = ("\xa0", "\uf8f1", "\uf8f2", "\uf8f3")

KANA: Final = re.compile("[ぁ-ゖァ-ヺー]+")
KANJI: Final = re.compile("[一-鿿々、。「」]+")
VOICED: Final = re.compile("[ｳｶ-ﾄﾊ-ﾎ]ﾞ|[ﾊ-ﾎ]ﾟ")
UNLIKELY: Final = re.compile("[｡-･ﾞﾟ\x80-\x9f\ue000-\uf8ff]+")
OUTSIDE_ASCII: Final = re.compile("[^\x00-\x7f]+")


def _marked(body: bytes, choices: list[Choice]) -> Decoded | None:
    """Decode a page that says its encoding in its first bytes, by escape sequences or by a pattern of zeros."""
    for mark, codec in BOMS:
        if body.startswith(mark) and (text := _strictly(body[len(mark) :], codec)) is not None:
            return Decoded(text, codec, "bom", 0)
    if b"\x1b" in body and ESCAPES.search(body):
        # Escape sequences are valid ASCII, so a page cut inside a character must not go on to UTF-8.
        if body.isascii():
            strict = _strictly(body, "iso2022_jp")
            if strict is None:
                return _leniently(body, "iso2022_jp", "escape")
            return Decoded(strict, "iso2022_jp", "escape", 0)
        if _strictly(body, "utf-8") is None and (text := _strictly(body, "iso2022_jp")) is not None:
            return Decoded(text, "iso2022_jp", "escape", 0)  # half-width kana in eight bits
    utf16 = _utf16(body)
    if utf16 and (text := _strictly(body[: len(body) & ~1], utf16)) is not None:
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


def _strictly(body: bytes, codec: str) -> str | None:
    """Decode the whole body, or say that it can't be."""
    try:
        text = _read(body, codec, "strict")
    except UnicodeDecodeError:
        return None
    return None if codec == "cp932" and any(char in text for char in NOT_CP932) else text


def _leniently(body: bytes, codec: str, place: Evidence) -> Decoded:
    """Decode the body with replacement characters; those that the page itself holds don't count."""
    text = _read(body, codec, "replace")
    text = text.removeprefix("\ufeff") if place == "bom" else text
    for char in NOT_CP932 if codec == "cp932" else ():
        text = text.replace(char, "�")
    own = body.count("�".encode()) if codec == "utf-8" else 0
    return Decoded(text, codec, place, text.count("�") - own)


def _read(body: bytes, codec: str, errors: Literal["strict", "replace"]) -> str:
    if codec == "euc_jp":
        return read_euc_jp(body, errors)
    return read_iso2022_jp(body, errors) if codec == "iso2022_jp" else body.decode(codec, errors)


def _rival(body: bytes, declared: Decoded) -> Decoded:
    """Let a body that is also valid in another encoding overrule the declared one by score.

    That costs nothing on honest pages: their first kana is not valid in the others. Against Chinese and Korean
    codecs only UTF-8 is tried: their pages are often valid EUC-JP.
    """
    if declared.codec == "utf-8" or body.isascii():
        return declared
    rivals = TRIAL if declared.codec in JAPANESE else TRIAL[:1]
    best, score = declared, None
    for codec in rivals:
        if codec != declared.codec and (text := _strictly(body, codec)) is not None:
            score = _likelihood(best.text) if score is None else score
            if (other := _likelihood(text)) > score:
                best, score = Decoded(text, codec, "trial", 0), other
    return best


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


def _damaged(body: bytes) -> Decoded | None:
    """Read a page under a one-byte label as Japanese with broken bytes, where that gives mostly kana.

    An accented letter and the one behind it may be a kanji in cp932, hardly ever a kana.
    """
    found = _fewest_replaced(body, [(codec, "fallback") for codec in TRIAL])
    return found if _likelihood(found.text) >= 0.5 else None


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
    seen: dict[str, Evidence] = {}
    for codec, place in choices:
        if seen.setdefault(codec, place) == place:
            yield _leniently(body, codec, place)
