"""Read the heads of WARC records and HTTP answers as they are written, not as they should be.

Line ends are CRLF or LF, mixed too; names have any case, and blanks before the colon; a line that begins with a blank
goes on with the one before; lines without a colon are passed over.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final, NamedTuple, Protocol, overload

from fastwarc.warc import WarcHeader

#: What a record begins with: WARC/1.1, and drafts such as 0.18 (ClueWeb09).
VERSION: Final = re.compile(rb"WARC/\d{1,2}\.\d{1,3}[ \t]*\r?\n", re.IGNORECASE)
#: Where a record may begin among other bytes.
START: Final = re.compile(rb"(?<=\n)WARC/\d{1,2}\.\d{1,3}[ \t]*\r?\n", re.IGNORECASE)
#: The end of the last line of a head, and the blank line behind it.
BLANK: Final = re.compile(rb"\n\r*\n")

_FOLD: Final = re.compile(rb"\r*\n[ \t]+")
_BLANK_BEFORE_COLON: Final = re.compile(rb"(?<=\n)([^\s:]+)[ \t]+:")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_DIGITS: Final = re.compile(r"\+?\d{1,18}", re.ASCII)
_STATUS: Final = re.compile(
    rb"\s*+(?:HTTPS?|ICY|H[23]C?|SPDY|QUIC)[ \t]*+[:/]*+[ \t]*+"
    rb"(?:[\dx]{1,2}+(?:[.,][\dx]*+)?+(?=[ \t:]))?+[ \t:]*+(\d{1,3})(?!\d)[ \t]*+([^\r\n]*)",
    re.IGNORECASE,
)
_USUAL: Final = (b" 200 ", b" 200\r")
_LINE: Final = re.compile(rb"\s*([^\r\n]{0,60})")


class Named(Protocol):
    """The fields of a WARC head, whoever parsed it: fastwarc's `HeaderMap`, or `Fields`."""

    def get(self, key: WarcHeader) -> str | None:
        """Return the first value of a field, or None."""


class Fields:
    """The fields of a head, looked up where they stand: most heads are asked for three of a dozen.

    Args:
        head: its lines, without the blank one; the first is no field.
    """

    __slots__ = ("_lines", "_lower")

    def __init__(self, head: bytes) -> None:
        if b"\n " in head or b"\n\t" in head:
            head = _FOLD.sub(b" ", head)
        if b" :" in head or b"\t:" in head:
            head = _BLANK_BEFORE_COLON.sub(rb"\1:", head)
        self._lines, self._lower = head, head.lower()

    def get(self, key: WarcHeader | str) -> str | None:
        """Return the first value of a field, or None."""
        named = _line_start(str(key))
        at = self._lower.find(named)
        return None if at < 0 else self._value(at + len(named))

    def joined(self, key: str) -> str | None:
        """Return the values of a field, whose name is in lower case, joined by commas; None where there is none."""
        named = _line_start(key)
        at = self._lower.find(named)
        if at < 0:
            return None
        if self._lower.find(named, at + 1) < 0:
            return self._value(at + len(named))
        return ", ".join(value for _, value in self.every(key))

    def every(self, *names: str) -> tuple[tuple[str, str], ...]:
        """List the fields of these names (lower case), as often as they are there, in order."""
        split = [line.partition(b":") for line in self._lines.split(b"\n")[1:]]
        named = ((_decoded(name), value) for name, _, value in split)
        return tuple((name, _decoded(value)) for name, value in named if name.lower() in names)

    def names(self, key: str) -> bool:
        """Say whether there is a field of a name, which is in lower case."""
        return _line_start(key) in self._lower

    def any_of(self, keys: tuple[str, ...]) -> bool:
        """Say whether there is a field of one of these names, which are in lower case."""
        return _line_of_one(keys).search(self._lower) is not None

    @property
    def length(self) -> int | None:
        """The Content-Length that is named, of several the last, as fastwarc has it; or None."""
        at = self._lower.rfind(b"\ncontent-length:")
        value = self._value(at + 16) if at >= 0 else ""
        return int(value) if _DIGITS.fullmatch(value) else None

    def _value(self, start: int) -> str:
        end = self._lines.find(b"\n", start)
        return _decoded(self._lines[start:end] if end >= 0 else self._lines[start:])


class Answer(NamedTuple):
    """The head of an HTTP answer: status (None where it has no status line), reason, fields, where the body starts."""

    status: int | None
    reason: bytes
    fields: Fields
    body: int


@overload
def printable(text: str) -> str: ...
@overload
def printable(text: None) -> None: ...
@overload
def printable(text: str | None) -> str | None: ...
def printable(text: str | None) -> str | None:
    """Put U+FFFD for control characters, so that none reaches a terminal or an id."""
    return text if text is None or text.isprintable() else _CONTROL.sub("\ufffd", text)


def uri_of(fields: Named) -> str | None:
    """Return the address a record is of, without the angle brackets that wget puts, by the grammar of WARC 1.0."""
    url = fields.get(WarcHeader.WARC_TARGET_URI)
    if url and url[0] == "<" and url[-1] == ">":
        url = url[1:-1].strip()
    return url if url is None or url.isprintable() else printable(url)


def answer_in(block: bytes) -> Answer:
    """Read the head of the answer proper: behind interim ones (100, 103), and behind a proxy's to CONNECT."""
    if block[:7] == b"HTTP/1." and block[8:13] in _USUAL and (blank := BLANK.search(block, 12)):
        fields = Fields(block[12 : blank.start()])
        if fields.names("content-type"):  # half the time of what follows
            return Answer(200, b"", fields, blank.end())
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
    return _decoded(found[1]) if found else ""


def _precedes(answer: Answer) -> bool:
    """Say whether another head may follow: behind an interim one, and in a tunnel."""
    if answer.status == 200:
        return not answer.fields.names("content-type") or b"establish" in answer.reason.lower()
    return answer.status is not None and 100 <= answer.status < 200


def _answer_at(block: bytes, start: int) -> Answer:
    line = _STATUS.match(block, start)
    if line is None:
        return Answer(None, b"", Fields(b""), start)
    at = line.end()
    blank = BLANK.search(block, at)
    end, body = (blank.start(), blank.end()) if blank else (len(block), len(block))
    status, reason = int(line[1]), line[2]
    if status == 0 and reason.strip().upper() == b"OK":
        status = 200  # what a browser's crawler had from a cache
    return Answer(status, reason, Fields(block[at:end]), body)


@cache
def _line_start(key: str) -> bytes:
    """Write what the line of a field begins with, in lower case; a dozen fields are ever asked for."""
    return f"\n{key}:".lower().encode()


@cache
def _line_of_one(keys: tuple[str, ...]) -> re.Pattern[bytes]:
    return re.compile(b"\n(?:" + b"|".join(re.escape(key.encode()) for key in keys) + b"):")


def _decoded(value: bytes) -> str:
    """Read a value as UTF-8, or else as Latin-1, as fastwarc reads the fields of HTTP."""
    try:
        return value.decode().strip()
    except UnicodeDecodeError:
        return value.decode("latin-1").strip()
