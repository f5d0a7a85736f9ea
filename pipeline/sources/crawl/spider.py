"""The spider, and the process it runs in: Scrapy asks, `visiting` decides."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import sqlite3
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterable
from http.client import responses as PHRASES  # noqa: N812
from importlib.metadata import version
from multiprocessing.connection import Connection
from typing import Any, Final
from urllib.parse import urlsplit

from scrapy import Request, Spider, exceptions, signals
from scrapy.crawler import AsyncCrawlerProcess, Crawler
from scrapy.http import Response as ScrapyResponse

from kakehi.pipeline.sources.crawl.frontier import Frontier
from kakehi.pipeline.sources.crawl.handler import EndlessHeadError
from kakehi.pipeline.sources.crawl.loop import Crawl
from kakehi.pipeline.sources.crawl.parameters import Job
from kakehi.pipeline.sources.crawl.responses import Headers, NoResponse, Response, is_page
from kakehi.pipeline.sources.crawl.scope import path_of
from kakehi.pipeline.sources.formats.warc_writer import WarcWriter

#: Why no answer came, and whether asking again may help.
_FAILURES: Final[tuple[tuple[type[Exception], str, bool], ...]] = (
    (exceptions.DownloadTimeoutError, "timeout", True),
    (exceptions.DownloadCancelledError, "too_large", False),
    (exceptions.CannotResolveHostError, "no_address", True),
    (exceptions.DownloadConnectionRefusedError, "no_connection", True),
    (exceptions.ResponseDataLossError, "cut_off", True),
    (exceptions.DownloadFailedError, "broken_answer", True),
)


class Client:
    """Asks for addresses through Scrapy's downloader, and through nothing else of it: no cookies, no redirects.

    Args:
        crawler: whose downloader it is.
        job: of the crawl.
    """

    def __init__(self, crawler: Crawler, job: Job) -> None:
        from twisted.internet import reactor  # noqa: PLC0415 - it is there only once Scrapy has installed it

        self._crawler = crawler
        self._refused: dict[str, str] = reactor.nameResolver.refused
        self._headers = [
            ("User-Agent", _named(job)),
            ("Accept", "text/html,application/xhtml+xml,text/plain;q=0.9,*/*;q=0.1"),
            ("Accept-Language", "ja,*;q=0.5"),
            ("Accept-Encoding", "gzip"),
        ]
        crawler.signals.connect(self._began, signals.headers_received)
        crawler.signals.connect(self._received, signals.bytes_received)

    async def ask(self, url: str, more: Headers, page: bool) -> Response | NoResponse:
        """Ask for an address."""
        headers = [*self._headers, *more]
        meta = {"page": page, "began": False, "received": 0}
        request = Request(url, headers=headers, meta=meta, dont_filter=True)
        start = time.monotonic()
        try:
            response = await self._crawler.engine.download_async(request)
        except Exception as error:  # noqa: BLE001 - whatever a server does to us, it is its own page that is lost
            return self._failed(request, error, time.monotonic() - start)
        return _answer(response, headers, time.monotonic() - start)

    def _failed(self, request: Request, error: Exception, seconds: float) -> NoResponse:
        found = [(reason, again) for kind, reason, again in _FAILURES if isinstance(error, kind)]
        reason, again = found[0] if found else ("broken_answer", True)
        refused = self._refused.pop((urlsplit(request.url).hostname or "").lower(), None)
        if refused and reason == "no_address":
            reason, again = "forbidden_address", False
        elif _is_endless_head(error) or (reason == "timeout" and request.meta["began"]):
            reason, again = "endless", False  # it was answering, and would do so again
        return NoResponse(reason=reason, again=again, seconds=seconds, received=request.meta["received"])

    def _began(self, headers: Any, body_length: int, request: Request, **_: Any) -> None:
        """Hear that an answer has begun; don't wait for what is no page."""
        del body_length
        request.meta["began"] = True
        named = headers.get(b"Content-Type")
        if request.meta["page"] and not is_page(named.decode("latin-1") if named else None):
            raise exceptions.StopDownload(fail=False)

    def _received(self, data: bytes, request: Request, **_: Any) -> None:
        request.meta["received"] += len(data)


def _named(job: Job) -> str:
    return f"{job.agent}/{version('kakehi')} (+{job.contact})"


class PageSpider(Spider):
    """The spider: its start is the whole crawl, which asks on its own.

    Args:
        job: of the crawl.
        line: to the process that started it.
    """

    name = "kakehi"

    def __init__(self, job: Job, line: _Line) -> None:
        super().__init__()
        self._job = job
        self._line = line

    async def start(self) -> AsyncIterator[Request]:
        """Crawl; yield nothing to Scrapy's own scheduler."""
        try:
            self._line.end(done=await self._crawl())
        except (OSError, sqlite3.Error, ValueError) as error:
            self._line.fail(error)
        except Exception:  # noqa: BLE001 - Scrapy would keep it to itself
            self._line.broken(traceback.format_exc())
        for request in list[Request]():
            yield request

    async def _crawl(self) -> bool:
        job = self._job
        about = {
            "software": f"kakehi/{version('kakehi')}",
            "format": "WARC File Format 1.1",
            "robots": "RFC 9309",
            "http-header-user-agent": _named(job),
            "operator": job.contact,
        }
        warcs = WarcWriter(job.folder, prefix=job.name, max_bytes=job.warc_mb * 1e6, about=about)
        frontier = Frontier(job.folder / "frontier.sqlite")
        try:
            facts = frontier.facts()
            warcs.resume(facts.get("warc", ""), int(facts.get("size", 0)))
            crawl = Crawl(job, frontier, warcs, Client(self.crawler, job).ask, self._line.tell)
            self._line.on_stop(crawl.stop)
            done = await crawl.run()
            warcs.close() if done else warcs.leave()
        finally:
            frontier.close()
        return done


