"""Scrapy's HTTP handler, with bounds on what comes before a body, in bytes and in seconds: it bounds bodies only.

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
from twisted.internet.interfaces import IAddress, IDelayedCall
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure
from twisted.web._newclient import BODY, HTTP11ClientProtocol, Request
from twisted.web.iweb import IResponse

#: Bytes of status lines and headers, all of an answer's; browsers stop at 256 KiB.
MAX_HEAD_BYTES: Final = 1 << 19


#: From a head's first byte to its last; a server may think longer before it begins. Browsers see whole heads at once.
MAX_HEAD_SECONDS: Final = 10.0


class EndlessHeadError(Exception):
    """An answer's headers go on and on."""


class _BoundedProtocol(_LenientHTTP11ClientProtocol):
    """Gives up an answer whose head is too long, or takes too long once it has begun."""

    max_head_seconds = MAX_HEAD_SECONDS
    _head_bytes = 0
    _deadline: IDelayedCall | None = None

    def request(self, request: Request) -> Deferred[IResponse]:
        """Ask, and count anew."""
        self._head_bytes = 0
        return super().request(request)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Count what is no body."""
        if self._in_head():
            self._head_bytes += len(data)
            # A head and the beginning of its body may come as one, in the 64 KiB that are read at a time.
            if self._head_bytes > MAX_HEAD_BYTES:
                self._give_up_head()
                return
        super().dataReceived(data)
        if not self._in_head():
            self._stop_clock()
        elif self._deadline is None:
            self._start_clock()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Forget the deadline too."""
        self._stop_clock()
        super().connectionLost(reason)

    def _in_head(self) -> bool:
        return self._parser is not None and self._parser.state != BODY

    def _start_clock(self) -> None:
        from twisted.internet import reactor  # noqa: PLC0415 - it is there only once Scrapy has installed it

        self._deadline = reactor.callLater(self.max_head_seconds, self._give_up_head)

    def _stop_clock(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None

    def _give_up_head(self) -> None:
        self._stop_clock()
        self._giveUp(Failure(EndlessHeadError()))


class _BoundedFactory(_LenientHTTP11ClientFactory):
    """Builds such protocols."""

    max_head_seconds = MAX_HEAD_SECONDS

    def buildProtocol(self, addr: IAddress | None) -> HTTP11ClientProtocol:  # noqa: N802 - Twisted's name
        """Build one for a connection."""
        del addr
        protocol = _BoundedProtocol(self._quiescentCallback)
        protocol.max_head_seconds = self.max_head_seconds
        return protocol


class BoundedHandler(HTTP11DownloadHandler):
    """Downloads by HTTP and HTTPS."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        # Of a time for the whole answer a head has half at most, so that it is known for what it is.
        seconds = min(MAX_HEAD_SECONDS, crawler.settings.getfloat("DOWNLOAD_TIMEOUT") / 2)

        class _Factory(_BoundedFactory):
            max_head_seconds = seconds

        self._pool._factory = _Factory  # noqa: SLF001 - see above
