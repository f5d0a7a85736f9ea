"""Scrapy's HTTP handler, with a bound on what comes before a body: it bounds bodies only.

It reaches into two private classes of Scrapy, since neither it nor Twisted has a setting for this; a test with a server
that sends header lines without end notices if that stops working.
"""

from __future__ import annotations

from typing import Final

from scrapy.core.downloader.handlers.http11 import (
    HTTP11DownloadHandler,
    _LenientHTTP11ClientFactory,
    _LenientHTTP11ClientProtocol,
)
from scrapy.crawler import Crawler
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress
from twisted.python.failure import Failure
from twisted.web._newclient import BODY, HTTP11ClientProtocol, Request
from twisted.web.iweb import IResponse

#: Bytes of status lines and headers, all of an answer's; browsers stop at 256 KiB.
MAX_HEAD_BYTES: Final = 1 << 19


class EndlessHeadError(Exception):
    """An answer's headers go on and on."""


class _BoundedProtocol(_LenientHTTP11ClientProtocol):
    """Gives up an answer whose head is too long."""

    _head_bytes = 0

    def request(self, request: Request) -> Deferred[IResponse]:
        """Ask, and count anew."""
        self._head_bytes = 0
        return super().request(request)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Count what is no body."""
        if self._parser is not None and self._parser.state != BODY:
            self._head_bytes += len(data)
            # A head and the beginning of its body may come as one, in the 64 KiB that are read at a time.
            if self._head_bytes > MAX_HEAD_BYTES:
                self._giveUp(Failure(EndlessHeadError()))
                return
        super().dataReceived(data)


class _BoundedFactory(_LenientHTTP11ClientFactory):
    """Builds such protocols."""

    def buildProtocol(self, addr: IAddress | None) -> HTTP11ClientProtocol:  # noqa: N802 - Twisted's name
        """Build one for a connection."""
        del addr
        return _BoundedProtocol(self._quiescentCallback)


class BoundedHandler(HTTP11DownloadHandler):
    """Downloads by HTTP and HTTPS."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._pool._factory = _BoundedFactory  # noqa: SLF001 - see above
