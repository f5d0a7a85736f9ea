"""Several hosts on one local server: pages of the test's making, and a log of who asked for what, and when."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import urlsplit

from kakehi.pipeline.sources.formats import warc
from kakehi.pipeline.sources.formats.records import Record

ROOT = Path(__file__).parents[4]


class Page(NamedTuple):
    """What a server answers: a body, or something that writes to the connection itself."""

    body: bytes | Callable[[BaseHTTPRequestHandler], None] = b""
    kind: str | None = "text/html"
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


class Asked(NamedTuple):
    """A request as the server saw it."""

    host: str
    path: str
    start: float
    end: float
    status: int
    headers: Mapping[str, str]


class _Server(ThreadingHTTPServer):
    """Takes no notice of those who hang up."""

    daemon_threads = True

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self.open: set[socket.socket] = set()

    def process_request(self, request: socket.socket, client_address: object) -> None:
        """Remember it."""
        self.open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:
        """Forget it."""
        self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing."""


class Web:
    """A server of several hosts.

    Args:
        pages: by host and path; a host without /robots.txt has none.
        wait_s: before each answer.
        address: it listens at.
        port: it listens at, or 0 for any.
    """

    def __init__(
        self,
        pages: Mapping[tuple[str, str], Page],
        *,
        wait_s: float = 0.0,
        address: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.pages = dict(pages)
        self.wait_s = wait_s
        self.log: list[Asked] = []
        self._server = _Server((address, port), self._handler())
        self._scheme = "http"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hang_up()

    def hang_up(self) -> None:
        """Take no more connections, and end those that are."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for connection in list(self._server.open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def url(self, host: str, path: str = "/") -> str:
        return f"{self._scheme}://{host}:{self.port}{path}"

    def wrap(self, tls: ssl.SSLContext) -> None:
        """Serve by https."""
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._scheme = "https"

    def asked(self, host: str | None = None) -> list[str]:
        """Give paths asked for, in order, rules of the site left out."""
        rules = {"/robots.txt", "/.well-known/tdmrep.json"}
        return [one.path for one in self.log if host in {None, one.host} and one.path not in rules]

    def pages_asked(self) -> set[str]:
        rules = {"/robots.txt", "/.well-known/tdmrep.json"}
        return {self.url(one.host, one.path) for one in self.log if one.path not in rules}

    def hosts(self) -> list[str]:
        return sorted({host for host, _ in self.pages})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                return

            def do_GET(self) -> None:
                start = time.monotonic()
                host = (urlsplit(f"//{self.headers['Host']}").hostname or "").lower()
                if self.path.startswith("http://"):  # as a proxy is asked
                    self.path = self.path.partition("://")[2].partition("/")[2].join(("/", ""))
                page = web.pages.get((host, self.path), Page(b"not here", "text/html", 404))
                time.sleep(web.wait_s)
                status = page.status
                try:
                    status = self._answer(page)
                except OSError:  # whoever asked has had enough
                    self.close_connection, status = True, 0
                web.log.append(Asked(host, self.path, start, time.monotonic(), status, dict(self.headers)))

            def _answer(self, page: Page) -> int:
                if callable(page.body):
                    page.body(self)
                    return page.status
                named = dict(page.headers)
                if page.status == 200 and _unchanged(named, self.headers):
                    self.send_response(304)
                    self.end_headers()
                    return 304
                self.send_response(page.status)
                if page.kind:
                    self.send_header("Content-Type", page.kind)
                for name, value in page.headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(page.body)))
                self.end_headers()
                self.wfile.write(page.body)
                return page.status

        return Handler


def _unchanged(named: Mapping[str, str], asked: Mapping[str, str]) -> bool:
    return named.get("ETag", "") == asked.get("If-None-Match", None)


def redirect(target: str, status: int = 302) -> Page:
    """Answer with another address."""
    return Page(b"", None, status, (("Location", target),))


def real_pages() -> dict[tuple[str, str], Page]:
    """Give the quickstart's pages, charsets right and wrong, under their own hosts, each with a page that names some."""
    pages: dict[tuple[str, str], Page] = {}
    for path in sorted((ROOT / "manifests" / "quickstart" / "warc").glob("*.warc.gz")):
        for item in warc.read(path):
            if isinstance(item, Record) and item.url and item.host:
                parts = urlsplit(item.url)
                named = f"; charset={item.header_charset}" if item.header_charset else ""
                place = (item.host, f"{parts.path}?{parts.query}" if parts.query else parts.path)
                pages.setdefault(place, Page(item.body or b"", f"{item.content_type}{named}"))
    for host in {host for host, _ in pages}:
        named = "".join(f'<a href="{path}">x</a>' for other, path in sorted(pages)[::2] if other == host)
        pages[(host, "/")] = Page(f"<title>{host}</title>{named}".encode(), "text/html")
    return pages
