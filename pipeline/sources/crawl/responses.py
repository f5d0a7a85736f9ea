"""What comes back when something is asked for: an answer with the bytes a WARC file wants, or why there is none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from kakehi.pipeline.sources.formats.media import PAGE_TYPES, charset_of, media_type

Headers: TypeAlias = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Response:
    """An answer, whole unless it is cut.

    Args:
        status: of HTTP.
        headers: names and values, in order.
        request: head of what was asked, up to its empty line.
        head: of the answer, up to its empty line.
        body: chunks joined, content encoding left as it was.
        ip: address that answered, or None.
        seconds: from asking to the last byte.
        cut: whether the body was not waited for, since it is no page.
    """

    status: int
    headers: Headers
    request: bytes
    head: bytes
    body: bytes
    ip: str | None
    seconds: float
    cut: bool = False

    def header(self, name: str) -> str | None:
        """Give the first header of this name (in lower case), or None."""
        return next((value for found, value in self.headers if found.lower() == name), None)

    @property
    def charset(self) -> str | None:
        """The charset its header names, or None."""
        return charset_of(self.header("content-type"))


@dataclass(frozen=True, kw_only=True)
class NoResponse:
    """Why there is no answer.

    Args:
        reason: in a word, as it is counted.
        again: whether asking again may help.
        seconds: it took.
        received: bytes of the body that came all the same.
    """

    reason: str
    again: bool
    seconds: float
    received: int = 0


#: Asks for an address: (url, headers besides the usual ones, whether only a page is wanted).
Ask: TypeAlias = Callable[[str, Headers, bool], Awaitable[Response | NoResponse]]


def is_page(content_type: str | None) -> bool:
    """Say whether a type is that of a page; a missing one may be."""
    named = media_type(content_type)
    return not named or named in PAGE_TYPES