class _Line:
    """The other end of a pipe to the command: what closes it ends this process."""

    def __init__(self, line: Connection) -> None:
        self._line = line

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Call this once the command says that it is enough."""
        asyncio.get_running_loop().add_reader(self._line.fileno(), self._hear, stop)

    def tell(self, text: str) -> None:
        """Say how far it is."""
        self._line.send(("told", text))

    def end(self, *, done: bool) -> None:
        """Say that it is over."""
        self._line.send(("end", done))

    def fail(self, error: Exception) -> None:
        """Say why it is over; a full disk as what it is."""
        full = isinstance(error, sqlite3.OperationalError) and "full" in str(error)
        number = errno.ENOSPC if full else getattr(error, "errno", None)
        self._line.send(("failed", (number, str(error))))

    def broken(self, trace: str) -> None:
        """Say where we are wrong."""
        self._line.send(("broken", trace))

    def _hear(self, stop: Callable[[], None]) -> None:
        try:
            self._line.recv()
        except (EOFError, OSError):
            os._exit(
                1
            )  # the command is gone: all that was committed is there, and nothing else may be written
        stop()


def work(job: Job, line: Connection) -> None:
    """Crawl, in a process of its own: a reactor runs once.

    Args:
        job: what it is told.
        line: takes ("told", text), then ("end", whether done) or ("failed", (errno, text)); anything sent to it stops.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the command hears it, and closes the line
    process = AsyncCrawlerProcess(_settings(job))
    for name in ("scrapy", "twisted"):  # each of their warnings is an outcome, and is counted
        logging.getLogger(name).addHandler(logging.NullHandler())
        logging.getLogger(name).propagate = False
    process.crawl(PageSpider, job=job, line=_Line(line))
    process.start(install_signal_handlers=False)


def _settings(job: Job) -> dict[str, Any]:
    """Switch off what Scrapy does by itself: rules, pace, redirects, retries and unpacking are decided elsewhere."""
    return {
        "TWISTED_DNS_RESOLVER": "kakehi.pipeline.sources.crawl.resolver.FilteringResolver",
        "KAKEHI_ALLOW": list(job.allow_addresses),
        "KAKEHI_RESOLVE": dict(job.resolve),
        "DOWNLOAD_HANDLERS_BASE": dict.fromkeys(
            ("http", "https"), "kakehi.pipeline.sources.crawl.handler.BoundedHandler"
        ),
        "DOWNLOADER_MIDDLEWARES_BASE": {},
        "SPIDER_MIDDLEWARES_BASE": {},
        "EXTENSIONS_BASE": {},
        "CONCURRENT_REQUESTS": 0,
        "CONCURRENT_REQUESTS_PER_DOMAIN": job.pace.per_host,
        "DOWNLOAD_DELAY": 0,
        "DOWNLOAD_TIMEOUT": job.limits.answer_s,
        "DOWNLOAD_MAXSIZE": int(job.limits.body_mb * 1e6),
        "DOWNLOAD_WARNSIZE": 0,
        "LOG_ENABLED": False,
        "LOG_INSTALL_ROOT_HANDLER": False,
    }


def _answer(response: ScrapyResponse, asked: Headers, seconds: float) -> Response:
    """Give an answer with the heads as they went over the wire, but for the case of names, and chunks, which are joined."""
    pairs = [(name, value) for name, values in response.headers.items() for value in values]
    status = f"{response.protocol or 'HTTP/1.1'} {response.status} {PHRASES.get(response.status, '')}"
    sent = [f"GET {path_of(response.url)} HTTP/1.1", f"Host: {urlsplit(response.url).netloc}"]
    sent += [f"{name}: {value}" for name, value in asked]
    return Response(
        status=response.status,
        headers=[(name.decode("latin-1"), _text(value)) for name, value in pairs],
        request=_head(line.encode() for line in sent),
        head=_head([status.encode(), *(name + b": " + value for name, value in pairs)]),
        body=response.body,
        ip=str(response.ip_address) if response.ip_address else None,
        seconds=seconds,
        cut="download_stopped" in response.flags,
    )


def _is_endless_head(error: Exception) -> bool:
    reasons = getattr(error.__cause__, "reasons", ())
    return any(reason.check(EndlessHeadError) for reason in reasons)


def _head(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\r\n" for line in [*lines, b""])


def _text(value: bytes) -> str:
    """Read a header's value as UTF-8, which some servers send, or as HTTP has it."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
