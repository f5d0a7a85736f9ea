"""Say what a body is: by the type its header names, and by its first bytes, as browsers do."""

from __future__ import annotations

import re
from typing import Final

from kakehi.filters.decoding.charset import decode

PAGE_TYPES: Final = ("text/html", "application/xhtml+xml", "text/plain")

#: How much of a body is looked at (WHATWG MIME Sniffing, section 5.2).
_HEAD_BYTES: Final = 1445
#: Types that mean "I don't know" (section 7); a crawler that could not tell says octet-stream.
_UNKNOWN: Final = ("*/*", "unknown/unknown", "application/unknown")
_OPAQUE: Final = "application/octet-stream"

_TYPE: Final = re.compile(
    r"[ \t\r\n]*([!#$%&'*+.^_`|~\w-]+/[!#$%&'*+.^_`|~\w-]+)[ \t\r\n]*(?:;|\Z)", re.ASCII
)
_COMMAS: Final = re.compile(r'(?:[^",]|"[^"]*"?)+')
_CHARSET: Final = re.compile(r"""(?<![\w-])charset\s*+[=:]\s*+["']?\s*+([^\s"';,]+)""", re.IGNORECASE)

# The tags of section 7.1, some more that pages begin with, and what may stand before them.
_TAGS: Final = rb"(?:!doctype html|html|head|body|title|meta|script|h[1-6]|div|p|table|a|br)\b"
_MARKUP: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?[\s\0]*+<(?:" + _TAGS + rb"|!--|(?:link|style|iframe|font|center|base|ul|img)\b)",
    re.IGNORECASE,
)
_ANY_TAG: Final = re.compile(rb"<" + _TAGS, re.IGNORECASE)
_XML: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml|rss|feed|svg)\b")
_ROOT: Final = re.compile(rb"<(?:!doctype )?html\b", re.IGNORECASE)
_UTF16_BOMS: Final = (b"\xff\xfe", b"\xfe\xff")

# The standard's binary data bytes (section 3), but for backspace: manual pages strike letters over.
_BINARY: Final = bytes({*range(0x20)} - {*b"\x08\t\n\x0c\r\x1b"})
_SHIFTS: Final = b"\x0e\x0f"
# Formats that may be text alone, and that no text begins with.
_PRINTABLE: Final = (
    (b"%PDF-", "application/pdf"),
    (b"%!PS-Adobe-", "application/postscript"),
    (b"{\\rtf", "application/rtf"),
)
_MEDIA: Final = ("image/", "audio/", "video/", "font/")
_TEXTUAL: Final = re.compile(
    r"text/|application/(?:.*\+)?(?:xml|json)\b|.*(?:java|ecma)script|image/svg\+xml"
)


def media_type(content_type: str | None) -> str:
    """Return the media type a header names, lower case, without parameters; '' where none can be read.

    Of several, in one header or joined by commas, the last that can be read counts.

    Source: Fetch, "extract a MIME type"; MIME Sniffing, "parse a MIME type".
    """
    named, header = "", content_type or ""
    for value in _COMMAS.findall(header) if "," in header else (header,):
        found = _TYPE.match(value)
        if found and (read := found[1].lower()) not in _UNKNOWN:
            named = read
    return named


def charset_of(content_type: str | None) -> str | None:
    """Return the charset a header names, lower case, also where its type can't be read."""
    found = _CHARSET.search(content_type or "")
    return found[1].lower() if found else None


def is_html(body: bytes) -> bool:
    """Say whether a body begins as HTML does, and is not a warning of PHP's before an image."""
    head = body[:_HEAD_BYTES]
    return _MARKUP.match(body) is not None and 20 * _stray(head) <= 20 + len(head)


def page_type(named: str, body: bytes, identified: str = "") -> str:
    """Return the type a body is to be read as; one that is none of `PAGE_TYPES` means that it is no page.

    Args:
        named: what its header says, out of `media_type`: one of `PAGE_TYPES`, or '' for unknown.
        body: without any coding.
        identified: what the crawler found it to be, or ''.
    """
    if is_html(body):
        return named or "text/html"
    head = body[:_HEAD_BYTES]
    if binary := _binary_type(head, identified):
        return binary
    if named:
        return named
    return _text_type(
        decode(head).text.encode() if _stray(head) else head, identified
    )  # UTF-16 shows its tags


def is_text(body: bytes) -> bool:
    """Say whether a body begins as text does: as HTML, as UTF-16 by its mark, or without any binary data byte."""
    head = body[:_HEAD_BYTES]
    return head.startswith(_UTF16_BOMS) or _MARKUP.match(body) is not None or not _stray(head)


def is_legible(body: bytes) -> bool:
    """Say whether what begins as text does can be decoded, too: 19 in 20 bytes of it."""
    head = body[:_HEAD_BYTES]
    return is_text(body) and 20 * decode(head).replaced <= 20 + len(head)


def _text_type(head: bytes, identified: str) -> str:
    """Return the type of a text that says none."""
    if _XML.match(head):
        return "text/html" if _ROOT.search(head) else "text/xml"
    if _ANY_TAG.search(head):
        return "text/html"
    return identified if identified not in ("", _OPAQUE) else "text/plain"


def _binary_type(head: bytes, identified: str) -> str:
    """Return the type of what is no text; '' for text, in which a few stray control bytes may stand.

    The standard takes one such byte for binary. Of random bytes a tenth are; more than two in a hundred are none that
    an editor or a form left in a page.
    """
    for signature, found in _PRINTABLE:
        if head.startswith(signature):
            return found
    stray = _stray(head)
    if not stray:
        return identified if identified.startswith(_MEDIA) and not _TEXTUAL.match(identified) else ""
    if head.startswith(_UTF16_BOMS) and _is_utf16(head):
        return ""
    if found := _signed(head):
        return found
    if _is_utf16(head):
        return ""
    if stray > 1 + len(head) // 50:
        return _OPAQUE
    return identified if identified and not _TEXTUAL.match(identified) else ""


def _stray(head: bytes) -> int:
    """Count binary data bytes; the shifts of ISO 2022 are none where it announces itself."""
    ours = _BINARY.translate(None, _SHIFTS) if b"\x1b" in head else _BINARY
    return len(head) - len(head.translate(None, ours))


def _is_utf16(head: bytes) -> bool:
    """Say whether it is read as UTF-16 and is text then; the second try is for a head cut in a pair of surrogates."""
    for size in (len(head) & ~1, (len(head) & ~1) - 2):
        read = decode(head[:size])
        if read.codec.startswith("utf-16") and 100 * read.replaced <= size:
            text = read.text.encode()
            return 50 * _stray(text) <= len(text)
    return False


def _signed(head: bytes) -> str:
    """Return the type whose signature a body begins with; letters alone prove nothing, what follows must be binary."""
    from puremagic import PureError, magic_string  # noqa: PLC0415 - 40 ms, for what hardly any body needs

    try:
        found = magic_string(head)
    except PureError:
        return ""
    sound = [
        (-len(one.byte_match), not one.mime_type, len(one.mime_type), one.mime_type)
        for one in found
        if len(one.byte_match) > 2
        and head.startswith(one.byte_match)
        and _stray(head[: len(one.byte_match) + 2])
        and not one.mime_type.startswith("text/")
    ]
    # Of types that share a signature the one of the shortest name: the library's order is that of a set.
    return (min(sound)[-1] or _OPAQUE) if sound else ""
