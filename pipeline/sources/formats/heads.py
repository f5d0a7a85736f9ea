"""Read the heads of WARC records and HTTP answers as they are written, not as they should be.

Line ends are CRLF or LF, mixed too; names have any case, and blanks before the colon; a line that begins with a blank
goes on with the one before; lines without a colon are passed over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

#: What a record begins with: WARC/1.1, and drafts such as 0.18 (ClueWeb09).
VERSION: Final = re.compile(rb"WARC/\d{1,2}\.\d{1,3}[ \t]*\r?\n", re.IGNORECASE)
#: Where a record may begin among other bytes.
START: Final = re.compile(rb"(?<=\n)WARC/\d{1,2}\.\d{1,3}[ \t]*\r?\n", re.IGNORECASE)
#: The end of the last line of a head, and the blank line behind it.
BLANK: Final = re.compile(rb"\n\r*\n")

_FOLD: Final = re.compile(rb"\r*\n[ \t]+")
_BLANK_BEFORE_COLON: Final = re.compile(rb"(?<=\n)([^\s:]+)[ \t]+:")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DIGITS: Final = re.compile(rb"\d{1,18}")
_STATUS: Final = re.compile(
    rb"\s*+(?:HTTPS?|ICY|H[23]C?|SPDY|QUIC)[ \t]*+[:/]*+[ \t]*+"
    rb"(?:[\dx]{1,2}+(?:[.,][\dx]*+)?+(?=[ \t:]))?+[ \t:]*+(\d{1,3})(?!\d)[ \t]*+([^\r\n]*)",
    re.IGNORECASE,
)
_LINE: Final = re.compile(rb"\s*([^\r\n]{0,60})")

Fields = Mapping[bytes, bytes]


class Answer(NamedTuple):
    """The head of an HTTP answer: status (None where it has no status line), reason, the head's lines, where the body starts."""

    status: int | None
    reason: bytes
    lines: bytes
    body: int


def fields_of(head: bytes) -> Fields:
    """Return the first value of every field, under its name in lower case; the first line is passed over."""
    split = [line.partition(b":") for line in _tidy(head).split(b"\n")[:0:-1]]
    return {name.lower(): value for name, _, value in split}


def named_in(head: bytes, *names: str) -> tuple[tuple[str, str], ...]:
    """List the fields that have one of these names (lower case), as often as they are there, in order."""
    split = [line.partition(b":") for line in _tidy(head).split(b"\n")[1:]]
    texts = [(name.decode("latin-1").strip(), value) for name, colon, value in split if colon]
    return tuple((name, worded(value, "latin-1")) for name, value in texts if name.lower() in names)


def worded(value: bytes, encoding: str = "utf-8") -> str:
    """Return a value as text; a control character becomes U+FFFD, so that none reaches a terminal or an id."""
    text = value.decode(encoding, "replace").strip()
    return text if text.isprintable() else _CONTROL.sub("\ufffd", text)


def length_in(fields: Fields) -> int | None:
    """Return the Content-Length that is named, or None."""
    value = fields.get(b"content-length", b"").strip()
    return int(value) if _DIGITS.fullmatch(value) else None


def uri_in(fields: Fields) -> str | None:
    """Return the address a record is of, without the angle brackets that wget, by the grammar of WARC 1.0, puts."""
    value = fields.get(b"warc-target-uri")
    if value is None:
        return None
    url = worded(value)
    return url[1:-1].strip() if url[:1] == "<" and url[-1:] == ">" else url


def answer_in(block: bytes) -> Answer:
    """Read the head of the answer proper: behind interim ones (100, 103), and behind a proxy's to CONNECT."""
    answer = _answer_at(block, 0)
    while answer.status is not None and _precedes(answer):
        inner = _answer_at(block, answer.body)
        if inner.status is None:
            break
        answer = inner
    return answer


def first_line_of(block: bytes) -> str:
    """Return the beginning of the first line, for people."""
    found = _LINE.match(block)
    return worded(found[1], "latin-1") if found else ""


def _tidy(head: bytes) -> bytes:
    """Join folded lines, and take blanks from between names and colons."""
    if b"\n " in head or b"\n\t" in head:
        head = _FOLD.sub(b" ", head)
    if b" :" in head or b"\t:" in head:
        head = _BLANK_BEFORE_COLON.sub(rb"\1:", head)
    return head


def _precedes(answer: Answer) -> bool:
    """Say whether another head may follow: behind an interim one, and in a tunnel."""
    if answer.status == 200:
        return b"establish" in answer.reason.lower() or b"content-type" not in answer.lines.lower()
    return answer.status is not None and 100 <= answer.status < 200


def _answer_at(block: bytes, start: int) -> Answer:
    line = _STATUS.match(block, start)
    if line is None:
        return Answer(None, b"", b"", start)
    at = line.end()
    blank = BLANK.search(block, at)
    end, body = (blank.start(), blank.end()) if blank else (len(block), len(block))
    status, reason = int(line[1]), line[2]
    if status == 0 and reason.strip().upper() == b"OK":
        status = 200  # what a browser's crawler had from a cache
    return Answer(status, reason, block[at:end], body)
